"""What a stream of reads looks like: skew, growth, coverage of the hottest rows, distinct rows of chunks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign.traffic.replay import previous_reads
from codesign.traffic.stream import Stream


def skew(ids: NDArray[np.integer]) -> dict[str, Any]:
    """Zipf exponent s of the reads per row, frequency ~ rank^-s, by least squares in log-log.

    Ranks from 10 (the first few follow no power law) to a tenth of the distinct rows, evenly in log rank.
    """
    ordered = np.sort(ids)
    edges = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1], [True]]))
    counts = np.sort(np.diff(edges))[::-1]
    last = counts.size // 10
    if last < 30:
        return {"zipf_exponent": None, "fit_ranks": None, "r_squared": None, "read_once": None}
    ranks = np.unique(np.geomspace(10, last, 200).astype(np.int64))
    x, y = np.log(ranks), np.log(counts[ranks - 1])
    slope, intercept = np.polyfit(x, y, 1)
    rest = np.sum((y - slope * x - intercept) ** 2) / max(1e-12, np.sum((y - y.mean()) ** 2))
    return {
        "zipf_exponent": float(-slope),
        "fit_ranks": [10, int(last)],
        "r_squared": float(1 - rest),
        "read_once": float((counts == 1).sum() / ids.size),
    }


def growth(first_reads: NDArray[np.integer], tokens: int) -> dict[str, Any]:
    """Distinct N-grams over tokens, and Heaps' law D = k T^b fitted to them.

    first_reads: positions of first reads. The law is fitted on the second quarter of the text and tried on its
    end: that error is given with the forecast for ten times the text, where it will be larger.
    """
    ordered = np.sort(first_reads)

    def distinct(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.searchsorted(ordered, at).astype(float)

    points = np.geomspace(max(1, tokens // 1000), tokens, 16)
    early = np.geomspace(tokens / 4, tokens / 2, 12)
    b, log_k = np.polyfit(np.log(early), np.log(np.maximum(distinct(early), 1)), 1)
    forecast = float(np.exp(log_k + b * np.log(tokens)))
    late = np.geomspace(tokens / 2, tokens, 12)
    b, log_k = np.polyfit(np.log(late), np.log(np.maximum(distinct(late), 1)), 1)
    return {
        "tokens": points.astype(int).tolist(),
        "distinct": distinct(points).astype(int).tolist(),
        "heaps_exponent": float(b),
        "error_at_twice": forecast / ordered.size - 1,
        "distinct_at_10x": float(np.exp(log_k + b * np.log(10.0 * tokens))),
    }


def coverage(
    past: NDArray[np.integer], new: NDArray[np.integer], rows: int, shares: tuple[float, ...]
) -> list[dict[str, float]]:
    """Share of the new reads that hit the rows read most in the past, when these are pinned.

    shares: of the table's rows.
    """
    names, counts = np.unique(past, return_counts=True)
    hottest = names[np.argsort(-counts, kind="stable")]
    position = np.full(new.size, np.iinfo(np.int64).max)
    order = np.argsort(hottest)
    at = np.minimum(np.searchsorted(hottest, new, sorter=order), hottest.size - 1)
    known = hottest[order[at]] == new
    position[known] = order[at][known]
    return [
        {"rows_share": share, "rows": int(share * rows), "hit_rate": float((position < share * rows).mean())}
        for share in shares
    ]


def draw_error(stream: Stream, keys: NDArray[np.uint64], window: int = 2000) -> float:
    """Standard error of a hit rate from the draw of the documents, in a small cache; 0 for a single document.

    Documents differ in how often they come back to the same N-grams, so a text of few large ones says little of
    the next. Hits: reads whose N-gram was read in the last `window` tokens. Linearised variance of a ratio over
    clusters of unequal size (Cochran, Sampling Techniques, 1977, ch. 9).
    """
    before = previous_reads(keys)
    hit = (before >= 0) & (np.arange(keys.size) - before <= window)
    _, owner = np.unique(np.repeat(stream.documents, np.diff(stream.starts)), return_inverse=True)
    size = np.bincount(owner)
    excess = np.bincount(owner, weights=hit) - size * hit.mean()
    return float(np.sqrt(np.sum(excess**2)) / max(1, keys.size)) if size.size > 1 else 0.0


def distinct_share(windows: NDArray[np.integer], ids: NDArray[np.integer]) -> float:
    """Distinct ids per read within windows, averaged over reads. windows, ids: (reads,), ids >= 0."""
    _, narrow = np.unique(ids, return_inverse=True)
    pairs = np.sort(windows.astype(np.int64) * (int(narrow.max(initial=0)) + 1) + narrow)
    return float((1 + np.count_nonzero(pairs[1:] != pairs[:-1])) / max(1, pairs.size))
