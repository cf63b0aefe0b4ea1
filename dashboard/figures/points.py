"""The designs of the trade-off as points and lines: by colour, outside of the limits, as a density, their front."""

from itertools import combinations, product
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
_BINS = 120  # of a density, on either axis


class Painter:
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

    def at(self, rows: NDArray[Any], designs: Designs | None = None) -> dict[str, Any]:
        """Where some rows lie: axis -> values."""
        source = designs or self.designs
        return {axis: style.packed(source.values(name)[rows])
                for axis, name in zip("xyz", self.axes, strict=False)}  # fmt: skip

    def points(self, mask: Mask, faint: bool) -> list[dict[str, Any]]:
        """Coloured by the view's column: a trace per value where they are few, else one with a scale."""
        look: dict[str, Any] = {
            "size": (5 if faint else 10) if self.flat else (3 if faint else 6), "opacity": 0.3 if faint else 1.0,
        }  # fmt: skip

        def trace(rows: NDArray[Any], title: str, marker: dict[str, Any], **more: Any) -> dict[str, Any]:
            # in two dimensions the line of the front has the error bars
            bars = {} if self.flat or faint else self._doubt(rows)
            return self._trace(rows, title, marker={**look, **marker}, **bars, **more)

        title, rows = "dominated" if faint else "Pareto front", np.flatnonzero(mask)
        if self.colour is None or not len(rows):
            return [trace(rows, title, {"color": self.look.categories[0]})]
        if self.colour.numeric and not few_levels(self.designs, self.colour):
            return [trace(rows, title, self._scaled(self.colour, rows, faint))]
        texts, groups = self.designs.texts(self.colour.name), categories(self.designs, self.colour)
        traces, most = [], len(style.SYMBOLS)
        for number, group in enumerate(groups[:most]):
            rest = number == most - 1 and len(groups) > most
            rows = np.flatnonzero(mask & (~np.isin(texts, groups[:number]) if rest else texts == group))
            if not len(rows):
                continue
            marker = {"color": self.look.categories[number],
                      "symbol": style.SYMBOLS[number if self.flat else number % 3]}  # fmt: skip
            title = "others" if rest else called(self.colour, group)
            traces.append(trace(rows, title, marker, legendgroup=title, showlegend=not faint))
        return traces

    def outside(self, mask: Mask) -> dict[str, Any]:
        """Feasible designs that the limits leave out: there, but no more."""
        marker = {"size": 4 if self.flat else 2, "opacity": 0.35, "color": self.look.quiet}
        return self._trace(np.flatnonzero(mask), "outside your limits", marker=marker)

    def crosses(self, mask: Mask) -> list[dict[str, Any]]:
        """Infeasible designs; none where there are too many points."""
        rows = np.flatnonzero(mask)
        if not len(rows) or self.dense:
            return []
        marker = {"symbol": "x-thin" if self.flat else "x", "size": 6 if self.flat else 2, "opacity": 0.45,
                  "color": self.look.quiet, "line": {"width": 1, "color": self.look.quiet}}  # fmt: skip
        return [self._trace(rows, "infeasible", marker=marker)]

    def density(self, mask: Mask) -> list[dict[str, Any]]:
        """A picture of how many dominated designs lie where, once single points no longer show."""
        logs = [axis in self.view.log for axis in "xy"]
        values = [self.designs.values(name)[mask] for name in self.axes]
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = [np.log10(v) if log else v for v, log in zip(values, logs, strict=True)]
        known = np.isfinite(scaled[0]) & np.isfinite(scaled[1])
        if not known.any():
            return []
        x, y = (v[known] for v in scaled)
        counts, *edges = np.histogram2d(y, x, _BINS)
        centres = [(e[1:] + e[:-1]) / 2 for e in reversed(edges)]
        at = {axis: style.packed(10**c if log else c)
              for axis, c, log in zip("xy", centres, logs, strict=True)}  # fmt: skip
        # a byte per cell: a fifth of the JSON, and nothing to compare element by element in the browser
        shade = np.where(
            counts > 0, 1 + 254 * np.log(np.maximum(counts, 1)) / np.log(max(counts.max(), 2)), 0
        )
        clear = "rgba(0,0,0,0)"
        return [{
            "type": "heatmap", **at, "z": style.packed(shade.astype(np.uint8)), "zmin": 0, "zmax": 255,
            "colorscale": [[0, clear], [0.5 / 255, clear], [0.5 / 255, self.look.grid], [1, self.look.quiet]],
            "showscale": False, "hoverinfo": "skip", "name": "dominated", "zsmooth": False,
        }]  # fmt: skip

    def front_line(self, mask: Mask) -> list[dict[str, Any]]:
        """The front of the two axes with its error bars, and the strip of those that tie with its best."""
        rows = np.flatnonzero(mask)
        if not len(rows) or not all(self.designs.columns[name].direction for name in self.axes):
            return []
        line = rows[projected_front(*(self.designs.cost(name)[rows] for name in self.axes))]
        doubt = self._doubt(line)
        name = "front of these two" + (" ± 1 s.e." if doubt else "")
        return [*self._tied(mask), self._line({**self.at(line), **doubt}, name, self.look.ink, "solid")]

    def box(self) -> list[dict[str, Any]]:
        """In depth, the edges of what the limits keep along the three axes; none where nothing limits them."""
        if self.flat or not set(self.axes) & set(self.view.limits) or not self.designs.feasible.any():
            return []
        ends = []
        for name in self.axes:
            values, factor = (
                self.designs.values(name)[self.designs.feasible],
                self.designs.columns[name].factor,
            )
            low, high = self.view.limits.get(name, (None, None))
            ends.append((float(np.nanmin(values)) if low is None else low * factor,
                         float(np.nanmax(values)) if high is None else high * factor))  # fmt: skip
        corners = list(product(*ends))
        edges = [
            (a, b) for a, b in combinations(corners, 2) if sum(p != q for p, q in zip(a, b, strict=True)) == 1
        ]
        at = {axis: [value for a, b in edges for value in (a[n], b[n], None)] for n, axis in enumerate("xyz")}
        return [{"type": "scatter3d", "mode": "lines", "name": "your limits", "hoverinfo": "skip", **at,
                 "line": {"color": self.look.accent, "width": 3}}]  # fmt: skip

    def ghost(self, before: Designs) -> list[dict[str, Any]]:
        """The front of these two axes before the what-if, as a dotted line."""
        rows = np.flatnonzero(before.feasible & before.kept(self.view))
        if not len(rows) or not all(self.designs.columns[name].direction for name in self.axes):
            return []
        line = rows[projected_front(*(before.cost(name)[rows] for name in self.axes))]
        return [self._line(self.at(line, before), "before the change", self.look.quiet, "dot")]

    def _trace(self, rows: NDArray[Any], name: str, **more: Any) -> dict[str, Any]:
        """Points with their trial numbers and what they say when one points at them."""
        columns = [self.designs.columns[axis] for axis in self.axes]
        lines = [
            f"{style.escape(column.label)} %{{{axis}:.4~g}} {column.unit}"
            for axis, column in zip("xyz", columns, strict=False)
        ]
        quality = next((name for name in self.axes if name in self.designs.doubts), "")
        tied = self.designs.tied[rows] if quality else np.zeros(len(rows), bool)
        tie = f"<br>tied with the best {self.designs.columns[quality].label}" if quality else ""
        return {
            "type": self.kind, "mode": "markers", "name": style.escape(name), **self.at(rows),
            "customdata": self.designs.trials[rows].tolist(),  # Dash looks points up in it, and needs a list
            "hovertemplate": "<br>".join([f"<b>#%{{customdata}}</b> {style.escape(name)}", *lines])
            + ("%{text}" if tied.any() else "") + "<extra></extra>",
            **({"text": [tie if one else "" for one in tied]} if tied.any() else {}), **more,
        }  # fmt: skip

    def _scaled(self, column: Column, rows: NDArray[Any], faint: bool) -> dict[str, Any]:
        """The colours of a column with many values, on a scale over all feasible designs."""
        values = self.designs.values(column.name)
        known = values[self.designs.feasible & np.isfinite(values)]
        return {
            "color": style.packed(values[rows]), "colorscale": style.SCALE, "showscale": not faint,
            "cmin": float(known.min()) if len(known) else 0, "cmax": float(known.max()) if len(known) else 1,
            "line": {"width": 0 if faint else 1, "color": self.look.quiet},
            "colorbar": {"title": {"text": style.escape(column.title), "side": "right"}, "thickness": 12,
                         "outlinewidth": 0, "len": 0.9},
        }  # fmt: skip

    def _doubt(self, rows: NDArray[Any]) -> dict[str, Any]:
        """Error bars of one standard error, for every axis whose figure has one."""
        bars: dict[str, Any] = {}
        for axis, name in zip("xyz", self.axes, strict=False):
            if name in self.designs.doubts:
                error = self.designs.doubt(name)[rows] * self.designs.columns[name].factor
                bars[f"error_{axis}"] = {"type": "data", "array": error.tolist(), "thickness": 1, "width": 3,
                                         "color": self.look.quiet}  # fmt: skip
        return bars

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

    def _line(self, at: dict[str, Any], name: str, colour: str, dash: str) -> dict[str, Any]:
        """A staircase, not a slope: between two designs there is no third one."""
        shape = "hv" if self.designs.columns[self.view.y].sign > 0 else "vh"
        return {"type": "scatter", "mode": "lines", "name": name, "hoverinfo": "skip", **at,
                "line": {"color": colour, "width": 1.4, "dash": dash, "shape": shape}}  # fmt: skip


def called(column: Column, text: str) -> str:
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
