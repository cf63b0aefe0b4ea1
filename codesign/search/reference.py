"""The reference point of a study's hypervolume: fixed once, so that the curve means the same from end to end.

Analytic objectives: a tenth beyond the worst that the fronts of some random models hold (see `landscape`).
The loss: a tenth of its range beyond the worst of the first trainings; it is fixed when those are done.
"""

from collections.abc import Sequence

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from codesign.front import hypervolume, signs
from codesign.search.scoring import QUALITY
from codesign.search.trials import is_completion, minimised_values
from search_spaces import Space

_MARGIN = 0.1


def settle(study: optuna.Study, space: Space, startup: int) -> list[float] | None:
    """The reference point in the objectives' own sense; fixed once `startup` models are trained, else None."""
    if "reference_point" in study.user_attrs:
        return list(study.user_attrs["reference_point"])
    worst = iter(study.user_attrs["analytic_reference"])
    losses = _losses(study.get_trials(deepcopy=False))[: max(1, startup)]
    if QUALITY in space.objectives and len(losses) < startup:
        return None
    point = [_beyond(losses) if name == QUALITY else next(worst) for name in space.objectives]
    study.set_user_attr("reference_point", point)
    return point


def volume(space: Space, point: Sequence[float] | None, trials: list[FrozenTrial]) -> float | None:
    """Hypervolume of the feasible trials in the objectives' own units; None before the point is fixed."""
    if point is None:
        return None
    return hypervolume(minimised_values(space, trials), np.array(point) * signs(space.objectives))


def _losses(trials: Sequence[FrozenTrial]) -> list[float]:
    return [
        float(t.user_attrs["quality"][QUALITY])
        for t in trials
        if t.state == TrialState.COMPLETE and t.user_attrs.get("quality") and not is_completion(t)
    ]


def _beyond(losses: Sequence[float]) -> float:
    spread = max(losses) - min(losses)
    return max(losses) + _MARGIN * (spread or _MARGIN * max(losses))
