"""What a control does to the view."""

from typing import Any

import made
import numpy as np
import pytest

from dashboard import controls, interactions
from dashboard.scale import STEPS, Scale
from dashboard.view import View

DESIGNS = made.designs(300)
SCALES = controls.limited(DESIGNS)
VIEW = View(x="tpot_s", y="bits_per_byte", colour="serving.tables.tier")


def use(control: Any, value: Any, view: View = VIEW) -> View:
    return interactions.apply(view, control, value, DESIGNS, SCALES)


def test_a_box_limits_both_axes_in_si_and_none_lifts_them() -> None:
    view = use("brush", {"box": [[20.0, 10.0], [2.2, 2.3]]})
    assert view.limits["tpot_s"] == pytest.approx((0.01, 0.02))
    assert view.limits["bits_per_byte"] == pytest.approx((2.2, 2.3))
    assert use("brush", {"none": True}, view).limits == {}


def test_a_lasso_is_a_polygon_in_si_and_other_axes_drop_it() -> None:
    view = use("brush", {"lasso": [[10.0, 20.0, 20.0], [2.2, 2.2, 2.3]]})
    assert np.array(view.lasso) == pytest.approx(np.array([(0.01, 2.2), (0.02, 2.2), (0.02, 2.3)]))
    assert use("axis-x", "usd_per_mtok", view).lasso == ()


def test_a_slider_at_its_ends_is_no_limit() -> None:
    control = {"type": "limit", "column": "tpot_s"}
    assert use(control, [0, STEPS]).limits == {}
    low, high = use(control, [0, 100]).limits["tpot_s"]
    assert low is None and high == pytest.approx(SCALES["tpot_s"].value(100))


@pytest.mark.parametrize("scale", [Scale(0.001, 1.0, True), Scale(2.0, 3.0)])
def test_a_slider_stands_where_its_value_is(scale: Scale) -> None:
    for position in (0, 13, 100, STEPS):
        assert scale.position(scale.value(position)) == pytest.approx(position, abs=0.01)


def test_a_what_if_is_kept_until_undone_and_prices_fall_with_another_scenario() -> None:
    view = use({"type": "change", "quantity": "dram"}, 120)
    view = use({"type": "change", "quantity": "context"}, 150, view)
    assert set(view.change) == {"dram", "context"}
    assert view.change["context"] == round(view.change["context"])
    assert set(use("scenario", "pre_shortage", view).change) == {"context"}
    assert set(use({"type": "act", "do": "undo", "on": "context"}, 1, view).change) == {"dram"}


def test_clicks_open_and_pick_only_designs_that_are_there() -> None:
    assert use("click", {"trial": 7}).trial == 7
    assert use("click", {"trial": 99999}).trial is None
    assert use("table", {"colId": "pick", "rowId": "5"}).picks == (5,)
    assert use("table", {"colId": "tpot_s", "rowId": "5"}).trial == 5
    assert use("table", {"colId": "tpot_s", "rowId": "../etc"}) == VIEW


def test_a_saved_selection_shows_its_designs_again() -> None:
    view = interactions.save(use("brush", {"box": [[0.0, 12.0], [0.0, 3.0]]}), "fast", DESIGNS)
    kept = set(view.saved["fast"])
    assert kept == set(DESIGNS.trials[DESIGNS.kept(view) & DESIGNS.front].tolist())
    again = use({"type": "act", "do": "show", "on": "fast"}, 1, use("reset", 1, view))
    assert set(DESIGNS.trials[DESIGNS.kept(again)].tolist()) == kept


@pytest.mark.parametrize(
    ("control", "value"),
    [("brush", {"box": "x"}), ("axis-x", "no_such"), ("click", "x"), ("page-choice", "x"), ("parallel", [None]),
     ({"type": "change", "quantity": "no"}, 3), ({"type": "limit", "column": "no"}, [1, 2]), ("unknown", 1)],
)  # fmt: skip
def test_nonsense_changes_nothing(control: Any, value: Any) -> None:
    assert use(control, value) == VIEW
