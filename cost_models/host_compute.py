"""Routed experts and decode attention on the processors of the host, beside accelerators that do the rest.

The weights of the experts, or the KV cache, then lie in the host's DRAM; what crosses the link are activations. One
operator of a layer takes, for the u groups of ranks that share the processors of a node,

    experts     u hypot(F / P, B / W) + 2 T h / link + handover, less what the shared experts take meanwhile
    attention   u max(F / P, B / W) + (queries, keys, values, outputs) / link + handover

with F FLOPs, B bytes of woken experts or of the cache, P what expert kernels reach on the processors (processors.py),
W their share of DRAM's streaming rate (catalogue/serving.yaml), T tokens of width h in bf16. Sources of the division of
work: KTransformers (github.com/kvcache-ai/ktransformers) for experts, NEO (arXiv 2411.01142) and FastDecode (arXiv
2403.11421) for attention.

A prompt reads all experts anyway, so they may as well be streamed over the links and computed by the accelerators:
whichever is faster (arXiv 2606.10493). Its attention stays on the accelerators, and its keys and values cross the link
behind everything else. With several sequences decode attention runs in two half batches, one on the processors while
the other is on the accelerators, where that is faster; weights are then read twice.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cost_models import rooflines, routing
from cost_models.architecture import shared_width
from cost_models.constants import Constants
from cost_models.design import DTYPE_BYTES, Flag, Model, Name, Number, Serving
from cost_models.masks import some
from cost_models.operator_rows import ACTIVATION_BYTES, COMPUTE_TYPE
from cost_models.parts import Accelerator, Parts

if TYPE_CHECKING:
    from cost_models.operators import Floats
    from cost_models.passes import Layout, Machine, Work

PREFIX = "host."
WORK = (
    "flops",
    "bytes",
    "link_bytes",
)  # of one accelerator's share: by the processors, from DRAM, over the link


@dataclass(frozen=True)
class Processors:
    """The processors of a node, as ranks see them: (designs,) each, SI.

    experts, attention: 1.0 where they compute those, else 0.0. flops, bandwidth: that their kernels reach.
    stream: of their DRAM. link: of one accelerator to its host. accelerators: of a node.
    """

    experts: "Floats"
    attention: "Floats"
    flops: "Floats"
    bandwidth: "Floats"
    stream: "Floats"
    link: "Floats"
    handover_s: "Floats"
    accelerators: "Floats"


def is_moved(choice: Name, accelerator: Accelerator) -> Flag:
    """Whether `serving.routed_experts_on` or `attention_on` moves anything.

    Nothing on a part that is its own host or shares its memory.
    """
    if isinstance(choice, str):
        if choice != "host":
            return False
        chosen: Any = True
    else:  # comparing letters is ten times faster than comparing strings
        array = np.ascontiguousarray(choice, dtype=np.str_)
        chosen = array.view(np.uint32).reshape(len(array), -1)[:, 0] == ord("h")
    result: Flag = np.logical_and(
        chosen, np.logical_not(np.logical_or(accelerator.is_cpu, accelerator.unified_memory))
    )
    return result


def columns(model: Model, serving: Serving, parts: Parts) -> dict[str, Number]:
    """The columns of `Processors` under PREFIX; none where no design moves anything."""
    experts: Flag = model.moe is not None and is_moved(serving.routed_experts_on, parts.accelerator)
    attention = is_moved(serving.attention_on, parts.accelerator)
    if not (some(experts) or some(attention)):
        return {}
    engine, dram = parts.engine, parts.tiers["dram"]
    values: dict[str, Number] = {
        "experts": np.multiply(experts, 1.0),
        "attention": np.multiply(attention, 1.0),
        "flops": parts.node.cpu_flops,
        "bandwidth": engine.host_kernel_memory * dram.stream_bandwidth,
        "stream": dram.stream_bandwidth,
        "link": parts.accelerator.host_link_bandwidth,
        "handover_s": engine.host_handover,
        "accelerators": parts.node.accelerators,
    }
    return {PREFIX + name: value for name, value in values.items()}


def processors(columns: dict[str, "Floats"]) -> Processors | None:
    """The record of (designs,) columns that hold those of `columns`; None where they do not."""
    if f"{PREFIX}experts" not in columns:
        return None
    return Processors(
        **{name.removeprefix(PREFIX): v for name, v in columns.items() if name.startswith(PREFIX)}
    )


def used(columns: dict[str, "Floats"]) -> NDArray[np.bool_] | None:
    """(designs,) whose processors compute something; None where there are no such columns."""
    host = processors(columns)
    return None if host is None else (host.experts > 0) | (host.attention > 0)


def experts(
    model: Model,
    prefill: bool,
    work: "Work",
    layout: "Layout",
    machine: "Machine",
    host: Processors,
    term: rooflines.Term,
    constants: Constants,
) -> tuple[rooflines.Term, "Floats", dict[str, "Floats"]]:
    """One layer's routed experts where the host has them: (term, whether streamed, work of the host).

    term: of the accelerators, shapes (designs,); it stays where the experts do, or where they are streamed, 1.0.
    """
    moe = model.moe
    assert moe is not None
    group = layout.tensor * layout.data
    tokens = work.tokens * layout.data
    load = routing.busiest_rank(
        moe.routed_experts, moe.active_experts, np.ones_like(tokens), tokens, routing.exponent(model)
    )
    flops_per_row = 6.0 * model.hidden * moe.expert_width
    to_read = load.experts * (flops_per_row * 0.5 * DTYPE_BYTES[model.dtype("experts")])
    flops = load.rows * flops_per_row
    sharing = host.accelerators / group
    compute, memory = sharing * flops / host.flops, sharing * to_read / host.bandwidth
    sent = 2.0 * ACTIVATION_BYTES * model.hidden * work.tokens
    overhead = sent / host.link + host.handover_s
    alone = np.sqrt(compute * compute + memory * memory) + overhead
    time = np.maximum(alone - _shared_experts_s(model, work, layout, machine, constants), 0.0)
    streamed = np.zeros_like(time)
    if prefill:
        over_links = np.maximum(to_read / group / host.link, sharing * to_read / host.stream)
        by_stream = np.maximum(over_links, term.time_s)
        streamed = ((by_stream < time) & (host.experts > 0)).astype(float)
        time = np.where(streamed > 0, by_stream, time)
        overhead = np.where(streamed > 0, over_links, overhead)
    there = host.experts > 0
    kept = streamed > 0
    done = {
        "flops": host.experts * (1.0 - streamed) * flops / group,
        "bytes": host.experts * to_read / group,
        "link_bytes": host.experts * np.where(kept, to_read / group, sent / layout.tensor),
    }
    result = rooflines.Term(
        np.where(there, time, term.time_s),
        np.where(there & ~kept, compute, term.compute_s),
        np.where(there & ~kept, memory, term.memory_s),
        np.where(there, overhead, term.overhead_s),
    )
    return result, streamed, done


def _shared_experts_s(
    model: Model, work: "Work", layout: "Layout", machine: "Machine", constants: Constants
) -> "Floats":
    """Seconds in which the accelerators compute the shared experts of one layer, which need no routed one."""
    width = shared_width(model)
    if not width:
        return np.zeros_like(work.tokens)
    dtype = model.dtype("weights")
    kind = COMPUTE_TYPE[dtype]
    fit = rooflines.for_type(constants, "gemm", kind)
    time = np.zeros_like(work.tokens)
    hidden, own = np.full_like(work.tokens, model.hidden), width / layout.tensor
    for inner, outputs in ((hidden, 2 * own), (own, hidden)):  # gate and up, then down
        moved = inner * outputs * DTYPE_BYTES[dtype] + ACTIVATION_BYTES * work.tokens * (inner + outputs)
        flops = 2.0 * inner * outputs * work.tokens
        time = (
            time
            + rooflines.gemm(
                flops / machine.peak_flops[kind], moved / machine.memory_bandwidth, inner, fit
            ).time_s
        )
    return time


def attention(
    work: "Work",
    layout: "Layout",
    host: Processors,
    rows: dict[str, "Floats"],
    count: "Floats",
    seen: "Floats",
    term: rooflines.Term,
    others_s: "Floats",
) -> tuple[rooflines.Term, dict[str, "Floats"]]:
    """Decode attention where the host has the cache: the term of every row, and the work of the host in a step.

    rows: columns of the operators, (rows, 1); count: (rows,) runs in a pass. seen: tokens looked back on. others_s:
    (designs,) what the rest of the step takes, beside which one of two half batches can be computed.
    """
    queries, t = work.sequences * work.queries, layout.tensor
    flops = rows["context_flops"] * queries * seen
    read = rows["context_bytes"] * work.sequences * seen
    sent = rows["sharded_bytes"] * work.tokens
    sharing = host.accelerators / t
    compute, memory = sharing * flops / host.flops, sharing * read / host.bandwidth
    overhead = sent / (t * host.link) + host.handover_s
    alone = np.maximum(compute, memory) + overhead
    total = np.einsum("r,rd->d", count, alone)
    halves = np.maximum(others_s, total - others_s)
    share = np.where(
        (work.sequences >= 2) & (total > 0), np.minimum(1.0, halves / np.maximum(total, 1e-30)), 1.0
    )
    there = host.attention > 0
    result = rooflines.Term(
        np.where(there, share * alone, term.time_s),
        np.where(there, compute, term.compute_s),
        np.where(there, memory, term.memory_s),
        np.where(there, overhead, term.overhead_s),
    )
    done = {
        name: host.attention / t * np.einsum("r,rd->d", count, np.broadcast_to(amount, alone.shape))
        for name, amount in (("flops", flops), ("bytes", read), ("link_bytes", sent))
    }
    return result, done


def written_cache(
    work: "Work",
    layout: "Layout",
    host: Processors,
    rows: dict[str, "Floats"],
    count: "Floats",
    term: rooflines.Term,
    others_s: "Floats",
) -> tuple[rooflines.Term, dict[str, "Floats"]]:
    """Attention of a prompt whose keys and values go to the host: chunk by chunk, and back for those that follow.

    Longer than all else only where the link is the bottleneck. Shapes as in `attention`.
    """
    per_rank = np.einsum("r,rd->d", count, rows["context_bytes"] + 0.0 * term.time_s) / layout.tensor
    moved = per_rank * work.sequences * work.context * (1.0 + 0.5 * (work.chunks - 1.0))
    there = host.attention > 0
    total = np.einsum("r,rd->d", count, term.time_s)
    late = np.where(there, np.maximum(0.0, moved / host.link - others_s - total), 0.0)
    share = 1.0 + late / np.maximum(total, 1e-30)
    done = {"flops": 0.0 * moved, "bytes": host.attention * moved, "link_bytes": host.attention * moved}
    return (
        rooflines.Term(
            share * term.time_s, term.compute_s, term.memory_s, term.overhead_s + late / count.sum()
        ),
        done,
    )
