"""The table of designs as figures and words read it: a plain value, however it was made.

`data.py` makes one from a study, `whatif.py` one with other prices; nothing here touches either.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dashboard.columns import Column, plain
from dashboard.view import Point, View

Mask = NDArray[np.bool_]
COMPROMISE = ""  # among the choices of `Designs.choices`


@dataclass(frozen=True)
class Designs:
    """All designs of a study, one row each.

    table: columns trial, feasible, front, knee (bool), and those described by `columns`, in SI units.
    columns: name -> Column, in the order in which they are offered.
    objectives: the names of the study's objectives.
    doubts: column -> name of the column with its standard error.
    version: grows with every change of the study; `ghost` is the table before a what-if.
    drift: how far this version's cost models are from the recorded figures at most, as a fraction.
    """

    study: str
    table: pd.DataFrame
    columns: dict[str, Column]
    objectives: tuple[str, ...]
    doubts: dict[str, str] = field(default_factory=dict)
    version: int = 0
    running: int = 0
    ghost: "Designs | None" = None
    drift: float = 0.0

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def feasible(self) -> Mask:
        """(designs,) bool."""
        return self.table["feasible"].to_numpy(bool)

    @cached_property
    def front(self) -> Mask:
        """(designs,) bool: on the Pareto front of all objectives of the study."""
        return self.table["front"].to_numpy(bool)

    @cached_property
    def trials(self) -> NDArray[np.int64]:
        """(designs,) trial numbers."""
        return self.table["trial"].to_numpy(np.int64)

    @cached_property
    def _rows(self) -> dict[int, int]:
        return {int(trial): row for row, trial in enumerate(self.trials)}

    def row(self, trial: int | None) -> int | None:
        """The row of a trial, or None where the study has no such design."""
        return None if trial is None else self._rows.get(trial)

    @cached_property
    def knee(self) -> int | None:
        """The trial of the knee point, or None while there is no front."""
        rows = np.flatnonzero(self.table["knee"].to_numpy(bool))
        return int(self.trials[rows[0]]) if len(rows) else None

    def opened(self, view: View) -> int | None:
        """The trial whose details are shown: the view's, else what is recommended; None where nothing is left."""
        return view.trial if self.row(view.trial) is not None else self.choices(view).get(COMPROMISE)

    def left(self, view: View) -> NDArray[np.int64]:
        """Rows of the feasible designs within the view's limits; those of the front alone where some are."""
        left = self.kept(view) & self.feasible
        front = left & self.front
        return np.flatnonzero(front if front.any() else left)

    def choices(self, view: View) -> dict[str, int]:
        """What to take within the view's limits: "" the best compromise, then per objective the best in it -> trial.

        The compromise is the study's knee where the limits keep it, else the design whose worst objective, scaled
        to the span of those that are left, is least.
        """
        rows = self.left(view)
        if not len(rows):
            return {}
        costs = np.column_stack([self.cost(name)[rows] for name in self.objectives])
        low, high = np.nanmin(costs, axis=0), np.nanmax(costs, axis=0)
        worst = np.nan_to_num((costs - low) / np.where(high > low, high - low, 1.0), nan=np.inf).max(axis=1)
        knee = self.row(self.knee)
        best = knee if knee is not None and knee in rows else rows[np.argmin(worst)]
        found = {COMPROMISE: int(self.trials[best])}
        for column, name in zip(costs.T, self.objectives, strict=True):
            if np.isfinite(column).any():
                found[name] = int(self.trials[rows[np.nanargmin(column)]])
        return found

    def extremes(self) -> dict[str, int]:
        """Objective -> the trial of the front that is best in it."""
        rows = np.flatnonzero(self.front)
        if not len(rows):
            return {}
        return {
            name: int(self.trials[rows[np.nanargmin(self.cost(name)[rows])]])
            for name in self.objectives
            if np.isfinite(self.cost(name)[rows]).any()
        }

    def values(self, name: str) -> NDArray[np.float64]:
        """(designs,) a numeric column in its shown unit."""
        return self.table[name].to_numpy(np.float64) * self.columns[name].factor

    @cached_property
    def _texts(self) -> dict[str, NDArray[np.str_]]:
        return {}

    def texts(self, name: str) -> NDArray[np.str_]:
        """(designs,) a column as text; each different value is written once, however many designs have it."""
        if name not in self._texts:
            codes, values = pd.factorize(self.table[name], use_na_sentinel=False)
            column = self.columns.get(name)
            words = [column.text(value) if column else plain(value) for value in values.tolist()]
            self._texts[name] = np.array(words, str)[codes] if words else np.empty(0, str)
        return self._texts[name]

    def cost(self, name: str) -> NDArray[np.float64]:
        """(designs,) a numeric column in SI, signed so that smaller is better."""
        return self.table[name].to_numpy(np.float64) * self.columns[name].sign

    def doubt(self, name: str) -> NDArray[np.float64]:
        """(designs,) the standard error of a column in SI; 0 where it has or holds none."""
        if name not in self.doubts:
            return np.zeros(len(self))
        return np.nan_to_num(self.table[self.doubts[name]].to_numpy(float))

    @cached_property
    def tied(self) -> Mask:
        """(designs,) bool: in quality not to be told apart from the best of the front.

        The difference is within two standard errors, which add in quadrature; the best itself does not count,
        nor do designs of the same model, whose quality is one and the same measurement.
        """
        tied = np.zeros(len(self), bool)
        for name in self.doubts:
            best = self.extremes().get(name)
            row = self.row(best)
            if row is not None:
                costs, doubt = self.cost(name), self.doubt(name)
                tied |= (costs - costs[row] <= 2 * np.hypot(doubt, doubt[row])) & (costs != costs[row])
        return tied & self.feasible

    def kept(self, view: View) -> Mask:
        """(designs,) bool: within the view's limits, values and lasso."""
        mask = np.ones(len(self), bool)
        for name, (low, high) in view.limits.items():
            if name in self.columns and self.columns[name].numeric:
                mask &= within(self.table[name].to_numpy(np.float64), low, high)
        for name, chosen in view.only.items():
            if name in self.columns or name == "trial":
                mask &= np.isin(self.texts(name), chosen)
        if view.lasso and view.x in self.columns and view.y in self.columns:
            mask &= inside(self.table[view.x].to_numpy(float), self.table[view.y].to_numpy(float), view.lasso)
        return mask

    @cached_property
    def varying(self) -> list[Column]:
        """The parameters that are not the same everywhere."""

        def differs(values: list[object]) -> bool:
            first = plain(values[0]) if values else ""
            return any(plain(value) != first for value in values)

        return [column for column in self.named("parameter") if differs(self.table[column.name].tolist())]

    def named(self, *roles: str) -> list[Column]:
        """The columns of some roles."""
        return [column for column in self.columns.values() if column.role in roles]


def within(values: NDArray[np.float64], low: float | None, high: float | None) -> Mask:
    """Which values a limit keeps, its ends included.

    A bound that was rounded on its way through the address or a heading of the table still holds its own design.
    """
    mask = np.ones(len(values), bool)
    if low is not None:
        mask &= values >= low - abs(low) * 1e-5
    if high is not None:
        mask &= values <= high + abs(high) * 1e-5
    return mask


def inside(x: NDArray[np.float64], y: NDArray[np.float64], polygon: tuple[Point, ...]) -> Mask:
    """Which points (n,) lie in a polygon: a ray to the right crosses its edges an odd number of times."""
    result = np.zeros(len(x), bool)
    for (ax, ay), (bx, by) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if ay == by:
            continue
        crosses = (ay > y) != (by > y)
        result ^= crosses & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return result


def projected_front(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
    """The non-dominated points of two costs, both smaller is better, as indices from left to right."""
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    order = known[np.lexsort((y[known], x[known]))]
    if not len(order):
        return order
    lowest = np.minimum.accumulate(y[order])
    better = np.r_[True, y[order][1:] < lowest[:-1]]
    return order[better]
