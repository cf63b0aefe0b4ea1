"""What values of parameters become: models at a budget, and combinations of hardware."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

import cost_models
import search_spaces
from cost_models.architecture import parameters
from cost_models.design import GIB
from cost_models.errors import InputError
from cost_models.tables import rows
from search_spaces.budget import at_equal_budget, share_of

SPACE = """
model: {preset: moe-27b, engram_share: {low: 0.0, high: 0.6}, engram_layers: {of: [1, 8, 14], min: 1, max: 2}}
system:
  accelerator: {choices: [h100-sxm, h200-sxm]}
  accelerators: {choices: [1, 2, 4]}
  host: {dram_gib: {choices: [0, 64]}, ssd_gib: {choices: [0, 1024]}, ssd_drives: 2}
serving:
  tensor_parallel: {choices: [1, 2]}
  concurrency: {low: 1, high: 64, log: true, points: 3}
  tables:
    tier: {choices: [hbm, dram, ssd]}
    prefetch: {choices: [true, false], when: {serving.tables.tier: [dram, ssd]}}
quality: {fidelity: demo}
"""


@pytest.fixture(scope="module")
def space() -> search_spaces.Space:
    return search_spaces.parse(SPACE, "s.yaml")


@pytest.mark.parametrize("share", [0.02, 0.1, 0.25, 0.45, 0.6])
@pytest.mark.parametrize("preset", ["moe-27b", "engram-40b", "qwen3-30b-a3b", "deepseek-v3"])
def test_share_keeps_total_and_active_parameters(preset: str, share: float) -> None:
    base = cost_models.read_model(preset)
    engram = cost_models.Engram(layer_ids=(1, 14), max_order=3, heads=8, head_dim=80, vocab_size=2)
    model = at_equal_budget(base, share, engram)
    before, after = parameters(base), parameters(model)
    assert after.total == pytest.approx(before.total, rel=0.001)
    assert after.active_per_token == pytest.approx(before.active_per_token, rel=0.015)
    # whole experts round it, most where there are few
    assert share_of(model) == pytest.approx(share, abs=0.02)


def test_the_paper_s_own_split_is_reproduced() -> None:
    """Engram-27B: 55 of 72 routed experts remain, 5.7e9 parameters in tables (arXiv 2601.07372, table 1)."""
    base, paper = cost_models.read_model("moe-27b"), cost_models.read_model("engram-27b")
    assert paper.engram is not None
    model = at_equal_budget(base, share_of(paper), paper.engram)
    assert model.moe is not None and model.moe.routed_experts == 55
    assert parameters(model).tables == pytest.approx(5.7e9, rel=0.03)


def test_no_share_is_the_base_without_tables() -> None:
    base = cost_models.read_model("moe-27b")
    model = at_equal_budget(base, 0.0, cost_models.Engram((1,), 3, 8, 80, 2))
    assert model == base and model.engram is None


def test_wide_memory_narrows_the_experts() -> None:
    base = cost_models.read_model("moe-27b")
    wide = cost_models.Engram(layer_ids=(1, 5, 9, 13), max_order=4, heads=8, head_dim=256, vocab_size=2)
    model = at_equal_budget(base, 0.3, wide)
    assert model.moe is not None and base.moe is not None
    assert model.moe.expert_width < base.moe.expert_width
    assert parameters(model).active_per_token == pytest.approx(parameters(base).active_per_token, rel=0.015)
    assert parameters(model).total == pytest.approx(parameters(base).total, rel=0.001)


def test_a_memory_wider_than_the_model_is_refused() -> None:
    base = cost_models.read_model("moe-27b")
    with pytest.raises(InputError, match="fewer layers"):
        at_equal_budget(base, 0.3, cost_models.Engram(tuple(range(30)), 6, 16, 512, 2))


def test_rows_beside_a_fixed_backbone() -> None:
    text = SPACE.replace(
        "engram_share: {low: 0.0, high: 0.6}", "engram_rows: {low: 1000, high: 100000, log: true}"
    )
    space = search_spaces.parse(text, "s.yaml")
    small = space.model({"model.engram_rows": 1000, "model.engram_layers": "1"})
    large = space.model({"model.engram_rows": 64000, "model.engram_layers": "1"})
    assert small.moe == large.moe == space.base.moe
    assert rows(large).mean() == pytest.approx(64000, rel=0.01)
    assert share_of(large) > share_of(small) > 0
    assert parameters(large).active_per_token == parameters(small).active_per_token


def test_layer_sets_become_layers(space: search_spaces.Space) -> None:
    parameter = next(p for p in space.parameters if p.name == "model.engram_layers")
    assert parameter.choices == ("1", "8", "14", "1,8", "1,14", "8,14")
    model = space.model({"model.engram_share": 0.2, "model.engram_layers": "8,14"})
    assert model.engram is not None and model.engram.layer_ids == (8, 14)


def test_combinations_are_all_that_can_exist_and_no_others(space: search_spaces.Space) -> None:
    model = space.model({"model.engram_share": 0.3, "model.engram_layers": "1"})
    values, _ = space.hardware(model)
    count = len(values["system.accelerators"])
    found = {tuple(sorted(space.at(values, i).items())) for i in range(count)}
    assert len(found) == count
    expected = set()
    for accelerator in ("h100-sxm", "h200-sxm"):
        for accelerators in (1, 2, 4):
            for dram in (0.0, 64.0):
                for ssd in (0.0, 1024.0):
                    for tensor in (1, 2):
                        for concurrency in (1, 8, 64):
                            for tier, prefetch in (("hbm", None), ("dram", True), ("dram", False), ("ssd", True),
                                                   ("ssd", False)):  # fmt: skip
                                there = {"hbm": True, "dram": dram > 0, "ssd": ssd > 0}[tier]
                                if accelerators % tensor or not there:
                                    continue
                                row = {
                                    "system.accelerator": accelerator, "system.accelerators": accelerators,
                                    "system.host.dram_gib": dram, "system.host.ssd_gib": ssd,
                                    "serving.tensor_parallel": tensor, "serving.concurrency": concurrency,
                                    "serving.tables.tier": tier,
                                }  # fmt: skip
                                if prefetch is not None:
                                    row["serving.tables.prefetch"] = prefetch
                                expected.add(tuple(sorted(row.items())))
    assert found == expected


def test_a_combination_is_the_design_of_its_values(space: search_spaces.Space) -> None:
    params = {"model.engram_share": 0.3, "model.engram_layers": "1,14"}
    values, design = space.hardware(space.model(params))
    for index in (0, 17, 101):
        alone = space.design(params | space.at(values, index))
        assert alone.model == design.model
        assert alone.system.accelerator == np.asarray(design.system.accelerator)[index]
        assert alone.system.host.ssd_bytes == np.asarray(design.system.host.ssd_bytes)[index]
        assert alone.serving.tables.tier == np.asarray(design.serving.tables.tier)[index]
        assert alone.serving.tables.prefetch == np.asarray(design.serving.tables.prefetch)[index]
        assert alone.system.host.dram_bytes in (0, 64 * GIB)


def test_without_tables_their_placement_does_not_vary(space: search_spaces.Space) -> None:
    values, design = space.hardware(space.model({"model.engram_share": 0.0}))
    assert not any(name.startswith("serving.tables.") for name in values)
    assert design.serving.tables.tier == "hbm"
    chosen = space.applicable(
        {"model.engram_share": 0.0, "model.engram_layers": "1", "serving.tables.tier": "dram"}
    )
    assert chosen == {"model.engram_share": 0.0}


def test_a_huge_grid_is_a_fixed_sample(monkeypatch: pytest.MonkeyPatch, space: search_spaces.Space) -> None:
    from search_spaces import hardware

    model = space.model({"model.engram_share": 0.3, "model.engram_layers": "1"})
    whole = len(space.hardware(model)[0]["system.accelerators"])
    monkeypatch.setattr(hardware, "MOST", 100)
    again = [search_spaces.parse(SPACE, "s.yaml").hardware(model)[0] for _ in range(2)]
    assert 0 < len(again[0]["system.accelerators"]) < whole
    for name in again[0]:
        assert (again[0][name] == again[1][name]).all()


def test_a_base_of_one_s_own_beside_the_space_file(tmp_path: Path) -> None:
    from cost_models.hf_config import write_config

    base = cost_models.read_model("qwen3-30b-a3b")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps(write_config(base)))
    (tmp_path / "s.yaml").write_text(SPACE.replace("preset: moe-27b", "config: mine/config.json"))
    space = search_spaces.load(tmp_path / "s.yaml")
    model = space.model({"model.engram_share": 0.2, "model.engram_layers": "1"})
    assert parameters(model).total == pytest.approx(parameters(base).total, rel=0.001)


def test_a_stored_space_needs_no_files(space: search_spaces.Space) -> None:
    stored = json.loads(json.dumps(space.stored()))
    stored["base"] = json.loads(json.dumps(asdict(replace(space.base, name="elsewhere"))))
    again = search_spaces.restore(stored)
    assert again.base == replace(space.base, name="elsewhere")
    assert replace(again, base=space.base) == space


def test_fixed_hardware_with_a_free_model_and_the_other_way_round() -> None:
    fixed_hardware = search_spaces.parse(
        "model: {preset: moe-27b, engram_share: {choices: [0.1, 0.2]}}\nsystem: {accelerator: h200-sxm}\n"
        "quality: {fidelity: demo}",
        "a.yaml",
    )
    values, design = fixed_hardware.hardware(fixed_hardware.model({"model.engram_share": 0.1}))
    assert values == {} and design.system.accelerator == "h200-sxm"
    fixed_model = search_spaces.parse(
        "model: {preset: engram-27b}\nsystem: {accelerator: {choices: [h100-sxm, h200-sxm]}}", "b.yaml"
    )
    assert fixed_model.model({}) == cost_models.read_model("engram-27b")
    assert len(fixed_model.hardware(fixed_model.model({}))[0]["system.accelerator"]) == 2
    assert "bits_per_byte" not in fixed_model.objectives


def test_a_total_divides_between_experts_and_tables() -> None:
    base = cost_models.read_model("moe-27b")
    engram = cost_models.Engram((1, 14), 3, 8, 80, 2)
    small = at_equal_budget(base, 0.6, engram, 53e9)
    large = at_equal_budget(base, 0.6, engram, 107e9)
    for model, total in ((small, 53e9), (large, 107e9)):
        count = parameters(model)
        assert count.total == pytest.approx(total, rel=0.01)
        assert count.active_per_token == pytest.approx(parameters(base).active_per_token, rel=0.01)
        assert share_of(model) == pytest.approx(0.6, abs=0.01)
    with pytest.raises(InputError, match="total_parameters must leave room"):
        at_equal_budget(base, 0.6, engram, 1e9)


def test_a_total_needs_a_share() -> None:
    with pytest.raises(InputError, match=r"total_parameters.*needs engram_share"):
        search_spaces.parse("model: {preset: moe-27b, total_parameters: {choices: [5.0e10]}}\n", "s.yaml")


def test_a_space_names_its_traffic_and_its_cache(tmp_path: Path) -> None:
    """A profile beside the space file, and the policy of the cache as a choice."""
    cost_models.traffic.Profile.load("code").save(tmp_path / "my.profile")
    more = "    traffic: my.profile\n    cache: {tier: dram, gib: 8, policy: {choices: [lru, s3-fifo]}}\n"
    text = SPACE.replace("quality:", f"{more}quality:")
    space = search_spaces.parse(text, str(tmp_path / "s.yaml"))
    model = space.model({"model.engram_share": 0.3, "model.engram_layers": "1"})
    params, designs = space.hardware(model)
    assert designs.serving.tables.traffic == str(tmp_path / "my.profile")
    assert set(params["serving.tables.cache.policy"]) == {"lru", "s3-fifo"}
    one = space.design(space.at(params, 0) | {"model.engram_share": 0.3, "model.engram_layers": "1"})
    assert one.serving.tables.cache_policy == params["serving.tables.cache.policy"][0]
    wrong = text.replace("my.profile", "your.profile")
    with pytest.raises(InputError, match=r"s.yaml:13:14: serving.tables.traffic: .*no such traffic profile"):
        search_spaces.parse(wrong, str(tmp_path / "s.yaml"))


def test_the_hash_layout_is_a_parameter_of_the_model() -> None:
    text = SPACE.replace(
        "engram_layers:", "engram_hash_layout: {choices: [independent, blocked]}, engram_layers:"
    )
    space = search_spaces.parse(text, "s.yaml")
    assert "model.engram_hash_layout" in [p.name for p in space.model_parameters]
    for layout in ("independent", "blocked"):
        model = space.model(
            {"model.engram_share": 0.3, "model.engram_layers": "1", "model.engram_hash_layout": layout}
        )
        assert model.engram is not None and model.engram.hash_layout == layout


PRESETS = """
model:
  preset: {choices: [llama-3.1-8b, engram-27b, samba-coe]}
  composition_experts: {choices: [4, 8], when: {model.preset: [llama-3.1-8b]}}
