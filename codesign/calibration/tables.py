"""Engram tables in a tier of this machine: in memory, or on a drive with a cache of rows in front.

All tables hold the same repeated noise: reading them costs what real ones cost. A drive's reads are issued when the
step begins and run beside it on another thread (prefetch), or one after the other when their layer comes.
"""

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codesign.calibration import directio
from codesign.calibration.directio import PAGE, DirectFile
from codesign.calibration.rowcache import RowCache

_BLOCK_PAGES = 1024  # of noise that repeats
_BATCH_READS = 512  # in flight, and timed together: the thread asks for the interpreter only twice a batch
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Shape:
    """rows: of each set of tables. width: values of a row, in bf16."""

    rows: tuple[int, ...]
    width: int

    @property
    def pages_per_read(self) -> int:
        """Pages that one read takes."""
        return -(-2 * self.width // PAGE)

    @property
    def rows_per_read(self) -> int:
        """Rows that lie in what one read takes."""
        return max(1, PAGE * self.pages_per_read // (2 * self.width))

    @property
    def file_bytes(self) -> int:
        """Bytes of the file of all sets, in whole blocks of noise."""
        block = _BLOCK_PAGES * PAGE
        return sum(-(-self._pages(rows) * PAGE // block) * block for rows in self.rows)

    def first_page(self, number: int) -> int:
        """Where a set begins in the file."""
        return Shape(self.rows[:number], self.width).file_bytes // PAGE

    def _pages(self, rows: int) -> int:
        return -(-rows // self.rows_per_read) * self.pages_per_read

    def noise(self) -> NDArray[np.int16]:
        """One block as rows, (rows of a block, width), bf16 bits of small values."""
        reads = _BLOCK_PAGES // self.pages_per_read
        values = torch.randn(
            reads * self.rows_per_read, self.width, generator=torch.Generator().manual_seed(1)
        )
        return (values * 0.02).to(torch.bfloat16).view(torch.int16).numpy()


@dataclass
class Counts:
    """What the reads of one step took, and what a wait for them would be on a machine of its own.

    reads: of rows; hits, drive_reads: of distinct ones. work_s: processor time of the serving thread for handing rows
    over; reading_s: its processor time in reads that it makes itself. singles: seconds of each such read.
    batches: (reads, seconds) of each batch that another thread made. takes: (set's reads, processor time since the
    step began) when a set's rows were wanted.
    """

    reads: int = 0
    distinct: int = 0
    hits: int = 0
    drive_reads: int = 0
    work_s: float = 0.0
    reading_s: float = 0.0
    singles: list[float] = field(default_factory=list)
    batches: list[tuple[int, float]] = field(default_factory=list)
    takes: list[tuple[int, float]] = field(default_factory=list)


class MemoryTables:
    """Tables in memory: of the host, or of a CUDA device."""

    def __init__(self, shape: Shape, device: str = "cpu") -> None:
        noise = torch.from_numpy(shape.noise()).view(torch.bfloat16)
        self.sets = [noise.repeat(-(-rows // len(noise)), 1).to(device) for rows in shape.rows]
        self.counts = Counts()
        self._rows: list[Rows] = []

    def begin(self, rows: list[Rows]) -> None:
        """See `engine.Lookup`."""
        self._rows = rows
        self.counts.reads += sum(map(len, rows))

    def take(self, number: int) -> Tensor:
        """See `engine.Lookup`."""
        started = time.thread_time()
        table = self.sets[number]
        out = table.index_select(0, torch.from_numpy(self._rows[number]).to(table.device))
        self.counts.work_s += time.thread_time() - started
        return out

    def close(self) -> None:
        """Nothing to give back but memory."""
        self.sets = []


@dataclass
class _Pending:
    """Reads of one set in one step.

    found: (distinct rows, width), filled where `held`. inverse: (reads,) into them. missing: the distinct rows that
    are not held, at these pages and slots.
    """

    found: NDArray[np.int16]
    held: NDArray[np.bool_]
    inverse: Rows
    missing: Rows
    pages: Rows
    slots: Rows
    done: threading.Event = field(default_factory=threading.Event)
    failed: BaseException | None = None
    batches: list[tuple[int, float]] = field(default_factory=list)


class DriveTables:
    """Tables in a file, read directly, with `cached_rows` rows of all sets in memory.

    cores: where the reading thread runs; empty: anywhere.
    """

    def __init__(
        self,
        shape: Shape,
        path: Path,
        prefetch: bool = True,
        cached_rows: int = 0,
        cores: set[int] | None = None,
    ) -> None:
        self.shape, self.prefetch = shape, prefetch
        noise = shape.noise().reshape(_BLOCK_PAGES // shape.pages_per_read, -1)
        block = directio.pages(_BLOCK_PAGES)
        target = block.reshape(len(noise), -1).view(np.int16)
        target[:, : noise.shape[1]] = noise
        directio.write(path, block, shape.file_bytes // block.nbytes)
        self.file = DirectFile(path, _BATCH_READS)
        self.offsets = np.concatenate([[0], np.cumsum(shape.rows)])
        self.cache = RowCache(int(self.offsets[-1]), min(cached_rows, int(self.offsets[-1])))
        self.held = np.zeros((self.cache.capacity, shape.width), np.int16)
        self.counts = Counts()
        self._buffers: list[NDArray[np.uint8]] = [np.zeros((0, 0), np.uint8)] * len(shape.rows)
        self._pending: list[_Pending] = []
        self._began = 0.0
        self._jobs: SimpleQueue[tuple[_Pending, NDArray[np.uint8]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, args=(cores or set(),), daemon=True)
        self._thread.start()

    def begin(self, rows: list[Rows]) -> None:
        """See `engine.Lookup`."""
        started = time.thread_time()
        self._pending = [self._look_up(number, each) for number, each in enumerate(rows)]
        if self.prefetch:
            for number, pending in enumerate(self._pending):
                self._jobs.put((pending, self._buffer(number, len(pending.pages))))
        self.counts.work_s += time.thread_time() - started
        self._began = time.thread_time()

    def take(self, number: int) -> Tensor:
        """See `engine.Lookup`."""
        pending, counts = self._pending[number], self.counts
        started = time.thread_time()
        counts.takes.append((len(pending.pages), started - self._began - counts.reading_s))
        buffer = self._buffer(number, len(pending.pages))
        if self.prefetch:
            pending.done.wait()
            if pending.failed:
                raise pending.failed
            counts.batches += pending.batches
        else:
            counts.singles += self.file.read_one_by_one(pending.pages, buffer)
            counts.reading_s += time.thread_time() - started
        started = time.thread_time()
        out = self._collect(pending, buffer)
        counts.work_s += time.thread_time() - started
        return torch.from_numpy(out).view(torch.bfloat16)

    def warm(self, rows: list[Rows]) -> None:
        """Pass reads through the cache without waiting for a drive; `fill` then reads what the cache holds."""
        for number, each in enumerate(rows):
            distinct = np.unique(each) + self.offsets[number]
            places = self.cache.find(distinct)
            self.cache.admit(distinct[places < 0])

    def fill(self, at_once: int = 4096) -> None:
        """Read all rows that the cache holds from the drive."""
        for start in range(0, self.cache.filled, at_once):
            places = np.arange(start, min(start + at_once, self.cache.filled))
            rows = self.cache.row_of[places]
            pages, slots = self._where(rows)
            buffer = directio.pages(len(rows) * self.shape.pages_per_read).reshape(len(rows), -1)
            self.file.read(pages, buffer)
            self.held[places] = self._extract(buffer, slots)

    def close(self) -> None:
        """Stop the reading thread and close the file, which the caller removes."""
        self._jobs.put(None)
        self._thread.join()
        self.file.close()

    def _look_up(self, number: int, rows: Rows) -> _Pending:
        distinct, inverse = np.unique(rows, return_inverse=True)
        distinct = distinct + self.offsets[number]
        places = self.cache.find(distinct)
        missing = distinct[places < 0]
        self.counts.reads += len(rows)
        self.counts.distinct += len(distinct)
        self.counts.drive_reads += len(missing)
        self.counts.hits += len(distinct) - len(missing)
        # copied now: the rows of another set may push them out before they are wanted
        found, held = np.empty((len(distinct), self.shape.width), np.int16), places >= 0
        found[held] = self.held[places[held]]
        return _Pending(found, held, inverse, missing, *self._where(missing))

    def _collect(self, pending: _Pending, buffer: NDArray[np.uint8]) -> NDArray[np.int16]:
        """The rows of a set in the order they were asked for; new ones enter the cache."""
        read = self._extract(buffer[: len(pending.missing)], pending.slots)
        pending.found[~pending.held] = read
        places = self.cache.admit(pending.missing)
        self.held[places[places >= 0]] = read[places >= 0]
        return pending.found[pending.inverse]

    def _where(self, rows: Rows) -> tuple[Rows, Rows]:
        """Page and slot within what is read there, of rows counted over all sets."""
        number = np.searchsorted(self.offsets, rows, side="right") - 1
        first = np.array([self.shape.first_page(i) for i in range(len(self.shape.rows))], np.int64)
        local = rows - self.offsets[number]
        read, slot = local // self.shape.rows_per_read, local % self.shape.rows_per_read
        return first[number] + read * self.shape.pages_per_read, slot

    def _extract(self, buffer: NDArray[np.uint8], slots: Rows) -> NDArray[np.int16]:
        width, fitting = self.shape.width, self.shape.rows_per_read
        rows = buffer.view(np.int16)[:, : fitting * width].reshape(len(buffer), fitting, width)
        return rows[np.arange(len(slots)), slots]

    def _buffer(self, number: int, reads: int) -> NDArray[np.uint8]:
        if len(self._buffers[number]) < reads:
            made = directio.pages(reads * self.shape.pages_per_read)
            self._buffers[number] = made.reshape(reads, -1)
        return self._buffers[number]

    def _serve(self, cores: set[int]) -> None:
        if cores and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(threading.get_native_id(), cores)
        while (job := self._jobs.get()) is not None:
            pending, buffer = job
            try:
                for start in range(0, len(pending.pages), _BATCH_READS):
                    started = time.perf_counter()
                    numbers = pending.pages[start : start + _BATCH_READS]
                    self.file.read(numbers, buffer[start:])
                    pending.batches.append((len(numbers), time.perf_counter() - started))
            except BaseException as error:
                pending.failed = error
            pending.done.set()
