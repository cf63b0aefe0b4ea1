"""The read door: a study as one table of designs, read in increments; nobody else opens one to read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

import cost_models
from codesign.costing import Costing, with_figures
from codesign.errors import StudyError
from codesign.front import hypervolume, knee, non_dominated, signs, ties
from codesign.listing import front_table, show_text
from codesign.search import study as studies
from codesign.search.scoring import LEFT_OUT, QUALITY, evaluated
from codesign.search.trials import is_feasible
from cost_models.design import Design
from search_spaces import Space

__all__ = ["Designs", "Reader", "best", "design", "front", "front_table", "show", "show_text"]

_VIOLATION = "violation."


@dataclass(frozen=True)
class Designs:
    """All trials of a study.

    table: one row a trial, in the order of their numbers. Columns: trial, state ("COMPLETE", "PRUNED":
    infeasible and therefore not trained, "FAIL", "RUNNING", "WAITING"), the parameters (None where one does not
    apply), the objectives by name, standard_error (of bits_per_byte), violation.* (> 0: broken), feasible, front
    and knee (bool), trained (bool: carries a training), completes (the trial whose training it uses, or None),
    model (equal for equal models).
    attributes: the user attributes of the study.
    """

    study: str
    storage: str
    space: Space
    table: pd.DataFrame
    attributes: Mapping[str, Any]
    _trials: Sequence[FrozenTrial] = field(repr=False)

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of the objectives, in the study's order."""
        return self.space.objectives

    def trial(self, number: int) -> FrozenTrial:
        """One trial as Optuna keeps it. Raises StudyError where there is none."""
        if not 0 <= number < len(self._trials):
            raise StudyError(
                f"study {self.study!r} has no trial {number}; it has 0 to {len(self._trials) - 1}"
            )
        return self._trials[number]

    def params(self, trial: int) -> dict[str, Any]:
        """The parameters of a trial."""
        return dict(self.trial(trial).params)

    def design(self, trial: int) -> Design:
        """The design of a trial; evaluating it gives the trial's numbers to the last digit."""
        return self.space.design(self.params(trial))

    def catalogue(self) -> cost_models.Catalogue:
        """The catalogue with the prices of the study."""
        return cost_models.load_catalogue(
            self.attributes.get("scenario"), self.attributes.get("overrides") or None
        )

    def quality(self, trial: int) -> dict[str, Any] | None:
        """bits_per_byte, standard_error and fidelity of the trial's model; None where nothing was trained."""
        found = self.trial(trial).user_attrs.get("evaluation", {}).get("quality")
        return dict(found) if found else None

    def evaluation(self, trial: int) -> dict[str, Any]:
        """The document of `codesign evaluate` for a trial; what a completion left out is computed again."""
        stored = self.trial(trial).user_attrs.get("evaluation")
        if stored is not None and all(name in stored for name in LEFT_OUT):
            return dict(stored)
        if stored is None and not self.params(trial):
            raise StudyError(
                f"trial {trial} of study {self.study!r} has no design: it failed before it had one"
            )
        return evaluated(self.space, self.design(trial), self.catalogue(), self.quality(trial)).document

    def status(self) -> dict[str, Any]:
        """How far the study is: trials, running, failed, trainings, front_size, hypervolume, ..."""
        table = self.table
        states = table["state"].value_counts()
        front_rows = table["front"].to_numpy(bool)
        point = self.attributes.get("reference_point")
        values = table.loc[front_rows, list(self.objectives)].to_numpy(float) * signs(self.objectives)
        return {
            "study": self.study,
            "trials": int(states.get("COMPLETE", 0) + states.get("PRUNED", 0)),
            "running": int(states.get("RUNNING", 0)),
            "waiting": int(states.get("WAITING", 0)),
            "failed": int(states.get("FAIL", 0)),
            "infeasible": int(states.get("PRUNED", 0)),
            "trainings": int(table["trained"].sum()),
            "feasible": int(table["feasible"].sum()),
            "front_size": int(front_rows.sum()),
            "hypervolume": None
            if point is None
            else hypervolume(values, np.array(point) * signs(self.objectives)),
            "reference_point": point,
            "hypervolume_curve": self.hypervolume_curve(),
        }

    def hypervolume_curve(self, points: int = 24) -> list[dict[str, float]]:
        """[{trainings, hypervolume}] as the study grew: each training with the designs that use it, at most `points`.

        Empty before the reference point is fixed, and where nothing is trained.
        """
        point, table = self.attributes.get("reference_point"), self.table
        trained = table.loc[table["trained"], "model"].tolist()
        if point is None or not trained:
            return []
        sense = signs(self.objectives)
        place = {model: index for index, model in enumerate(trained)}
        rows = table[table["feasible"]]
        order = rows["model"].map(place).to_numpy(np.float64)
        values = rows[list(self.objectives)].to_numpy(np.float64) * sense
        counts = sorted({round(c) for c in np.linspace(1, len(trained), min(points, len(trained)))})
        curve, best, before = [], np.zeros((0, len(sense))), 0
        for count in counts:
            new = values[(order >= before) & (order < count)]
            best = np.concatenate([best, new])
            best = best[non_dominated(best, keep_equal=False)]
            curve.append({"trainings": count, "hypervolume": hypervolume(best, np.array(point) * sense)})
            before = count
        return curve


