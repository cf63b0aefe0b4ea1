"""Composition of experts: many whole models behind a router, few of them in accelerator memory (arXiv 2405.07518).

A request is read by the router, waits where its expert has to be loaded, and is answered by that expert alone. So the
sequences in flight are served in groups, one for each expert they ask for, one group after another to its end:
    distinct = sum over experts of 1 - (1 - p)^C        for C sequences and popularity p ~ rank^-exponent
    group    = C / distinct                             sequences that share a step
Hot experts are those least recently used last, as in the paper's runtime. Their hit rate is Che's approximation (IEEE
JSAC 20(7), 2002) on the stream of groups q ~ 1 - (1 - p)^C: with k hot experts, T solves sum(1 - exp(-q T)) = k, and
expert i is found hot with probability 1 - exp(-q_i T).
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cost_models.design import Design, Model, Number, Serving
from cost_models.energy import HOST_TIERS, Work
from cost_models.latency import Latency, Steps
from cost_models.masks import by_tier, choose, some
from cost_models.memory import Memory, replicas, weight_bytes
from cost_models.parts import Parts

_TIMES = 512  # points of a hit-rate curve


@dataclass(frozen=True)
class Composed:
    """How a composition is served; scalars or (designs,).

    hot_experts: per replica. hit_rate: share of requests whose expert is hot. miss_rate: share of groups whose is not.
    distinct_experts, group: of the sequences in flight. expert_bytes: of one expert, whole; host_bytes: of all of
    them, per node. switch_s: loading one expert. wait_s: what a group waits for it on average.
    """

    hot_experts: Number
    hit_rate: Number
    miss_rate: Number
    distinct_experts: Number
    group: Number
    expert_bytes: float
    host_bytes: Number
    switch_s: Number
    switched_bytes: Number
    wait_s: Number = 0.0


@dataclass(frozen=True)
class Popularity:
    """What C sequences ask for, and what k hot experts make of it.

    hot, requests, groups: ascending curves of hot experts and the hit rates they give to requests and to groups.
    """

    distinct: float
    hot: NDArray[np.float64]
    requests: NDArray[np.float64]
    groups: NDArray[np.float64]


def compose(design: Design, parts: Parts, held: Memory) -> tuple[Composed, Memory]:
    """Hot experts in what the KV cache leaves, and how often that is the one asked for."""
    composition, serving = design.model.composition, design.serving
    assert composition is not None
    count, near = composition.experts, parts.accelerator.unified_memory
    one = held.weights_bytes / held.models
    certain = held.models - composition.router_scale
    needed = held.hbm_bytes + held.reserve_bytes  # with the KV cache of all sequences
    more = np.floor(np.maximum(held.capacity_bytes - needed, 0.0) / one)
    more = choose(np.equal(serving.composition_hot, 0), np.minimum(more, count - certain), 0.0)
    hot = certain + more
    spare = choose(np.asarray(serving.composition_prefetch, bool) & (hot > 1) & (hot < count), 1.0, 0.0)

    distinct, hits, found = _hits(count, serving.composition_popularity, held.concurrency, hot - spare)
    group = np.minimum(held.concurrency / distinct, held.running)
    seconds, moved = _switch(design, parts, one)
    whole = expert_bytes(design.model)
    memory, at_rest = _at_rest(design, held, more, one, count * whole, near)
    return Composed(
        hot_experts=hot, hit_rate=hits, miss_rate=1.0 - found, distinct_experts=distinct, group=group,
        expert_bytes=whole, host_bytes=at_rest, switch_s=seconds, switched_bytes=moved,
    ), memory  # fmt: skip


def routed(steps: Steps) -> Steps:
    """The same steps with the router, which reads every prompt before the expert does."""
    composition = steps.model.composition
    assert composition is not None
    both = 1.0 + composition.router_scale
    return replace(
        steps,
        prefill_s=steps.prefill_s * both,
        prefill_bytes=steps.prefill_bytes * both,
        prefill_flops={kind: flops * both for kind, flops in steps.prefill_flops.items()},
    )


def delayed(composed: Composed, design: Design, held: Memory, answered: Latency) -> tuple[Composed, Latency]:
    """With the time that a group waits for its expert; `answered`: the latency if it never had to.

    With prefetching an expert is loaded beside the group before it, where there is one.
    """
    serving = design.serving
    if serving.phase == "decode":  # a decode step loads nothing
        return composed, answered
    busy: Number = answered.prefill_s
    waiting: Number = 1.0
    if (
        not serving.phase
    ):  # requests of a group, from end to end; those of the other groups wait as much longer
        written = composed.group * np.maximum(serving.output_tokens, 2) * replicas(design)
        busy, waiting = written / answered.output_tokens_per_s, held.concurrency / composed.group
    ahead = np.clip(composed.distinct_experts - 1.0, 0.0, 1.0)
    able = np.asarray(serving.composition_prefetch, bool) & (composed.hot_experts > 1)
    hidden = choose(able, ahead * np.minimum(busy, composed.switch_s), 0.0)
    waits = composed.miss_rate * (composed.switch_s - hidden)
    slower = busy / (busy + waits)
    return replace(composed, wait_s=waits), Latency(
        ttft_s=answered.ttft_s + waiting * waits,
        tpot_s=answered.tpot_s,
        decode_step_s=answered.decode_step_s,
        prefill_s=answered.prefill_s + (waits if serving.phase == "prefill" else 0.0),
        output_tokens_per_s=slower * answered.output_tokens_per_s,
        output_tokens_per_s_per_accelerator=slower * answered.output_tokens_per_s_per_accelerator,
    )


def with_switches(work: Work, composed: Composed, serving: Serving) -> Work:
    """The work of an output token (for phase "prefill", of a prompt) with its share of loaded experts."""
    if serving.phase == "decode":
        return work
    answers = 1.0 if serving.phase == "prefill" else serving.output_tokens
    moved = composed.miss_rate * composed.switched_bytes / (composed.group * answers)
    homes = by_tier(serving.composition_tier)
    tier_bytes, tier_reads = dict(work.tier_bytes), dict(work.tier_reads)
    for tier in HOST_TIERS:
        if some(homes[tier]):
            tier_bytes[tier] = tier_bytes.get(tier, 0.0) + choose(homes[tier], moved, 0.0)
            tier_reads.setdefault(tier, 0.0)
    return replace(work, memory_bytes=work.memory_bytes + moved, tier_bytes=tier_bytes, tier_reads=tier_reads)


def expert_bytes(model: Model) -> float:
    """Weights of one expert as they lie in the lower tier, whole."""
    w = weight_bytes(model)
    return w.experts + w.split + w.keys + w.whole + w.embedding + w.head


def total_parameters(model: Model, of_one: float) -> float:
    """Parameters of all experts and the router; of any other model its own."""
    c = model.composition
    return of_one if c is None else of_one * (c.experts + c.router_scale)


@lru_cache(maxsize=4096)
def popularity(experts: int, exponent: float, together: float) -> Popularity:
    """Curves for so many sequences in flight, of independent requests with Zipf-like popularity."""
    p = np.arange(1, experts + 1, dtype=float) ** -exponent
    p /= p.sum()
    with np.errstate(divide="ignore"):
        asked = -np.expm1(max(together, 1.0) * np.log1p(-p))
    q = asked / asked.sum()
    times = np.geomspace(1e-2, 50.0 / max(q.min(), 1e-200), _TIMES)
    found = -np.expm1(-q[:, None] * times)
    curves = [np.concatenate(([0.0], weight @ found)) for weight in (np.ones(experts), p, q)]
    return Popularity(float(asked.sum()), *curves)


def _hits(experts: int, exponent: Number, together: Number, hot: Number) -> tuple[Number, Number, Number]:
    """(distinct experts, hit rate of requests, hit rate of groups)."""
    if np.ndim(exponent) == 0 and np.ndim(together) == 0:
        known = popularity(experts, float(exponent), float(together))
        return known.distinct, _at(known.requests, known, hot), _at(known.groups, known, hot)
    exponent, together, hot = np.broadcast_arrays(exponent, together, hot)
    pairs, place = np.unique(np.stack([exponent, together]), axis=1, return_inverse=True)
    result = np.empty((3, len(hot)))
    for index, (one, count) in enumerate(pairs.T):
        mine = np.flatnonzero(place == index)
        known = popularity(experts, float(one), float(count))
        result[:, mine] = (
            np.full(len(mine), known.distinct),
            _at(known.requests, known, hot[mine]),
            _at(known.groups, known, hot[mine]),
        )
    return result[0], result[1], result[2]


def _at(curve: NDArray[np.float64], known: Popularity, hot: Number) -> Number:
    """The hit rate of so many hot experts; 1 where that is all of them."""
    return np.interp(hot, known.hot, np.append(curve[:-1], 1.0))[()]


def _switch(design: Design, parts: Parts, one: Number) -> tuple[Number, Number]:
    """Seconds and bytes of loading one expert into the accelerators of a replica; 0 where all are hot."""
    serving, system, accelerator = design.serving, design.system, parts.accelerator
    ranks = serving.tensor_parallel * serving.data_parallel * serving.pipeline_parallel
    per_node = system.accelerators / system.nodes
    in_node = np.minimum(ranks, per_node)
    links = choose(
        np.greater(serving.composition_links, 0), np.minimum(serving.composition_links, ranks), ranks
    )
    total = one * ranks
    seconds: Number = 0.0
    moved: Number = 0.0
    for tier, home in by_tier(serving.composition_tier).items():
        here = home & np.logical_not((tier == "dram") & np.asarray(accelerator.unified_memory, bool))
        if tier == "hbm" or not some(here):
            continue
        memory = parts.tiers[tier]
        own = np.asarray(memory.on_package, bool) | (tier == "remote")  # each accelerator has a part of it
        rate = memory.bandwidth * choose(own, in_node / per_node, 1.0)
        crossing = choose(np.asarray(memory.on_package, bool), 0.0, 1.0)
        link = crossing * total / (links * np.maximum(accelerator.host_link_bandwidth, 1.0))
        spent = np.maximum(link, total * in_node / (ranks * rate)) + memory.latency_s
        seconds = choose(here, spent + parts.engine.copy_launch, seconds)
        moved = choose(here, total, moved)
    return seconds, moved


def _at_rest(
    design: Design, held: Memory, more: Number, one: Number, everything: float, unified: Any
) -> tuple[Memory, Number]:
    """The memory with `more` experts hot, and the bytes that all take in their tier, per node.

    one: bytes of an expert per accelerator; everything: of all experts, whole.
    """
    serving, system = design.serving, design.system
    ranks = serving.tensor_parallel * serving.data_parallel * serving.pipeline_parallel
    per_node = system.accelerators / system.nodes
    copies = np.minimum(1.0, per_node / ranks)  # a replica over several nodes keeps its part on each
    tables, violations = dict(held.host_tables), dict(held.violations)
    at_rest: Number = 0.0
    for tier, home in by_tier(serving.composition_tier).items():
        if tier == "hbm" or not some(home):
            continue
        here = home & np.logical_not((tier == "dram") & np.asarray(unified, bool))
        bytes_ = choose(here, copies * everything, 0.0)
        tables[tier], violations[tier] = tables[tier] + bytes_, violations[tier] + bytes_
        at_rest = at_rest + bytes_
    added = more * one
    left = np.maximum(held.kv_bytes_available - added, 0.0)
    return replace(
        held, weights_bytes=held.weights_bytes + added, hbm_bytes=held.hbm_bytes + added, kv_bytes_available=left,
        kv_tokens=np.floor(left / held.kv_bytes_per_token), models=held.models + more, host_tables=tables,
        violations=violations,
    ), at_rest  # fmt: skip
