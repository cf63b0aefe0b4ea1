"""The error to expect of each figure: that on published measurements which the models were not fitted to."""

from dataclasses import dataclass
from functools import lru_cache

# Sections of an evaluation that the report shows; cases of single formulas say nothing about a design.
_SECTIONS = ("parameters", "memory", "lookup", "latency", "energy", "cost", "carbon")


@dataclass(frozen=True)
class Expected:
    """Absolute relative errors (0.1: 10 %) of one quantity over its held-out cases."""

    quantity: str
    mean: float
    worst: float
    cases: int


@lru_cache(maxsize=1)
def expected_errors() -> tuple[Expected, ...]:
    """One row per figure that `codesign validate` has held-out cases of, in the order of the document."""
    from cost_models import validation

    errors: dict[str, list[float]] = {}
    for case in validation.document()["cases"]:
        counts = case["error_kind"] == "relative" and not case["fitted"]
        if counts and case["quantity"].partition(".")[0] in _SECTIONS:
            errors.setdefault(case["quantity"], []).append(abs(case["error"]))
    ordered = sorted(errors, key=lambda quantity: _SECTIONS.index(quantity.partition(".")[0]))
    return tuple(
        Expected(name, sum(errors[name]) / len(errors[name]), max(errors[name]), len(errors[name]))
        for name in ordered
    )
