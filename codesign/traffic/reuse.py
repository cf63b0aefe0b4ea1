"""Reuse times of a stream, and the curve P(t) that they follow."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_EXACT_TIMES = 64  # every t up to here; then 16 points an octave
_POINTS_PER_OCTAVE = 16
TAIL = (0.2, 0.8)  # share of the stream on which the power-law tail is fitted; the measured curve ends there


def reuse_times(
    keys: NDArray[np.uint64], positions: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(reuses,) tokens since the same key was last read, and (distinct,) positions of first reads.

    keys: (reads,) well mixed in their high bits. positions: (reads,) >= 0, each once.
    """
    bits = int(positions.max(initial=1)).bit_length()
    low = np.uint64((1 << bits) - 1)
    # key and position share one word, so that a plain sort does it: twice as fast as an argsort, and in place
    packed = (keys & ~low) | positions.astype(np.uint64)
    packed.sort()
    place = (packed & low).astype(np.int64)
    packed >>= np.uint64(bits)
    again = packed[1:] == packed[:-1]
    times = (place[1:] - place[:-1])[again]
    first = np.concatenate([place[:1], place[1:][~again]])
    return times, first


def survival(times: NDArray[np.int64], first: NDArray[np.int64], length: int) -> Array:
    """P(t) for t = 0 .. length: the Kaplan-Meier estimate of the share of reads with a reuse time beyond t.

    A first read at position p says only that its reuse time is more than p; counting it as never read before
    would make every short text look colder than it is.
    """
    deaths = np.bincount(times, minlength=length + 1)
    gone = np.bincount(first, minlength=length + 1)
    gone += deaths
    np.cumsum(gone, out=gone)
    at_risk = np.full(length + 1, float(gone[-1]))
    at_risk[1:] -= gone[:-1]
    np.maximum(at_risk, 1.0, out=at_risk)
    np.divide(deaths, at_risk, out=at_risk)  # the hazard
    np.subtract(1.0, at_risk, out=at_risk)
    return np.asarray(np.cumprod(at_risk, out=at_risk))


def time_grid(length: int) -> NDArray[np.int64]:
    """The times at which a profile keeps P: 0, 1, ... then evenly in log t, to the end of the fit."""
    last = max(_EXACT_TIMES + 1, int(TAIL[1] * length))
    octaves = np.log2(last / _EXACT_TIMES)
    beyond = _EXACT_TIMES * 2 ** np.linspace(0, octaves, max(2, int(octaves * _POINTS_PER_OCTAVE)) + 1)
    return np.unique(np.concatenate([np.arange(_EXACT_TIMES + 1), beyond.round().astype(np.int64)]))


def tail_exponent(P: Array, length: int) -> float:
    """a of P(t) ~ t^-a, by least squares over `TAIL` of the stream, evenly in log t."""
    t = np.unique(np.geomspace(max(1.0, TAIL[0] * length), max(2.0, TAIL[1] * length), 40).astype(np.int64))
    t = t[(t < P.size) & (P[np.minimum(t, P.size - 1)] > 0)]
    if t.size < 2:
        return 0.9
    return float(np.clip(-np.polyfit(np.log(t), np.log(P[t]), 1)[0], 0.0, 0.95))
