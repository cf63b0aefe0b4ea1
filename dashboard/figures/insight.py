"""What the search has learned: each figure with a one-line reading, pure functions of designs and view.

A card is (title, reading, figure); a figure that cannot be drawn says why.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import stdtrit

from codesign.front import hypervolume, non_dominated
from cost_models.design import Design
from dashboard.designs import Designs
from dashboard.figures import style
from dashboard.view import View

QUALITY = "bits_per_byte"


class Card(NamedTuple):
    """A figure with its title and what to read in it."""

    title: str
    reading: str
    figure: style.Figure


class Parabola(NamedTuple):
    """A fitted U-curve y = a + b x + c x^2, with the covariance of (a, b, c) and the residual degrees of freedom."""

    coefficients: NDArray[np.float64]
    covariance: NDArray[np.float64]
    freedom: int

    def at(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The curve and the half-width of its 95 % confidence band."""
        terms = np.vander(x, 3, increasing=True)
        spread = np.sqrt(np.einsum("ij,jk,ik->i", terms, self.covariance, terms))
        return terms @ self.coefficients, stdtrit(self.freedom, 0.975) * spread

    def lowest(self) -> tuple[float, float] | None:
        """Where the curve is lowest and the standard error of that; None where it has no lowest point.

        Delta method: x* = -b / 2c.
        """
        _, b, c = self.coefficients
        if c <= 0:
            return None
        gradient = np.array([0.0, -1 / (2 * c), b / (2 * c * c)])
        return float(-b / (2 * c)), float(np.sqrt(gradient @ self.covariance @ gradient))


def parabola(x: NDArray[np.float64], y: NDArray[np.float64]) -> Parabola | None:
    """A least-squares parabola; None with fewer than five points or three different x."""
    if len(x) < 5 or len(np.unique(x)) < 3:
        return None
    terms = np.vander(x, 3, increasing=True)
    coefficients, *_ = np.linalg.lstsq(terms, y, rcond=None)
    freedom = len(x) - 3
    variance = float(((y - terms @ coefficients) ** 2).sum() / freedom)
    covariance = variance * np.linalg.inv(terms.T @ terms)
    return Parabola(np.asarray(coefficients, float), np.asarray(covariance, float), freedom)


def models(designs: Designs) -> NDArray[np.int64]:
    """One row of every trained model: the first of each different set of model parameters with a quality."""
    names = [column.name for column in designs.named("parameter") if column.name.startswith("model.")]
    if QUALITY not in designs.columns:
        return np.array([], int)
    known = np.isfinite(designs.table[QUALITY].to_numpy(float))
    firsts = ~designs.table[[*names, QUALITY]].astype(str).duplicated().to_numpy()
    return np.flatnonzero(known & firsts)


def cards(
    designs: Designs, view: View, design: Design | None = None, confirmed: dict[str, Any] | None = None
) -> list[Card]:
    """All cards that say something about this study.

    design: the one that is open, whose text is looked at; confirmed: fidelity -> document of `codesign confirm`.
    """
    from dashboard.figures import confirmed as again  # which needs Card

    result = [card for document in (confirmed or {}).values() if (card := again.card(view, document))]
    rows = models(designs)
    if len(rows):
        result += [share(designs, view, rows), placement(designs, view, rows)]
        result += [size(designs, view, rows)] if "table_bytes" in designs.columns else []
    opened = designs.opened(view)
    if design is not None and opened is not None:
        from dashboard.figures import traffic  # which needs Card

        found = traffic.card(view, design, opened)
        result += [found] if found else []
    result += [progress(designs, view), importance(designs, view), correlation(designs, view)]
    return result


