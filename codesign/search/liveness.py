"""Whose trial is it, and does its process still live? A trial of a dead process is failed and tried again.

Processes of this host are looked up in its process table. Those of other hosts keep a heartbeat: Optuna's own
where the storage is a database; through Optuna's gRPC proxy, which has none, the user attribute `alive` of
the trial, a time of day (hosts' clocks must agree within a minute).
"""

import contextlib
import hashlib
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Container, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import optuna
import sqlalchemy
from optuna.storages import fail_stale_trials
from optuna.storages._heartbeat import is_heartbeat_enabled
from optuna.trial import FrozenTrial, TrialState

from codesign.search.retry import retry
from codesign.search.study import GRACE_SECONDS, HEARTBEAT_SECONDS, is_local

_UNCLAIMED = timedelta(seconds=60)  # between a trial's birth and the name of its process
# Take and free a lock of the server's, by dialect. It is a session's: it falls with the connection, and the connection
# with its process. MySQL's names hold for the whole server; MariaDB knows no wait without an end, so it is a day's.
_LOCKS = {
    "postgresql": ("SELECT pg_advisory_lock(hashtext(:name))", "SELECT pg_advisory_unlock(hashtext(:name))"),
    "mysql": (
        "SELECT GET_LOCK(SHA1(CONCAT(DATABASE(), :name)), 86400)",
        "SELECT RELEASE_LOCK(SHA1(CONCAT(DATABASE(), :name)))",
    ),
}


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
    """Fail the trials of dead processes and queue their designs again. Call it under `lock`.

    mine: numbers of the trials that this process works on.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if trial.number not in mine and _is_lost(trial, url):
            with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError, ValueError):
                retry(study, trial)  # first: should this process die now, the next one finds both again
                study.tell(trial.number, state=TrialState.FAIL)
    if is_heartbeat_enabled(study._storage):
        fail_stale_trials(study)  # those of other hosts; the storage calls `retry` for each that it failed


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
def lock(url: str, study: optuna.Study | str) -> Iterator[None]:
    """One process at a time: of this host, or of all hosts where the study is open and on PostgreSQL or MySQL.

    The kernel and the server free it when its holder dies.
    """
    import fcntl

    study_name = study if isinstance(study, str) else study.study_name
    name = hashlib.sha256(f"{_place(url)} {study_name}".encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"codesign-{os.getuid()}-{name}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with contextlib.nullcontext() if isinstance(study, str) else _of_all_hosts(study):
            yield


@contextlib.contextmanager
def _of_all_hosts(study: optuna.Study) -> Iterator[None]:
    engine = getattr(getattr(study._storage, "_backend", None), "engine", None)
    if engine is None or engine.dialect.name not in _LOCKS:
        yield
        return
    take, free = (sqlalchemy.text(statement) for statement in _LOCKS[engine.dialect.name])
    name = {"name": f"codesign {study.study_name}"}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(take, name)
        try:
            yield
        finally:
            with contextlib.suppress(sqlalchemy.exc.SQLAlchemyError):  # a server that went away has let go
                connection.execute(free, name)


def _place(url: str) -> str:
    scheme, _, path = url.partition(":///")
    return f"{scheme}:///{Path(path).resolve()}" if is_local(url) else url


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
