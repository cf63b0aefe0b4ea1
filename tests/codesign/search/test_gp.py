"""The Gaussian process: its gradient, its predictions, its noise."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from codesign.search.gp import GaussianProcess, _loss_and_gradient


def _data(n: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    x = generator.random((n, 3))
    return x, 2.0 + 0.3 * (x[:, 0] - 0.4) ** 2 + 0.1 * x[:, 1] + noise * generator.standard_normal(n)


def test_gradient_is_the_slope_of_the_likelihood() -> None:
    x, y = _data(12, 0.01)
    squares = (x[:, None] - x[None]) ** 2
    target = (y - y.mean()) / y.std()
    theta = np.array([-0.3, 0.2, 0.5, 0.1, -1.5])
    error = np.full(12, 0.1)
    numeric = approx_fprime(theta, lambda t: _loss_and_gradient(t, squares, target, error)[0], 1e-6)
    assert _loss_and_gradient(theta, squares, target, error)[1] == pytest.approx(numeric, rel=1e-3, abs=1e-4)


def test_it_learns_a_smooth_loss() -> None:
    x, y = _data(40, 0.0)
    process = GaussianProcess().fit(x, y, np.zeros(40))
    other, truth = _data(200, 0.0, seed=1)
    mean, deviation = process.predict(other)
    assert np.abs(mean - truth).max() < 0.02
    assert (np.abs(mean - truth) < 4 * deviation + 2e-3).mean() > 0.95


def test_noise_is_averaged_not_followed() -> None:
    x, y = _data(80, 0.05)
    process = GaussianProcess().fit(x, y, np.full(80, 0.05))
    _, truth = _data(80, 0.0)
    mean, _ = process.predict(x)
    assert np.std(mean - truth) < 0.5 * np.std(y - truth)


def test_far_from_data_it_knows_that_it_does_not_know() -> None:
    x, y = _data(30, 0.01)
    process = GaussianProcess().fit(0.2 * x, y, np.full(30, 0.01))
    _, near = process.predict(0.2 * x[:1])
    _, far = process.predict(np.ones((1, 3)))
    assert far[0] > 3 * near[0]


def test_one_and_equal_observations_are_no_trouble() -> None:
    process = GaussianProcess().fit(np.array([[0.5, 0.5]]), np.array([2.0]), np.array([0.01]))
    assert process.predict(np.array([[0.5, 0.5]]))[0] == pytest.approx([2.0])
    process.fit(np.zeros((6, 2)), np.full(6, 2.0), np.zeros(6))
    assert np.isfinite(process.predict(np.ones((2, 2)))[1]).all()