class Reader:
    """Reads a study again and again; finished trials are read from the storage once."""

    def __init__(self, study: str, storage: str) -> None:
        self._storage = storage
        self._study = studies.load(storage, study)
        self._space = studies.space_of(self._study, storage)
        self._rows: list[dict[str, Any]] = []  # of the finished trials from number 0 on
        self._last: Designs | None = None

    def read(self) -> Designs:
        """The study now; the same object as before where nothing has changed."""
        with studies.storage_errors(self._storage):
            trials = self._study.get_trials(deepcopy=False)
            attributes = self._study.user_attrs
        settled = len(self._rows)
        for trial in trials[settled:]:
            if not trial.state.is_finished():
                break
            self._rows.append(_row(trial, self._space))
        rest = [_row(trial, self._space) for trial in trials[len(self._rows) :]]
        last = self._last
        # unfinished trials change in place: their states and number tell
        now = [(t.number, t.state) for t in trials[settled:]]
        if last is not None and last.attributes == attributes and now == self._seen:
            return last
        self._seen = [(t.number, t.state) for t in trials[len(self._rows) :]]
        table = _table(self._rows + rest, self._space)
        self._last = Designs(self._study.study_name, self._storage, self._space, table, attributes, trials)
        return self._last

    _seen: list[tuple[int, TrialState]] = []  # noqa: RUF012


def design(study: str, storage: str, trial: int) -> Design:
    """The design of one trial of a study."""
    return Reader(study, storage).read().design(trial)


