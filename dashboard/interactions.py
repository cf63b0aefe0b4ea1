"""What a view becomes when a control is used: pure, one function per control, named as the control's id."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dashboard import controls, whatif
from dashboard.columns import typed
from dashboard.designs import Designs
from dashboard.figures import parallel
from dashboard.scale import STEPS, Scale
from dashboard.view import PAGES, View

MOST_SAVED = 8  # selections, of so many designs each: they stand in the address
MOST_TRIALS = 100


def apply(
    view: View, control: str | dict[str, Any], value: Any, designs: Designs, scales: dict[str, Scale]
) -> View:
    """The view after a control got a value; unchanged where the value says nothing.

    control: the component's id. designs: as shown now. scales: of the limits' sliders.
    """
    if value is None:
        return view
    if isinstance(control, dict):
        return _PATTERNS[control["type"]](view, control, value, designs, scales)
    if control.startswith(("axis-", "flip-")):
        return _axis(view, control, value, designs)
    return _PLAIN[control](view, value, designs) if control in _PLAIN else view


def _axis(view: View, control: str, value: Any, designs: Designs) -> View:
    name = control.removeprefix("axis-").replace("-", "_")
    if name.startswith("flip_"):
        known = whatif.QUANTITIES if name != "flip_of" else designs.columns
    else:
        known = designs.columns
    if value and value not in known:
        return view
    # a lasso is drawn on its axes; on others it would mean something else
    return replace(view, **{name: value}, lasso=() if name in ("x", "y") else view.lasso)


def _limit(
    view: View, control: dict[str, Any], value: Any, designs: Designs, scales: dict[str, Scale]
) -> View:
    return _between(view, control["column"], scales.get(control["column"]), value)


def _depth(
    view: View, control: dict[str, Any], value: Any, designs: Designs, scales: dict[str, Scale]
) -> View:
    axis = control["axis"]
    if axis not in ("x", "y", "z"):
        return view
    return _between(view, *controls.depth_scale(designs, view, axis, scales), value)


def _between(view: View, column: str, scale: Scale | None, value: Any) -> View:
    """The limit that the two handles of a slider ask for; its ends lift it."""
    if scale is None or not isinstance(value, list) or len(value) != 2:
        return view
    low, high = (float(position) for position in value)
    return view.limit(
        column, None if low <= 0 else scale.value(low), None if high >= STEPS else scale.value(high)
    )


def _bound(view: View, control: dict[str, Any], value: Any, designs: Designs, *_: Any) -> View:
    """A limit typed in the shown unit; an empty field lifts it, what is no number changes nothing."""
    column = designs.columns.get(control["column"])
    number = typed(value)
    if column is None or (number is None and str(value).strip()):
        return view
    low, high = view.limits.get(column.name, (None, None))
    end = None if number is None else number / column.factor
    return (
        view.limit(column.name, end, high) if control["end"] == "low" else view.limit(column.name, low, end)
    )


def _asked(view: View, control: dict[str, Any], value: Any, *_: Any) -> View:
    """A what-if typed in its unit, within the ends of its slider; an empty field undoes it."""
    quantity, number = whatif.QUANTITIES.get(control["quantity"]), typed(value)
    if quantity is None or (number is None and str(value).strip()):
        return view
    kept = {name: other for name, other in view.change.items() if name != quantity.name}
    if number is None:
        return replace(view, change=kept)
    number = min(max(number, quantity.low), quantity.high)
    return replace(view, change={**kept, quantity.name: float(round(number)) if quantity.whole else number})


def _change(view: View, control: dict[str, Any], value: Any, *_: Any) -> View:
    quantity = whatif.QUANTITIES.get(control["quantity"])
    if quantity is None:
        return view
    asked = quantity.scale.value(float(value))
    return replace(
        view, change={**view.change, quantity.name: float(round(asked)) if quantity.whole else asked}
    )


def _act(view: View, control: dict[str, Any], value: Any, designs: Designs, *_: Any) -> View:
    """Buttons that are made as needed (`parts.act`): open, compare or drop a design, show or forget a selection."""
    if not value:
        return view
    target = str(control["on"])
    if control["do"] == "pick" and target.isdigit():
        return view.pick(int(target))
    if control["do"] == "open" and target.isdigit():
        return replace(view, trial=int(target))
    if control["do"] == "take":
        return replace(view, trial=designs.choices(view).get(target, view.trial))
    if control["do"] == "show" and target in view.saved:
        return replace(view, only={"trial": tuple(map(str, view.saved[target]))}, limits={}, lasso=())
    if control["do"] == "forget":
        return replace(view, saved={name: trials for name, trials in view.saved.items() if name != target})
    return view


def _click(view: View, value: Any, designs: Designs) -> View:
    trial = value.get("trial") if isinstance(value, dict) else None
    return replace(view, trial=trial) if isinstance(trial, int) and designs.row(trial) is not None else view


def _brush(view: View, value: Any, designs: Designs) -> View:
    """A box becomes limits on both axes, a lasso a polygon, none of them lifts both. Values as shown -> SI."""
    if not isinstance(value, dict) or view.x not in designs.columns or view.y not in designs.columns:
        return view
    factors = [designs.columns[name].factor for name in (view.x, view.y)]
    box, lasso = (_outline(value.get(kind)) for kind in ("box", "lasso"))
    free = replace(view.limit(view.x, None, None).limit(view.y, None, None), lasso=())
    if box is not None:
        for name, factor, ends in zip((view.x, view.y), factors, box, strict=True):
            free = free.limit(name, min(ends) / factor, max(ends) / factor)
        return free
    if lasso is not None:
        return replace(
            free, lasso=tuple((x / factors[0], y / factors[1]) for x, y in zip(*lasso, strict=True))
        )
    return free if value.get("none") else view


def _outline(value: Any) -> list[list[float]] | None:
    """Two lists of finite numbers of one length, or None for anything else."""
    try:
        x, y = ([float(number) for number in part] for part in value)
    except (TypeError, ValueError):
        return None
    return [x, y] if len(x) == len(y) and len(x) >= 2 and all(map(math.isfinite, x + y)) else None


def _parallel(view: View, value: Any, designs: Designs) -> View:
    change = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else {}
    return parallel.brushed(designs, view, change)


def _cell(view: View, value: Any, designs: Designs) -> View:
    row = str(value.get("rowId", "")) if isinstance(value, dict) else ""
    if not row.isdigit() or designs.row(int(row)) is None:
        return view
    return view.pick(int(row)) if value.get("colId") == "pick" else replace(view, trial=int(row))


def _scenario(view: View, value: Any, _: Designs) -> View:
    value = "" if value == "study" else value
    prices = {name for name, quantity in whatif.QUANTITIES.items() if quantity.price}
    kept = {name: v for name, v in view.change.items() if name not in prices}
    return replace(view, scenario=value, change=kept) if value != view.scenario else view


def _save(view: View, value: Any, designs: Designs) -> View:
    return save(view, str(value.get("name") or ""), designs) if isinstance(value, dict) else view


def save(view: View, name: str | None, designs: Designs) -> View:
    """The view with the designs that are left kept under a name: those of the front alone where there are many."""
    name = " ".join((name or "").split())[:40] or f"selection {len(view.saved) + 1}"
    left = designs.kept(view) & designs.feasible
    trials = designs.trials[left if left.sum() <= MOST_TRIALS else left & designs.front][:MOST_TRIALS]
    saved = {**view.saved, name: tuple(map(int, trials))}
    return replace(view, saved=dict(list(saved.items())[-MOST_SAVED:]))


def _reset(view: View, value: Any, _: Designs) -> View:
    if not value:
        return view
    return View(study=view.study, page=view.page, theme=view.theme, saved=view.saved)


def _theme(view: View, value: Any, _: Designs) -> View:
    return replace(view, theme="light" if view.theme == "dark" else "dark") if value else view


_PATTERNS: dict[str, Callable[..., View]] = {
    "limit": _limit, "depth": _depth, "bound": _bound, "change": _change, "asked": _asked, "act": _act,
}  # fmt: skip
_PLAIN: dict[str, Callable[[View, Any, Designs], View]] = {
    "log": lambda view, value, _: replace(view, log=tuple(axis for axis in "xyz" if axis in value)),
    "front-only": lambda view, value, _: replace(view, front_only=bool(value)),
    "page-choice": lambda view, value, _: replace(view, page=value if value in PAGES[:3] else view.page),
    "scenario": _scenario, "click": _click, "brush": _brush, "parallel": _parallel, "table": _cell,
    "reset": _reset, "theme-button": _theme, "save": _save,
}  # fmt: skip
