"""Reading pages of a file past the page cache: many in flight at once, or one after the other.

O_DIRECT wants buffers and offsets at page boundaries. Many reads go through Linux's native asynchronous I/O
(io_submit, io_getevents), which costs about 3 us of processor time a read where a pool of Python threads costs 10;
where the kernel refuses it, such a pool does the work. A file system without O_DIRECT (tmpfs, overlays) is read
through the page cache, and `direct` says so.
"""

import ctypes
import errno
import math
import mmap
import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign.errors import CodesignError

PAGE = 4096
_CALLS = {"x86_64": (206, 207, 209, 208), "aarch64": (0, 1, 2, 4)}  # io_setup, destroy, submit, getevents
_CONTROL_BLOCK = np.dtype(
    [
        ("data", "<u8"), ("key", "<u4"), ("flags", "<i4"), ("opcode", "<u2"), ("priority", "<i2"), ("file", "<u4"),
        ("buffer", "<u8"), ("bytes", "<u8"), ("offset", "<i8"), ("reserved", "<u8"), ("options", "<u4"),
        ("event", "<u4"),
    ]
)  # fmt: skip
_EVENT = np.dtype([("data", "<u8"), ("block", "<u8"), ("result", "<i8"), ("second", "<i8")])


def pages(count: int) -> NDArray[np.uint8]:
    """A page-aligned buffer of (count, PAGE) bytes."""
    return np.frombuffer(mmap.mmap(-1, max(count, 1) * PAGE), np.uint8).reshape(-1, PAGE)


class DirectFile:
    """A file open for direct reading.

    direct: whether the page cache is passed by. depth: reads in flight at most.
    """

    def __init__(self, path: Path, depth: int = 64) -> None:
        self.depth, self.direct = depth, True
        try:
            self.file = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECT", 0))
            os.preadv(self.file, [pages(1).data], 0)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            self.direct = False
            self.file = os.open(path, os.O_RDONLY)
        self._context: Any = None
        self._pool: ThreadPoolExecutor | None = None
        self._calls = _CALLS.get(platform.machine())
        if self._calls and os.name == "posix" and self.direct:
            self._kernel = ctypes.CDLL(None, use_errno=True).syscall
            context = ctypes.c_ulong(0)
            if self._kernel(self._calls[0], ctypes.c_long(depth), ctypes.byref(context)) == 0:
                self._context = context
        if self._context is None:
            self._pool = ThreadPoolExecutor(depth)

    def close(self) -> None:
        """Give back the file and what reads it."""
        if self._context is not None and self._calls:
            self._kernel(self._calls[1], self._context)
            self._context = None
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        if self.file >= 0:
            os.close(self.file)
            self.file = -1

    def read_one_by_one(self, numbers: NDArray[np.int64], into: NDArray[np.uint8]) -> list[float]:
        """Read the pages of these numbers as a thread that meets one page fault after the other; seconds of each."""
        times = []
        for place, number in enumerate(numbers.tolist()):
            started = time.perf_counter()
            if os.preadv(self.file, [into[place].data], number * PAGE) != into.shape[1]:
                raise CodesignError(f"page {number} of the table file could not be read; is the disk full?")
            times.append(time.perf_counter() - started)
        return times

    def read(self, numbers: NDArray[np.int64], into: NDArray[np.uint8]) -> None:
        """Read the pages of these numbers with up to `depth` in flight, into rows of a page-aligned buffer.

        into: (at least len(numbers), bytes), bytes a multiple of PAGE, all of which is read at each number.
        """
        if len(numbers) == 0:
            return
        if self._pool is not None:
            pieces = [slice(i, i + 8) for i in range(0, len(numbers), 8)]
            list(self._pool.map(lambda piece: self.read_one_by_one(numbers[piece], into[piece]), pieces))
            return
        assert self._calls is not None
        count, size = len(numbers), into.shape[1]
        blocks = np.zeros(count, _CONTROL_BLOCK)
        blocks["file"], blocks["bytes"] = self.file, size
        blocks["buffer"] = into.ctypes.data + size * np.arange(count)
        blocks["offset"] = numbers * PAGE
        pointers = (blocks.ctypes.data + _CONTROL_BLOCK.itemsize * np.arange(count)).astype(np.uint64)
        events = np.zeros(self.depth, _EVENT)
        submit, wait = self._calls[2], self._calls[3]
        sent = done = 0
        while done < count:
            room = min(self.depth - (sent - done), count - sent)
            if room > 0:
                at = ctypes.c_void_p(pointers.ctypes.data + 8 * sent)
                sent += max(0, self._call(submit, self._context, ctypes.c_long(room), at))
            least = ctypes.c_long(sent - done if sent == count else max(1, self.depth // 4))
            target = ctypes.c_void_p(events.ctypes.data)
            got = self._call(wait, self._context, least, ctypes.c_long(self.depth), target, None)
            if (events["result"][:got] != size).any():
                raise CodesignError("a page of the table file could not be read; is the disk full?")
            done += got

    def _call(self, number: int, *arguments: Any) -> int:
        result = int(self._kernel(ctypes.c_long(number), *arguments))
        if result < 0:
            code = ctypes.get_errno()
            if code in (errno.EAGAIN, errno.EINTR):
                return 0
            raise OSError(code, os.strerror(code))
        return result


def write(path: Path, content: NDArray[np.uint8], repeats: int, until: float = math.inf) -> int:
    """Write a page-aligned block so many times, past the page cache where the file system lets us.

    until: of `time.perf_counter`; no further block is begun then. Returns the blocks written, at least one.
    """
    flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY
    try:
        file = os.open(path, flags | getattr(os, "O_DIRECT", 0), 0o600)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        file = os.open(path, flags, 0o600)
    try:
        written = 0
        while written < repeats and (not written or time.perf_counter() < until):
            if os.write(file, content.data) != content.nbytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            written += 1
        os.fsync(file)
        return written
    finally:
        os.close(file)