def share(designs: Designs, view: View, rows: NDArray[np.int64]) -> Card:
    """Engram share against loss, with the fitted U-curve and its interval."""
    title, name = "How much Engram?", "model.engram_share"
    if name not in designs.columns:
        return Card(
            title, "The space does not vary the Engram share.", style.empty(view.theme, "one share only")
        )
    look = style.theme(view.theme)
    x, y = designs.table[name].to_numpy(float)[rows], designs.values(QUALITY)[rows]
    known = np.isfinite(x)
    x, y, rows = x[known], y[known], rows[known]
    data = [_dots(designs, rows, x, y, look, QUALITY)]
    curve = parabola(x, y)
    reading = f"{len(rows)} trained models; too few different shares for a curve."
    if curve is not None:
        line = np.linspace(x.min(), x.max(), 60)
        middle, half = curve.at(line)
        data = [
            _band(line, middle - half, middle + half, look),
            {"type": "scatter", "mode": "lines", "x": line.tolist(), "y": middle.tolist(), "hoverinfo": "skip",
             "line": {"color": look.ink, "width": 1.5}}, *data,
        ]  # fmt: skip
        best = curve.lowest()
        if best is None or not x.min() <= best[0] <= x.max():
            end = "largest" if middle[-1] < middle[0] else "smallest"
            reading = f"No turning point within the range: the {end} share tried is best so far."
        else:
            reading = (
                f"Loss is least at a share of about {best[0]:.2f} ± {1.96 * best[1]:.2f} (95 %), fitted to "
                f"{len(rows)} models; the band is the curve's 95 % interval."
            )
    return Card(title, reading, _xy(data, view, "Engram share of the sparse parameters", "bits per byte"))


def size(designs: Designs, view: View, rows: NDArray[np.int64]) -> Card:
    """Loss against the size of the tables."""
    x, y = designs.values("table_bytes")[rows], designs.values(QUALITY)[rows]
    known = np.isfinite(x) & (x > 0)
    look = style.theme(view.theme)
    reading = "No model with tables yet."
    if known.sum() >= 3:
        slope, _, r, p, _ = stats.linregress(np.log2(x[known]), y[known])
        effect = (
            "no clear effect"
            if p > 0.05
            else f"{abs(slope):.4f} bits per byte {'less' if slope < 0 else 'more'}"
        )
        reading = f"Twice the table bytes: {effect} (r = {r:.2f}, {int(known.sum())} models)."
    figure = _xy(
        [_dots(designs, rows[known], x[known], y[known], look, QUALITY)],
        view,
        "Engram tables (GiB)",
        "bits per byte",
    )
    figure["layout"]["xaxis"]["type"] = "log"
    return Card("How large should the tables be?", reading, figure)


def placement(designs: Designs, view: View, rows: NDArray[np.int64]) -> Card:
    """Which layers the tables feed, against loss: mean and standard error per set of layers."""
    title, name = "Which layers?", "model.engram_layers"
    if name not in designs.columns:
        return Card(
            title, "The space does not vary the layers.", style.empty(view.theme, "one placement only")
        )
    look = style.theme(view.theme)
    texts = designs.texts(name)[rows]
    y = designs.values(QUALITY)[rows]
    applies = ~np.isin(texts, ["nan", "None", "-"])
    groups = sorted({*texts[applies]}, key=lambda text: float(y[texts == text].mean()))[:12]
    if not groups:
        return Card(title, "No model with tables yet.", style.empty(view.theme, "no model with tables yet"))
    layers = sorted({int(part) for text in groups for part in text.split(",") if part.strip().isdigit()})
    means = [float(y[texts == text].mean()) for text in groups]
    counts = [int((texts == text).sum()) for text in groups]
    errors = [float(y[texts == text].std(ddof=1) / np.sqrt(count)) if count > 1 else None
              for text, count in zip(groups, counts, strict=True)]  # fmt: skip
    marks = [(layer, rank) for rank, text in enumerate(groups) for layer in layers
             if str(layer) in [part.strip() for part in text.split(",")]]  # fmt: skip
    names = [
        f"{value:.3f}" + (f" ± {error:.3f}" if error else "")
        for value, error in zip(means, errors, strict=True)
    ]
    figure = _xy([{
        "type": "scatter", "mode": "markers", "x": [layer for layer, _ in marks], "y": [rank for _, rank in marks],
        "hovertemplate": "layer %{x}<extra></extra>",
        "marker": {"size": 13, "symbol": "square", "colorscale": style.SCALE, "reversescale": True,
                   "color": [means[rank] for _, rank in marks], "line": {"width": 1, "color": look.quiet}},
    }], view, "layer that reads tables (counted from 0)", "mean bits per byte")  # fmt: skip
    figure["layout"]["yaxis"] |= {
        "tickvals": list(range(len(groups))),
        "ticktext": names,
        "autorange": "reversed",
    }
    figure["layout"]["xaxis"] |= {"tickvals": layers}
    return Card(title, f"Best first: layers {groups[0]} with {names[0]} bits per byte on average, over "
                       f"{int((texts == groups[0]).sum())} models.", figure)  # fmt: skip


