# ruff: noqa: E501 (a table of inputs beside their messages)
"""Design files: exact round trips, and one clear line with its place for whatever is wrong."""

import dataclasses
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import cost_models
from cost_models import designfields as fields
from cost_models.design import (
    GIB,
    Attention,
    Composition,
    Design,
    Engram,
    Host,
    Limits,
    MixtureOfExperts,
    Model,
    Serving,
    System,
    TablePlacement,
    TrainingRun,
)
from cost_models.designfile import read_design, read_design_file
from cost_models.designwriter import write_design
from cost_models.errors import InputError

MODEL = """\
model:
  name: small
  layers: 12
  hidden: 768
  vocab: 32000
  dense_width: 2048
  attention: {kind: gqa, heads: 12, kv_heads: 4, head_dim: 64}
"""


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_what_is_written_reads_back_equal(designs: st.SearchStrategy[Design], data: st.DataObject) -> None:
    design = data.draw(designs)
    quality = {"bits_per_byte": 1.0 / 3.0, "standard_error": None, "fidelity": "demo"}
    overrides = {"memory.dram.usd_per_gb": 0.1}
    text = write_design(design, quality, "dram-2025", overrides)
    with TemporaryDirectory() as folder:
        path = Path(folder, "design.yaml")
        path.write_text(text, encoding="utf-8")
        back = read_design_file(path)
    assert back.design == design
    assert (back.quality, back.scenario, back.overrides) == (quality, "dram-2025", overrides)
    assert write_design(back.design, back.quality, back.scenario, back.overrides) == text


def read_text(text: str, folder: Path) -> Design:
    path = folder / "design.yaml"
    path.write_text(text, encoding="utf-8")
    return read_design(path)


def test_every_section_but_the_model_has_defaults(tmp_path: Path) -> None:
    design = read_text(MODEL, tmp_path)
    assert design == Design(design.model)
    assert design.model.attention.kv_heads == 4


def test_the_units_and_names_of_the_file(tmp_path: Path) -> None:
    text = MODEL + (
        "system: {accelerator: mi355x, accelerators: 8, hbm_gib: 288, host: {dram_gib: 2048, ssd_drives: 4}}\n"
        "serving: {phase: null, tables: {tier: ssd, prefetch: false, cache: {tier: dram, gib: 64}}}\n"
        "limits: {tpot_s: 0.02}\n"
    )
    design = read_text(text, tmp_path)
    assert design.system.hbm_bytes == 288 * GIB
    assert design.system.host.dram_bytes == 2048 * GIB
    assert design.serving.phase == ""
    assert design.serving.tables == TablePlacement("ssd", False, "dram", 64 * GIB)
    assert design.limits.tpot_s == 0.02


def test_files_are_found_from_the_design_file(tmp_path: Path) -> None:
    """A config and a hardware file beside the design, with the working folder elsewhere."""
    hardware = {
        "based_on": "h100-sxm",
        "memory_bandwidth": {"value": 3.0, "unit": "TB/s", "source": "x", "confidence": "measured"},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(hardware), encoding="utf-8")
    design = read_text(MODEL + "system: {accelerator: mine.yaml}\n", tmp_path)
    assert design.system.accelerator == str(tmp_path / "mine.yaml")
    assert cost_models.load_catalogue().parts(design.system).accelerator.memory_bandwidth == 3e12
    (tmp_path / "again").mkdir()
    assert read_text(write_design(design), tmp_path / "again") == design


def test_a_traffic_profile_is_found_from_the_design_file(tmp_path: Path) -> None:
    tables = "serving: {tables: {tier: ssd, traffic: %s, cache: {tier: dram, gib: 1, policy: s3-fifo}}}\n"
    design = read_text(MODEL + tables % "logs/my.profile", tmp_path)
    assert design.serving.tables.traffic == str(tmp_path / "logs" / "my.profile")
    assert design.serving.tables.cache_policy == "s3-fifo"
    assert read_text(write_design(design), tmp_path) == design
    assert read_text(MODEL + tables % "code", tmp_path).serving.tables.traffic == "code"


