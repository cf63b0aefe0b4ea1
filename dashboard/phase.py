"""Where the answer flips: over two what-if quantities, which choice wins where.

Candidates are all hardware of the space for every trained model as good as the knee's within the noise. They are
costed at the ends of both quantities first; a design that another one beats or equals there cannot win in between,
since cost is a sum of terms that are proportional to one price each (for a load, which is not so simple, its middle
and quarters are asked too). In every cell of the grid the few that remain are costed again, and the cheapest one
that is feasible and within the view's limits wins.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import cost_models
from codesign.front import non_dominated
from dashboard import whatif
from dashboard.columns import plain
from dashboard.designs import Designs, Mask
from dashboard.view import View

STEPS = 15
STEPS_OF_LOADS = 9  # where both quantities change times, every cell needs the models' operators again
SCREENING_S = 1.2  # of processor time: then what was found is shown, and the page asks for the rest
PRICE = "usd_per_mtok"
_QUALITY = "bits_per_byte"
_NEVER = 1e30
ELSEWHERE = " elsewhere"  # of a choice that wins from end to end of both quantities


@dataclass(frozen=True)
class Field:
    """Designs with their parameters, one row each, and what each costs under a view's what-ifs.

    costs: view -> (rows,) USD per million tokens, inf where a design is infeasible or outside the view's limits.
    """

    table: pd.DataFrame
    costs: Callable[[View], NDArray[np.float64]]


@dataclass(frozen=True)
class Phases:
    """Who wins where.

    x, y: values of the two quantities, in their units. winners: (y, x) rows of `table`, -1 where nothing is feasible.
    names: row -> the value of the column that is asked about. trials: row -> the study's trial of that design.
    screened: designs looked at; models: how many of `all_models` they belong to.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    winners: NDArray[np.int64]
    table: pd.DataFrame
    screened: int
    models: int
    all_models: int
    names: dict[int, str]
    trials: dict[int, int]
    column: str = ""

    @property
    def left(self) -> int:
        """Models that have not been looked at yet."""
        return self.all_models - self.models

    def choices(self) -> list[str]:
        """The values that win somewhere, the widest area first."""
        found = [self.names[int(row)] for row in self.winners.ravel() if row >= 0]
        return sorted(set(found), key=lambda name: -found.count(name))

    def where(self, name: str) -> Mask:
        """(y, x) bool: the cells that a choice wins."""
        found: Mask = np.isin(self.winners, [row for row, own in self.names.items() if own == name])
        return found


def good_enough(designs: Designs) -> Mask:
    """(designs,) bool: trained, and in quality no worse than the knee within two standard errors of the difference."""
    mask: Mask = (designs.table["state"] == "COMPLETE").to_numpy(bool) & np.isfinite(
        designs.table[PRICE].to_numpy(float)
    )
    knee = designs.row(designs.knee)
    if _QUALITY in designs.columns and knee is not None:
        quality = designs.table[_QUALITY].to_numpy(float)
        mask &= quality <= quality[knee] + 2 * np.hypot(
            designs.doubt(_QUALITY), designs.doubt(_QUALITY)[knee]
        )
    return mask


