"""One worker: ask, check that it fits, measure quality, complete with hardware, tell; until nothing is left.

Every step of that loop may be the last: a training is on disk before it is told, completions are added
before their trial is told and never twice, and a trial whose process has died is failed and tried again.
"""

import contextlib
import math
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

import cost_models
from codesign.errors import LostTrainingError
from codesign.search import completion, liveness, locks
from codesign.search.distributions import suggest
from codesign.search.executors import MOST_LOST, Executor, Trained, Training
from codesign.search.landscape import model_key
from codesign.search.reference import settle
from codesign.search.sampler import CompletionSampler
from codesign.search.scoring import evaluated
from codesign.search.study import patiently
from codesign.search.trials import count_proposed, minimised_values
from cost_models.design import Design, Model
from cost_models.errors import InputError
from search_spaces import Space

MOST_INFEASIBLE = 500  # proposals in a row that break a constraint before a worker gives up


@dataclass
class Proposal:
    """A design that was asked for and not told yet. design: None where its model is impossible.

    alive: keeps the trial's heartbeat going until it is closed. shorter: the fidelity to train at, if it is not the one
    that judges.
    """

    trial: optuna.Trial
    alive: contextlib.ExitStack
    params: dict[str, Any] = field(default_factory=dict)
    design: Design | None = None
    impossible: str = ""
    key: str = ""
    shorter: str | None = None


