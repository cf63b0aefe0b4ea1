"""A search from its start to its summary: the study, one or more workers, progress, and what came out."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import optuna

import cost_models
from codesign import corpus, proxy
from codesign.errors import InputError, StudyError
from codesign.proxy import fidelity
from codesign.search import executors, locks, noise, warmstart
from codesign.search import study as studies
from codesign.search.crew import Crew, Task, work
from codesign.search.distributions import random_value
from codesign.search.executors import beside
from codesign.search.landscape import Landscape
from codesign.search.progress import Progress, snapshot
from codesign.search.reference import settle
from codesign.search.samplers import DEFAULT, NAMES
from codesign.search.scoring import QUALITY
from codesign.search.trials import count_proposed, is_completion
from codesign.search.worker import MOST_INFEASIBLE
from cost_models import yamlfile
from search_spaces import Space

DEFAULT_TRIALS = 24
MOST_STARTUP = 8


def run(
    space: Space,
    study: str,
    storage: str,
    trials: int | None = None,
    sampler: str | None = None,
    workers: int | None = None,
    seed: int = 0,
    resume: bool = False,
    scenario: str | None = None,
    overrides: dict[str, Any] | None = None,
    completions: int | None = None,
    store: str | None = None,
    progress: bool = True,
    executor: str = executors.LOCAL,
    enqueue: Sequence[str] = (),
) -> dict[str, Any]:
    """Search a space and return the summary that `codesign search --json` prints.

    trials: designs to propose in all, infeasible ones and completions not counted. sampler: a name of
    `samplers.NAMES`. workers: trainings at once. seed: of the sampler. resume: go on with an existing study.
    completions: members of each model's hardware front recorded at most (default 32); 0 for none.
    store: folder of proxy results, None for the default one. progress: report on stderr. executor: a name
    of `executors.NAMES`. enqueue: models to train first, see `warmstart`.
    Raises StudyError, InputError and TrainingError.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    name = sampler or DEFAULT
    if name not in NAMES:
        from search_spaces.reading import one_of

        raise InputError(f"--sampler {one_of(NAMES, name)}")
    recipes: dict[str, Any] = {}
    if space.quality:  # an unknown recipe or a missing text is said now, not by a worker
        for recipe in space.quality.fidelities:
            with _stated(space, "fidelity", recipe):
                recipes[recipe] = fidelity.load(beside(space, recipe)).determines()
        with _stated(space, "corpus", space.quality.corpus):
            corpus.files(space.quality.corpus and beside(space, space.quality.corpus))
    executors.check(executor)
    wanted = trials or DEFAULT_TRIALS
    catalogue = cost_models.load_catalogue(scenario, overrides or None)
    started = time.monotonic()
    startup = min(MOST_STARTUP, max(3, wanted // 3))
    alone = executor != executors.LOCAL or not workers or workers == 1
    crew = None if alone else Crew(int(workers or 1), bool(space.quality))
    with crew or contextlib.nullcontext(), studies.storage_errors(storage):
        landscape = Landscape(space, catalogue)
        attributes = {
            "analytic_reference": landscape.worst_point(),
            "startup": startup,
            "scenario": scenario,
            "overrides": overrides or {},
            "codesign_version": _version(),
            "recipes": recipes,
        }
        first = [model for name in enqueue for model in warmstart.read(name, space, storage)]
        with locks.lock(storage, study):
            record = studies.create(storage, study, space, attributes, resume)
            kept = studies.patiently(storage, lambda: record.user_attrs)
        changed = [
            name for name, recipe in recipes.items() if kept.get("recipes", recipes).get(name) != recipe
        ]
        if changed:  # losses of two recipes cannot be compared
            raise StudyError(
                f"{storage}: study {study!r} was trained with another state of the recipe {', '.join(changed)}; "
                "its attribute `recipes` has it; choose another --study, or bring that recipe back"
            )
        with locks.lock(storage, record):
            warmstart.enqueue(record, space, landscape, first)
        task = Task(
            space=space.stored(), study=study, url=storage, sampler=name, seed=seed, trials=wanted,
            startup=int(kept["startup"]), completions=completions, store=store,
            scenario=kept.get("scenario"), overrides=kept.get("overrides") or {},
            executor=executor, at_once=workers if executor != executors.LOCAL else 1,
        )  # fmt: skip
        before = count_proposed(record.get_trials(deepcopy=False))
        shown = Progress(task) if progress else contextlib.nullcontext()
        with shown:
            noise.measured(space, proxy.Store(store))
            if crew:
                crew.search(task)
            else:
                work(task, record)
        losses = max(1, min(int(kept["startup"]), _trained(record)))
        if _trained(record) or not space.quality:
            settle(record, space, losses)
        final = snapshot(record, space)
    if not final["feasible"]:
        raise StudyError(_nothing_feasible(record, space, catalogue))
    return {
        "study": study, "storage": storage, "trainings": final["trainings"], "trials": final["trials"],
        "feasible": final["feasible"], "front": final["front"], "hypervolume": final["hypervolume"],
        "reference_point": record.user_attrs.get("reference_point"), "knee": final["knee"], "best": final["best"],
        "note": _note(record, before, final["proposed"], wanted), "wall_s": time.monotonic() - started,
    }  # fmt: skip


def _note(study: optuna.Study, before: int, proposed: int, wanted: int) -> str | None:
    """Why the search did nothing, or ended before it had proposed what was asked for."""
    if before >= wanted:
        return f"nothing was left to do: --trials asks for {wanted} in all, and the study has {before}"
    if proposed >= wanted:
        return None
    trials = study.get_trials(deepcopy=False)
    last = [t.state for t in trials if not is_completion(t)][-MOST_INFEASIBLE:]
    refused = len(last) == MOST_INFEASIBLE and all(state == optuna.trial.TrialState.PRUNED for state in last)
    why = f"the last {MOST_INFEASIBLE} broke a constraint" if refused else "the space has no other model"
    return f"ended after {proposed} of {wanted} proposals: {why}"


def _version() -> str:
    try:
        return version("codesign")
    except PackageNotFoundError:  # a checkout that is not installed
        return "not installed"


@contextlib.contextmanager
def _stated(space: Space, field: str, name: str | None) -> Iterator[None]:
    """Errors about what `quality` of a space names say file and line, unless it was not the file that named it."""
    try:
        yield
    except InputError as error:
        document = yamlfile.parse(space.text, space.file)
        named = document.data["quality"].get(field)
        place: tuple[str | int, ...] = ("quality", field)
        if isinstance(named, list) and name in named:
            place = (*place, named.index(name))
        elif named != name:
            raise
        raise InputError(f"{document.where(*place)}: quality.{field}: {error}") from None


def _trained(study: optuna.Study) -> int:
    return sum(
        t.state == optuna.trial.TrialState.COMPLETE and not is_completion(t)
        for t in study.get_trials(deepcopy=False)
    )


def _nothing_feasible(study: optuna.Study, space: Space, catalogue: cost_models.Catalogue) -> str:
    """Why no design is feasible: over all hardware of some random models, or by quality."""
    trials = study.get_trials(deepcopy=False)
    losses = [t.constraints[QUALITY] for t in trials if QUALITY in t.constraints]
    if losses and min(losses) > 0:
        broken, count = {QUALITY: (len(losses), min(losses))}, len(losses)
    else:
        broken, count = _violations(space, catalogue)
    if not broken:
        reasons = [t.user_attrs["reason"] for t in trials if "reason" in t.user_attrs]
        return f"no design of {space.name} could be evaluated" + (f": {reasons[0]}" if reasons else "")
    ranked = sorted(broken.items(), key=lambda item: -item[1][0])
    parts = [f"{number} break {name} (by {least:.4g} at least)" for name, (number, least) in ranked[:3]]
    ways = "allow other models" if QUALITY in broken else "allow more accelerators, memory or tiers"
    return f"no design of {count} is feasible: {', '.join(parts)}; {ways} in {space.file}, or loosen its constraints"


def _violations(space: Space, catalogue: cost_models.Catalogue) -> tuple[dict[str, tuple[int, float]], int]:
    """Constraint -> (designs that break it, by how much at least), and the designs looked at."""
    generator, count = np.random.default_rng(0), 0
    amounts: dict[str, list[float]] = {}
    for _ in range(4 if space.model_parameters else 1):
        params = {p.name: random_value(p, generator) for p in space.model_parameters}
        try:
            evaluation = cost_models.evaluate(space.hardware(space.model(params))[1], catalogue)
        except InputError:
            continue
        count += len(evaluation)
        for name, amount in evaluation.violations.items():
            every = np.broadcast_to(np.asarray(amount, dtype=float), (len(evaluation),))
            amounts.setdefault(name, []).extend(every[every > 0].tolist())
    return {name: (len(found), min(found)) for name, found in amounts.items() if found}, count
