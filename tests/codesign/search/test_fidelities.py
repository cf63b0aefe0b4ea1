"""Short and long trainings: the line between them, what is left, and when short ones are worth their price."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import yaml
from optuna.trial import TrialState

import search_spaces
from codesign.search.fidelities import Ladder, Trainings


def _truth(x: np.ndarray) -> np.ndarray:
    return 2.0 + 0.3 * (x[:, 0] - 0.4) ** 2 + 0.1 * x[:, 1]


def _ladder(agree: bool, price: float = 0.1) -> Ladder:
    """30 short and 8 long trainings; short ones say 1.5 + 0.5 truth, or nothing to do with it."""
    generator = np.random.default_rng(0)
    x = generator.random((30, 2))
    short = 1.5 + 0.5 * _truth(x) if agree else 2.5 + 0.03 * generator.standard_normal(30)
    ladder = Ladder(2)
    ladder.fit(
        [
            Trainings(x, short, np.full(30, 0.001), price),
            Trainings(x[:8], _truth(x[:8]), np.full(8, 0.001), 1.0),
        ]
    )
    return ladder


def test_long_losses_are_read_off_short_ones() -> None:
    x = np.random.default_rng(1).random((100, 2))
    alone = Ladder(1)
    first = np.random.default_rng(0).random((30, 2))[:8]
    alone.fit([Trainings(first, _truth(first), np.full(8, 0.001))])
    errors = [np.abs(ladder.predict(x)[0] - _truth(x)).mean() for ladder in (_ladder(True), alone)]
    assert errors[0] < 0.5 * errors[1]


def test_short_trainings_are_worth_their_price_only_where_they_agree() -> None:
    far = np.array([[0.99, 0.01]])
    assert _ladder(True).worth(far, 1) == pytest.approx([1.0])
    assert _ladder(True).worth(far, 0)[0] > 2.0
    assert _ladder(True).agreement[0] > 0.9
    assert _ladder(False).worth(far, 0)[0] < 0.5 * _ladder(True).worth(far, 0)[0]
    assert _ladder(True, price=1.0).worth(far, 0)[0] <= 1.0


def test_where_a_short_training_was_made_another_tells_little() -> None:
    made = np.random.default_rng(0).random((30, 2))[10:11]
    far = np.array([[0.99, 0.01]])
    ladder = _ladder(True)
    assert ladder.worth(made, 0)[0] < 0.8 * ladder.worth(far, 0)[0]


def test_without_long_trainings_the_short_ones_speak() -> None:
    x = np.random.default_rng(0).random((12, 2))
    ladder = Ladder(2)
    ladder.fit([Trainings(x, _truth(x), np.full(12, 0.001)), Trainings(x[:0], np.zeros(0), np.zeros(0))])
    mean, _ = ladder.predict(x)
    assert mean == pytest.approx(_truth(x), abs=0.01)


def test_a_search_promotes_models_from_short_to_long_trainings(
    folder: Path, run: Callable[..., dict[str, Any]]
) -> None:
    recipe = yaml.safe_load((folder / "tiny.yaml").read_text())
    (folder / "tiny-long.yaml").write_text(yaml.safe_dump(recipe | {"steps": 2 * recipe["steps"]}))
    text = (folder / "space.yaml").read_text().replace("tiny.yaml", "[tiny.yaml, tiny-long.yaml]")
    (folder / "both.yaml").write_text(text)
    storage = f"sqlite:///{folder}/both.db"
    summary = run(storage, space=search_spaces.load(folder / "both.yaml"), trials=9)
    trials = optuna.load_study(study_name="s", storage=storage).get_trials(deepcopy=False)
    proposed = [t for t in trials if "quality" in t.user_attrs]
    short = [t for t in proposed if t.user_attrs["fidelity"] == "tiny.yaml"]
    long = [t for t in proposed if t.user_attrs["fidelity"] == "tiny-long.yaml"]
    assert len(short) + len(long) == 9 and len(short) >= 3 and len(long) >= 3
    # only what was trained at length has values, and is completed with hardware
    assert {t.state for t in short} == {TrialState.PRUNED}
    assert {t.state for t in long} == {TrialState.COMPLETE}
    assert all(t.user_attrs["quality"]["fidelity"] == "tiny" for t in short)
    completed = {t.user_attrs["completes"] for t in trials if "completes" in t.user_attrs}
    assert completed <= {t.number for t in long}
    assert summary["trainings"] == len(long) and summary["hypervolume"] > 0