def progress(designs: Designs, view: View) -> Card:
    """Hypervolume of the front over trials, as a share of the last."""
    title = "Is the search still finding better designs?"
    rows = np.flatnonzero(designs.feasible)
    costs = (
        np.column_stack([designs.cost(name)[rows] for name in designs.objectives])
        if len(rows)
        else np.empty((0, 1))
    )
    known = np.isfinite(costs).all(axis=1)
    rows, costs = rows[known], costs[known]
    if len(rows) < 5:
        return Card(
            title, "Too few feasible designs to tell.", style.empty(view.theme, "fewer than five designs")
        )
    front = costs[designs.front[rows]] if designs.front[rows].any() else costs
    low, high = front.min(axis=0), front.max(axis=0)
    scaled = (costs - low) / np.where(high > low, high - low, 1.0)
    steps = np.unique(np.linspace(1, len(rows), min(60, len(rows))).astype(int))
    reference = np.full(costs.shape[1], 1.1)
    best, volumes = scaled[:0], []
    for start, stop in zip([0, *steps[:-1]], steps, strict=True):
        best = np.vstack([best, scaled[start:stop]])
        best = best[non_dominated(best)]
        volumes.append(hypervolume(best, reference))
    share = np.array(volumes) / (volumes[-1] or 1.0)
    look = style.theme(view.theme)
    late = 1 - share[np.searchsorted(steps, 0.75 * len(rows)) - 1] if len(steps) > 4 else 1.0
    reading = (
        f"The last quarter of the trials added {late:.1%} of the hypervolume: "
        + ("the front has settled." if late < 0.01 else "more trainings may still pay.")
    )  # fmt: skip
    return Card(title, reading, _xy([{
        "type": "scatter", "mode": "lines", "line": {"shape": "hv", "color": look.categories[0]},
        "x": designs.trials[rows][steps - 1].tolist(), "y": (100 * share).tolist(),
        "hovertemplate": "trial %{x}: %{y:.1f} %<extra></extra>",
    }], view, "trial", "hypervolume (% of now)"))  # fmt: skip


def importance(designs: Designs, view: View) -> Card:
    """The share of each objective's variance that a parameter explains alone (correlation ratio, eta squared)."""
    title = "What matters for what?"
    names = [column.name for column in designs.varying]
    rows = np.flatnonzero(designs.feasible)
    if not names or len(rows) < 10:
        return Card(
            title, "Too few feasible designs to tell.", style.empty(view.theme, "fewer than ten designs")
        )
    strengths = np.array(
        [[explained(designs, rows, name, goal) for goal in designs.objectives] for name in names]
    )
    order = np.argsort(-np.nanmax(strengths, axis=1))[:10]
    labels = [designs.columns[names[index]].label for index in order]
    goals = [designs.columns[goal].label for goal in designs.objectives]
    best = [f"{goal}: {labels[int(np.nanargmax(strengths[order, n]))]} ({np.nanmax(strengths[order, n]):.0%})"
            for n, goal in enumerate(goals) if np.isfinite(strengths[order, n]).any()]  # fmt: skip
    return Card(title, "Explains most alone, among the designs tried: " + "; ".join(best) + ".",
                _heat(strengths[order], goals, labels, view, (0, 1), ".0%", style.SCALE))  # fmt: skip


