"""Pareto fronts: who is on them, how good they are, and which member is the best compromise.

Matrices are (designs, objectives) float64. "Minimised" means that maximised objectives have their sign
changed, so that less is better everywhere.
"""

from collections.abc import Sequence

import moocore
import numpy as np
from numpy.typing import NDArray

import cost_models

Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]


def signs(objectives: Sequence[str]) -> Matrix:
    """+1 for a minimised objective, -1 for a maximised one: (objectives,)."""
    return np.array([-1.0 if cost_models.OBJECTIVES[n].direction == "maximize" else 1.0 for n in objectives])


def non_dominated(minimised: Matrix, keep_equal: bool = True) -> Mask:
    """Which rows no other row dominates; of equal rows all or one. Rows that are not finite never count."""
    mask: Mask = np.asarray(np.isfinite(minimised).all(axis=1))
    if mask.any():
        mask[mask] = moocore.is_nondominated(np.ascontiguousarray(minimised[mask]), keep_weakly=keep_equal)
    return mask


def hypervolume(minimised: Matrix, reference: Matrix) -> float:
    """Volume that the rows dominate below the reference point, in the objectives' own units."""
    inside = minimised[(minimised < reference).all(axis=1)]
    return float(moocore.hypervolume(inside, ref=reference)) if len(inside) else 0.0


def scaled(minimised: Matrix, logarithmic: Mask) -> Matrix:
    """Each column of a front stretched to 0 (best) .. 1 (worst), after a logarithm where asked for."""
    values = np.where(logarithmic, np.log(np.where(logarithmic, np.abs(minimised), 1.0)), minimised)
    # the logarithm of a maximised (negative) column grows where it gets better: turn it again
    values = np.where(logarithmic & (minimised < 0).any(axis=0), -values, values)
    low, high = values.min(axis=0), values.max(axis=0)
    return (values - low) / np.where(high > low, high - low, 1.0)


def spans_decades(minimised: Matrix) -> Mask:
    """Columns better compared by ratio than by difference: one sign, at least a factor 2 from end to end."""
    size = np.abs(minimised)
    one_sign = (minimised > 0).all(axis=0) | (minimised < 0).all(axis=0)
    return one_sign & (size.max(axis=0) >= 2 * np.where(one_sign, size.min(axis=0), np.inf))


def knee(minimised: Matrix) -> int:
    """The row of a front nearest to the point best in everything, each column scaled to 0..1."""
    distance = np.linalg.norm(scaled(minimised, spans_decades(minimised)), axis=1)
    return int(np.argmin(distance))


def ties(minimised: Matrix, doubt: Matrix) -> NDArray[np.int64]:
    """For each row of a front a row that is as good in all columns within the doubt, and surely better in one.

    doubt: (designs, objectives) standard errors. "Within" is two standard errors of the difference. The value
    is -1 where there is none; else the row is on the front by chance alone, as far as anyone can tell.
    """
    found = np.full(len(minimised), -1)
    for row, values in enumerate(minimised):
        margin = 2 * np.hypot(doubt, doubt[row])
        as_good = (minimised <= values + margin).all(axis=1)
        better = (minimised < values - margin).any(axis=1)
        others = np.flatnonzero(as_good & better)
        if len(others):
            excess = (
                np.maximum(minimised[others] - values, 0) / np.where(margin[others] > 0, margin[others], 1)
            ).sum(axis=1)
            found[row] = others[np.argmin(excess)]
    return found


def thinned(minimised: Matrix, count: int) -> NDArray[np.int64]:
    """At most `count` rows of a front, ascending.

    The best of each column and the knee first, then always the row farthest from all rows taken so far.
    """
    if len(minimised) <= count:
        return np.arange(len(minimised))
    values = scaled(minimised, spans_decades(minimised))
    taken = list(dict.fromkeys([knee(minimised), *np.argmin(values, axis=0).tolist()]))[:count]
    distance = np.min(np.linalg.norm(values[:, None] - values[taken][None], axis=2), axis=1)
    while len(taken) < count:
        farthest = int(np.argmax(distance))
        taken.append(farthest)
        distance = np.minimum(distance, np.linalg.norm(values - values[farthest], axis=1))
    return np.array(sorted(taken))
