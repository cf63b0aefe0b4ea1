"""Times that can be believed: repeated until two windows agree, in processor time where others share the machine.

Computing is timed with the thread's own clock, which does not run while others have the core; waiting for a
device is timed with the wall clock. On a quiet machine the two are the same.

A crowded machine would lengthen all of it without end. So the time that a calibration may take is shared out
(`within`): each figure gets an equal part of what is left, takes fewer and shorter windows where that is little, and
is left out, by name, where nothing is left.
"""

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

import torch

from codesign.errors import CodesignError

AGREE = 0.10  # two windows that differ by less are the machine's speed, not its warming up
REFUSE = 0.25  # beyond this no figure is written
_WINDOW_S = 0.06
_MOST_WINDOWS = 12
_LEAST_RUNS, _MOST_RUNS = 3, 400  # of a window
_LEAST_WINDOWS = 2

Clock = Callable[[], float]
T = TypeVar("T")


class UnsteadyError(CodesignError):
    """A figure that could not be measured steadily."""


class OutOfTimeError(UnsteadyError):
    """A figure for which no time was left."""


@dataclass
class Budget:
    """Wall-clock time that so many figures share.

    until: of `time.perf_counter`. figures: still to come, at most. left_out: why a figure is missing, one line each.
    """

    until: float
    figures: int
    left_out: list[str]

    def share(self) -> float:
        """Seconds that the next figure may take; negative where none are left."""
        share = (self.until - time.perf_counter()) / max(1, self.figures)
        self.figures -= 1
        return share


_BUDGET: ContextVar[Budget | None] = ContextVar("budget", default=None)


@contextmanager
def within(until: float, figures: int, left_out: list[str]) -> Iterator[None]:
    """What is timed in here, about so many figures, ends by `until`; the names of missing ones join `left_out`."""
    token = _BUDGET.set(Budget(until, figures, left_out))
    try:
        yield
    finally:
        _BUDGET.reset(token)


def attempt(measured: Callable[[], T]) -> T | None:
    """A figure that others can do without: None, and its reason among those left out, where it is not steady."""
    budget = _BUDGET.get()
    try:
        return measured()
    except UnsteadyError as error:
        if budget is None:
            raise
        budget.left_out.append(str(error))
        return None


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

    A host that has just been given memory, or a cache that is still cold, shows itself by windows whose typical run
    differs: the median of processor time, which a rare interrupt does not move.
    between: done before each run and not timed; what leaves the caches as the run finds them in earnest.
    Inside `within`, two windows of a run each are the least, and more only while this figure's share lasts.
    Raises UnsteadyError where no two windows come within REFUSE of each other, OutOfTimeError.
    """
    budget = _BUDGET.get()
    share = math.inf if budget is None else budget.share()
    if share <= 0:
        raise OutOfTimeError(
            f"{name}: no time was left; give more with --minutes, or try on a quieter machine"
        )
    runs, wall, cpu = 0, time.perf_counter(), time.thread_time()
    of_computing = clock is time.thread_time
    windows: list[float] = []
    typical: list[float] = []
    best: tuple[float, float] | None = None
    while len(windows) < _LEAST_WINDOWS or (
        len(windows) < _MOST_WINDOWS and time.perf_counter() < wall + share
    ):
        times: list[float] = []
        ends = wall + share * min(1.0, (len(windows) + 1) / _LEAST_WINDOWS)
        while not times or (
            (sum(times) < window_s or len(times) < _LEAST_RUNS)
            and len(times) < _MOST_RUNS
            and time.perf_counter() < ends
        ):
            if between is not None:
                between()
            started = clock()
            run()
            times.append(clock() - started)
        runs += len(times)
        ordered = sorted(times)
        windows.append(sum(times) / len(times) if of_computing else ordered[len(times) // 4])
        typical.append(ordered[len(times) // 2 if of_computing else len(times) // 4])
        if len(windows) > 1:
            spread = abs(typical[-1] - typical[-2]) / min(typical[-2:])
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
    """Keep the calling thread on one core, and PyTorch on that thread; gives all cores, for other threads to run on.

    Helpers of PyTorch would inherit the core, and wait there for one another.
    """
    helpers = torch.get_num_threads()
    torch.set_num_threads(1)
    pinned = hasattr(os, "sched_setaffinity")
    thread, before = threading.get_native_id(), os.sched_getaffinity(0) if pinned else set()
    if pinned:
        os.sched_setaffinity(thread, {max(before)})
    try:
        yield before
    finally:
        if pinned:
            os.sched_setaffinity(thread, before)
        torch.set_num_threads(helpers)
