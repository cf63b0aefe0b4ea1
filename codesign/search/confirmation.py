"""Is the front right? Its models trained again, longer and with several seeds that the search did not use.

A search picks winners by one short training each, so some have won by luck (the winner's curse). Confirming
says which keep their rank. Trainings are found in the store, so that a confirmation that was ended goes on;
what is known is kept in the study after every seed, as its user attribute `confirmed`, by fidelity.
"""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from codesign import results
from codesign.errors import InputError, StudyError, TrainingError
from codesign.front import non_dominated, signs, thinned
from codesign.proxy import Fidelity, fidelity
from codesign.search import executors, paired
from codesign.search import study as studies
from codesign.search.executors import Trained, Training, beside
from codesign.search.progress import Line, duration
from codesign.search.scoring import QUALITY

ATTRIBUTE = "confirmed"
DEFAULT_SEEDS = 3
_NEXT = {"demo": "short", "short": "long", "gpu-small": "gpu-large"}


@dataclass(frozen=True)
class Member:
    """A model of the front. trials: its members of the front; loss: what the search found."""

    key: str
    params: dict[str, Any]
    trials: tuple[int, ...]
    loss: float
    error: float


def confirm(
    study: str,
    storage: str,
    recipe: str | None = None,
    seeds: int = DEFAULT_SEEDS,
    most: int | None = None,
    executor: str = executors.LOCAL,
    workers: int | None = None,
    store: str | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Train the models of a study's front again; the document that `codesign confirm --json` prints.

    recipe: a fidelity (default: the next longer one). seeds: trainings a model. most: models at most, the
    knee, the extremes and then those spread over the front. executor, workers, store: as in `search.run`.
    Raises StudyError, InputError and TrainingError.
    """
    designs = results.Reader(study, storage).read()
    space = designs.space
    if space.quality is None:
        raise StudyError(f"study {study!r} trains nothing: there is no loss to confirm")
    chosen = fidelity.load(_recipe(recipe, space.quality.fidelity, beside(space, recipe or "")))
    found = members(designs, most)
    first = space.quality.seed + 1  # the search's own seed has chosen these models, so it would flatter them
    corpus = space.quality.corpus and beside(space, space.quality.corpus)
    trainings = [
        Training(space.model(member.params), chosen, seed, corpus)
        for seed in range(first, first + seeds)
        for member in found
    ]
    record = studies.load(storage, study)
    trained: dict[int, Trained] = {}
    document: dict[str, Any] = {}
    runner = executors.make(executor, workers, store)
    line = Line() if progress else None
    started = time.monotonic()
    try:
        for index, result in executors.run_all(runner, trainings):
            trained[index] = result
            if line:
                line.show(_said(trained, len(trainings), started))
            if len(trained) % len(found) == 0 and all(i in trained for i in range(len(trained))):
                rounds = [[trained[r * len(found) + m] for r in range(len(trained) // len(found))]
                          for m in range(len(found))]  # fmt: skip
                document = judged(designs, found, rounds, chosen, first)
                with studies.storage_errors(storage):
                    known = studies.patiently(storage, lambda: record.user_attrs.get(ATTRIBUTE, {}))
                    # the last one last: that is what `codesign front` shows
                    update = {n: d for n, d in known.items() if n != chosen.name} | {chosen.name: document}
                    studies.patiently(storage, lambda: record.set_user_attr(ATTRIBUTE, update))  # noqa: B023
    finally:
        runner.close()
        if line:
            line.end()
    return document


def members(designs: results.Designs, most: int | None = None) -> list[Member]:
    """The models of the front, best loss first. Raises StudyError where there is none."""
    front = designs.table[designs.table["front"]]
    if front.empty:
        raise StudyError(f"study {designs.study!r} has no feasible design yet: there is nothing to confirm")
    kept = list(dict.fromkeys(front["model"]))
    if most is not None and most < len(kept):
        kept = _spread(front, designs.objectives, most)
    found = []
    for key in kept:
        rows = front[front["model"] == key]
        params = designs.params(int(rows["trial"].iloc[0]))
        found.append(
            Member(
                key,
                {name: value for name, value in params.items() if name.startswith("model.")},
                tuple(int(trial) for trial in rows["trial"]),
                float(rows[QUALITY].iloc[0]),
                float(rows["standard_error"].iloc[0]),
            )
        )
    return sorted(found, key=lambda member: member.loss)


def _spread(front: pd.DataFrame, objectives: Sequence[str], most: int) -> list[str]:
    """Models of as many designs, spread over the front, as there may be models."""
    values = front[list(objectives)].to_numpy(float) * signs(objectives)
    kept: list[str] = []
    for count in range(1, len(front) + 1):
        models = list(dict.fromkeys(front["model"].iloc[thinned(values, count)]))
        if len(models) > most:
            break
        kept = models
    return kept


def judged(
    designs: results.Designs,
    found: Sequence[Member],
    rounds: Sequence[Sequence[Trained]],
    recipe: Fidelity,
    first_seed: int,
) -> dict[str, Any]:
    """What the trainings say. rounds: of each member one training a seed."""
    # a training that was stopped has the score of a model that knows nothing: it takes no part in the statistics
    stopped = [next((one.quality.reason for one in own if one.quality.reason), "") for own in rounds]
    rows = [m for m, reason in enumerate(stopped) if not reason]
    seeds = len(rounds[0])
    document: dict[str, Any] = {
        "study": designs.study, "fidelity": recipe.name, "searched_fidelity": designs.space.quality.fidelity,  # type: ignore[union-attr]
        "seeds": list(range(first_seed, first_seed + seeds)),
    }  # fmt: skip
    if not rows:
        raise TrainingError(
            f"at fidelity {recipe.name} a training of every model was stopped: {stopped[0]}; choose a longer --fidelity"
        )
    values = np.array([[one.quality.bits_per_byte for one in rounds[m]] for m in rows])
    windows = np.array([np.mean([one.quality.block_bits for one in rounds[m]], axis=0) for m in rows])
    searched = np.array([found[m].loss for m in rows])
    verdict = paired.order(values, windows, recipe.noise)
    ranks, ranges = verdict.ranks(), verdict.rank_ranges()
    best = int(np.argmin(verdict.means))
    before = paired.ranks(np.array([member.loss for member in found]))
    models: list[dict[str, Any]] = []
    for m, member in enumerate(found):
        entry: dict[str, Any] = {
            "model": member.key, "trials": list(member.trials), "params": member.params,
            "searched": {"bits_per_byte": member.loss, "standard_error": member.error, "rank": int(before[m])},
            "confirmed": None, "stopped": stopped[m] or None,
        }  # fmt: skip
        if m in rows:
            i = rows.index(m)
            entry["confirmed"] = {
                "bits_per_byte": float(verdict.means[i]), "standard_error": verdict.own,
                "values": [float(v) for v in values[i]], "rank": int(ranks[i]), "rank_range": list(ranges[i]),
                "difference_to_best": float(verdict.means[i] - verdict.means[best]),
                "difference_error": float(verdict.errors[i, best]),
            }  # fmt: skip
        models.append(entry)
    pairs = verdict.reversed(searched)
    document["models"] = models
    document["reversed"] = [
        {
            "better": found[rows[a]].key, "worse": found[rows[b]].key,
            "difference": float(verdict.means[b] - verdict.means[a]),
            "difference_error": float(verdict.errors[a, b]),
        }
        for a, b in pairs
    ]  # fmt: skip
    tau = kendalltau(searched, verdict.means).statistic if len(rows) > 1 else np.nan
    document["rank_correlation"] = float(tau) if np.isfinite(tau) else None
    document |= _front(
        designs, found, {found[m].key: float(v) for m, v in zip(rows, verdict.means, strict=True)}
    )
    return document


def _front(
    designs: results.Designs, found: Sequence[Member], losses: dict[str, float]
) -> dict[str, list[int]]:
    """Which recorded designs of these models form the front with the confirmed losses."""
    table = designs.table[designs.table["feasible"] & designs.table["model"].isin(list(losses))]
    values = table[list(designs.objectives)].to_numpy(float) * signs(designs.objectives)
    values[:, designs.objectives.index(QUALITY)] = [losses[key] for key in table["model"]]
    now = {int(trial) for trial in table["trial"][non_dominated(values)]}
    before = {trial for member in found for trial in member.trials}
    return {"front": sorted(now), "left": sorted(before - now), "joined": sorted(now - before)}


def _recipe(asked: str | None, searched: str, path: str) -> str:
    if asked is not None:
        return path
    with contextlib.suppress(KeyError):
        return _NEXT[searched]
    raise InputError(
        f"--fidelity must be given: no longer recipe than {searched!r} is known; name a recipe or a YAML file "
        "(the same one measures again with other seeds)"
    )


def _said(trained: dict[int, Trained], count: int, started: float) -> str:
    fresh = sum(not one.stored for one in trained.values())
    parts = [f"{len(trained)}/{count} trainings"]
    if fresh < len(trained):
        parts.append(f"{len(trained) - fresh} of them stored")
    if fresh and len(trained) < count:
        parts.append(f"{duration((time.monotonic() - started) / fresh * (count - len(trained)))} left")
    return ", ".join(parts)
