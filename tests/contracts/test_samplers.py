"""What holds for every sampler: a small mixed space with conditions is searched, and the study is sound."""

from pathlib import Path

import pytest

import search_spaces
from codesign import results, search
from codesign.search.samplers import NAMES

SPACE = """
model:
  preset: moe-27b
  engram_share: {low: 0.0, high: 0.5}
  engram_layers: {of: [1, 8, 14], max: 2}
  engram_head_dim: {low: 32, high: 128, log: true}
system:
  accelerator: {choices: [rtx-6000-ada, h200-sxm]}
  accelerators: {choices: [1, 2]}
  hbm_gib: {choices: [48, 141]}
  host: {dram_gib: {low: 64, high: 256, points: 2}}
serving:
  tensor_parallel: {choices: [1, 2]}
  tables:
    tier: {choices: [hbm, dram]}
    prefetch: {choices: [true, false], when: {serving.tables.tier: [dram]}}
"""


@pytest.mark.parametrize("name", NAMES)
def test_it_searches_a_mixed_conditional_space(name: str, tmp_path: Path) -> None:
    space = search_spaces.parse(SPACE, "s.yaml")
    storage = f"sqlite:///{tmp_path}/a.db"
    summary = search.run(space, "s", storage, trials=14, sampler=name, completions=4, progress=False)
    designs = results.Reader("s", storage).read()
    table = designs.table
    proposed = table[table["completes"].isna() & (table["state"] == "COMPLETE")]
    assert len(proposed) == 14
    assert summary["front"] and summary["hypervolume"] > 0
    for number in table["trial"][table["state"] == "COMPLETE"]:
        params = designs.params(int(number))
        assert space.applicable(params) == params
        assert ("serving.tables.prefetch" in params) == (params.get("serving.tables.tier") == "dram")
    # infeasible proposals carry their reason and no values
    for number in table["trial"][table["state"] == "PRUNED"]:
        trial = designs.trial(int(number))
        assert trial.values is None
        assert "reason" in trial.user_attrs or max(trial.constraints.values()) > 0


@pytest.mark.parametrize("name", ["codesign", "tpe", "nsga2", "random"])
def test_without_completions_trials_are_as_proposed(name: str, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/a.db"
    search.run(
        search_spaces.parse(SPACE, "s.yaml"),
        "s",
        storage,
        trials=4,
        sampler=name,
        completions=0,
        progress=False,
    )
    table = results.Reader("s", storage).read().table
    assert table["completes"].isna().all()
    assert (table["state"] == "COMPLETE").sum() == 4
