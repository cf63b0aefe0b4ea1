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

from cost_models.architecture import LayerGroup, engram_width, layer_groups, shared_width
from cost_models.design import DTYPE_BYTES, Model

ACTIVATION_BYTES = 2.0  # activations move as bf16 between operators
_ROTARY = "rotary embedding, cache write"  # a kernel of its own in vLLM, SGLang and vidur's profiles
COMPUTE_TYPES = ("bf16", "fp8", "fp4")
KINDS = ("gemm", "attention", "experts", "elementwise", "collective")

_COMPUTE_TYPE = {
    "fp32": "bf16", "bf16": "bf16", "fp16": "bf16", "fp8": "fp8", "int8": "fp8",
    "mxfp4": "fp4", "nvfp4": "fp4", "int4": "fp4",
}  # fmt: skip

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


Row = dict[str, Any]


def _tag(group: LayerGroup, rows: Iterable[Row]) -> list[Row]:
    layers = group.layers
    return [
        {**row, "group": group.name, "layers": layers, "count": row.get("count", 1) * len(layers)}
        for row in rows
    ]


def _gemm(
    operator: str,
    inner: float,
    columns: float,
    dtype: str = "bf16",
    shard: str = "",
    batches: int = 1,
    **more: Any,
) -> Row:
    """A matrix product; shard "columns", "inner" or "batches" names what tensor parallelism divides."""
    whole = {"": inner + columns, "columns": inner, "inner": columns, "batches": 0.0}[shard] * batches
    return {
        "operator": operator,
        "kind": "gemm",
        "compute": _COMPUTE_TYPE[dtype],
        "sharded": bool(shard),
        "flops": 2.0 * inner * columns * batches,
        "activation_bytes": whole * ACTIVATION_BYTES,
        "sharded_bytes": ((inner + columns) * batches - whole) * ACTIVATION_BYTES,
        "weight_bytes": inner * columns * batches * DTYPE_BYTES[dtype],
        **more,
    }


def _elementwise(operator: str, values: float, sharded_values: float = 0.0, **more: Any) -> Row:
    """A pass over activations that reads and writes so many values per token."""
    return {
        "operator": operator,
        "kind": "elementwise",
        "activation_bytes": values * ACTIVATION_BYTES,
        "sharded_bytes": sharded_values * ACTIVATION_BYTES,
        **more,
    }


def _collective(operator: str, values: float, **more: Any) -> Row:
    """An all-reduce of so many values per token (or an all-gather and a reduce-scatter, which move as much)."""
    return {"operator": operator, "kind": "collective", "activation_bytes": values * ACTIVATION_BYTES, **more}


def _input_rows(model: Model) -> list[Row]:
    rows = [
        _elementwise("embedding", 2 * model.hidden, first=True),
        _collective("embedding all-reduce", model.hidden, first=True),
    ]
    if model.engram and model.engram.input_only:
        width = engram_width(model.engram)
        rows += [
            _gemm("n-gram projection", width, model.hidden, model.dtype("weights"), first=True),
            _elementwise("n-gram sum", 3 * model.hidden, first=True),
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
        _collective("engram gather", width / 2),
        _gemm("engram projections", width, hidden * (1 + keys), model.dtype("weights")),
        _elementwise("engram gate", hidden * (3 * branches + 1)),
    ]
    if engram.kernel_size:
        rows.append(_elementwise("engram convolution", 2 * hidden * branches))
    return rows


