"""One forward pass on one rank: the time, FLOPs and bytes of all operators, for many designs at once.

Sums run over operators one after the other for every design (einsum over the leading axis, at least two designs
wide), so that a design gives the same digits alone and in an array.
"""

from dataclasses import dataclass, field

import numpy as np

from cost_models import host_compute, rooflines, routing
from cost_models.design import DTYPE_BYTES, Model
from cost_models.operators import Floats
from cost_models.plans import Plan, Rows, plan


@dataclass(frozen=True)
class Machine:
    """What a rank has: (designs,) each, SI. peak_flops by compute type; network: B/s between scale-up groups.

    fitted: the part whose constants hold, for all designs.
    """

    peak_flops: dict[str, Floats]
    memory_bandwidth: Floats
    link_bandwidth: Floats
    link_group: Floats
    network_bandwidth: Floats
    fitted: str


@dataclass(frozen=True)
class Layout:
    """Parallel degrees: (designs,) each."""

    tensor: Floats
    expert: Floats
    data: Floats


@dataclass(frozen=True)
class Work:
    """What one pass computes on one rank: (designs,) each.

    tokens: new tokens of a pass; outputs: those that need logits; sequences: in the batch.
    queries: new tokens per sequence and step (decode). context: tokens that a sequence's queries look back on.
    chunks: passes that the prompt is read in.
    """

    tokens: Floats
    outputs: Floats
    sequences: Floats
    queries: Floats
    context: Floats
    chunks: Floats


@dataclass(frozen=True)
class Timed:
    """Times, FLOPs and bytes of some rows, each run once: (rows, designs); for a breakdown."""

    kind: str
    rows: Rows
    term: rooflines.Term
    flops: Floats
    bytes: Floats


@dataclass
class Pass:
    """Sums over the operators of one rank, for the whole prompt (prefill) or one step (decode): (designs,).

    window_s: (targets, designs) time in one chunk before each layer that waits for table rows.
    flops: by compute type. timed: the rows, where asked for. host: by host_compute.WORK, where processors take part.
    """

    time_s: Floats
    bytes: Floats
    window_s: Floats
    flops: dict[str, Floats] = field(default_factory=dict)
    timed: list[Timed] = field(default_factory=list)
    host: dict[str, Floats] = field(default_factory=dict)


def run(
    model: Model,
    phase: str,
    work: Work,
    machine: Machine,
    layout: Layout,
    keep: bool = False,
    host: host_compute.Processors | None = None,
) -> Pass:
    """Evaluate all operators of a model in a phase for at least two designs; keep: with the rows of each.

    host: the processors that compute some of them, None where all are the accelerators'.
    """
    ready = plan(model, phase, machine.fitted)
    result = _kernels(ready, work, machine, layout, keep)
    if host is None:
        _add_attention(result, model, phase, ready, work, machine, layout, keep)
    if ready.experts.members:
        _add_experts(result, model, phase == "prefill", ready, work, machine, layout, keep, host)
    if bool((layout.tensor * layout.data > 1).any()):
        _add_collectives(result, ready, work, machine, layout, keep)
    elif keep:
        nothing = np.zeros((len(ready.collectives.members), len(work.tokens)))
        empty = rooflines.Term(nothing, nothing, nothing, 0.0)
        result.timed.append(Timed("collective", ready.collectives, empty, nothing, nothing))
    if host is not None:  # last, since it may run beside all of the others
        _add_attention(result, model, phase, ready, work, machine, layout, keep, host)
    return result


