"""Exact replay of a stream of row reads: the check of the closed-form curves, and other policies."""

from collections import OrderedDict, deque

import numpy as np
from numpy.typing import NDArray


def previous_reads(ids: NDArray[np.integer]) -> NDArray[np.int64]:
    """(reads,) index of the read before of the same row, -1 for a first read."""
    order = np.argsort(ids, kind="stable")
    ranked = ids[order]
    before = np.full(ids.size, -1, dtype=np.int64)
    again = ranked[1:] == ranked[:-1]
    before[order[1:][again]] = order[:-1][again]
    return before


def stack_distances(ids: NDArray[np.integer]) -> NDArray[np.int64]:
    """Distinct rows read since the last read of the same row, itself included: (reads,), 0 for a first read.

    An LRU cache of C rows hits exactly where 0 < distance <= C (Mattson et al., IBM Systems Journal 1970).
    Of the reads j < i, those with previous(j) <= previous(i) are, beside the previous(i) + 1 reads up to
    previous(i), one for each distinct row since; so a distance is a count of smaller elements to the left.
    """
    before = previous_reads(ids)
    reused = np.flatnonzero(before >= 0)
    first_reads = reused - np.arange(reused.size)  # first reads among those to the left of each reuse
    smaller = _smaller_to_the_left(before[reused])
    distances = np.zeros(ids.size, dtype=np.int64)
    distances[reused] = first_reads + smaller - before[reused]
    return distances


def _smaller_to_the_left(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """For distinct values: how many smaller ones stand to the left of each. O(n log n), a wavelet tree."""
    n = values.size
    rank = np.empty(n, dtype=np.int32)
    rank[np.argsort(values)] = np.arange(n, dtype=np.int32)
    count = np.zeros(n, dtype=np.int32)
    index = np.arange(n, dtype=np.int32)
    for bit in range(max(n - 1, 0).bit_length() - 1, -1, -1):
        # Ranks are a permutation, so the group that shares all higher bits starts at its own lowest rank.
        start = (rank >> (bit + 1)) << (bit + 1)
        upper = (rank >> bit) & 1
        zeros = np.concatenate([np.zeros(1, dtype=np.int32), np.cumsum(1 - upper, dtype=np.int32)])
        left_zeros = zeros[:-1] - zeros[start]
        count += left_zeros * upper
        below = np.minimum(np.int32(1 << bit), np.int32(n) - start)
        place = np.where(upper == 1, start + below + (index - start - left_zeros), start + left_zeros)
        rank, count = _scatter(place, rank), _scatter(place, count)
    return count[rank_order(values)].astype(np.int64)


def rank_order(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rank of each of the distinct values."""
    rank = np.empty(values.size, dtype=np.int64)
    rank[np.argsort(values)] = np.arange(values.size)
    return rank


def _scatter(place: NDArray[np.int32], values: NDArray[np.int32]) -> NDArray[np.int32]:
    out = np.empty_like(values)
    out[place] = values
    return out


def s3_fifo_hits(ids: NDArray[np.integer], capacity: int) -> NDArray[np.bool_]:
    """Which reads an S3-FIFO cache of `capacity` rows hits (Yang et al., SOSP 2023): (reads,) bool.

    A tenth of the cache is a probationary queue; rows read again there, or remembered by the ghost queue,
    enter the main queue, which gives a row up to three further rounds.
    """
    small_size = max(1, capacity // 10)
    main_size = max(1, capacity - small_size)
    small: deque[int] = deque()
    main: deque[int] = deque()
    ghost: OrderedDict[int, None] = OrderedDict()
    uses: dict[int, int] = {}
    hits = np.zeros(ids.size, dtype=bool)
    for at, row in enumerate(ids.tolist()):
        if row in uses:
            hits[at] = True
            if uses[row] < 3:
                uses[row] += 1
            continue
        while len(small) + len(main) >= small_size + main_size:
            if len(small) >= small_size:
                _leave_small(small, main, ghost, uses, main_size)
            else:
                _leave_main(main, uses)
        uses[row] = 0
        if row in ghost:
            del ghost[row]
            main.append(row)
        else:
            small.append(row)
    return hits


def _leave_small(
    small: deque[int], main: deque[int], ghost: OrderedDict[int, None], uses: dict[int, int], main_size: int
) -> None:
    row = small.popleft()
    if uses[row] > 1:
        uses[row] = 0
        main.append(row)
        return
    del uses[row]
    ghost[row] = None
    if len(ghost) > main_size:
        ghost.popitem(last=False)


def _leave_main(main: deque[int], uses: dict[int, int]) -> None:
    while uses[main[0]] > 0:
        row = main.popleft()
        uses[row] -= 1
        main.append(row)
    del uses[main.popleft()]
