"""Times that can be believed: repeated until two windows agree, in processor time where others share the machine.

Computing is timed with the thread's own clock, which does not run while others have the core; waiting for a
device is timed with the wall clock. On a quiet machine the two are the same.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from codesign.errors import CodesignError

AGREE = 0.10  # two windows that differ by less are the machine's speed, not its warming up
REFUSE = 0.25  # beyond this no figure is written
_WINDOW_S = 0.06
_MOST_WINDOWS = 12

Clock = Callable[[], float]


class UnsteadyError(CodesignError):
    """A figure that could not be measured steadily."""


@dataclass(frozen=True)
class Sample:
    """seconds: of one run. spread: relative difference of the windows it was read from. runs: all of them.

    crowding: wall time over processor time, 1 on a quiet machine.
    """

    seconds: float
    spread: float
    runs: int
    crowding: float


def steady(
    run: Callable[[], object],
    name: str,
    clock: Clock = time.thread_time,
    window_s: float = _WINDOW_S,
    between: Callable[[], object] | None = None,
) -> Sample:
    """The time of one `run`, from the first two neighbouring windows that agree.

    Of processor time the mean counts, so that kernels add up to what a model takes on this machine as it is, crowded
    caches and all; of the wall clock the lower quartile, since others can only lengthen a wait.

    A host that has just been given memory, or a cache that is still cold, shows itself by windows that differ.
    between: done before each run and not timed; what leaves the caches as the run finds them in earnest.
    Raises UnsteadyError where no two windows come within REFUSE of each other.
    """
    runs, wall, cpu = 0, time.perf_counter(), time.thread_time()
    windows: list[float] = []
    best: tuple[float, float] | None = None
    while len(windows) < _MOST_WINDOWS:
        times: list[float] = []
        while sum(times) < window_s or len(times) < 3:
            if between is not None:
                between()
            started = clock()
            run()
            times.append(clock() - started)
        runs += len(times)
        of_computing = clock is time.thread_time
        windows.append(sum(times) / len(times) if of_computing else sorted(times)[len(times) // 4])
        if len(windows) > 1:
            spread = abs(windows[-1] - windows[-2]) / min(windows[-2:])
            if best is None or spread < best[0]:
                best = spread, min(windows[-2:])
            if spread < AGREE:
                break
    assert best is not None
    if best[0] > REFUSE:
        raise UnsteadyError(
            f"{name} could not be measured steadily (windows differ by {best[0]:.0%} and more); "
            "try again when the machine is quieter"
        )
    spent = max(time.thread_time() - cpu, 1e-9)
    return Sample(best[1], best[0], runs, max(1.0, (time.perf_counter() - wall) / spent))


@contextmanager
def one_core() -> Iterator[set[int]]:
    """Keep the calling thread on one core; gives all cores, for other threads to run on."""
    if not hasattr(os, "sched_setaffinity"):
        yield set()
        return
    thread, before = threading.get_native_id(), os.sched_getaffinity(0)
    mine = max(before)
    os.sched_setaffinity(thread, {mine})
    try:
        yield before
    finally:
        os.sched_setaffinity(thread, before)
