"""A trained model is worth as many trials as its hardware front has members: they cost no training."""

from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

import cost_models
from codesign.front import Matrix, non_dominated, thinned
from codesign.search.distributions import distributions
from codesign.search.scoring import evaluated, score, with_quality
from cost_models.design import Model
from search_spaces import Space

# Members of one model's front that are recorded at most: each is a commit of some 15 ms of CPU in SQLite.
MOST_PER_MODEL = 32


def front_of(
    space: Space,
    model: Model,
    loss: float | None,
    catalogue: cost_models.Catalogue,
    others: Matrix,
    most: int,
) -> tuple[list[dict[str, Any]], int]:
    """Hardware values of a model's front: feasible, not dominated by each other nor by `others`.

    others: (n, objectives) minimised values of the study so far. Returns at most `most` members, spread over
    the front, and how many there were.
    """
    values, design = space.hardware(model)
    scores = score(space, design, catalogue)
    rows = np.flatnonzero(scores.feasible)
    if not len(rows):
        return [], 0
    minimised = with_quality(space, scores.minimised[rows], loss, scores.bits_factor[rows])
    # first among themselves: that leaves few to compare with the study
    chosen = np.flatnonzero(non_dominated(minimised, keep_equal=False))
    together = np.concatenate([minimised[chosen], others])
    chosen = chosen[non_dominated(together)[: len(chosen)]]
    kept = chosen[thinned(minimised[chosen], most)] if len(chosen) else chosen
    return [space.at(values, int(rows[i])) for i in kept], len(chosen)


def record(
    study: optuna.Study,
    space: Space,
    model_params: dict[str, Any],
    hardware: list[dict[str, Any]],
    quality: dict[str, Any] | None,
    catalogue: cost_models.Catalogue,
    of: optuna.trial.FrozenTrial | optuna.Trial,
    key: str,
    done: set[str],
) -> int:
    """Add one COMPLETE trial per hardware; those in `done` (see `fingerprint`) are there already.

    Figures are computed design by design, so that evaluating an exported design gives them to the last digit.
    """
    added = 0
    for values in hardware:
        params = model_params | values
        if fingerprint(params) in done:
            continue
        result = evaluated(space, space.design(params), catalogue, quality)
        if not result.feasible:
            continue
        study.add_trial(
            optuna.create_trial(
                state=TrialState.COMPLETE,
                values=list(result.values),
                params=params,
                distributions=distributions(space, params),
                user_attrs={
                    "trained": False,
                    "completes": of.number,
                    "model": key,
                    "evaluation": result.compact(),
                },
                constraints=result.violations,
            )
        )
        done.add(fingerprint(params))
        added += 1
    return added


def fingerprint(params: dict[str, Any]) -> str:
    """Equal for equal parameters."""
    return repr(sorted(params.items()))
