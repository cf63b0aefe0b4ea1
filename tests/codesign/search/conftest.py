"""Small real searches: a few hardware choices, proxies of a twentieth of a second."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import search_spaces
from codesign import search
from codesign.proxy.fidelity import FOLDER
from search_spaces import Space

# What the shortest training that runs has otherwise than the recipe `demo`; its tokenizer is shared.
TINY = {
    "hidden": 32, "layers": 2, "head_dim": 8, "active_experts": 2, "sequence": 32, "batch": 2, "steps": 4,
    "validation_sequences": 4, "must_learn": 0.0, "noise": 0.01,
}  # fmt: skip

SPACE = """
model:
  preset: moe-27b
  engram_share: {choices: [0.0, 0.15, 0.3, 0.45]}
  engram_layers: {subsets: [[1], [1, 14]]}
  engram_heads: {choices: [4, 8]}
system:
  accelerator: {choices: [a100-80-sxm, h200-sxm]}
  accelerators: {choices: [1, 2]}
  host: {dram_gib: {choices: [0, 256]}}
serving:
  tensor_parallel: {choices: [1, 2]}
  concurrency: {choices: [1, 16]}
  tables: {tier: {choices: [hbm, dram]}}
quality: {fidelity: tiny.yaml}
"""


_POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the recipe, the space and the proxy results of these tests lie."""
    folder = tmp_path_factory.mktemp("search")
    recipe = yaml.safe_load((FOLDER / "demo.yaml").read_text())
    (folder / "tiny.yaml").write_text(yaml.safe_dump(recipe | TINY))
    (folder / "space.yaml").write_text(SPACE)
    return folder


@pytest.fixture(scope="session")
def space(folder: Path) -> Space:
    """13 models, some dozen hardware combinations."""
    return search_spaces.load(folder / "space.yaml")


@pytest.fixture(scope="session")
def run(folder: Path, space: Space) -> Callable[..., dict[str, Any]]:
    """`search.run` on the small space, with its proxy results shared by all tests."""

    def run(storage: str, study: str = "s", trials: int = 5, **options: Any) -> dict[str, Any]:
        options = {"store": str(folder / "store"), "progress": False, **options}
        chosen = options.pop("space", space)
        return search.run(chosen, study, storage, trials=trials, **options)

    return run


@pytest.fixture(scope="session")
def searched(run: Callable[..., dict[str, Any]], folder: Path) -> tuple[str, dict[str, Any]]:
    """A finished search of 10 trials: its storage and its summary."""
    storage = f"sqlite:///{folder}/searched.db"
    return storage, run(storage, trials=10)


@dataclass
class Server:
    """A throw-away PostgreSQL cluster."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """Its storage URL."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def control(self, *arguments: str) -> None:
        """Run pg_ctl as the user postgres."""
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        command = [
            str(_POSTGRESQL[-1]),
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
    """A real PostgreSQL of these tests alone."""
    if not _POSTGRESQL:
        pytest.skip("no PostgreSQL here (Debian: apt-get install postgresql)")
    if not shutil.which("runuser"):
        pytest.skip("PostgreSQL must not run as root, and runuser is missing")
    # not in pytest's own folder: the user postgres may not enter that
    folder = Path(f"/tmp/codesign-postgresql-{os.getpid()}")
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(folder, port)
    try:
        initdb = str(_POSTGRESQL[-1].with_name("initdb"))
        _as_postgres([initdb, "-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "--no-sync"])
        server.control("start")
        yield server
    finally:
        subprocess.run(
            [*(["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []), str(_POSTGRESQL[-1]), "-D",
             str(folder / "data"), "-m", "immediate", "stop"], capture_output=True, check=False,
        )  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)
