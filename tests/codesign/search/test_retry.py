"""Designs whose process died: queued again once for each death, and given up only where they are to blame."""

from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from codesign.search import liveness
from codesign.search.liveness import MOST_RETRIES

DEAD = f"{liveness.this_process().split('/')[0]}/1/0"  # process 1 of this host started at another time


def orphan(study: optuna.Study, **attributes: Any) -> None:
    """Ask for what waits, or anew, as a process that is dead now would have."""
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    for name, value in {"worker": DEAD, "model": "m", **attributes}.items():
        trial.set_user_attr(name, value)


def deaths(study: optuna.Study, count: int, **attributes: Any) -> int:
    """Let the design die so often; how many wait to be tried again."""
    for _ in range(count):
        orphan(study, **attributes)
        liveness.recover(study, "sqlite:///s.db")
    return sum(t.state == TrialState.WAITING for t in study.trials)


def test_a_design_that_kills_its_process_again_and_again_is_given_up() -> None:
    assert deaths(optuna.create_study(), MOST_RETRIES) == 1
    assert deaths(optuna.create_study(), MOST_RETRIES + 1) == 0


def test_a_design_that_was_trained_is_never_given_up() -> None:
    assert deaths(optuna.create_study(), 3 * MOST_RETRIES, evaluation={}) == 1


def test_a_death_between_queueing_and_failing_loses_nothing_and_doubles_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = optuna.create_study()
    orphan(study)
    with monkeypatch.context() as patch:
        patch.setattr(study, "enqueue_trial", lambda *a, **k: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            liveness.recover(study, "sqlite:///s.db")
    with monkeypatch.context() as patch:
        patch.setattr(study, "tell", lambda *a, **k: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            liveness.recover(study, "sqlite:///s.db")
    liveness.recover(study, "sqlite:///s.db")
    assert [t.state for t in study.trials] == [TrialState.FAIL, TrialState.WAITING]
