"""How large a cache has to be for a wanted share of hits: by the profile, and by a miniature on the text itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from codesign.traffic.replay import stack_distances
from codesign.traffic.rows import shared_reads
from codesign.traffic.stream import Stream
from cost_models import tables
from cost_models.design import Model
from cost_models.traffic import Profile

TARGETS = (0.5, 0.7, 0.8, 0.9)
_SPREAD = np.uint64(
    0x9E3779B97F4A7C15
)  # Fibonacci hashing: independent of the modulus that made the row number
_TOKENS = 2_000_000
_READS = 600_000


def sizes(stream: Stream, profile: Profile, model: Model, sequences: int) -> list[dict[str, Any]]:
    """The warm cache of all tables of a model for each share of hits of `TARGETS`.

    cache_rows, cache_bytes: LRU, by the profile; s3_fifo_bytes: likewise for that policy, None where it was not
    measured. miniature_rows: LRU, by replay of a sample of the rows, on the second half of a part of the text;
    None where a text as short never has so many hits.
    """
    assert model.engram is not None
    M = tables.rows(model)
    count = M.shape[0] * M.shape[2]
    columns = [(n, float(M[:, i].mean()), count) for i, n in enumerate(tables.orders(model.engram))]
    row = tables.row_bytes(model)
    replayed = miniature(stream, columns, TARGETS, sequences)
    found = []
    for target, small in zip(TARGETS, replayed, strict=True):
        rows = profile.cache_rows(columns, target, sequences)
        other = profile.cache_rows(columns, target, sequences, "s3-fifo") if profile.s3_fifo else None
        found.append(
            {
                "hit_rate": target, "sequences": sequences, "cache_rows": round(rows), "cache_bytes": rows * row,
                "s3_fifo_bytes": None if other is None else other * row, "miniature_rows": small,
            }
        )  # fmt: skip
    return found


def miniature(
    stream: Stream, columns: Sequence[tuple[int, float, int]], targets: Sequence[float], sequences: int
) -> list[int | None]:
    """Rows of the LRU cache that has each share of hits on the second half of (a part of) the text.

    columns: (order, rows, tables alike). A random sample of the rows of one table of each order is replayed; one
    pass of stack distances gives every size at once (Waldspurger et al., USENIX ATC 2017).
    """
    orders = [order for order, _, _ in columns]
    reads, _ = shared_reads(stream.head(_TOKENS), orders, int(columns[0][1]), 1, sequences)
    sample = min(1.0, _READS / max(1, reads.size))
    ids = reads.ravel()
    ids = ids[(ids.astype(np.uint64) * _SPREAD) >> np.uint64(32) < np.uint64(int(sample * (2**32 - 1)))]
    distance = np.sort(stack_distances(ids)[ids.size // 2 :])
    never = int(np.searchsorted(distance, 0, side="right"))
    found: list[int | None] = []
    for target in targets:
        at = never + int(np.ceil(target * distance.size)) - 1
        found.append(round(float(distance[at]) / sample * columns[0][2]) if at < distance.size else None)
    return found
