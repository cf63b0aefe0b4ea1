"""How much fewer reads S3-FIFO misses than LRU on a text, by miniature simulation."""

import numpy as np
from numpy.typing import NDArray

from codesign.traffic.replay import s3_fifo_hits, stack_distances
from codesign.traffic.rows import served_order
from codesign.traffic.stream import Stream, ngram_keys
from cost_models.replacement import Correction
from cost_models.traffic import Profile

SEQUENCES = (1, 16, 64)
_TOKENS = 2_000_000
_READS = 500_000  # of one miniature
_ROWS = 30  # a miniature with fewer rows says nothing
_FIRST, _LAST, _POINTS = 300.0, 0.25, 7  # eviction times: tokens, share of the text, how many between
_ORDER_MARK = 0x9E3779B97F4A7C15  # tells the padded N-grams of different orders apart


def s3_fifo_correction(stream: Stream, profile: Profile) -> Correction | None:
    """The ratio of misses for the orders and table sizes of a profile; None for a text too short to tell.

    A miniature keeps a random sample of the N-grams and that share of the cache: Waldspurger et al., "Cache
    Modeling and Optimization using Miniature Simulations", USENIX ATC 2017. Both policies see the same sample
    in a ratio, so that most of its error cancels. About five CPU seconds for four orders.
    """
    part = stream.head(_TOKENS)
    batches = [b for b in SEQUENCES if b in profile.sequences and (b == 1 or 4 * b <= part.requests)]
    times = np.geomspace(_FIRST, max(_FIRST, _LAST * part.tokens), _POINTS)
    if times[-1] < 4 * _FIRST:
        return None
    orders = profile.orders
    keys = [key + np.uint64(order * _ORDER_MARK % 2**64) for order, key in ngram_keys(part, orders)]
    ratio = np.ones((len(orders), len(batches), _POINTS + 1, len(orders)))
    for column, batch in enumerate(batches):
        served = served_order(part, batch)
        for largest in range(len(orders)):
            reads = np.stack([key[served] for key in keys[: largest + 1]], axis=1)
            ratio[largest, column, :-1, : largest + 1] = _ratios(profile, reads, times, batch)
    return Correction(np.append(times, float(stream.tokens)), np.array(batches, dtype=float), ratio)


def _ratios(
    profile: Profile, reads: NDArray[np.uint64], times: NDArray[np.float64], batch: int
) -> NDArray[np.float64]:
    """(times, orders) of one stream of reads (tokens, orders), in caches that LRU would turn over in `times`."""
    count = reads.shape[1]
    sample = min(1.0, _READS / reads.size)
    ids, which = reads.ravel(), np.tile(np.arange(count), len(reads))
    kept = ids >> np.uint64(32) < np.uint64(int(sample * (2**32 - 1)))
    ids, which = ids[kept], which[kept]
    rows = np.unique(ids, return_inverse=True)[1]
    distance = stack_distances(rows)
    measured = np.arange(rows.size) >= rows.size // 2
    found = np.ones((times.size, count))
    for row, time in enumerate(times):
        held = (
            sum(float(profile.unique_fraction(n, 1e15, time, batch)) for n in profile.orders[:count]) * time
        )
        capacity = round(held * sample)
        if capacity < _ROWS:
            continue
        hits = s3_fifo_hits(rows, capacity)
        for order in range(count):
            mine = measured & (which == order)
            lru = float(((distance[mine] == 0) | (distance[mine] > capacity)).sum())
            found[row, order] = float((~hits[mine]).sum()) / max(1.0, lru)
    return found
