"""The group swarm against other samplers on a space whose models are really trained: docs/skynet.md's comparison.

    codesign bundles bundles --out kept.yaml
    python -m benchmarks.swarm kept.yaml --seeds 3 --trials 60 --folder /tmp/swarm     # goes on where it stopped

Every sampler searches the same space; trainings are shared through the store, so equal models have equal losses. A
score is the share of the hypervolume of everything that any run has found, of
    as run     the proposed designs alone, after so many proposals;
    completed  the same, each trained model with its best hardware, as `codesign search` records it.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import optuna

import search_spaces
from codesign import search
from codesign.front import Matrix, hypervolume
from codesign.search.trials import minimised_values
from search_spaces import Space

SAMPLERS = ("codesign", "group-pso", "nsga2", "tpe", "random")
MARKS = (10, 20, 40, 60)
_MARGIN = 1.1  # of the reference point beyond the worst that any run found


def rows(space: Space, sampler: str, seed: int, trials: int, folder: Path) -> list[tuple[bool, Matrix, str]]:
    """(proposed?, objectives minimised, model) of every feasible trial of one search, in order."""
    file = folder / f"{sampler}-{seed}.db"
    url, resume = f"sqlite:///{file}", file.exists()
    search.run(space, "study", url, trials=trials, sampler=sampler, seed=seed, resume=resume, progress=False)
    found = []
    for trial in optuna.load_study(study_name="study", storage=url).get_trials(deepcopy=False):
        values = minimised_values(space, [trial])
        if len(values):
            found.append(
                ("completes" not in trial.user_attrs, values, str(trial.user_attrs.get("model", "")))
            )
    return found


def main() -> None:
    """Search, score, print one line a sampler and write the JSON beside this file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("space")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--folder", type=Path, required=True, help="of the studies")
    options = parser.parse_args()
    space = search_spaces.load(options.space)
    options.folder.mkdir(parents=True, exist_ok=True)
    runs = {
        (name, seed): rows(space, name, seed, options.trials, options.folder)
        for seed in range(options.seeds)
        for name in SAMPLERS
    }
    everything = np.concatenate([values for found in runs.values() for _, values, _ in found])
    low, high = everything.min(axis=0), everything.max(axis=0)
    reference = low + _MARGIN * (high - low)
    whole = hypervolume(everything, reference)
    report: dict[str, dict[str, list[float]]] = {}
    for name in SAMPLERS:
        of = report.setdefault(name, {})
        each = [runs[name, seed] for seed in range(options.seeds)]
        of["models"] = [len({model for own, _, model in found if own}) for found in each]
        for mark in (m for m in MARKS if m <= options.trials):
            for kind in ("as run", "completed"):
                shares = [hypervolume(_until(found, mark, kind), reference) / whole for found in each]
                of[f"{kind} {mark}"] = [round(share, 4) for share in shares]
        scores = ", ".join(
            f"{kind} {np.mean(v):.3f} +- {np.std(v):.3f}" for kind, v in of.items() if kind != "models"
        )
        print(f"{name}: models {of['models']}, {scores}", flush=True)
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")


def _until(found: list[tuple[bool, Matrix, str]], mark: int, kind: str) -> Matrix:
    """Objectives of what a run had after `mark` feasible proposals, without or with the completions."""
    kept, proposals = [], 0
    for own, values, _ in found:
        proposals += own
        if proposals > mark:
            break
        if own or kind == "completed":
            kept.append(values)
    return np.concatenate(kept)


if __name__ == "__main__":
    main()
