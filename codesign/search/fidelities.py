"""What short trainings say about long ones: a Gaussian process a fidelity, each the last one's line and more.

    y_k(x) = rho_k y_{k-1}(x) + delta_k(x)

(Kennedy and O'Hagan, Biometrika 87, 2000), where rho is the slope over the models trained at both fidelities,
drawn towards one as if by two further models, and delta a Gaussian process of what is left. With one fidelity
it is a plain Gaussian process. Where short trainings rank models otherwise than long ones, they are not asked
for: see `worth`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from codesign.search.gp import Array, GaussianProcess

_PRIOR_MODELS = 2.0  # that agree, before any was trained at two fidelities


@dataclass(frozen=True)
class Trainings:
    """Trainings of one fidelity. x: (n, features); y: (n,) losses; se: (n,) standard errors; all on one scale.

    seconds: of one training, or 0 where that is not known.
    """

    x: Array
    y: Array
    se: Array
    seconds: float = 0.0


class Ladder:
    """Predicts the loss at the last fidelity from trainings at all of them, cheapest first."""

    def __init__(self, fidelities: int) -> None:
        self._parts = [GaussianProcess() for _ in range(fidelities)]
        self._slopes = [1.0] * fidelities  # the first one is not used
        self.agreement = [1.0] * fidelities  # rank correlation of each with the last one
        self._noise = [0.0] * fidelities
        self._prices = [1.0] * fidelities

    def fit(self, trainings: Sequence[Trainings]) -> None:
        """Condition on the trainings of each fidelity; the first must have some, an empty one says nothing."""
        last = trainings[-1]
        for level, (part, at) in enumerate(zip(self._parts, trainings, strict=True)):
            self._prices[level] = at.seconds / last.seconds if at.seconds and last.seconds else 1.0
            if level == 0:
                part.fit(at.x, at.y, at.se)
                self._noise[0] = _noise(part, at)
                continue
            below, _ = self._predict(at.x, level - 1)
            apart = below - below.mean() if len(below) else below
            weight = _PRIOR_MODELS * float(np.var(trainings[0].y))
            slope = (apart @ at.y + weight) / (apart @ apart + weight) if weight else 1.0
            self._slopes[level] = float(slope)
            if len(at.y):
                part.fit(at.x, at.y - slope * below, at.se)
                self._noise[level] = _noise(part, at)
        for level in range(len(self._parts) - 1):
            self.agreement[level] = _agreement(self._predict(last.x, level)[0], last.y)

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the noise-free loss at the last fidelity: (m,) each."""
        return self._predict(x, len(self._parts) - 1)

    def worth(self, x: Array, level: int) -> Array:
        """What one training at a fidelity tells of the last one, by its price: (m,).

        Its rank agreement with the last one as measured so far, times the share of its outcome that is not known
        yet (deviation against noise), times how many such trainings one of the last fidelity costs; after Huang
        et al., Structural and Multidisciplinary Optimization 32, 2006. 1 for the last fidelity.
        """
        if level == len(self._parts) - 1:
            return np.ones(len(x))
        _, deviation = self._predict(x, level)
        unknown = deviation / np.hypot(deviation, self._noise[level])
        return np.asarray(max(0.0, self.agreement[level]) * unknown / self._prices[level])

    def _predict(self, x: Array, level: int) -> tuple[Array, Array]:
        mean, deviation = self._parts[0].predict(x)
        for slope, part in zip(self._slopes[1 : level + 1], self._parts[1 : level + 1], strict=True):
            if part.fitted:
                more, own = part.predict(x)
                mean, deviation = slope * mean + more, np.hypot(slope * deviation, own)
        return mean, deviation


def _noise(part: GaussianProcess, at: Trainings) -> float:
    return float(np.hypot(np.sqrt(np.mean(at.se**2)), part.noise))


def _agreement(below: Array, last: Array) -> float:
    """Rank correlation of predicted losses at a shorter fidelity with losses at the last one, both (n,)."""
    if len(last) < 2 or np.ptp(below) == 0 or np.ptp(last) == 0:
        return 1.0
    ranks = float(spearmanr(below, last).statistic)
    return (len(last) * ranks + _PRIOR_MODELS) / (len(last) + _PRIOR_MODELS)