class Screening:
    """The winners over a grid of the view's two quantities, found model by model, the rest of its what-ifs kept."""

    def __init__(
        self,
        view: View,
        fields: Sequence[Callable[[], Field]],
        remake: Callable[[pd.DataFrame], Field],
    ) -> None:
        """fields: of each model, cheapest first; remake: some rows of their tables as a field."""
        only = {name: values for name, values in view.only.items() if name != "trial"}
        self.view = replace(view, only=only, lasso=())  # both are about designs of the study
        self.fields, self.remake = fields, remake
        self.x, self.y = (whatif.QUANTITIES[name] for name in (view.flip_x, view.flip_y))
        steps = STEPS_OF_LOADS if self.x.moves_time and self.y.moves_time else STEPS
        self.xs, self.ys = (np.array([q.scale.value(200 * n / (steps - 1)) for n in range(steps)])
                            for q in (self.x, self.y))  # fmt: skip
        self._lock = threading.Lock()
        self._models = self._screened = 0
        self._tables: list[pd.DataFrame] = []
        self._costs: list[NDArray[np.float64]] = []
        self._found: Phases | None = None

    def go_on(self) -> "Phases":
        """The winners among the models looked at so far, after some more of them: all, if called often enough."""
        with self._lock:
            if self._found is not None and self._models == len(self.fields):
                return self._found
            start, given = time.thread_time(), SCREENING_S * (1 if self._found is None else 4)
            for make in self.fields[self._models :]:
                field = make()
                costs = _costs(
                    field, self.view, [(self.x, _asked(self.x, self.xs)), (self.y, _asked(self.y, self.ys))]
                )
                kept = _may_win(costs)
                self._tables.append(field.table[kept])
                self._costs.append(costs[kept])
                self._models += 1
                self._screened += len(field.table)
                if time.thread_time() - start > given:
                    break
            self._found = self._winners()
            return self._found

    def _winners(self) -> "Phases":
        table = pd.concat(self._tables, ignore_index=True) if self._tables else pd.DataFrame()
        winners = np.full((len(self.ys), len(self.xs)), -1)
        if len(table):
            costs = np.vstack(self._costs)
            kept = _may_win(costs)
            # what another model beats everywhere need not be looked at again
            self._tables, self._costs = [table[kept]], [costs[kept]]
            table = table[kept].reset_index(drop=True)
            table["trial"] = np.arange(len(table))
        if len(table):
            costs = _costs(self.remake(table), self.view, [(self.x, self.xs), (self.y, self.ys)])
            best = np.where(np.isfinite(costs).any(axis=0), np.argmin(costs, axis=0), -1)
            winners = best.reshape(len(self.xs), len(self.ys)).T
        return Phases(
            self.xs, self.ys, winners, table, self._screened, self._models, len(self.fields), {}, {}
        )


