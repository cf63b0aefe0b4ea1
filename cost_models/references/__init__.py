"""Published measurements as cases for validation: YAML files, and the CSV files that they name."""