@dataclass
class Worker:
    """What one process needs to search.

    training: of a model at one of the space's fidelities (None: the last), or None where nothing is trained.
    most: members of a model's front to record.
    """

    study: optuna.Study
    url: str
    space: Space
    catalogue: cost_models.Catalogue
    sampler: BaseSampler
    executor: Executor
    training: Callable[[Model, str | None], Training] | None
    trials: int
    startup: int
    most: int = completion.MOST_PER_MODEL
    _open: dict[int, Proposal] = field(default_factory=dict)  # by the number of the trial
    _infeasible: int = 0  # proposals in a row
    _lost: int = 0  # trainings in a row

    def run(self) -> None:
        """Search until the study has its trials, or the space has no other model."""
        try:
            self._run()
        except BaseException as error:
            for proposal in list(self._open.values()):
                with contextlib.suppress(Exception):
                    self._give_back(proposal, blamed=not isinstance(error, KeyboardInterrupt))
            raise

    def _run(self) -> None:
        parent = os.getppid()
        running: dict[Future[Trained], Proposal] = {}
        while self._infeasible < MOST_INFEASIBLE and os.getppid() == parent:
            room = len(running) < self.executor.slots
            proposal = patiently(self.url, self._next) if room else None
            if proposal is not None:
                future = self._begin(proposal)
                if future is not None:
                    running[future] = proposal
                if len(running) < self.executor.slots:
                    continue
            elif not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                self._end(running.pop(future), future)
            patiently(self.url, lambda: settle(self.study, self.space, self.startup))

    def _next(self) -> Proposal | None:
        """Ask for a design, with this process's name on it; None where there is nothing left to do."""
        with locks.lock(self.url, self.study):
            liveness.recover(self.study, self.url, self._open)
            trials = self.study.get_trials(deepcopy=False)
            waiting = any(t.state == TrialState.WAITING for t in trials)
            if count_proposed(trials) >= self.trials:
                return None
            if not waiting and isinstance(self.sampler, CompletionSampler) and self.sampler.exhausted(trials):
                return None
            trial = self._ask()
            with contextlib.ExitStack() as alive:
                # the heartbeat before the name: a trial with a name always has one
                alive.enter_context(liveness.heartbeat(self.study, trial, self.url))
                trial.set_user_attr("worker", liveness.this_process())
                proposal = Proposal(trial, alive, suggest(trial, self.space))
                proposal.shorter = self._shorter(trial.number)
                try:
                    proposal.design = self.space.design(proposal.params)
                except InputError as error:
                    proposal.impossible = str(error)
                else:
                    proposal.key = model_key(proposal.design.model)
                    trial.set_user_attr("model", proposal.key)
                proposal.alive = alive.pop_all()
            self._open[trial.number] = proposal
            return proposal

    def _ask(self) -> optuna.Trial:
        with warnings.catch_warnings():
            # the heartbeat is kept going here, not by `Study.optimize`
            warnings.filterwarnings("ignore", message="Heartbeat of storage")
            return self.study.ask()

    def _shorter(self, number: int) -> str | None:
        """The fidelity that the sampler chose for a trial, if it is not the one that judges."""
        name = self.study.get_trials(deepcopy=False)[number].user_attrs.get("fidelity")
        return name if self.space.quality and name != self.space.quality.fidelity else None

    def _begin(self, proposal: Proposal) -> "Future[Trained] | None":
        """Send a design to training; None where it needs none, and is told."""
        if proposal.design is None:
            self._pass_over(proposal, proposal.impossible)
            return None
        result = evaluated(self.space, proposal.design, self.catalogue, None)
        if any(amount > 0 for amount in result.violations.values()):
            self._infeasible += 1
            self._tell_patiently(proposal, None)
            return None
        known = patiently(self.url, lambda: self._known(proposal.key))
        if self.training is None or known is not None:
            self._infeasible = 0
            self._tell_patiently(proposal, known)
            return None
        return self.executor.submit(self.training(proposal.design.model, proposal.shorter))

    def _end(self, proposal: Proposal, future: "Future[Trained]") -> None:
        """Tell what a training found, or what became of it."""
        try:
            quality = future.result().document()
        except InputError as error:  # no proxy of this model can be made; another one's may
            self._pass_over(proposal, str(error))
        except LostTrainingError:
            self._lost += 1
            if self._lost > MOST_LOST:
                raise
            patiently(self.url, lambda: self._give_back(proposal, blamed=True))
        else:
            self._infeasible = self._lost = 0
            self._tell_patiently(proposal, quality)

    def _pass_over(self, proposal: Proposal, reason: str) -> None:
        """Tell a design that has no model, or none that can be trained."""

        def tell() -> None:
            proposal.trial.set_user_attr("reason", reason)
            self.study.tell(proposal.trial, state=TrialState.PRUNED, skip_if_finished=True)

        self._infeasible += 1
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
            patiently(self.url, tell)
        self._close(proposal)

    def _give_back(self, proposal: Proposal, blamed: bool) -> None:
        """Fail a trial that was not finished, and queue its design again."""
        liveness.retry(self.study, self.study.get_trials(deepcopy=False)[proposal.trial.number], blamed)
        self.study.tell(proposal.trial, state=TrialState.FAIL, skip_if_finished=True)
        self._close(proposal)

    def _close(self, proposal: Proposal) -> None:
        proposal.alive.close()
        self._open.pop(proposal.trial.number, None)

    def _known(self, key: str) -> dict[str, Any] | None:
        """What this study knows of a model's quality already."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            if trial.user_attrs.get("model") == key and trial.user_attrs.get("quality"):
                return dict(trial.user_attrs["quality"])
        return None

    def _tell_patiently(self, proposal: Proposal, quality: dict[str, Any] | None) -> None:
        # finished: told already, the storage went away before it said so; or taken for dead by another host
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
            patiently(self.url, lambda: self._tell(proposal, quality))
        self._close(proposal)

    def _tell(self, proposal: Proposal, quality: dict[str, Any] | None) -> None:
        trial, design = proposal.trial, proposal.design
        assert design is not None
        result = evaluated(self.space, design, self.catalogue, documented(quality))
        if quality is not None:
            trial.set_user_attr("quality", quality)
        for name, amount in result.violations.items():
            trial.set_constraint(name, amount)
        trial.set_user_attr("evaluation", result.document)
        if not all(map(math.isfinite, result.values)):
            # never trained: its loss is unknown, so it has no values; the constraints say why
            trial.set_user_attr("trained", False)
            self.study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
            return
        if quality is not None and proposal.shorter:
            # what a shorter training says is for the sampler: its loss compares with no other on the front
            trial.set_user_attr("trained", True)
            self.study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
            return
        with locks.lock(self.url, self.study):
            # another worker may tell the same model at this moment; one of the two carries the training
            earlier = [
                t
                for t in self.study.get_trials(deepcopy=False)
                if t.user_attrs.get("model") == proposal.key and t.number != trial.number
            ]
            told = (TrialState.COMPLETE, TrialState.RUNNING)
            first = not any(t.user_attrs.get("trained") and t.state in told for t in earlier)
            trial.set_user_attr("trained", bool(quality) and first)
        if self.most and first:
            self._complete(trial, proposal.params, design.model, quality, proposal.key, earlier)
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
        others = minimised_values(self.space, [t for t in trials if t.user_attrs.get("model") != key])
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