def _asked(quantity: whatif.Quantity, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """At which values of a quantity candidates are screened."""
    if quantity.name == "slo":
        return values
    last = len(values) - 1
    return values[[0, last // 4, last // 2, 3 * last // 4, last] if quantity.moves_time else [0, last]]


def _costs(
    field: Field, view: View, axes: list[tuple[whatif.Quantity, NDArray[np.float64]]]
) -> NDArray[np.float64]:
    """(rows, first x second) costs over all pairs of values; what moves time is changed least often."""
    (first, ones), (second, twos) = axes
    pairs = list(product(range(len(ones)), range(len(twos))))
    slow = 0 if first.moves_time else 1
    result = np.empty((len(field.table), len(pairs)))
    for place in sorted(range(len(pairs)), key=lambda n: pairs[n][slow]):
        i, j = pairs[place]
        change = {**view.change, first.name: float(ones[i]), second.name: float(twos[j])}
        result[:, place] = field.costs(replace(view, change=change))
    return result


def _may_win(costs: NDArray[np.float64]) -> Mask:
    """Which rows no other row beats or equals at every setting."""
    finite = np.where(np.isfinite(costs), costs, _NEVER)
    rows = np.flatnonzero((finite < _NEVER).any(axis=1))
    mask = np.zeros(len(costs), bool)
    if len(rows):
        mask[rows] = non_dominated(finite[rows], keep_equal=False)
    return mask


def named(phases: Phases, designs: Designs, column: str) -> Phases:
    """The same winners, called by their value of a column, with their trials where the study has them."""
    won = sorted({int(row) for row in phases.winners.ravel() if row >= 0})
    known = designs.columns.get(column)
    parameters = [c.name for c in designs.named("parameter")]
    own = {
        key: int(trial) for key, trial in zip(_keys(designs.table, parameters), designs.trials, strict=True)
    }
    keys = _keys(phases.table.iloc[won], parameters) if won else []
    trials = {row: own[key] for row, key in zip(won, keys, strict=True) if key in own}
    texts = {
        row: f"#{trials.get(row, '-')}" if known is None else known.text(phases.table[column].iloc[row])
        for row in won
    }
    return replace(phases, names=texts, trials=trials, column=column)


def _keys(table: pd.DataFrame, columns: list[str]) -> list[tuple[str, ...]]:
    """Each row's values as text that does not depend on how a number is kept."""
    texts = [
        [f"{v:.9g}" if isinstance(v, int | float | np.number) and not isinstance(v, bool) and v == v else plain(v)
         for v in table[name].tolist()]
        for name in columns
    ]  # fmt: skip
    return list(zip(*texts, strict=True)) if texts else [()] * len(table)


def flipping(phases: Phases, designs: Designs) -> list[str]:
    """The parameters that are not the same for all winners, those with the most values first."""
    won = phases.table.iloc[sorted({int(row) for row in phases.winners.ravel() if row >= 0})]
    counts = {column.name: won[column.name].astype(str).nunique() for column in designs.named("parameter")}
    return sorted((name for name, count in counts.items() if count > 1), key=lambda name: -counts[name])


def reading(phases: Phases, designs: Designs, view: View) -> str:
    """What was looked at, and the boundaries in words: where each choice wins."""
    label = designs.columns[phases.column].label if phases.column in designs.columns else "design"
    choices = phases.choices()
    if not choices:
        return "Nothing is feasible anywhere here; loosen a limit."
    models = "the 1 model" if phases.all_models == 1 else f"the {phases.all_models} models"
    basis = (
        f"Cheapest of {phases.screened:,} designs, all hardware of the space for {models} no worse than the knee's "
        "within the noise"
    )
    if phases.left:
        basis += f" (so far the {phases.models} cheapest of these models; the others follow)"
    if len(choices) == 1 and (phases.winners >= 0).all():
        others = [designs.columns[name].label for name in flipping(phases, designs)]
        hint = f" What does flip: {', '.join(others[:5])}; choose it under `which`." if others else ""
        return f"{basis}: {label} {choices[0]} wins everywhere here.{hint}"
    regions = sorted((region(phases, view, name) for name in choices[:4]), key=lambda text: ELSEWHERE in text)
    if (phases.winners < 0).any():
        regions.append(f"nothing is feasible in {np.mean(phases.winners < 0):.0%}")
    return f"{basis}. By {label}: " + "; ".join(regions) + "."


def region(phases: Phases, view: View, name: str) -> str:
    """`cxl where DRAM price is above 17 USD/GB and prompt length is below 8,192 tokens (23% of the
    picture)`.
    """
    won = phases.where(name)
    x, y = (whatif.QUANTITIES[of] for of in (view.flip_x, view.flip_y))
    ends = [_ends(np.asarray(won.any(axis=0)), phases.x, x), _ends(np.asarray(won.any(axis=1)), phases.y, y)]
    bounds = " and ".join(end for end in ends if end)
    inside = won[np.ix_(won.any(axis=1), won.any(axis=0))].mean()
    # a region that is no rectangle is said to lie in one
    where = f" where {bounds}" if inside > 0.9 else f" in parts of where {bounds}"
    return f"{name}{where if bounds else ELSEWHERE} ({won.mean():.0%} of the picture)"


def _ends(there: Mask, values: NDArray[np.float64], quantity: whatif.Quantity) -> str:
    """Between which values of a quantity something wins; "" where it is from end to end."""
    found = np.flatnonzero(there)
    first, last = int(found[0]), int(found[-1])

    def edge(n: int) -> str:
        low, high = float(values[n - 1]), float(values[n])
        middle = (low * high) ** 0.5 if quantity.log else (low + high) / 2
        return quantity.text(float(f"{middle:.1e}"))  # the cells are no finer than that

    low = edge(first) if first else ""
    high = edge(last + 1) if last + 1 < len(values) else ""
    if low and high:
        return f"{quantity.label} is {low} to {high}"
    return f"{quantity.label} is above {low}" if low else f"{quantity.label} is below {high}" if high else ""


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
