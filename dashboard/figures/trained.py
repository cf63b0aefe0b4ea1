"""What the trained models say: loss against the Engram share, the tables' size and their layers.

They differ in more than what an axis shows, and a search trains more of what it takes for good: the readings say so.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import stdtrit

from dashboard.designs import Designs
from dashboard.figures import style
from dashboard.figures.card import Card, nothing, xy
from dashboard.view import View
from dashboard.words import many

QUALITY = "bits_per_byte"
PUBLISHED_SHARE = (0.20, 0.25)  # best of the models of arXiv 2601.07372, section 3.2


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


def share(designs: Designs, view: View, rows: NDArray[np.int64]) -> Card:
    """Engram share against loss, with the fitted U-curve and its interval."""
    title, name = "How much Engram?", "model.engram_share"
    if name not in designs.columns:
        return nothing(view, title, "The space does not vary the Engram share")
    look = style.theme(view.theme)
    x, y = designs.table[name].to_numpy(float)[rows], designs.values(QUALITY)[rows]
    known = np.isfinite(x)
    x, y, rows = x[known], y[known], rows[known]
    data = [_dots(designs, rows, x, y, look, QUALITY)]
    curve = parabola(x, y)
    reading = f"{many(len(rows), 'trained model')}; too few different shares for a curve."
    if curve is not None:
        line = np.linspace(x.min(), x.max(), 60)
        middle, half = curve.at(line)
        data = [
            _band(line, middle - half, middle + half, look),
            {"type": "scatter", "mode": "lines", "x": line.tolist(), "y": middle.tolist(), "hoverinfo": "skip",
             "line": {"color": look.ink, "width": 1.5}}, *data,
        ]  # fmt: skip
        reading = _best_share(curve, x, middle, half)
    return Card(title, reading, xy(data, view, "Engram share of the sparse parameters", "bits per byte"))


def _best_share(
    curve: Parabola, x: NDArray[np.float64], middle: NDArray[np.float64], half: NDArray[np.float64]
) -> str:
    """Where the curve is lowest, how sure that is, and what was published. middle, half: along the shares."""
    among = f"Among these {len(x)} proxies, which differ in more than the share,"
    best = curve.lowest()
    low, high = (best[0] - 1.96 * best[1], best[0] + 1.96 * best[1]) if best else (np.nan, np.nan)
    inside = best is not None and x.min() <= best[0] <= x.max()
    level = abs(middle[-1] - middle[0]) <= float(np.hypot(half[0], half[-1]))
    if best is None or not inside or (low <= x.min() and high >= x.max()):
        if level:
            return f"{among} no share is clearly better: the 95 % band leaves room for a level line."
        end = "largest" if middle[-1] < middle[0] else "smallest"
        return (
            f"{among} the {end} share tried is best; the fitted curve has no turning point within the range."
        )
    said = f"{among} the fitted loss is least at a share of {best[0]:.2f} (95 %: {low:.2f} to {high:.2f})."
    published = "{:.2f} to {:.2f}".format(*PUBLISHED_SHARE)
    if high < PUBLISHED_SHARE[0] or low > PUBLISHED_SHARE[1]:
        return (
            f"{said} The Engram paper (arXiv 2601.07372) found {published} with far larger models: proxies of this "
            "size do not reproduce it."
        )
    return f"{said} The Engram paper (arXiv 2601.07372) found {published} with far larger models."


def size(designs: Designs, view: View, rows: NDArray[np.int64]) -> Card:
    """Loss against the size of the tables."""
    x, y = designs.values("table_bytes")[rows], designs.values(QUALITY)[rows]
    known = np.isfinite(x) & (x > 0)
    look = style.theme(view.theme)
    reading = "Too few models with tables to tell."
    if known.sum() >= 3:
        slope, _, r, p, _ = stats.linregress(np.log2(x[known]), y[known])
        effect = (
            "no clear effect"
            if p > 0.05
            else f"{abs(slope):.4f} bits per byte {'less' if slope < 0 else 'more'}"
        )
        count = f"{int(known.sum())} proxies, which differ in more than that"
        reading = f"Twice the table bytes: {effect} (r = {r:+.2f}, {count})."
    figure = xy(
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
        return nothing(view, title, "The space does not vary the layers")
    look = style.theme(view.theme)
    texts = designs.texts(name)[rows]
    y = designs.values(QUALITY)[rows]
    applies = ~np.isin(texts, ["nan", "None", "-"])
    groups = sorted({*texts[applies]}, key=lambda text: float(y[texts == text].mean()))[:12]
    if not groups:
        return nothing(view, title, "No model with tables yet")
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
    figure = xy([{
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
    ties = [group for group, mean, error in zip(groups[1:], means[1:], errors[1:], strict=True)
            if mean - means[0] <= 2 * np.hypot(error or np.inf, errors[0] or np.inf)]  # fmt: skip
    over = f"{counts[0]} {'proxy' if counts[0] == 1 else 'proxies'}"
    reading = f"Lowest on average: layers {groups[0]} with {names[0]} bits per byte over {over}"
    reading += f"; the noise does not tell {' and '.join(ties)} apart from it." if ties else "."
    return Card(title, reading, figure)


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
