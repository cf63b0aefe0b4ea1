"""The same flow on pictures: SkyNet's own bundles, scored on scikit-learn's digits and by models of its two boards."""
