"""The table of real trainings behind problem (b) of `benchmarks.search_efficiency`: every model of a space.

    python -m benchmarks.search_table            trains what is missing, about an hour on one core
    python -m benchmarks.search_table --show     no training: noise and rank agreement of the table that is there

Every model of the shipped space `demo` gets the loss of its proxy at fidelity `demo` (130 steps), some with a
second seed, some at four times the steps. Models that scale to the same proxy share one training, as they do in a
search. Trainings go to the ordinary store of proxies, so the command can be stopped and started again; the table
is written as it grows. A row a model: its parameters, the number of its proxy, losses in bits per byte.
"""

import argparse
import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import search_spaces
from codesign import cache
from codesign.proxy import scale
from codesign.proxy.fidelity import Fidelity, load
from codesign.proxy.measurement import measure
from codesign.proxy.store import Store
from codesign.search.sampler import enumerated
from cost_models.design import Model

SPACE = "demo"
TABLE = Path(__file__).with_name("search_table.csv")
LOSSES = ("seed_0", "seed_1", "long_0")  # columns: fidelity demo with two seeds, and at four times the steps
_LONGER = 4


def recipes() -> dict[str, tuple[Fidelity, int]]:
    """Column -> recipe and seed."""
    demo = load("demo")
    long = replace(demo, name="demo-x4", steps=_LONGER * demo.steps)
    return {"seed_0": (demo, 0), "seed_1": (demo, 1), "long_0": (long, 0)}


def models() -> list[tuple[dict[str, Any], Model, int]]:
    """Parameters, model and number of the proxy of every model; equal proxies have equal numbers."""
    space = search_spaces.load(SPACE)
    numbers: dict[Any, int] = {}
    found = []
    for params in enumerated(space) or []:
        model = space.model(params)
        proxy = scale.scale(model, load("demo"))
        found.append((params, model, numbers.setdefault(proxy, len(numbers))))
    return found


def jobs(count: int, second: int, longer: int) -> Iterator[tuple[int, str]]:
    """(proxy, column) in the order of training: all once, then some a second time, some longer."""
    order = [int(i) for i in np.random.default_rng(0).permutation(count)]
    yield from ((i, "seed_0") for i in order)
    yield from ((i, "seed_1") for i in order[: min(second, 60)])
    yield from ((i, "long_0") for i in order[:longer])
    yield from ((i, "seed_1") for i in order[60:second])


def train(second: int, longer: int) -> None:
    """Train what is missing and keep the table up to date."""
    every, store = models(), Store()
    first = {number: model for _, model, number in reversed(every)}
    losses: dict[tuple[int, str], float] = {}
    by_column = recipes()
    todo = list(jobs(len(first), second, longer))
    for done, (proxy, column) in enumerate(todo, 1):
        recipe, seed = by_column[column]
        quality = measure(first[proxy], recipe, seed=seed, store=store)
        losses[proxy, column] = quality.bits_per_byte
        print(f"{done}/{len(todo)} proxy {proxy} {column} {quality.bits_per_byte:.5f}", flush=True)
        if done % 10 == 0 or done == len(todo):
            cache.write_atomically(TABLE, lambda path: _write(path, every, losses))


def _write(
    path: Path, every: list[tuple[dict[str, Any], Model, int]], losses: dict[tuple[int, str], float]
) -> None:
    names = list(dict.fromkeys(name for params, _, _ in every for name in params))
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow([*names, "proxy", *LOSSES])
        for params, _, number in every:
            found = [losses.get((number, column)) for column in LOSSES]
            writer.writerow(
                [
                    *(params.get(n, "") for n in names),
                    number,
                    *("" if v is None else f"{v:.5f}" for v in found),
                ]
            )


def main() -> None:
    """Train what is missing (unless --show)."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--second", type=int, default=291, help="proxies with a second seed")
    parser.add_argument("--longer", type=int, default=40, help="proxies at four times the steps")
    parser.add_argument("--show", action="store_true", help="no training")
    options = parser.parse_args()
    if not options.show:
        train(options.second, options.longer)


if __name__ == "__main__":
    main()
