"""What the order of rows on a disk buys: useful rows in a block read, and block reads behind a cache."""

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from codesign.traffic.partition import social_hash
from codesign.traffic.stream import Stream

WINDOW_TOKENS = 128  # rows read within so many tokens of a request count as read together
THRESHOLDS = (0, 4, 8, 16, 32, 64, 128, 256)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing (Knuth, TAOCP 3, 6.4)


def window_reads(stream: Stream, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(window, row) pairs of a stream, each once. rows: (tokens,) the row of a table that each token reads."""
    place = stream.places() // WINDOW_TOKENS
    request = np.repeat(np.arange(stream.requests), np.diff(stream.starts))
    window = np.cumsum(np.concatenate([[0], (np.diff(place) != 0) | (np.diff(request) != 0)]))
    width = int(rows.max(initial=0)) + 1
    pairs = np.unique(window * width + rows)
    return pairs // width, pairs % width


def places(
    windows: NDArray[np.int64], rows: NDArray[np.int64], reads: NDArray[np.int64], count: int, block_rows: int
) -> dict[str, NDArray[np.int64]]:
    """Orders of the rows of one table, learnt from past reads: name -> (count,) place of each row.

    windows, rows: `window_reads` of the past. reads: (past reads,) rows in the order of time.
    """
    frequency = np.bincount(reads, minlength=count)
    first = np.full(count, reads.size, dtype=np.int64)
    np.minimum.at(first, reads, np.arange(reads.size))
    return {
        "as_hashed": np.arange(count),
        "by_frequency": _rank(-frequency),
        "by_first_access": _rank(first),
        "by_co_access": _only_read(frequency, windows, rows, block_rows),
    }


def _only_read(
    frequency: NDArray[np.int64], windows: NDArray[np.int64], rows: NDArray[np.int64], block_rows: int
) -> NDArray[np.int64]:
    """Co-access order of the rows that were read; the others follow as they are."""
    read = np.flatnonzero(frequency)
    number = np.cumsum(frequency > 0) - 1
    place = np.empty(frequency.size, dtype=np.int64)
    place[read] = social_hash(windows, number[rows], read.size, block_rows)
    place[np.flatnonzero(frequency == 0)] = np.arange(read.size, frequency.size)
    return place


def _rank(key: NDArray[np.int64]) -> NDArray[np.int64]:
    place = np.empty(key.size, dtype=np.int64)
    place[np.argsort(key, kind="stable")] = np.arange(key.size)
    return place


def rows_per_block(
    windows: NDArray[np.int64], rows: NDArray[np.int64], place: NDArray[np.int64], block_rows: int
) -> float:
    """Distinct rows over distinct blocks of a window: the useful rows of one block read."""
    blocks = place[rows] // block_rows
    width = int(blocks.max(initial=0)) + 1
    return windows.size / np.unique(windows * width + blocks).size


def block_reads(
    reads: NDArray[np.int64],
    place: NDArray[np.int64],
    block_rows: int,
    cache_rows: int,
    admitted: NDArray[np.bool_] | None = None,
) -> float:
    """Block reads per row read behind an LRU cache of rows, on the second half of `reads`.

    admitted: (rows,) which rows of a block that was read for another row enter the cache too (Bandana admits
    those read more than t times in the past); None: none of them.
    """
    blocks = place // block_rows
    companions: dict[int, list[int]] = {}
    if admitted is not None:
        chosen = np.flatnonzero(admitted)
        chosen = chosen[np.argsort(blocks[chosen], kind="stable")]
        for block, row in zip(blocks[chosen].tolist(), chosen.tolist(), strict=True):
            companions.setdefault(block, []).append(row)
    cache: OrderedDict[int, None] = OrderedDict()
    misses = 0
    half = reads.size // 2
    for at, (row, block) in enumerate(zip(reads.tolist(), blocks[reads].tolist(), strict=True)):
        if row in cache:
            cache.move_to_end(row)
            continue
        misses += at >= half
        for companion in companions.get(block, ()):
            if companion not in cache:
                cache[companion] = None
        cache[row] = None
        cache.move_to_end(row)
        while len(cache) > cache_rows:
            cache.popitem(last=False)
    return misses / max(1, reads.size - half)


def best_threshold(
    reads: NDArray[np.int64],
    place: NDArray[np.int64],
    block_rows: int,
    cache_rows: int,
    past_reads: NDArray[np.int64],
    sample: float,
) -> int:
    """The admission threshold with the fewest block reads in a miniature cache.

    A miniature keeps a random `sample` of the blocks and that share of the cache, at that share of the cost.
    past_reads: (rows,) reads of each row in the past.
    """
    block = (place // block_rows).astype(np.uint64)
    kept = (block * _SPREAD) >> np.uint64(32) < np.uint64(int(sample * 2**32))
    fewer, size = reads[kept[reads]], max(1, round(cache_rows * sample))
    cost = [block_reads(fewer, place, block_rows, size, kept & (past_reads > t)) for t in THRESHOLDS]
    return THRESHOLDS[int(np.argmin(cost))]
