"""The exported config.json in the released loader: transformers builds the model that the cost models count.

Engram's fields have no class in transformers; they are held against the released names and types.
"""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

import cost_models
from codesign import export
from codesign.export.specification import Specification
from cost_models import architecture, tables
from cost_models.design import Design, Model, Serving

transformers = pytest.importorskip("transformers")

# config.json of DeepSeek-V4.1-Flash (docs.nvidia.com NeMo AutoModel, docs.vllm.ai)
RELEASED = {
    "engram_layer_ids": list,
    "engram_num_embeddings": list,
    "engram_max_ngram_size": int,
    "engram_vocab_size": int,
    "engram_n_heads": int,
    "engram_head_dim": int,
    "engram_pad_token_id": int,
    "engram_compressed_vocab_size": int,
}


RELEASES = yaml.safe_load(Path(export.__file__).with_name("released.yaml").read_text(encoding="utf-8"))


def written(model: Model, folder: Path, **serving: int) -> Path:
    export.write(Specification(Design(model, serving=Serving(**serving))), folder / "plan")
    return folder / "plan"


@pytest.mark.parametrize(
    "preset", ["llama-3.1-8b", "qwen3-32b", "qwen3-30b-a3b", "mixtral-8x7b", "deepseek-v3"]
)
def test_transformers_builds_the_model_that_is_costed(preset: str, tmp_path: Path) -> None:
    model = cost_models.read_model(preset)
    config = transformers.AutoConfig.from_pretrained(
        written(model, tmp_path, input_tokens=9000, output_tokens=1000)
    )
    assert config.max_position_embeddings == RELEASES[preset]["max_position_embeddings"]
    for name, value in RELEASES[preset]["fields"].items():
        if name.startswith("rope"):  # kept together since transformers 5
            together = config.rope_parameters
            found = (
                together["rope_theta"]
                if name == "rope_theta"
                else {key: together[key] for key in value or {}}
            )
            assert found == (value if name == "rope_theta" else value or {}), name
        else:
            assert getattr(config, name) == value, name
    assert config.dtype == torch.bfloat16
    with torch.device("meta"):
        built = transformers.AutoModelForCausalLM.from_config(config)
    weights = sum(parameter.numel() for parameter in built.parameters())
    biases = sum(buffer.numel() for name, buffer in built.named_buffers() if name.endswith("correction_bias"))
    assert weights + biases == architecture.parameters(model).total


@pytest.mark.parametrize("preset", ["llama-3.1-8b", "deepseek-v3"])
def test_a_changed_model_is_the_changed_model(preset: str, tmp_path: Path) -> None:
    """A query without a low rank, fewer experts, tied embeddings: what a search may ask for."""
    model = replace(cost_models.read_model(preset), layers=6, tied_embeddings=True)
    model = replace(model, attention=replace(model.attention, q_lora_rank=0))
    if model.moe:
        model = replace(model, moe=replace(model.moe, routed_experts=60, leading_dense_layers=2))
    config = transformers.AutoConfig.from_pretrained(written(model, tmp_path))
    with torch.device("meta"):
        built = transformers.AutoModelForCausalLM.from_config(config)
    weights = sum(parameter.numel() for parameter in built.parameters())
    biases = sum(buffer.numel() for name, buffer in built.named_buffers() if name.endswith("correction_bias"))
    assert weights + biases == architecture.parameters(model).total


def test_a_model_of_ones_own_has_what_its_proxy_was_trained_with(tmp_path: Path) -> None:
    from codesign.export.runnable import model as runnable

    released = cost_models.read_model("llama-3.1-8b")
    config = transformers.AutoConfig.from_pretrained(
        written(replace(released, layers=20), tmp_path, input_tokens=9000, output_tokens=1000)
    )
    assert config.max_position_embeddings == 10_000
    assert config.rope_parameters == {"rope_type": "default", "rope_theta": runnable.ROPE_BASE}
    x = torch.full((4,), 1e-3)
    assert torch.equal(runnable.rms(x), torch.nn.functional.rms_norm(x, (4,), eps=config.rms_norm_eps))


def test_tables_leave_the_release_s_constants(tmp_path: Path) -> None:
    tables_of = cost_models.read_model("engram-27b").engram
    model = replace(cost_models.read_model("llama-3.1-8b"), engram=replace(tables_of, layer_ids=(1, 14)))
    config = json.loads((written(model, tmp_path) / "config.json").read_text(encoding="utf-8"))
    assert config["rope_scaling"] == RELEASES["llama-3.1-8b"]["fields"]["rope_scaling"]
    assert config["rms_norm_eps"] == 1e-5


@pytest.mark.parametrize("preset", ["deepseek-v4.1-flash", "engram-27b"])
def test_engram_fields_have_the_released_names_and_types(preset: str, tmp_path: Path) -> None:
    model = cost_models.read_model(preset)
    config = json.loads((written(model, tmp_path) / "config.json").read_text(encoding="utf-8"))
    for name, kind in RELEASED.items():
        assert type(config[name]) is kind, name
    assert config["engram_num_embeddings"] == tables.rows(model).sum(axis=(1, 2)).tolist()
    assert all(0 <= layer < config["num_hidden_layers"] for layer in config["engram_layer_ids"])
    general = transformers.PretrainedConfig.from_json_file(str(tmp_path / "plan" / "config.json"))
    assert general.engram_layer_ids == config["engram_layer_ids"]


def test_a_loader_finds_no_weights_beside_the_config(tmp_path: Path) -> None:
    """The trained proxy lies in a folder of its own: an engine pointed here must not load it as the full model."""
    folder = written(cost_models.read_model("engram-27b"), tmp_path)
    assert not [
        path for path in folder.iterdir() if re.search(r"safetensors|\.bin|\.pt|tokenizer", path.name)
    ]
