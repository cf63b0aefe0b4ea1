"""How many trainings does a sampler need? Two problems (`benchmarks.search_problems`), every sampler, seeds.

    python -m benchmarks.search_efficiency                      all that is not in search_efficiency.json yet
    python -m benchmarks.search_efficiency --problem tabulated --samplers codesign random --cases loud tilt
    python -m benchmarks.search_efficiency --show               nothing is run; tables and figures of docs/search.md

Scores are shares of the hypervolume of all models with all hardware, by true losses, of
    as_run     the designs that were tried, one training each, as Optuna runs a sampler;
    completed  each trained model with all its hardware, a training being a model that is new, as codesign runs it;
    reported   those designs of `completed` that are on the front by the losses that the trainings said.
Infeasible proposals cost no training; twelve asks a training are the most. GPSampler ends after 40 trainings: an ask
takes 1 CPU second with 15 of them, 3 with 40, and 21 with 100.
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from benchmarks import search_problems
from benchmarks.search_problems import Problem
from benchmarks.traffic_figures import Line, chart, write
from codesign import cache
from codesign.front import Matrix
from codesign.search.distributions import suggest
from codesign.search.samplers import DEFAULT, NAMES, by_name

RESULTS = Path(__file__).with_suffix(".json")
MARKS = (10, 15, 20, 25, 35, 50, 75, 100, 150, 200, 300, 500)
KINDS = ("as_run", "completed", "reported")
# In the page's tables
SHOWN = {"as_run": (35, 100, 500), "completed": (20, 50, 100, 200), "reported": (50, 100)}
DRAWN = (DEFAULT, "random", "tpe", "nsga2", "nsga3")  # in the pictures
PAGE = Path(__file__).parent.parent / "docs" / "search.md"
MARK = "<!-- below: written by python -m benchmarks.search_efficiency --show -->"
PROBLEMS: dict[str, Callable[..., Problem]] = {
    "synthetic": search_problems.synthetic,
    "tabulated": search_problems.tabulated,
}
# Noise times four or not, and the bias of the proxy against the truth
CASES = {
    "plain": (False, "none"),
    "loud": (True, "none"),
    "tilt": (False, "tilt"),
    "scramble": (False, "scramble"),
}
# Trainings of one run: more would change no answer (codesign), or cost too much CPU (gp)
TRAININGS = {DEFAULT: 100, "gp": 40}
_MOST_TRAININGS = 500
_BAR = 50  # trainings that the verdict looks at
_MOST_ASKS = 12  # per training: nearly all proposals may be infeasible
_STARTUP = 8
_LEAST = 1e-3  # share missing that the figures show


def search(problem: Problem, name: str, trainings: int, seed: int) -> dict[str, Any]:
    """One run: score by kind and mark, models that were trained, CPU seconds per ask."""
    space, catalogue = problem.space, problem.catalogue
    generator = np.random.default_rng(10_000 + seed)
    sampler = by_name(name, space, catalogue, seed, _STARTUP)
    study = optuna.create_study(directions=["minimize"] * len(space.objectives), sampler=sampler)
    observed: dict[str, float] = {}
    points: list[Matrix] = []
    found: dict[str, Any] = {kind: {} for kind in KINDS}
    asking, asked = 0.0, 0
    while len(points) < trainings and asked < _MOST_ASKS * trainings:
        asked += 1
        before = time.process_time()
        trial = study.ask()
        params = suggest(trial, space)
        asking += time.process_time() - before
        key, analytic = problem.costs.tried(params)
        if analytic is None:
            trial.set_constraint("feasible", 1.0)
            study.tell(trial, state=TrialState.PRUNED)
            continue
        new = key not in observed
        loss = observed.setdefault(key, problem.observe(key, generator))
        trial.set_user_attr("model", key)
        trial.set_user_attr("quality", {"bits_per_byte": loss, "standard_error": problem.error})
        study.tell(trial, [loss, *analytic[0]])
        points.append(problem.row(key, analytic))
        if len(points) in MARKS:
            found["as_run"][str(len(points))] = round(problem.share_of(points), 4)
        if new and len(observed) in MARKS:
            found["completed"][str(len(observed))] = round(problem.completed(list(observed)), 4)
            found["reported"][str(len(observed))] = round(problem.reported(observed), 4)
    found["models"] = len(observed)
    return found | {"cpu_s_per_ask": round(asking / asked, 4)}


def run(options: argparse.Namespace) -> None:
    """Run what is missing and keep the file of results up to date."""
    for case in options.cases:
        problem = PROBLEMS[options.problem](*CASES[case])
        agreement = search_problems.rank_agreement(problem)
        name = f"{options.problem}, {case}"
        print(f"{name}: {len(problem.true)} models, rank agreement of the proxy {agreement:.2f}", flush=True)
        for seed, sampler in itertools.product(range(options.seeds), options.samplers):
            if str(seed) in read().get(name, {}).get(sampler, {}):
                continue
            trainings = options.trainings or TRAININGS.get(sampler, _MOST_TRAININGS)
            found = search(problem, sampler, trainings, seed)
            everything = read()
            everything.setdefault(name, {}).setdefault(sampler, {})[str(seed)] = found
            _store(everything)
            last = {kind: list(found[kind].values())[-1:] for kind in KINDS}
            print(sampler, seed, last, f"{1e3 * found['cpu_s_per_ask']:.0f} ms/ask", flush=True)


def _store(found: dict[str, Any]) -> None:
    text = json.dumps(found, separators=(",", ":"), sort_keys=True).replace('},"', '},\n"') + "\n"

    def put(path: Path) -> None:
        path.write_text(text)

    cache.write_atomically(RESULTS, put)


def read() -> dict[str, Any]:
    """The results so far: case -> sampler -> seed -> `search`."""
    return dict(json.loads(RESULTS.read_text())) if RESULTS.exists() else {}


def tables(found: dict[str, Any]) -> str:
    """Mean and deviation over seeds as Markdown, a table a case and a line a sampler."""
    parts = []
    for name, samplers in sorted(found.items()):
        head = [f"{kind.replace('_', ' ')} {mark}" for kind, marks in SHOWN.items() for mark in marks]
        rows = [["sampler", "seeds", *head], ["---"] * (2 + len(head))]
        for sampler, runs in samplers.items():
            cells = [_cell(runs, kind, mark) for kind, marks in SHOWN.items() for mark in marks]
            most = f" (up to {TRAININGS[sampler]})" if sampler in TRAININGS else ""
            rows.append([sampler + most, str(len(runs)), *cells])
        lines = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        parts.append(f"**{name}.** {verdict(samplers)}\n\n{lines}")
    return "\n\n".join(parts) + "\n"


def verdict(samplers: dict[str, Any]) -> str:
    """How the default sampler's completed models compare with the others as run, and completed too."""
    ours, others = samplers.get(DEFAULT), {n: runs for n, runs in samplers.items() if n != DEFAULT}
    as_run = [(mean, m, n) for n, runs in others.items() for m, mean in _means(runs, "as_run").items()]
    if ours is None or not as_run:
        return ""
    best, mark, name = max(as_run)
    curve = _means(ours, "completed")
    enough = next((f"with {m}" for m, mean in curve.items() if mean >= best), "not")
    said = f"Most as run by another: {best:.3f} ({name}, {mark} trainings); {DEFAULT} completed is there {enough}."
    share, name = max((_means(runs, "completed").get(_BAR, 0.0), name) for name, runs in others.items())
    if _BAR in curve and share:
        said += f" Completed with {_BAR}: {DEFAULT} {curve[_BAR]:.3f}, the best of the others {share:.3f} ({name})."
    return said


