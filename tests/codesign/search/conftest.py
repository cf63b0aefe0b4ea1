"""Small real searches: a few hardware choices, proxies of a twentieth of a second."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import search_spaces
from codesign import search
from search_spaces import Space

# The vocabulary is the one of the recipe `demo`, so that its tokenizer is shared.
FIDELITY = """
about: the shortest training that runs
hidden: 32
layers: 2
head_dim: 8
active_experts: 2
vocab: 2048
sequence: 32
batch: 2
steps: 4
learning_rate: 0.01
warmup: 0.25
table_learning_rate: 5.0
weight_decay: 0.1
balance_rate: 0.02
validation_sequences: 4
must_learn: 0.0
noise: 0.01
"""

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


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the recipe, the space and the proxy results of these tests lie."""
    folder = tmp_path_factory.mktemp("search")
    (folder / "tiny.yaml").write_text(FIDELITY)
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
