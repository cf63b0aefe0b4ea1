"""Does a short fidelity rank models as a longer one does? Rank correlation over models drawn from a space.

    python -m codesign.proxy.rank_study            trains what is missing, some hours on one core
    python -m codesign.proxy.rank_study --show     the figures of the table that is there, no training

Trainings go to the store of proxies and every finished model is a line of the table at once, so the command
can be stopped and started again, or run by several processes on one store.
"""

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

import search_spaces
from codesign import cache
from codesign import corpus as corpora
from codesign.proxy import scale
from codesign.proxy.fidelity import Fidelity, load
from codesign.proxy.measurement import measure
from codesign.proxy.store import Store
from cost_models.design import Model
from cost_models.errors import InputError

TABLE = Path(__file__).with_name("rank_study.csv")
_RESAMPLES = 2000


def draw(
    space: search_spaces.Space, count: int, seed: int, fidelity: str | Fidelity
) -> list[tuple[dict[str, Any], Model]]:
    """`count` distinct models of a space that have a proxy at this fidelity, the same ones for the same seed."""
    random, found, seen = np.random.default_rng(seed), [], set()
    recipe = load(fidelity)
    for _ in range(100 * count):
        params: dict[str, Any] = {}
        for parameter in space.model_parameters:
            if parameter.choices:
                params[parameter.name] = parameter.choices[int(random.integers(len(parameter.choices)))]
            elif parameter.kind == "int":
                params[parameter.name] = int(random.integers(int(parameter.low), int(parameter.high) + 1))
            else:
                params[parameter.name] = round(float(random.uniform(parameter.low, parameter.high)), 3)
        try:
            model = space.model(params)
            proxy = scale.scale(model, recipe)
        except InputError:  # an impossible model, or one without a proxy
            continue
        if proxy not in seen:
            seen.add(proxy)
            found.append((params, model))
        if len(found) == count:
            return found
    raise InputError(f"{space.name}: only {len(found)} distinct models with a proxy, {count} are asked for")


def agreement(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float, float]:
    """Spearman's rank correlation and its 95 % interval by resampling models; (models,) losses each."""
    random, count = np.random.default_rng(0), len(first)
    values = []
    for _ in range(_RESAMPLES):
        chosen = random.integers(0, count, count)
        if len(set(chosen.tolist())) > 2:
            values.append(float(spearmanr(first[chosen], second[chosen]).statistic))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(spearmanr(first, second).statistic), float(low), float(high)


def read(path: Path) -> list[dict[str, str]]:
    """The lines of a table, or none."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def summary(rows: list[dict[str, str]], fidelities: list[str]) -> str:
    """Agreement of each fidelity with the last one, in words. Raises InputError for fewer than four models."""
    whole = [row for row in rows if all(row.get(name) for name in fidelities)]
    if len(whole) < 4:
        raise InputError(
            f"rank study: {len(whole)} models are finished, at least 4 are needed; run it without --show"
        )
    losses = {name: np.array([float(row[name]) for row in whole]) for name in fidelities}
    lines = [f"{len(whole)} models, bits per byte"]
    for name in fidelities:
        spread = losses[name].std(ddof=1)
        line = f"{name:8} mean {losses[name].mean():.4f}, standard deviation over models {spread:.4f}"
        if name != fidelities[-1]:
            rank, low, high = agreement(losses[name], losses[fidelities[-1]])
            line += (
                f"; rank correlation with {fidelities[-1]} {rank:.2f} (95 % interval {low:.2f} to {high:.2f})"
            )
        lines.append(line)
    return "\n".join(lines)


def run(
    space_name: str,
    fidelities: list[str],
    models: int,
    seed: int,
    table: Path,
    store: Store,
    corpus: corpora.Spec = None,
) -> None:
    """Train every model at every fidelity and keep the table up to date."""
    space = search_spaces.load(space_name)
    drawn = draw(space, models, seed, fidelities[0])
    rows = []
    for number, (params, model) in enumerate(drawn):
        row = {"model": str(number), "params": json.dumps(params)}
        for fidelity in fidelities:
            quality = measure(model, fidelity, corpus=corpus, store=store)
            row[fidelity] = f"{quality.bits_per_byte:.6f}"
            print(f"{number + 1}/{models} {fidelity}: {row[fidelity]} {quality.reason}", file=sys.stderr)
        rows.append(row)
        cache.write_atomically(table, lambda path: _write(path, rows, fidelities))


def _write(path: Path, rows: list[dict[str, str]], fidelities: list[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, ["model", "params", *fidelities], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Train what is missing (unless --show), then print the agreement."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--space", default="engram-27b")
    parser.add_argument(
        "--fidelities", nargs="+", default=["short", "long"], help="the last one is the judge"
    )
    parser.add_argument("--models", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--text", help="own text instead of the bundled one, see codesign/corpus.py")
    parser.add_argument(
        "--show", action="store_true", help="no training: the figures of the table that is there"
    )
    options = parser.parse_args()
    try:
        if not options.show:
            store = Store(options.store)
            run(
                options.space,
                options.fidelities,
                options.models,
                options.seed,
                options.table,
                store,
                options.text,
            )
        print(summary(read(options.table), options.fidelities))
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
