"""Optuna's storage proxy before a real PostgreSQL: it has no heartbeat, and dead workers are found all the same."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import optuna
import pytest

from codesign import results
from codesign.errors import StudyError
from codesign.search import liveness
from codesign.search import study as studies

pytest.importorskip("grpc")
pytestmark = pytest.mark.postgresql
Run = Callable[..., dict[str, Any]]

SERVE = "from optuna.storages import get_storage, run_grpc_proxy_server as serve; import sys; "
SERVE += "serve(get_storage(sys.argv[1]), host='127.0.0.1', port=int(sys.argv[2]))"


@pytest.fixture
def proxy(server: Any) -> Iterator[str]:
    """The URL of a storage proxy."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    database = server.url.replace("postgresql://", "postgresql+psycopg2://")
    process = subprocess.Popen([sys.executable, "-c", SERVE, database, str(port)], stderr=subprocess.DEVNULL)
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def test_workers_share_a_study_through_the_proxy(
    run: Run, proxy: str, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "PROXY_SECONDS", 60)
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


def test_while_it_trains_a_trial_says_that_it_lives(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studies, "PROXY_SECONDS", 60)
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
