"""What designs score: all hardware of a model at once as arrays, or one design as a trial records it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cost_models
from codesign.front import Matrix, signs
from cost_models.design import Design
from search_spaces import Space

QUALITY = "bits_per_byte"
# Of a completion these parts of the document are left out, and made again when they are asked for: they are
# most of its bytes and a study holds thousands.
LEFT_OUT = ("breakdown", "sources", "tables")


@dataclass(frozen=True)
class Scores:
    """Objectives and violations of n designs.

    minimised: (n, objectives) float64, less is better; NaN in the column of quality until it is known.
    feasible: (n,) bool, without the quality limit.
    bits_factor: (n,) what the model's loss is multiplied by when it is served so (a cut KV cache).
    """

    minimised: Matrix
    feasible: NDArray[np.bool_]
    bits_factor: NDArray[np.float64]


def score(space: Space, design: Design, catalogue: cost_models.Catalogue) -> Scores:
    """Score an array design (or a scalar one: n = 1) on everything but quality."""
    evaluation = cost_models.evaluate(design, catalogue)
    count = len(evaluation)
    columns = np.full((count, len(space.objectives)), np.nan)
    for index, name in enumerate(space.objectives):
        if name != QUALITY:
            columns[:, index] = cost_models.OBJECTIVES[name].value(evaluation)
    feasible = np.broadcast_to(np.asarray(evaluation.feasible, dtype=bool), (count,))
    factor = np.broadcast_to(np.asarray(evaluation["kv_compression.bits_factor"], dtype=float), (count,))
    return Scores(columns * signs(space.objectives), feasible, factor)


def with_quality(
    space: Space, minimised: Matrix, loss: float | None, factor: NDArray[np.float64] | float = 1.0
) -> Matrix:
    """Scores with the column of the quality filled in: the model's loss times what serving makes of it, (n,)."""
    if QUALITY not in space.objectives or loss is None:
        return minimised
    filled = minimised.copy()
    filled[:, space.objectives.index(QUALITY)] = loss * factor
    return filled


@dataclass(frozen=True)
class Evaluated:
    """One design, scored. values: in the space's order and own sense, NaN where quality is missing."""

    values: tuple[float, ...]
    violations: dict[str, float]
    document: dict[str, Any]

    @property
    def feasible(self) -> bool:
        """Whether no constraint is broken and every figure is finite."""
        return all(amount <= 0 for amount in self.violations.values()) and bool(
            np.isfinite(self.values).all()
        )

    def compact(self) -> dict[str, Any]:
        """The document without the parts that `LEFT_OUT` names."""
        return {key: value for key, value in self.document.items() if key not in LEFT_OUT}


def evaluated(
    space: Space, design: Design, catalogue: cost_models.Catalogue, quality: dict[str, Any] | None
) -> Evaluated:
    """Evaluate one scalar design; quality as in the document, or None where it is not known."""
    evaluation = cost_models.evaluate(design, catalogue)
    document = evaluation.document(quality=quality)
    loss = document["quality"]["bits_per_byte"] if quality else np.nan  # as served
    values = tuple(
        float(loss if name == QUALITY else cost_models.OBJECTIVES[name].value(evaluation))
        for name in space.objectives
    )
    violations = {name: _finite(float(np.asarray(v))) for name, v in evaluation.violations.items()}
    if quality and space.constraints.bits_per_byte is not None:
        violations[QUALITY] = _finite(loss - float(np.asarray(space.constraints.bits_per_byte)))
    return Evaluated(values, violations, document)


def _finite(amount: float) -> float:
    # Optuna refuses NaN; an amount that cannot be computed is broken beyond measure
    return float(np.clip(np.nan_to_num(amount, nan=1e300), -1e300, 1e300))
