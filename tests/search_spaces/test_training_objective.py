"""The cost of training candidates as an objective of a search: opt-in, and with what it is trained."""

from pathlib import Path

import pytest

import cost_models
import search_spaces
from cost_models.errors import InputError

TEXT = """
model: {preset: moe-27b, engram_share: {choices: [0.0, 0.2]}}
system: {accelerator: h100-sxm, accelerators: {choices: [1, 2]}}
serving: {tensor_parallel: 1}
"""


def space(folder: Path, more: str) -> search_spaces.Space:
    path = folder / "space.yaml"
    path.write_text(TEXT + more)
    return search_spaces.load(str(path))


def test_nothing_is_trained_on_paper_unless_asked(tmp_path: Path) -> None:
    found = space(tmp_path, "objectives: [tpot_s]\n")
    assert found.training is None
    model = found.model({"model.engram_share": 0.2})
    _, design = found.hardware(model)
    assert "training.training_usd" not in cost_models.evaluate(design).columns


def test_an_objective_asks_for_the_usual_training(tmp_path: Path) -> None:
    found = space(tmp_path, "objectives: [tpot_s, training_usd, training_days]\n")
    costs = []
    for share in (0.0, 0.2):
        _, design = found.hardware(found.model({"model.engram_share": share}))
        evaluation = cost_models.evaluate(design)
        usd = cost_models.OBJECTIVES["training_usd"].value(evaluation)
        assert usd.shape == (2,) and usd[0] == usd[1]  # whatever serves it
        costs.append(usd[0])
    assert costs[0] != costs[1]


def test_a_section_says_what_is_trained_on(tmp_path: Path) -> None:
    section = "training: {accelerator: h200-sxm, accelerators: 8, nodes: 1, tokens: 1.0e9, sequences: 64}\n"
    found = space(tmp_path, "objectives: [training_days]\n" + section)
    assert found.training is not None
    assert (found.training.system.accelerator, found.training.tokens) == ("h200-sxm", 1e9)
    assert search_spaces.restore(found.stored()).training == found.training


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("training: {accelerator: h100}\n", "training.accelerator must be one of"),
        (
            "training: {accelerators: 7}\n",
            "training.sequences must be a multiple of the 7 accelerators, got 1024",
        ),
        ("training: {token: 3}\n", "training.token is not a known field"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, section: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        space(tmp_path, "objectives: [tpot_s]\n" + section)
