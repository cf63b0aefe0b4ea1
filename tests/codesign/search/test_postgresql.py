"""A real PostgreSQL: several processes, one killed, the server restarted."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from codesign import results
from codesign.search import liveness
from codesign.search import study as studies

pytestmark = pytest.mark.postgresql


def _start(run: Callable[..., dict[str, Any]], url: str, **options: Any) -> Any:
    process = multiprocessing.get_context("fork").Process(
        target=run, args=(url,), kwargs={"resume": True, **options}
    )
    process.start()
    return process


def _wait_until_both_search(url: str, pids: set[int]) -> None:
    """A search that has not opened the study when the server goes away ends with one line, as it should."""
    for _ in range(600):
        trials = studies.load(url, "s").get_trials(deepcopy=False)
        workers = [trial.user_attrs["worker"] for trial in trials if "worker" in trial.user_attrs]
        if pids <= {int(worker.split("/")[1]) for worker in workers}:
            return
        time.sleep(0.1)
    pytest.fail(f"not both of {pids} proposed a design within a minute")


def test_two_searches_share_a_study_one_is_killed_and_the_server_restarted(
    run: Callable[..., dict[str, Any]], server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = str(tmp_path / "store")
    run(server.url, trials=1, store=store)
    first, second = (_start(run, server.url, trials=12, store=store, seed=seed) for seed in (1, 2))
    _wait_until_both_search(server.url, {first.pid, second.pid})
    os.kill(first.pid, signal.SIGKILL)
    server.control("restart", "-m", "fast")
    first.join()
    second.join(timeout=120)
    assert second.exitcode == 0
    # a trial that was born when the server went away carries no name; it counts as lost after a minute
    monkeypatch.setattr(liveness, "_UNCLAIMED", timedelta(0))
    run(server.url, trials=12, resume=True, store=store)
    table = results.Reader("s", server.url).read().table
    complete = table[table["state"] == "COMPLETE"]
    proposed = complete[complete["completes"].isna()]
    assert len(proposed) == 12
    assert proposed["trained"].sum() == proposed["model"].nunique()
    assert not (table["state"] == "RUNNING").any()
    names = [name for name in table.columns if name.startswith(("model.", "system.", "serving."))]
    assert not complete[complete["completes"].notna()][names].astype(str).duplicated().any()


def test_a_server_that_is_down_is_said_in_one_line(run: Callable[..., dict[str, Any]], server: Any) -> None:
    from codesign.errors import StudyError

    with pytest.raises(StudyError, match="no server answers"):
        run(server.url.replace(str(server.port), "1"))
    with pytest.raises(StudyError, match="no such database"):
        run(server.url + "x")
