"""The bulk read against Optuna's own, trial by trial; and what it must not miss while others write."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

from codesign.search import bulk
from codesign.search.bulk import BulkStorage


def _every_kind_of_trial(url: str) -> optuna.Study:
    study = optuna.create_study(storage=url, study_name="s", directions=["minimize", "maximize"])
    for number in range(6):
        trial = study.ask()
        trial.suggest_categorical("model.layers", ["1", "1,14"])
        trial.suggest_float("model.share", 1e-3, 1.0, log=True)
        trial.suggest_categorical("flag", [True, False, None])
        if number % 2:
            trial.suggest_int("only.sometimes", 0, 8, step=2)
        trial.set_user_attr("evaluation", {"deep": [1, {"a": None}], "big": "x" * 1000})
        trial.set_constraint("fits", -1.0 if number else 2.5)
        if number < 4:
            study.tell(trial, [number, float("inf") if number == 3 else 0.5])
        elif number == 4:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
    study.enqueue_trial({"model.layers": "1"}, user_attrs={"enqueued": "x"})
    study.add_trial(optuna.create_trial(values=[1, 2], intermediate_values={0: 1.0, 3: float("nan")}))
    return study


def _same(ours: list[FrozenTrial], theirs: list[FrozenTrial]) -> None:
    assert [t._trial_id for t in ours] == [t._trial_id for t in theirs]
    for one, other in zip(ours, theirs, strict=True):
        # as text, in which NaN equals itself; the order of parameters counts too
        assert repr(one.params) == repr(other.params)
        for name, value in vars(one).items():
            expected = vars(other)[name]
            if isinstance(value, dict):
                assert repr(sorted(value.items())) == repr(sorted(expected.items()))
            else:
                assert repr(value) == repr(expected)


def test_it_reads_what_optuna_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_FEW", 0)
    url = f"sqlite:///{tmp_path}/a.db"
    study = _every_kind_of_trial(url)
    ours, theirs = BulkStorage(url), RDBStorage(url)
    for newer_than in (-1, 3, 8):
        for included in (set(), {1, 2}, {5}):
            asked = (study._study_id, None, included, newer_than)
            _same(ours._get_trials(*asked), theirs._get_trials(*asked))


def test_it_reads_what_optuna_reads_of_a_real_search(
    searched: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_FEW", 0)
    ours, theirs = BulkStorage(searched[0]), RDBStorage(searched[0])
    _same(ours._get_trials(1, None, set(), -1), theirs._get_trials(1, None, set(), -1))


@pytest.mark.postgresql
def test_on_postgresql_too(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_FEW", 0)
    url = server.url.replace("postgresql://", "postgresql+psycopg2://")
    _every_kind_of_trial(url)
    _same(BulkStorage(url)._get_trials(1, None, set(), -1), RDBStorage(url)._get_trials(1, None, set(), -1))


def test_a_trial_that_ends_during_the_read_is_not_half_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read as running, with what there is; the next read has all of it."""
    monkeypatch.setattr(bulk, "_FEW", 0)
    url = f"sqlite:///{tmp_path}/a.db"
    writer = optuna.create_study(storage=url, study_name="s")
    running = writer.ask()
    study = optuna.load_study(storage=optuna.storages.get_storage(BulkStorage(url)), study_name="s")
    ended: list[bool] = []

    def meanwhile(before: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any) -> Any:
            if not ended:
                ended.append(True)
                running.suggest_float("x", 0, 1)
                writer.tell(running, 1.0)
            return before(*arguments)

        return act

    writer.add_trial(optuna.create_trial(value=0.5, params={}, distributions={}))
    monkeypatch.setattr(bulk, "_distribution", meanwhile(bulk._distribution))
    writer.add_trial(
        optuna.create_trial(
            value=0.5, params={"x": 0.5}, distributions={"x": optuna.distributions.FloatDistribution(0, 1)}
        )
    )
    first = study.get_trials(deepcopy=False)[0]
    assert ended and not first.state.is_finished()
    later = study.get_trials(deepcopy=False)[0]
    assert later.value == 1.0 and "x" in later.params
