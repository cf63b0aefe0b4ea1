"""A cache of table rows in memory that gives up the row unused for longest (LRU), many rows at a time.

Uses are appended to a queue; to make room, entries are taken from its front and those whose row was used again
since are skipped. So each use costs a few array operations, whatever the size of the cache.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
_NOWHERE = -1


class RowCache:
    """Row numbers below `rows` and the place of each of the `capacity` that are held. Contents are the caller's."""

    def __init__(self, rows: int, capacity: int) -> None:
        self.capacity, self.clock = capacity, 0
        self.place_of = np.full(rows, _NOWHERE, np.int32)
        self.row_of = np.full(capacity, _NOWHERE, np.int64)
        self.used = np.zeros(capacity, np.int64)
        self.filled = 0
        self._queue: deque[tuple[NDArray[np.int32], Rows]] = deque()  # places, and when they were used

    def find(self, rows: Rows) -> NDArray[np.int32]:
        """The place of each of these distinct rows, -1 where it is not held; those held are used now."""
        places = self.place_of[rows]
        self._use(places[places >= 0])
        return places

    def admit(self, rows: Rows) -> NDArray[np.int32]:
        """Hold these distinct rows, none of which is held; returns their places.

        More of them than the cache has room for: only the last ones, the others get place -1.
        """
        kept = rows[-self.capacity :] if self.capacity else rows[:0]
        fresh = min(self.capacity - self.filled, len(kept))
        new = np.arange(self.filled, self.filled + fresh, dtype=np.int32)
        self.filled += fresh
        taken = self._oldest(len(kept) - fresh)
        self.place_of[self.row_of[taken]] = _NOWHERE
        places = np.concatenate([new, taken])
        self.row_of[places], self.place_of[kept] = kept, places
        self._use(places)
        result = np.full(len(rows), _NOWHERE, np.int32)
        result[len(rows) - len(kept) :] = places
        return result

    def _use(self, places: NDArray[np.int32]) -> None:
        if not len(places):
            return
        times = self.clock + np.arange(len(places))
        self.clock += len(places)
        self.used[places] = times
        self._queue.append((places, times))

    def _oldest(self, count: int) -> NDArray[np.int32]:
        found: list[NDArray[np.int32]] = []
        while count > 0:
            places, times = self._queue.popleft()
            current = np.flatnonzero(self.used[places] == times)
            if len(current) > count:
                rest = current[count]
                self._queue.appendleft((places[rest:], times[rest:]))
                current = current[:count]
            taken = places[current]
            self.used[taken] = -1  # not to be found twice
            found.append(taken)
            count -= len(taken)
        return np.concatenate(found) if found else np.zeros(0, np.int32)
