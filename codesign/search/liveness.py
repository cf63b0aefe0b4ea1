"""Whose trial is it, and does its process still live? A trial of a dead process is failed and tried again.

Processes of this host are looked up in its process table. Those of other hosts keep a heartbeat: Optuna's own
where the storage is a database; through Optuna's gRPC proxy, which has none, the user attribute `alive` of
the trial, a time of day (hosts' clocks must agree within a minute).
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Container, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import optuna
from optuna.storages._heartbeat import is_heartbeat_enabled
from optuna.trial import FrozenTrial, TrialState

from codesign.search.study import GRACE_SECONDS, HEARTBEAT_SECONDS, is_local

MOST_RETRIES = 2  # a design that kills its process this often is given up
_UNCLAIMED = timedelta(seconds=60)  # between a trial's birth and the name of its process


def this_process() -> str:
    """host/pid/start time: no other process ever has the same."""
    return f"{socket.gethostname()}/{os.getpid()}/{_started(os.getpid())}"


def is_alive(worker: str) -> bool | None:
    """Whether the process of that name lives; None where it is another host's."""
    host, pid, started = worker.rsplit("/", 2)
    if host != socket.gethostname():
        return None
    return _started(int(pid)) == started


def _started(pid: int) -> str:
    """When a process started, in the kernel's ticks; "" where there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
    try:  # no /proc (macOS): existence has to do
        os.kill(pid, 0)
    except OSError:
        return ""
    return "unknown"


def recover(study: optuna.Study, url: str, mine: Container[int] = ()) -> None:
    """Fail the trials of dead processes and queue their designs again. Call it under `locks.lock`.

    mine: numbers of the trials that this process works on.
    """
    storage, silent = study._storage, set()
    if is_heartbeat_enabled(storage):
        # (not Optuna's `fail_stale_trials`: it fails them first, and a death before the retry would lose them)
        silent = set(storage._get_stale_trial_ids(study._study_id))  # type: ignore[attr-defined]
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if trial.number not in mine and (trial._trial_id in silent or _is_lost(trial, url)):
            with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError, ValueError):
                retry(study, trial)  # first: should this process die now, the next one finds both again
                study.tell(trial.number, state=TrialState.FAIL)


def retry(study: optuna.Study, trial: FrozenTrial, blamed: bool = True) -> None:
    """Queue the design of a failed trial once, unless it is to blame too often or was not complete.

    What has an evaluation was trained and only not told yet: whatever ended its process, it was not this design.
    """
    blamed = blamed and "evaluation" not in trial.user_attrs
    retries = int(trial.user_attrs.get("retries", 0)) + blamed
    if retries > MOST_RETRIES or "model" not in trial.user_attrs:
        return
    if any(t.user_attrs.get("retry_of") == trial.number for t in study.get_trials(deepcopy=False)):
        return
    kept = {name: trial.user_attrs[name] for name in ("fidelity",) if name in trial.user_attrs}
    study.enqueue_trial(trial.params, user_attrs={**kept, "retries": retries, "retry_of": trial.number})


def _is_lost(trial: FrozenTrial, url: str) -> bool:
    worker = trial.user_attrs.get("worker")
    if worker is None:
        born = trial.datetime_start or datetime.min
        return is_local(url) or datetime.now(born.tzinfo) - born > _UNCLAIMED
    # one of this process's own: the database went away while it was asked for
    if worker == this_process() or is_alive(str(worker)) is False:
        return True
    return time.time() - float(trial.user_attrs.get("alive", "inf")) > GRACE_SECONDS


@contextlib.contextmanager
def heartbeat(study: optuna.Study, trial: optuna.Trial, url: str) -> Iterator[None]:
    """Keep a trial's heartbeat going in a thread, where other hosts may want to know."""
    if is_local(url):
        yield
        return
    beat = _beat(study, trial)
    beat()
    done = threading.Event()

    def go_on() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            with contextlib.suppress(Exception):  # the database may be restarting; the next beat will do
                beat()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _beat(study: optuna.Study, trial: optuna.Trial) -> Callable[[], None]:
    storage, number = study._storage, trial._trial_id
    if is_heartbeat_enabled(storage):
        return lambda: storage.record_heartbeat(number)  # type: ignore[attr-defined]
    return lambda: storage.set_trial_user_attr(number, "alive", time.time())
