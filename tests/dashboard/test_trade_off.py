"""The scatter: every design once, marks where they belong, names as text."""

import base64
from dataclasses import replace
from typing import Any

import made
import numpy as np
import pytest

from dashboard.designs import Designs
from dashboard.figures import front, parallel, points
from dashboard.figures.marks import Reference
from dashboard.view import View

VIEW = View(x="tpot_s", y="bits_per_byte", z="none", colour="serving.tables.tier")


def ids(trace: dict[str, Any]) -> list[int]:
    """The trials of a trace."""
    return list(trace.get("customdata", []))


def drawn(designs: Designs, view: View) -> list[int]:
    """Trials of all points that can be clicked."""
    return sorted(trial for trace in front.draw(designs, view)["data"] for trial in ids(trace))


@pytest.mark.parametrize(
    "colour", ["none", "serving.tables.tier", "model.engram_share", "tpot_s", "system.accelerators"]
)
@pytest.mark.parametrize("count", [200, 3000])
def test_every_design_is_drawn_once(colour: str, count: int) -> None:
    designs = made.designs(count)
    assert drawn(designs, replace(VIEW, colour=colour)) == list(range(count))
    assert drawn(designs, replace(VIEW, colour=colour, z="usd_per_mtok")) == list(range(count))


def test_front_only_leaves_the_front() -> None:
    designs = made.designs(300)
    assert drawn(designs, replace(VIEW, front_only=True)) == sorted(designs.trials[designs.front].tolist())


def test_points_outside_the_limits_stay_as_shadows_and_the_axes_stay_where_they_are() -> None:
    designs = made.designs(300)
    limited = replace(VIEW, limits={"tpot_s": (None, 0.02)})
    figure, free = front.draw(designs, limited), front.draw(designs, VIEW)
    shadows = next(trace for trace in figure["data"] if trace["name"] == "outside your limits")
    outside = designs.trials[designs.feasible & (designs.table["tpot_s"] > 0.02).to_numpy()]
    assert sorted(ids(shadows)) == sorted(outside.tolist())
    assert figure["layout"]["xaxis"]["autorangeoptions"] == free["layout"]["xaxis"]["autorangeoptions"]


def test_many_designs_become_a_density_with_the_whole_front_on_top() -> None:
    designs = made.designs(points.MOST_GL_POINTS + 1)
    figure = front.draw(designs, VIEW)
    assert {trace["type"] for trace in figure["data"]} == {"heatmap", "scatter"}  # no WebGL for the few left
    assert drawn(designs, VIEW) == sorted(designs.trials[designs.front].tolist())
    z = next(trace for trace in figure["data"] if trace["type"] == "heatmap")["z"]
    shades = np.frombuffer(base64.b64decode(z["bdata"]), z["dtype"])
    beaten = int((designs.feasible & ~designs.front).sum())
    assert z["shape"] == "120,120" and len(shades) == 120 * 120
    assert 0 < np.count_nonzero(shades) <= beaten and shades.max() == 255


def test_limits_are_a_box_in_depth() -> None:
    designs = made.designs(100)
    deep = replace(VIEW, z="usd_per_mtok", limits={"tpot_s": (None, 0.02)})
    box = next(trace for trace in front.draw(designs, deep)["data"] if trace["name"] == "your limits")
    corners = {p for p in zip(box["x"], box["y"], box["z"], strict=True) if None not in p}
    assert len(corners) == 8 and len(box["x"]) == 12 * 3
    assert max(x for x, _, _ in corners) == pytest.approx(20) and box["type"] == "scatter3d"
    free = replace(deep, limits={})
    assert all(trace["name"] != "your limits" for trace in front.draw(designs, free)["data"])


def test_axes_carry_label_unit_and_which_way_is_better() -> None:
    layout = front.draw(made.designs(50), VIEW)["layout"]
    assert layout["xaxis"]["title"]["text"] == "TPOT (ms) · lower is better"


def test_names_from_outside_are_text() -> None:
    designs = made.designs(60)
    table = designs.table.assign(**{"serving.tables.tier": "<b onclick=x>&"})
    figure = front.draw(replace(designs, table=table), VIEW)
    texts = [str(trace.get(key, "")) for trace in figure["data"] for key in ("name", "hovertemplate")]
    assert not any("<b onclick" in text for text in texts)
    assert any("&lt;b onclick" in text for text in texts)


def test_published_designs_appear_where_both_figures_are_known() -> None:
    designs = made.designs(60)
    stars = (Reference("engram-27b", {"tpot_s": 0.01, "usd_per_mtok": 0.3}),)
    costs = front.draw(designs, replace(VIEW, y="usd_per_mtok"), stars)["data"]
    assert [trace["x"] for trace in costs if trace["name"] == "published"] == [[10.0]]
    assert not [trace for trace in front.draw(designs, VIEW, stars)["data"] if trace["name"] == "published"]


def test_an_empty_study_says_so() -> None:
    designs = made.designs(60)
    nothing = replace(designs, table=designs.table.iloc[:0])
    assert "no trial has finished" in front.draw(nothing, VIEW)["layout"]["annotations"][0]["text"]


def test_a_brush_on_a_parallel_axis_becomes_a_limit_and_back() -> None:
    designs = made.designs(300)
    number = parallel.dimensions(designs).index("tpot_s")
    view = parallel.brushed(designs, VIEW, {f"dimensions[{number}].constraintrange": [[5.0, 20.0]]})
    assert view.limits["tpot_s"] == pytest.approx((0.005, 0.02))
    axis = parallel.draw(designs, view)["data"][0]["dimensions"][number]
    assert axis["constraintrange"] == pytest.approx([5.0, 20.0])
    assert parallel.brushed(designs, view, {f"dimensions[{number}].constraintrange": None}).limits == {}


def test_a_brush_on_a_parallel_axis_of_names_keeps_those_names() -> None:
    designs = made.designs(300)
    number = parallel.dimensions(designs).index("serving.tables.tier")
    view = parallel.brushed(designs, VIEW, {f"dimensions[{number}].constraintrange": [[0.7, 2.2]]})
    assert view.only == {"serving.tables.tier": ("dram", "hbm")}  # of cxl, dram, hbm, ssd


@pytest.mark.parametrize(
    "path", ["dimensions[99].constraintrange", "dimensions[x].constraintrange", "line.color", ""]
)
def test_what_is_no_brush_changes_nothing(path: str) -> None:
    assert parallel.brushed(made.designs(60), VIEW, {path: [[1, 2]]}) == VIEW
