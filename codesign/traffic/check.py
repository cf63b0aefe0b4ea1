"""How far a profile's hit rates are from an exact replay on documents that it has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codesign.traffic.replay import stack_distances
from codesign.traffic.rows import shared_reads
from codesign.traffic.stream import Stream, join
from cost_models.traffic import Profile


@dataclass(frozen=True)
class Comparison:
    """Miss ratios of one shared LRU cache, (orders, capacities) each, on the reads of unseen documents."""

    cache_rows: NDArray[np.float64]
    replayed: NDArray[np.float64]
    predicted: NDArray[np.float64]

    @property
    def error(self) -> NDArray[np.float64]:
        """Predicted minus replayed."""
        return self.predicted - self.replayed


def compare(
    profile: Profile,
    past: Stream,
    new: Stream,
    rows: int,
    sequences: int,
    orders: Sequence[int] = (2, 3),
    heads: int = 1,
    points: int = 12,
) -> Comparison:
    """Replay past and new documents through an exact LRU cache and compare the misses of the new ones.

    The past warms the cache, as it would in service; a finite past leaves it colder than an endless one,
    which the prediction knows (`served`). Capacities run from a thousandth of the rows ever read (at least
    100) up to all of them.
    """
    reads, tokens = shared_reads(join(past, new), orders, rows, heads, sequences)
    distances = stack_distances(reads.ravel()).reshape(len(tokens), len(orders), heads)
    footprint = int((distances == 0).sum())
    cache_rows = np.geomspace(max(100.0, footprint * 1e-3), footprint, points)
    measured = np.flatnonzero(tokens >= past.tokens)
    replayed = np.empty((len(orders), points))
    for row in range(len(orders)):
        ordered = np.sort(distances[measured, row].ravel())
        first_reads = np.searchsorted(ordered, 0, side="right")
        hits = np.searchsorted(ordered, cache_rows, side="right") - first_reads
        replayed[row] = 1.0 - hits / ordered.size
    tables = [(order, float(rows), heads) for order in orders]
    served = np.quantile(measured, (np.arange(20) + 0.5) / 20)
    predicted = profile.miss_ratio(tables, cache_rows[:, None], sequences, served[None, :]).mean(axis=-1)
    return Comparison(cache_rows, replayed, predicted)
