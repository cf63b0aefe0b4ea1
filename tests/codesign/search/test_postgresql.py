"""A real PostgreSQL: several processes, one killed, the server restarted."""

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from codesign import results
from codesign.search import liveness

_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.skipif(not _BINARIES, reason="no PostgreSQL here (Debian: apt-get install postgresql)"),
    pytest.mark.skipif(
        not shutil.which("runuser"), reason="PostgreSQL must not run as root, and runuser is missing"
    ),
]


@dataclass
class Server:
    """A throw-away PostgreSQL cluster."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def control(self, *arguments: str) -> None:
        """Run pg_ctl as the user postgres."""
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        command = [
            str(_BINARIES[-1]),
            "-D",
            str(self.folder / "data"),
            "-o",
            options,
            "-l",
            str(self.folder / "log"),
        ]
        _as_postgres([*command, "-w", *arguments])


def _as_postgres(command: list[str]) -> None:
    prefix = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    done = subprocess.run([*prefix, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    assert done.returncode == 0, done.stdout.decode()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    # not in pytest's own folder: the user postgres may not enter that
    folder = Path(f"/tmp/codesign-postgresql-{os.getpid()}")
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(folder, port)
    try:
        initdb = str(_BINARIES[-1].with_name("initdb"))
        _as_postgres([initdb, "-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "--no-sync"])
        server.control("start")
        yield server
    finally:
        subprocess.run(
            [*(["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []), str(_BINARIES[-1]), "-D",
             str(folder / "data"), "-m", "immediate", "stop"], capture_output=True, check=False,
        )  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)


def _start(run: Callable[..., dict[str, Any]], url: str, **options: Any) -> Any:
    process = multiprocessing.get_context("fork").Process(
        target=run, args=(url,), kwargs={"resume": True, **options}
    )
    process.start()
    return process


def test_two_searches_share_a_study_one_is_killed_and_the_server_restarted(
    run: Callable[..., dict[str, Any]], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = str(tmp_path / "store")
    run(server.url, trials=1, store=store)
    first, second = (_start(run, server.url, trials=12, store=store, seed=seed) for seed in (1, 2))
    time.sleep(1.5)
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


def test_a_server_that_is_down_is_said_in_one_line(
    run: Callable[..., dict[str, Any]], server: Server
) -> None:
    from codesign.errors import StudyError

    with pytest.raises(StudyError, match="no server answers"):
        run(server.url.replace(str(server.port), "1"))
    with pytest.raises(StudyError, match="no such database"):
        run(server.url + "x")