def _attention_rows(model: Model, group: LayerGroup) -> list[Row]:
    a, hidden, dtype = model.attention, model.hidden, model.dtype("weights")
    rows = [*_mixing_rows(model, "attention"), _elementwise("attention norm", 4 * hidden)]
    cache = {"context_bytes": context_bytes_per_token(model), "window": float(group.window)}
    if a.kind == "mla":
        head = a.qk_nope_head_dim + a.qk_rope_head_dim
        latent = a.kv_lora_rank + a.qk_rope_head_dim
        if a.q_lora_rank:
            rows += [
                _gemm("query and latent down", hidden, a.q_lora_rank + latent, dtype),
                _elementwise("latent norms", 2 * (a.q_lora_rank + a.kv_lora_rank)),
                _gemm("query up", a.q_lora_rank, a.heads * head, dtype, "columns"),
            ]
        else:
            rows += [
                _gemm("latent down", hidden, latent, dtype),
                _elementwise("latent norms", 2 * a.kv_lora_rank),
                _gemm("query", hidden, a.heads * head, dtype, "columns"),
            ]
        rows += [
            _elementwise(_ROTARY, 2 * latent, 2 * a.heads * a.qk_rope_head_dim),
            _gemm(
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
            _gemm("absorb key", a.qk_nope_head_dim, a.kv_lora_rank, dtype, "batches", a.heads, prefill=False),
            {
                "operator": "attention", "kind": "attention", "prefill": False, "kv_heads": 0,
                "context_flops": 2.0 * a.heads * (latent + a.kv_lora_rank),
                "sharded_bytes": ACTIVATION_BYTES * a.heads * (latent + a.kv_lora_rank), **cache,
            },
            _gemm("absorb value", a.kv_lora_rank, a.v_head_dim, dtype, "batches", a.heads, prefill=False),
            _gemm("attention output", a.heads * a.v_head_dim, hidden, dtype, "inner"),
        ]  # fmt: skip
    else:
        queries, keys = a.heads * a.head_dim, a.kv_heads * a.head_dim
        rows += [
            _gemm("query, key, value", hidden, queries + 2 * keys, dtype, "columns"),
            _elementwise(_ROTARY, 0, 2 * (queries + 2 * keys)),
            {
                "operator": "attention", "kind": "attention", "kv_heads": a.kv_heads,
                "context_flops": 4.0 * queries,
                "sharded_bytes": ACTIVATION_BYTES * (2 * queries + 2 * keys), **cache,
            },
            _gemm("attention output", queries, hidden, dtype, "inner"),
        ]  # fmt: skip
    return [*rows, _collective("attention all-reduce", hidden)]


def _ffn_rows(model: Model, group: LayerGroup) -> list[Row]:
    hidden, dtype = model.hidden, model.dtype("weights")
    rows = [*_mixing_rows(model, "feed-forward"), _elementwise("feed-forward norm", 4 * hidden)]
    moe = model.moe
    if moe is None or not group.experts:
        rows += _swiglu("feed-forward", hidden, model.dense_width, dtype)
        return [*rows, _collective("feed-forward all-reduce", hidden)]
    expert_dtype = model.dtype("experts")
    rows.append(_gemm("router", hidden, moe.routed_experts))
    if shared_width(model):
        rows += _swiglu("shared experts", hidden, shared_width(model), dtype)
    rows.append(
        {
            "operator": "routed experts", "kind": "experts", "compute": _COMPUTE_TYPE[expert_dtype],
            "flops": 6.0 * hidden * moe.expert_width * moe.active_experts,
            "weight_bytes": 3.0 * hidden * moe.expert_width * moe.routed_experts * DTYPE_BYTES[expert_dtype],
        }
    )  # fmt: skip
    return [*rows, _collective("expert exchange", hidden)]


def _swiglu(name: str, hidden: int, width: int, dtype: str) -> list[Row]:
    return [
        _gemm(f"{name} gate and up", hidden, 2 * width, dtype, "columns"),
        _elementwise(f"{name} activation", 0, 3 * width),
        _gemm(f"{name} down", width, hidden, dtype, "inner"),
    ]


def _mixing_rows(model: Model, block: str) -> list[Row]:
    """Hyper-connections: read all residual branches, mix, write them back (arXiv 2512.24880)."""
    branches, hidden = model.hyper_connections, model.hidden
    if branches == 1:
        return []
    return [
        _gemm(f"{block} mixing weights", branches * hidden, branches * branches + 2 * branches),
        _elementwise(f"{block} mixing", (2 * branches + 2) * hidden),
    ]


def _output_rows(model: Model) -> list[Row]:
    rows = [
        _elementwise("final norm", 2 * model.hidden, last_token=True),
        _gemm("output head", model.hidden, model.vocab, shard="columns", last_token=True),
    ]
    if model.medusa_heads:  # a residual block and a vocabulary projection each (arXiv 2401.10774)
        heads = model.medusa_heads
        rows += [
            _gemm("medusa blocks", model.hidden, heads * model.hidden, shard="columns", last_token=True),
            _gemm("medusa heads", model.hidden, model.vocab, shard="batches", batches=heads, last_token=True),
        ]
    return rows
