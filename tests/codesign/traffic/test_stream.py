"""Requests, the order in which a server reads them, N-gram keys, reuse times and replay, against plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign.traffic.replay import s3_fifo_hits, stack_distances
from codesign.traffic.reuse import reuse_times, survival
from codesign.traffic.rows import shared_reads
from codesign.traffic.stream import Stream, interleave, join, ngram_keys, requests

lengths = st.lists(st.integers(1, 12), min_size=1, max_size=30)


def stream_of(sizes: list[int], vocabulary: int = 5, seed: int = 0) -> Stream:
    random = np.random.default_rng(seed)
    return requests([random.integers(0, vocabulary, size) for size in sizes], 1000, None)


def served(sizes: list[int], sequences: int) -> tuple[list[tuple[int, int]], list[int]]:
    """(request, place) in the order of a server, and how many were running, step by step."""
    waiting = list(range(len(sizes)))
    slots: list[tuple[int, int] | None] = [None] * min(sequences, len(sizes))
    order, running = [], []
    while waiting or any(slots):
        for slot in range(len(slots)):
            if slots[slot] is None and waiting:
                slots[slot] = (waiting.pop(0), 0)
        running.append(sum(slot is not None for slot in slots))
        for slot, entry in enumerate(slots):
            if entry is not None:
                order.append(entry)
                request, place = entry
                slots[slot] = (request, place + 1) if place + 1 < sizes[request] else None
    return order, running


@settings(max_examples=60, deadline=None)
@given(lengths, st.integers(1, 9))
def test_interleaving_is_continuous_batching(sizes: list[int], sequences: int) -> None:
    stream = stream_of(sizes)
    positions = interleave(stream, sequences)
    order, running = served(sizes, sequences)
    busy = max(i for i, n in enumerate(running) if 2 * n >= min(sequences, len(sizes))) + 1
    kept = order[: sum(running[:busy])] if sequences > 1 else order
    expected = [int(stream.starts[request]) + place for request, place in kept]
    read = np.flatnonzero(positions >= 0)
    assert read[np.argsort(positions[read])].tolist() == expected


@settings(max_examples=60, deadline=None)
@given(lengths, st.integers(2, 5))
def test_keys_are_equal_exactly_for_equal_ngrams_within_requests(sizes: list[int], order: int) -> None:
    stream = stream_of(sizes, vocabulary=3)
    grams = []
    for start, end in zip(stream.starts[:-1], stream.starts[1:], strict=True):
        padded = [-1] * (order - 1) + stream.ids[start:end].tolist()
        grams += [tuple(padded[i : i + order]) for i in range(end - start)]
    _, keys = next(ngram_keys(stream, (order,)))
    assert len(set(zip(grams, keys.tolist(), strict=True))) == len(set(grams)) == len(set(keys.tolist()))


def test_documents_are_cut_and_never_shared_between_parts() -> None:
    documents = [np.arange(n) for n in (10, 2500, 1, 4100, 300, 2048)]
    stream = requests(documents, 1024, seed=3)
    assert np.diff(stream.starts).max() == 1024
    assert stream.tokens == sum(d.size for d in documents)
    past, new = stream.held_out(0.4)
    assert not set(past.documents) & set(new.documents)
    assert past.tokens + new.tokens == stream.tokens
    assert join(past, new).requests == stream.requests


def test_parts_of_a_text_are_hashed_alike() -> None:
    low, high = requests([np.arange(50)], seed=None), requests([np.arange(50), np.array([90_000])], seed=None)
    one, two = (shared_reads(each, (2, 3), 1000, 2)[0] for each in (low, high))
    np.testing.assert_array_equal(one, two[:50])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=120))
def test_reuse_times_and_stack_distances_match_a_list(ids: list[int]) -> None:
    recent: list[int] = []
    last: dict[int, int] = {}
    distances, times = [], []
    for at, row in enumerate(ids):
        distances.append(len(recent) - recent.index(row) if row in recent else 0)
        if row in last:
            times.append(at - last[row])
            recent.remove(row)
        last[row] = at
        recent.append(row)
    np.testing.assert_array_equal(stack_distances(np.array(ids)), distances)
    keys = np.array(ids, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    found, first = reuse_times(keys, np.arange(len(ids)))
    assert sorted(found.tolist()) == sorted(times)
    assert first.size == len(set(ids))


def test_survival_of_a_short_stream_is_that_of_an_endless_one() -> None:
    D, n = 5000, 20_000
    keys = np.random.default_rng(0).integers(0, D, n).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    P = survival(*reuse_times(keys, np.arange(n)), n)
    t = np.array([1, 100, 1000, 5000, 10_000])
    np.testing.assert_allclose(P[t], (1 - 1 / D) ** t, atol=0.01)


@pytest.mark.parametrize("capacity", [20, 60])
def test_s3_fifo_keeps_hot_rows_from_a_scan(capacity: int) -> None:
    random = np.random.default_rng(1)
    hot, scan = random.integers(0, 15, 20_000), np.arange(100, 20_100)
    ids = np.where(random.random(20_000) < 0.3, hot, scan)
    distance = stack_distances(ids)
    lru = ((distance > 0) & (distance <= capacity)).mean()
    s3 = s3_fifo_hits(ids, capacity).mean()
    assert s3 > lru
    assert s3 <= (ids < 100).mean()
