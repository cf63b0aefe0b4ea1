"""What a layer is built of, as a choice: its attention and its feed-forward part, at equal active parameters."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cost_models import architecture
from cost_models.design import Attention, Model
from cost_models.errors import InputError

ATTENTION = ("mha", "gqa", "mqa", "mla")
FEED_FORWARD = ("dense", "experts")
_QUERIES_PER_KEY = 4  # of "gqa": as Llama 3 and Mixtral
# arXiv 2412.19437, section 4.2; queries are projected at full rank
_LATENT: dict[str, Any] = {
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
}


def with_blocks(base: Model, own: Mapping[str, Any]) -> Model:
    """The base with `attention` and `feed_forward` of other kinds; without them, or of its own kind, as it is.

    Raises InputError where a dense base is asked for experts.
    """
    if "attention" in own:
        base = replace(base, attention=_attention(base, own["attention"]))
    if own.get("feed_forward") == "dense" and base.moe is not None:
        width = base.moe.active_experts * base.moe.expert_width + architecture.shared_width(base)
        return replace(base, moe=None, dense_width=width)
    if own.get("feed_forward") == "experts" and base.moe is None:
        raise InputError(
            f"model.feed_forward: {base.name} is dense and has no experts to choose; use a base that has"
        )
    return base


def _attention(base: Model, kind: str) -> Attention:
    a = base.attention
    if kind == "mla":
        if a.kind == "mla":
            return a
        width = _LATENT["qk_nope_head_dim"] + _LATENT["qk_rope_head_dim"]
        return Attention("mla", a.heads, a.heads, width, **_LATENT)
    keys = {"mha": a.heads, "gqa": max(1, a.heads // _QUERIES_PER_KEY), "mqa": 1}[kind]
    if a.kind == "gqa":
        return replace(a, kv_heads=keys)
    return Attention("gqa", a.heads, keys, a.v_head_dim)
