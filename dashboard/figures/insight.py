"""What the search has learned: each figure with a one-line reading, pure functions of designs and view.

A card is (title, reading, figure); a figure that cannot be drawn says why.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from codesign.front import hypervolume, non_dominated
from cost_models.design import Design
from dashboard.designs import Designs
from dashboard.figures import confirmed as again
from dashboard.figures import style, traffic, trained
from dashboard.figures.card import Card, nothing, xy
from dashboard.view import View
from dashboard.words import many

MOST_GOALS = 7  # of a hypervolume, whose time grows exponentially with them


def cards(
    designs: Designs, view: View, design: Design | None = None, confirmed: dict[str, Any] | None = None
) -> list[Card]:
    """All cards that say something about this study.

    design: the one that is open, whose text is looked at; confirmed: fidelity -> document of `codesign confirm`.
    """
    result = [card for document in (confirmed or {}).values() if (card := again.card(view, document))]
    rows = trained.models(designs)
    if len(rows):
        result += [trained.share(designs, view, rows), trained.placement(designs, view, rows)]
        result += [trained.size(designs, view, rows)] if "table_bytes" in designs.columns else []
    opened = designs.opened(view)
    if design is not None and opened is not None:
        found = traffic.card(view, design, opened)
        result += [found] if found else []
    result += [progress(designs, view), importance(designs, view), correlation(designs, view)]
    return result


def progress(designs: Designs, view: View) -> Card:
    """Hypervolume of the front over trainings, as a share of the last.

    A design that completes a model with other hardware counts with the training of that model.
    """
    title = "Is the search still finding better designs?"
    if len(designs.objectives) > MOST_GOALS:
        return nothing(view, title, f"The hypervolume of more than {MOST_GOALS} objectives takes too long")
    rows = np.flatnonzero(designs.feasible)
    costs = np.column_stack([designs.cost(name)[rows] for name in designs.objectives])
    known = np.isfinite(costs).all(axis=1)
    rows, costs = rows[known], costs[known]
    if len(rows) < 5:
        return nothing(view, title, "Fewer than five feasible designs")
    of = _training(designs)[rows]
    order = np.argsort(of, kind="stable")
    rows, costs = rows[order], costs[order]
    ends = np.flatnonzero(np.diff(of[order], append=np.inf)) + 1  # of the designs of each training
    front = costs[designs.front[rows]] if designs.front[rows].any() else costs
    low, high = front.min(axis=0), front.max(axis=0)
    scaled = (costs - low) / np.where(high > low, high - low, 1.0)
    shown = np.unique(np.linspace(1, len(ends), min(60, len(ends))).astype(int))  # trainings
    reference = np.full(costs.shape[1], 1.1)
    best, volumes, start = scaled[:0], [], 0
    for stop in ends[shown - 1]:
        best = np.vstack([best, scaled[start:stop]])
        best, start = best[non_dominated(best)], stop
        volumes.append(hypervolume(best, reference))
    share = np.array(volumes) / (volumes[-1] or 1.0)
    look = style.theme(view.theme)
    figure = xy([{
        "type": "scatter", "mode": "lines", "line": {"shape": "hv", "color": look.categories[0]},
        "x": shown.tolist(), "y": (100 * share).tolist(), "hovertemplate": "training %{x}: %{y:.1f} %<extra></extra>",
    }], view, "training", "hypervolume (% of now)")  # fmt: skip
    if len(ends) < 8:
        return Card(title, f"{many(len(ends), 'training')}: too few to tell.", figure)
    late = 1 - share[np.searchsorted(shown, 0.75 * len(ends), side="right") - 1]
    return Card(
        title,
        f"The last quarter of the {len(ends)} trainings added {late:.1%} of the hypervolume: "
        + ("little more is to be expected." if late < 0.01 else "more trainings may still pay."),
        figure,
    )


def _training(designs: Designs) -> NDArray[np.float64]:
    """(designs,) the trial whose training gave a design its quality: another one, or its own."""
    if "completes" not in designs.table:
        return designs.trials.astype(float)
    other = designs.table["completes"].to_numpy(float)
    return np.where(np.isnan(other), designs.trials, other)


def importance(designs: Designs, view: View) -> Card:
    """The share of each objective's variance that a parameter explains alone (correlation ratio, eta squared)."""
    title = "What matters for what?"
    names = [column.name for column in designs.varying]
    rows = np.flatnonzero(designs.feasible)
    if not names or len(rows) < 10:
        return nothing(view, title, "Fewer than ten feasible designs")
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
        return nothing(view, title, "Fewer than ten feasible designs")
    ranks = np.apply_along_axis(stats.rankdata, 0, values)
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = np.nan_to_num(np.corrcoef(ranks.T))
    upper = [(matrix[a, b], a, b) for a in range(len(names)) for b in range(a)]
    value, a, b = min(upper)
    labels = [designs.columns[name].label for name in names]
    look = style.theme(view.theme)
    diverging = [[0, look.categories[1]], [0.5, look.paper], [1, look.categories[0]]]
    reading = (
        f"{labels[a][0].upper()}{labels[a][1:]} and {labels[b]} oppose each other most "
        f"(rank correlation {value:+.2f}): "
        "that is where you must choose."
        if value < -0.1 else "No two objectives oppose each other clearly; all can be good at once."
    )  # fmt: skip
    return Card(title, reading, _heat(matrix, labels, labels, view, (-1, 1), "+.2f", diverging))


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
