"""Ctrl-C in the middle of a search: what had finished is kept, and --resume goes on to the same end."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from codesign import results
from codesign.errors import StudyError

TRIALS = 9  # all models of the space: half a second each, and two must be seen before the search ends
SEARCH = ("search", "space.yaml", "--study", "s", "--trials", str(TRIALS))


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_and_resume(
    process: Callable[..., subprocess.CompletedProcess[str]],
    folder: Path,
    environment: dict[str, str],
    workers: str,
) -> None:
    arguments = (*SEARCH, "--workers", workers)
    search = subprocess.Popen(
        [sys.executable, "-P", "-m", "codesign.cli", *arguments],
        cwd=folder, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        # a shell starts jobs in the background with the signal ignored, and tests may run in one
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    storage = f"sqlite:///{folder}/codesign.db"
    wait_for_trials(search, storage, 2)
    search.send_signal(signal.SIGINT)
    out, errors = search.communicate(timeout=60)
    assert search.returncode == 1, errors
    assert out == ""
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("codesign: interrupted; everything that had finished is kept")
    trained = {path.name: path.stat().st_mtime_ns for path in (folder / "proxies").glob("*.json")}
    kept = finished(storage)
    assert len(kept) >= 2

    done = process(*arguments, "--resume", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert finished(storage).items() >= kept.items()
    for name, written in trained.items():
        assert (folder / "proxies" / name).stat().st_mtime_ns == written, "a finished training was made again"
    table = results.Reader("s", storage).read().table
    assert not (table["state"] == "RUNNING").any()
    assert summary["trainings"] == int(table["trained"].sum())


def wait_for_trials(search: subprocess.Popen[str], storage: str, count: int) -> None:
    """Until so many trials are complete; a search that has ended by then was never interrupted."""
    while search.poll() is None:
        try:
            if len(finished(storage)) >= count:
                return
        except StudyError:  # not there yet
            pass
        time.sleep(0.1)
    raise AssertionError(f"the search ended before {count} trials: {search.communicate()[1]}")


def finished(storage: str) -> dict[int, str]:
    """Number and parameters of the complete trials."""
    designs = results.Reader("s", storage).read()
    complete = designs.table[designs.table["state"] == "COMPLETE"]["trial"]
    return {int(trial): json.dumps(designs.params(int(trial)), sort_keys=True) for trial in complete}
