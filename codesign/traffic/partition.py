"""Social hash partitioning: rows that are read together go into the same block.

Recursive balanced bisection of a hypergraph with the p-fanout gain of Kabiljo et al., "Social Hash
Partitioner", VLDB 2017 (arXiv 1707.06665), which Bandana (arXiv 1811.05922) used. All buckets of a level are
halved at once.
"""

import numpy as np
from numpy.typing import NDArray

_FANOUT_PROBABILITY = 0.5
_ROUNDS = 10


def social_hash(
    windows: NDArray[np.integer], rows: NDArray[np.integer], count: int, block_rows: int, seed: int = 0
) -> NDArray[np.int64]:
    """A place for each of `count` rows: (count,), a permutation; block = place // block_rows.

    windows, rows: (pins,) a row and a window of text that reads it, each pair once.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(count)  # rows in the order of their places
    edges, bounds = np.asarray(windows), np.array([0, count])
    pins = np.asarray(rows)
    while np.diff(bounds).max() > block_rows:
        sizes = np.diff(bounds)
        # a left half of whole blocks, so that the last level fills each block
        left = np.where(sizes > block_rows, -(-sizes // (2 * block_rows)) * block_rows, sizes)
        bucket = np.empty(count, dtype=np.int64)
        bucket[order] = np.repeat(np.arange(sizes.size), sizes)
        group, edges, pins = _shared_groups(edges, bucket[pins], pins)
        right = np.zeros(count, dtype=bool)
        right[order] = np.arange(count) - np.repeat(bounds[:-1], sizes) >= np.repeat(left, sizes)
        if pins.size:
            for _ in range(_ROUNDS):
                if not _swap(right, bucket, group, pins, random):
                    break
        order = order[np.lexsort((right[order], bucket[order]))]
        bounds = np.unique(np.concatenate([bounds, bounds[:-1] + left]))
    place = np.empty(count, dtype=np.int64)
    place[order] = np.arange(count)
    return place


def _shared_groups(
    edges: NDArray[np.int64], buckets: NDArray[np.int64], pins: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Number the (window, bucket) pairs; a window with one row in a bucket cannot gain and is dropped."""
    _, group, size = np.unique(
        edges * (int(buckets.max(initial=0)) + 1) + buckets, return_inverse=True, return_counts=True
    )
    shared = size[group] > 1
    _, group = np.unique(group[shared], return_inverse=True)
    return group, edges[shared], pins[shared]


def _swap(
    right: NDArray[np.bool_],
    bucket: NDArray[np.int64],
    group: NDArray[np.int64],
    pins: NDArray[np.int64],
    random: np.random.Generator,
) -> bool:
    """Exchange the best pairs of rows between the halves of every bucket; False where none gains."""
    on_right = right[pins]
    size = np.bincount(group)
    in_right = np.bincount(group, weights=on_right, minlength=size.size)
    own = np.where(on_right, in_right[group], (size - in_right)[group])
    other = size[group] - own
    stay = 1.0 - _FANOUT_PROBABILITY
    gain = np.bincount(pins, weights=stay ** (own - 1) - stay**other, minlength=right.size)
    candidates = np.flatnonzero(np.bincount(pins, minlength=right.size))
    # best first within each half; equal gains in random order
    key = candidates[np.lexsort((random.random(candidates.size), -gain[candidates]))]
    key = key[np.argsort(bucket[key] * 2 + right[key], kind="stable")]
    half = bucket[key] * 2 + right[key]
    first = np.concatenate([[True], half[1:] != half[:-1]])
    rank = np.arange(key.size) - np.maximum.accumulate(np.where(first, np.arange(key.size), 0))
    pair = bucket[key] * (key.size + 1) + rank
    lefts, rights = ~right[key], right[key]
    _, a, b = np.intersect1d(pair[lefts], pair[rights], assume_unique=True, return_indices=True)
    from_left, from_right = key[lefts][a], key[rights][b]
    better = gain[from_left] + gain[from_right] > 1e-9
    better &= random.random(better.size) < 0.7  # neighbours that move together would only change places
    right[from_left[better]] = True
    right[from_right[better]] = False
    return bool(better.any())
