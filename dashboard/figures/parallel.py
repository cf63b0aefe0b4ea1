"""All axes at once: parallel coordinates of the front, at most 300 lines, better is down."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboard.designs import Designs
from dashboard.figures import style
from dashboard.figures.insight import explained
from dashboard.view import View

MOST_LINES = 300
MOST_AXES = 10


def dimensions(designs: Designs) -> list[str]:
    """The columns that get an axis: the objectives, then the parameters that matter most, at most ten in all."""
    rows, goals = np.flatnonzero(designs.front)[:MOST_LINES], designs.objectives[:MOST_AXES]
    varying = [
        column.name
        for column in designs.named("parameter")
        if 1
        < designs.table[column.name].iloc[rows].astype(str).nunique()
        <= (MOST_LINES if column.numeric else 12)
    ]
    strength = {name: max(np.nan_to_num(explained(designs, rows, name, goal)) for goal in goals)
                for name in varying}  # fmt: skip
    chosen = sorted(varying, key=lambda name: -strength[name])[: MOST_AXES - len(goals)]
    return [*goals, *(name for name in varying if name in chosen)]


def draw(designs: Designs, view: View) -> style.Figure:
    """Parallel coordinates of the front's designs; a range drawn on an axis becomes a limit of the view.

    Objectives are turned so that better is down. The lines are those of the front, evenly thinned to 300; those
    that the view leaves out are grey.
    """
    if not designs.front.any():
        return style.empty(view.theme, "no feasible design yet")
    kept = designs.kept(view)
    inside = thinned(np.flatnonzero(designs.front & kept), MOST_LINES)
    outside = thinned(np.flatnonzero(designs.front & ~kept), MOST_LINES - len(inside))
    rows = np.concatenate([outside, inside])
    look = style.theme(view.theme)
    axes: list[dict[str, Any]] = []
    names = dimensions(designs)
    for name in names:
        column = designs.columns[name]
        if column.numeric:
            values = designs.values(name)[rows]
            low, high = float(np.nanmin(values)), float(np.nanmax(values))
            pad = 0.0 if high > low else abs(high) * 0.05 or 1.0
            span = [high + pad, low - pad] if column.direction == "maximize" else [low - pad, high + pad]
            axis: dict[str, Any] = {"values": values.tolist(), "range": span, "tickformat": ".4~g"}
            if name in view.limits:
                ends = view.limits[name]
                axis["constraintrange"] = [
                    low - pad if ends[0] is None else ends[0] * column.factor,
                    high + pad if ends[1] is None else ends[1] * column.factor,
                ]
        else:
            texts = designs.texts(name)
            levels = np.unique(texts).tolist()
            axis = {
                "values": [levels.index(text) for text in texts[rows].tolist()], "tickvals": list(range(len(levels))),
                "ticktext": [style.escape(level)[:14] for level in levels], "range": [-0.3, len(levels) - 0.7],
            }  # fmt: skip
            chosen = [levels.index(value) for value in view.only.get(name, ()) if value in levels]
            if chosen:
                axis["constraintrange"] = [[level - 0.2, level + 0.2] for level in chosen]
        axes.append({"label": style.escape(column.title), **axis})
    # what the limits leave out is grey, also where no axis here shows the limit: below all colours of the others
    quality = np.concatenate([np.full(len(outside), np.nan), designs.values(designs.objectives[0])[inside]])
    low, high = (float(np.nanmin(quality)), float(np.nanmax(quality))) if len(inside) else (0.0, 1.0)
    level = np.where(np.isnan(quality), -1.0, (quality - low) / (high - low or 1.0))
    return {
        "data": [{
            "type": "parcoords", "dimensions": axes, "labelangle": -22, "labelside": "top",
            "labelfont": {"size": 10}, "tickfont": {"size": 10, "color": look.ink},
            "line": {"color": level.tolist(), "cmin": -1, "cmax": 1, "showscale": False,
                     "colorscale": [[0, look.grid], [0.499, look.grid], *style.halves(style.CIVIDIS)]},
            "unselected": {"line": {"color": look.grid, "opacity": 0.4}},
        }],
        "layout": style.layout(view.theme, margin={"l": 84, "r": 56, "t": 92, "b": 20},
                               uirevision=",".join(names)),
    }  # fmt: skip


def thinned(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """So many of some rows at most, evenly taken."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, max(0, most)).astype(int)]


def brushed(designs: Designs, view: View, change: dict[str, Any]) -> View:
    """The view after a range was drawn on an axis; `change` is what Plotly reports: {path: ranges}."""
    names = dimensions(designs)
    for path, ranges in change.items():
        if not path.startswith("dimensions[") or "constraintrange" not in path:
            continue
        number = path[len("dimensions[") :].split("]")[0]
        if not number.isdigit() or int(number) >= len(names):
            continue
        column = designs.columns[names[int(number)]]
        while ranges and isinstance(ranges[0], list) and ranges and len(ranges) == 1:
            ranges = ranges[0]
        if column.numeric:
            ends = np.asarray(ranges, float).ravel() if ranges else None
            view = view.limit(column.name, *((None, None) if ends is None else
                                             (ends.min() / column.factor, ends.max() / column.factor)))  # fmt: skip
            continue
        levels = np.unique(designs.texts(column.name)).tolist()
        spans = np.asarray(ranges, float).reshape(-1, 2) if ranges else np.empty((0, 2))
        chosen = tuple(level for n, level in enumerate(levels) if any(a <= n <= b for a, b in spans))
        only = {name: values for name, values in view.only.items() if name != column.name}
        view = View(**{**vars(view), "only": {**only, **({column.name: chosen} if chosen else {})}})
    return view
