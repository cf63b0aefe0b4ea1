"""placement.yaml: what lies in which tier, byte for byte.

The groups of one accelerator add up to its memory; the tables of one copy lie one behind the other, each at
its offset, so that a loader can map them without asking anything else.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cost_models import tables
from cost_models.composition import expert_bytes
from cost_models.design import Design, Model
from cost_models.memory import Memory, expert_padding, weight_bytes
from cost_models.parts import Parts

# What every rank holds whole: of most models the small parts, of DeepSeek-V4.1 the backbone.
_WHOLE = {False: "router, norms, latent projections, gates", True: "all but routed experts and tables"}


def placement(design: Design, memory: Memory, parts: Parts) -> dict[str, Any]:
    """Every tensor group with its tier, bytes, copies and page layout, as plain data.

    Weights of a composition are those of its router and hot experts together.
    """
    serving, system = design.serving, design.system
    per_replica = serving.tensor_parallel * serving.data_parallel * serving.pipeline_parallel
    return {
        "accelerator": str(system.accelerator),
        "accelerators": int(system.accelerators),
        "nodes": int(system.nodes),
        "replicas": _number(system.accelerators / per_replica),
        "per_accelerator": {
            name: _number(getattr(memory, f"{name}_bytes"))
            for name in ("capacity", "weights", "tables", "cache", "activations", "reserve")
        }
        | {"kv_cache": 0 if design.serving.attention_on == "host" else _number(memory.kv_bytes_available)},
        "per_node": {
            tier: _number(value + (memory.host_experts + memory.host_kv if tier == "dram" else 0.0))
            for tier, value in memory.host_tables.items()
        },
        "weights": _weights(design, memory),
        "tables": _tables(design, memory, parts),
    } | _experts(design, memory)


def _experts(design: Design, memory: Memory) -> dict[str, Any]:
    """The whole models of a composition, most asked for first: where each lies, and which start in accelerator memory.

    Which of them stay there depends on the requests; the router always does.
    """
    own, tier = design.model.composition, str(design.serving.composition_tier)
    if own is None:
        return {}
    size, hot = (
        _number(expert_bytes(design.model)),
        round(float(np.asarray(memory.models)) - own.router_scale),
    )
    experts = [
        {"expert": f"expert-{i:04d}", "config": "config.json", "tier": tier, "bytes": size, "hot": i < hot}
        for i in range(own.experts)
    ]
    router = {"tier": "hbm", "bytes": _number(expert_bytes(design.model) * own.router_scale)}
    return {"experts": {"router": router if own.router_scale else None, "hot": hot, "models": experts}}


def _weights(design: Design, memory: Memory) -> list[dict[str, Any]]:
    """Weights without tables: bytes of one whole copy, over how many accelerators it is split, and copies."""
    w, serving, system = weight_bytes(design.model), design.serving, design.system
    t, d, p = serving.tensor_parallel, serving.data_parallel, serving.pipeline_parallel
    kv_heads = design.model.attention.kv_heads
    n = system.accelerators
    experts = ("routed experts", w.experts * expert_padding(design), t * d * p, n / (t * d * p))
    on_host = (
        float(np.asarray(memory.host_experts)) > 0
    )  # one copy for the replicas of a node, or a part of one
    if on_host:
        parts_of_one = np.maximum(1, t * d * p * system.nodes / n)
        experts = ("routed experts", w.experts, parts_of_one, system.nodes / parts_of_one)
    groups = (
        experts,
        ("attention and feed-forward, split by heads and widths", w.split, t * p, n / (t * p)),
        ("key and value projections", w.keys, np.minimum(t, kv_heads) * p, n / (np.minimum(t, kv_heads) * p)),
        (_WHOLE[design.model.whole_backbone], w.whole, p, n / p),
        ("token embedding, on the first pipeline stage", w.embedding, t, n / (t * p)),
        ("output head, on the last pipeline stage", w.head, t, n / (t * p)),
    )
    return [
        {
            "group": name,
            "tier": "dram" if on_host and name == experts[0] else "hbm",
            "bytes": _number(size * float(np.asarray(memory.models))),
            "split_over": int(split),
            "copies": _number(copies),
        }
        for name, size, split, copies in groups
        if size
    ]


def _tables(design: Design, memory: Memory, parts: Parts) -> dict[str, Any] | None:
    model, where = design.model, design.serving.tables
    if model.engram is None:
        return None
    row_bytes, tier = tables.row_bytes(model), str(where.tier)
    page = float(np.asarray(parts.tiers[tier].page_bytes)) if tier in parts.tiers else None
    rows = tables.rows(model)
    block = tables.block_bytes(model)
    starts = _block_starts(model, rows) if block else _starts(rows * row_bytes)
    layers = model.engram.layer_ids if not model.engram.input_only else ("input",)
    share = design.serving.tensor_parallel * design.serving.pipeline_parallel
    ranks = design.system.accelerators / share
    return {
        "tier": tier,
        "prefetch": bool(where.prefetch),
        "cache": {
            "tier": str(where.cache_tier),
            "bytes": _number(where.cache_bytes),
            "policy": str(where.cache_policy),
        }
        if where.cache_tier
        else None,
        "sharing": str(where.sharing),
        "copies": _number(ranks if tier == "hbm" else memory.copies_per_node * design.system.nodes),
        "bytes_of_one_copy": _number(tables.table_bytes(model)),
        "row": {"bytes": _number(row_bytes), "values": model.engram.head_dim, "dtype": model.dtype("tables")},
        "page": {
            "bytes": _number(page),
            "rows": max(1, int(page // row_bytes)) if page else None,
            "layout": model.engram.hash_layout,
        },
        # row r of a head lies at its offset + (r // slots) * stride + (r % slots) * row bytes
        "block": {"slots_per_head": tables.slots_per_head(model), "stride_bytes": _number(block)}
        if block
        else None,
        "table": [
            {
                "layer": layers[layer],
                "order": order + 2,
                "head": head,
                "rows": int(rows[layer, order, head]),
                "offset_bytes": _number(starts[layer, order, head]),
                "bytes": _number(rows[layer, order, head] * row_bytes),
            }
            for layer, order, head in np.ndindex(rows.shape)
        ],
    }


def _starts(sizes: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Where each part begins when they lie one behind the other."""
    flat = sizes.reshape(-1)
    return (np.cumsum(flat) - flat).reshape(sizes.shape)


def _block_starts(model: Model, rows: NDArray[np.int64]) -> NDArray[np.floating[Any]]:
    """Where the first row of each (set, order, head) lies under the blocked layout: heads share the blocks."""
    slots = tables.slots_per_head(model)
    groups = _starts(-(-rows[:, :, 0] // slots) * tables.block_bytes(model))
    within = np.arange(rows.shape[2]) * slots * tables.row_bytes(model)
    return groups[:, :, None] + within


def _number(value: Any) -> int | float | None:
    """A plain number, whole where it is whole."""
    if value is None:
        return None
    number = float(np.asarray(value).reshape(-1)[0])
    return int(number) if number.is_integer() else number
