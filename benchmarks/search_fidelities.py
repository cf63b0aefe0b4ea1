"""What short trainings save: the default sampler with one fidelity and with two, at equal cost.

    python -m benchmarks.search_fidelities [--seeds 3] [--cost 30]

On the tabulated problem of `benchmarks.search_problems`. Its recorded trainings are the long ones; short ones are
made up: a quarter of the price, a line of the long loss, an error per model that sets the rank agreement, and noise.
Cost is in long trainings. The score is the share of the reference that the models trained at length reach.

With --recorded nothing is searched: it says how well long losses are foretold in the models of the rank study
(`codesign.proxy.rank_study`), all trained at both fidelities, from all short and a few of the long trainings.
"""

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

import search_spaces
from benchmarks.search_problems import Problem, tabulated
from codesign.plaintext import table
from codesign.proxy.fidelity import load
from codesign.proxy.rank_study import TABLE as RANK_STUDY
from codesign.search.fidelities import Ladder, Trainings
from codesign.search.landscape import features
from codesign.search.sampler import CompletionSampler
from codesign.search.trials import Observation

PRICE = 0.25
SCATTER = {"agrees": 0.3, "half agrees": 1.0, "says nothing": 30.0}  # error over the spread of the losses
_LONG_SECONDS = 40.0
_STARTUP = 8


def search(problem: Problem, scatter: float | None, cost: float, seed: int) -> dict[str, Any]:
    """Share reached at each whole cost; trainings of each fidelity; rank agreement of the short ones."""
    generator = np.random.default_rng(seed)
    space = problem.space.with_quality(shorter=("short",) if scatter is not None else ())
    sampler = CompletionSampler(space, problem.catalogue, seed, _STARTUP)
    keys = list(problem.true)
    true = np.array(list(problem.true.values()))
    errors = (scatter or 0.0) * true.std() * np.random.default_rng(11).standard_normal(len(keys))
    short = dict(zip(keys, 0.5 + 0.9 * true + errors, strict=True))
    seen: list[Observation] = []
    spent, curve = 0.0, {}
    while spent < cost and (chosen := sampler.propose(seen)) is not None:
        made, fidelity = chosen
        is_long = fidelity == (scatter is not None)
        spent += 1.0 if is_long else PRICE
        loss = short[made.key] + problem.error * generator.standard_normal()
        if is_long:
            loss = problem.observe(made.key, generator)
        seconds = _LONG_SECONDS * (1.0 if is_long else PRICE)
        seen.append(
            Observation(made.params, made.key, float(loss), problem.error, fidelity=fidelity, seconds=seconds)
        )
        long = [o.key for o in seen if not o.refused and o.fidelity == (scatter is not None)]
        if long:
            curve[str(int(spent))] = round(problem.completed(long), 4)
    return {
        "curve": curve, "long": len(long), "short": len([o for o in seen if not o.refused]) - len(long),
        "agreement": round(float(spearmanr([short[k] for k in keys], true).statistic), 2),
    }  # fmt: skip


def recorded(long: int = 6, draws: int = 20) -> str:
    """Errors of foretold long losses, with and without the short trainings, over draws of `long` long ones."""
    with RANK_STUDY.open(newline="", encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if row["short"] and row["long"]]
    space, error = search_spaces.load("engram-27b"), load("short").noise
    x = np.array([features(space, json.loads(row["params"])) for row in rows])
    losses = {name: np.array([float(row[name]) for row in rows]) for name in ("short", "long")}
    generator, errors = np.random.default_rng(0), np.zeros((draws, 2))
    se = np.full(len(rows), error)
    for draw in range(draws):
        order = generator.permutation(len(rows))
        some, rest = order[:long], order[long:]
        lengthy = Trainings(x[some], losses["long"][some], se[some], 8.0)
        alone, both = Ladder(1), Ladder(2)
        alone.fit([lengthy])
        both.fit([Trainings(x, losses["short"], se, 1.0), lengthy])
        for index, ladder in enumerate((alone, both)):
            errors[draw, index] = np.sqrt(np.mean((ladder.predict(x[rest])[0] - losses["long"][rest]) ** 2))
    ranks = spearmanr(losses["short"], losses["long"]).statistic
    return (
        f"{len(rows)} models, rank agreement {ranks:.2f}, long losses spread {losses['long'].std():.4f}; error of "
        f"foretold ones from {long} long trainings {errors[:, 0].mean():.4f}, with all short ones "
        f"{errors[:, 1].mean():.4f}"
    )


def main() -> None:
    """Run, print and store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cost", type=int, default=30, help="in long trainings")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--recorded", action="store_true", help="foretell the rank study, search nothing")
    options = parser.parse_args()
    if options.recorded:
        print(recorded())
        return
    problem = tabulated()
    found, rows = {}, []
    marks = [str(m) for m in (10, 15, 20, options.cost - 1)]
    for name, scatter in {"long only": None, **SCATTER}.items():
        runs = [search(problem, scatter, options.cost, seed) for seed in range(options.seeds)]
        found[name] = runs
        cells = [f"{np.mean([run['curve'].get(m, np.nan) for run in runs]):.3f}" for m in marks]
        counts = [f"{np.mean([run[kind] for run in runs]):.0f}" for kind in ("long", "short")]
        rows.append([name, f"{runs[0]['agreement']:.2f}" if scatter else "-", *cells, *counts])
        print(rows[-1], flush=True)
    print(table(["short trainings", "rank agreement", *(f"at {m}" for m in marks), "long", "short"], rows))
    options.out.write_text(json.dumps({"price": PRICE, "runs": found}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
