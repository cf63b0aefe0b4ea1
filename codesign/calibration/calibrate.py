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
from codesign.calibration.timing import attempt, one_core, within

FILE_BYTES = 1 << 30
MINUTES = 2.5  # with the start of Python and the writing of the file under three
_IDLE_S = 2.0
# By which share of the time each part has ended; what one leaves over, the next ones have. On a quiet machine the
# processor takes a third of it, memory and drive a quarter.
_ENDS = {"device": 0.55, "memory": 0.7, "drive": 0.9, "serving": 0.97, "gpu": 1.0}
_WRITING = 0.25  # of the drive's time
_SERVING_FIGURES, _GPU_FIGURES = 3, 4
Part = TypeVar("Part")


def calibrate(
    folder: Path, file_bytes: int = FILE_BYTES, progress: bool = True, minutes: float = MINUTES
) -> Measured:
    """Measure memory, drive, processor and GPU within `minutes`, with `file_bytes` on the drive meanwhile.

    folder: where the scratch files lie while it runs; its drive is the one that is measured.
    A figure that is not steady, or that no time is left for, is left out and named in `left_out` and on stderr; the
    processor's and serving's must be there. Raises UnsteadyError, CodesignError.
    """
    report = _reporter(progress)
    started = time.perf_counter()
    left_out: list[str] = []

    def measured(part: str, figures: int, run: Callable[[], Part]) -> Part:
        with within(started + 60 * minutes * _ENDS[part], figures, left_out):
            return run()

    meter = Meter()
    if not meter.reason:
        report("power at rest")
        time.sleep(_IDLE_S)
    idle = meter.watts()
    with scratch(folder, file_bytes) as place, one_core() as cores:
        computing = measured("device", device.FIGURES, lambda: device.measure(report))
        host = measured("memory", memory.FIGURES, lambda: attempt(lambda: memory.measure(report, cores)))
        now = time.perf_counter()
        written = now + _WRITING * (started + 60 * minutes * _ENDS["drive"] - now)
        disk = measured(
            "drive", drive.FIGURES, lambda: attempt(lambda: drive.measure(report, place, file_bytes, written))
        )
        served = measured("serving", _SERVING_FIGURES, lambda: serving.measure(report, place))
    card = measured("gpu", _GPU_FIGURES, lambda: attempt(lambda: gpu.measure(report)))
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)
    load = os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else 0.0
    seconds = time.perf_counter() - started
    return Measured(
        computing, host, disk, served, card, idle, load, date.today().isoformat(), seconds, tuple(left_out)
    )


def _reporter(progress: bool) -> Callable[[str], None]:
    started = time.perf_counter()

    def report(what: str) -> None:
        if progress:
            print(f"{time.perf_counter() - started:5.0f} s  {what}", file=sys.stderr, flush=True)

    return report