def _kernels(ready: Plan, work: Work, machine: Machine, layout: Layout, keep: bool) -> Pass:
    """Matrix products and element-wise passes: the same numbers as rooflines.gemm and rooflines.elementwise."""
    k = ready.kernels
    basis = np.empty((6, len(work.tokens)))
    np.divide(1.0, layout.tensor, out=basis[5])
    basis[0], basis[2], basis[4] = work.tokens, work.outputs, 1.0
    np.multiply(work.tokens, basis[5], out=basis[1])
    np.multiply(work.outputs, basis[5], out=basis[3])
    rates = basis[:4] / machine.peak_flops[k.types[0]]
    if len(k.types) > 1:
        rates = np.concatenate([rates, *(basis[:4] / machine.peak_flops[name] for name in k.types[1:])])
    time = np.einsum("rk,kd->rd", k.memory, basis / machine.memory_bandwidth)
    compute = np.einsum("rk,kd->rd", k.compute, rates)
    overhead = np.einsum("rk,kd->rd", k.overhead_s, basis[4:])
    memory = time.copy() if keep else time
    products = time[: k.products]
    if keep:
        computed = np.zeros_like(time)
        computed[: k.products] = compute
    beside = compute * products
    beside *= k.exposed
    compute *= compute
    products *= products
    products += compute
    products += beside
    np.sqrt(products, out=products)
    time += overhead
    sums = np.einsum("sr,rd->sd", k.weights, time)
    totals = np.einsum("sk,kd->sd", k.totals, basis)
    totals = totals[::2] * work.chunks + totals[1::2]
    flops = {name: totals[i + 1] for i, name in enumerate(k.types)}
    result = Pass(sums[0] * work.chunks + sums[1], totals[0], sums[2:], flops)
    if keep:
        done = np.zeros_like(time)
        for i in range(len(k.types)):
            done[: k.products] += np.einsum("rk,kd->rd", k.flops[:, 4 * i : 4 * i + 4], basis[:4])
        moved = np.einsum("rk,kd->rd", k.bytes, basis)
        result.timed.append(
            Timed("kernel", k.rows, rooflines.Term(time, computed, memory, overhead), done, moved)
        )
    return result


def _add_attention(
    result: Pass,
    model: Model,
    phase: str,
    ready: Plan,
    work: Work,
    machine: Machine,
    layout: Layout,
    keep: bool,
    host: host_compute.Processors | None = None,
) -> None:
    rows, column = ready.attention, ready.attention.columns
    tensor = layout.tensor
    keys = np.maximum(column["kv_heads"], 1.0)  # a latent is one for all heads: every rank keeps a copy
    seen = work.context[None, :]
    window = column["window"]
    if rows.windowed:
        seen = np.where(window > 0, np.minimum(seen, window), seen)
    copies = np.minimum(tensor, keys)
    cache = column["context_bytes"] / copies
    if phase == "prefill":
        # a query at position p sees min(p, window) tokens: L w - w^2 / 2 pairs, which is L^2 / 2 without window
        pairs = work.sequences * (work.context * seen - 0.5 * seen * seen)
        flops = column["context_flops"] * (pairs / tensor)
        reread = (0.5 * (work.chunks - 1.0) * work.sequences) * seen * cache
        moved = column["sharded_bytes"] * (work.sequences * work.context / tensor) + reread
        term = rooflines.prefill_attention(
            flops / machine.peak_flops["bf16"], moved / machine.memory_bandwidth,
            0.5 * (work.chunks + 1.0) * seen, work.chunks, ready.constants["prefill_attention"],
        )  # fmt: skip
    else:
        flops = column["context_flops"] * (work.sequences * work.queries / tensor) * seen
        moved = work.sequences * seen * cache + column["sharded_bytes"] * (work.tokens / tensor)
        heads = work.sequences * (keys / copies)
        term = rooflines.decode_attention(
            flops / machine.peak_flops["bf16"], moved / machine.memory_bandwidth, heads,
            ready.constants["decode_attention"],
        )  # fmt: skip
    kind, shown = "attention", (flops, moved)
    if host is not None:
        if phase == "prefill":
            term, done = host_compute.written_cache(
                work, layout, host, column, rows.count, term, result.time_s
            )
        else:
            term, done = host_compute.attention(
                work, layout, host, column, rows.count, seen, term, result.time_s
            )
            flops, moved = flops * (1.0 - host.attention), moved * (1.0 - host.attention)
            kind = "host" if host.attention[0] else kind
        _add_host(result, done)
    sums = np.einsum("sr,rd->sd", rows.weights, term.time_s)
    result.time_s += sums[0]
    result.bytes += np.einsum("r,rd->d", rows.count, moved)
    _count(result, "bf16", np.einsum("r,rd->d", rows.count, flops))
    if len(result.window_s):
        result.window_s += sums[1:] / work.chunks
    if keep:
        result.timed.append(Timed(kind, rows, term, *shown))


