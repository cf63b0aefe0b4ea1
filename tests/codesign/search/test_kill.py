"""kill -9 at random moments: the study opens again, and nothing that was finished is lost or done twice."""

import multiprocessing
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codesign import results

TRIALS = 10


@pytest.mark.parametrize("storage", ["sqlite", "journal"])
def test_killed_twice(run: Callable[..., dict[str, Any]], tmp_path: Path, storage: str) -> None:
    _kill_and_finish(run, tmp_path, f"{storage}:///{tmp_path}/study", kills=2, seed=1)


@pytest.mark.slow
def test_killed_thirty_times(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    _kill_and_finish(run, tmp_path, f"sqlite:///{tmp_path}/study", kills=30, seed=2)


def _kill_and_finish(
    run: Callable[..., dict[str, Any]], folder: Path, url: str, kills: int, seed: int
) -> None:
    # forked, so that a kill hits the search and not the import of its libraries
    context = multiprocessing.get_context("fork")
    generator = random.Random(seed)
    store = folder / "store"
    written: dict[str, int] = {}
    for _ in range(kills):
        process = context.Process(
            target=run, args=(url,), kwargs={"trials": TRIALS, "resume": True, "store": str(store)}
        )
        process.start()
        time.sleep(generator.uniform(0.0, 40.0 / kills if kills > 20 else 2.0))
        process.kill()
        process.join()
        now = {path.name: path.stat().st_mtime_ns for path in store.glob("*.json")}
        assert now | written == now, "a finished training was lost or made again"
        written = now
    summary = run(url, trials=TRIALS, resume=True, store=str(store))
    designs = results.Reader("s", url).read()
    table = designs.table
    complete = table[table["state"] == "COMPLETE"]
    proposed = complete[complete["completes"].isna()]
    assert len(proposed) == TRIALS
    assert summary["trainings"] == len(set(proposed["model"])) == int(proposed["trained"].sum())
    assert not (table["state"] == "RUNNING").any()
    parameters = [p.name for p in designs.space.parameters]
    completions = complete[~complete["completes"].isna()]
    assert not completions[parameters].astype(str).duplicated().any(), "a completion was counted twice"
    assert set(completions["model"]) <= set(proposed["model"])
