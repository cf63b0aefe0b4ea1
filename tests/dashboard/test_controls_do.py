"""What a control does to the view."""

from dataclasses import replace
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


def test_the_sliders_below_a_picture_in_depth_limit_what_its_axes_show() -> None:
    deep = replace(VIEW, z="system.accelerators")
    view = use({"type": "depth", "axis": "x"}, [0, 100], deep)
    assert view.limits == {"tpot_s": (None, pytest.approx(SCALES["tpot_s"].value(100)))}
    view = use(
        {"type": "depth", "axis": "z"}, [50, STEPS], view
    )  # a parameter, which has no slider at the left
    assert view.limits["system.accelerators"] == (pytest.approx(1 + 7 / 4), None)
    assert controls.depth_positions(DESIGNS, view, "z", SCALES) == [50, STEPS]
    assert use({"type": "depth", "axis": "z"}, [50, 90], VIEW) == VIEW  # no depth


@pytest.mark.parametrize("scale", [Scale(0.001, 1.0, True), Scale(2.0, 3.0)])
def test_a_slider_stands_where_its_value_is(scale: Scale) -> None:
    for position in (0, 13, 100, STEPS):
        assert scale.position(scale.value(position)) == pytest.approx(position, abs=0.01)


@pytest.mark.parametrize(
    ("text", "ms"), [("30", 30.0), ("1.5k", 1500.0), ("1,500", 1500.0), (" 2e1 ", 20.0), ("", None)]
)
def test_a_limit_may_be_typed_in_the_shown_unit_and_an_empty_field_lifts_it(
    text: str, ms: float | None
) -> None:
    field = {"type": "bound", "column": "tpot_s", "end": "high"}
    before = VIEW.limit("tpot_s", 0.001, 0.5)
    view = use(field, text, before)
    assert view.limits["tpot_s"] == (0.001, None if ms is None else pytest.approx(ms / 1e3))
    assert use(field, "thirty", before) == before
    if ms:
        assert float(controls.bounds(DESIGNS, view, "tpot_s")[1].replace(",", "")) == ms


def test_a_what_if_may_be_typed_and_keeps_to_the_ends_of_its_slider() -> None:
    field = {"type": "asked", "quantity": "dram"}
    assert use(field, "61.5").change == {"dram": 61.5}
    assert use(field, "1e9").change == {"dram": 120}


def test_choices_within_limits_are_the_best_of_what_is_left() -> None:
    half = float(DESIGNS.table["usd_per_mtok"].quantile(0.3))
    view = VIEW.limit("usd_per_mtok", None, half)
    left = DESIGNS.table[DESIGNS.kept(view) & DESIGNS.front]
    for name in DESIGNS.objectives:
        opened = use({"type": "act", "do": "take", "on": name}, 1, view)
        assert opened.trial == int(left["trial"].loc[left[name].idxmin()])
    assert DESIGNS.opened(view) in set(left["trial"])
    assert DESIGNS.opened(VIEW.limit("usd_per_mtok", None, 1e-9)) is None


def test_a_what_if_is_kept_until_undone_and_prices_fall_with_another_scenario() -> None:
    view = use({"type": "change", "quantity": "dram"}, 120)
    view = use({"type": "change", "quantity": "context"}, 150, view)
    assert set(view.change) == {"dram", "context"}
    assert view.change["context"] == round(view.change["context"])
    assert set(use("scenario", "pre_shortage", view).change) == {"context"}
    assert set(use({"type": "asked", "quantity": "context"}, "", view).change) == {"dram"}


def test_clicks_open_and_pick_only_designs_that_are_there() -> None:
    assert use("click", {"trial": 7}).trial == 7
    assert use("click", {"trial": 99999}).trial is None
    assert use("table", {"colId": "pick", "rowId": "5"}).picks == (5,)
    assert use("table", {"colId": "tpot_s", "rowId": "5"}).trial == 5
    assert use("table", {"colId": "tpot_s", "rowId": "../etc"}) == VIEW


def test_a_saved_selection_shows_its_designs_again() -> None:
    view = interactions.save(use("brush", {"box": [[0.0, 12.0], [0.0, 3.0]]}), "fast", DESIGNS)
    kept = set(view.saved["fast"])
    assert kept == set(DESIGNS.trials[DESIGNS.kept(view) & DESIGNS.feasible].tolist())
    everything = interactions.save(VIEW, "everything", DESIGNS).saved["everything"]
    assert DESIGNS.feasible.sum() > interactions.MOST_TRIALS
    assert set(everything) <= set(DESIGNS.trials[DESIGNS.front].tolist()), "of many, the front alone"
    again = use({"type": "act", "do": "show", "on": "fast"}, 1, use("reset", 1, view))
    assert set(DESIGNS.trials[DESIGNS.kept(again)].tolist()) == kept


@pytest.mark.parametrize(
    ("control", "value"),
    [("brush", {"box": "x"}), ("axis-x", "no_such"), ("click", "x"), ("page-choice", "x"), ("parallel", [None]),
     ({"type": "change", "quantity": "no"}, 3), ({"type": "limit", "column": "no"}, [1, 2]), ("unknown", 1)],
)  # fmt: skip
def test_nonsense_changes_nothing(control: Any, value: Any) -> None:
    assert use(control, value) == VIEW
