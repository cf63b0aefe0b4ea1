"""Compressed sparse attention of DeepSeek-V4.1 (kind "csa"): its weights, its cache and its operators.

One latent of `head_dim` values per token is key and value of all heads. Every layer sees a window of the last latents.
A few layers (`kv_source_layers`) also compress the latents, `ratio` tokens to an entry, into a cache that the layers
up to the next source share; some (`index_source_layers`) run an indexer, whose `index_topk` best entries are what a
query sees of that cache until the next indexer. Layers that have a ratio of 0 see the window alone.
The queries are of low rank, the output is a low-rank product per group of heads.

Sources: config.json and the tensor shapes of the released checkpoint (huggingface.co/deepseek-ai/DeepSeek-V4.1-Flash);
cache layouts of vLLM (vllm/models/deepseek_v4_1/attention.py: DSV4_KV_LAYOUTS, _indexer_k_cache_head_dim).
"""

from dataclasses import dataclass

from cost_models.design import DTYPE_BYTES, Attention, Model
from cost_models.operator_rows import ACTIVATION_BYTES, ROTARY, Row, elementwise, gemm

WINDOW, FULL, REINDEX, REUSE = "window", "full", "reindex", "reuse"


@dataclass(frozen=True)
class Slots:
    """Bytes of one cached latent in a window, of one compressed entry, and of one key of the indexer."""

    window: float
    entry: float
    key: float


def slots(model: Model) -> Slots:
    """The cache layouts: fp8 keeps the rotary part in bf16 (584 B), four-bit entries take 288 B, windows 528 B."""
    a, width = model.attention, model.attention.head_dim
    bytes_ = DTYPE_BYTES[model.dtype("kv")]
    if bytes_ > 1:
        return Slots(width * bytes_, width * bytes_, a.index_head_dim * bytes_)
    if bytes_ == 1:
        plain = width - a.qk_rope_head_dim
        latent = (
            plain + a.qk_rope_head_dim * DTYPE_BYTES["bf16"] + plain // 64 + 1
        )  # a scale per 64, padded to 8 B
        return Slots(latent, latent, a.index_head_dim * (1 + 4 / 128))
    return Slots(width * (1 + 1 / 32), width * (1 / 2 + 1 / 16), a.index_head_dim * (1 / 2 + 1 / 32))


def mode(attention: Attention, layer: int) -> str:
    """What a layer does beside its window: nothing, compress and index, index again, or use what is there."""
    if not ratio(attention, layer):
        return WINDOW
    if layer in attention.kv_source_layers:
        return FULL
    return REINDEX if layer in attention.index_source_layers else REUSE


def ratio(attention: Attention, layer: int) -> int:
    """Tokens per cached entry of a layer; 0 where it sees the window alone."""
    return attention.compress_ratios[layer] if layer < len(attention.compress_ratios) else 0


def parameters(model: Model, layer: int) -> tuple[int, int]:
    """Weights of one layer's attention: (split over heads or groups, whole on every rank)."""
    a, hidden = model.attention, model.hidden
    split = a.q_lora_rank * a.heads * a.head_dim + a.o_lora_rank * (
        a.heads * a.head_dim + a.o_groups * hidden
    )
    whole = hidden * (a.q_lora_rank + a.head_dim) + a.q_lora_rank + a.head_dim + a.heads  # norms and sinks
    kind = mode(a, layer)
    if kind in (FULL, REINDEX):
        whole += a.q_lora_rank * a.index_heads * a.index_head_dim + hidden * a.index_heads
    if kind == FULL:
        products = 2 if ratio(a, layer) > 1 else 1  # pooling several tokens takes a gate
        whole += products * hidden * a.head_dim + a.head_dim + (a.head_dim + 1) * a.index_head_dim
    return split, whole


def cache_bytes_per_token(model: Model) -> float:
    """Compressed entries and indexer keys of one token in all layers that own a cache."""
    a, size = model.attention, slots(model)
    return sum((size.entry + size.key) / max(1, ratio(a, layer)) for layer in a.kv_source_layers)


def rows(model: Model, layer: int) -> list[Row]:
    """The operators of one layer's attention between its norm and its exchange.

    What fills a cache says that it runs in prefill, even in a layer that the tokens of a prompt do not reach.
    """
    a, hidden, dtype, size = model.attention, model.hidden, model.dtype("weights"), slots(model)
    kind, per_entry = mode(a, layer), ratio(a, layer)
    seen = a.sliding_window + (a.index_topk if per_entry else 0)
    window = float(a.index_topk * per_entry if per_entry else a.sliding_window)
    read = a.sliding_window * size.window + (a.index_topk * size.entry if per_entry else 0.0)
    width, group = a.heads * a.head_dim, a.heads * a.head_dim // a.o_groups
    found: list[Row] = [
        gemm("query and latent down", hidden, a.q_lora_rank + a.head_dim, dtype),
        elementwise("latent norms", 2 * (a.q_lora_rank + a.head_dim)),
        gemm("query up", a.q_lora_rank, width, dtype, "columns"),
        elementwise(ROTARY, 2 * a.head_dim, 2 * a.heads * a.qk_rope_head_dim),
    ]
    compressing: list[Row] = []
    if kind == FULL:
        products = 2 if per_entry > 1 else 1
        compressing = [
            gemm("compression", hidden, products * a.head_dim, prefill=True),
            gemm("index keys", a.head_dim, a.index_head_dim, prefill=True),
            elementwise("cache of entries", (products + 1) * a.head_dim + 2 * a.index_head_dim, prefill=True),
        ]
    if kind in (FULL, REINDEX):
        scored = a.candidates if kind == REINDEX and layer > a.candidate_source_layer >= 0 else 0
        found += [
            gemm("index queries", a.q_lora_rank, a.index_heads * a.index_head_dim, dtype),
            gemm("index weights", hidden, a.index_heads),
            {
                "operator": "indexer", "kind": "attention", "kv_heads": 0, "window": float(scored * per_entry),
                "context_flops": 2.0 * a.index_heads * a.index_head_dim / per_entry,
                "context_bytes": size.key / per_entry,
                "sharded_bytes": ACTIVATION_BYTES * a.index_heads * a.index_head_dim,
            },
        ]  # fmt: skip
    found += [
        {
            # the entries seen, spread over the tokens that they stand for: exact once the context is that long
            "operator": "attention", "kind": "attention", "kv_heads": 0, "window": window,
            "context_flops": 4.0 * width * seen / window, "context_bytes": read / window,
            "sharded_bytes": 2 * ACTIVATION_BYTES * width,
        },
        gemm("output down", group, a.o_lora_rank, dtype, "batches", a.o_groups),
        gemm("attention output", a.o_groups * a.o_lora_rank, hidden, dtype, "inner"),
    ]  # fmt: skip
    return found + compressing
