"""Whose trial is it, and does its process still live? A trial of a dead process is failed and tried again."""

import contextlib
import hashlib
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, fail_stale_trials
from optuna.storages._heartbeat import is_heartbeat_enabled
from optuna.trial import FrozenTrial, TrialState

from codesign.search.study import HEARTBEAT_SECONDS, is_local

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


def recover(study: optuna.Study, url: str) -> int:
    """Fail the trials of dead processes and queue their designs again; how many. Call it under `lock`."""
    lost = [t for t in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)) if _is_lost(t, url)]
    for trial in lost:
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError, ValueError):
            study.tell(trial.number, state=TrialState.FAIL)
            retry(study, trial)
    if not is_local(url):
        # on other hosts: those without a heartbeat
        before = {t.number for t in study.get_trials(deepcopy=False, states=(TrialState.FAIL,))}
        fail_stale_trials(study)
        for trial in study.get_trials(deepcopy=False, states=(TrialState.FAIL,)):
            if trial.number not in before:
                retry(study, trial)
                lost.append(trial)
    return len(lost)


def retry(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue the design of a failed trial again, unless it failed too often or was not complete."""
    retries = int(trial.user_attrs.get("retries", 0)) + 1
    if retries <= MOST_RETRIES and "model" in trial.user_attrs:
        study.enqueue_trial(trial.params, user_attrs={"retries": retries, "retry_of": trial.number})


def _is_lost(trial: FrozenTrial, url: str) -> bool:
    worker = trial.user_attrs.get("worker")
    if worker is None:
        started = trial.datetime_start or datetime.min
        return is_local(url) or datetime.now(started.tzinfo) - started > _UNCLAIMED
    # one of this process's own: the database went away while it was asked for
    return worker == this_process() or is_alive(str(worker)) is False


@contextlib.contextmanager
def lock(url: str, study_name: str) -> Iterator[None]:
    """One process of this host at a time; the kernel frees it when its holder dies."""
    import fcntl

    name = hashlib.sha256(f"{_place(url)} {study_name}".encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"codesign-{os.getuid()}-{name}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _place(url: str) -> str:
    scheme, _, path = url.partition(":///")
    return f"{scheme}:///{Path(path).resolve()}" if is_local(url) else url


@contextlib.contextmanager
def heartbeat(storage: BaseStorage, trial_id: int) -> Iterator[None]:
    """Keep a trial's heartbeat going in a thread, where the storage has one."""
    if not is_heartbeat_enabled(storage):
        yield
        return
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            with contextlib.suppress(Exception):  # the database may be restarting; the next beat will do
                storage.record_heartbeat(trial_id)  # type: ignore[attr-defined]

    storage.record_heartbeat(trial_id)  # type: ignore[attr-defined]
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
