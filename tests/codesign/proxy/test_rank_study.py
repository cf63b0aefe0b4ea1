"""The rank study on tables and small fidelities."""

from pathlib import Path

import numpy as np
import pytest

import search_spaces
from codesign.proxy import fidelity, rank_study, scale
from codesign.proxy.store import Store
from cost_models.errors import InputError


def test_agreement_of_known_ranks() -> None:
    x = np.arange(30.0)
    assert rank_study.agreement(x, x**3)[0] == pytest.approx(1.0)
    assert rank_study.agreement(x, -x)[0] == pytest.approx(-1.0)
    random = np.random.default_rng(1)
    rank, low, high = rank_study.agreement(x, x + random.normal(0, 8, 30))
    assert low < rank < high < 1


def test_the_same_models_are_drawn_again() -> None:
    space = search_spaces.load("engram-27b")
    first, again = (rank_study.draw(space, 8, 0, "demo") for _ in range(2))
    assert first == again
    assert len({scale.scale(model, fidelity.load("demo")) for _, model in first}) == 8


def test_a_study_writes_its_table_and_reads_it_back(text: Path, store: Store, tmp_path: Path) -> None:
    changes = {
        "must_learn: 0.2": "must_learn: -9.0",
        "vocab: 2048": "vocab: 512",
        "validation_sequences: 128": "validation_sequences: 8",
    }
    for name, steps in (("a", 6), ("b", 8)):
        recipe = (fidelity.FOLDER / "demo.yaml").read_text().replace("steps: 54", f"steps: {steps}")
        for old, new in changes.items():
            assert old in recipe
            recipe = recipe.replace(old, new)
        (tmp_path / f"{name}.yaml").write_text(recipe)
    names, table = [str(tmp_path / f"{name}.yaml") for name in "ab"], tmp_path / "table.csv"
    with pytest.raises(InputError, match="0 models are finished"):
        rank_study.summary(rank_study.read(table), names)
    rank_study.run("demo", names, 4, 0, table, store, text)
    rows = rank_study.read(table)
    assert len(rows) == 4 and float(rows[0][names[0]]) > 0
    assert "rank correlation" in rank_study.summary(rows, names)
    before = len(list(store.path.glob("*.json")))
    rank_study.run("demo", names, 4, 0, table, store, text)  # everything is found in the store
    assert len(list(store.path.glob("*.json"))) == before == 8 and rank_study.read(table) == rows
