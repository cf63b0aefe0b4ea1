"""Host memory as a tier: random rows of 64 B to 4 KiB, with and without huge pages, by 1 to all cores; latency.

Rows are gathered as an engine gathers them (`index_select`), from an area far larger than the caches.
"""

import ctypes
import mmap
import os
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch

from codesign.calibration.timing import Sample, attempt, steady

Report = Callable[[str], None]

ROW_BYTES = (64, 128, 256, 1024, 4096)
_NEEDED = (64, 4096)  # what the cost models take; the others are for people
_HUGE_ROWS = (64, 128, 4096)
FIGURES = 2 + len(ROW_BYTES) + len(_HUGE_ROWS)
_AREA_BYTES = 1 << 30
_COLD_BYTES = 256 << 20
_READS = 4096
_CHAIN = 1 << 23  # 64 MiB of 8-byte links
_HUGE_PAGE = 14  # MADV_HUGEPAGE of Linux


@dataclass
class Memory:
    """latency_s: of one dependent read. rate: rows/s of one core by row size; huge: the same with huge pages.

    cores: rows/s of 128 B by number of cores at once, by the wall clock; what others left of the machine.
    """

    latency_s: float
    rate: dict[int, Sample]
    huge: dict[int, Sample] = field(default_factory=dict)
    cores: dict[int, float] = field(default_factory=dict)

    def bandwidth(self) -> float:
        """B/s of the widest rows, one core: what is left when the fixed cost of a row is spread thin."""
        return 4096 * _READS / self.rate[4096].seconds

    def rows_per_s(self) -> float:
        """Rows of 64 B a second, one core."""
        return _READS / self.rate[64].seconds


def measure(report: Report, every: set[int], area_bytes: int = _AREA_BYTES) -> Memory:
    """every: the cores to use together. Raises UnsteadyError where the machine is too busy to tell."""
    report("latency of memory")
    latency = _latency()
    report("random rows in memory")
    area = torch.ones(area_bytes // 4, dtype=torch.float32)
    rate = {size: _gather(area, size) for size in _NEEDED}
    rate |= _gathers(area, [size for size in ROW_BYTES if size not in _NEEDED])
    report("random rows in memory, several cores")
    counts = {min(2**power, len(every)) for power in range(len(every).bit_length() + 1)}
    cores = {count: _together(area, sorted(every)[:count]) for count in sorted(counts) if count}
    report("random rows in memory, huge pages")
    large = _huge_area(area_bytes)
    huge = {} if large is None else _gathers(large, _HUGE_ROWS)
    return Memory(latency, dict(sorted(rate.items())), huge, cores)


def _gathers(area: torch.Tensor, sizes: Sequence[int]) -> dict[int, Sample]:
    found = {size: attempt(partial(_gather, area, size)) for size in sizes}
    return {size: sample for size, sample in found.items() if sample is not None}


def _gather(area: torch.Tensor, size: int) -> Sample:
    rows = area.view(-1, size // 4)
    # as many different rows as no cache holds
    picks = [torch.randint(len(rows), (_READS,)) for _ in range(max(16, _COLD_BYTES // (_READS * size)))]
    turn = iter(range(1 << 62))
    return steady(
        lambda: rows.index_select(0, picks[next(turn) % len(picks)]), f"a gather of rows of {size} B"
    )


def _together(area: torch.Tensor, cores: list[int], seconds: float = 0.3) -> float:
    """Rows of 128 B a second that a thread on each of these cores gathers, by the wall clock."""
    rows, done = area.view(-1, 32), [0] * len(cores)
    stop = time.perf_counter() + seconds

    def work(number: int) -> None:
        os.sched_setaffinity(threading.get_native_id(), {cores[number]})
        picks = torch.randint(len(rows), (_READS,))
        while time.perf_counter() < stop:
            rows.index_select(0, picks)
            picks = (picks + 7919) % len(rows)
            done[number] += _READS

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(cores))]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - started)


def _latency() -> float:
    """Follow links through memory, less the same loop on links that fit in the first-level cache."""

    def chase(length: int) -> float:
        order = np.random.default_rng(0).permutation(length)
        links = np.empty(length, np.int64)
        links[order] = np.roll(order, -1)
        chain, at = array("q", links.tobytes()), [0]

        def follow() -> None:
            place = at[0]
            for _ in range(5000):
                place = chain[place]
            at[0] = place

        return steady(follow, "the latency of memory").seconds / 5000

    return max(chase(_CHAIN) - chase(512), 1e-9)


def _huge_area(size: int) -> torch.Tensor | None:
    """An area that the kernel is asked to back with huge pages; None where it cannot be."""
    if not hasattr(ctypes.CDLL(None), "madvise"):
        return None
    area = mmap.mmap(-1, size)
    values = np.frombuffer(area, np.float32)
    if ctypes.CDLL(None).madvise(ctypes.c_void_p(values.ctypes.data), ctypes.c_size_t(size), _HUGE_PAGE) != 0:
        return None
    values[:] = 1.0
    return torch.from_numpy(values)
