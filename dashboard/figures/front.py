"""The trade-off: any two or three figures of all designs, the front of this projection, and what stands out."""

from typing import Any

import numpy as np

from dashboard.columns import Column
from dashboard.designs import Designs
from dashboard.figures import marks, style
from dashboard.figures.points import Painter
from dashboard.view import View

CAMERA = {
    "eye": {"x": 1.55, "y": 1.55, "z": 0.9},
    "center": {"x": 0, "y": 0, "z": -0.12},
}  # all axes and their titles


def draw(
    designs: Designs,
    view: View,
    references: tuple[marks.Reference, ...] = (),
    zoom: dict[str, Any] | None = None,
) -> style.Figure:
    """The scatter of the view's axes.

    Feasible designs that the limits keep are coloured; dominated ones are faint; infeasible ones are grey
    crosses. Points carry their trial number as `customdata`. zoom: {of: uirevision, x: [..], y: [..]}, the ranges
    that the user has zoomed to, kept while the axes are the same.
    """
    if view.x not in designs.columns or view.y not in designs.columns:
        return style.empty(view.theme, "choose two axes")
    if not len(designs):
        return style.empty(view.theme, "no trial has finished yet; designs appear here as they do")
    kept, feasible = designs.kept(view), designs.feasible
    flat = view.z not in designs.columns
    painter = Painter(designs, view)
    shown = kept & feasible
    data = [] if flat else [*painter.box(), *marks.chosen(painter)]
    outside = feasible & ~kept
    if outside.any() and not painter.dense:
        data.append(painter.outside(outside & (designs.front if view.front_only else True)))
    if not view.front_only:
        data += painter.crosses(kept & ~feasible)
        data += (
            painter.density(shown & ~designs.front)
            if painter.dense
            else painter.points(shown & ~designs.front, faint=True)
        )
    if flat and designs.ghost is not None:
        data += painter.ghost(designs.ghost)
    if flat:
        data += painter.front_line(shown)
    data += painter.points(shown & designs.front, faint=False)
    marked, notes = marks.marks(painter, references)
    data += marked
    axes = {axis: designs.columns[getattr(view, axis)] for axis in ("x", "y") + (() if flat else ("z",))}
    settings = {
        name: style.axis(
            view.theme,
            heading(column) if flat else style.escape(column.title),
            type="log" if name in view.log else "linear",
            autorangeoptions=span(designs, column, name in view.log),
        )
        for name, column in axes.items()
    }
    # zoom survives new trials and limits, but not other axes
    steady = f"{view.x}|{view.y}|{view.z}|{','.join(view.log)}"
    if flat and zoom and zoom.get("of") == steady:
        for axis in ("x", "y"):
            if zoom.get(axis):
                settings[axis] |= {"range": zoom[axis], "autorange": False}
    shape: dict[str, Any] = (
        {"xaxis": settings["x"], "yaxis": settings["y"], "dragmode": "select", "selectdirection": "any",
         "annotations": notes, "shapes": marks.shapes(designs, view)}
        if flat
        else {"scene": {
            **{f"{name}axis": {**value, "backgroundcolor": "rgba(0,0,0,0)"} for name, value in settings.items()},
            "annotations": notes, "camera": CAMERA,
        }}
    )  # fmt: skip
    margin = {"l": 62, "r": 12, "t": 40, "b": 46} if flat else {"l": 0, "r": 0, "t": 30, "b": 0}
    return {
        "data": data,
        "layout": style.layout(view.theme, uirevision=steady, hovermode="closest", margin=margin, **shape),
    }


def span(designs: Designs, column: Column, log: bool) -> dict[str, float]:
    """Ends that the automatic range of an axis keeps to: those of the feasible designs, with a little room.

    Not a fixed range: that would take the zoom away whenever a new trial moves it.
    """
    values = designs.values(column.name)
    known = values[(designs.feasible if designs.feasible.any() else True) & np.isfinite(values)]
    if log:
        known = np.log10(known[known > 0])
    if not len(known):
        return {}
    low, high = float(known.min()), float(known.max())
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    ends = (low - room, high + room)
    clip = [10**end for end in ends] if log else list(ends)
    return {"clipmin": clip[0], "clipmax": clip[1]}


def heading(column: Column) -> str:
    """The title of an axis: label, unit and which way is better."""
    better = {"minimize": "lower is better", "maximize": "higher is better"}.get(column.direction, "")
    return style.escape(column.title) + (f" · {better}" if better else "")
