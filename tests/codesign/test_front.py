"""Fronts against their definitions."""

import numpy as np
import pytest

from codesign.front import hypervolume, knee, non_dominated, scaled, spans_decades, thinned, ties

generator = np.random.default_rng(0)


def _dominated_by_definition(values: np.ndarray) -> np.ndarray:
    return np.array([any((w <= v).all() and (w < v).any() for w in values) for v in values])


@pytest.mark.parametrize("objectives", [1, 2, 4])
def test_non_dominated_is_its_definition(objectives: int) -> None:
    values = generator.integers(0, 6, (60, objectives)).astype(float)
    assert (non_dominated(values) == ~_dominated_by_definition(values)).all()
    one_of_equals = values[non_dominated(values, keep_equal=False)]
    assert len(np.unique(one_of_equals, axis=0)) == len(one_of_equals)


def test_rows_that_are_not_finite_are_on_no_front_and_keep_nobody_off_it() -> None:
    values = np.array([[1.0, 1.0], [-np.inf, 0.0], [np.nan, 0.0]])
    assert non_dominated(values).tolist() == [True, False, False]


def test_hypervolume_of_boxes() -> None:
    reference = np.array([4.0, 4.0])
    assert hypervolume(np.array([[1.0, 3.0], [3.0, 1.0], [5.0, 0.0]]), reference) == pytest.approx(3 + 3 - 1)
    assert hypervolume(np.zeros((0, 2)), reference) == 0


def test_the_knee_is_the_balanced_member_whatever_the_units() -> None:
    front = np.array([[0.0, 1.0], [0.2, 0.2], [1.0, 0.0]])
    assert knee(front) == 1
    assert knee(front * [1e-3, 1e6]) == 1
    assert knee(np.array([[2.0, 3.0]])) == 0


def test_knee_compares_costs_by_ratio() -> None:
    front = np.array([[1.0, 1000.0], [30.0, 30.0], [1000.0, 1.0]])
    assert spans_decades(front).all()
    assert knee(front) == 1


def test_maximised_columns_scale_the_same_way_round() -> None:
    front = np.array([[-1000.0, 3.0], [-10.0, 1.0], [-100.0, 2.0]])  # first column: minus the throughput
    assert scaled(front, np.array([True, False]))[:, 0].tolist() == pytest.approx([0.0, 1.0, 0.5])


def test_thinning_keeps_the_extremes_and_the_knee_and_spreads() -> None:
    x = np.linspace(0.01, 1, 500)
    front = np.stack([x, 0.01 / x], axis=1)
    kept = thinned(front, 12)
    assert len(kept) == len(set(kept.tolist())) == 12
    assert {0, 499, knee(front)} <= set(kept.tolist())
    gaps = np.diff(scaled(front, spans_decades(front))[kept, 0])
    assert gaps.max() < 0.2
    assert thinned(front[:5], 12).tolist() == [0, 1, 2, 3, 4]


def test_members_that_only_noise_keeps_on_a_front_are_tied() -> None:
    #                  loss, cost
    values = np.array([[2.000, 9.0], [2.003, 5.0], [2.004, 5.0], [2.500, 1.0]])
    doubt = np.array([[0.002, 0.0]] * 4)
    assert ties(values, doubt).tolist() == [1, -1, -1, -1]
    assert ties(values, 0 * doubt).tolist() == [-1, -1, 1, -1]
    # cheaper by a hair and worse by ten standard errors: no tie
    assert ties(np.array([[2.0, 5.0], [2.05, 4.9]]), doubt[:2]).tolist() == [-1, -1]
