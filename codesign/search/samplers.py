"""Samplers by name: codesign's own, and Optuna's."""

import warnings
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.search_space import intersection_search_space
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

import cost_models
from codesign.errors import InputError
from codesign.search.group_pso import GroupSwarmSampler
from codesign.search.sampler import CompletionSampler
from codesign.search.trials import is_completion, is_feasible
from search_spaces import Space

DEFAULT = "codesign"
NAMES = (DEFAULT, "random", "tpe", "nsga2", "nsga3", "gp", "group-pso")
_POPULATION = 20  # of the genetic samplers: a search has some hundred trainings at most
_MOST_BROKEN = 20  # proposals that break a constraint, as GPSampler is shown them: each makes an ask slower


def by_name(
    name: str, space: Space, catalogue: cost_models.Catalogue, seed: int | None, startup: int
) -> BaseSampler:
    """The sampler of a name. Raises InputError for an unknown one."""
    with warnings.catch_warnings():
        # what of Optuna is experimental is for us to know, not for who names a sampler
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return _by_name(name, space, catalogue, seed, startup)


def _by_name(
    name: str, space: Space, catalogue: cost_models.Catalogue, seed: int | None, startup: int
) -> BaseSampler:
    if name == DEFAULT:
        return CompletionSampler(space, catalogue, seed, startup)
    if name == "group-pso":
        return GroupSwarmSampler(space, seed)
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if name == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed, population_size=_POPULATION)
    if name == "nsga3":
        return optuna.samplers.NSGAIIISampler(seed=seed, population_size=_POPULATION)
    if name == "tpe":
        return _AsTheyRan(optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True))
    if name == "gp":
        return _WithBroken(optuna.samplers.GPSampler(seed=seed))
    raise InputError(f"sampler must be one of {', '.join(NAMES)}, got {name!r}")


class _AsTheyRan(BaseSampler):
    """Shows a sampler only the trials that were proposed, not the completions: those would drown them."""

    def __init__(self, sampler: BaseSampler) -> None:
        self._sampler = sampler
        self._shadow: optuna.Study | None = None
        self._copied: set[int] = set()

    def reseed_rng(self) -> None:
        """Take fresh randomness."""
        self._sampler.reseed_rng()

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """As the sampler does."""
        return self._sampler.infer_relative_search_space(self._synced(study), trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the sampler does; what it notes about the trial stays with a stand-in."""
        shadow = self._synced(study)
        stand_in = shadow.ask()
        chosen = self._sampler.sample_relative(shadow, stand_in._cached_frozen_trial, search_space)
        shadow.tell(stand_in, state=TrialState.FAIL)
        return chosen

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As the sampler does."""
        return self._sampler.sample_independent(self._synced(study), trial, param_name, param_distribution)

    def _synced(self, study: optuna.Study) -> optuna.Study:
        if self._shadow is None:
            self._shadow = optuna.create_study(directions=study.directions)
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)):
            if trial.number not in self._copied:
                self._copied.add(trial.number)
                if not is_completion(trial):
                    self._shadow.add_trial(trial)
        return self._shadow


class _WithBroken(_AsTheyRan):
    """For a sampler that learns from complete trials only: it would propose the same broken design for ever.

    Its last proposals that broke a constraint are shown as complete too, with the worst values so far. All
    trials have one constraint, broken or not, since GPSampler fits a process to each.
    """

    _shown: tuple[int, ...] = ()

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Parameters that all trials have; the sampler's own answer expects trials to be added only."""
        common = intersection_search_space(self._synced(study).get_trials(deepcopy=False))
        return {name: distribution for name, distribution in common.items() if not distribution.single()}

    def _synced(self, study: optuna.Study) -> optuna.Study:
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        own = [t for t in trials if not is_completion(t)]
        good = [t for t in own if is_feasible(t)]
        # without values, but with a quality: a short training, which broke nothing
        broken = [t for t in own if t not in good and (t.values or "quality" not in t.user_attrs)]
        broken = broken[-_MOST_BROKEN:] if good else []
        shown = tuple(t.number for t in good + broken)
        if self._shadow is None or shown != self._shown:
            self._shadow, self._shown = optuna.create_study(directions=study.directions), shown
            worst = [
                (min if direction == StudyDirection.MAXIMIZE else max)(t.values[i] for t in good)
                for i, direction in enumerate(study.directions)
                if broken
            ]
            for trial in good + broken:
                self._shadow.add_trial(
                    optuna.create_trial(
                        values=trial.values or worst, params=trial.params, distributions=trial.distributions,
                        constraints={"broken": 1.0 if trial in broken else -1.0},
                    )
                )  # fmt: skip
        return self._shadow
