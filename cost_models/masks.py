"""Choices that work on one design as on (designs,), and cost a scalar design no array operation."""

from typing import Any

import numpy as np

from cost_models.design import TIERS, Name


def choose(mask: Any, yes: Any, no: Any) -> Any:
    """`yes` where the mask holds, else `no`; the mask a bool or (designs,) bool."""
    if isinstance(mask, bool | np.bool_):
        return yes if mask else no
    return np.where(mask, yes, no)


def by_tier(names: Name) -> dict[str, Any]:
    """Tier -> where it is meant, a bool or (designs,) bool; the names are tiers, or "" for none.

    Tiers differ in their first letter, and comparing letters is ten times faster than comparing strings.
    """
    if isinstance(names, str):
        return {tier: names == tier for tier in TIERS}
    array = np.ascontiguousarray(names, dtype=np.str_)
    letters = array.view(np.uint32).reshape(len(array), -1)[:, 0]
    return {tier: letters == ord(tier[0]) for tier in TIERS}


def some(mask: Any) -> bool:
    """Whether the mask holds for any design."""
    return bool(mask) if isinstance(mask, bool | np.bool_) else bool(np.any(mask))
