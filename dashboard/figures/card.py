"""A card of the insight page: a figure with its title and a line on what to read in it."""

from typing import Any, NamedTuple

from dashboard.figures import style
from dashboard.view import View


class Card(NamedTuple):
    """A figure with its title and what to read in it."""

    title: str
    reading: str
    figure: style.Figure


def nothing(view: View, title: str, reason: str) -> Card:
    """A card that cannot be drawn says why."""
    return Card(title, f"{reason}.", style.empty(view.theme, reason[0].lower() + reason[1:]))


def xy(data: list[dict[str, Any]], view: View, x: str, y: str) -> style.Figure:
    """A figure with two titled axes and no legend."""
    axes = {"xaxis": style.axis(view.theme, x), "yaxis": style.axis(view.theme, y)}
    return {"data": data, "layout": style.layout(view.theme, showlegend=False, **axes)}
