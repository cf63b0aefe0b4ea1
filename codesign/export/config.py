"""config.json: the model's own fields, and what the released loaders want beside them."""

import json
import re
from dataclasses import replace
from typing import Any

from cost_models.design import Design, Model
from cost_models.hf_config import write_config

_NOT_IN_YAML = re.compile(
    "[^\\x09\\x0a\\x0d\\x20-\\x7e\\x85\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]"
)
_TORCH_DTYPES = {"fp32": "float32", "fp16": "float16"}  # others are computed in bfloat16
_GROUPS, _GROUPS_USED = 8, 4  # expert groups of DeepSeek-V3, the loaders' default (arXiv 2412.19437)


def config_text(design: Design) -> str:
    """The text of config.json.

    Characters that YAML does not allow raw are escaped, since the reader of configs is YAML's.
    """
    serving = design.serving
    one = replace(design.model, composition=None)  # experts of a composition are alike, and so is their config
    config = write_config(one) | _for_loaders(one)
    # without it transformers and vLLM take the default of the family, often 2,048, and refuse longer requests
    config["max_position_embeddings"] = int(serving.input_tokens) + int(serving.output_tokens)
    text = json.dumps(config, indent=2, ensure_ascii=False)
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


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
