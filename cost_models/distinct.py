"""Designs that differ in nothing a formula reads are evaluated once.

A search completes one model with every combination of hosts, tiers and caches, so that the columns which
latency reads repeat a hundredfold.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cost_models.design import Number

_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: multiplicative hashing (Knuth, TAOCP 3, 6.4)


class Distinct:
    """The distinct combinations of some columns, each a scalar or (designs,).

    columns: the same at the distinct combinations, (distinct,) float64 each; (2,), twice the same, where all
    were scalars.
    """

    def __init__(self, columns: dict[str, Number]) -> None:
        self._index: NDArray[np.int64] | None = None
        self._first: NDArray[np.int64] | None = None
        size = next(
            (len(column) for column in columns.values() if isinstance(column, np.ndarray) and column.ndim), 0
        )
        if not size:
            values = np.array(list(columns.values()), dtype=np.float64)
            self.columns = dict(zip(columns, np.repeat(values, 2).reshape(-1, 2), strict=True))
            return
        arrays = {name: np.asarray(column, dtype=np.float64) for name, column in columns.items()}
        self._find([column for column in arrays.values() if column.shape], size)
        count = len(self._first) if self._first is not None else 0
        self.columns = {
            name: column[self._first] if column.shape else np.full(count, float(column))
            for name, column in arrays.items()
        }

    def _find(self, columns: list[NDArray[np.float64]], size: int) -> None:
        """Hash every design's columns to 64 bits; one design of each hash stands for all of them."""
        key = np.zeros(size, dtype=np.uint64)
        for column in columns:
            key ^= (column + 0.0).view(np.uint64)  # + 0.0: one zero
            key *= _MIX
            key ^= key >> np.uint64(32)
        everyone = np.arange(size)
        stands = _one_of_each(key, everyone)
        self._first = np.flatnonzero(stands == everyone)
        number = np.empty(size, dtype=np.int64)
        number[self._first] = np.arange(len(self._first))
        self._index = number[stands]

    def first(self, column: Any) -> Any:
        """Another column (of names, say) at the distinct combinations; scalars stay scalars."""
        if self._first is None or np.ndim(column) == 0:
            return column
        return column[self._first]

    def spread(self, results: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
        """Results (..., distinct) for all designs again: floats, (...), or (..., designs)."""
        if self._index is None:
            return {name: v[..., 0] if v.ndim > 1 else float(v[0]) for name, v in results.items()}
        return {name: values.take(self._index, axis=-1) for name, values in results.items()}


def _one_of_each(key: NDArray[np.uint64], everyone: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each design the number of the one that stands for its hash: (designs,).

    A table with two places a design is filled by a part of the hash; who comes last keeps a place. Where that is a
    design of another hash, the designs try again by another part: several times quicker than sorting.
    """
    bits = len(key).bit_length()
    table = np.empty(2**bits, dtype=np.int64)
    stands = np.empty_like(everyone)
    left, keys = everyone, key
    while len(left):
        place = (keys >> np.uint64(64 - bits)).view(np.int64)
        table[place] = left
        chosen = table[place]
        stands[left] = chosen
        wrong = np.flatnonzero(key[chosen] != key[left])
        left, keys = left[wrong], keys[wrong] * _MIX
    return stands
