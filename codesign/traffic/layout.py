"""Blocks of an SSD: what each placement of rows, and each layout of the hash, reads on held-out text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign.traffic.placement import best_threshold, block_reads, places, rows_per_block, window_reads
from codesign.traffic.rows import shared_reads
from codesign.traffic.stream import Stream, join, ngram_keys
from cost_models import tables
from cost_models.design import Model
from cost_models.traffic import Profile

_TOKENS = 600_000  # of text for the placement: partitioning costs about 4 CPU seconds per million reads
_ADMISSION_CACHE = 0.05  # share of the rows of that table
_ROWS = 100_000  # of the table on which placements are compared
_NEVER_SHARED = 1e15
_SEQUENCES = 64
LAYOUT_CACHES = (0.0, 0.001, 0.01, 0.1)  # share of all table bytes


def blocks(stream: Stream, model: Model) -> dict[str, Any]:
    """Useful share of a block read, by order of N-gram and order of rows, learnt and measured on other text.

    A smaller table and a part of the text stand for the whole; more text or larger tables move the gain of
    co-access by a few hundredths (docs/traffic.md).
    """
    engram = model.engram
    assert engram is not None
    block_rows = max(1, int(tables.BLOCK_BYTES // tables.row_bytes(model)))
    part = stream.head(_TOKENS)
    past, new = part.held_out(0.25)
    found: dict[str, dict[str, float]] = {}
    admission: dict[str, dict[str, float]] = {}
    for order in tables.orders(engram):
        old, fresh = (shared_reads(each, (order,), _ROWS, 1)[0][:, 0] for each in (past, new))
        count = int(max(old.max(), fresh.max())) + 1
        ways = places(*window_reads(past, old), old, count, block_rows)
        held = window_reads(new, fresh)
        found[str(order)] = {
            name: rows_per_block(*held, place, block_rows) / block_rows for name, place in ways.items()
        }
        admission[str(order)] = admitted(fresh, ways["by_co_access"], old, block_rows, _ADMISSION_CACHE)
    return {
        "bytes": tables.BLOCK_BYTES, "rows_per_block": block_rows, "table_rows": _ROWS,
        "tokens": part.tokens, "order": found, "admission": admission,
    }  # fmt: skip


def admitted(
    reads: NDArray[np.int64],
    place: NDArray[np.int64],
    past: NDArray[np.int64],
    block_rows: int,
    cache_share: float,
) -> dict[str, float]:
    """Block reads per row read behind a cache of a share of the rows, by Bandana's rule of admission.

    none: only the row asked for enters the cache; all: with every row of its block that was ever read; best:
    with those read more than `threshold` times in the past, chosen by a miniature of a tenth of the blocks.
    """
    frequency = np.bincount(past, minlength=place.size)
    size = max(1, round(cache_share * place.size))
    threshold = best_threshold(reads, place, block_rows, size, frequency, 0.1)
    return {
        "cache_rows": size,
        "threshold": threshold,
        "none": block_reads(reads, place, block_rows, size),
        "all": block_reads(reads, place, block_rows, size, frequency > 0),
        "best": block_reads(reads, place, block_rows, size, frequency > threshold),
    }


def layouts(stream: Stream, model: Model, profile: Profile) -> list[dict[str, Any]]:
    """Block reads per token of three layouts, with LRU caches of a share of the table bytes (`LAYOUT_CACHES`).

    independent: every head reads its own row. blocked: one block holds all heads of an N-gram, and the cache
    keeps the record of `heads` rows. records: the N-grams of past text are written out once more as records
    of all their heads; N-grams that are not among them read `heads` rows.
    """
    engram = model.engram
    assert engram is not None
    M = tables.rows(model)
    sets, orders, heads = M.shape
    total = float(M.sum())
    unseen = _unseen(stream, tables.orders(engram))
    reads: dict[str, list[float]] = {"independent": [], "records of past N-grams": [], "blocked": []}
    for share in LAYOUT_CACHES:
        rows = share * total
        single = [(n, float(M[:, i].mean()), sets * heads) for i, n in enumerate(tables.orders(engram))]
        # a record is told apart by its block and its slots, so that N-grams hardly ever share one
        record = [(n, _NEVER_SHARED, sets) for n in tables.orders(engram)]
        row_miss = profile.miss_ratio(single, rows, _SEQUENCES) if share else np.ones(orders)
        miss = profile.miss_ratio(record, rows / heads, _SEQUENCES) if share else np.ones(orders)
        new = np.minimum(unseen, miss)
        reads["independent"].append(float(row_miss.sum() * sets * heads))
        reads["records of past N-grams"].append(float((miss - new + new * heads).sum() * sets))
        reads["blocked"].append(float(miss.sum() * sets))
    return [
        {"layout": name, "cache_shares": list(LAYOUT_CACHES), "reads_per_token": each}
        for name, each in reads.items()
    ]


def _unseen(stream: Stream, orders: tuple[int, ...]) -> NDArray[np.float64]:
    """Share of held-out reads whose N-gram the rest of the text does not have: (orders,)."""
    past, new = stream.held_out(0.25)
    found = []
    for _, keys in ngram_keys(join(past, new), orders):
        known = np.unique(keys[: past.tokens])
        at = np.minimum(np.searchsorted(known, keys[past.tokens :]), known.size - 1)
        found.append(float((known[at] != keys[past.tokens :]).mean()))
    return np.array(found)
