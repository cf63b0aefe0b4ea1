"""What S3-FIFO saves over LRU: a measured correction of the closed form, for one text.

LRU follows from the reuse curve alone; S3-FIFO (Yang et al., SOSP 2023) does not, because what it keeps depends
on how often a row was read. So a profile holds the ratio of both policies' misses, measured when it is made, by
the time that LRU would keep a row: that time, unlike the number of rows, means the same for every table size.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

POLICIES = ("lru", "s3-fifo")


@dataclass(frozen=True)
class Correction:
    """Misses of S3-FIFO over those of LRU, in caches that the orders 2 .. n of a text share.

    times: (T,) tokens for which LRU keeps a row, ascending; at the last one the cache holds the whole text, and
    the ratio is 1. sequences: (B,) numbers of interleaved sequences, ascending from 1.
    ratio: (n, B, T, orders): by the largest order of the cache, and by the order that reads; 1 for orders
    that are not in the cache. Both axes of orders follow the profile's `orders`.
    """

    times: NDArray[np.float64]
    sequences: NDArray[np.float64]
    ratio: NDArray[np.float64]

    def at(
        self, largest: int, order: int, log_times: NDArray[np.float64], sequences: float
    ) -> NDArray[np.float64]:
        """The ratio for caches of these eviction times; largest, order: indices into the profile's orders.

        Linear in log t and log B; outside of what was measured, the nearest value.
        """
        each = [np.interp(log_times, np.log(self.times), row) for row in self.ratio[largest, :, :, order]]
        place = float(
            np.interp(np.log(max(1.0, sequences)), np.log(self.sequences), np.arange(self.sequences.size))
        )
        low = min(int(place), len(each) - 1)
        high = min(low + 1, len(each) - 1)
        return np.asarray(each[low] + (place - low) * (each[high] - each[low]))
