"""Ranks and their doubt against simulated truth, and against cases that can be done by hand."""

import numpy as np
import pytest

from codesign.search import paired


def _draw(generator: np.random.Generator, truth: np.ndarray, seeds: int, rest: float) -> np.ndarray:
    common = generator.normal(0, 0.05, seeds)  # what a seed does to all models alike
    return truth[:, None] + common + generator.normal(0, rest, (len(truth), seeds))


def test_the_error_of_a_difference_by_hand() -> None:
    """Two models, two seeds: the differences are 1 and 3, so 2 with standard deviation sqrt 2, error 1."""
    order = paired.order(np.array([[0.0, 10.0], [1.0, 13.0]]), np.zeros((2, 1)), own=99.0)
    assert order.means[1] - order.means[0] == 2.0
    assert order.errors[0, 1] == pytest.approx(1.0)


def test_what_a_seed_does_to_all_models_does_not_count() -> None:
    generator = np.random.default_rng(0)
    values = _draw(generator, np.linspace(2, 2.1, 6), 4, 0.001)
    shifted = values + np.array([0.0, 5.0, -3.0, 1.0])
    plain, moved = (paired.order(v, np.zeros((6, 1)), 0.0) for v in (values, shifted))
    assert np.allclose(plain.errors, moved.errors)
    assert plain.ranks().tolist() == moved.ranks().tolist() == [1, 2, 3, 4, 5, 6]


def test_the_stated_errors_hold_the_true_differences() -> None:
    """Of 2 standard errors 95 % is expected; six models and three seeds, pooled: 10 degrees of freedom."""
    generator = np.random.default_rng(1)
    truth, inside = np.array([2.0, 2.0, 2.01, 2.02, 2.05, 2.1]), []
    for _ in range(400):
        order = paired.order(_draw(generator, truth, 3, 0.01), np.zeros((6, 1)), 0.0)
        off = (order.means[:, None] - order.means) - (truth[:, None] - truth)
        inside.append((np.abs(off) <= 2 * order.errors)[np.triu_indices(6, 1)].mean())
    assert 0.90 < np.mean(inside) < 0.97


def test_rank_ranges_hold_the_true_ranks_and_reversals_are_real() -> None:
    generator = np.random.default_rng(2)
    truth = np.array([2.0, 2.001, 2.05, 2.1])
    order = paired.order(_draw(generator, truth, 5, 0.005), np.zeros((4, 1)), 0.0)
    for true, (low, high) in zip([1, 2, 3, 4], order.rank_ranges(), strict=True):
        assert low <= true <= high
    assert order.rank_ranges()[:2] == [(1, 2), (1, 2)]  # a tie stays one
    assert order.reversed(truth) == []
    assert (2, 3) in order.reversed(np.array([2.0, 2.0, 2.2, 2.1]))
    assert (0, 1) not in order.reversed(truth[::-1]) and (1, 0) not in order.reversed(truth[::-1])


def test_one_seed_takes_the_recipe_s_own_error_and_the_windows_add_theirs() -> None:
    alone = paired.order(np.array([[1.0], [2.0]]), np.array([[1.0, 1.0], [2.0, 2.0]]), own=0.3)
    assert alone.errors[0, 1] == pytest.approx(0.3 * 2**0.5)
    windows = np.array([[1.0, 1.0], [1.5, 2.5]])  # differences 0.5 and 1.5: mean 1 with error 0.5
    assert paired.order(np.array([[1.0], [2.0]]), windows, own=0.0).errors[0, 1] == pytest.approx(0.5)
