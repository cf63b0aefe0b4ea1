"""One forward pass on one rank: the time, FLOPs and bytes of all operators, for many designs at once."""

from dataclasses import dataclass, field

import numpy as np

from cost_models import rooflines, routing
from cost_models.constants import Constants
from cost_models.design import DTYPE_BYTES, Model, Number
from cost_models.operators import Floats
from cost_models.plans import Part, plan, targets


@dataclass(frozen=True)
class Machine:
    """What a rank has: (designs,) each, SI. peak_flops by compute type; network: B/s between scale-up groups."""

    peak_flops: dict[str, Floats]
    memory_bandwidth: Floats
    link_bandwidth: Floats
    link_group: Floats
    network_bandwidth: Floats
    constants: Constants


@dataclass(frozen=True)
class Layout:
    """Parallel degrees: (designs,) each."""

    tensor: Floats
    expert: Floats
    data: Floats


@dataclass(frozen=True)
class Work:
    """What one pass computes on one rank: (designs,) each.

    tokens: new tokens; outputs: tokens that need logits; sequences: in the batch.
    pairs, windowed(window): query-context pairs of attention of the whole prompt (prefill) or step (decode).
    context: tokens of KV cache that are read per sequence. chunks: passes that the prompt is read in.
    """

    tokens: Floats
    outputs: Floats
    sequences: Floats
    queries: Floats
    context: Floats
    chunks: Floats


@dataclass
class Pass:
    """Sums over the operators of one rank, for the whole prompt (prefill) or one step (decode): (designs,).

    window_s: (targets, designs) time in one chunk before each layer that waits for table rows.
    flops: by compute type. terms: operator row of the table -> its Term and count, where asked for.
    """

    time_s: Floats
    bytes: Floats
    window_s: Floats
    flops: dict[str, Floats] = field(default_factory=dict)
    terms: list[tuple[Part, rooflines.Term, Floats, Floats]] = field(default_factory=list)


def run(
    model: Model, phase: str, work: Work, machine: Machine, layout: Layout, keep_terms: bool = False
) -> Pass:
    """Evaluate all operators of a model in a phase.

    keep_terms: also return (part, term, FLOPs, bytes), each (rows, designs), for a breakdown.
    """
    size = work.tokens.shape
    result = Pass(np.zeros(size), np.zeros(size), np.zeros((len(targets(model)), *size)))
    for part in plan(model, phase):
        term, flops, moved = _evaluate(model, phase, part, work, machine, layout)
        whole = part.kind == "attention" or part.last_token  # once per prompt, not once per chunk
        times = _sum(part.count * term.time_s)
        result.time_s += times if whole else times * work.chunks
        result.bytes += _sum(part.count * moved) * (1.0 if whole else work.chunks)
        if part.kind in ("gemm", "attention", "experts"):
            done = _sum(part.count * flops) * (1.0 if whole else work.chunks)
            result.flops[part.compute] = result.flops.get(part.compute, 0.0) + done
        for target, before in enumerate(part.before):
            if before.any():
                share = _sum(before[:, None] * term.time_s)
                result.window_s[target] += share / work.chunks if whole else share
        if keep_terms:
            result.terms.append((part, term, flops, moved))
    return result


def _sum(values: Floats) -> Floats:
    """Sum over rows, one after the other, so that a design gives the same digits alone and in an array."""
    return np.add.accumulate(values, axis=0)[-1]


