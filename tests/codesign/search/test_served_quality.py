"""What serving does to quality reaches the search: a cut KV cache is no free gain, checked guesses cost no quality."""

from pathlib import Path

import numpy as np
import pytest

import cost_models
import search_spaces
from codesign.front import signs
from codesign.search.completion import front_of
from codesign.search.scoring import evaluated
from search_spaces import Space

SPACE = """
model: {preset: llama-3.1-8b, medusa_heads: {choices: [0, 2]}}
system: {accelerator: h100-sxm, accelerators: 1}
serving:
  input_tokens: 16384
  concurrency: 4
  medusa_tree: {choices: [3, 15]}
  kv_budget: {choices: [0, 1024, 4096]}
objectives: [bits_per_byte, tpot_s]
constraints: {bits_per_byte: 2.05}
quality: {fidelity: demo}
"""
QUALITY = {"bits_per_byte": 2.0, "standard_error": 0.01, "fidelity": "demo"}


@pytest.fixture
def space(tmp_path: Path) -> Space:
    file = tmp_path / "cut.yaml"
    file.write_text(SPACE)
    return search_spaces.load(str(file))


def _front(space: Space, heads: int) -> list[dict[str, object]]:
    model = space.model({"model.medusa_heads": heads})
    none = np.zeros((0, 2))
    return front_of(space, model, 2.0, cost_models.load_catalogue(), none, 32)[0]


def test_every_budget_is_a_compromise_once_its_loss_is_counted(space: Space) -> None:
    front = _front(space, 0)
    assert sorted(values["serving.kv_budget"] for values in front) == [0, 1024, 4096]  # type: ignore[type-var]
    assert all("serving.medusa_tree" not in values for values in front)  # nothing to check without heads


def test_a_trial_carries_the_loss_as_served_and_is_held_to_the_limit(space: Space) -> None:
    found = {}
    for budget in (0, 1024, 4096):
        params = {"model.medusa_heads": 0, "serving.kv_budget": budget}
        found[budget] = evaluated(space, space.design(params), cost_models.load_catalogue(), QUALITY)
    losses = {budget: one.values[0] for budget, one in found.items()}
    assert losses[0] == 2.0 < losses[4096] < losses[1024]
    for one in found.values():
        assert one.document["quality"]["bits_per_byte"] == one.values[0]
        assert one.violations["bits_per_byte"] == pytest.approx(one.values[0] - 2.05)
    assert found[0].feasible and not found[1024].feasible


def test_arrays_and_single_designs_agree_on_the_loss(space: Space) -> None:
    from codesign.search.scoring import score, with_quality

    catalogue = cost_models.load_catalogue()
    values, designs = space.hardware(space.model({"model.medusa_heads": 2}))
    scores = score(space, designs, catalogue)
    minimised = with_quality(space, scores.minimised, 2.0, scores.bits_factor) * signs(space.objectives)
    for row in range(len(minimised)):
        params = {"model.medusa_heads": 2} | space.at(values, row)
        one = evaluated(space, space.design(params), catalogue, QUALITY)
        assert tuple(minimised[row]) == pytest.approx(one.values, rel=1e-12)
