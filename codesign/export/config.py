"""config.json: the model's own fields, and what the released loaders want beside them.

Norms and rotary positions cost the same whatever their constants, so no Model holds them. A design with the backbone
of a released model (any tables, types and hardware) gets the release's, from released.yaml; any other what its
proxies were trained with and pytorch/model.py computes.
"""

import json
import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from cost_models import read_model
from cost_models.design import Design, Model
from cost_models.hf_config import write_config

_NOT_IN_YAML = re.compile(
    "[^\\x09\\x0a\\x0d\\x20-\\x7e\\x85\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]"
)
_TORCH_DTYPES = {"fp32": "float32", "fp16": "float16"}  # others are computed in bfloat16
# of runnable/model.py and the proxies
_OWN = {"hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10000.0}
_GROUPS, _GROUPS_USED = 8, 4  # expert groups of DeepSeek-V3, the loaders' default (arXiv 2412.19437)


def config_text(design: Design) -> str:
    """The text of config.json.

    Characters that YAML does not allow raw are escaped, since the reader of configs is YAML's.
    """
    serving = design.serving
    # experts of a composition are alike, and so is their config
    one = replace(design.model, composition=None)
    config = write_config(one) | _for_loaders(one)
    # without it transformers and vLLM take the default of the family, often 2,048, and refuse longer requests
    longest, release = int(serving.input_tokens) + int(serving.output_tokens), _release(one)
    config["max_position_embeddings"] = max(longest, release.get("max_position_embeddings", 0))
    config |= release.get("fields", _OWN)
    text = json.dumps(config, indent=2, ensure_ascii=False)
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


@lru_cache(maxsize=1)
def _releases() -> list[tuple[Model, dict[str, Any]]]:
    content = yaml.safe_load(Path(__file__).with_name("released.yaml").read_text(encoding="utf-8"))
    return [(_backbone(read_model(name)), entry) for name, entry in content.items()]


def _release(model: Model) -> dict[str, Any]:
    """The entry of the released model whose backbone this is; empty for a model of one's own."""
    own = _backbone(model)
    return next((entry for backbone, entry in _releases() if backbone == own), {})


def _backbone(model: Model) -> Model:
    """What a release fixes: the model without tables, additional heads and types."""
    return replace(
        model, name="", engram=None, medusa_heads=0, mtp_layers=0, weights_dtype="bf16", experts_dtype="",
        tables_dtype="", kv_dtype="",
    )  # fmt: skip


def _for_loaders(model: Model) -> dict[str, Any]:
    """Fields that say nothing new about the model, or say it in the loaders' way."""
    fields: dict[str, Any] = {"dtype": _TORCH_DTYPES.get(model.weights_dtype, "bfloat16")}
    if model.attention.kind == "mla" and not model.attention.q_lora_rank:
        fields["q_lora_rank"] = None  # a rank of 0 would be built, with no way through it
    moe = model.moe
    if moe and model.family == "deepseek_v3":
        per_group, rest = divmod(moe.routed_experts, _GROUPS)
        if rest or per_group * _GROUPS_USED < moe.active_experts:
            fields |= {"n_group": 1, "topk_group": 1}
    return fields
