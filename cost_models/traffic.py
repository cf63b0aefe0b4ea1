"""How often text comes back to the rows of Engram tables: what caches and deduplication buy.

A traffic profile holds, per N-gram order and number of interleaved sequences, the reuse-time curve of a text:
P(t), the share of reads whose N-gram was not read within the last t tokens of the stream, and its integral
f(t) = P(0) + ... + P(t-1), the distinct N-grams expected in t tokens. The rest is closed form:

- Average eviction time (Hu et al., "Kinetic Modeling of Data Eviction in Cache", USENIX ATC 2016): an LRU
  cache of C rows keeps a row for the t with f(t) = C, so it misses P(t) of the reads.
- Hashing into M rows is uniform, so another N-gram refreshes a row at rate P/M:
  P_M(t) = P(t) exp(-f(t)/M), and the distinct rows are f_M(t) = M (1 - exp(-f(t)/M)).
- Footprints add: tables that share one cache fill it at the t with sum of f_M(t) = C.
- Policies other than LRU: a measured ratio of misses at equal t (replacement.py).

`tokens` counts the interleaved stream: with B sequences each of them advances by t/B.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cost_models.errors import InputError
from cost_models.replacement import POLICIES, Correction

Array = NDArray[np.float64]
_NONE = Correction(np.zeros(0), np.zeros(0), np.zeros((0, 0, 0, 0)))
Tables = Sequence[tuple[int, float, int]]  # (order, rows of one table, tables of this order and size)

FORMAT = 2
_SHIPPED = Path(__file__).parent / "profiles"
_HORIZON = 2.0**48  # tokens: the tail is followed until every table of practical size is full
_TAIL_STEPS_PER_OCTAVE = 6


@dataclass(frozen=True)
class Profile:
    """The measured reuse of one text; build one with `codesign traffic TEXT --out FILE`.

    orders: N-gram orders, ascending. sequences: numbers of interleaved sequences, ascending, from 1.
    times: (T,) tokens, ascending from 0. survival: (orders, sequences, T), P at `times`.
    tail: (orders, sequences), a in P(t) ~ t^-a beyond the last time.
    s3_fifo: what that policy saves over LRU; None: not measured, and asking for it is an error.
    about: the text's name, tokens, tokenizer, and further statistics that only reports read.
    """

    orders: tuple[int, ...]
    sequences: tuple[int, ...]
    times: Array
    survival: Array
    tail: Array
    s3_fifo: Correction | None = None
    about: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def load(name_or_path: str | Path) -> "Profile":
        """Read a shipped profile by name, or a profile file. Raises InputError."""
        return _load(str(name_or_path))

    def save(self, path: str | Path) -> None:
        """Write the profile file: a NumPy archive without pickles, of some tens of kilobytes."""
        with Path(path).open("wb") as file:
            np.savez_compressed(
                file,
                format=np.array(FORMAT),
                orders=np.array(self.orders),
                sequences=np.array(self.sequences),
                times=self.times,
                survival=self.survival.astype(np.float32),
                tail=self.tail,
                about=np.array(json.dumps(self.about)),
                **{f"s3_fifo_{name}": value for name, value in (vars(self.s3_fifo or _NONE)).items()},
            )

    def unique_fraction(
        self, order: int, rows: ArrayLike, tokens: ArrayLike, sequences: ArrayLike = 1
    ) -> Array:
        """Distinct rows per read in a window of `tokens` tokens, for one table of `rows` rows.

        sequences 1: a chunk of one prompt. sequences B and tokens B: one decode step of B sequences.
        Arguments broadcast; the result has their shape.
        """
        M, window, batch = np.broadcast_arrays(
            *(np.asarray(x, dtype=float) for x in (rows, tokens, sequences))
        )
        window = np.maximum(window, 1.0)
        which = self._order(order)
        f = np.zeros(window.shape)
        for column, weight in self._columns(batch):
            grid = self._footprint[which, column]
            f += weight * np.interp(np.log(window), self._log_time[1:], grid[1:])
        # (1 - 1/M)^f, whose limit is exp(-f/M), is exact for the first read
        return np.asarray(np.minimum(1.0, -M * np.expm1(f * np.log1p(-1.0 / np.maximum(M, 2.0))) / window))

    def miss_ratio(
        self,
        tables: Tables,
        cache_rows: ArrayLike,
        sequences: ArrayLike = 1,
        served: ArrayLike = np.inf,
        policy: str = "lru",
    ) -> Array:
        """Share of reads that miss a shared cache of `cache_rows` rows: (tables, designs...).

        Reads are counted before any deduplication within a chunk, so misses are at most the unique fraction.
        For tiers that hold copies of one another's rows, ask with each capacity; for exclusive tiers with the
        sums of capacities. Prompts are read one sequence after another (sequences 1); decoding interleaves.
        served: tokens since the cache was empty; infinite for a warm cache. policy: "lru" or "s3-fifo".
        """
        C, batch, age = np.broadcast_arrays(
            *(np.asarray(x, dtype=float) for x in (cache_rows, sequences, served))
        )
        log_capacity = np.log(np.maximum(C, 1.0))
        log_age = np.log(np.maximum(age, 1.0))
        out = np.zeros((len(tables), *C.shape))
        for column, weight in self._columns(batch):
            grid, miss = self._curve(tables, column, policy)
            filling = self._curve(tables, column)[1] if np.isfinite(age).any() else miss
            for row in range(len(tables)):
                value = np.interp(log_capacity, grid, miss[row])
                if np.isfinite(age).any():  # nothing is evicted yet, whatever the policy
                    cold = np.interp(log_age, self._log_time, filling[row, : self._log_time.size])
                    value = np.maximum(value, cold)
                out[row] += weight * value
        return out

    def miss_curve(self, tables: Tables, sequences: float = 1, policy: str = "lru") -> tuple[Array, Array]:
        """The whole curve for one number of sequences: (log rows, (tables, points) miss ratio).

        For many designs of one model: `np.interp(np.log(cache_rows), log_rows, miss[i])`.
        """
        columns = [(c, float(w)) for c, w in self._columns(np.asarray(float(sequences)))]
        if len(columns) == 1:
            return self._curve(tables, columns[0][0], policy)
        (low, low_weight), (high, high_weight) = columns
        grid, miss = self._curve(tables, low, policy)
        other_grid, other = self._curve(tables, high, policy)
        mixed = [
            low_weight * m + high_weight * np.interp(grid, other_grid, o)
            for m, o in zip(miss, other, strict=True)
        ]
        return grid, np.array(mixed)

    def cache_rows(self, tables: Tables, hit_rate: float, sequences: float = 1, policy: str = "lru") -> float:
        """Rows of the smallest warm cache with this share of hits over all reads; all rows where none smaller has.

        hit_rate: before any deduplication, from 0 to 1.
        """
        grid, miss = self.miss_curve(tables, sequences, policy)
        weights = np.array([count for _, _, count in tables], dtype=float)
        hits = np.maximum.accumulate(1.0 - weights @ miss / weights.sum())
        at = int(np.searchsorted(hits, hit_rate))
        if at == 0 or hits[-1] < hit_rate:
            return float(np.exp(grid[0 if at == 0 else -1]))
        below, above = hits[at - 1], hits[at]
        return float(np.exp(grid[at - 1] + (hit_rate - below) / (above - below) * (grid[at] - grid[at - 1])))

    def eviction_time(self, tables: Tables, cache_rows: ArrayLike, sequences: ArrayLike = 1) -> Array:
        """Tokens until an empty cache of `cache_rows` rows is full, which is also how long it keeps a row.

        Infinite where all rows fit. Divided by the tokens of a request: requests until warm.
        """
        C, batch = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (cache_rows, sequences)))
        log_time = np.zeros(C.shape)
        for column, weight in self._columns(batch):
            grid, _ = self._curve(tables, column)
            log_time += weight * np.interp(np.log(np.maximum(C, 1.0)), grid[:-1], self._log_time)
        return np.asarray(
            np.where(sum(rows * count for _, rows, count in tables) <= C, np.inf, np.exp(log_time))
        )

    def _order(self, order: int) -> int:
        if order not in self.orders:
            name = self.about.get("name", "the traffic profile")
            raise InputError(
                f"{name}: has no N-gram order {order}, only {', '.join(map(str, self.orders))}; "
                "choose a model of lower max_order"
            )
        return self.orders.index(order)

    def _columns(self, batch: Array) -> list[tuple[int, Array]]:
        """Measured numbers of sequences and their weights, linear in log B; beyond the last: the last."""
        place = np.interp(
            np.log(np.maximum(batch, 1.0)), np.log(self.sequences), np.arange(len(self.sequences))
        )
        low = int(np.floor(place.min(initial=np.inf))) if place.size else 0
        high = int(np.ceil(place.max(initial=0.0)))
        weights = ((c, np.maximum(0.0, 1.0 - np.abs(place - c))) for c in range(low, high + 1))
        return [(column, weight) for column, weight in weights if np.any(weight)]

    def _curve(self, tables: Tables, column: int, policy: str = "lru") -> tuple[Array, Array]:
        capacity = np.zeros(self._log_time.size)
        miss = np.zeros((len(tables), self._log_time.size + 1))  # the last point: every row fits
        total, alone = 0.0, []
        for index, (order, rows, count) in enumerate(tables):
            which = self._order(order)
            f = self._footprint[which, column]
            unshared = np.exp(-f / rows)
            alone.append(unshared)
            miss[index, :-1] = self._survival[which, column] * unshared
            capacity += count * rows * (1.0 - unshared)
            total += count * rows
        grid = np.log(np.maximum(np.append(capacity, max(total, 1.0)), 1.0))
        if policy != "lru":  # a row that other N-grams keep alive is not what the policies differ in
            miss[:, :-1] *= 1.0 - np.array(alone) * (1.0 - self._saved(tables, column, policy))
            np.minimum.accumulate(miss, axis=1, out=miss)
        return np.maximum.accumulate(grid), miss

    def _saved(self, tables: Tables, column: int, policy: str) -> Array:
        """Misses of a policy over those of LRU along the time axis: (tables, times)."""
        name = self.about.get("name", "the traffic profile")
        if policy not in POLICIES:
            raise InputError(f"the policy of a cache must be one of {', '.join(POLICIES)}, got {policy!r}")
        if self.s3_fifo is None:
            raise InputError(f"{name}: was made without {policy}; measure it again, or take policy lru")
        largest = max(self._order(order) for order, _, _ in tables)
        batch = float(self.sequences[column])
        return np.stack(
            [self.s3_fifo.at(largest, self._order(order), self._log_time, batch) for order, _, _ in tables]
        )

    @cached_property
    def _log_time(self) -> Array:
        return np.log(np.maximum(self._extended[0], 0.5))  # time 0 stands before every query

    @cached_property
    def _survival(self) -> Array:
        return self._extended[1]

    @cached_property
    def _footprint(self) -> Array:
        return self._extended[2]

    @cached_property
    def _extended(self) -> tuple[Array, Array, Array]:
        """Times, P and f: measured, then along the power-law tail."""
        last = self.times[-1]
        steps = max(2, int(np.log2(_HORIZON / last) * _TAIL_STEPS_PER_OCTAVE))
        beyond = last * np.exp(np.linspace(0, np.log(_HORIZON / last), steps + 1)[1:])
        P = self.survival
        # sum of P(a) .. P(b-1) with P linear in between; exact for b = a + 1
        step = np.diff(self.times)
        parts = 0.5 * (P[..., :-1] * (step + 1) + P[..., 1:] * (step - 1))
        f = np.concatenate([np.zeros((*P.shape[:-1], 1)), np.cumsum(parts, axis=-1)], axis=-1)
        a = self.tail[..., None]
        ratio = beyond / last
        tail_P = P[..., -1:] * ratio**-a
        tail_f = f[..., -1:] + P[..., -1:] * last * np.expm1((1 - a) * np.log(ratio)) / (1 - a)
        return (
            np.concatenate([self.times, beyond]),
            np.concatenate([P, tail_P], axis=-1),
            np.concatenate([f, tail_f], axis=-1),
        )


def shipped() -> list[str]:
    """Names of the profiles that come with the package."""
    return sorted(path.stem for path in _SHIPPED.glob("*.profile"))


@lru_cache(maxsize=32)
def _load(name: str) -> Profile:
    path = _SHIPPED / f"{name}.profile" if name in shipped() else Path(name)
    try:
        with np.load(path, allow_pickle=False) as data:
            if int(data["format"]) != FORMAT:
                raise InputError(f"{path}: traffic profile of format {int(data['format'])}; measure it again")
            correction = Correction(*(data[f"s3_fifo_{name}"].astype(float) for name in vars(_NONE)))
            return Profile(
                orders=tuple(int(n) for n in data["orders"]),
                sequences=tuple(int(b) for b in data["sequences"]),
                times=data["times"].astype(float),
                survival=data["survival"].astype(float),
                tail=data["tail"].astype(float),
                s3_fifo=correction if correction.times.size else None,
                about=json.loads(str(data["about"])),
            )
    except FileNotFoundError:
        raise InputError(
            f"{name}: no such traffic profile; give a file, or one of {', '.join(shipped())}"
        ) from None
    except InputError:
        raise
    except Exception:
        raise InputError(
            f"{path}: not a traffic profile; make one with `codesign traffic TEXT --out FILE`"
        ) from None