def front(
    designs: Designs, scenario: str | None = None, overrides: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The Pareto front, best compromise marked: [{trial, params, objectives, constraints, knee, ...}].

    tie: a member that is as good in everything within the noise of the trainings and better in something, or None.
    confirmed: what the last `codesign confirm` says of its model (fidelity, loss, error, ranks), or None.
    measured: the document of `codesign measure` after a search with --measure, or None.
    With a scenario or overrides all feasible designs are costed again at those prices; nothing is trained.
    """
    table = designs.table
    if scenario is not None or overrides:
        table = recosted(designs, cost_models.load_catalogue(scenario, overrides))
    chosen = table[table["front"]]
    chosen = chosen.sort_values(designs.objectives[0])
    document = []
    trials = chosen["trial"].to_numpy()
    tied = _ties(chosen, designs.objectives)
    confirmed = _confirmed(designs)
    for row, other in zip(chosen.to_dict("records"), tied, strict=True):
        params = designs.params(int(row["trial"]))
        document.append(
            {
                "trial": int(row["trial"]),
                "params": params,
                "objectives": {name: float(row[name]) for name in designs.objectives},
                "standard_error": _number(row["standard_error"]),
                "constraints": {
                    str(name).removeprefix(_VIOLATION): _number(value)
                    for name, value in row.items()
                    if str(name).startswith(_VIOLATION)
                },
                "knee": bool(row["knee"]),
                "tie": int(trials[other]) if other >= 0 else None,
                "confirmed": confirmed.get(row["model"]),
                "measured": designs.attributes.get("measured", {}).get(str(int(row["trial"]))),
            }
        )
    return document


def _confirmed(designs: Designs) -> dict[str, dict[str, Any]]:
    """Model -> what the last confirmation says of it."""
    documents = list(designs.attributes.get("confirmed", {}).values())
    if not documents:
        return {}
    last = documents[-1]
    kept = ("bits_per_byte", "standard_error", "rank", "rank_range")
    return {
        entry["model"]: {"fidelity": last["fidelity"]}
        | {name: entry["confirmed"][name] for name in kept}
        | {"searched_rank": entry["searched"]["rank"]}
        for entry in last["models"]
        if entry["confirmed"]
    }


def _ties(chosen: pd.DataFrame, objectives: Sequence[str]) -> NDArray[np.int64]:
    """Row of a front -> the row it is tied with, or -1; only the quality is in doubt."""
    minimised = chosen[list(objectives)].to_numpy(np.float64) * signs(objectives)
    doubt = np.zeros_like(minimised)
    if QUALITY in objectives:
        doubt[:, list(objectives).index(QUALITY)] = np.nan_to_num(
            chosen["standard_error"].to_numpy(np.float64)
        )
    return ties(minimised, doubt)


def recosted(designs: Designs, catalogue: cost_models.Catalogue) -> pd.DataFrame:
    """The table of designs with objectives, violations, front and knee at other prices."""
    table = designs.table.reset_index(drop=True)
    figures = Costing(designs.space, table).costed(catalogue)
    return marked(with_figures(table, figures), designs.objectives)


def show(designs: Designs, trial: int) -> dict[str, Any]:
    """One trial in full: state, parameters, objectives, and its evaluation."""
    found = designs.trial(trial)
    row = designs.table.iloc[trial]
    return {
        "study": designs.study,
        "trial": trial,
        "state": found.state.name,
        "trained": bool(row["trained"]),
        "completes": found.user_attrs.get("completes"),
        "front": bool(row["front"]),
        "knee": bool(row["knee"]),
        "reason": found.user_attrs.get("reason"),
        "params": dict(found.params),
        "objectives": dict(zip(designs.objectives, found.values, strict=True)) if found.values else None,
        "constraints": dict(found.constraints),
        "training": found.user_attrs.get("quality"),
        "evaluation": designs.evaluation(trial) if found.params else None,
    }


def _row(trial: FrozenTrial, space: Space) -> dict[str, Any]:
    attributes = trial.user_attrs
    row: dict[str, Any] = {"trial": trial.number, "state": trial.state.name}
    row |= trial.params
    row |= zip(space.objectives, trial.values or [np.nan] * len(space.objectives), strict=True)
    quality = attributes.get("evaluation", {}).get("quality") or {}
    row["standard_error"] = quality.get("standard_error", np.nan)
    constraints = trial.constraints
    for name, amount in constraints.items():
        row[_VIOLATION + name] = amount
    row["feasible"] = is_feasible(trial)
    row["trained"] = bool(attributes.get("trained")) and trial.state == TrialState.COMPLETE
    row["completes"] = attributes.get("completes")
    row["model"] = attributes.get("model")
    return row


def _table(rows: list[dict[str, Any]], space: Space) -> pd.DataFrame:
    first = ["trial", "state", *(p.name for p in space.parameters), *space.objectives, "standard_error"]
    last = ["feasible", "trained", "completes", "model"]
    seen = dict.fromkeys(
        key for row in rows[:1000] + rows[-1000:] for key in row if key.startswith(_VIOLATION)
    )
    columns = [*first, *seen, *last]
    table = pd.DataFrame({name: [row.get(name) for row in rows] for name in columns})
    numbers = [*space.objectives, "standard_error", *seen]
    table[numbers] = table[numbers].astype(float)
    for name in ("feasible", "trained"):
        table[name] = table[name].astype(bool)
    return marked(table, space.objectives)


def marked(table: pd.DataFrame, objectives: Sequence[str]) -> pd.DataFrame:
    """With the columns front and knee, over the feasible rows."""
    values = table[list(objectives)].to_numpy(float) * signs(objectives)
    values[~table["feasible"].to_numpy(bool)] = np.nan
    on_front = non_dominated(values)
    best = np.zeros(len(table), dtype=bool)
    if on_front.any():
        best[np.flatnonzero(on_front)[knee(values[on_front])]] = True
    return table.assign(front=on_front, knee=best)


def _number(value: Any) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def best(designs: Designs, objective: str) -> int:
    """The feasible trial that is best in one objective. Raises StudyError where there is none."""
    if objective not in designs.objectives:
        from search_spaces.reading import one_of

        raise StudyError(f"objective {one_of(designs.objectives, objective)}")
    feasible = designs.table[designs.table["feasible"]]
    if feasible.empty:
        raise StudyError(f"study {designs.study!r} has no feasible design yet")
    values = feasible[objective] * signs([objective])[0]
    return int(feasible["trial"].loc[values.idxmin()])
