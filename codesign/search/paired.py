"""Models trained with the same seeds: means over seeds, and how sure their order is.

One seed means the same starting values and the same text in the same order for all models, so most of what a
seed does is common to them. With the additive model  x[m, s] = model[m] + seed[s] + rest[m, s]  the error of
the difference of two means over S seeds is sqrt(2 r / S), r being the variance of the rest, pooled over all
models ((M - 1)(S - 1) degrees of freedom: a two-way layout without interaction, Box, Hunter & Hunter,
Statistics for Experimenters, ch. 4). Other held-out text would change a difference too: that error comes from
its spread over the held-out windows, and is added in quadrature.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

BEYOND_DOUBT = 2.0  # standard errors, as in `proxy.compare`


@dataclass(frozen=True)
class Order:
    """means: (models,). own: what one model adds to the error of a difference, by seeds alone.
    errors: (models, models), standard errors of the differences, in the unit of the values."""

    means: Matrix
    own: float
    errors: Matrix

    def ranks(self) -> NDArray[np.int64]:
        """1 is the least value."""
        return ranks(self.means)

    def rank_ranges(self) -> list[tuple[int, int]]:
        """The best and the worst rank of each model that its pairwise differences leave open."""
        sure = self._surely_less()
        return [(1 + int(sure[:, m].sum()), len(sure) - int(sure[m].sum())) for m in range(len(sure))]

    def reversed(self, before: Matrix) -> list[tuple[int, int]]:
        """Pairs (better, worse) that `before` had the other way round, where chance is no excuse."""
        sure = self._surely_less()
        return [
            (a, b)
            for a in range(len(before))
            for b in range(len(before))
            if sure[a, b] and before[a] > before[b]
        ]

    def _surely_less(self) -> NDArray[np.bool_]:
        """[a, b]: a is less than b beyond doubt."""
        return np.asarray((self.means[None, :] - self.means[:, None]) > BEYOND_DOUBT * self.errors)


def order(values: Matrix, windows: Matrix, own: float) -> Order:
    """The order of models by their values of shape (models, seeds), less is better.

    windows: (models, windows), the value of each held-out window, averaged over the seeds. own: what one
    model's seed adds to the error of a difference; used where one seed or one model measures nothing of it.
    """
    models, seeds = values.shape
    if models > 1 and seeds > 1:
        rest = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
        own = float(np.sqrt((rest**2).sum() / ((models - 1) * (seeds - 1))))
    own /= seeds**0.5
    errors = np.zeros((models, models))
    for a in range(models):
        spread = (windows - windows[a]).std(axis=1, ddof=1) if windows.shape[1] > 1 else np.zeros(models)
        errors[a] = np.hypot(2**0.5 * own, spread / max(1, windows.shape[1]) ** 0.5)
        errors[a, a] = 0.0
    return Order(values.mean(axis=1), own, errors)


def ranks(values: Matrix) -> NDArray[np.int64]:
    """1 for the least value; equal values in their own order."""
    found = np.empty(len(values), dtype=np.int64)
    found[np.argsort(values, kind="stable")] = np.arange(1, len(values) + 1)
    return found
