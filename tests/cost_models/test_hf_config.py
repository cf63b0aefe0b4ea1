"""Configs and presets: what is read, what is written back, and what is refused with which words."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cost_models import tables
from cost_models.architecture import parameters
from cost_models.design import Attention, Engram, MixtureOfExperts, Model
from cost_models.errors import InputError
from cost_models.hf_config import presets, read_config, read_model, write_config
from cost_models.yamlfile import parse

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
    "rope_theta": 500000.0, "torch_dtype": "bfloat16",
}  # fmt: skip
QWEN4: dict[str, Any] = {
    "model_type": "qwen4_exp", "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 48,
    "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128, "vocab_size": 248320, "num_experts": 128,
    "num_experts_per_tok": 8, "moe_intermediate_size": 768, "hc_count": 4, "ple_layer_ids": [2, 24],
    "ple_embed_dim": 2560, "ple_conv_kernel_size": 4, "ngram_size": 3, "heads_per_ngram": 8,
    "ngram_vocab_size_base": 1000000, "make_ngram_vocab_size_divisible_by": 128, "split_ngram_parts": 4, "seed": 1,
    "tables_dtype": "fp8",
}  # fmt: skip
LONGCAT: dict[str, Any] = {
    "model_type": "longcat_flash_ngram", "hidden_size": 3072, "ffn_hidden_size": 6144, "num_layers": 14,
    "num_attention_heads": 32, "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64, "v_head_dim": 128, "vocab_size": 131072, "n_routed_experts": 256, "zero_expert_num": 128,
    "moe_topk": 12, "expert_ffn_hidden_size": 1024, "ngram_vocab_size_ratio": 78, "emb_neighbor_num": 4,
    "emb_split_num": 4,
}  # fmt: skip


# The released config.json of DeepSeek-V4.1-Flash, as far as this reader takes note of it.
V41_TEXT: dict[str, Any] = {
    "model_type": "deepseek_v41_text", "vocab_size": 129280, "hidden_size": 5120, "moe_intermediate_size": 2304,
    "num_hidden_layers": 40, "num_attention_heads": 64, "num_key_value_heads": 1, "head_dim": 512,
    "qk_rope_head_dim": 64, "q_lora_rank": 1280, "o_lora_rank": 1024, "o_groups": 8, "n_routed_experts": 384,
    "n_shared_experts": 1, "num_experts_per_tok": 6, "sliding_window": 128,
    "compress_ratios": [0, 0, *[2] * 18, *[1] * 20, 0, 0, 0], "kv_source_layer_ids": [2, 8, 14, 20],
    "index_source_layer_ids": [2, 8, 14, 20, 24, 28, 32, 36], "index_n_heads": 32, "index_head_dim": 128,
    "index_topk": 512, "candidate_source_layer_id": 20, "candidate_topk_blocks": 2048, "candidate_block_size": 8,
    "hc_mult": 4, "hc_eps": 1e-6, "engram_layer_ids": [1, 14], "engram_num_embeddings": [384006168, 384016682],
    "engram_max_ngram_size": 4, "engram_vocab_size": 16000000, "engram_n_heads": 8, "engram_head_dim": 256,
    "engram_pad_token_id": 2, "engram_compressed_vocab_size": 99092, "num_nextn_predict_layers": 3,
    "dspark_block_size": 5, "dspark_markov_rank": 256, "dspark_n_routed_experts": 128, "tie_word_embeddings": False,
}  # fmt: skip
V41: dict[str, Any] = {
    "_name_or_path": "deepseek-v4.1-flash", "model_type": "deepseek_v41", "text_config": V41_TEXT,
    "architectures": ["DeepseekV41ForConditionalGeneration"],
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [32, 32], "expert_dtype": "fp4"},
    "vision_config": {
        "num_hidden_layers": 32, "hidden_size": 1024, "num_attention_heads": 16, "intermediate_size": 2816,
        "patch_size": 14, "downsample_ratio": 3,
    },
}  # fmt: skip


def read(tmp_path: Path, config: dict[str, Any], indent: int | None = 2) -> Model:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config, indent=indent))
    return read_model(path)


def test_a_released_config_reads_as_the_preset(tmp_path: Path) -> None:
    model = read(tmp_path, {**LLAMA, "_name_or_path": "llama-3.1-8b"})
    assert model == read_model("llama-3.1-8b")
    assert read_model(tmp_path) == model  # the folder that holds it


def test_the_released_config_of_deepseek_v41_flash(tmp_path: Path) -> None:
    model = read(tmp_path, V41)
    assert replace(model, mtp_loaded=True) == read_model("deepseek-v4.1-flash")
    assert read(tmp_path, {**V41_TEXT, **{key: V41[key] for key in V41 if key != "text_config"}}) == model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"compress_ratios": [0, 2]},
            r":\d+:\d+: compress_ratios must give a ratio for each of the 40 layers, got 2",
        ),
        (
            {"kv_source_layer_ids": [1]},
            r"kv_source_layer_ids must name layers with a ratio above 0, got \[1\]",
        ),
        ({"num_key_value_heads": 8}, r"num_key_value_heads must be 1, one latent for all heads, got 8"),
        ({"o_groups": 7}, r"o_groups must divide num_attention_heads x head_dim = 32768"),
        ({"index_topk": 0}, r"index_topk must be a whole number >= 1 .*, got 0"),
    ],
)
def test_compressed_attention_that_contradicts_itself(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, {**V41, "text_config": V41_TEXT | change})


def test_a_config_with_the_attention_of_deepseek_v3_is_read_too(tmp_path: Path) -> None:
    latent = {
        key: V41_TEXT[key]
        for key in V41_TEXT
        if not key.startswith(("index", "compress", "kv_source", "cand"))
    }
    latent |= {
        "model_type": "deepseek_v41", "intermediate_size": 12288, "num_attention_heads": 128, "q_lora_rank": 1024,
        "kv_lora_rank": 512, "qk_nope_head_dim": 128, "v_head_dim": 128,
    }  # fmt: skip
    model = read(tmp_path, latent)
    assert (model.attention.kind, model.family, model.whole_backbone) == ("mla", "deepseek_v41", True)
    assert read_config(parse(json.dumps(write_config(model)), "config.json"), "x") == model


def test_tabs_and_one_line_are_json_too(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA, indent="\t"))
    assert read_model(path) == read(tmp_path, LLAMA, indent=None)


def test_engram_fields_stand_next_to_any_backbone(tmp_path: Path) -> None:
    fields = {
        "engram_layer_ids": [1, 14], "engram_max_ngram_size": 3, "engram_vocab_size": 50000, "engram_n_heads": 4,
        "engram_head_dim": 64,
    }  # fmt: skip
    model = read(tmp_path, {**LLAMA, **fields})
    assert model.engram == Engram((1, 14), 3, 4, 64, 50000)
    assert parameters(model).tables > 2 * 2 * 4 * 50000 * 64


def test_qwen38_flash_next(tmp_path: Path) -> None:
    model = read(tmp_path, QWEN4)
    engram = model.engram
    assert engram is not None
    assert engram.layer_ids == (1, 23)  # counted from 1 in the file
    assert (engram.max_order, engram.heads, engram.head_dim) == (3, 8, 2560 // 16)
    assert engram.row_rule == "base_up" and engram.rows_multiple_of == 128
    assert model.hyper_connections == 4
    assert engram.pad_token_id == 2
    ends = read(tmp_path, QWEN4 | {"eos_token_id": [7, 9]}).engram
    assert ends is not None and ends.pad_token_id == 7
    assert tables.row_bytes(model) == 160
    assert read_config(parse(json.dumps(write_config(model)), "config.json"), "x") == model


def test_qwen38_flash_next_as_released(tmp_path: Path) -> None:
    preset = read_model("qwen3.8-flash-next")
    text = write_config(preset) | {"model_type": "qwen4_exp_text", "intermediate_size": None}
    model = read(tmp_path, {"model_type": "qwen4_exp", "text_config": text, "tables_dtype": "fp8"})
    assert model == preset
    assert model.attention.full_attention_layers == tuple(range(3, 48, 4))
    with pytest.raises(InputError, match="layer_types must name each of the 48 layers"):
        read(tmp_path, {**text, "layer_types": ["linear_attention"]})


def test_longcat_tables_are_31e9_parameters_at_the_input(tmp_path: Path) -> None:
    model = read(tmp_path, LONGCAT)
    assert model.engram is not None and model.engram.input_only
    assert (
        model.layers == 28 and model.moe is not None and model.moe.active_experts == 8
    )  # 12 of 256 + 128 idle
    assert parameters(model).tables == pytest.approx(31.4e9, rel=0.01)
    assert read_config(parse(json.dumps(write_config(model)), "config.json"), "x") == model


@pytest.mark.parametrize("name", presets())
def test_presets_survive_the_way_there_and_back(name: str) -> None:
    model = read_model(name)
    config = write_config(model)
    assert config["model_type"] == ("composition" if model.composition else model.family)
    assert read_config(parse(json.dumps(config, indent=1), "config.json"), "other") == model


def test_published_row_sums_are_checked(tmp_path: Path) -> None:
    config = write_config(read_model("deepseek-v4.1-flash"))
    assert config["engram_num_embeddings"] == [384006168, 384016682]
    with pytest.raises(
        InputError, match=r"engram_num_embeddings must be the sums of the table rows, \[384006168"
    ):
        read(tmp_path, {**config, "engram_num_embeddings": [384006168, 384016683]})


def test_a_model_its_family_cannot_express_becomes_a_general_one() -> None:
    llama = read_model("llama-3.1-8b")
    model = Model(**{**vars(llama), "moe": MixtureOfExperts(8, 2, 1, 1024, 2)})
    config = write_config(model)
    assert config["model_type"] == "engram_gqa"
    again = read_config(parse(json.dumps(config), "config.json"), "x")
    assert again.moe == model.moe and again.attention == model.attention


def test_windows_survive() -> None:
    attention = Attention("gqa", 8, 2, 64, sliding_window=512, full_attention_layers=(5, 11))
    model = Model("windowed", 12, 512, 1000, attention, 1024, family="llama")
    assert read_config(parse(json.dumps(write_config(model)), "config.json"), "x") == model


BAD = [
    ({"num_key_value_heads": 5}, r"num_key_value_heads must divide num_attention_heads \(32\), got 5"),
    ({"hidden_size": -1}, r"hidden_size must be a whole number >= 1 .*, got -1"),
    ({"hidden_size": 0}, r"hidden_size must be a whole number >= 1"),
    ({"hidden_size": float("nan")}, r"hidden_size must be a whole number"),
    ({"hidden_size": 1e30}, r"hidden_size must be a whole number .* <= 1e\+06"),
    ({"hidden_size": "4096"}, r"hidden_size must be a whole number .*, got '4096'"),
    ({"hidden_size": 4096.5}, r"hidden_size must be a whole number"),
    ({"hidden_size": True}, r"hidden_size must be a whole number"),
    ({"hidden_size": None}, r"hidden_size is missing"),
    ({"hidden_size": 4097}, r"num_attention_heads must divide hidden_size \(4097\)"),
    ({"model_type": "lama"}, r"model_type must be a known architecture, got 'lama'; did you mean llama\?"),
    ({"model_type": None}, r"model_type must be a known architecture"),
    ({"tie_word_embeddings": "yes"}, r"tie_word_embeddings must be true or false, got 'yes'"),
    ({"engram_layer_ids": [1]}, r"engram_max_ngram_size is missing"),
    ({"engram_layers": [1]}, r"engram_layers is not a known field; did you mean engram_layer_ids\?"),
    ({"engram_n_heads": 8}, r"engram_n_heads needs engram_layer_ids beside it"),
    ({"kv_dtype": "fp9"}, r"kv_dtype must be one of fp32, bf16.*, got 'fp9'"),
    (
        {
            "num_hidden_layers": 4096,
            "hidden_size": 1_000_000,
            "intermediate_size": 10_000_000,
            "head_dim": 64,
        },
        r"describes .* parameters; the most that is allowed is 1e\+15",
    ),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_fields_are_refused_in_one_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        read(tmp_path, {**LLAMA, **change})
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "config.json"))


def test_the_place_of_a_bad_field_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**LLAMA, "hidden_size": -1}, indent=2))
    line = next(i for i, text in enumerate(path.read_text().splitlines(), 1) if "hidden_size" in text)
    with pytest.raises(InputError, match=f"config.json:{line}:18: hidden_size"):
        read_model(path)


def test_expert_and_table_rules(tmp_path: Path) -> None:
    config = write_config(read_model("engram-27b"))
    for change, message in (
        ({"num_experts_per_tok": 56}, "num_experts_per_tok must be <= the 55 experts, got 56"),
        ({"first_k_dense_replace": 31}, "first_k_dense_replace must be <= the 30 layers, got 31"),
        ({"engram_layer_ids": [1, 30]}, "engram_layer_ids must be different layers of the 30"),
        ({"engram_layer_ids": [1, 1]}, "engram_layer_ids must be different layers of the 30"),
        ({"engram_layer_ids": []}, "engram_layer_ids must be a list of whole numbers"),
        ({"kv_lora_rank": 0}, "kv_lora_rank must be a whole number >= 1"),
    ):
        with pytest.raises(InputError, match=message):
            read(
                tmp_path,
                {key: v for key, v in {**config, **change}.items() if key != "engram_num_embeddings"},
            )


@pytest.mark.parametrize(
    "text", ["", "[]", "3", "{", '{"a": 1, "a": 2}', "\x00", '{"model_type": ["llama"]}']
)
def test_what_is_no_config_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"config\.json"):
        read_model(path)


def test_names_that_are_neither_file_nor_preset() -> None:
    with pytest.raises(
        InputError, match=r"llama-3\.1-8: neither a config.json nor a preset; did you mean llama-3\.1-8b"
    ):
        read_model("llama-3.1-8")
    with pytest.raises(InputError, match="no such file"):
        read_model("nowhere/config.json")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.sampled_from([*QWEN4, "layer_types", "sliding_window", "quantization_config"]), value=json_values
)
def test_any_value_in_any_field_reads_or_is_refused(tmp_path: Path, key: str, value: Any) -> None:
    try:
        model = read(tmp_path, {**QWEN4, key: value})
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert parameters(model).total > 0
