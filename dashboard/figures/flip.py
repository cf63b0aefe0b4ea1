"""The phase diagram: who wins where over two what-if quantities, and the price history as a path through it."""

from typing import Any

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
    codes = [[choices.index(phases.names[int(t)]) if t >= 0 and phases.names[int(t)] in choices else None for t in line]
             for line in phases.winners]  # fmt: skip
    texts = [[f"{phases.names[int(t)]} (#{int(t)})" if t >= 0 else "nothing feasible" for t in line]
             for line in phases.winners]  # fmt: skip
    last = max(1, len(choices) - 1)
    scale: list[list[Any]] = []
    for number in range(len(choices)):
        colour = look.categories[number]
        scale += [[number / len(choices), colour], [(number + 1) / len(choices), colour]]
    data: list[dict[str, Any]] = [{
        "type": "heatmap", "x": phases.x.tolist(), "y": phases.y.tolist(), "z": codes, "text": texts,
        "customdata": phases.winners.tolist(),
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
                         showgrid=False)
        for axis, quantity in (("xaxis", x), ("yaxis", y))
    }  # fmt: skip
    return {"data": data, "layout": style.layout(view.theme, **settings)}


def _path(history: list[tuple[str, float]], view: View, look: style.Theme) -> dict[str, Any]:
    """The DRAM price over time, left to right or upwards, at the middle of the other axis."""
    shown = [(date, price) for date, price in history if price >= whatif.QUANTITIES["dram"].low]
    prices = [price for _, price in shown]
    other = whatif.QUANTITIES[view.flip_y if view.flip_x == "dram" else view.flip_x]
    middle = [other.scale.value(100)] * len(prices)
    dates = [date if n in (0, len(shown) // 2, len(shown) - 1) else "" for n, (date, _) in enumerate(shown)]
    along = {"x": prices, "y": middle} if view.flip_x == "dram" else {"x": middle, "y": prices}
    return {
        "type": "scatter", "mode": "lines+markers+text", "name": "DRAM price over time", **along, "text": dates,
        "textposition": "top center" if view.flip_x == "dram" else "middle right",
        "textfont": {"size": 11, "color": look.ink}, "line": {"color": look.ink, "width": 1.5},
        "marker": {"size": 7, "color": look.paper, "line": {"color": look.ink, "width": 1.5}},
        "customdata": [date for date, _ in shown], "hovertemplate": "%{customdata}<extra></extra>",
    }  # fmt: skip
