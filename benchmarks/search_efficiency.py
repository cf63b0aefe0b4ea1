"""How many trainings does a sampler need? The real cost models with a made-up loss whose optimum is known.

    python benchmarks/search_efficiency.py [--seeds 5] [--trainings 100] [--stock 500] [--noise 0.008]

A space of some thousand models at one parameter budget, thousands of hardware combinations, four objectives and
constraints. The loss of a model is a formula with a known optimum plus noise for each training. Since every model
can be listed, the reference is exact: the hypervolume of all models with all their hardware. The score is the
share of it that the true losses of the trained models reach: once with the hardware of each trial as it ran, once
with each trained model completed with all its hardware, whoever chose it. Hypervolume is over the logarithms of
the analytic objectives and the loss, by 1,024 quasi-random points (see codesign.search.landscape).
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import TrialState

import cost_models
import search_spaces
from codesign.plaintext import table
from codesign.search.distributions import suggest
from codesign.search.landscape import Candidate, Landscape, covering, model_key
from codesign.search.samplers import by_name
from codesign.search.scoring import score

SPACE = """
model:
  preset: moe-27b
  engram_share: {choices: [0.05, 0.1, 0.15, 0.2, 0.25, 0.35, 0.45, 0.6]}
  engram_layers: {subsets: [[0], [1], [1, 8], [1, 14], [8, 22], [1, 8, 14]]}
  engram_max_order: {choices: [2, 3, 4]}
  engram_heads: {choices: [4, 8, 16]}
  engram_head_dim: {choices: [32, 64, 128]}
  active_experts: {choices: [2, 4, 6, 8]}
system:
  accelerator: {choices: [rtx-6000-ada, a100-80-sxm, h100-sxm, h200-sxm, b200-sxm, mi300x]}
  accelerators: {choices: [1, 2, 4, 8]}
  host: {dram_gib: {choices: [64, 256]}, ssd_gib: {choices: [0, 1024]}, ssd_drives: 2}
serving:
  tensor_parallel: {choices: [1, 2, 4, 8]}
  concurrency: {choices: [1, 4, 16, 64, 256]}
  input_tokens: 2048
  tables: {tier: {choices: [hbm, dram, ssd]}, prefetch: {choices: [true, false]}}