def _evaluate(
    model: Model, phase: str, part: Part, work: Work, machine: Machine, layout: Layout
) -> tuple[rooflines.Term, Floats, Floats]:
    """(term, FLOPs, bytes) of one part: (rows, designs) each, of one run."""
    constants = machine.constants
    bandwidth, tensor = machine.memory_bandwidth, layout.tensor
    tokens = work.outputs if part.last_token else work.tokens
    if part.kind == "attention":
        return _attention(phase, part, work, machine, tensor)
    if part.kind == "experts":
        return _experts(model, part, work, machine, layout)
    moved = part.activation_bytes * tokens
    if part.kind == "collective":
        message = moved * layout.data  # the experts' ranks exchange all data-parallel tokens
        term = rooflines.all_reduce(
            message, tensor * layout.data, machine.link_bandwidth, machine.link_group, machine.network_bandwidth,
            constants["all_reduce"],
        )  # fmt: skip
        return term, np.zeros_like(moved), np.zeros_like(moved)
    if part.sharded_bytes.any():
        moved = moved + part.sharded_bytes * (tokens / tensor)
    if part.kind == "elementwise":
        return rooflines.elementwise(moved / bandwidth, constants["elementwise"]), np.zeros_like(moved), moved
    share = 1.0 / tensor if part.sharded else np.ones_like(tensor)
    moved = moved + part.weight_bytes * share
    flops = part.flops * (tokens * share)
    term = rooflines.gemm(
        flops / machine.peak_flops[part.compute],
        moved / bandwidth,
        rooflines.for_type(constants, "gemm", part.compute),
    )
    return term, flops, moved


def _attention(
    phase: str, part: Part, work: Work, machine: Machine, tensor: Floats
) -> tuple[rooflines.Term, Floats, Floats]:
    seen = np.where(part.window > 0, np.minimum(work.context, part.window), work.context)
    copies = np.where(part.kv_heads > 0, np.minimum(tensor, part.kv_heads), 1.0)
    cache = part.context_bytes / copies
    if phase == "prefill":
        # a query at position p sees min(p, window) tokens: L w - w^2 / 2 pairs, which is L^2 / 2 without window
        pairs = work.sequences * (work.context * seen - 0.5 * seen * seen)
        flops = part.context_flops / tensor * pairs
        reread = 0.5 * (work.chunks - 1.0) * work.sequences * seen * cache
        moved = part.sharded_bytes / tensor * (work.sequences * work.context) + reread
        term = rooflines.prefill_attention(
            flops / machine.peak_flops["bf16"], moved / machine.memory_bandwidth, work.chunks,
            machine.constants["prefill_attention"],
        )  # fmt: skip
        return term, flops, moved
    flops = part.context_flops / tensor * (work.sequences * work.queries * seen)
    moved = work.sequences * seen * cache + part.sharded_bytes / tensor * work.tokens
    heads = work.sequences * np.where(part.kv_heads > 0, part.kv_heads / copies, 1.0)
    term = rooflines.decode_attention(
        flops / machine.peak_flops["bf16"], moved / machine.memory_bandwidth, heads,
        machine.constants["decode_attention"],
    )  # fmt: skip
    return term, flops, moved


def _experts(
    model: Model, part: Part, work: Work, machine: Machine, layout: Layout
) -> tuple[rooflines.Term, Floats, Floats]:
    moe = model.moe
    assert moe is not None
    load = routing.busiest_rank(
        moe.routed_experts,
        moe.active_experts,
        layout.expert,
        work.tokens * layout.data,
        routing.exponent(model),
    )
    slices = layout.tensor * layout.data / layout.expert  # each expert's width is cut over the other ranks
    row_flops = 6.0 * model.hidden * moe.expert_width / slices
    expert_bytes = 3.0 * model.hidden * moe.expert_width * DTYPE_BYTES[model.dtype("experts")] / slices
    constants = rooflines.for_type(machine.constants, "experts", part.compute)
    weights = load.experts * expert_bytes
    rows = load.rows * model.hidden
    choices = work.tokens * layout.data * (moe.active_experts * model.hidden)
    term = rooflines.experts(
        load.tiled_rows * row_flops / machine.peak_flops[part.compute],
        weights / machine.memory_bandwidth,
        rows / machine.memory_bandwidth,
        choices / machine.memory_bandwidth,
        constants,
    )
    permuted = rows * constants["bytes_per_row_value"] + choices * constants["bytes_per_choice_value"]
    one = np.ones((len(part.flops), 1))
    term = rooflines.Term(one * term.time_s, one * term.compute_s, one * term.memory_s, term.overhead_s)
    return term, one * (load.rows * row_flops), one * (weights + permuted)