def explained(designs: Designs, rows: NDArray[np.int64], name: str, goal: str) -> float:
    """Variance of the logarithm (where positive) of an objective between the levels of a parameter, over all of it."""
    y = designs.table[goal].to_numpy(float)[rows]
    if (y[np.isfinite(y)] > 0).all():
        y = np.log(y)
    column = designs.table[name].iloc[rows]
    if designs.columns[name].numeric and column.nunique() > 8:
        edges = np.unique(np.nanquantile(column.to_numpy(float), np.linspace(0, 1, 9)))
        levels = np.searchsorted(edges[1:-1], column.to_numpy(float))
    else:
        levels = np.unique(column.astype(str).to_numpy(str), return_inverse=True)[1]
    known = np.isfinite(y)
    y, levels = y[known], levels[known]
    if len(y) < 3 or not y.var():
        return float("nan")
    counts = np.bincount(levels)
    means = np.bincount(levels, y) / np.maximum(counts, 1)
    return float((counts * (means - y.mean()) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def correlation(designs: Designs, view: View) -> Card:
    """Rank correlation (Spearman) of the objectives over feasible designs."""
    title = "Which goals pull together?"
    names = list(designs.objectives)
    values = np.column_stack([designs.cost(name)[designs.feasible] for name in names])
    values = values[np.isfinite(values).all(axis=1)]
    if len(values) < 10 or len(names) < 2:
        return Card(
            title, "Too few feasible designs to tell.", style.empty(view.theme, "fewer than ten designs")
        )
    ranks = np.apply_along_axis(stats.rankdata, 0, values)
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = np.nan_to_num(np.corrcoef(ranks.T))
    upper = [(matrix[a, b], a, b) for a in range(len(names)) for b in range(a)]
    value, a, b = min(upper)
    labels = [designs.columns[name].label for name in names]
    look = style.theme(view.theme)
    diverging = [[0, look.categories[1]], [0.5, look.paper], [1, look.categories[0]]]
    reading = (
        f"{labels[a]} and {labels[b]} oppose each other most ({value:+.2f}): that is where you must choose."
        if value < -0.1 else "No two objectives oppose each other clearly; all can be good at once."
    )  # fmt: skip
    return Card(title, reading, _heat(matrix, labels, labels, view, (-1, 1), "+.2f", diverging))


def _dots(
    designs: Designs,
    rows: NDArray[np.int64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    look: style.Theme,
    name: str,
) -> dict[str, Any]:
    error: dict[str, Any] = {}
    if name in designs.doubts:
        doubt = designs.table[designs.doubts[name]].to_numpy(float)[rows]
        error = {
            "error_y": {"type": "data", "array": np.nan_to_num(doubt).tolist(), "thickness": 1, "width": 2}
        }
    return {
        "type": "scatter", "mode": "markers", "x": x.tolist(), "y": y.tolist(), **error,
        "customdata": designs.trials[rows].tolist(), "hovertemplate": "#%{customdata}: %{y:.3f}<extra></extra>",
        "marker": {"size": 8, "color": look.categories[0]},
    }  # fmt: skip


def _band(
    x: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], look: style.Theme
) -> dict[str, Any]:
    return {"type": "scatter", "mode": "lines", "x": [*x, *x[::-1]], "y": [*high, *low[::-1]], "fill": "toself",
            "line": {"width": 0}, "fillcolor": look.grid, "opacity": 0.7, "hoverinfo": "skip"}  # fmt: skip


def _xy(data: list[dict[str, Any]], view: View, x: str, y: str) -> style.Figure:
    return {"data": data, "layout": style.layout(
        view.theme, showlegend=False, xaxis=style.axis(view.theme, x), yaxis=style.axis(view.theme, y))}  # fmt: skip


def _heat(
    values: NDArray[np.float64],
    x: list[str],
    y: list[str],
    view: View,
    ends: tuple[float, float],
    form: str,
    scale: Any,
) -> style.Figure:
    texts = [["" if not np.isfinite(value) else format(value, form) for value in row] for row in values]
    return {
        "data": [{
            "type": "heatmap", "z": [[None if not np.isfinite(v) else float(v) for v in row] for row in values],
            "x": [style.escape(text) for text in x], "y": [style.escape(text) for text in y],
            "zmin": ends[0], "zmax": ends[1], "colorscale": scale, "showscale": False, "text": texts,
            "texttemplate": "%{text}", "hovertemplate": "%{y}, %{x}: %{text}<extra></extra>", "xgap": 2, "ygap": 2,
        }],
        "layout": style.layout(
            view.theme, margin={"l": 120, "r": 12, "t": 8, "b": 46},
            xaxis=style.axis(view.theme), yaxis=style.axis(view.theme, autorange="reversed"),
        ),
    }  # fmt: skip
