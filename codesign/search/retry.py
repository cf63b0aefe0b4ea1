"""A design whose trial failed with its process is queued again."""

import optuna
from optuna.trial import FrozenTrial

MOST_RETRIES = 2  # a design that kills its process this often is given up


def retry(study: optuna.Study, trial: FrozenTrial, blamed: bool = True) -> None:
    """Queue the design of a failed trial once, unless it is to blame too often or was not complete.

    What has an evaluation was trained and only not told yet: whatever ended its process, it was not this design.
    """
    blamed = blamed and "evaluation" not in trial.user_attrs
    retries = int(trial.user_attrs.get("retries", 0)) + blamed
    if retries > MOST_RETRIES or "model" not in trial.user_attrs:
        return
    if any(t.user_attrs.get("retry_of") == trial.number for t in study.get_trials(deepcopy=False)):
        return
    kept = {name: trial.user_attrs[name] for name in ("fidelity",) if name in trial.user_attrs}
    study.enqueue_trial(trial.params, user_attrs={**kept, "retries": retries, "retry_of": trial.number})
