"""What `model.py` is built from, as plain data: of a design at full size, and of its proxy."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cost_models import architecture, tables
from cost_models.design import Engram, Model

if TYPE_CHECKING:
    from codesign.proxy.config import ProxyConfig

HASH_SEED = 0  # of the released code, and of the proxies
Shape = dict[str, Any]


def not_built(model: Model) -> str:
    """Which form of a design `model.py` does not have, or ""."""
    a = model.attention
    if a.kind not in ("gqa", "mla"):
        return f"attention of kind {a.kind}"
    forms = {
        "linear_value_heads": "linear attention",
        "output_gate": "an output gate",
        "index_heads": "an indexer",
    }
    for name, form in forms.items():
        if getattr(a, name, 0):
            return form
    if getattr(model, "hyper_connection_rank", 0):
        return "gated hyper-connections"
    return "a vision encoder" if getattr(model, "encoder_parameters", 0) else ""


def full_size(model: Model) -> Shape:
    """The design's own shape; its weights, with the tables, are those that the cost models count."""
    a, layers = model.attention, range(model.layers)
    has_experts = [architecture.is_expert_layer(model, layer) for layer in layers]
    moe = model.moe
    return {
        "vocab": model.vocab,
        "hidden": model.hidden,
        "layers": model.layers,
        "tied_embeddings": model.tied_embeddings,
        "attention": {
            name: getattr(a, name)
            for name in (
                "kind", "heads", "kv_heads", "head_dim", "qk_norm", "bias", "q_lora_rank", "kv_lora_rank",
                "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim",
            )
        },
        "windows": [architecture.window(a, layer) for layer in layers],
        "dense_width": [0 if routed else model.dense_width for routed in has_experts],
        "experts": [moe.routed_experts if moe and routed else 0 for routed in has_experts],
        "active_experts": moe.active_experts if moe else 0,
        "expert_width": moe.expert_width if moe else 0,
        "shared_width": [architecture.shared_width(model) if routed else 0 for routed in has_experts],
        "branches": model.hyper_connections,
        "dynamic_branches": True,
        "medusa_heads": model.medusa_heads,
        "engram": _engram(model, model.engram, model.engram.compressed_vocab_size or model.vocab)
        if model.engram
        else None,
        "log_frequency": False,
        "canonical": None,
        "sequence": None,
    }  # fmt: skip


def proxy(config: "ProxyConfig", canonical: NDArray[np.int64], canonical_vocab: int, sequence: int) -> Shape:
    """The shape of a trained proxy. canonical: (vocab,) its tokenizer's map; sequence: tokens it was trained on."""
    engram = _engram(config.as_model(), config.engram, canonical_vocab) if config.engram else None
    return {
        "vocab": config.vocab,
        "hidden": config.hidden,
        "layers": config.layers,
        "tied_embeddings": config.tied_embeddings,
        "attention": {
            "kind": "gqa", "heads": config.heads, "kv_heads": config.kv_heads, "head_dim": config.head_dim,
            "qk_norm": False, "bias": False,
        },
        "windows": [0] * config.layers,
        "dense_width": list(config.dense_width),
        "experts": list(config.experts),
        "active_experts": config.active_experts,
        "expert_width": config.expert_width,
        "shared_width": list(config.shared_width),
        "branches": config.branches,
        "dynamic_branches": False,
        "medusa_heads": 0,
        "engram": engram and engram | {"pad": 0},  # the proxies' padding is START, canonical id 0
        "log_frequency": True,
        "canonical": canonical.tolist() if engram else None,
        "sequence": sequence,
    }  # fmt: skip


def _engram(model: Model, engram: Engram, vocab: int) -> Shape:
    """Tables of every set: multipliers, moduli and the first row of each (order, head) in the set's one table."""
    moduli, rows = tables.moduli(engram), tables.rows(model)
    layers = (0,) if engram.input_only else engram.layer_ids
    sets = []
    for number, layer in enumerate(layers):
        sizes = rows[number].reshape(-1)
        sets.append(
            {
                "rows": int(sizes.sum()),
                "multipliers": tables.multipliers(layer, HASH_SEED, engram.max_order, vocab).tolist(),
                "moduli": moduli[number].reshape(-1).tolist(),
                "offsets": (np.cumsum(sizes) - sizes).tolist(),
            }
        )
    return {
        "layer_ids": [] if engram.input_only else list(engram.layer_ids),
        "input_only": engram.input_only,
        "max_order": engram.max_order,
        "heads": engram.heads,
        "head_dim": engram.head_dim,
        "gated": engram.gated and not engram.input_only,
        "kernel_size": 0 if engram.input_only else engram.kernel_size,
        "slots": tables.slots_per_head(model),
        "pad": engram.pad_token_id,
        "sets": sets,
    }