constraints: {tpot_s: 0.1, ttft_s: 5.0}
quality: {fidelity: demo}
"""
MARKS = (25, 50, 100, 200, 500)


def true_loss(params: dict[str, Any]) -> float:
    """A loss with the shapes that the papers report, optimum at share 0.2 to 0.25, about 0.1 from best to worst."""
    layers = [int(layer) for layer in params["model.engram_layers"].split(",")]
    width = (
        (params["model.engram_max_order"] - 1)
        * params["model.engram_heads"]
        * params["model.engram_head_dim"]
    )
    best_share = 0.22 + 0.02 * (len(layers) - 2)
    loss = 2.30 + 0.35 * (params["model.engram_share"] - best_share) ** 2
    loss += 0.006 * abs(layers[0] - 1) ** 0.7 - 0.004 * np.log(len(layers))
    loss += 0.006 * (np.log2(width / 1280) / 2) ** 2 + 0.003 * (params["model.engram_max_order"] - 3) ** 2
    return float(loss - 0.028 * np.log2(params["model.active_experts"] / 6))


class Problem:
    """The space with everything about it known. covers: (models, points) bool; losses: (models,)."""

    def __init__(self, noise: float) -> None:
        self.space = search_spaces.parse(SPACE, "search_efficiency")
        self.catalogue = cost_models.load_catalogue()
        self.noise = noise
        self.landscape = Landscape(self.space, self.catalogue, seed=99)
        self.candidates: dict[str, Candidate] = {}
        listed = _listed(self.space)
        for params in listed:
            made = self.landscape.candidate(params)
            if made is not None:
                self.candidates.setdefault(made.key, made)
        self.losses = {key: true_loss(c.params) for key, c in self.candidates.items()}
        self.worst = max(self.losses.values())
        self.reference = self.volume([(self.losses[k], c.covers) for k, c in self.candidates.items()])

    def volume(self, members: list[tuple[float, NDArray[np.bool_]]]) -> float:
        """Share of box times loss that (loss, covered points) pairs dominate."""
        best = np.full(len(self.landscape.points), self.worst)
        for loss, covers in members:
            np.minimum(best, loss, out=best, where=covers)
        return float((self.worst - best).mean())


def _listed(space: search_spaces.Space) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{}]
    for p in space.model_parameters:
        rows = [row | {p.name: level} for row in rows for level in p.levels()]
    return rows


def search(problem: Problem, name: str, trainings: int, seed: int) -> dict[str, Any]:
    """One run: shares of the reference after each training, as the trials ran and completed, and CPU per ask."""
    space, catalogue = problem.space, problem.catalogue
    generator = np.random.default_rng(10_000 + seed)
    sampler = by_name(name, space, catalogue, seed, startup=8)
    study = optuna.create_study(directions=["minimize"] * 4, sampler=sampler)
    as_run: list[float] = []
    completed: list[float] = []
    points: list[tuple[float, NDArray[np.bool_]]] = []
    models: dict[str, tuple[float, NDArray[np.bool_]]] = {}
    measured: dict[str, float] = {}
    asking = 0.0
    while len(measured) < trainings and len(study.get_trials(deepcopy=False)) < 20 * trainings:
        before = time.process_time()
        trial = study.ask()
        params = suggest(trial, space)
        asking += time.process_time() - before
        design = space.design(params)
        scores = score(space, design, catalogue)
        if not scores.feasible[0]:
            study.tell(trial, state=TrialState.PRUNED)
            continue
        key = model_key(design.model)
        known = key in measured
        loss = measured.setdefault(key, problem.losses[key] + problem.noise * generator.standard_normal())
        trial.set_user_attr("model", key)
        trial.set_user_attr("quality", {"bits_per_byte": loss, "standard_error": problem.noise})
        study.tell(trial, [loss, *scores.minimised[0, 1:]])
        logs = np.log(scores.minimised[:, 1:])
        points.append((problem.losses[key], covering(logs, problem.landscape.points)))
        models[key] = (problem.losses[key], problem.candidates[key].covers)
        if not known:
            as_run.append(problem.volume(points) / problem.reference)
            completed.append(problem.volume(list(models.values())) / problem.reference)
    return {"as_run": as_run, "completed": completed, "cpu_s_per_ask": asking / max(1, len(study.trials))}


def summary(runs: list[dict[str, Any]], kind: str) -> list[str]:
    """Mean and deviation over the seeds at the marks."""
    cells = []
    for mark in MARKS:
        values = [run[kind][mark - 1] for run in runs if len(run[kind]) >= mark]
        cells.append(f"{np.mean(values):.3f}±{np.std(values):.3f}" if values else "-")
    return cells


def main() -> None:
    """Run all samplers and print and store what they reached."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trainings", type=int, default=100, help="of the default sampler")
    parser.add_argument("--stock", type=int, default=500, help="trainings of Optuna's samplers")
    parser.add_argument("--noise", type=float, default=0.008, help="deviation of one training")
    parser.add_argument("--samplers", nargs="+", default=["codesign", "random", "nsga2", "nsga3", "tpe"])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem = Problem(options.noise)
    print(
        f"{len(problem.candidates)} models, loss {min(problem.losses.values()):.3f} to {problem.worst:.3f}",
        flush=True,
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for name in options.samplers:
        count = options.trainings if name == "codesign" else options.stock
        found[name] = [search(problem, name, count, seed) for seed in range(options.seeds)]
        for kind in ("as_run", "completed"):
            print(f"{name:<9} {kind:<10}", *summary(found[name], kind), flush=True)
    rows = [
        [
            name,
            kind.replace("_", " "),
            *summary(runs, kind),
            f"{1e3 * np.mean([r['cpu_s_per_ask'] for r in runs]):.0f}",
        ]
        for name, runs in found.items()
        for kind in ("as_run", "completed")
    ]
    print(f"\nShare of the reference hypervolume after so many trainings ({options.seeds} seeds)\n")
    print(table(["sampler", "hardware", *map(str, MARKS), "CPU ms/ask"], rows, left=2))
    options.out.write_text(
        json.dumps(
            {"noise": options.noise, "seeds": options.seeds, "marks": MARKS, "runs": found}, indent=None
        )
    )


if __name__ == "__main__":
    main()
