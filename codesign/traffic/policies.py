"""Other replacement policies than LRU, by miniature simulation."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codesign.traffic.replay import s3_fifo_hits, stack_distances
from codesign.traffic.rows import shared_reads
from codesign.traffic.stream import Stream

_SPREAD = np.uint64(
    0x9E3779B97F4A7C15
)  # Fibonacci hashing: independent of the modulus that made the row number
_READS = 600_000
_ROWS = 50  # a miniature with fewer rows says nothing
_WINDOW_TOKENS = 2_000_000


def s3_fifo_gain(
    stream: Stream, tables: Sequence[tuple[int, float, int]], cache_rows: float, sequences: int
) -> NDArray[np.float64] | None:
    """Hit rate of S3-FIFO minus that of LRU, per order, for a shared cache of `cache_rows` rows.

    One table of each order stands for all (they are alike), a random sample of its rows for the table, and a
    cache scaled by both for the cache: Waldspurger et al., "Cache Modeling and Optimization using Miniature
    Simulations", USENIX ATC 2017. Only the difference is used, in which most of the sampling error cancels.
    None where the miniature would hold fewer than 50 rows.
    """
    orders = [order for order, _, _ in tables]
    reads, _ = shared_reads(stream.head(_WINDOW_TOKENS), orders, int(tables[0][1]), 1, sequences)
    sample = min(1.0, _READS / reads.size)
    capacity = round(cache_rows / tables[0][2] * sample)
    if capacity < _ROWS:
        return None
    which = np.broadcast_to(np.arange(len(orders)), reads.shape).ravel()
    ids = reads.ravel()
    kept = (ids.astype(np.uint64) * _SPREAD) >> np.uint64(32) < np.uint64(int(sample * (2**32 - 1)))
    ids, which = ids[kept], which[kept]
    distance = stack_distances(ids)
    gain = s3_fifo_hits(ids, capacity).astype(float) - ((distance > 0) & (distance <= capacity))
    half = ids.size // 2
    return np.array([gain[half:][which[half:] == i].mean() for i in range(len(orders))])
