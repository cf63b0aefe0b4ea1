"""The operators of one forward pass as columns: FLOPs and bytes per token, and how parallelism divides them.

One row stands for one operator of one group of identical layers; `count` says how often it runs. Latency
evaluates all rows of a kind at once with shape (operators, designs). FLOPs count a multiply-add as two.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cost_models import csa, linear_attention
from cost_models.architecture import LayerGroup, engram_width, layer_groups, shared_width
from cost_models.design import DTYPE_BYTES, Model
from cost_models.operator_rows import ACTIVATION_BYTES as ACTIVATION_BYTES
from cost_models.operator_rows import COMPUTE_TYPE, ROTARY, Row, collective, elementwise, gemm

COMPUTE_TYPES = ("bf16", "fp8", "fp4")
KINDS = ("gemm", "attention", "experts", "elementwise", "collective")

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class OperatorTable:
    """Columns of shape (operators,). A column that does not apply to a row's kind is 0.

    kind: gemm, attention, experts, elementwise or collective.
    count: times it runs in one pass of the whole model; `layers` are the layers it runs in (empty: it runs
        before all layers where `first`, else after them).
    flops, activation_bytes, sharded_bytes: per token; tensor parallelism divides the FLOPs where `sharded`,
        and always the second kind of bytes.
    weight_bytes: read once per pass; divided by tensor parallelism where `sharded`.
    inner, sharded_inner: length of the sums of a matrix product; tensor parallelism divides the second.
    last_token: runs for the last token of each sequence only.
    kv_heads: of attention; 0 is one latent shared by all heads (a copy on every rank).
    context_flops: attention, per query token and context token, all heads; context_bytes: KV cache of one
        context token in one layer.
    """

    operator: tuple[str, ...]
    group: tuple[str, ...]
    kind: tuple[str, ...]
    layers: tuple[tuple[int, ...], ...]
    compute: tuple[str, ...]
    first: Flags
    prefill: Flags
    decode: Flags
    sharded: Flags
    last_token: Flags
    count: Floats
    flops: Floats
    activation_bytes: Floats
    sharded_bytes: Floats
    weight_bytes: Floats
    inner: Floats
    sharded_inner: Floats
    kv_heads: Floats
    context_flops: Floats
    context_bytes: Floats
    window: Floats

    def __len__(self) -> int:
        return len(self.operator)

    def rows(self, kind: str, phase: str) -> NDArray[np.int64]:
        """Indices of the rows of one kind that run in a phase ("prefill" or "decode")."""
        return np.flatnonzero((np.array(self.kind) == kind) & getattr(self, phase))

    def before(self, layer: int) -> Floats:
        """How often each row runs before the given layer: (operators,)."""
        total = np.array([len(layers) for layers in self.layers], dtype=float)
        before = {layers: sum(own < layer for own in layers) for layers in set(self.layers)}
        earlier = np.array([before[layers] for layers in self.layers], dtype=float)
        share = np.divide(earlier, total, out=np.zeros_like(total), where=total > 0)
        return self.count * np.where(total > 0, share, self.first)


@lru_cache(maxsize=256)
def operators(model: Model) -> OperatorTable:
    """All operators of a model, in the order in which they run."""
    rows = [*_input_rows(model)]
    for group in layer_groups(model):
        rows += _tag(
            group, [*_engram_rows(model, group), *_attention_rows(model, group), *_ffn_rows(model, group)]
        )
    rows += _output_rows(model)
    names = [column.name for column in fields(OperatorTable)]
    flags = {"first", "prefill", "decode", "sharded", "last_token"}
    texts = {"operator", "group", "kind", "layers", "compute"}
    default: dict[str, Any] = {
        "group": "",
        "layers": (),
        "compute": "bf16",
        "prefill": True,
        "decode": True,
        "count": 1.0,
    }
    columns: dict[str, Any] = {}
    for name in names:
        values = [row.get(name, default.get(name, 0)) for row in rows]
        columns[name] = tuple(values) if name in texts else np.array(values, bool if name in flags else float)
    return OperatorTable(**columns)


def context_bytes_per_token(model: Model) -> float:
    """KV cache of one token in one layer, all heads, before parallelism.

    An 8-bit latent keeps its rotary part in bf16 and one fp32 scale per 128 values: 656 bytes for ranks 512 + 64
    (the layout of vLLM's fp8_ds_mla cache).
    """
    a, bytes_ = model.attention, DTYPE_BYTES[model.dtype("kv")]
    if a.kind != "mla":
        return 2 * a.kv_heads * a.head_dim * bytes_
    if bytes_ == 1.0:
        return a.kv_lora_rank * (1.0 + 4.0 / 128.0) + a.qk_rope_head_dim * DTYPE_BYTES["bf16"]
    return (a.kv_lora_rank + a.qk_rope_head_dim) * bytes_


def index_bytes_per_token(model: Model) -> float:
    """Keys of an indexer in one layer, per token; those of "csa" are part of csa.cache_bytes_per_token."""
    a = model.attention
    return a.index_head_dim * DTYPE_BYTES[model.dtype("kv")] / a.index_ratio if a.kind == "gqa" else 0.0


def _tag(group: LayerGroup, rows: Iterable[Row]) -> list[Row]:
    layers = group.layers
    return [
        {**row, "group": group.name, "layers": layers, "count": row.get("count", 1) * len(layers)}
        | ({} if group.prefill else {"prefill": row.get("prefill") is True})
        for row in rows
    ]


def _input_rows(model: Model) -> list[Row]:
    rows = [
        elementwise("embedding", 2 * model.hidden, first=True),
        collective("embedding all-reduce", model.hidden, first=True),
    ]
    if model.engram and model.engram.input_only:
        width = engram_width(model.engram)
        rows += [
            gemm("n-gram projection", width, model.hidden, model.dtype("weights"), first=True),
            elementwise("n-gram sum", 3 * model.hidden, first=True),
        ]
    return rows


def _engram_rows(model: Model, group: LayerGroup) -> list[Row]:
    """Projections of the memory vector, gate and convolution (arXiv 2601.07372, section 3).

    Every rank holds the projections whole: its columns of the memory vector are gathered first.
    """
    if not group.engram or model.engram is None:
        return []
    engram, hidden, branches = model.engram, model.hidden, model.hyper_connections
    width = engram_width(engram)
    keys = branches if engram.gated else 0
    rows = [
        collective("engram gather", width / 2),
        gemm("engram projections", width, hidden * (1 + keys), model.dtype("weights")),
        elementwise("engram gate", hidden * (3 * branches + 1)),
    ]
    if engram.kernel_size:
        rows.append(elementwise("engram convolution", 2 * hidden * branches))
    return rows


def _attention_rows(model: Model, group: LayerGroup) -> list[Row]:
    a, hidden, dtype = model.attention, model.hidden, model.dtype("weights")
    rows = [*_mixing_rows(model, "attention"), elementwise("attention norm", 4 * hidden)]
    cache = {"context_bytes": context_bytes_per_token(model), "window": float(group.window or a.index_topk)}
    if a.kind == "csa":
        rows += csa.rows(model, group.layers[0])
    elif group.attention == "linear":
        rows += linear_attention.rows(model)
    elif a.kind == "mla":
        head = a.qk_nope_head_dim + a.qk_rope_head_dim
        latent = a.kv_lora_rank + a.qk_rope_head_dim
        if a.q_lora_rank:
            rows += [
                gemm("query and latent down", hidden, a.q_lora_rank + latent, dtype),
                elementwise("latent norms", 2 * (a.q_lora_rank + a.kv_lora_rank)),
                gemm("query up", a.q_lora_rank, a.heads * head, dtype, "columns"),
            ]
        else:
            rows += [
                gemm("latent down", hidden, latent, dtype),
                elementwise("latent norms", 2 * a.kv_lora_rank),
                gemm("query", hidden, a.heads * head, dtype, "columns"),
            ]
        rows += [
            elementwise(ROTARY, 2 * latent, 2 * a.heads * a.qk_rope_head_dim),
            gemm(
                "latent up", a.kv_lora_rank, a.heads * (a.qk_nope_head_dim + a.v_head_dim), dtype, "columns",
                decode=False,
            ),
            {
                "operator": "attention", "kind": "attention", "decode": False, "kv_heads": a.heads,
                "context_flops": 2.0 * a.heads * (head + a.v_head_dim),
                # new keys and values are expanded, so each head reads its own
                "sharded_bytes": ACTIVATION_BYTES * a.heads * (2 * head + 2 * a.v_head_dim), **cache,
            },
            # Decoding absorbs the up projections into query and output (arXiv 2405.04434, section 2.1.2).
            gemm("absorb key", a.qk_nope_head_dim, a.kv_lora_rank, dtype, "batches", a.heads, prefill=False),
            {
                "operator": "attention", "kind": "attention", "prefill": False, "kv_heads": 0,
                "context_flops": 2.0 * a.heads * (latent + a.kv_lora_rank),
                "sharded_bytes": ACTIVATION_BYTES * a.heads * (latent + a.kv_lora_rank), **cache,
            },
            gemm("absorb value", a.kv_lora_rank, a.v_head_dim, dtype, "batches", a.heads, prefill=False),
            gemm("attention output", a.heads * a.v_head_dim, hidden, dtype, "inner"),
        ]  # fmt: skip
    else:
        queries, keys = a.heads * a.head_dim, a.kv_heads * a.head_dim
        gates = queries if a.output_gate else 0
        rows += _index_rows(model)
        rows += [
            gemm("query, key, value", hidden, queries + 2 * keys + gates, dtype, "columns"),
            elementwise(ROTARY, 0, 2 * (queries + 2 * keys)),
            {
                "operator": "attention", "kind": "attention", "kv_heads": a.kv_heads,
                "context_flops": 4.0 * queries,
                "sharded_bytes": ACTIVATION_BYTES * (2 * queries + 2 * keys), **cache,
            },
            gemm("attention output", queries, hidden, dtype, "inner"),
        ]  # fmt: skip
    return [*rows, collective("attention all-reduce", hidden)]


def _index_rows(model: Model) -> list[Row]:
    """An indexer that scores pooled keys of all positions; a query then sees `index_topk` of them (Qwen3.8)."""
    a = model.attention
    if not a.index_heads:
        return []
    return [
        gemm("index queries and keys", model.hidden, (a.index_heads + 1) * a.index_head_dim),
        {
            "operator": "indexer", "kind": "attention", "kv_heads": 0,
            "context_flops": 2.0 * a.index_heads * a.index_head_dim / a.index_ratio,
            "context_bytes": index_bytes_per_token(model),
            "sharded_bytes": ACTIVATION_BYTES * a.index_heads * a.index_head_dim,
        },
    ]  # fmt: skip


def _ffn_rows(model: Model, group: LayerGroup) -> list[Row]:
    hidden, dtype = model.hidden, model.dtype("weights")
    rows = [*_mixing_rows(model, "feed-forward"), elementwise("feed-forward norm", 4 * hidden)]
    moe = model.moe
    if moe is None or not group.experts:
        rows += _swiglu("feed-forward", hidden, model.dense_width, dtype)
        return [*rows, collective("feed-forward all-reduce", hidden)]
    expert_dtype = model.dtype("experts")
    rows.append(gemm("router", hidden, moe.routed_experts))
    if shared_width(model):
        rows += _swiglu("shared experts", hidden, shared_width(model), dtype)
    rows.append(
        {
            "operator": "routed experts", "kind": "experts", "compute": COMPUTE_TYPE[expert_dtype],
            "flops": 6.0 * hidden * moe.expert_width * moe.active_experts,
            "weight_bytes": 3.0 * hidden * moe.expert_width * moe.routed_experts * DTYPE_BYTES[expert_dtype],
        }
    )  # fmt: skip
    return [*rows, collective("expert exchange", hidden)]


def _swiglu(name: str, hidden: int, width: int, dtype: str) -> list[Row]:
    return [
        gemm(f"{name} gate and up", hidden, 2 * width, dtype, "columns"),
        elementwise(f"{name} activation", 0, 3 * width),
        gemm(f"{name} down", width, hidden, dtype, "inner"),
    ]


def _mixing_rows(model: Model, block: str) -> list[Row]:
    """Hyper-connections: read all residual branches, mix, write them back (arXiv 2512.24880)."""
    branches, hidden, rank = model.hyper_connections, model.hidden, model.hyper_connection_rank
    if branches == 1:
        return []
    mixing = elementwise(f"{block} mixing", (2 * branches + 2) * hidden)
    if rank:  # gates of low rank, as wide as all branches
        return [
            gemm(f"{block} gates down", branches * hidden, rank + branches),
            gemm(f"{block} gates up", rank, branches * hidden),
            mixing,
        ]
    return [gemm(f"{block} mixing weights", branches * hidden, branches * branches + 2 * branches), mixing]


def _output_rows(model: Model) -> list[Row]:
    rows = [
        elementwise("final norm", 2 * model.hidden, last_token=True),
        gemm("output head", model.hidden, model.vocab, shard="columns", last_token=True),
    ]
    if model.medusa_heads:  # a residual block and a vocabulary projection each (arXiv 2401.10774)
        heads = model.medusa_heads
        rows += [
            gemm("medusa blocks", model.hidden, heads * model.hidden, shard="columns", last_token=True),
            gemm("medusa heads", model.hidden, model.vocab, shard="batches", batches=heads, last_token=True),
        ]
    return rows