def test_the_hash_layout_may_differ_from_the_preset(tmp_path: Path) -> None:
    design = read_text("model: {preset: engram-27b, engram_hash_layout: blocked}\n", tmp_path)
    assert design.model.engram is not None
    assert design.model.engram.hash_layout == "blocked"
    with pytest.raises(
        InputError, match="engram_hash_layout needs a model with tables, and dense-4b has none"
    ):
        read_text("model: {preset: dense-4b, engram_hash_layout: blocked}\n", tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("system: {}\n", "model is missing; name a config, a preset, or give its fields"),
        ("", "must be a mapping of fields (model, system, serving, training, limits, prices, quality), got nothing"),
        ("model: ~\n", "model is missing; name a config"),
        ("model: " + 5000 * "[" + 5000 * "]", "holds values in values without end"),
        ("model: &m {preset: *m}\n", "holds values in values without end"),
        (MODEL + "---\n" + MODEL, "expected a single document in the stream, but found another document"),
        (MODEL + "system: {accelerators: " + 5000 * "9" + "}\n", ":8:24: not valid YAML: a number of 5000 digits"),
        (MODEL + "sistem: {}\n", "sistem is not a known field; did you mean system?"),
        (MODEL + "system: {acelerators: 8}\n", ":8:23: system.acelerators is not a known field; did you mean accelerators?"),
        (MODEL + "system: {accelerators: 2.5}\n", ":8:24: system.accelerators must be a whole number >= 1 and"),
        (MODEL + "system: {accelerators: true}\n", "must be a whole number >= 1 and <= 1e+06, got True"),
        (MODEL + "system: {hbm_gib: -1}\n", "system.hbm_gib must be a number above 0 and <= 1e+09, got -1"),
        (MODEL + "system: [1]\n", "system must be a mapping of fields, got [1]"),
        (MODEL + "system: {accelerator: null}\n", "system.accelerator must be a text, got None"),
        (MODEL + "serving: {utilisation: .nan}\n", "must be a number above 0 and <= 1, got nan"),
        (MODEL + "serving: {phase: decoding}\n", "serving.phase must be one of prefill, decode, got 'decoding'; did you"),
        (MODEL + "serving: {tables: {tier: drum}}\n", "got 'drum'; did you mean dram?"),
        (MODEL + "serving: {tables: {prefetch: yes}}\n", "serving.tables.prefetch must be true or false, got 'yes'"),
        (MODEL + "serving: {tables: {cache: {tier: dram}}}\n", "serving.tables.cache.gib is missing"),
        (MODEL + "serving: {tables: {cache: {tier: dram, gib: 1, policy: fifo}}}\n", "cache.policy must be one of lru, s3-fifo"),
        (MODEL + "prices: {set: {a: [1]}}\n", "prices.set.a must be a number, got [1]"),
        (MODEL.replace("layers: 12", "layers: 99999999"), ":3:11: model.layers must be a whole number >= 1 and <= 4096"),
        (MODEL.replace("  vocab: 32000\n", ""), ":2:3: model.vocab is missing; it must be a whole number >= 1"),
        (MODEL.replace("kv_heads: 4", "kv_heads: 5"), "model.attention.kv_heads must divide heads (12), got 5"),
        (MODEL.replace("gqa", "mla"), 'model.attention.kv_lora_rank must be above 0 for kind "mla", got 0'),
        (MODEL.replace("dense_width: 2048", "dense_width: 0"), "model.dense_width must be above 0 where a layer is dense"),
        (
            MODEL + "  moe: {routed_experts: 4, active_experts: 6, shared_experts: 1, expert_width: 64}\n",
            "model.moe.active_experts must be <= routed_experts (4), got 6",
        ),
        (
            MODEL + "  engram: {layer_ids: [1, 12], max_order: 3, heads: 8, head_dim: 64, vocab_size: 1000}\n",
            "model.engram.layer_ids must be different layers from 0 to 11, got [1, 12]",
        ),
        ("model: {config: missing/config.json}\n", "missing/config.json"),
        ("model: {preset: dense-4bb}\n", "dense-4b"),
        ("model: {config: 3}\n", "model.config must be a name, got 3"),
        ("model: {preset: dense-4b, layers: 3}\n", "model.layers is not a known field"),
    ],
)  # fmt: skip
def test_a_wrong_file_names_the_place_the_rule_and_the_value(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_text(text, tmp_path)
    assert message in str(caught.value)
    assert str(tmp_path / "design.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_design_of_many_is_not_written(tmp_path: Path) -> None:
    model = read_text(MODEL, tmp_path).model
    with pytest.raises(InputError, match="concurrency holds 2 designs"):
        write_design(Design(model, serving=Serving(concurrency=np.array([1, 2]))))
    one = Design(model, serving=Serving(concurrency=np.array([32.0])))
    assert "concurrency: 32\n" in write_design(one)


@pytest.mark.parametrize(
    ("record", "rules", "nested"),
    [
        (Model, fields.MODEL, {"attention", "moe", "engram", "composition"}),
        (Attention, fields.ATTENTION, set()),
        (MixtureOfExperts, fields.MIXTURE_OF_EXPERTS, set()),
        (Engram, fields.ENGRAM, set()),
        (Composition, fields.COMPOSITION, set()),
        (System, fields.SYSTEM, {"host"}),
        (Host, fields.HOST, set()),
        (Serving, fields.SERVING, {"tables"}),
        (TablePlacement, {**fields.TABLES, **fields.CACHE}, set()),
        (Limits, fields.LIMITS, set()),
        (TrainingRun, fields.TRAINING, {"system"}),
    ],
)
def test_every_field_of_the_records_can_be_written(
    record: type, rules: dict[str, fields.Rule], nested: set[str]
) -> None:
    assert {field.name for field in dataclasses.fields(record)} == set(rules) | nested


@pytest.mark.parametrize(
    ("prices", "message"),
    [
        (
            "{scenario: nov_2027}",
            r"bad\.yaml:2:20: prices\.scenario must be one of pre_shortage, .*; got 'nov_2027'",
        ),
        (
            "{set: {memory.drm.usd_per_gb: 3}}",
            r"bad\.yaml:2:39: prices\.set\.memory\.drm\.usd_per_gb no such figure",
        ),
        (
            "{set: {memory.dram.usd_per_gb: -3}}",
            r"bad\.yaml:2:40: .*usd_per_gb must be finite and >= 0, got -3",
        ),
        ("{set: {memory.dram.usd_per_gb: true}}", r"bad\.yaml:2:40: .*usd_per_gb must be a number, got True"),
        ("{set: 7}", r"bad\.yaml:2:15: prices\.set must map figures"),
    ],
)
def test_bad_prices_name_their_place(tmp_path: Path, prices: str, message: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(f"model: {{preset: llama-3.1-8b}}\nprices: {prices}\n")
    with pytest.raises(InputError, match=message):
        read_design_file(file).check_prices()


@pytest.mark.parametrize(
    ("preset", "field", "value", "message"),
    [
        ("deepseek-v4.1-flash", "index_topk", 0, "index_topk must be above 0 for csa attention, got 0"),
        (
            "deepseek-v4.1-flash",
            "sliding_window",
            0,
            "sliding_window must be above 0 for csa attention, got 0",
        ),
        ("deepseek-v4.1-flash", "kv_heads", 2, "kv_heads must be 1 for csa attention, got 2"),
        (
            "qwen3.8-flash-next",
            "linear_key_dim",
            0,
            "linear_key_dim must be above 0 for linear attention, got 0",
        ),
    ],
)
def test_attention_that_cannot_be_is_refused(
    tmp_path: Path, preset: str, field: str, value: int, message: str
) -> None:
    model = cost_models.read_model(preset)
    attention = dataclasses.replace(model.attention, **{field: value})
    file = tmp_path / "design.yaml"
    file.write_text(write_design(cost_models.Design(dataclasses.replace(model, attention=attention))))
    with pytest.raises(InputError, match=rf"design\.yaml:\d+:\d+: model\.attention\.{message}"):
        read_design(file)


def test_a_drafter_may_be_left_out_of_a_preset(tmp_path: Path) -> None:
    file = tmp_path / "design.yaml"
    file.write_text("model: {preset: deepseek-v4.1-flash, mtp_loaded: false}\n")
    loaded = cost_models.read_model("deepseek-v4.1-flash")
    assert read_design(file).model == dataclasses.replace(loaded, mtp_loaded=False)
