"""How long the reads of Engram rows take, how much of that the model's own work hides, and what is left.

Per step of T tokens on one data-parallel rank, with K heads, rows of r bytes, u(n) the fraction of reads of
order n that remain after removing duplicates, and m(n) the fraction that misses the cache:
    reads   = T K (sum over n of u(n)) per table set; the tensor rank with the highest orders has the most
    time    = launch + max(latency, reads / rate, bytes in whole pages / bandwidth), by tier
    stall   = max(0, time - window) + host cost; without prefetch all of the time
The window of a table set is the time from the start of the step to its layer. Forms: facts of deployers
(vllm #57893, Rapid-MLX #3338, Mooncake #4065); the rows are known from the token ids (arXiv 2601.07372).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce

import numpy as np
from numpy.typing import NDArray

from cost_models import tables, traffic
from cost_models.catalogue.names import distinct
from cost_models.design import TIERS, Design, Model, Number
from cost_models.latency import Steps
from cost_models.masks import by_tier, choose, some
from cost_models.parts import Parts

_LINK_LINE = 128.0  # bytes of one read request over a host link (EMOGI, arXiv 2006.06890)
_POINTS_PER_OCTAVE = 4  # of the stored curves of a profile
_RECORDS = 10**15  # records that N-grams can have under the blocked layout: as good as never the same
_TOKEN_OCTAVES, _ROW_OCTAVES, _DEGREE_OCTAVES = 24, 40, 16  # tokens of a step, rows of a cache, ranks


@dataclass(frozen=True)
class Reads:
    """The reads of one phase. Times are per step (a decode step, or a whole prompt), else per token.

    unique_fraction: reads that remain after removing duplicates within a step; hit_rate: of those, what the
    cache serves. rank_balance: reads of the busiest tensor-parallel rank over the mean.
    tier_reads, tier_bytes: physical reads per token, by tier, whole pages.
    """

    tokens: Number
    unique_fraction: Number
    hit_rate: Number
    rank_balance: Number
    time_s: Number
    window_s: Number
    stall_s: Number
    tier_reads: dict[str, Number]
    tier_bytes: dict[str, Number]


@dataclass(frozen=True)
class Lookup:
    """Reads per token (before removing duplicates), their bytes, and both phases."""

    reads_per_token: int
    bytes_per_token: float
    decode: Reads
    prefill: Reads


@dataclass(frozen=True)
class Windows:
    """What hides the reads: time before each table set's layer, and of the whole step, in seconds."""

    before: Sequence[Number] | NDArray[np.float64]
    step_s: Number
    steps: Number = 1  # chunks of a prompt
    interleaved: bool = False  # every token of a step belongs to another sequence


def lookup(design: Design, parts: Parts, steps: Steps) -> Lookup:
    """Reads of a decode step and of a prompt; everything is 0 for a model without tables."""
    model, phase = design.model, design.serving.phase
    d, p = design.serving.data_parallel, design.serving.pipeline_parallel
    none = _none(np.zeros(np.shape(steps.batch)))
    decode = prefill = none
    if model.engram is not None and phase != "prefill":
        tokens = steps.decode_tokens / (d * p)
        windows = Windows(steps.decode_window_s, steps.decode_step_s, interleaved=True)
        decode = _reads(design, parts, tokens, windows)
    if model.engram is not None and phase != "decode":
        tokens = steps.prefill_tokens / d
        windows = Windows(
            steps.prefill_window_s, steps.prefill_s / steps.prefill_chunks, steps.prefill_chunks
        )
        prefill = _reads(design, parts, tokens, windows)
    return Lookup(tables.reads_per_token(model), tables.bytes_per_token(model), decode, prefill)


def _none(zero: Number) -> Reads:
    return Reads(zero, zero, zero, zero + 1.0, zero, zero, zero, {}, {})


