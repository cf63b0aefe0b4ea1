"""An open load: requests arrive at a rate, whoever is being served, and so many are in flight as that takes.

By Little's law n - d = rate x T(n), for each replica: T(n), seconds from end to end of a request among n, grows with n,
since steps take longer and more prompts interrupt. d, its data-parallel ranks, since a request that arrives sees the
mean of the others and itself (Poisson arrivals see time averages; Wolff, Operations Research 30, 1982). Requests are
answered as fast as they come while n fits into the KV cache; a replica answers at most n / T(n) at the n that fits.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cost_models.design import Design, Number, Serving
from cost_models.errors import InputError
from cost_models.masks import some

_ROUNDS = 10  # n is then known to 1e-4 or better: T is nearly straight in it


def are_open(serving: Serving) -> bool:
    """Whether the load is a rate of arrivals. Raises InputError where only some of several designs have one."""
    given = np.greater(serving.request_rate, 0)
    if some(given) and not np.all(given):
        raise InputError(
            "serving.request_rate must be above 0 for all designs or for none, got both; evaluate them apart"
        )
    return some(given)


def check(design: Design) -> None:
    """Raise InputError for an open load where none is modelled."""
    if design.serving.phase:
        raise InputError(
            f"serving.request_rate needs a whole request mix, got phase {design.serving.phase!r}"
        )
    if design.model.composition is not None:
        raise InputError(
            "serving.request_rate is not modelled for a composition, whose experts wait; give serving.concurrency"
        )


def closed(design: Design, concurrency: Number) -> Design:
    """The scalar design with so many requests in flight, rounded up, whatever its rate of arrivals: for what-ifs."""
    requests = int(np.ceil(float(np.asarray(concurrency))))
    return replace(design, serving=replace(design.serving, request_rate=0.0, concurrency=requests))


def in_flight(
    rate: Number, alone: Number, most: Number, served_s: Callable[[Number], Number]
) -> tuple[Number, Number]:
    """Requests in flight per replica, and the rate at which a replica can answer, both of the arguments' shape.

    rate: that arrive at a replica, 1/s. alone: its ranks, one request on each. most: requests that the KV cache holds.
    served_s: seconds from end to end of a request where n are in flight. Where the rate cannot be answered: `most`.
    """
    low, high = np.asarray(alone, float), np.maximum(most, alone).astype(float)
    longest = served_s(_plain(high))
    able = high / longest
    below, above = -rate * served_s(_plain(low)), high - low - rate * longest
    full, first = above <= 0, low
    # regula falsi, the end that stays halved (Illinois; Dowell and Jarratt, BIT 11, 1971)
    for _ in range(_ROUNDS):
        n = np.where(full, high, (low * above - high * below) / np.where(full, 1.0, above - below))
        value = n - first - rate * served_s(_plain(n))
        left = value < 0
        below, above = np.where(left, value, 0.5 * below), np.where(left, 0.5 * above, value)
        low, high = np.where(left & ~full, n, low), np.where(left | full, high, n)
    return _plain(np.where(full, high, n)), _plain(able)


def _plain(value: Number) -> Number:
    return float(value) if np.ndim(value) == 0 else value