system: {accelerator: h100-sxm, accelerators: 8, host: {dram_gib: {choices: [64, 4096]}}}
serving:
  tensor_parallel: {choices: [1, 8]}
  composition_tier: {choices: [hbm, dram]}
  composition_popularity: {low: 0, high: 2, points: 3}
  tables: {tier: {choices: [hbm, dram]}}
"""


def test_presets_may_be_compared() -> None:
    space = search_spaces.parse(PRESETS, "s.yaml")
    llama, engram, samba = (cost_models.read_model(n) for n in ("llama-3.1-8b", "engram-27b", "samba-coe"))
    composed = space.model({"model.preset": "llama-3.1-8b", "model.composition_experts": 8})
    assert composed == replace(llama, composition=cost_models.design.Composition(8, 1.0))
    assert space.model({"model.preset": "engram-27b"}) == engram
    assert space.model({"model.preset": "samba-coe"}) == samba
    assert search_spaces.restore(json.loads(json.dumps(space.stored()))) == space


def test_what_a_preset_lacks_is_not_chosen() -> None:
    space = search_spaces.parse(PRESETS, "s.yaml")
    everything = {
        "model.preset": "", "model.composition_experts": 4, "system.host.dram_gib": 64.0, "serving.tensor_parallel": 1,
        "serving.composition_tier": "dram", "serving.composition_popularity": 1.0, "serving.tables.tier": "hbm",
    }  # fmt: skip
    for preset, without in (
        ("llama-3.1-8b", {"serving.tables.tier"}),
        (
            "engram-27b",
            {"serving.composition_tier", "serving.composition_popularity", "model.composition_experts"},
        ),
        ("samba-coe", {"serving.tables.tier", "model.composition_experts"}),
    ):
        params = space.applicable(everything | {"model.preset": preset})
        assert set(everything) - set(params) == without
        assert space.applicable(params) == params
        values, design = space.hardware(space.model(params))
        assert set(values) == {name for name in params if not name.startswith("model.")}
        assert (
            len(cost_models.evaluate(design))
            == {"llama-3.1-8b": 24, "engram-27b": 8, "samba-coe": 24}[preset]
        )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "samba-coe]",
            "samba-co]",
            r"s.yaml:3:\d+: model.preset: samba-co: neither .* did you mean samba-coe",
        ),
        (
            "[llama-3.1-8b]}}",
            "[engram-27b]}}",
            "composition_experts needs a base without tables, but engram-27b",
        ),
        (
            "system:",
            "quality: {fidelity: demo}\nsystem:",
            "quality must be left out where presets or a composition",
        ),
        ("preset: {choices: [llama-3.1-8b, engram-27b, samba-coe]}", "preset: {choices: []}", "model.preset"),
    ],
)
def test_what_presets_cannot_be(old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        search_spaces.parse(PRESETS.replace(old, new), "s.yaml")
