"""Measuring this host from one end to the other: what is there, in which order, and what may fail."""

import os
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

from codesign.calibration import device, drive, gpu, memory, serving
from codesign.calibration.hardwarefile import Measured
from codesign.calibration.power import Meter
from codesign.calibration.scratch import scratch
from codesign.calibration.timing import UnsteadyError, one_core

FILE_BYTES = 1 << 30
_IDLE_S = 2.0
Part = TypeVar("Part")


def calibrate(folder: Path, file_bytes: int = FILE_BYTES, progress: bool = True) -> Measured:
    """Measure memory, drive, processor and GPU; about a minute and a half, and `file_bytes` on the drive meanwhile.

    folder: where the scratch files lie while it runs; its drive is the one that is measured.
    A part that is not steady is left out, with a line on stderr; the processor must be. Raises UnsteadyError,
    CodesignError.
    """
    report = _reporter(progress)
    meter = Meter()
    if not meter.reason:
        report("power at rest")
        time.sleep(_IDLE_S)
    idle = meter.watts()
    with scratch(folder, file_bytes) as place, one_core() as cores:
        computing = device.measure(report)
        host = _or_none(lambda: memory.measure(report, cores), report)
        disk = _or_none(lambda: drive.measure(report, place, file_bytes), report)
        served = serving.measure(report, place)
    card = _or_none(lambda: gpu.measure(report), report)
    load = os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else 0.0
    return Measured(computing, host, disk, served, card, idle, load, date.today().isoformat())


def _or_none(part: Callable[[], Part], report: Callable[[str], None]) -> Part | None:
    try:
        return part()
    except UnsteadyError as error:
        print(f"left out: {error}", file=sys.stderr)
        return None


def _reporter(progress: bool) -> Callable[[str], None]:
    started = time.perf_counter()

    def report(what: str) -> None:
        if progress:
            print(f"{time.perf_counter() - started:5.0f} s  {what}", file=sys.stderr, flush=True)

    return report
