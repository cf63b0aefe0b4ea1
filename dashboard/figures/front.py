"""The trade-off: any two or three figures of all designs, the front of this projection, and what stands out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboard.columns import Column
from dashboard.designs import Designs, Mask, projected_front
from dashboard.figures import style
from dashboard.view import View

# Beyond these an SVG, then a WebGL scatter, gets slow in the browser.
MOST_SVG_POINTS = 2_000
MOST_GL_POINTS = 5_000  # where no graphics card helps; the table still holds every design
CAMERA = {
    "eye": {"x": 1.55, "y": 1.55, "z": 0.9},
    "center": {"x": 0, "y": 0, "z": -0.12},
}  # all axes and their titles


@dataclass(frozen=True)
class Reference:
    """A published design as a mark: its name and its figures in SI, by column name."""

    name: str
    figures: dict[str, float]


def draw(
    designs: Designs, view: View, references: tuple[Reference, ...] = (), zoom: dict[str, Any] | None = None
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
    painter = _Painter(designs, view)
    shown = kept & feasible
    data = [] if flat else painter.chosen()
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
    marked, notes = painter.marks(references)
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
         "annotations": notes, "shapes": rings(designs, view)}
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


def rings(designs: Designs, view: View) -> list[dict[str, Any]]:
    """Rings around the compared designs and the open one, as shapes: they change without the points.

    None in three dimensions, where they are traces.
    """
    if view.z in designs.columns or not {view.x, view.y} <= set(designs.columns):
        return []
    opened = designs.opened(view)
    found = [(trial, "ABCD"[n], 10, "middle right") for n, trial in enumerate(view.picks)]
    found += [] if opened is None else [(opened, f"#{opened}", 12, "bottom center")]
    accent, shapes = style.theme(view.theme).accent, []
    for trial, text, radius, where in found:
        row = designs.row(trial)
        x, y = (float(designs.values(name)[row]) if row is not None else np.nan for name in (view.x, view.y))
        if np.isfinite(x) and np.isfinite(y):
            beside = {"yanchor": "top"} if where.startswith("bottom") else {"xanchor": "left"}
            shapes.append({
                "type": "path", "path": _circle(radius), "xsizemode": "pixel", "ysizemode": "pixel",
                "xanchor": x, "yanchor": y, "line": {"width": 2, "color": accent},
                "label": {"text": text, "textposition": where, "padding": 1, "font": {"size": 11, "color": accent},
                          **beside},
            })  # fmt: skip
    return shapes


def _circle(r: float) -> str:
    """A circle of so many pixels around its anchor, of four Bézier curves.

    Plotly's own circle takes no corner left of its anchor where the axis is logarithmic.
    """
    k = 0.5523 * r  # control points of a quarter of a circle
    quarters = [(r, k, k, r, 0, r), (-k, r, -r, k, -r, 0), (-r, -k, -k, -r, 0, -r), (k, -r, r, -k, r, 0)]
    return f"M{r},0" + "".join(" C{},{} {},{} {},{}".format(*quarter) for quarter in quarters) + " Z"


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


class _Painter:
    """The traces of one scatter; they share the axes and the colours."""

    def __init__(self, designs: Designs, view: View) -> None:
        self.designs, self.view = designs, view
        self.look = style.theme(view.theme)
        self.axes = [name for name in (view.x, view.y, view.z) if name in designs.columns]
        self.flat = len(self.axes) == 2
        self.dense = self.flat and len(designs) > MOST_GL_POINTS
        points = np.count_nonzero(designs.front) if self.dense else len(designs)
        # starting WebGL takes a second of the first view where no graphics card helps
        self.kind = "scatter3d" if not self.flat else "scattergl" if points > MOST_SVG_POINTS else "scatter"
        self.colour = designs.columns.get(view.colour)

    def _at(self, rows: NDArray[Any], designs: Designs | None = None) -> dict[str, Any]:
        source = designs or self.designs
        return {axis: style.packed(source.values(name)[rows])
                for axis, name in zip("xyz", self.axes, strict=False)}  # fmt: skip

    def _trace(self, rows: NDArray[Any], name: str, hover: bool = True, **more: Any) -> dict[str, Any]:
        lines = [
            f"{style.escape(self.designs.columns[column].label)} %{{{axis}:.4~g}} {self.designs.columns[column].unit}"
            for axis, column in zip("xyz", self.axes, strict=False)
        ]
        quality = next((name for name in self.axes if name in self.designs.doubts), "")
        tied = self.designs.tied[rows] if quality and hover else np.zeros(len(rows), bool)
        ties = (
            [f"<br>tied with the best {self.designs.columns[quality].label}" if tie else "" for tie in tied]
            if tied.any()
            else []
        )
        template = (
            "<b>#%{customdata}</b> "
            + style.escape(name)
            + "<br>"
            + "<br>".join(lines)
            + ("%{text}" if ties else "")
            + "<extra></extra>"
        )
        return {
            "type": self.kind, "mode": "markers", "name": style.escape(name), **self._at(rows),
            "customdata": self.designs.trials[rows].tolist(),  # Dash looks points up in it, and needs a list
            **({"text": ties} if ties else {}),
            **({"hovertemplate": template} if hover else {"hoverinfo": "skip"}), **more,
        }  # fmt: skip

    def points(self, mask: Mask, faint: bool) -> list[dict[str, Any]]:
        size = (5 if faint else 10) if self.flat else (3 if faint else 6)
        opacity = 0.3 if faint else 1.0
        if self.colour is None or not mask.any():
            rows = np.flatnonzero(mask)
            marker: dict[str, Any] = {"size": size, "opacity": opacity, "color": self.look.categories[0]}
            return [self._trace(rows, "dominated" if faint else "Pareto front", marker=marker)]
        if self.colour.numeric and not few_levels(self.designs, self.colour):
            rows = np.flatnonzero(mask)
            values = self.designs.values(self.colour.name)
            known = values[self.designs.feasible & np.isfinite(values)]
            marker = {
                "size": size, "opacity": opacity, "color": style.packed(values[rows]), "colorscale": style.SCALE,
                "cmin": float(known.min(initial=np.inf)) if len(known) else 0,
                "cmax": float(known.max(initial=-np.inf)) if len(known) else 1,
                "showscale": not faint, "line": {"width": 0 if faint else 1, "color": self.look.quiet},
                "colorbar": {"title": {"text": style.escape(self.colour.title), "side": "right"}, "thickness": 12,
                             "outlinewidth": 0, "len": 0.9},
            }  # fmt: skip
            return [self._trace(rows, "dominated" if faint else "Pareto front", marker=marker)]
        texts = self.designs.texts(self.colour.name)
        groups = categories(self.designs, self.colour)
        traces = []
        for number, group in enumerate(groups):
            rest = number == len(style.SYMBOLS) - 1 and len(groups) > len(style.SYMBOLS)
            chosen = mask & (~np.isin(texts, groups[:number]) if rest else texts == group)
            rows = np.flatnonzero(chosen)
            if len(rows):
                symbol = style.SYMBOLS[number] if self.flat else style.SYMBOLS[number % 3]
                marker = {
                    "size": size,
                    "opacity": opacity,
                    "color": self.look.categories[number],
                    "symbol": symbol,
                }
                title = "others" if rest else named(self.colour, group)
                traces.append(
                    self._trace(rows, title, marker=marker, legendgroup=title, showlegend=not faint)
                )
            if rest:
                break
        return traces

    def _doubt(self, rows: NDArray[Any]) -> dict[str, Any]:
        """Error bars of one standard error, for every axis whose figure has one."""
        bars: dict[str, Any] = {}
        for axis, name in zip("xy", self.axes, strict=True):
            if name in self.designs.doubts:
                error = self.designs.table[self.designs.doubts[name]].to_numpy(float)[rows]
                factor = self.designs.columns[name].factor
                bars[f"error_{axis}"] = {"type": "data", "array": np.nan_to_num(error * factor).tolist(),
                                         "thickness": 1, "width": 3, "color": self.look.quiet}  # fmt: skip
        return bars

    def outside(self, mask: Mask) -> dict[str, Any]:
        """Feasible designs that the limits leave out: there, but no more."""
        marker = {"size": 4 if self.flat else 2, "opacity": 0.35, "color": self.look.quiet}
        return self._trace(np.flatnonzero(mask), "outside your limits", marker=marker)

    def crosses(self, mask: Mask) -> list[dict[str, Any]]:
        rows = np.flatnonzero(mask)
        if not len(rows) or self.dense:
            return []
        marker = {"symbol": "x-thin" if self.flat else "x", "size": 6 if self.flat else 2, "opacity": 0.45,
                  "color": self.look.quiet, "line": {"width": 1, "color": self.look.quiet}}  # fmt: skip
        return [self._trace(rows, "infeasible", marker=marker)]

    def density(self, mask: Mask) -> list[dict[str, Any]]:
        """A picture of how many dominated designs lie where, once single points no longer show."""
        values = [self.designs.values(name)[mask] for name in self.axes]
        logs = [axis in self.view.log for axis in "xy"]
        known = np.isfinite(values[0]) & np.isfinite(values[1])
        for number, log in enumerate(logs):
            known &= values[number] > 0 if log else True
        if not known.any():
            return []
        edges = [np.histogram_bin_edges(np.log10(v[known]) if log else v[known], 120)
                 for v, log in zip(values, logs, strict=True)]  # fmt: skip
        scaled = [np.log10(v[known]) if log else v[known] for v, log in zip(values, logs, strict=True)]
        counts, _, _ = np.histogram2d(scaled[1], scaled[0], bins=[edges[1], edges[0]])
        centres = [(e[1:] + e[:-1]) / 2 for e in edges]
        x, y = (10**c if log else c for c, log in zip(centres, logs, strict=True))
        faint = style.theme(self.view.theme)
        return [{
            "type": "heatmap", "x": style.packed(x), "y": style.packed(y),
            "z": [[None if not n else float(np.log10(n)) for n in row] for row in counts],
            "colorscale": [[0, faint.grid], [1, faint.quiet]], "showscale": False, "hoverinfo": "skip",
            "name": "dominated", "zsmooth": False,
        }]  # fmt: skip

    def front_line(self, mask: Mask) -> list[dict[str, Any]]:
        rows = np.flatnonzero(mask)
        columns = [self.designs.columns[name] for name in self.axes]
        if not len(rows) or not all(column.direction for column in columns):
            return []
        line = rows[projected_front(*(self.designs.cost(name)[rows] for name in self.axes))]
        doubt = self._doubt(line)
        name = "front of these two" + (" ± 1 s.e." if doubt else "")
        return [*self._tied(mask), self._line({**self._at(line), **doubt}, name, self.look.ink, "solid")]

    def _tied(self, mask: Mask) -> list[dict[str, Any]]:
        """The strip in which a figure with doubt cannot be told apart from the best of the front."""
        name = next((name for name in self.axes if name in self.designs.doubts), "")
        best = self.designs.row(self.designs.extremes().get(name)) if name else None
        among = mask & self.designs.tied
        if best is None or not among.any():
            return []
        axis = "xyz"[self.axes.index(name)]
        values = self.designs.values(name)
        rows = np.flatnonzero(among)
        ends = float(values[best]), float(values[rows[np.argmax(self.designs.cost(name)[rows])]])
        span = self.designs.values(self.axes[1 if axis == "x" else 0])[self.designs.feasible]
        low, high = float(np.nanmin(span)), float(np.nanmax(span))
        along, across = [low, high, high, low, low], [ends[0], ends[0], ends[1], ends[1], ends[0]]
        at = {"x": across, "y": along} if axis == "x" else {"x": along, "y": across}
        return [{"type": "scatter", "mode": "lines", "fill": "toself", "hoverinfo": "skip", **at,
                 "name": f"tied in {self.designs.columns[name].label}", "line": {"width": 0},
                 "fillcolor": self.look.accent + "1c"}]  # fmt: skip

    def ghost(self, before: Designs) -> list[dict[str, Any]]:
        """The front of these two axes before the what-if, as a dotted line."""
        rows = np.flatnonzero(before.feasible & before.kept(self.view))
        if not len(rows) or not all(self.designs.columns[name].direction for name in self.axes):
            return []
        line = rows[projected_front(*(before.cost(name)[rows] for name in self.axes))]
        return [self._line(self._at(line, before), "before the change", self.look.quiet, "dot")]

    def _line(self, at: dict[str, Any], name: str, colour: str, dash: str) -> dict[str, Any]:
        """A staircase, not a slope: between two designs there is no third one."""
        shape = "hv" if self.designs.columns[self.view.y].sign > 0 else "vh"
        return {"type": "scatter", "mode": "lines", "name": name, "hoverinfo": "skip", **at,
                "line": {"color": colour, "width": 1.4, "dash": dash, "shape": shape}}  # fmt: skip

    def marks(self, references: tuple[Reference, ...]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Rings around the knee and the best of each axis, stars for published designs; and their names as notes."""
        words: dict[int, list[str]] = {}
        if (knee := self.designs.row(self.designs.knee)) is not None:
            words.setdefault(knee, []).append("knee")
        best = self.designs.extremes()
        for name in self.axes:
            if name in best:
                words.setdefault(self.designs.row(best[name]) or 0, []).append(
                    f"best {self.designs.columns[name].label}"
                )
        traces = self._rings(words, "knee and extremes", self.look.ink, 17)
        notes = self._notes({row: ", ".join(texts) for row, texts in words.items()})
        stars = [
            reference for reference in references if all(name in reference.figures for name in self.axes)
        ]
        if stars:
            at = {axis: [star.figures[name] * self.designs.columns[name].factor for star in stars]
                  for axis, name in zip("xyz", self.axes, strict=False)}  # fmt: skip
            traces.append({
                "type": "scatter" if self.flat else "scatter3d", "mode": "markers", "name": "published", **at,
                "hovertext": [style.escape(star.name) + ", published, on the knee's system" for star in stars],
                "hoverinfo": "text",
                "marker": {"symbol": "star" if self.flat else "diamond", "size": 12 if self.flat else 5,
                           "color": self.look.paper, "line": {"width": 1.5, "color": self.look.ink}},
            })  # fmt: skip
            for number, (star, near) in enumerate(zip(stars, self._crowded(at), strict=True)):
                if not near:
                    place = {axis: values[number] for axis, values in at.items()}
                    notes.append(self._note(place, star.name, xanchor="left", xshift=10, quiet=True))
        return traces, notes

    def _notes(self, names: dict[int, str]) -> list[dict[str, Any]]:
        """Names above their rows, kept inside of the picture at its edges."""
        notes = []
        for row, text in names.items():
            place, along = {}, {}
            for axis, name in zip("xyz", self.axes, strict=False):
                values = self.designs.values(name)
                place[axis] = float(values[row])
                known = values[self.designs.feasible & np.isfinite(values)]
                ends = [float(known.min()), float(known.max()), place[axis]]
                if axis in self.view.log:
                    ends = [float(np.log10(max(end, 1e-300))) for end in ends]
                along[axis] = (ends[2] - ends[0]) / (ends[1] - ends[0] or 1.0)
            anchor = "left" if along["x"] < 0.12 else "right" if along["x"] > 0.88 else "center"
            notes.append(self._note(place, text, xanchor=anchor, yshift=-20 if along["y"] > 0.92 else 20))
        return notes

    def _note(self, place: dict[str, float], text: str, quiet: bool = False, **more: Any) -> dict[str, Any]:
        """A text on a ground of its own, so that it can be read on top of points. Places as shown."""
        at = {
            axis: float(np.log10(value)) if axis in self.view.log and value > 0 else value
            for axis, value in place.items()
        }
        font = {"size": 11, "color": self.look.quiet if quiet else self.look.ink}
        return {**at, "text": style.escape(text), "showarrow": False, "bgcolor": self.look.paper, "opacity": 0.9,
                "borderpad": 1, "font": font, **more}  # fmt: skip

    def _crowded(self, at: dict[str, list[float]]) -> list[bool]:
        """Which marks, in shown units, lie so near another one or a named design that their words would overlap.

        Their names are in the hover.
        """
        names = [self.designs.row(trial) for trial in (self.designs.knee, *self.designs.extremes().values())]
        taken = [row for row in names if row is not None]
        places = []
        for axis, name in zip("xy", self.axes, strict=False):
            values, feasible = self.designs.values(name), self.designs.feasible
            marks = np.concatenate([np.asarray(at[axis]), values[taken]])
            ends = np.array([np.nanmin(values[feasible]), np.nanmax(values[feasible])])
            if axis in self.view.log:
                marks, ends = np.log10(np.maximum(marks, 1e-300)), np.log10(np.maximum(ends, 1e-300))
            places.append((marks - ends[0]) / (ends[1] - ends[0] or 1.0))
        count = len(at["x"])
        # a name of a dozen letters takes about a sixth of the width, a line a twentieth of the height
        near = [[abs(places[0][i] - places[0][j]) < 0.17 and abs(places[1][i] - places[1][j]) < 0.05
                 for j in range(len(places[0])) if j != i] for i in range(count)]  # fmt: skip
        return [any(row) for row in near]

    def chosen(self) -> list[dict[str, Any]]:
        """Rings around the compared designs and the open one, in depth."""
        letters = {
            row: ["ABCD"[n]]
            for n, trial in enumerate(self.view.picks)
            if (row := self.designs.row(trial)) is not None
        }
        trial = self.designs.opened(self.view)
        opened = self.designs.row(trial)
        names = {} if opened is None else {opened: [f"#{trial}"]}
        return [
            *self._rings(letters, "compared", self.look.accent, 21, "middle right"),
            *self._rings(names, "open", self.look.accent, 25, "bottom center"),
        ]

    def _rings(
        self, words: dict[int, list[str]], name: str, colour: str, size: int, where: str = ""
    ) -> list[dict[str, Any]]:
        """Rings around rows, with their words beside them where a place is given."""
        if not words:
            return []
        marker: dict[str, Any] = {"symbol": "circle-open", "size": size if self.flat else size / 2, "color": colour,
                                  "line": {"width": 2, "color": colour}}  # fmt: skip
        texts = {
            "mode": "markers+text", "text": [style.escape(", ".join(texts)) for texts in words.values()],
            "textposition": where, "textfont": {"size": 11, "color": colour},
        }  # fmt: skip
        flat = {"cliponaxis": False} if self.flat else {}
        return [{
            "type": "scatter" if self.flat else "scatter3d", "name": name, **self._at(np.array(list(words), int)),
            **flat, **(texts if where else {"mode": "markers"}), "hoverinfo": "skip", "marker": marker,
            "showlegend": False,
        }]  # fmt: skip


def named(column: Column, text: str) -> str:
    """What the legend calls a value: a name says what it is; a number, a yes and a nothing need their label."""
    if text == "-":
        return f"no {column.label}"
    return f"{column.label} {text}" if column.numeric or text in ("yes", "no") else text


def few_levels(designs: Designs, column: Column) -> bool:
    """Whether a parameter has so few values that each can have a colour of its own."""
    return column.role == "parameter" and designs.table[column.name].nunique() <= len(style.SYMBOLS)


def categories(designs: Designs, column: Column) -> list[str]:
    """The values of a column as text: few in their order, many by how often they occur (the rest shares a colour)."""
    counts = designs.table[column.name].value_counts()
    values = sorted(counts.index) if len(counts) <= len(style.SYMBOLS) else list(counts.index)
    return list(dict.fromkeys([*map(column.text, values), *np.unique(designs.texts(column.name)).tolist()]))
