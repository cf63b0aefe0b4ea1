"""Colours, symbols and the layout that all figures share.

Categorical colours: Okabe and Ito, "Color Universal Design" (2008), distinguishable with every common colour
blindness; the black of the original gives way to the theme's ink, its yellow is left out of the light theme (too
faint on white). Continuous colours: Cividis (Nuñez, Anderton, Renslow, PLoS ONE 2018).
"""

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Figure = dict[str, Any]

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "pentagon", "hexagram", "triangle-down")


@dataclass(frozen=True)
class Theme:
    """The colours of one theme, equal to those in assets/style.css."""

    paper: str
    ink: str
    quiet: str
    grid: str
    accent: str
    categories: tuple[str, ...]


LIGHT = Theme(
    "#ffffff", "#1b2330", "#566072", "#dfe4ec", "#0b5cad",
    ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#8a6d00", "#1b2330"),
)  # fmt: skip
DARK = Theme(
    "#171d27", "#e8ecf3", "#a3aec0", "#303a4a", "#7cc0ff",
    ("#56B4E9", "#E69F00", "#2fc79c", "#e79bc4", "#F0E442", "#ff8a3d", "#7aa8ff", "#e8ecf3"),
)  # fmt: skip
SCALE = "Cividis"
CIVIDIS = (
    "#00224e",
    "#35456c",
    "#666970",
    "#948e77",
    "#c8b866",
    "#fee838",
)  # the same, where a scale has more parts


def theme(name: str) -> Theme:
    """The theme of a view; the light one where it names none."""
    return DARK if name == "dark" else LIGHT


def packed(values: NDArray[Any] | list[Any]) -> Any:
    """Numbers as Plotly's binary arrays: a third of the JSON, and nothing to parse in the browser."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        return array.tolist()
    if array.dtype != np.uint8:
        array = array.astype("<f4" if array.dtype.kind == "f" else "<i4")
    shape = {"shape": ",".join(map(str, array.shape))} if array.ndim > 1 else {}
    return {
        "dtype": array.dtype.str[1:],
        "bdata": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode(),
        **shape,
    }


def halves(colours: tuple[str, ...]) -> list[list[Any]]:
    """A colour scale's upper half, from 0.5 to 1."""
    return [[0.5 + 0.5 * n / (len(colours) - 1), colour] for n, colour in enumerate(colours)]


def layout(name: str, **more: Any) -> dict[str, Any]:
    """The layout of a figure: transparent, the page's font and ink, little margin."""
    look = theme(name)
    base: dict[str, Any] = {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, 'DejaVu Sans', sans-serif", "size": 12, "color": look.ink},
        "margin": {"l": 62, "r": 12, "t": 8, "b": 46},
        "colorway": list(look.categories),
        "hoverlabel": {"bgcolor": look.paper, "bordercolor": look.quiet, "font": {"color": look.ink}},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 11}},
        "xaxis": axis(name), "yaxis": axis(name),
    }  # fmt: skip
    return {**base, **more}


def axis(name: str, title: str = "", **more: Any) -> dict[str, Any]:
    """An axis with its title, quiet grid and plain numbers."""
    look = theme(name)
    return {
        "title": {"text": title, "font": {"size": 12}, "standoff": 8},
        "gridcolor": look.grid, "linecolor": look.quiet, "zeroline": False, "automargin": True,
        "tickfont": {"size": 11, "color": look.quiet}, "exponentformat": "SI", "separatethousands": True,
        "minorloglabels": "complete",  # 2,000 rather than 2 between 1,000 and 10,000
        **more,
    }  # fmt: skip


def empty(name: str, reason: str) -> Figure:
    """A figure that cannot be drawn says why."""
    return {
        "data": [],
        "layout": layout(
            name,
            xaxis={"visible": False}, yaxis={"visible": False},
            annotations=[{"text": reason, "showarrow": False, "x": 0.5, "y": 0.5, "xref": "paper",
                          "yref": "paper", "font": {"size": 13, "color": theme(name).quiet}}],
        ),
    }  # fmt: skip


def escape(text: str) -> str:
    """Text for a figure: Plotly reads a small HTML in labels, and names come from outside."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
