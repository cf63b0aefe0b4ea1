"""Bundles of a space: every combination of the choices that say how a layer is built.

What only sizes it (parameters, rows, widths) and all hardware is left to the search inside a bundle.
"""

from collections.abc import Mapping
from itertools import product
from typing import Any

from search_spaces import Space
from search_spaces.fields import ROWS, SHARE

KINDS = ("model.attention", "model.feed_forward", "model.engram_hash_layout")
TABLES_ONLY = ("model.engram_max_order", "model.engram_layers")  # mean nothing without tables
ENGRAM = "model.engram"  # in a bundle: whether it has tables
Bundle = tuple[tuple[str, Any], ...]


def bundle_of(space: Space, params: Mapping[str, Any]) -> Bundle:
    """The bundle that a model of the space is built of: ((name, value), ...) of its free structural choices."""
    free = {p.name for p in space.model_parameters}
    amount = next((name for name in (SHARE, ROWS) if name in free), None)
    has_tables = bool(params.get(amount, 0)) if amount else space.base.engram is not None
    own: dict[str, Any] = {ENGRAM: has_tables} if amount else {}
    for name in (*KINDS, *TABLES_ONLY):
        if name in free and name in params and (has_tables or name in KINDS[:2]):
            own[name] = params[name]
    return tuple(own.items())


def bundles(space: Space) -> dict[Bundle, dict[str, Any]]:
    """Every bundle of the space with a model of it, whose sizes are the middle ones of the space."""
    found: dict[Bundle, dict[str, Any]] = {}
    for values in product(*(_values(p) for p in space.model_parameters)):
        params = space.applicable(dict(zip((p.name for p in space.model_parameters), values, strict=True)))
        found.setdefault(bundle_of(space, params), params)
    return found


def label(bundle: Bundle) -> str:
    """`gqa, experts, tables (max_order 3, layers 1,14)`."""
    own = dict(bundle)
    words = [str(own[name]) for name in KINDS[:2] if name in own]
    if ENGRAM in own:
        inner = ", ".join(
            f"{name.removeprefix('model.engram_')} {own[name]}"
            for name in (*TABLES_ONLY, KINDS[2])
            if name in own
        )
        words.append(("tables" + (f" ({inner})" if inner else "")) if own[ENGRAM] else "no tables")
    return ", ".join(words) or "the base"


def _values(parameter: Any) -> tuple[Any, ...]:
    """All values of a structural choice; of an amount of tables none and the middle; of a size its middle."""
    levels = parameter.levels()
    if parameter.name in (*KINDS, *TABLES_ONLY):
        return tuple(levels)
    if parameter.name in (SHARE, ROWS):
        some = [level for level in levels if level]
        return tuple(
            dict.fromkeys([*([0] if 0 in levels else []), *some[len(some) // 2 : len(some) // 2 + 1]])
        )
    return (levels[len(levels) // 2],)
