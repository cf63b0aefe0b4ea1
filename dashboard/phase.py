"""Where the answer flips: over two what-if quantities, which choice wins where.

Candidates are the study's designs whose model is as good as the knee's within the noise. In every cell of the grid
they are costed again, and the cheapest one that is feasible and within the view's limits wins.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

import cost_models
from dashboard import whatif
from dashboard.designs import Designs
from dashboard.view import View

STEPS = 15
PRICE = "usd_per_mtok"
_QUALITY = "bits_per_byte"

Recost = Callable[[Designs, View], Designs]


@dataclass(frozen=True)
class Phases:
    """Who wins where.

    x, y: values of the two quantities, in their units. winners: (y, x) trial numbers, -1 where nothing is feasible.
    names: trial -> the value of the column that is asked about.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    winners: NDArray[np.int64]
    names: dict[int, str]
    column: str
    candidates: int

    def choices(self) -> list[str]:
        """The values that win somewhere, the widest area first."""
        found = [self.names[int(trial)] for trial in self.winners.ravel() if trial >= 0]
        return sorted(set(found), key=lambda name: -found.count(name))


def candidates(designs: Designs, view: View) -> NDArray[np.int64]:
    """Rows that may win: complete designs whose quality is no worse than the knee's, within two standard errors."""
    mask = np.isfinite(designs.table[PRICE].to_numpy(float))
    knee = designs.row(designs.knee)
    if _QUALITY in designs.columns and knee is not None:
        quality = designs.table[_QUALITY].to_numpy(float)
        doubt = (
            designs.table[designs.doubts[_QUALITY]].to_numpy(float)[knee]
            if _QUALITY in designs.doubts
            else 0.0
        )
        mask &= quality <= quality[knee] + 2 * np.nan_to_num(doubt)
    return np.flatnonzero(mask)


def compute(designs: Designs, view: View, recoster: Callable[[NDArray[np.int64]], Recost]) -> Phases:
    """The winners over a grid of the view's two quantities, the rest of the view's what-ifs kept."""
    x, y = (whatif.QUANTITIES[name] for name in (view.flip_x, view.flip_y))
    rows = candidates(designs, view)
    xs, ys = (np.array([q.scale.value(200 * n / (STEPS - 1)) for n in range(STEPS)]) for q in (x, y))
    winners = np.full((STEPS, STEPS), -1)
    # what changes time is the dearer question: it is asked once a line, prices once a cell
    across = bool(x.path) or not y.path
    first, second = (y, x) if across else (x, y)
    firsts, seconds = (ys, xs) if across else (xs, ys)
    recost = recoster(rows)
    few = replace(designs, table=designs.table.iloc[rows].reset_index(drop=True), ghost=None)
    for i, one in enumerate(firsts):
        for j, two in enumerate(seconds):
            change = {**view.change, first.name: float(one), second.name: float(two)}
            here = recost(few, replace(view, change=change))
            costs = here.table[PRICE].to_numpy(float)
            costs = np.where(here.feasible & here.kept(view), costs, np.inf)
            if len(costs) and np.isfinite(costs).any():
                winners[(i, j) if across else (j, i)] = int(here.trials[np.nanargmin(costs)])
    return Phases(xs, ys, winners, {}, "", len(rows))


def named(phases: Phases, designs: Designs, column: str) -> Phases:
    """The same winners, called by their value of a column."""
    won = {int(trial) for trial in phases.winners.ravel() if trial >= 0}
    known = designs.columns.get(column)
    names = {
        trial: f"#{trial}"
        if known is None
        else known.text(designs.table[column].iloc[designs.row(trial) or 0])
        for trial in won
    }
    return replace(phases, names=names, column=column)


def flipping(phases: Phases, designs: Designs) -> list[str]:
    """The parameters that are not the same for all winners, those with the most values first."""
    rows = np.flatnonzero(np.isin(designs.trials, phases.winners))
    counts = {column.name: designs.table[column.name].iloc[rows].astype(str).nunique()
              for column in designs.named("parameter")}  # fmt: skip
    return sorted((name for name, count in counts.items() if count > 1), key=lambda name: -counts[name])


def reading(phases: Phases, designs: Designs, view: View) -> str:
    """The boundaries in words: along the middle of each side, where the winner changes."""
    label = designs.columns[phases.column].label if phases.column in designs.columns else "design"
    if not phases.choices():
        return "Nothing is feasible anywhere here; loosen a limit."
    basis = f"Cheapest of {phases.candidates:,} designs at least as good as the knee, within the noise"
    if len(phases.choices()) == 1 and (phases.winners >= 0).all():
        others = [designs.columns[name].label for name in flipping(phases, designs)]
        hint = f" What does flip: {', '.join(others[:5])}; choose it under `which`." if others else ""
        return f"{basis}: {label} {phases.choices()[0]} wins everywhere here.{hint}"
    x, y = (whatif.QUANTITIES[name] for name in (view.flip_x, view.flip_y))
    middle = len(phases.y) // 2
    lines = [
        _along(
            phases,
            [int(t) for t in phases.winners[middle]],
            phases.x,
            x,
            f"at {y.label} {y.text(phases.y[middle])}",
        ),
        _along(
            phases,
            [int(t) for t in phases.winners[:, middle]],
            phases.y,
            y,
            f"at {x.label} {x.text(phases.x[middle])}",
        ),
    ]
    found = [line for line in lines if line] or ["the boundary does not cross the middle of the picture"]
    return f"{basis}; {label}: " + "; ".join(found) + "."


def _along(
    phases: Phases, winners: list[int], values: NDArray[np.float64], quantity: whatif.Quantity, where: str
) -> str:
    """`at 4,096 tokens dram, above 17 USD/GB ssd`; empty where nothing changes."""
    names = [phases.names.get(trial, "nothing feasible") for trial in winners]
    turns = [(n, name) for n, name in enumerate(names) if n and name != names[n - 1]]
    if not turns:
        return ""
    edges = [
        f"above {quantity.label} {quantity.text(float(np.sqrt(values[n - 1] * values[n])))} {name}"
        for n, name in turns[:4]
    ]
    return f"{where}: {names[0]}, " + ", ".join(edges)


def history() -> list[tuple[str, float]]:
    """The published DRAM prices over time, USD/GB: (date, price), oldest first; a quarter counts as its middle."""
    found = []
    for name, figure in cost_models.load_catalogue().figures():
        if name.startswith("price.dram_timeline.") and figure.si is not None and figure.date:
            year, _, rest = figure.date.partition("-")
            quarter = rest[:2].upper() in ("Q1", "Q2", "Q3", "Q4")
            month = 3.0 * int(rest[1]) - 1.5 if quarter else float(rest[:2]) if rest[:2].isdigit() else 6.0
            found.append((float(year) + month / 12, figure.date, figure.si * 1e9))
    return [(date, price) for _, date, price in sorted(found)]