def _reads(design: Design, parts: Parts, tokens: Number, windows: Windows) -> Reads:
    model, placement = design.model, design.serving.tables
    engram, system, serving = model.engram, design.system, design.serving
    assert engram is not None
    sets, heads = tables.sets(engram), engram.heads
    t = serving.tensor_parallel
    # data-parallel ranks of a node
    ranks = system.accelerators / system.nodes / (t * serving.pipeline_parallel)

    total, busiest, misses = _columns_read(design, tokens, windows.interleaved)
    balance = np.maximum(1.0, busiest * t / (heads * total))

    # one table set, one step, one data-parallel rank; blocked tables are read a block at a time from disks
    per_set = tokens * heads
    time = host = np.zeros(np.shape(total))
    tier_reads: dict[str, Number] = {}
    tier_bytes: dict[str, Number] = {}
    homes, caches = by_tier(placement.tier), by_tier(placement.cache_tier)
    for tier in TIERS:
        home, cache = homes[tier], caches[tier]
        if not (some(home) or some(cache)):
            continue
        wanted = choose(home, misses, 0.0)
        if some(cache):
            wanted = wanted + choose(cache & (placement.cache_bytes > 0), total - misses, 0.0)
        reads, read_bytes, useful = _physical(model, tier, per_set * wanted, parts)
        spent = _time(design, parts, tier, reads * (balance / t), reads * ranks, read_bytes, useful)
        used = reads > 0
        time = np.maximum(time, choose(used, spent, 0.0))
        if tier in ("ssd", "remote"):
            host = choose(used, parts.engine.host_step, host)
        reads = reads * sets
        tier_reads[tier] = reads / tokens
        tier_bytes[tier] = reads * read_bytes / tokens
    all_sets = sets * time
    late = reduce(np.maximum, [(i + 1) * time - before for i, before in enumerate(windows.before)])
    if windows.interleaved:
        read_s, late = all_sets, np.maximum(0.0, late)
    else:
        read_s = windows.steps * all_sets
        late = np.maximum(0.0, late + (windows.steps - 1) * np.maximum(0.0, all_sets - windows.step_s))
        late = choose(placement.staged, 0.0, late)  # a prompt is known while its request waits
    stall = choose(placement.prefetch, late, read_s) + windows.steps * host
    orders = engram.max_order - 1
    return Reads(
        tokens=tokens,
        unique_fraction=total / orders,
        hit_rate=1 - misses / total,
        rank_balance=balance,
        time_s=read_s,
        window_s=windows.before[0],
        stall_s=stall,
        tier_reads=tier_reads,
        tier_bytes=tier_bytes,
    )


def _physical(model: Model, tier: str, reads: Number, parts: Parts) -> tuple[Number, Number, float]:
    """(reads, bytes of each in whole pages, useful bytes of each); a disk reads a blocked N-gram at once."""
    row, page = tables.row_bytes(model), parts.tiers[tier].page_bytes
    if model.engram is not None and tables.slots_per_head(model) and tier in ("ssd", "remote"):
        heads = model.engram.heads
        return reads / heads, np.ceil(heads * row / page) * page, heads * row
    return reads, np.ceil(row / page) * page, row


def _time(
    design: Design,
    parts: Parts,
    tier: str,
    rank_reads: Number,
    node_reads: Number,
    read_bytes: Number,
    row: float,
) -> Number:
    """Seconds for the reads of one table set in one step: the busiest rank's, and what its node serves."""
    engine, accelerator, memory = parts.engine, parts.accelerator, parts.tiers[tier]
    if tier == "hbm":
        bandwidth = memory.bandwidth * design.system.nodes / design.system.accelerators
        return engine.kernel_launch + memory.latency_s + rank_reads * read_bytes / bandwidth
    if tier in ("ssd", "remote"):
        # without prefetch the thread of each rank waits for its own page faults
        faults = engine.synchronous_queue_depth * design.system.accelerators / design.system.nodes
        depth = choose(design.serving.tables.prefetch, engine.io_queue_depth, faults)
        rate = np.minimum(memory.reads_per_s, depth / memory.latency_s)
        device = np.maximum(node_reads / rate, node_reads * read_bytes / memory.bandwidth)
        link = rank_reads * row / _link(parts, tier, accelerator.host_link_bandwidth)
        return np.maximum(memory.latency_s, device) + engine.copy_launch + link
    device = np.maximum(node_reads / memory.reads_per_s, node_reads * read_bytes / memory.bandwidth)
    lines = np.ceil(row / _LINK_LINE) * _LINK_LINE
    over_link = rank_reads * lines / _link(parts, tier, accelerator.zero_copy_bandwidth)
    waiting = engine.kernel_launch + accelerator.host_read_latency_s + memory.latency_s
    zero_copy = waiting + np.maximum(device, over_link)
    gather = np.maximum(device, node_reads / engine.host_gather_rate)
    copied = rank_reads * row / _link(parts, tier, accelerator.host_link_bandwidth)
    copy_engine = engine.host_step + engine.copy_launch + memory.latency_s + gather + copied
    return np.minimum(zero_copy, copy_engine)


def _link(parts: Parts, tier: str, bandwidth: Number) -> Number:
    """The host link's bandwidth; infinite where the rows need not cross it."""
    near = parts.accelerator.unified_memory | parts.accelerator.is_cpu | parts.tiers[tier].on_package
    return choose(near, np.inf, bandwidth)


