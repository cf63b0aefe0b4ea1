"""The table of real trainings behind the tabulated problem of `benchmarks.search_problems`.

    python -m benchmarks.search_table               trains what is missing, nine CPU seconds each

Every model of `search_space.yaml` gets the loss of its proxy by the recipe `search_recipe.yaml`, in bits per byte: 339
models, all with different proxies. They go through the ordinary store of proxies, and the table is written as it grows,
so the command can be stopped and started again. A row a model: its parameters and the loss.
"""

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np

import search_spaces
from codesign import cache
from codesign.proxy.measurement import measure
from codesign.proxy.store import Store
from codesign.search.distributions import enumerated
from search_spaces import Space

SPACE = Path(__file__).with_name("search_space.yaml")
RECIPE = Path(__file__).with_name("search_recipe.yaml")
TABLE = Path(__file__).with_name("search_table.csv")
_EVERY = 10  # trainings from one writing of the table to the next


def models(space: Space) -> list[dict[str, Any]]:
    """The parameters of every model of the space, in a random order: a part of the table is a random part."""
    every = enumerated(space)
    assert every is not None  # all parameters are choices
    return [every[i] for i in np.random.default_rng(0).permutation(len(every))]


def recorded(space: Space) -> dict[tuple[str, ...], float]:
    """The losses of the table, by `place` of their parameters."""
    with TABLE.open(newline="", encoding="utf-8") as handle:
        return {place(space, row): float(row["bits_per_byte"]) for row in csv.DictReader(handle)}


def place(space: Space, params: dict[str, Any]) -> tuple[str, ...]:
    """The model parameters as they stand in a row of the table; empty where one does not apply."""
    return tuple(str(params.get(p.name, "")) for p in space.model_parameters)


def train() -> None:
    """Train every model, those in the store for nothing, and keep the table up to date."""
    space, store = search_spaces.load(SPACE), Store()
    every, seed = models(space), space.quality.seed if space.quality else 0
    losses: dict[tuple[str, ...], float] = {}

    def put(path: Path) -> None:
        _write(path, space, losses)

    for done, params in enumerate(every, 1):
        quality = measure(space.model(params), RECIPE, seed, store=store)
        losses[place(space, params)] = quality.bits_per_byte
        print(f"{done}/{len(every)} {quality.bits_per_byte:.5f}", flush=True)
        if done % _EVERY == 0 or done == len(every):
            cache.write_atomically(TABLE, put)


def _write(path: Path, space: Space, losses: dict[tuple[str, ...], float]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow([*(p.name for p in space.model_parameters), "bits_per_byte"])
        for row, loss in sorted(losses.items()):
            writer.writerow([*row, f"{loss:.5f}"])


if __name__ == "__main__":
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    train()
