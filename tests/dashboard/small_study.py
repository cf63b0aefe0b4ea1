"""Makes a real study in seconds: the whole path of a search, with the shortest training that runs."""

from pathlib import Path

import yaml

import search_spaces
from codesign import search
from codesign.proxy.fidelity import FOLDER

STUDY = "small"
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
constraints: {tpot_s: 0.05}
quality: {fidelity: tiny.yaml}
"""


def searched(folder: Path, trials: int, resume: bool = False) -> str:
    """Search, or go on searching, in a folder; the storage."""
    recipe = yaml.safe_load((FOLDER / "demo.yaml").read_text())
    (folder / "tiny.yaml").write_text(yaml.safe_dump(recipe | TINY))
    (folder / "space.yaml").write_text(SPACE)
    storage = f"sqlite:///{folder}/study.db"
    space = search_spaces.load(folder / "space.yaml")
    search.run(
        space, STUDY, storage, trials=trials, store=str(folder / "store"), resume=resume, progress=False
    )
    return storage
