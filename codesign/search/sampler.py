"""Which design next: the default sampler.

It uses what is known about the problem: only the loss needs a training, everything else is analytic. A Gaussian
process predicts the loss of untrained models; each candidate's exact hardware front says which part of the
analytic box it reaches. So the gain in hypervolume of training it is, over every point v of the box that it
covers, how far its loss comes below the best loss L(v) that trained models offer there:
    gain = mean over v of  covers(v) * (L(v) - loss)+,   loss = mu + z sigma
z is one standard normal draw for each proposal, the same for all candidates (randomised confidence bounds: Berk et
al., arXiv 2006.04296); the mean of the gain over z is the expected hypervolume improvement, which itself stays
too long where losses are known to be low. Trained models count with their predicted, not their observed loss, so
that one lucky seed does not fool it. Models in training count as if they had their predicted loss.

Where a space names several fidelities, a proposal is a model and a fidelity: the gain times what such a training
tells of the last fidelity for its price (`fidelities`). Only models of the last fidelity are on the front.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial
from scipy.spatial.distance import cdist

import cost_models
from codesign.errors import InputError
from codesign.search.distributions import distributions, enumerated, random_value
from codesign.search.fidelities import Ladder, Trainings
from codesign.search.landscape import Candidate, Landscape, features
from codesign.search.trials import Observation, observations
from search_spaces import Space

_NEW_PER_ASK = 12  # candidates whose front is computed per ask
_DRAWN_PER_ASK = 1000  # of which they are picked
_KEPT = 2000  # candidates kept from ask to ask
_FEW = 1e-12
_AT_ALL = 4  # models that are trained at every fidelity before their agreement is trusted


class CompletionSampler(BaseSampler):
    """Gain in hypervolume over models, each completed with its whole hardware front.

    startup: how many models are trained at random places before the surrogate is trusted.
    """

    def __init__(
        self, space: Space, catalogue: cost_models.Catalogue, seed: int | None = 0, startup: int = 8
    ) -> None:
        self._space, self._seed, self._startup = space, seed, startup
        self._generator = np.random.default_rng(seed)
        self.landscape = Landscape(space, catalogue)
        self._candidates: dict[str, Candidate] = {}
        self._keys: dict[tuple[Any, ...], str] = {}  # of all parameters ever looked at; "": no such model
        self._fidelities = space.quality.fidelities if space.quality else ("",)
        self._top = len(self._fidelities) - 1
        self._losses = Ladder(len(self._fidelities))
        listed = enumerated(space)
        self._listed = None if listed is None else {_tuple(params): params for params in listed}
        self._distributions = distributions(space)

    def reseed_rng(self) -> None:
        """Take fresh randomness, so that parallel workers do not propose alike."""
        self._generator = np.random.default_rng()

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """All parameters of the space: the sampler chooses all of them together."""
        return self._distributions

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The next model with the best compromise of its hardware; empty where nothing can be proposed."""
        found = self.propose(observations(self._space, study.get_trials(deepcopy=False), trial.number))
        if found is None:
            return {}
        chosen, fidelity = found
        if self._top and "fixed_params" not in trial.system_attrs:  # a queued design keeps its fidelity
            study._storage.set_trial_user_attr(trial._trial_id, "fidelity", self._fidelities[fidelity])
        return {n: v for n, v in (chosen.params | chosen.hardware).items() if n}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value, for parameters that the proposal left open."""
        parameter = next((p for p in self._space.parameters if p.name == param_name), None)
        if parameter is None:
            raise InputError(f"{param_name} is not a parameter of space {self._space.name}")
        return random_value(parameter, self._generator)

    def exhausted(self, trials: Sequence[FrozenTrial]) -> bool:
        """Whether every model of the space has been proposed; only known for spaces small enough to list."""
        if self._listed is None:
            return False
        seen = [o for o in observations(self._space, trials, len(trials)) if self._is_last(o)]
        keys, tried = {o.key for o in seen} | {""}, {_tuple(o.params) for o in seen}
        for place in self._listed:
            if place in tried:
                continue
            key = self._keys.get(place)
            if key is None or (key not in keys and self._candidates[key].reachable):
                return False
        return True

    def propose(self, seen: Sequence[Observation]) -> tuple[Candidate, int] | None:
        """The model to train next and at which fidelity, given what was trained; None: there is no other model."""
        keys = {o.key for o in seen}
        last = {o.key for o in seen if self._is_last(o)}
        refused = {o.key for o in seen if o.refused}  # at any fidelity: it never gets to the last one
        seen = [o for o in seen if o.key not in refused]
        if self._space.quality:
            if sum(o.fidelity == 0 and o.loss is not None for o in seen) < self._startup:
                return self._random(keys)
            if (chosen := self._everywhere(seen)) is not None:
                return chosen
            self._losses.fit([self._trainings(seen, fidelity) for fidelity in range(self._top + 1)])
        draw = float(self._generator.standard_normal())
        self._grow(seen, draw)
        pool = [c for c in self._candidates.values() if c.reachable and c.key not in last]
        if not pool:
            return self._random(keys)
        gains = self.gain(pool, seen, draw)
        if gains.max() <= _FEW:  # no hope by this draw: hope for more
            gains = self.gain(pool, seen, -abs(draw) - 1)
        if self._listed is None:  # a pool without end: keep the best
            self._candidates = {pool[i].key: pool[i] for i in np.argsort(-gains)[:_KEPT]} | {
                o.key: self._candidates[o.key] for o in seen if o.key in self._candidates
            }
        places = np.array([c.features for c in pool])
        if gains.max() <= _FEW:  # nothing promises a gain: learn where the loss is least known
            gains = self._predict(places)[1]
        return self._at_its_best(pool, places, gains, seen)

    def gain(
        self, pool: Sequence[Candidate], seen: Sequence[Observation], draw: float
    ) -> NDArray[np.float64]:
        """Gain in hypervolume of each candidate, as loss x share of the box: (pool,).

        draw: how many standard deviations above its mean each loss is taken to be.
        """
        places = np.array([c.features for c in pool]).reshape(len(pool), -1)
        return self._gain(places, np.array([c.covers for c in pool]), self._levels(seen), draw)

    def _is_last(self, observation: Observation) -> bool:
        """Whether there is nothing more to train of it."""
        return observation.refused or observation.fidelity == self._top

    def _everywhere(self, seen: Sequence[Observation]) -> tuple[Candidate, int] | None:
        """Which of the first models lacks which fidelity."""
        there = {(o.key, o.fidelity) for o in seen}
        for first in [o for o in seen if o.fidelity == 0][:_AT_ALL]:
            for fidelity in range(1, self._top + 1):
                if (first.key, fidelity) not in there:
                    return self._candidate_of(first), fidelity
        return None

    def _trainings(self, seen: Sequence[Observation], fidelity: int) -> Trainings:
        done = [o for o in seen if o.fidelity == fidelity and o.loss is not None]
        width = len(features(self._space, {}))
        x = np.array([self._candidate_of(o).features for o in done]).reshape(len(done), width)
        y = np.array([o.loss for o in done], dtype=float)
        seconds = [o.seconds for o in done if o.seconds]
        return Trainings(
            x, y, np.array([o.standard_error for o in done]), float(np.median(seconds)) if seconds else 0.0
        )

    def _at_its_best(
        self,
        pool: Sequence[Candidate],
        places: NDArray[np.float64],
        gains: NDArray[np.float64],
        seen: Sequence[Observation],
    ) -> tuple[Candidate, int]:
        """The candidate and fidelity with the greatest gain for its price."""
        reached = {o.key: o.fidelity for o in sorted(seen, key=lambda o: o.fidelity)}
        so_far = np.array([reached.get(c.key, -1) for c in pool])
        best = (-1.0, 0, self._top)
        for fidelity in range(self._top + 1):
            worth = gains * (self._losses.worth(places, fidelity) if self._top else 1.0)
            worth = np.where(so_far < fidelity, worth, -1.0)
            index = int(np.argmax(worth))
            if worth[index] > best[0]:
                best = (float(worth[index]), index, fidelity)
        return pool[best[1]], best[2]

    def _levels(self, seen: Sequence[Observation]) -> NDArray[np.float64]:
        """L(v): the best predicted loss that the models seen offer at each point of the box: (points,)."""
        known = [self._candidate_of(o) for o in seen if o.fidelity == self._top]
        mean, _ = self._predict(np.array([c.features for c in known]))
        losses = [o.loss for o in seen if o.loss is not None and o.fidelity == self._top]
        reference = max(losses) + 0.1 * (max(losses) - min(losses)) if losses else 1.0
        levels = np.full(len(self.landscape.points), reference)
        for candidate, loss in zip(known, mean, strict=True):
            np.minimum(levels, loss, out=levels, where=candidate.covers)
        return levels

    def _gain(
        self,
        places: NDArray[np.float64],
        covers: NDArray[np.bool_],
        levels: NDArray[np.float64],
        draw: float,
    ) -> NDArray[np.float64]:
        mean, deviation = self._predict(places)
        loss = mean + draw * deviation
        return np.asarray((covers * np.maximum(levels[None] - loss[:, None], 0.0)).mean(axis=1))

    def _predict(self, places: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if not self._space.quality or not len(places):
            return np.zeros(len(places)), np.full(len(places), _FEW)
        return self._losses.predict(places)

    def _candidate_of(self, observation: Observation) -> Candidate:
        if observation.key not in self._candidates:
            made = self.landscape.candidate(observation.params)
            assert made is not None  # it has been trained
            self._candidates[observation.key] = made
        return self._candidates[observation.key]

    def _grow(self, seen: Sequence[Observation], draw: float) -> None:
        """Add candidates: those of many draws that promise most, and some at random.

        A draw's own front is not known yet: it is taken for that of the nearest candidate.
        """
        draws = self._draw(_DRAWN_PER_ASK)
        known = list(self._candidates.values())
        if self._listed is None:
            draws += [self.landscape.mutated(c.params, self._generator) for c in known[:_NEW_PER_ASK]]
        if len(draws) > _NEW_PER_ASK and known:
            places = np.array([features(self._space, params) for params in draws])
            nearest = np.argmin(cdist(places, np.array([c.features for c in known])), axis=1)
            covers = np.array([c.covers for c in known])[nearest]
            gains = self._gain(places, covers, self._levels(seen), draw)
            promising = [draws[i] for i in np.argsort(-gains)[: 2 * _NEW_PER_ASK // 3]]
            draws = promising + draws[: _NEW_PER_ASK // 3]
        for params in draws[:_NEW_PER_ASK]:
            self._add(params)

    def _draw(self, count: int) -> list[dict[str, Any]]:
        if self._listed is not None:
            fresh = [params for place, params in self._listed.items() if place not in self._keys]
            return [fresh[i] for i in self._generator.permutation(len(fresh))[:count]]
        return [self.landscape.random_params(self._generator) for _ in range(count)]

    def _add(self, params: dict[str, Any]) -> Candidate | None:
        if _tuple(params) in self._keys:
            return None
        made = self.landscape.candidate(params)
        self._keys[_tuple(params)] = made.key if made else ""
        if made is not None:
            self._candidates.setdefault(made.key, made)
        return made

    def _random(self, keys: set[str]) -> tuple[Candidate, int] | None:
        """A random model that can run and has not been seen, at the first fidelity. (Spreading them out would
        put them into corners, where the surrogate learns nothing of an optimum inside.)"""
        for params in self._draw(64):
            made = self._add(params)
            if made is not None and made.reachable and made.key not in keys:
                return made, 0
        left = [c for c in self._candidates.values() if c.reachable and c.key not in keys]
        return (left[int(self._generator.integers(len(left)))], 0) if left else None


def _tuple(params: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted(params.items()))
