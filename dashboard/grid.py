"""Rows of the table, as the browser asks for them: sorted, filtered, a block at a time."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboard.columns import Column, plain
from dashboard.controls import table_columns
from dashboard.designs import Designs, Mask, within
from dashboard.view import View

MOST_ROWS = 500  # in one answer


def answer(designs: Designs, view: View, request: dict[str, Any]) -> dict[str, Any]:
    """The answer to a `getRowsRequest` of dash-ag-grid: rows of one block and the number of all rows."""
    rows = ordered(designs, view, request)
    start = max(0, int(request.get("startRow") or 0))
    end = min(int(request.get("endRow") or 100), start + MOST_ROWS)
    return {"rowData": cells(designs, view, rows[start:end]), "rowCount": len(rows)}


def ordered(designs: Designs, view: View, request: dict[str, Any]) -> NDArray[np.int64]:
    """The rows of the table in its order: the view's designs, the headings' filters, the headings' sorting.

    Without sorting the front comes first, then feasible designs, then by trial.
    """
    mask = designs.kept(view) & (designs.front if view.front_only else True)
    for name, rule in (request.get("filterModel") or {}).items():
        if name in designs.columns or name == "trial":
            mask = mask & passes(designs, name, rule)
    rows = np.flatnonzero(mask)
    keys: list[NDArray[Any]] = [designs.trials[rows], ~designs.feasible[rows], ~designs.front[rows]]
    for item in reversed(request.get("sortModel") or []):
        name = item.get("colId")
        if name == "trial" or name in designs.columns:
            values = designs.table[name].to_numpy()[rows]
            if name in designs.columns and not designs.columns[name].numeric:
                values = np.unique([plain(value) for value in values], return_inverse=True)[1]
            key = np.asarray(values, float)
            keys.append(-key if item.get("sort") == "desc" else key)
    return rows[np.lexsort(keys)]


def limited(designs: Designs, view: View, model: dict[str, Any], before: View) -> View:
    """The view whose limits are what the headings' filters say; `before` is the view that they last agreed with.

    A range becomes a limit, a rule for text the values that pass it. A filter that is gone lifts its limit. Other
    rules (blank, not equal) and filters on the number of a design stay in the table.
    """
    for column in table_columns(designs):
        name, rule = column.name, model.get(column.name)
        if column.numeric:
            ends = _range(rule, column.factor) if rule else None
            if ends is not None:
                view = view.limit(name, *ends)
            elif not rule and name in before.limits:
                view = view.limit(name, None, None)
        elif rule or len(before.only.get(name, ())) == 1:
            values = sorted(set(map(str, designs.texts(name)[passes(designs, name, rule)]))) if rule else []
            only = {other: kept for other, kept in view.only.items() if other != name}
            view = replace(view, only={**only, **({name: tuple(values)} if values else {})})
    return view


def filters(designs: Designs, view: View, model: dict[str, Any]) -> dict[str, Any]:
    """The headings' filters that say what the view's limits say; what the table alone can say stays as it is."""
    result = {name: rule for name, rule in model.items() if name == "trial"}
    for column in table_columns(designs):
        rule, name = model.get(column.name), column.name
        if rule and (
            _same(designs, view, column, rule) or (column.numeric and _range(rule, column.factor) is None)
        ):
            result[name] = rule
        elif name in view.limits:
            low, high = (
                None if end is None else float(f"{end * column.factor:.6g}") for end in view.limits[name]
            )
            kind = (
                "inRange"
                if None not in (low, high)
                else "lessThanOrEqual"
                if low is None
                else "greaterThanOrEqual"
            )
            result[name] = {"filterType": "number", "type": kind, "filter": high if low is None else low,
                            **({"filterTo": high} if kind == "inRange" else {})}  # fmt: skip
        elif len(view.only.get(name, ())) == 1:
            result[name] = {"filterType": "text", "type": "equals", "filter": view.only[name][0]}
    return result


def _same(designs: Designs, view: View, column: Column, rule: dict[str, Any]) -> bool:
    """Whether a filter says what the view says of its column, as far as the address holds digits."""
    if not column.numeric:
        return limited(designs, view, {column.name: rule}, View()).only == view.only
    ends, own = _range(rule, column.factor), view.limits.get(column.name)
    if ends is None or own is None:
        return False
    return all(
        (a is None and b is None) or (a is not None and b is not None and bool(np.isclose(a, b, rtol=2e-5)))
        for a, b in zip(ends, own, strict=True)
    )


def _range(rule: dict[str, Any], factor: float) -> tuple[float | None, float | None] | None:
    """A number filter as (lowest, highest) in SI, by the factor to its unit; None for rules that are no range."""
    first, last = (_bound(rule.get(key)) / factor for key in ("filter", "filterTo"))
    kind = rule.get("type", "")
    if not np.isfinite(first):
        return None
    if kind in ("lessThan", "lessThanOrEqual"):
        return None, first
    if kind in ("greaterThan", "greaterThanOrEqual"):
        return first, None
    return (first, last) if kind == "inRange" and np.isfinite(last) else None


def passes(designs: Designs, name: str, rule: dict[str, Any]) -> Mask:
    """Which rows (designs,) a heading's filter lets through."""
    if rule.get("operator") and rule.get("conditions"):
        masks = [passes(designs, name, part) for part in rule["conditions"]]
        return np.all(masks, axis=0) if rule["operator"] == "AND" else np.any(masks, axis=0)
    column = designs.columns.get(name)
    if column is not None and not column.numeric:
        wanted = str(rule.get("filter", "")).lower()
        texts = np.char.lower(designs.texts(name))
        found = np.char.find(texts, wanted) >= 0
        exact = texts == wanted
        kinds = {"equals": exact, "notEqual": ~exact, "notContains": ~found,
                 "startsWith": np.char.startswith(texts, wanted),
                 "endsWith": np.char.endswith(texts, wanted)}  # fmt: skip
        return kinds.get(rule.get("type", ""), found)
    values = designs.table[name].to_numpy(float)
    factor = column.factor if column else 1.0
    if (ends := _range(rule, factor)) is not None:
        return within(values, *ends)  # as the limit that it is everywhere else
    first = _bound(rule.get("filter")) / factor
    close = np.isclose(values, first, rtol=5e-4)
    kinds = {"equals": close, "notEqual": ~close, "blank": np.isnan(values), "notBlank": ~np.isnan(values)}
    return kinds.get(rule.get("type", ""), np.ones(len(values), bool))


def _bound(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def cells(designs: Designs, view: View, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    """What the table shows of some rows: column -> text, without units."""
    found = []
    for row in rows:
        trial = int(designs.trials[row])
        note = "knee" if trial == designs.knee else "front" if designs.front[row] else ""
        found.append({
            "id": str(trial), "trial": trial, "note": note if designs.feasible[row] else "infeasible",
            "pick": "☑ " + "ABCD"[view.picks.index(trial)] if trial in view.picks else "☐",
        })  # fmt: skip
    for column in table_columns(designs):
        unit = f" {column.unit}" if column.unit else ""
        for one, value in zip(found, designs.table[column.name].iloc[rows].tolist(), strict=True):
            one[column.name] = column.text(value).removesuffix(unit)
    return found


def csv(designs: Designs, view: View) -> str:
    """All columns of the designs within the view's limits, in SI, names as in the study."""
    mask = designs.kept(view) & (designs.front if view.front_only else True)
    return designs.table[mask].to_csv(index=False)
