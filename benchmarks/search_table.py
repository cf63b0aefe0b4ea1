"""The table of real trainings behind the tabulated problem of `benchmarks.search_problems`.

    python -m benchmarks.search_table [--models 291]        trains what is missing, ten CPU seconds each

Models of the shipped space `demo` get the loss of their proxy at fidelity `demo`, in bits per byte. Models that
scale to the same proxy share one training, as they do in a search: 291 proxies stand for the 579 models. They are
trained in a random order, through the ordinary store of proxies, and the table is written as it grows, so the
command can be stopped and started again. A row a model: its parameters, the number of its proxy, the loss.
"""

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np

import search_spaces
from codesign import cache
from codesign.proxy import scale
from codesign.proxy.fidelity import load
from codesign.proxy.measurement import measure
from codesign.proxy.store import Store
from codesign.search.sampler import enumerated
from cost_models.design import Model

SPACE = FIDELITY = "demo"
TABLE = Path(__file__).with_name("search_table.csv")
_EVERY = 10  # trainings from one writing of the table to the next


def models() -> list[tuple[dict[str, Any], Model, int]]:
    """Parameters, model and number of the proxy of every model; equal proxies have equal numbers."""
    space = search_spaces.load(SPACE)
    numbers: dict[Any, int] = {}
    found = []
    for params in enumerated(space) or []:
        model = space.model(params)
        proxy = scale.scale(model, load(FIDELITY))
        found.append((params, model, numbers.setdefault(proxy, len(numbers))))
    return found


def train(count: int | None) -> None:
    """Train so many proxies (None: all), those in the store for nothing, and keep the table up to date."""
    every, store = models(), Store()
    first = {number: model for _, model, number in reversed(every)}
    losses: dict[int, float] = {}

    def put(path: Path) -> None:
        _write(path, every, losses)

    order = np.random.default_rng(0).permutation(len(first))[:count]
    for done, proxy in enumerate(order.tolist(), 1):
        losses[proxy] = measure(first[proxy], FIDELITY, seed=0, store=store).bits_per_byte
        print(f"{done}/{len(order)} proxy {proxy} {losses[proxy]:.5f}", flush=True)
        if done % _EVERY == 0 or done == len(order):
            cache.write_atomically(TABLE, put)


def _write(path: Path, every: list[tuple[dict[str, Any], Model, int]], losses: dict[int, float]) -> None:
    names = list(dict.fromkeys(name for params, _, _ in every for name in params))
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow([*names, "proxy", "bits_per_byte"])
        for params, _, number in every:
            if number in losses:
                writer.writerow([*(params.get(n, "") for n in names), number, f"{losses[number]:.5f}"])


def main() -> None:
    """Train what is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models", type=int, default=None, help="proxies to train in all (default: every one)"
    )
    train(parser.parse_args().models)


if __name__ == "__main__":
    main()