def _means(runs: dict[str, Any], kind: str) -> dict[int, float]:
    """Mean over seeds at the marks that all of them have reached."""
    marks = [m for m in MARKS if all(str(m) in run[kind] for run in runs.values())]
    return {m: float(np.mean([run[kind][str(m)] for run in runs.values()])) for m in marks}


def _cell(runs: dict[str, Any], kind: str, mark: int) -> str:
    values = [run[kind][str(mark)] for run in runs.values() if str(mark) in run[kind]]
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}" if len(values) == len(runs) else "-"


def figures(found: dict[str, Any]) -> None:
    """docs/pictures/search-*.svg: the share that is missing, for each problem without extra noise or bias."""
    for problem in PROBLEMS:
        lines = []
        runs_of = found.get(f"{problem}, plain", {})
        for colour, (name, runs) in enumerate((name, runs_of[name]) for name in DRAWN if name in runs_of):
            for kind, style in (("completed", ""), ("as_run", "4 3")):
                curve = _means(runs, kind)
                missing = [max(_LEAST, 1 - mean) for mean in curve.values()]
                if curve:
                    label = f"{name}, {kind.replace('_', ' ')}"
                    lines.append(Line(label, list(curve), missing, colour, style))
        if lines:
            title = f"Hypervolume still missing, {problem} problem"
            write(f"search-{problem}", chart(title, "trainings", "share missing", lines, log_y=True))


def main() -> None:
    """Run, then show."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problem", choices=PROBLEMS, default="synthetic")
    parser.add_argument("--samplers", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trainings", type=int, help=f"of one run (default {_MOST_TRAININGS}; {TRAININGS})")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--show", action="store_true", help="run nothing")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if not options.show:
        run(options)
    text = tables(read())
    print(text)
    if options.show:
        PAGE.write_text(PAGE.read_text().split(MARK)[0] + MARK + "\n\n" + text)
        figures(read())


if __name__ == "__main__":
    main()
