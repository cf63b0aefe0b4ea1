"""Optuna's storage proxy before a real PostgreSQL: it has no heartbeat, and dead workers are found all the same."""

import contextlib
import multiprocessing
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from codesign import results
from codesign.errors import StudyError
from codesign.search import liveness, locks
from codesign.search import study as studies

pytest.importorskip("grpc")
pytestmark = pytest.mark.postgresql
Run = Callable[..., dict[str, Any]]

SERVE = "from optuna.storages import get_storage, run_grpc_proxy_server as serve; import sys; "
SERVE += "serve(get_storage(sys.argv[1]), host='127.0.0.1', port=int(sys.argv[2]))"


class Proxy:
    """A storage proxy before a database."""

    def __init__(self, database: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        database = database.replace("postgresql://", "postgresql+psycopg2://")
        self._command = [sys.executable, "-c", SERVE, database, str(self._port)]
        self.url = f"grpc://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def served(server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A storage proxy, which takes a while to come up."""
    monkeypatch.setattr(studies, "PROXY_SECONDS", 60)
    proxy = Proxy(server.url)
    yield proxy
    proxy.kill()


@pytest.fixture
def proxy(served: Proxy) -> str:
    """The URL of a storage proxy."""
    return served.url


def on_host(name: str, folder: Path, act: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """A process that takes itself for one of another host: with its name, and without its locks."""

    def there() -> None:
        socket.gethostname = lambda: name
        tempfile.tempdir = str(folder)
        act(*arguments, **options)

    folder.mkdir(exist_ok=True)
    process = multiprocessing.get_context("fork").Process(target=there)
    process.start()
    return process


def test_workers_share_a_study_through_the_proxy(run: Run, proxy: str, server: Any) -> None:
    run(proxy, trials=2)
    # a worker of another host asks, and is heard of no more
    study = studies.load(proxy, "s")
    lost = study.ask()
    lost.set_user_attr("worker", "elsewhere/1/1")
    for name, distribution in study.trials[0].distributions.items():
        lost._suggest(name, distribution)
    lost.set_user_attr("model", "some")
    lost.set_user_attr("alive", time.time() - 10)
    liveness.recover(study, proxy)
    assert study.trials[lost.number].state == optuna.trial.TrialState.RUNNING  # ten seconds are no death
    lost.set_user_attr("alive", time.time() - 2 * studies.GRACE_SECONDS)
    summary = run(proxy, trials=5, resume=True)
    designs = results.Reader("s", server.url).read()
    assert designs.table.loc[lost.number, "state"] == "FAIL"
    retried = [
        t for t in range(len(designs.table)) if designs.trial(t).user_attrs.get("retry_of") == lost.number
    ]
    assert len(retried) == 1
    assert summary["trainings"] == designs.table["trained"].sum()
    assert not (designs.table["state"] == "RUNNING").any()


def test_hosts_that_ask_at_once_propose_no_more_than_was_asked_for(
    run: Run, proxy: str, server: Any, tmp_path: Path
) -> None:
    hosts = [
        on_host(f"host{n % 3}", tmp_path / f"{n % 3}", run, proxy, "hosts", trials=9, resume=True, seed=n)
        for n in range(6)
    ]
    for host in hosts:
        host.join(timeout=120)
        assert host.exitcode == 0
    table = results.Reader("hosts", server.url).read().table
    proposed = table[table["completes"].isna() & (table["state"] == "COMPLETE")]
    assert len(proposed) == 9
    assert proposed["trained"].sum() == proposed["model"].nunique()
    assert studies.load(server.url, "hosts").study_name == "hosts"
    names = optuna.get_all_study_names(studies.open_storage(server.url, create=False))
    assert not [name for name in names if "locked" in name]


def test_a_proxy_that_is_killed_and_comes_back_loses_nothing(
    run: Run, served: Proxy, server: Any, tmp_path: Path
) -> None:
    hosts = [
        on_host(f"host{n}", tmp_path / str(n), run, served.url, "gone", trials=11, resume=True, seed=n)
        for n in range(2)
    ]
    finished = finished_of(server.url, "gone", 3)
    served.kill()
    time.sleep(3)
    served.start()
    for host in hosts:
        host.join(timeout=200)
        assert host.exitcode == 0
    table = results.Reader("gone", server.url).read().table
    assert set(finished) <= set(table["trial"][table["state"] == "COMPLETE"])
    proposed = table[table["completes"].isna() & (table["state"] == "COMPLETE")]
    assert len(proposed) == 11
    assert proposed["trained"].sum() == proposed["model"].nunique()
    assert not (table["state"] == "RUNNING").any()


def finished_of(url: str, study: str, count: int) -> list[int]:
    """Numbers of the finished trials, once there are so many that were proposed."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(StudyError):
            table = results.Reader(study, url).read().table
            done = table[table["state"] == "COMPLETE"]
            if len(done) and done["completes"].isna().sum() >= count:
                return list(done["trial"])
        time.sleep(0.1)
    raise AssertionError("the search does not get on")


def test_a_lock_of_a_dead_host_is_taken_over(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that is only slow finds out when it lets go, which must not hurt the new holder."""
    storage = studies.open_storage(proxy, create=True)
    study = optuna.create_study(storage=storage, study_name="left")
    monkeypatch.setattr(locks, "GRACE_SECONDS", 0.3)
    with locks._of_all_hosts(study):
        with locks._of_all_hosts(study):
            pass
        monkeypatch.setattr(locks, "GRACE_SECONDS", 1e9)
        with locks._of_all_hosts(study):  # free, or this would wait for ever
            pass
    assert [one.study_name for one in storage.get_all_studies() if "left" in one.study_name] == ["left"]


def test_while_it_trains_a_trial_says_that_it_lives(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "HEARTBEAT_SECONDS", 0.05)
    study = optuna.create_study(storage=studies.open_storage(proxy, create=True), study_name="beat")
    trial = study.ask()
    with liveness.heartbeat(study, trial, proxy):
        first = study.trials[0].user_attrs["alive"]
        deadline = time.monotonic() + 30
        while study.trials[0].user_attrs["alive"] == first:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_proxy_that_is_not_there_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studies, "PROXY_SECONDS", 0.2)
    with pytest.raises(StudyError, match="no storage proxy answers there"):
        studies.load("grpc://127.0.0.1:1", "s")
    with pytest.raises(StudyError, match="must read grpc://HOST:PORT"):
        studies.load("grpc://somewhere", "s")
