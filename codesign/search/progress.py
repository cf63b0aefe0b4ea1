"""Progress that people read, on stderr: one line on a terminal, else a line every ten seconds."""

import contextlib
import math
import shutil
import sys
import threading
import time
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from codesign.front import knee, non_dominated
from codesign.listing import figure
from codesign.plaintext import sparkline
from codesign.search import study as studies
from codesign.search.crew import Task
from codesign.search.reference import volume
from codesign.search.trials import count_proposed, is_feasible, minimised_values
from search_spaces import Space, restore

_TERMINAL_SECONDS, _LOG_SECONDS = 1.0, 10.0


def snapshot(study: optuna.Study, space: Space) -> dict[str, Any]:
    """Counts, front and hypervolume of a study now."""
    trials = study.get_trials(deepcopy=False)
    finished = [t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    complete = [t for t in trials if is_feasible(t)]
    values = minimised_values(space, complete)
    front = np.flatnonzero(non_dominated(values))
    return {
        "trials": len(finished),
        "proposed": count_proposed(finished),
        "running": sum(t.state == TrialState.RUNNING for t in trials),
        "trainings": sum(bool(t.user_attrs.get("trained")) for t in complete),
        "feasible": len(complete),
        "front": [complete[i].number for i in front],
        "hypervolume": volume(space, study.user_attrs.get("reference_point"), complete),
        "knee": complete[front[knee(values[front])]].number if len(front) else None,
        "best": {
            name: {"trial": complete[row].number, "value": complete[row].values[column]}
            for column, name in enumerate(space.objectives if complete else ())
            for row in [int(np.argmin(values[:, column]))]
        },
    }


class Line:
    """One line on stderr that is replaced on a terminal, and said again every ten seconds elsewhere."""

    def __init__(self) -> None:
        self.terminal = sys.stderr.isatty()
        self.seconds = _TERMINAL_SECONDS if self.terminal else _LOG_SECONDS
        self._said = -math.inf

    def show(self, text: str, at_once: bool = False) -> None:
        """Show a text, unless one was shown just now."""
        if not at_once and time.monotonic() - self._said < self.seconds:
            return
        self._said = time.monotonic()
        if self.terminal:  # a line that wraps cannot be replaced
            text = fitted(text, shutil.get_terminal_size().columns - 1)
        end = "" if self.terminal else "\n"
        print(f"\r{text}\x1b[K" if self.terminal else text, end=end, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self.terminal:
            print(file=sys.stderr)


class Progress:
    """Reports while its `with` block runs, from a thread of its own with its own connection."""

    def __init__(self, task: Task) -> None:
        self._task, self._space = task, restore(task.space)
        self._done = threading.Event()
        self._shown = Line()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._at_start: int | None = None
        self._volumes: list[float] = []
        self._drawn = -1  # proposals when the last of them was added
        self._started = time.monotonic()

    def __enter__(self) -> "Progress":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        with contextlib.suppress(Exception):
            self._report(studies.load(self._task.url, self._task.study))
        self._shown.end()

    def _watch(self) -> None:
        study, wait = None, self._shown.seconds
        while not self._done.wait(wait):
            started = time.thread_time()
            with contextlib.suppress(Exception):  # a report that fails must not end the search
                study = study or studies.load(self._task.url, self._task.study)
                self._report(study)
            # a report of a very large study takes seconds: at most a twentieth of a core goes into them
            wait = max(self._shown.seconds, 20 * (time.thread_time() - started))

    def _report(self, study: optuna.Study) -> None:
        now = snapshot(study, self._space)
        if self._at_start is None:
            self._at_start = now["proposed"]
        self._shown.show(self._line(now), at_once=True)

    def _line(self, now: dict[str, Any]) -> str:
        """The most important first: a narrow terminal shows the beginning."""
        parts = [f"{now['proposed']}/{self._task.trials} proposed"]
        if self._space.quality:
            parts.append(f"{now['trainings']} trained")
        done = now["proposed"] - (self._at_start or 0)
        elapsed = time.monotonic() - self._started
        if done > 0 and now["proposed"] < self._task.trials and not self._done.is_set():
            left = elapsed / done * (self._task.trials - now["proposed"])
            parts.append(f"{duration(left)} left")
        else:
            parts.append(f"{duration(elapsed)} so far")
        parts.append(f"front {len(now['front'])} of {now['feasible']} designs")
        if now["hypervolume"] is not None:
            if now["proposed"] != self._drawn:
                self._volumes.append(now["hypervolume"])
                self._drawn = now["proposed"]
            parts.append(f"hypervolume {now['hypervolume']:.4g} {sparkline(self._volumes)}")
        if now["best"]:
            best = ", ".join(figure(name, found["value"]) for name, found in now["best"].items())
            parts.append(f"best {best}")
        return ", ".join(parts)


def fitted(text: str, width: int) -> str:
    """As many whole parts of a text as a width holds: half a number would be another number."""
    if len(text) <= width:
        return text
    return text[: width - 1].rpartition(", ")[0][: width - 1] + "…"


def duration(seconds: float) -> str:
    """1:02:03, or 2:03 below an hour."""
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}" if minutes >= 60 else f"{minutes}:{seconds:02}"
