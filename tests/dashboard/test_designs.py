"""What the page's value says of itself: polygons, limits, projected fronts."""

import made
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dashboard.designs import inside, projected_front
from dashboard.view import View


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30))
def test_the_projected_front_is_what_no_other_point_beats(points: list[tuple[int, int]]) -> None:
    x, y = np.array(points, float).T
    found = projected_front(x, y)
    beaten = [
        any((x[j] <= x[i] and y[j] <= y[i]) and (x[j] < x[i] or y[j] < y[i]) for j in range(len(x)))
        for i in range(len(x))
    ]
    assert {(x[i], y[i]) for i in found} == {(x[i], y[i]) for i in range(len(x)) if not beaten[i]}
    assert (np.diff(x[found]) > 0).all()


def test_a_polygon_holds_what_lies_in_it() -> None:
    x, y = np.meshgrid(np.arange(-1, 4) + 0.5, np.arange(-1, 4) + 0.5)
    corner = ((0.0, 0.0), (3.0, 0.0), (3.0, 1.0), (1.0, 1.0), (1.0, 3.0), (0.0, 3.0))  # an L
    held = inside(x.ravel(), y.ravel(), corner).reshape(x.shape)
    expected = (x > 0) & (y > 0) & (((x < 3) & (y < 1)) | ((x < 1) & (y < 3)))
    assert (held == expected).all()


def test_limits_values_and_lasso_each_keep_what_they_say() -> None:
    designs = made.designs(300)
    tpot = designs.table["tpot_s"].to_numpy()
    assert (designs.kept(View(limits={"tpot_s": (None, 0.02)})) == (tpot <= 0.02)).all()
    tiers = designs.table["serving.tables.tier"].to_numpy()
    assert (
        designs.kept(View(only={"serving.tables.tier": ("dram", "ssd")})) == np.isin(tiers, ["dram", "ssd"])
    ).all()
    box = ((0.01, 2.0), (0.02, 2.0), (0.02, 3.0), (0.01, 3.0))
    view = View(x="tpot_s", y="bits_per_byte", lasso=box)
    assert (designs.kept(view) == ((tpot > 0.01) & (tpot < 0.02))).all()


def test_a_limit_through_the_address_still_holds_the_design_it_was_set_at() -> None:
    designs = made.designs(300)
    for value in designs.table["tpot_s"]:
        view = View.parse(View(limits={"tpot_s": (value, value)}).query())
        assert designs.kept(view)[designs.table["tpot_s"] == value].all()


def test_unknown_columns_in_an_address_limit_nothing() -> None:
    designs = made.designs(50)
    assert designs.kept(View(limits={"nothing": (1.0, 2.0)}, only={"__class__": ("x",)})).all()
