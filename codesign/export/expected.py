"""The error to expect of each figure: that on published measurements which the models were not fitted to."""

from dataclasses import dataclass
from functools import lru_cache
from statistics import median

from cost_models import OBJECTIVES

# Sections of an evaluation that the report shows; cases of single formulas say nothing about a design.
_SECTIONS = ("parameters", "memory", "lookup", "latency", "energy", "cost", "carbon")

_FEW = 3
_ENOUGH = 10  # measurements that tell an error
_LABELS = {
    "parameters.tables": "parameters in tables",
    "parameters.total": "parameters",
    "parameters.active_per_token": "parameters used per token",
    "memory.tables_bytes": "bytes of the tables",
    "lookup.reads_per_token": "table rows read per token",
    "lookup.bytes_per_token": "table bytes read per token",
    "lookup.decode.time_s": "time of the table reads of a decode step",
    "latency.prefill_s": "time of a prefill",
    "latency.decode_step_s": "time of a decode step",
}


@dataclass(frozen=True)
class Expected:
    """Absolute relative errors (0.1: 10 %) of one quantity over its held-out cases."""

    quantity: str
    median: float
    mean: float
    worst: float
    cases: int
    label: str  # the quantity in words
    names: tuple[str, ...]  # of the cases, where they are few


@lru_cache(maxsize=1)
def expected_errors() -> tuple[Expected, ...]:
    """One row per figure that `codesign validate` has held-out cases of, in the order of the document."""
    from cost_models import validation

    errors: dict[str, list[float]] = {}
    names: dict[str, list[str]] = {}
    for case in validation.document()["cases"]:
        counts = case["error_kind"] == "relative" and not case["fitted"]
        if counts and case["quantity"].partition(".")[0] in _SECTIONS:
            errors.setdefault(case["quantity"], []).append(abs(case["error"]))
            names.setdefault(case["quantity"], []).append(case["name"])
    return tuple(
        Expected(
            name,
            median(found),
            sum(found) / len(found),
            max(found),
            len(found),
            _label(name),
            _few(names[name]),
        )
        for name, found in sorted(errors.items(), key=lambda item: _SECTIONS.index(item[0].partition(".")[0]))
    )


def _few(names: list[str]) -> tuple[str, ...]:
    return tuple(names) if len(names) <= _FEW else ()


def doubt(stated: float | None, *quantities: str) -> float | None:
    """Relative error to show beside a figure: the larger of the part's own and the median of held-out measurements.

    stated: of a step's kernels on this accelerator, or None. quantities: those whose measurements count, where there
    are at least _ENOUGH of them: served requests are off by more than the kernels that they run.
    """
    known = [row.median for row in expected_errors() if row.quantity in quantities and row.cases >= _ENOUGH]
    return max([*known, *([] if stated is None else [stated])], default=None)


def _label(quantity: str) -> str:
    key = quantity.rpartition(".")[2]
    return _LABELS.get(quantity) or (OBJECTIVES[key].label if key in OBJECTIVES else quantity)