def _columns_read(design: Design, tokens: Number, interleaved: bool) -> tuple[Number, Number, Number]:
    """(reads per token and head of all orders, of the busiest rank's columns, past the cache), by the profile."""
    model, serving, placement = design.model, design.serving, design.serving.tables
    policies, _ = distinct(placement.cache_policy)
    curves = _curves(model, str(placement.traffic), interleaved, policies[0])
    step = _place(tokens, _POINTS_PER_OCTAVE, len(curves.unique))
    unique = _along(curves.unique, step)
    busiest = _across(curves.busiest, step, _place(serving.tensor_parallel, 1, curves.busiest.shape[1]))
    if not some(placement.cache_tier != "") or not some(placement.cache_bytes > 0):
        return unique, busiest, unique
    caches = by_tier(placement.cache_tier)
    cached = caches["hbm"] | caches["dram"] | caches["cxl"] | caches["ssd"] | caches["remote"]
    bytes_ = choose(cached, placement.cache_bytes, 0.0)
    share = serving.tensor_parallel * serving.pipeline_parallel
    held = choose(caches["hbm"], bytes_ * share, bytes_) / tables.row_bytes(model)
    rows_held = _place(held, _POINTS_PER_OCTAVE, curves.missed.shape[1])
    missed = _across(curves.missed, step, rows_held)
    for policy in policies[1:]:
        other = _curves(model, str(placement.traffic), interleaved, policy)
        missed = choose(placement.cache_policy == policy, _across(other.missed, step, rows_held), missed)
    return unique, busiest, choose(held > 0, missed, unique)


@dataclass(frozen=True)
class _Curves:
    """Sums over orders, over log2 of the tokens of a step (points): after removing duplicates (points,); of the
    busiest rank, over log2 of t (points, degrees); past the cache, over log2 of its rows (points, rows).
    """

    unique: NDArray[np.float64]
    busiest: NDArray[np.float64]
    missed: NDArray[np.float64]


@lru_cache(maxsize=256)
def _curves(model: Model, name: str, interleaved: bool, policy: str) -> _Curves:
    """interleaved: every token of a step belongs to another sequence, as in decoding.

    Under the blocked layout a read, and an entry of the cache, is the record of all heads of an N-gram, which
    other N-grams hardly ever have in full.
    """
    assert model.engram is not None
    profile = traffic.Profile.load(name)
    heads = model.engram.heads
    rows = np.full_like(tables.rows(model), _RECORDS) if tables.slots_per_head(model) else tables.rows(model)
    each = [
        (order, float(rows[:, i].mean()), rows.shape[0] * heads)
        for i, order in enumerate(tables.orders(model.engram))
    ]
    tokens = 2.0 ** (np.arange(_TOKEN_OCTAVES * _POINTS_PER_OCTAVE + 1) / _POINTS_PER_OCTAVE)
    batch = tokens if interleaved else np.ones_like(tokens)
    held = 2.0 ** (np.arange(_ROW_OCTAVES * _POINTS_PER_OCTAVE + 1) / _POINTS_PER_OCTAVE)
    unique = np.stack([profile.unique_fraction(order, M, tokens, batch) for order, M, _ in each])
    missed = np.minimum(
        unique[:, :, None], profile.miss_ratio(each, held[None, :], batch[:, None], policy=policy)
    )
    missed[:, :, held >= tables.rows(model).sum()] = 0.0
    busiest = np.stack([_busiest(unique.T, heads, 2.0**i) for i in range(_DEGREE_OCTAVES + 1)], axis=1)
    return _Curves(unique.sum(axis=0), busiest, missed.sum(axis=0))


def _busiest(unique: NDArray[np.float64], heads: int, t: float) -> NDArray[np.float64]:
    """Reads of the busiest of t tensor ranks, the one that holds the last, highest orders: unique is (..., orders).

    A rank holds orders x heads / t neighbouring columns; a column of order n has u(n) reads per token.
    """
    orders = unique.shape[-1]
    above = heads * np.arange(orders - 1, -1, -1)
    return (unique * np.clip(orders * heads / t - above, 0.0, heads)).sum(axis=-1)


_Place = tuple[NDArray[np.int64], NDArray[np.float64]]


def _place(value: Number, points_per_octave: int, points: int) -> _Place:
    """Where a value lies on a curve stored over its log2: the point below, and the weight of the next."""
    place = np.minimum(np.log2(np.maximum(value, 1.0)) * points_per_octave, points - 1.001)
    low = place.astype(np.int64)
    return low, place - low


def _along(curve: NDArray[np.float64], place: _Place) -> Number:
    low, weight = place
    return curve.take(low) * (1 - weight) + curve.take(low + 1) * weight


def _across(curve: NDArray[np.float64], rows: _Place, columns: _Place) -> Number:
    (row, row_weight), (column, column_weight) = rows, columns
    start, width = row * curve.shape[1] + column, curve.shape[1]
    low = curve.take(start) * (1 - column_weight) + curve.take(start + 1) * column_weight
    start = start + width
    high = curve.take(start) * (1 - column_weight) + curve.take(start + 1) * column_weight
    return low * (1 - row_weight) + high * row_weight
