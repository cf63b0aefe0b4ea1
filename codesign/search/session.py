"""A search from its start to its summary: the study, one or more workers, progress, and what came out."""

import contextlib
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import optuna

import cost_models
from codesign.errors import InputError, StudyError
from codesign.proxy import fidelity
from codesign.search import liveness
from codesign.search import study as studies
from codesign.search.landscape import Landscape
from codesign.search.progress import Progress, snapshot
from codesign.search.reference import settle
from codesign.search.sampler import DEFAULT, NAMES
from codesign.search.workers import Task, beside, work, work_in_processes
from search_spaces import Space

DEFAULT_TRIALS = 24
MOST_STARTUP = 8


def run(
    space: Space,
    study: str,
    storage: str,
    trials: int | None = None,
    sampler: str | None = None,
    workers: int = 1,
    seed: int = 0,
    resume: bool = False,
    scenario: str | None = None,
    overrides: dict[str, Any] | None = None,
    completions: int | None = None,
    store: str | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Search a space and return the summary that `codesign search --json` prints.

    trials: designs to propose in all, infeasible ones and completions not counted. sampler: a name of
    `sampler.NAMES`. workers: processes. seed: of the sampler. resume: go on with an existing study.
    completions: members of each model's hardware front recorded at most (default 64); 0 for none.
    store: folder of proxy results, None for the default one. progress: report on stderr.
    Raises StudyError, InputError and TrainingError.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    name = sampler or DEFAULT
    if name not in NAMES:
        from search_spaces.reading import one_of

        raise InputError(f"--sampler {one_of(NAMES, name)}")
    if space.quality:  # an unknown recipe is said now, not by a worker
        fidelity.load(beside(space, space.quality.fidelity))
    wanted = trials or DEFAULT_TRIALS
    catalogue = cost_models.load_catalogue(scenario, overrides or None)
    started = time.monotonic()
    startup = min(MOST_STARTUP, max(3, wanted // 3))
    attributes = {
        "analytic_reference": Landscape(space, catalogue).worst_point(),
        "startup": startup,
        "scenario": scenario,
        "overrides": overrides or {},
        "codesign_version": _version(),
    }
    with studies.storage_errors(storage):
        with liveness.lock(storage, study):
            record = studies.create(storage, study, space, attributes, resume)
        task = Task(
            space=space.stored(), study=study, url=storage, sampler=name, seed=seed, trials=wanted,
            startup=int(record.user_attrs["startup"]), completions=completions, store=store,
            scenario=record.user_attrs.get("scenario"), overrides=record.user_attrs.get("overrides") or {},
        )  # fmt: skip
        shown = Progress(task) if progress else contextlib.nullcontext()
        with shown:
            work(task, record) if workers == 1 else work_in_processes(task, workers)
        losses = max(1, min(int(record.user_attrs["startup"]), _trained(record)))
        if _trained(record) or not space.quality:
            settle(record, space, losses)
        final = snapshot(record, space)
    if not final["feasible"]:
        raise StudyError(_nothing_feasible(record, space))
    return {
        "study": study, "storage": storage, "trainings": final["trainings"], "trials": final["trials"],
        "feasible": final["feasible"], "front": final["front"], "hypervolume": final["hypervolume"],
        "reference_point": record.user_attrs.get("reference_point"), "wall_s": time.monotonic() - started,
    }  # fmt: skip


def _version() -> str:
    try:
        return version("codesign")
    except PackageNotFoundError:  # a checkout that is not installed
        return "not installed"


def _trained(study: optuna.Study) -> int:
    return sum(
        t.state == optuna.trial.TrialState.COMPLETE and "completes" not in t.user_attrs
        for t in study.get_trials(deepcopy=False)
    )


def _nothing_feasible(study: optuna.Study, space: Space) -> str:
    """Why no design is feasible: which constraints are broken how often, and by how much at least."""
    trials = [t for t in study.get_trials(deepcopy=False) if t.constraints]
    broken: dict[str, list[float]] = {}
    for trial in trials:
        for name, amount in trial.constraints.items():
            if amount > 0:
                broken.setdefault(name, []).append(amount)
    if not broken:
        reasons = [
            t.user_attrs["reason"] for t in study.get_trials(deepcopy=False) if "reason" in t.user_attrs
        ]
        return f"no design of {space.name} could be evaluated" + (f": {reasons[0]}" if reasons else "")
    ranked = sorted(broken.items(), key=lambda item: -len(item[1]))
    parts = [f"{len(amounts)} break {name} (by {min(amounts):.4g} at least)" for name, amounts in ranked[:3]]
    return (
        f"no design of {len(trials)} is feasible: {', '.join(parts)}; allow more accelerators, memory or tiers "
        f"in {space.file}, or loosen its constraints"
    )
