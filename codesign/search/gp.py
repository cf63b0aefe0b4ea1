"""A Gaussian process of the proxy loss: exact, with the noise of every observation.

k(x, x') = a Matern-5/2 over scaled distances; y ~ N(mean + f(x), se^2 + s^2), where se is the standard
error the proxy reports and s^2 one more, fitted noise (seeds and the choice of data are not in se).
Hyperparameters are the maximum of the marginal likelihood with weak log-normal priors (Rasmussen and Williams
2006, chapter 5).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

Array = NDArray[np.float64]

_SQRT5 = np.sqrt(5.0)
_PRIOR_LENGTH, _PRIOR_WIDTH = 1.0, 1.0  # median and log-deviation of length scales, inputs in 0..1
_MOST_FOR_FIT = 200  # observations that hyperparameters are fitted on; the prediction uses all
_SETTLED = 100  # observations from which on a fit starts from the last one only


@dataclass
class GaussianProcess:
    """Fit with `fit`, then `predict`. Hyperparameters are kept for a warm start of the next fit."""

    theta: Array = field(default_factory=lambda: np.zeros(0))  # log: lengths (d), amplitude, noise deviation
    _x: Array = field(default_factory=lambda: np.zeros((0, 0)))
    _chol: Array = field(default_factory=lambda: np.zeros((0, 0)))
    _alpha: Array = field(default_factory=lambda: np.zeros(0))
    _mean: float = 0.0
    _scale: float = 1.0
    _fitted_on: int = 0

    def fit(self, x: Array, y: Array, se: Array) -> "GaussianProcess":
        """Condition on x (n, d) in 0..1, y (n,), standard errors (n,); refits hyperparameters as n grows."""
        self._mean = float(np.mean(y))
        self._scale = float(np.std(y)) or 1.0
        target, error = (y - self._mean) / self._scale, se / self._scale
        if len(self.theta) != x.shape[1] + 2:
            self.theta = _default(x.shape[1])
            self._fitted_on = 0
        if len(y) >= 4 and len(y) >= 1.1 * self._fitted_on:
            chosen = np.arange(len(y))
            if len(y) > _MOST_FOR_FIT:
                chosen = np.random.default_rng(len(y)).choice(len(y), _MOST_FOR_FIT, replace=False)
            starts = [self.theta]
            if 0 < self._fitted_on < _SETTLED:
                starts.append(_default(x.shape[1]))
            self.theta = _maximised(starts, x[chosen], target[chosen], error[chosen])
            self._fitted_on = len(y)
        lengths, amplitude, noise = _split(self.theta)
        covariance = amplitude * _matern(_distance(x, x, lengths)) + np.diag(error**2 + noise)
        self._x = x
        self._chol = cholesky(covariance + 1e-9 * np.eye(len(y)), lower=True)
        self._alpha = cho_solve((self._chol, True), target)
        return self

    @property
    def fitted(self) -> bool:
        """Whether it has seen any observation."""
        return len(self._alpha) > 0

    @property
    def noise(self) -> float:
        """Fitted standard deviation of what the standard errors of the observations leave out."""
        return float(np.exp(self.theta[-1])) * self._scale if self.fitted else 0.0

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the noise-free loss at x (m, d)."""
        lengths, amplitude, _ = _split(self.theta)
        cross = amplitude * _matern(_distance(x, self._x, lengths))
        solved = solve_triangular(self._chol, cross.T, lower=True)
        variance = np.maximum(amplitude - np.sum(solved**2, axis=0), 1e-12)
        return self._mean + self._scale * (cross @ self._alpha), self._scale * np.sqrt(variance)


def _split(theta: Array) -> tuple[Array, float, float]:
    return np.exp(theta[:-2]), float(np.exp(2 * theta[-2])), float(np.exp(2 * theta[-1]))


def _distance(a: Array, b: Array, lengths: Array) -> Array:
    a, b = a / lengths, b / lengths
    square = np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1)[None] - 2 * a @ b.T
    return np.sqrt(np.maximum(square, 0.0))


def _matern(r: Array) -> Array:
    return (1 + _SQRT5 * r + 5 / 3 * r**2) * np.exp(-_SQRT5 * r)


def _default(features: int) -> Array:
    return np.concatenate([np.zeros(features), [0.0, np.log(0.1)]])


def _maximised(starts: Sequence[Array], x: Array, y: Array, error: Array) -> Array:
    squares = (x[:, None, :] - x[None, :, :]) ** 2  # (n, n, d)
    bounds = [(np.log(0.05), np.log(30.0))] * x.shape[1] + [
        (np.log(0.05), np.log(10.0)),
        (np.log(1e-3), np.log(1.0)),
    ]
    best = None
    for initial in starts:
        found = minimize(
            _loss_and_gradient, initial, args=(squares, y, error), jac=True, method="L-BFGS-B", bounds=bounds,
            options={"maxiter": 40},
        )  # fmt: skip
        if best is None or found.fun < best.fun:
            best = found
    assert best is not None
    return np.asarray(best.x)


def _loss_and_gradient(theta: Array, squares: Array, y: Array, error: Array) -> tuple[float, Array]:
    """Negative log posterior of the hyperparameters, and its gradient."""
    n = len(y)
    lengths, amplitude, noise = _split(theta)
    weights = lengths**-2.0
    r = np.sqrt(np.maximum(squares @ weights, 0.0))
    decay = np.exp(-_SQRT5 * r)
    kernel = (1 + _SQRT5 * r + 5 / 3 * r**2) * decay
    covariance = amplitude * kernel + np.diag(error**2 + noise + 1e-9)
    try:
        chol = cholesky(covariance, lower=True)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(theta)
    alpha = cho_solve((chol, True), y)
    value = 0.5 * y @ alpha + np.sum(np.log(np.diag(chol)))
    inner = np.outer(alpha, alpha) - cho_solve((chol, True), np.eye(n))
    # d kernel / d log length_i = 5/3 (1 + sqrt5 r) exp(-sqrt5 r) squares_i / length_i^2
    factor = inner * amplitude * (5 / 3) * (1 + _SQRT5 * r) * decay
    by_length = -0.5 * np.einsum("ij,ijk->k", factor, squares) * weights
    by_amplitude = -0.5 * np.sum(inner * kernel) * 2 * amplitude
    by_noise = -0.5 * np.trace(inner) * 2 * noise
    prior = np.concatenate([
        (theta[:-2] - np.log(_PRIOR_LENGTH)) / _PRIOR_WIDTH**2, [theta[-2] / 1.0], [(theta[-1] - np.log(0.1)) / 1.5**2],
    ])  # fmt: skip
    value += 0.5 * float(
        np.sum((theta[:-2] - np.log(_PRIOR_LENGTH)) ** 2) / _PRIOR_WIDTH**2
        + theta[-2] ** 2 + ((theta[-1] - np.log(0.1)) / 1.5) ** 2
    )  # fmt: skip
    return float(value), np.concatenate([by_length, [by_amplitude, by_noise]]) + prior
