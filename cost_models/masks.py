"""Choices that work on one design as on (designs,), and cost a scalar design no array operation."""

from typing import Any

import numpy as np


def choose(mask: Any, yes: Any, no: Any) -> Any:
    """`yes` where the mask holds, else `no`; the mask a bool or (designs,) bool."""
    if isinstance(mask, bool | np.bool_):
        return yes if mask else no
    return np.where(mask, yes, no)


def some(mask: Any) -> bool:
    """Whether the mask holds for any design."""
    return bool(mask) if isinstance(mask, bool | np.bool_) else bool(np.any(mask))
