"""The error to expect of each figure: that on published measurements which the models were not fitted to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Expected:
    """Absolute relative errors (0.1: 10 %) of one quantity over its held-out cases."""

    quantity: str
    mean: float
    worst: float
    cases: int


def expected_errors() -> list[Expected]:
    """One row per quantity that `codesign validate` has held-out cases of, in its order."""
    from cost_models import validation

    errors: dict[str, list[float]] = {}
    for case in validation.document()["cases"]:
        if not case["fitted"]:
            errors.setdefault(case["quantity"], []).append(abs(case["error"]))
    return [
        Expected(quantity, sum(values) / len(values), max(values), len(values))
        for quantity, values in errors.items()
    ]
