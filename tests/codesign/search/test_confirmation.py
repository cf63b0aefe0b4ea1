"""The front of a real small search is trained again: with other seeds, resumably, and the study keeps it."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import search_spaces
from codesign import proxy, results
from codesign.errors import InputError, StudyError, TrainingError
from codesign.search.confirmation import confirm, members
from codesign.verbs import confirm as verb

Searched = tuple[str, dict[str, Any]]


@pytest.fixture
def study(searched: Searched, folder: Path, tmp_path: Path) -> str:
    """A copy of the finished search, and a recipe twice as long beside its space."""
    recipe = yaml.safe_load((folder / "tiny.yaml").read_text())
    (folder / "longer.yaml").write_text(
        yaml.safe_dump(recipe | {"name": "longer", "steps": 5, "must_learn": -5.0})
    )
    with (
        contextlib.closing(sqlite3.connect(searched[0].removeprefix("sqlite:///"))) as there,
        contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as here,
    ):
        there.backup(here)
    return f"sqlite:///{tmp_path}/a.db"


def test_the_front_is_trained_again_with_seeds_the_search_did_not_use(study: str, folder: Path) -> None:
    store = str(folder / "store")
    designs = results.Reader("s", study).read()
    document = confirm("s", study, recipe="longer.yaml", seeds=2, store=store, progress=False)
    front = designs.table[designs.table["front"]]
    assert {m["model"] for m in document["models"]} == set(front["model"])
    assert sorted(t for m in document["models"] for t in m["trials"]) == front["trial"].tolist()
    assert document["seeds"] == [1, 2] and document["fidelity"] == "longer"
    for entry in document["models"]:
        model = designs.design(entry["trials"][0]).model
        stored = [
            proxy.measure(model, folder / "longer.yaml", seed, store=proxy.Store(store)).bits_per_byte
            for seed in (1, 2)
        ]
        assert entry["confirmed"]["values"] == stored
        low, high = entry["confirmed"]["rank_range"]
        assert low <= entry["confirmed"]["rank"] <= high
    # the study keeps it, for others to show
    kept = results.Reader("s", study).read().attributes["confirmed"]
    assert kept == {"longer": document}
    shown = verb.text(document)
    assert "rank correlation" in shown and all(
        f"{m['confirmed']['bits_per_byte']:.4f}" in shown for m in document["models"]
    )


def test_it_goes_on_where_it_was_ended(
    study: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    models = len(members(results.Reader("s", study).read(), 2))
    made = 0
    judge = proxy.judge

    def interrupted(*arguments: Any, **options: Any) -> Any:
        nonlocal made
        made += 1
        if made == models + 2:  # in the second round
            raise KeyboardInterrupt
        return judge(*arguments, **options)

    monkeypatch.setattr(proxy, "judge", interrupted, raising=False)
    options: dict[str, Any] = {
        "recipe": "longer.yaml",
        "seeds": 2,
        "most": 2,
        "store": str(store),
        "progress": False,
    }
    with pytest.raises(KeyboardInterrupt):
        confirm("s", study, **options)
    # the first seed of all models is kept already
    assert results.Reader("s", study).read().attributes["confirmed"]["longer"]["seeds"] == [1]
    written = {path.name: path.stat().st_mtime_ns for path in store.glob("*.json")}
    assert len(written) == models + 1
    document = confirm("s", study, **options)
    assert document["seeds"] == [1, 2]
    now = {path.name: path.stat().st_mtime_ns for path in store.glob("*.json")}
    assert len(now) == 2 * models and now | written == now


def test_fewer_models_keep_the_extremes(study: str) -> None:
    designs = results.Reader("s", study).read()
    every = members(designs)
    some = members(designs, 2)
    assert len(some) == 2 < len(every)
    assert [m.loss for m in every] == sorted(m.loss for m in every)
    knee = designs.table.loc[designs.table["knee"], "model"].iloc[0]
    assert knee in {m.key for m in some}


def test_trainings_that_learn_nothing_are_no_evidence(study: str, folder: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"at fidelity tiny a training of every model was stopped: .*choose a longer"
    ):
        confirm("s", study, recipe="tiny.yaml", seeds=1, store=str(folder / "store"), progress=False)


def test_what_cannot_be_confirmed_says_so(
    study: str, run: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="--fidelity must be given"):
        confirm("s", study, progress=False)
    url = f"sqlite:///{tmp_path}/b.db"
    space = search_spaces.parse(
        "model: {preset: engram-27b}\nsystem: {accelerator: {choices: [h200-sxm]}}\n", "f.yaml"
    )
    run(url, space=space, trials=1)
    with pytest.raises(StudyError, match="trains nothing"):
        confirm("s", url, progress=False)