def _add_experts(
    result: Pass,
    model: Model,
    prefill: bool,
    ready: Plan,
    work: Work,
    machine: Machine,
    layout: Layout,
    keep: bool,
    host: host_compute.Processors | None = None,
) -> None:
    """All layers have the same experts, so there is one row."""
    moe, rows = model.moe, ready.experts
    assert moe is not None and len(rows.members) == 1
    tokens = work.tokens * layout.data
    load = routing.busiest_rank(
        moe.routed_experts, moe.active_experts, layout.expert, tokens, routing.exponent(model)
    )
    # each expert's width is cut over the ranks that hold it together
    flops_per_row = (6.0 * model.hidden * moe.expert_width) * (layout.expert / (layout.tensor * layout.data))
    kind = rows.compute[0]
    constants = rooflines.for_type(ready.constants, "experts", kind)
    to_read = load.experts * flops_per_row * (0.5 * DTYPE_BYTES[model.dtype("experts")])
    permuted = load.rows * (model.hidden * constants["bytes_per_row_value"])
    permuted = permuted + tokens * (moe.active_experts * model.hidden * constants["bytes_per_choice_value"])
    # whole tiles, but on a host whose products need none (`tiled` 0 in its file)
    computed = load.tiled_rows if constants.get("tiled", 1.0) else load.rows
    term = rooflines.experts(
        computed * flops_per_row / machine.peak_flops[kind],
        to_read / machine.memory_bandwidth,
        permuted / machine.memory_bandwidth,
        constants,
        load.experts,
    )
    moved, flops = to_read + permuted, load.rows * flops_per_row
    runs = rows.count[0] * work.chunks
    place, shown = "experts", (flops, moved)  # of processors likewise: this rank's part of what they do
    if host is not None:
        term, streamed, done = host_compute.experts(
            model, prefill, work, layout, machine, host, term, ready.constants
        )
        here = 1.0 - host.experts * (1.0 - streamed)
        moved, flops = here * moved, here * flops
        place = place if here[0] else "host"
        _add_host(result, {name: runs * amount for name, amount in done.items()})
    result.time_s += runs * term.time_s
    result.bytes += runs * moved
    _count(result, kind, runs * flops)
    if len(result.window_s):
        result.window_s += rows.before * term.time_s
    if keep:
        overhead = np.broadcast_to(term.overhead_s, term.time_s.shape)[None]
        term = rooflines.Term(term.time_s[None], term.compute_s[None], term.memory_s[None], overhead)
        result.timed.append(Timed(place, rows, term, shown[0][None], shown[1][None]))


def _add_collectives(
    result: Pass, ready: Plan, work: Work, machine: Machine, layout: Layout, keep: bool
) -> None:
    """The ranks of all data-parallel groups exchange together: they share the experts."""
    rows = ready.collectives
    message = rows.columns["activation_bytes"] * (work.tokens * layout.data)
    term = rooflines.all_reduce(
        message, layout.tensor * layout.data, machine.link_bandwidth, machine.link_group, machine.network_bandwidth,
        ready.constants["all_reduce"],
    )  # fmt: skip
    sums = np.einsum("sr,rd->sd", rows.weights, term.time_s)
    result.time_s += work.chunks * sums[0]
    if len(result.window_s):
        result.window_s += sums[1:]
    if keep:
        nothing = np.zeros_like(term.time_s)
        result.timed.append(Timed("collective", rows, term, nothing, nothing))


def _add_host(result: Pass, done: dict[str, Floats]) -> None:
    for name, amount in done.items():
        result.host[name] = result.host[name] + amount if name in result.host else amount


def _count(result: Pass, kind: str, flops: Floats) -> None:
    result.flops[kind] = result.flops[kind] + flops if kind in result.flops else flops
