"""A traffic profile from a stream of requests."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign.traffic.policies import s3_fifo_correction
from codesign.traffic.reuse import reuse_times, survival, tail_exponent, time_grid
from codesign.traffic.statistics import draw_error
from codesign.traffic.stream import Stream, interleave, ngram_keys
from cost_models.errors import InputError
from cost_models.traffic import Profile

ORDERS = (2, 3, 4, 5)
SEQUENCES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
Progress = Callable[[str], None]


def profile(
    stream: Stream,
    orders: Sequence[int] = ORDERS,
    sequences: Sequence[int] = SEQUENCES,
    about: dict[str, Any] | None = None,
    policies: bool = True,
    progress: Progress | None = None,
) -> Profile:
    """Measure the reuse of a stream for every order and number of interleaved sequences.

    Numbers of sequences beyond half of the requests are left out: nothing would be interleaved. About 0.05
    CPU seconds per million tokens, order and number of sequences. policies: measure those other than LRU too,
    some CPU seconds. Raises InputError for a stream too short.
    """
    if stream.tokens < 1000:
        raise InputError(
            f"a text of {stream.tokens} tokens is too short for a traffic profile; give 1,000 or more"
        )
    sequences = tuple(b for b in sequences if b == 1 or 2 * b <= stream.requests)
    grid = time_grid(stream.tokens)
    errors = [round(draw_error(stream, keys), 5) for _, keys in ngram_keys(stream, orders)]
    curves = np.empty((len(orders), len(sequences), grid.size))
    tails = np.empty((len(orders), len(sequences)))
    for column, batch in enumerate(sequences):
        positions = interleave(stream, batch)
        for row, (order, keys) in enumerate(ngram_keys(stream, orders)):  # cheaper to make again than to keep
            if progress:
                progress(f"reuse of {order}-grams, {batch} sequences")
            P = _curve(keys, positions, stream.tokens)
            curves[row, column] = P[grid]
            tails[row, column] = tail_exponent(P, stream.tokens)
    made = Profile(
        tuple(orders),
        sequences,
        grid.astype(float),
        curves,
        tails,
        None,
        {"draw_error": errors} | (about or {}),
    )
    if not policies:
        return made
    if progress:
        progress("replacement policies")
    return replace(made, s3_fifo=s3_fifo_correction(stream, made))


def _curve(keys: NDArray[np.uint64], positions: NDArray[np.int64], length: int) -> NDArray[np.float64]:
    read = positions >= 0
    if not read.all():
        keys, positions = keys[read], positions[read]
    return survival(*reuse_times(keys, positions), length)
