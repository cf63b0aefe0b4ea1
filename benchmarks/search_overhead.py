"""CPU seconds that the default sampler needs to propose one training, by the number of trainings so far.

    python -m benchmarks.search_overhead [--space engram-27b] [--trainings 100 500 1000]

An in-memory study is filled with random models of the space, a made-up loss, and as many completions each as a
search records on average; then a few designs are asked for. The aim: less than 5 % of a training of ten seconds.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

import cost_models
import search_spaces
from codesign.plaintext import table
from codesign.search.distributions import distributions, random_value, suggest
from codesign.search.fidelities import Ladder
from codesign.search.landscape import features, model_key
from codesign.search.sampler import CompletionSampler
from cost_models.errors import InputError
from search_spaces import Space

_COMPLETIONS = 10
_ASKS = 5
_GROWTH = 0.1  # the surrogate is fitted anew when there are so many more trainings
_PROXY_SECONDS = 10.0


def filled(space: Space, trainings: int) -> optuna.Study:
    """A study with so many trained models."""
    generator = np.random.default_rng(0)
    study = optuna.create_study(directions=["minimize"] * len(space.objectives))
    weights = generator.uniform(0, 0.1, 100)
    done = 0
    while done < trainings:
        params = space.applicable({p.name: random_value(p, generator) for p in space.parameters})
        try:
            key = model_key(space.model(params))
        except InputError:
            continue
        place = features(space, params)
        loss = 2.3 + float(((place - 0.4) ** 2) @ weights[: len(place)]) + 0.004 * generator.standard_normal()
        quality = {"bits_per_byte": loss, "standard_error": 0.004}
        values = [loss, *generator.uniform(0.1, 1.0, len(space.objectives) - 1)]
        number = len(study.get_trials(deepcopy=False))
        for index in range(1 + _COMPLETIONS):
            own: dict[str, Any] = {"quality": quality} if index == 0 else {"completes": number}
            study.add_trial(
                optuna.create_trial(
                    state=TrialState.COMPLETE, values=values, params=params,
                    distributions=distributions(space, params), user_attrs={"model": key, **own},
                )
            )  # fmt: skip
        done += 1
    return study


def _ask(study: optuna.Study, space: Space) -> float:
    before = time.process_time()
    trial = study.ask()
    suggest(trial, space)
    spent = time.process_time() - before
    study.tell(trial, state=TrialState.FAIL)
    return spent


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--space", default="engram-27b")
    parser.add_argument("--trainings", type=int, nargs="+", default=[100, 500, 1000])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = search_spaces.load(options.space)
    found = []
    for trainings in options.trainings:
        study = filled(space, trainings)
        sampler = CompletionSampler(space, cost_models.load_catalogue(), seed=0)
        study.sampler = sampler
        # a search meets its models one by one; here their fronts are made at once, and that is not counted
        study.tell(study.ask(), state=TrialState.FAIL)
        usual = float(np.median([_ask(study, space) for _ in range(_ASKS)]))
        sampler._losses = Ladder(1)  # its hyperparameters are found from nothing: the worst case
        fit = _ask(study, space)
        mean = usual + (fit - usual) / (_GROWTH * trainings)
        found.append({"trainings": trainings, "usual_s": usual, "with_fit_s": fit, "mean_s": mean})
        print(found[-1], flush=True)
    rows = [
        [
            f"{row['trainings']:,}",
            *(f"{row[name]:.2f}" for name in ("usual_s", "with_fit_s", "mean_s")),
            f"{row['mean_s'] / _PROXY_SECONDS:.1%}",
        ]
        for row in found
    ]
    print(table(["trainings", "CPU s an ask", "with a fit", "mean", "of 10 s"], rows))
    options.out.write_text(json.dumps({"space": options.space, "asks": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
