"""Costing a whole study again: its designs as arrays, one group per model, at any prices and any load.

`results.recosted` asks it for other prices, the dashboard's what-ifs for any change.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import cost_models
from codesign.search.scoring import QUALITY
from cost_models import records
from cost_models.carbon import carbon
from cost_models.catalogue import Catalogue
from cost_models.cost import cost
from cost_models.design import Design, Model
from cost_models.energy import Energy, static_power
from cost_models.errors import InputError
from cost_models.parts import Parts
from search_spaces import Parameter, Space

Columns = dict[str, NDArray[np.float64]]
T = TypeVar("T")
_VIOLATION = "violation."


@dataclass(frozen=True)
class Group:
    """The designs of one model: rows of the table and their trials, and one array design of them."""

    key: tuple[Any, ...]
    rows: NDArray[np.int64]
    trials: tuple[int, ...]
    model: Model
    design: Design


class Costing:
    """All designs of a table, ready to be costed. Columns are named by their place in the JSON document."""

    def __init__(self, space: Space, table: pd.DataFrame, known: "Costing | None" = None) -> None:
        """known: a costing of an earlier state of the same study, whose models need not be built again.

        Rows whose model is impossible stay NaN in every figure.
        """
        self.count = len(table)
        self.models: dict[tuple[Any, ...], Model | None] = dict(known.models) if known else {}
        self.groups: list[Group] = []
        parameters = {parameter.name: parameter for parameter in space.parameters if parameter.name in table}
        names = [parameter.name for parameter in space.model_parameters if parameter.name in table]
        hardware = [parameter.name for parameter in space.hardware_parameters if parameter.name in table]
        trials = table["trial"].to_numpy()
        cells = {name: exact(parameter, table[name]) for name, parameter in parameters.items()}
        for rows in _grouped(table, names):
            values = {name: cells[name][rows[0]] for name in names}
            key = tuple((name, value) for name, value in values.items() if value is not None)
            if key not in self.models:
                self.models[key] = _model(space, dict(key))
            model = self.models[key]
            if model is not None:
                design = space.designs(model, {name: cells[name][rows] for name in hardware})
                design = records.take(design, 0, len(rows))  # what is the same for all of them is one number
                self.groups.append(Group(key, rows, tuple(trials[rows].tolist()), model, design))
        self._everything: tuple[Any, Any] | None = None
        self._parts: tuple[Catalogue, list[Parts]] | None = None
        self._costed: dict[tuple[Any, ...], tuple[tuple[int, ...], Columns]] = (
            dict(known._costed) if known else {}
        )

    def costed(self, catalogue: Catalogue) -> Columns:
        """Every figure of every design as the study has it; groups that have not changed are not costed again."""
        parts = []
        for group in self.groups:
            trials, columns = self._costed.get(group.key, ((), {}))
            if trials != group.trials:
                columns = dict(cost_models.evaluate(group.design, catalogue).columns)
                self._costed[group.key] = (group.trials, columns)
            parts.append((group, columns))
        return self._joined(parts)

    def changed(self, catalogue: Catalogue, change: Callable[[Design], Design]) -> Columns:
        """Every figure of every design with another load or other limits; the systems stay as they are."""
        if self._parts is None or self._parts[0] is not catalogue:
            self._parts = catalogue, [catalogue.parts(group.design.system) for group in self.groups]
        return self._joined([
            (group, cost_models.evaluate(change(group.design), catalogue, parts).columns)
            for group, parts in zip(self.groups, self._parts[1], strict=True)
        ])  # fmt: skip

    def _joined(self, parts: list[tuple[Group, Columns]]) -> Columns:
        result: Columns = {}
        for group, columns in parts:
            for name, values in columns.items():
                if name not in result:
                    result[name] = np.full(self.count, np.nan)
                result[name][group.rows] = values
        return result

    def repriced(self, before: Columns, catalogue: Catalogue, change: Callable[[Design], Design]) -> Columns:
        """The figures after a change of prices, grid or utilisation alone, from those before it.

        Time and energy do not depend on these, so one call over all designs replaces one per model.
        """
        if not self.groups:
            return before
        rows = np.sort(np.concatenate([group.rows for group in self.groups]))
        design = change(self.everything())
        system, serving = design.system, design.serving
        parts = catalogue.parts(system)
        static = catalogue.value("facility", "pue") * sum(static_power(parts, system).values())
        energy = {name: before[f"energy.{name}"][rows] for name in ("j_per_token", "average_w", "peak_w")}
        spent = Energy(**energy, static_w=static, by_part={})
        rate = before["latency.output_tokens_per_s"][rows]
        money = cost(parts, system, serving, spent, rate, catalogue)
        made = carbon(parts, system, serving, spent, rate, catalogue)
        figures: dict[str, Any] = {
            "cost.usd_per_mtok": money.usd_per_mtok, "cost.usd_per_mtok_blended": money.usd_per_mtok_blended,
            "cost.capex_usd": money.capex_usd, "cost.opex_usd_per_year": money.opex_usd_per_year,
            "carbon.operational_g_per_mtok": made.operational_g_per_mtok, "carbon.embodied_kg": made.embodied_kg,
        }  # fmt: skip
        result = dict(before)
        for name, values in figures.items():
            result[name] = np.full(self.count, np.nan)
            result[name][rows] = values
        for name, figure in (("capex_usd", "cost.capex_usd"), ("usd_per_mtok", "cost.usd_per_mtok")):
            limit = getattr(design.limits, name)
            if limit is not None:
                result[f"violations.{name}"] = result[figure] - limit
        return result

    def everything(self) -> Design:
        """All designs as one array design; its model is that of the first group and means nothing."""
        if self._everything is None:
            order = np.argsort(np.concatenate([group.rows for group in self.groups]))
            counts = [len(group.rows) for group in self.groups]
            designs = [group.design for group in self.groups]
            self._everything = tuple(
                stacked([getattr(design, part) for design in designs], counts, order)
                for part in ("system", "serving")
            )
        system, serving = self._everything
        return replace(self.groups[0].design, system=system, serving=serving)


def with_figures(table: pd.DataFrame, figures: Columns) -> pd.DataFrame:
    """The table with every objective and violation that cost models give, for the rows that they cover."""
    columns: dict[str, Any] = {}
    for name, objective in cost_models.OBJECTIVES.items():
        if objective.figure in figures:
            columns[name] = figures[objective.figure]
    broken = np.zeros(len(table), bool)
    for name, amount in figures.items():
        if name.startswith("violations."):
            columns[_VIOLATION + name.removeprefix("violations.")] = amount
            broken |= ~(amount <= 0)
    limited = _VIOLATION + QUALITY
    if limited in table:
        broken |= table[limited].to_numpy(float) > 0
    # what was never trained has no quality and is no design to choose, whatever it costs
    columns["feasible"] = (table["state"] == "COMPLETE").to_numpy(bool) & ~broken
    return table.assign(**columns)


def stacked(records: list[T], counts: list[int], order: NDArray[np.int64]) -> T:
    """Records with array fields as one record: fields joined, then put in an order. Equal scalars stay scalars."""
    changes: dict[str, Any] = {}
    for item in fields(records[0]):  # type: ignore[arg-type]
        values = [getattr(record, item.name) for record in records]
        if is_dataclass(values[0]):
            changes[item.name] = stacked(values, counts, order)
        elif any(isinstance(value, np.ndarray) for value in values) or any(
            value != values[0] for value in values
        ):
            parts = [np.broadcast_to(np.asarray(v), (n,)) for v, n in zip(values, counts, strict=True)]
            changes[item.name] = np.concatenate(parts)[order]
    return replace(records[0], **changes) if changes else records[0]  # type: ignore[type-var]


def _grouped(table: pd.DataFrame, names: list[str]) -> list[NDArray[np.int64]]:
    """Rows with equal values in some columns, together."""
    if not len(table):
        return []
    if not names:
        return [np.arange(len(table))]
    return [np.asarray(rows) for rows in table.groupby(names, dropna=False, sort=False).indices.values()]


def _model(space: Space, values: dict[str, Any]) -> Model | None:
    try:
        return space.model(values)
    except InputError:
        return None


def exact(parameter: Parameter, column: pd.Series) -> NDArray[Any]:
    """The values of a parameter as the space has them, None where it does not apply.

    A table holds whole numbers as floats as soon as one of them is missing.
    """
    whole = parameter.kind == "int"
    choices = {choice: choice for choice in parameter.choices}
    values = [
        None if value is None or value != value else int(value) if whole else choices.get(value, value)
        for value in column.tolist()
    ]
    result = np.empty(len(values), object)
    result[:] = values
    return result
