"""Names in arrays: which distinct ones there are, and where each stands, without sorting strings."""

import numpy as np
from numpy.typing import NDArray

from cost_models.design import Name

# Odd multipliers, one per character; sums wrap around in 64 bits, so that different names collide with
# probability 2^-64 or so.
_MULTIPLIERS = np.random.default_rng(0).integers(2**62, 2**63, size=256, dtype=np.uint64) | np.uint64(1)


def distinct(names: Name) -> tuple[list[str], NDArray[np.intp] | None]:
    """The distinct names of a scalar or an array (designs,), and each design's index; None for a scalar.

    An array of one name only counts as a scalar.
    """
    if isinstance(names, str):
        return [names], None
    array = np.ascontiguousarray(names, dtype=np.str_)
    if array.ndim == 0:
        return [str(array)], None
    width = array.dtype.itemsize // 4
    letters = array.view(np.uint32).reshape(array.size, width)
    keys = np.zeros(array.size, dtype=np.uint64)
    for column in range(width):
        keys += letters[:, column] * _MULTIPLIERS[column % len(_MULTIPLIERS)]
    unique = np.unique(keys)
    found = [str(array.flat[int(np.argmax(keys == key))]) for key in unique]
    if len(found) == 1:
        return found, None
    return found, np.searchsorted(unique, keys)
