"""The cache of rows holds what an exact LRU holds."""

from collections import OrderedDict

import numpy as np
import pytest

from codesign.calibration.rowcache import RowCache


@pytest.mark.parametrize("capacity", [1, 5, 40])
def test_same_as_an_exact_lru(capacity: int) -> None:
    random = np.random.default_rng(capacity)
    cache, exact = RowCache(100, capacity), OrderedDict[int, None]()
    for _ in range(300):
        rows = np.unique(random.zipf(1.3, 6) % 100)[:capacity]
        places = cache.find(rows)
        assert {int(r) for r in rows[places >= 0]} == {int(r) for r in rows if int(r) in exact}
        missing = rows[places < 0]
        cache.admit(missing)
        for row in [*rows[places >= 0].tolist(), *missing.tolist()]:
            exact.pop(row, None)
            exact[row] = None
            if len(exact) > capacity:
                exact.popitem(last=False)
    assert {int(r) for r in cache.row_of[: cache.filled]} == set(exact)


def test_places_tell_where_a_row_is_held() -> None:
    cache = RowCache(10, 3)
    assert cache.admit(np.array([4, 7])).tolist() == cache.find(np.array([4, 7])).tolist()
    assert cache.find(np.array([1])).tolist() == [-1]


def test_more_rows_than_it_holds() -> None:
    cache = RowCache(10, 2)
    assert (cache.admit(np.arange(5)) >= 0).tolist() == [False, False, False, True, True]


def test_of_no_size() -> None:
    cache = RowCache(10, 0)
    assert cache.admit(np.array([1, 2])).tolist() == [-1, -1]
