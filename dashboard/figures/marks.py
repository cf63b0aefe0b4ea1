"""What stands out in the trade-off, and what it is called: the knee, extremes, published designs, the chosen ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dashboard.designs import Designs
from dashboard.figures import style
from dashboard.figures.points import Painter
from dashboard.view import View

Trace = dict[str, Any]


@dataclass(frozen=True)
class Reference:
    """A published design as a mark: its name and its figures in SI, by column name."""

    name: str
    figures: dict[str, float]


def shapes(designs: Designs, view: View) -> list[Trace]:
    """Rings around the compared designs and the open one, as shapes: they change without the points.

    None in three dimensions, where they are traces.
    """
    if view.z in designs.columns or not {view.x, view.y} <= set(designs.columns):
        return []
    opened = designs.opened(view)
    found = [(trial, "ABCD"[n], 10, "middle right") for n, trial in enumerate(view.picks)]
    found += [] if opened is None else [(opened, f"#{opened}", 12, "bottom center")]
    accent, rings = style.theme(view.theme).accent, []
    for trial, text, radius, where in found:
        row = designs.row(trial)
        x, y = (float(designs.values(name)[row]) if row is not None else np.nan for name in (view.x, view.y))
        if np.isfinite(x) and np.isfinite(y):
            beside = {"yanchor": "top"} if where.startswith("bottom") else {"xanchor": "left"}
            rings.append({
                "type": "path", "path": _circle(radius), "xsizemode": "pixel", "ysizemode": "pixel",
                "xanchor": x, "yanchor": y, "line": {"width": 2, "color": accent},
                "label": {"text": text, "textposition": where, "padding": 1, "font": {"size": 11, "color": accent},
                          **beside},
            })  # fmt: skip
    return rings


def _circle(r: float) -> str:
    """A circle of so many pixels around its anchor, of four Bézier curves.

    Plotly's own circle takes no corner left of its anchor where the axis is logarithmic.
    """
    k = 0.5523 * r  # control points of a quarter of a circle
    quarters = [(r, k, k, r, 0, r), (-k, r, -r, k, -r, 0), (-r, -k, -k, -r, 0, -r), (k, -r, r, -k, r, 0)]
    return f"M{r},0" + "".join(" C{},{} {},{} {},{}".format(*quarter) for quarter in quarters) + " Z"


def chosen(painter: Painter) -> list[Trace]:
    """Rings around the compared designs and the open one, in depth."""
    row, view = painter.designs.row, painter.view
    letters = {found: "ABCD"[n] for n, trial in enumerate(view.picks) if (found := row(trial)) is not None}
    trial = painter.designs.opened(view)
    opened = row(trial)
    names = {} if opened is None else {opened: f"#{trial}"}
    accent = painter.look.accent
    return [
        *_rings(painter, letters, "compared", accent, 21, "middle right"),
        *_rings(painter, names, "open", accent, 25, "bottom center"),
    ]


def marks(painter: Painter, references: tuple[Reference, ...]) -> tuple[list[Trace], list[Trace]]:
    """Rings around the knee and the best of each axis, stars for published designs; and their names as notes."""
    designs, words = painter.designs, dict[int, str]()
    if (knee := designs.row(designs.knee)) is not None:
        words[knee] = "knee"
    for name, trial in designs.extremes().items():
        row = designs.row(trial)
        if name in painter.axes and row is not None:
            words[row] = ", ".join(
                [*([words[row]] if row in words else []), f"best {designs.columns[name].label}"]
            )
    traces = _rings(painter, words, "knee and extremes", painter.look.ink, 17)
    notes = _notes(painter, words)
    stars = [one for one in references if all(name in one.figures for name in painter.axes)]
    if stars:
        at = {axis: [star.figures[name] * designs.columns[name].factor for star in stars]
              for axis, name in zip("xyz", painter.axes, strict=False)}  # fmt: skip
        traces.append(_stars(painter, stars, at))
        for number, (star, near) in enumerate(zip(stars, _crowded(painter, at), strict=True)):
            if not near:
                place = {axis: values[number] for axis, values in at.items()}
                notes.append(_note(painter, place, star.name, xanchor="left", xshift=10, quiet=True))
    return traces, notes


def _stars(painter: Painter, stars: list[Reference], at: dict[str, list[float]]) -> Trace:
    flat = painter.flat
    return {
        "type": "scatter" if flat else "scatter3d", "mode": "markers", "name": "published", **at,
        "hovertext": [style.escape(star.name) + ", published, on the knee's system" for star in stars],
        "hoverinfo": "text",
        "marker": {"symbol": "star" if flat else "diamond", "size": 12 if flat else 5, "color": painter.look.paper,
                   "line": {"width": 1.5, "color": painter.look.ink}},
    }  # fmt: skip


def _rings(
    painter: Painter, words: dict[int, str], name: str, colour: str, size: int, where: str = ""
) -> list[Trace]:
    """Rings around rows, with their words beside them where a place is given."""
    if not words:
        return []
    flat = painter.flat
    texts = {
        "mode": "markers+text", "text": [style.escape(text) for text in words.values()], "textposition": where,
        "textfont": {"size": 11, "color": colour},
    }  # fmt: skip
    return [{
        "type": "scatter" if flat else "scatter3d", "name": name, **painter.at(np.array(list(words), int)),
        **({"cliponaxis": False} if flat else {}), **(texts if where else {"mode": "markers"}),
        "hoverinfo": "skip", "showlegend": False,
        "marker": {"symbol": "circle-open", "size": size if flat else size / 2, "color": colour,
                   "line": {"width": 2, "color": colour}},
    }]  # fmt: skip


def _notes(painter: Painter, names: dict[int, str]) -> list[Trace]:
    """Names above their rows, kept inside of the picture at its edges."""
    notes = []
    for row, text in names.items():
        place = {axis: float(painter.designs.values(name)[row])
                 for axis, name in zip("xyz", painter.axes, strict=False)}  # fmt: skip
        x, y = (float(_along(painter, axis, np.array([place[axis]]))[0]) for axis in "xy")
        anchor = "left" if x < 0.12 else "right" if x > 0.88 else "center"
        notes.append(_note(painter, place, text, xanchor=anchor, yshift=-20 if y > 0.92 else 20))
    return notes


def _note(painter: Painter, place: dict[str, float], text: str, quiet: bool = False, **more: Any) -> Trace:
    """A text on a ground of its own, so that it can be read on top of points. Places as shown."""
    at = {
        axis: float(np.log10(value)) if axis in painter.view.log and value > 0 else value
        for axis, value in place.items()
    }
    font = {"size": 11, "color": painter.look.quiet if quiet else painter.look.ink}
    return {**at, "text": style.escape(text), "showarrow": False, "bgcolor": painter.look.paper, "opacity": 0.9,
            "borderpad": 1, "font": font, **more}  # fmt: skip


def _crowded(painter: Painter, at: dict[str, list[float]]) -> list[bool]:
    """Which marks, in shown units, lie so near another one or a named design that their words would overlap.

    Their names are in the hover.
    """
    designs = painter.designs
    names = [designs.row(trial) for trial in (designs.knee, *designs.extremes().values())]
    taken = [row for row in names if row is not None]
    x, y = (_along(painter, axis, np.concatenate([at[axis], designs.values(name)[taken]]))
            for axis, name in zip("xy", painter.axes, strict=False))  # fmt: skip
    # a name of a dozen letters takes about a sixth of the width, a line a twentieth of the height
    near = (np.abs(x[:, None] - x) < 0.17) & (np.abs(y[:, None] - y) < 0.05)
    np.fill_diagonal(near, False)
    return [bool(one.any()) for one in near[: len(at["x"])]]


def _along(painter: Painter, axis: str, values: np.ndarray) -> np.ndarray:
    """How far along an axis values in shown units lie: 0 and 1 are the ends of the feasible designs."""
    known = painter.designs.values(painter.axes["xyz".index(axis)])[painter.designs.feasible]
    ends = np.array([np.nanmin(known), np.nanmax(known)])
    if axis in painter.view.log:
        values, ends = np.log10(np.maximum(values, 1e-300)), np.log10(np.maximum(ends, 1e-300))
    result: np.ndarray = (values - ends[0]) / (ends[1] - ends[0] or 1.0)
    return result
