"""The whole command in a folder with a small space, its recipe and a design."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from codesign import cli
from codesign.proxy.fidelity import FOLDER

ROOT = Path(__file__).parents[2]
Codesign = Callable[..., subprocess.CompletedProcess[str]]

# The shortest training that runs, as differences from the recipe `demo`.
TINY = {
    "hidden": 32, "layers": 2, "head_dim": 8, "active_experts": 2, "sequence": 32, "batch": 2, "steps": 4,
    "validation_sequences": 4, "must_learn": 0.0, "noise": 0.01,
}  # fmt: skip

SPACE = """\
model:
  preset: moe-27b
  engram_share: {choices: [0.0, 0.1, 0.2, 0.3, 0.4]}
  engram_layers: {subsets: [[1], [1, 14]]}
system:
  accelerator: {choices: [a100-80-sxm, h200-sxm]}
  accelerators: {choices: [1, 2]}
  host: {dram_gib: {choices: [0, 256]}}
serving:
  concurrency: {choices: [1, 16]}
  tables: {tier: {choices: [hbm, dram]}}
quality: {fidelity: tiny.yaml}
"""

DESIGN = """\
model: {preset: engram-27b}
system: {accelerator: h100-sxm, accelerators: 8, host: {dram_gib: 2048}}
serving: {tensor_parallel: 4, tables: {tier: dram}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a space, its recipe and a design."""
    recipe = yaml.safe_load((FOLDER / "demo.yaml").read_text(encoding="utf-8"))
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(recipe | TINY), encoding="utf-8")
    (tmp_path / "space.yaml").write_text(SPACE, encoding="utf-8")
    (tmp_path / "design.yaml").write_text(DESIGN, encoding="utf-8")
    return tmp_path


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    """The environment of a process of its own: this checkout, and proxy results of this test alone."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("CODESIGN_STOR")}
    return own | {"PYTHONPATH": str(ROOT), "CODESIGN_STORE": str(folder / "proxies"), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def process(folder: Path, environment: dict[str, str]) -> Codesign:
    """`process(*arguments)`: the command in a process of its own, run to its end."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "codesign.cli", *arguments]
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )

    return run


@pytest.fixture
def codesign(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Codesign:
    """`codesign(*arguments)`: the same in this process, which saves the seconds of importing everything anew."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("CODESIGN_STORAGE", raising=False)
    monkeypatch.setenv("CODESIGN_STORE", str(folder / "proxies"))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        capfd.readouterr()
        status = cli.main(arguments)
        captured = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, status, captured.out, captured.err)

    return run
