"""A drive as a tier: random pages by direct reads at several depths, one at a time, and whole megabytes in order."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codesign.calibration import directio
from codesign.calibration.directio import PAGE, DirectFile
from codesign.calibration.timing import Sample, UnsteadyError, attempt, steady

Report = Callable[[str], None]

DEPTHS = (64, 1, 16, 256, 4, 128, 512)  # the middle first: what is short of time is still bracketed
FIGURES = 2 + len(DEPTHS)
_READS = 512
_BLOCK_PAGES = 1024


@dataclass(frozen=True)
class Drive:
    """single: one read, waited for. at_depth: `reads` random pages by reads in flight. sequential: one block.

    direct: False where the file system has no direct reads, so that the page cache answered.
    """

    single: Sample
    at_depth: dict[int, Sample]
    sequential: Sample
    direct: bool
    file_bytes: int

    @property
    def depth(self) -> int:
        """The least depth within 5 % of the best rate."""
        best = min(sample.seconds for sample in self.at_depth.values())
        return next(depth for depth, sample in self.at_depth.items() if sample.seconds <= 1.05 * best)

    @property
    def reads_per_s(self) -> float:
        """Random pages a second at that depth."""
        return _READS / self.at_depth[self.depth].seconds

    @property
    def bandwidth(self) -> float:
        """B/s in order."""
        return _BLOCK_PAGES * PAGE / self.sequential.seconds


def _at_random(file: DirectFile, random: np.random.Generator, count: int, buffer: NDArray[np.uint8]) -> None:
    file.read(random.integers(0, count, _READS), buffer)


def measure(report: Report, folder: Path, file_bytes: int, until: float = math.inf) -> Drive:
    """Write a file of noise into the folder and read it. Raises UnsteadyError.

    until: of `time.perf_counter`; a slow drive gets a smaller file.
    """
    path, random = folder / "drive.bin", np.random.default_rng(0)
    report(f"writing {file_bytes / 2**30:.1f} GiB")
    block = directio.pages(_BLOCK_PAGES)
    block[:] = random.integers(0, 256, block.shape, np.uint8)
    blocks = directio.write(path, block, max(1, file_bytes // block.nbytes), until)
    count, buffer = blocks * _BLOCK_PAGES, directio.pages(_READS)
    report("one read after the other")
    file = DirectFile(path, 1)
    try:
        direct = file.direct
        single = steady(
            lambda: file.read_one_by_one(random.integers(0, count, 1), buffer), "one read", time.perf_counter
        )
        whole = block.reshape(1, -1)
        report("reading in order")
        turn = iter(range(1 << 62))
        sequential = steady(
            lambda: file.read_one_by_one(np.array([next(turn) % blocks * _BLOCK_PAGES]), whole),
            "reading in order", time.perf_counter, 0.2,
        )  # fmt: skip
    finally:
        file.close()
    at_depth = {}
    for depth in DEPTHS:
        report(f"random reads, {depth} in flight")
        file = DirectFile(path, depth)
        try:
            run = partial(_at_random, file, random, count, buffer)
            name = f"random reads at depth {depth}"
            sample = attempt(partial(steady, run, name, time.perf_counter, 0.2))
        finally:
            file.close()
        if sample is not None:
            at_depth[depth] = sample
    if not at_depth:
        raise UnsteadyError("random reads of the drive could not be measured steadily at any depth")
    return Drive(single, dict(sorted(at_depth.items())), sequential, direct, count * PAGE)
