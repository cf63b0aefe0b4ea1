"""Samplers by name: codesign's own, and Optuna's."""

from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

import cost_models
from codesign.errors import InputError
from codesign.search.group_pso import GroupSwarmSampler
from codesign.search.sampler import CompletionSampler
from search_spaces import Space

DEFAULT = "codesign"
NAMES = (DEFAULT, "random", "tpe", "nsga2", "nsga3", "gp", "group-pso")
_POPULATION = 20  # of the genetic samplers: a search has some hundred trainings at most


def by_name(
    name: str, space: Space, catalogue: cost_models.Catalogue, seed: int | None, startup: int
) -> BaseSampler:
    """The sampler of a name. Raises InputError for an unknown one."""
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
        return _AsTheyRan(optuna.samplers.GPSampler(seed=seed))
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
                if "completes" not in trial.user_attrs:
                    self._shadow.add_trial(trial)
        return self._shadow
