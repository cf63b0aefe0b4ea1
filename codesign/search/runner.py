"""One worker: ask, check that it fits, measure quality, complete with hardware, tell; until nothing is left.

Every step of that loop may be the last: a training is on disk before it is told, completions are added
before their trial is told and never twice, and a trial whose process has died is failed and tried again.
"""

import contextlib
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

import cost_models
from codesign.search import completion, liveness
from codesign.search.distributions import suggest
from codesign.search.landscape import model_key
from codesign.search.reference import settle
from codesign.search.sampler import CompletionSampler
from codesign.search.study import patiently
from codesign.search.trials import Evaluated, evaluated
from cost_models.design import Design, Model
from cost_models.errors import InputError
from search_spaces import Space

Measure = Callable[[Model], dict[str, Any] | None]
MOST_INFEASIBLE = 500  # proposals in a row that break a constraint before a worker gives up


@dataclass
class Worker:
    """What one process needs to search.

    measure: a model's quality, as the `quality` of a trial. most: members of a model's front to record.
    """

    study: optuna.Study
    url: str
    space: Space
    catalogue: cost_models.Catalogue
    sampler: BaseSampler
    measure: Measure
    trials: int
    startup: int
    most: int = completion.MOST_PER_MODEL

    def run(self) -> None:
        """Search until the study has its trials, or the space has no other model."""
        parent, infeasible = os.getppid(), 0
        while infeasible < MOST_INFEASIBLE and os.getppid() == parent:
            trial = patiently(self.url, self._next)
            if trial is None:
                return
            infeasible = 0 if self._finish(trial) else infeasible + 1
            patiently(self.url, lambda: settle(self.study, self.space, self.startup))

    def _next(self) -> tuple[optuna.Trial, dict[str, Any], Design | None] | None:
        """Ask for a design, with this process's name on it; None where there is nothing left to do."""
        with liveness.lock(self.url, self.study.study_name):
            liveness.recover(self.study, self.url)
            trials = self.study.get_trials(deepcopy=False)
            waiting = any(t.state == TrialState.WAITING for t in trials)
            if count_proposed(trials) >= self.trials:
                return None
            if not waiting and isinstance(self.sampler, CompletionSampler) and self.sampler.exhausted(trials):
                return None
            trial = self.study.ask()
            trial.set_user_attr("worker", liveness.this_process())
            params = suggest(trial, self.space)
            try:
                design = self.space.design(params)
            except InputError as error:
                trial.set_user_attr("reason", str(error))
                return trial, params, None
            trial.set_user_attr("model", model_key(design.model))
            return trial, params, design

    def _finish(self, asked: tuple[optuna.Trial, dict[str, Any], Design | None]) -> bool:
        """Evaluate and tell one trial; whether it became COMPLETE."""
        trial, params, design = asked
        if design is None:
            self.study.tell(trial, state=TrialState.PRUNED)
            return False
        try:
            with liveness.heartbeat(self.study._storage, trial._trial_id):
                result = evaluated(self.space, design, self.catalogue, None)
                fits = all(amount <= 0 for amount in result.violations.values())
                try:
                    quality = self.measure(design.model) if fits else None
                except InputError as error:  # no proxy of this model can be made; another one's may
                    trial.set_user_attr("reason", str(error))
                    self.study.tell(trial, state=TrialState.PRUNED)
                    return False
                patiently(self.url, lambda: self._tell(trial, params, design, result, quality, fits))
        except KeyboardInterrupt:
            with contextlib.suppress(Exception):
                self.study.tell(trial, state=TrialState.FAIL)
                liveness.retry(self.study, self.study.get_trials(deepcopy=False)[trial.number])
            raise
        return fits

    def _tell(
        self,
        trial: optuna.Trial,
        params: dict[str, Any],
        design: Design,
        result: Evaluated,
        quality: dict[str, Any] | None,
        fits: bool,
    ) -> None:
        if quality is not None:
            result = evaluated(self.space, design, self.catalogue, documented(quality))
            trial.set_user_attr("quality", quality)
        for name, amount in result.violations.items():
            trial.set_constraint(name, amount)
        trial.set_user_attr("evaluation", result.document)
        if not fits or not all(map(math.isfinite, result.values)):
            # never trained: its loss is unknown, so it has no values; the constraints say why
            trial.set_user_attr("trained", False)
            self.study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
            return
        key = model_key(design.model)
        earlier = [t for t in self.study.get_trials(deepcopy=False) if t.user_attrs.get("model") == key]
        first = not any(t.user_attrs.get("trained") and t.state == TrialState.COMPLETE for t in earlier)
        trial.set_user_attr("trained", bool(quality) and first)
        if self.most and first:
            self._complete(trial, params, design.model, quality, key, earlier)
        self.study.tell(trial, result.values, skip_if_finished=True)

    def _complete(
        self,
        trial: optuna.Trial,
        params: dict[str, Any],
        model: Model,
        quality: dict[str, Any] | None,
        key: str,
        earlier: Sequence[FrozenTrial],
    ) -> None:
        trials = self.study.get_trials(deepcopy=False)
        # without free model parameters the whole study is one front
        most = self.most if self.space.model_parameters else 16 * self.most
        loss = quality["bits_per_byte"] if quality else None
        others = completion.minimised_values(
            self.space, [t for t in trials if t.user_attrs.get("model") != key]
        )
        hardware, members = completion.front_of(self.space, model, loss, self.catalogue, others, most)
        trial.set_user_attr("front_members", members)
        done = {completion.fingerprint(t.params) for t in earlier if t.state == TrialState.COMPLETE}
        done.add(completion.fingerprint(params))
        model_params = {n: v for n, v in params.items() if n.startswith("model.")}
        completion.record(
            self.study,
            self.space,
            model_params,
            hardware,
            documented(quality),
            self.catalogue,
            trial,
            key,
            done,
        )


def documented(quality: dict[str, Any] | None) -> dict[str, Any] | None:
    """The `quality` of an evaluation's document."""
    if quality is None:
        return None
    return {name: quality[name] for name in ("bits_per_byte", "standard_error", "fidelity")}


def count_proposed(trials: Sequence[FrozenTrial]) -> int:
    """Trials that count towards the number asked for: told or running, no completions, none infeasible."""
    return sum(
        t.state in (TrialState.COMPLETE, TrialState.RUNNING) and "completes" not in t.user_attrs
        for t in trials
    )
