"""Designs that differ in nothing a formula reads are evaluated once.

A search completes one model with every combination of hosts, tiers and caches, so that the columns which
latency reads repeat a hundredfold.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cost_models.design import Number

_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: multiplicative hashing (Knuth, TAOCP 3, 6.4)


class Distinct:
    """The distinct combinations of some columns, each a scalar or (designs,).

    columns: the same at the distinct combinations, (distinct,) float64 each; (1,) where all were scalars.
    """

    def __init__(self, columns: dict[str, Number]) -> None:
        arrays = {name: np.asarray(column, dtype=np.float64) for name, column in columns.items()}
        self._shape = np.broadcast_shapes(*(column.shape for column in arrays.values()))
        self._index: NDArray[np.int64] | None = None
        self._first: NDArray[np.int64] | None = None
        if self._shape:
            self._index_by_hash([column for column in arrays.values() if column.shape])
        count = 1 if self._first is None else len(self._first)
        self.columns = {
            name: column[self._first] if column.shape else np.full(count, float(column))
            for name, column in arrays.items()
        }

    def _index_by_hash(self, columns: list[NDArray[np.float64]]) -> None:
        key = np.zeros(self._shape, dtype=np.uint64)
        for column in columns:
            key ^= (np.ascontiguousarray(column) + 0.0).view(np.uint64)  # + 0.0: one zero
            key *= _MIX
            key ^= key >> np.uint64(29)
        _, self._first, index = np.unique(key, return_index=True, return_inverse=True)
        self._index = index.reshape(self._shape)

    def first(self, column: Any) -> Any:
        """Another column (of names, say) at the distinct combinations; scalars stay scalars."""
        if self._first is None or np.ndim(column) == 0:
            return str(column) if isinstance(column, np.ndarray | np.str_) else column
        return column[self._first]

    def spread(self, blocks: Sequence[NDArray[np.float64]]) -> Any:
        """Results (..., distinct), in blocks along the last axis, for all designs again."""
        whole = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=-1)
        if self._index is None:
            return whole[..., 0] if whole.ndim > 1 else float(whole[0])
        return whole[..., self._index]
