"""All hardware of a model at once: designs as arrays -> objectives and violations as arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import cost_models
from codesign.front import Matrix, signs
from cost_models.design import Design
from search_spaces import Space

QUALITY = "bits_per_byte"


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
