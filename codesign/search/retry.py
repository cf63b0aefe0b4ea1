"""A design whose trial failed with its process is queued again."""

import optuna
from optuna.trial import FrozenTrial

MOST_RETRIES = 2  # a design that kills its process this often is given up


def retry(study: optuna.Study, trial: FrozenTrial, blamed: bool = True) -> None:
    """Queue the design of a failed trial, unless it is to blame too often or was not complete."""
    retries = int(trial.user_attrs.get("retries", 0)) + blamed
    if retries <= MOST_RETRIES and "model" in trial.user_attrs:
        kept = {name: trial.user_attrs[name] for name in ("fidelity",) if name in trial.user_attrs}
        study.enqueue_trial(trial.params, user_attrs={**kept, "retries": retries, "retry_of": trial.number})
