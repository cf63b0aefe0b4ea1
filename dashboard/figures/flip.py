"""The phase diagram: who wins where over two what-if quantities, and the price history as a path through it."""

from typing import Any

import numpy as np

from dashboard import phase, whatif
from dashboard.figures import style
from dashboard.view import View


def draw(phases: phase.Phases, view: View, history: list[tuple[str, float]]) -> style.Figure:
    """Cells coloured by the choice that wins there; white marks the DRAM price over time where it is an axis."""
    look = style.theme(view.theme)
    choices = phases.choices()[: len(look.categories)]
    if not choices:
        return style.empty(view.theme, "nothing is feasible anywhere here")
    x, y = (whatif.QUANTITIES[name] for name in (view.flip_x, view.flip_y))
    codes = [[choices.index(phases.names[int(row)]) if row >= 0 and phases.names[int(row)] in choices else None
              for row in line] for line in phases.winners]  # fmt: skip
    texts = [[_said(phases, int(row)) for row in line] for line in phases.winners]
    last = max(1, len(choices) - 1)
    scale: list[list[Any]] = []
    for number in range(len(choices)):
        colour = look.categories[number]
        scale += [[number / len(choices), colour], [(number + 1) / len(choices), colour]]
    data: list[dict[str, Any]] = [{
        "type": "heatmap", "x": phases.x.tolist(), "y": phases.y.tolist(), "z": codes, "text": texts,
        "customdata": [[phases.trials.get(int(row)) for row in line] for line in phases.winners],
        "zmin": -0.5, "zmax": last + 0.5 if len(choices) > 1 else 0.5, "colorscale": scale,
        "showscale": False, "opacity": 0.85,
        "hovertemplate": f"{x.label} %{{x:.3~g}} {x.unit}<br>{y.label} %{{y:.3~g}} {y.unit}<br>"
        "%{text}<extra></extra>",
    }]  # fmt: skip
    for number, name in enumerate(choices):
        data.append({"type": "scatter", "mode": "markers", "x": [None], "y": [None], "name": style.escape(name),
                     "marker": {"color": look.categories[number], "size": 12, "symbol": "square"}})  # fmt: skip
    if "dram" in (view.flip_x, view.flip_y):
        data.append(_path(history, view, look))
    settings = {
        axis: style.axis(view.theme, f"{quantity.label} ({quantity.unit})", type="log" if quantity.log else "linear",
                         showgrid=False, **({"dtick": "D2"} if quantity.log else {}))
        for axis, quantity in (("xaxis", x), ("yaxis", y))
    }  # fmt: skip
    notes = [_label(phases, name, look, (x.log, y.log)) for name in choices]
    return {"data": data, "layout": style.layout(view.theme, annotations=notes, **settings)}


def _said(phases: phase.Phases, row: int) -> str:
    if row < 0:
        return "nothing feasible"
    trial = phases.trials.get(row)
    return style.escape(phases.names[row]) + (
        f" (#{trial})" if trial is not None else " (not a trial of the study)"
    )


def _label(phases: phase.Phases, name: str, look: style.Theme, logs: tuple[bool, bool]) -> dict[str, Any]:
    """The name of a choice in the cell of its region that is nearest to the region's middle."""
    ys, xs = np.nonzero(phases.where(name))
    nearest = int(np.argmin((xs - xs.mean()) ** 2 + (ys - ys.mean()) ** 2))
    x, y = phases.x[xs[nearest]], phases.y[ys[nearest]]
    return {"x": float(np.log10(x) if logs[0] else x), "y": float(np.log10(y) if logs[1] else y), "showarrow": False,
            "text": style.escape(name), "bgcolor": look.paper, "opacity": 0.85, "borderpad": 3,
            "font": {"size": 12, "color": look.ink}}  # fmt: skip


def _path(history: list[tuple[str, float]], view: View, look: style.Theme) -> dict[str, Any]:
    """The DRAM price over time, left to right or upwards, low on the other axis."""
    shown = [(date, price) for date, price in history if price >= whatif.QUANTITIES["dram"].low]
    prices = [price for _, price in shown]
    other = whatif.QUANTITIES[view.flip_y if view.flip_x == "dram" else view.flip_x]
    low = [other.scale.value(20)] * len(prices)  # away from the names, which stand in the middle
    dates = [
        date[:7] if n in (0, len(shown) // 2, len(shown) - 1) else "" for n, (date, _) in enumerate(shown)
    ]
    along = {"x": prices, "y": low} if view.flip_x == "dram" else {"x": low, "y": prices}
    return {
        "type": "scatter", "mode": "lines+markers+text", "name": "DRAM price over time", **along, "text": dates,
        "textposition": "top center" if view.flip_x == "dram" else "middle right",
        "textfont": {"size": 11, "color": look.ink}, "line": {"color": look.ink, "width": 1.5},
        "marker": {"size": 7, "color": look.paper, "line": {"color": look.ink, "width": 1.5}},
        "customdata": [date for date, _ in shown], "hovertemplate": "%{customdata}<extra></extra>",
    }  # fmt: skip
