"""Designs that are alike are evaluated once, and every design gets its own results back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost_models.distinct import Distinct


@given(
    st.lists(
        st.tuples(st.integers(-3, 3), st.sampled_from([0.0, -0.0, 1e-300, 1e300])), min_size=1, max_size=200
    )
)
def test_each_combination_is_kept_once_and_found_again(rows: list[tuple[int, float]]) -> None:
    one, two = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = Distinct({"one": one, "two": two, "three": 7.0})
    columns = found.columns
    assert len(columns["one"]) == len(set(rows))  # -0.0 == 0.0
    assert (columns["three"] == 7.0).all()
    again = found.spread({"one": columns["one"], "both": np.stack([columns["two"], columns["one"]])})
    np.testing.assert_array_equal(again["one"], one)
    np.testing.assert_array_equal(again["both"], np.stack([two, one]))


@pytest.mark.parametrize("different", [1, 50, 20_000])
def test_many_designs_whose_hashes_share_places(different: int) -> None:
    """Where all differ, every second place of the table is wanted by several of them."""
    column = np.random.default_rng(0).permutation(np.arange(20_000) % different) * 1.0
    found = Distinct({"column": column})
    assert sorted(found.columns["column"]) == list(range(different))
    np.testing.assert_array_equal(found.spread(dict(found.columns))["column"], column)


def test_names_follow_their_designs() -> None:
    found = Distinct({"batch": np.array([1.0, 2.0, 1.0, 2.0])})
    names = found.first(np.array(["a", "b", "a", "b"]))
    assert dict(zip(found.columns["batch"], names, strict=True)) == {1.0: "a", 2.0: "b"}
    assert found.first("same") == "same"
