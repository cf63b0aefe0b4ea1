"""Designs whose fields are arrays: how many they are, a stretch of them, and what may stand in them."""

import dataclasses
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cost_models import designfields as rules
from cost_models.design import Design, Limits, System, TablePlacement
from cost_models.designfields import Rule
from cost_models.errors import InputError

T = TypeVar("T")

_NAMES: dict[type, tuple[str, ...]] = {}
_LETTERS = np.uint64(1_114_111)  # code points of Unicode


def size(design: Design) -> int | None:
    """How many designs an array design holds; None for a scalar one.

    Raises InputError where two fields have different lengths.
    """
    try:
        hash((design.system, design.serving, design.limits))
        return None  # arrays have no hash, so there is none
    except TypeError:
        pass
    lengths: dict[int, str] = {}
    for part in ("system", "serving", "limits"):
        _lengths(getattr(design, part), part, lengths)
    if len(lengths) > 1:
        (one, first), (other, second), *_ = lengths.items()
        raise InputError(
            f"design: {second} must hold as many designs as {first} ({one}), got {other}; "
            "give arrays of one length, or scalars"
        )
    return next(iter(lengths), None)


def take(record: T, start: int, stop: int) -> T:
    """Designs start..stop-1; a field that is the same for all of them becomes a scalar."""
    changes: dict[str, Any] = {}
    for name in _names(record):
        value = getattr(record, name)
        if isinstance(value, np.ndarray):
            piece = value[start:stop]
            changes[name] = piece[0].item() if (piece == piece[0]).all() else piece
        elif name != "model" and dataclasses.is_dataclass(value):
            changes[name] = take(value, start, stop)
    return dataclasses.replace(record, **changes) if changes else record  # type: ignore[type-var]


def check(design: Design, system: bool = True) -> None:
    """Refuse numbers and names that no design file may hold. Raises InputError: field, rule, value.

    system: look at that as well, not at serving and limits alone.
    """
    looked_at: list[System | TablePlacement | Limits] = [design.serving.tables, design.limits]
    for record in [design.system, *looked_at] if system else looked_at:
        try:
            _checked(record)
        except TypeError:  # an array has no hash
            _check_record(record)
    _check("serving", design.serving, rules.SERVING)


def _check_record(record: System | TablePlacement | Limits) -> None:
    if isinstance(record, System):
        _check("system", record, rules.SYSTEM)
        _check("system.host", record.host, rules.HOST)
    elif isinstance(record, TablePlacement):
        _check("serving.tables", record, rules.TABLES)
        _check("serving.tables", record, rules.CACHE)
    else:
        _check("limits", record, rules.LIMITS)


# Scalar records that many designs share are looked at once; an error is not kept.
_checked = lru_cache(maxsize=1024)(_check_record)


def _lengths(record: Any, place: str, found: dict[int, str]) -> None:
    for name in _names(record):
        value = getattr(record, name)
        if isinstance(value, np.ndarray):
            if value.ndim != 1 or not len(value):
                raise InputError(
                    f"{place}.{name} must be a scalar or have shape (designs,), got {value.shape}"
                )
            found.setdefault(len(value), f"{place}.{name}")
        elif dataclasses.is_dataclass(value):
            _lengths(value, f"{place}.{name}", found)


def _names(record: Any) -> tuple[str, ...]:
    kind = type(record)
    if kind not in _NAMES:
        _NAMES[kind] = tuple(field.name for field in dataclasses.fields(kind))
    return _NAMES[kind]


def _check(place: str, record: Any, fields: dict[str, Rule]) -> None:
    for name, rule in fields.items():
        value = getattr(record, name)
        if rule.kind in ("integer", "number"):
            if value is None and rule.null is None:
                continue
            _number(place, name, value, rule)
        elif rule.choices:
            _choice(place, name, value, rule)


def _number(place: str, name: str, value: Any, rule: Rule) -> None:
    scale = rule.scale if rule.kind == "number" else 1
    low, high, above = rule.low * scale, rule.high * scale, rule.above
    if isinstance(value, np.ndarray):
        # NaN carries through both, and fails either comparison
        if value.dtype.kind in "iuf" and value.min() >= low and value.max() <= high and value.min() > above:
            return
        bad = [x for x in value.tolist() if not _holds(x, low, high, above)]
        value = bad[0] if bad else value.dtype
    elif _holds(value, low, high, above):
        return
    sentence = dataclasses.replace(rule, low=low, high=high).sentence()
    raise InputError(f"{place}.{name} {sentence}, got {value!r}")


def _holds(value: Any, low: float, high: float, above: float) -> bool:
    return isinstance(value, int | float | np.number) and bool(low <= value <= high and value > above)


def _choice(place: str, name: str, value: Any, rule: Rule) -> None:
    allowed = (
        {*rule.choices, rule.null} if isinstance(rule.null, str) and rule.null != "refused" else rule.choices
    )
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "U":
            width = value.dtype.itemsize // 4
            fitting = np.array([choice for choice in allowed if len(choice) <= width], value.dtype)
            known = np.isin(_keys(value), _keys(fitting))
        else:
            known = np.zeros(len(value), dtype=bool)
        if known.all():
            return
        value = str(value[np.argmin(known)])
    elif value in allowed:
        return
    raise InputError(f"{place}.{name} {rule.sentence()}, got {value!r}")


def _keys(names: NDArray[np.str_]) -> NDArray[np.uint64]:
    """One number per name, by its letters; much faster to compare than strings."""
    letters = np.ascontiguousarray(names).view(np.uint32).reshape(len(names), -1)
    keys = np.zeros(len(names), dtype=np.uint64)
    for column in letters.T:
        keys = keys * _LETTERS + column
    return keys
