"""What a space file may not say, and what the error tells its author."""

from pathlib import Path

import pytest

import search_spaces
from cost_models.errors import InputError

GOOD = """\
model:
  preset: moe-27b
  engram_share: {choices: [0.1, 0.2]}
  engram_layers: {subsets: [[1], [1, 14]]}
system:
  accelerator: h100-sxm
  accelerators: {choices: [1, 2]}
  host: {dram_gib: 256}
serving:
  tables: {tier: {choices: [hbm, dram]}}
quality: {fidelity: demo}
"""


def _broken(old: str, new: str) -> str:
    assert old in GOOD
    with pytest.raises(InputError) as caught:
        search_spaces.parse(GOOD.replace(old, new, 1), "mine.yaml")
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_good_file_is_good() -> None:
    space = search_spaces.parse(GOOD, "mine.yaml")
    assert [p.name for p in space.parameters] == [
        "model.engram_share", "model.engram_layers", "system.accelerators", "serving.tables.tier",
    ]  # fmt: skip
    assert space.objectives == ("bits_per_byte", "tpot_s", "j_per_token", "usd_per_mtok")


def test_a_misspelt_field_is_named_with_place_and_likely_meaning() -> None:
    message = _broken("engram_share:", "engram_shar:")
    assert message.startswith(
        "mine.yaml:3:16: model.engram_shar is not a known field; did you mean engram_share"
    )
    assert "engram_head_dim" in message  # what is allowed


def test_a_misspelt_field_two_levels_down() -> None:
    message = _broken("dram_gib: 256", "dram_gb: 256")
    assert "mine.yaml:8:" in message and "system.host.dram_gb" in message and "dram_gib" in message


def test_a_misspelt_key_of_a_free_field() -> None:
    message = _broken("{choices: [0.1, 0.2]}", "{choises: [0.1, 0.2]}")
    assert "mine.yaml:3:" in message and "model.engram_share.choises" in message and "choices" in message


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("preset: moe-27b", "preset: moe-28b", ["mine.yaml:2:11", "model.preset", "moe-27b"]),
        ("preset: moe-27b", "config: gone/config.json", ["mine.yaml:2:", "model.config", "gone/config.json"]),
        ("preset: moe-27b\n", "preset: moe-27b\n  config: a.json\n", ["preset", "not both"]),
        ("0.2]}", "1.5]}", ["mine.yaml:3:33", "model.engram_share.choices.1", "must be < 1", "1.5"]),
        ("0.2]}", "0.1]}", ["model.engram_share.choices", "0.1 twice"]),
        (
            "{choices: [0.1, 0.2]}",
            "{low: 0.4, high: 0.1}",
            ["model.engram_share.low", "less than high (0.1)", "0.4"],
        ),
        ("{choices: [0.1, 0.2]}", "{low: 0, high: 0.1, log: true}", ["low", "must be > 0 where log is true"]),
        ("{choices: [0.1, 0.2]}", "true", ["model.engram_share", "must be a number", "True"]),
        ("[1, 14]]", "[1, 44]]", ["model.engram_layers", "0 to 29", "44"]),
        ("subsets: [[1], [1, 14]]", "of: [1, 2], min: 3", ["engram_layers", "min (3)"]),
        ("h100-sxm", "h100-smx", ["mine.yaml:6:16", "system.accelerator", "h100-sxm"]),
        ("accelerators: {choices: [1, 2]}", "accelerators: 0", ["system.accelerators", "must be >= 1", "0"]),
        (
            "accelerators: {choices: [1, 2]}",
            "accelerators: 1.5",
            ["system.accelerators", "whole number", "1.5"],
        ),
        ("[hbm, dram]", "[hbm, ram]", ["serving.tables.tier.choices.1", "'ram'", "dram"]),
        ("quality: {fidelity: demo}", "quality: {}", ["quality.fidelity", "must be given"]),
        ("quality:", "objectives: [tpot]\nquality:", ["objectives.0", "tpot_s", "'tpot'"]),
        ("quality:", "objectives: [tpot_s, tpot_s]\nquality:", ["objectives", "twice"]),
        ("quality: {fidelity: demo}", "objectives: [bits_per_byte]", ["objectives.0", "nothing is trained"]),
        ("quality:", "constraints: {tpot_ms: 5}\nquality:", ["constraints.tpot_ms", "tpot_s"]),
        (
            "engram_layers:",
            "engram_rows: 100000\n  engram_layers:",
            ["model.engram_rows", "cannot both be given", "leave one out"],
        ),
        (
            "tier: {choices: [hbm, dram]}",
            "tier: {choices: [hbm, dram], when: {system.nodse: [1]}}",
            ["system.nodse"],
        ),
        ("system:\n", "system:\n  accelerator: h100-sxm\n", ["given twice"]),
        ("serving:\n", "serving: 5\nx:\n", ["x", "not a known field", "serving"]),
        ("  host: {dram_gib: 256}\n", "  host: [1]\n", ["system.host", "must be a mapping"]),
    ],
)
def test_errors_name_place_rule_value_and_way_out(old: str, new: str, parts: list[str]) -> None:
    message = _broken(old, new)
    for part in parts:
        assert part in message, message


def test_a_dense_base_cannot_share_its_experts() -> None:
    assert "engram_rows" in _broken("moe-27b", "dense-4b")


def test_impossible_hardware_is_said_when_it_is_asked_for() -> None:
    text = GOOD.replace("tier: {choices: [hbm, dram]}", "tier: cxl")
    space = search_spaces.parse(text, "mine.yaml")
    with pytest.raises(InputError, match="tier with capacity"):
        space.hardware(space.model({"model.engram_share": 0.1, "model.engram_layers": "1"}))


def test_unknown_names_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean demo"):
        search_spaces.load("dmeo")
    with pytest.raises(InputError, match="no such file"):
        search_spaces.load(tmp_path / "gone.yaml")
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(InputError, match="mapping"):
        search_spaces.load(tmp_path / "empty.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        search_spaces.load(tmp_path / "bytes.yaml")


def test_every_shipped_space_has_a_name_a_purpose_and_is_listed() -> None:
    assert search_spaces.names()[0] == "demo"
    for name in search_spaces.names():
        space = search_spaces.load(name)
        assert space.name == name
        assert space.description
