"""Group-based particle swarm of SkyNet (arXiv 1909.09709, section 4.2): a network evolves among its own kind only.

A particle is a design; its sizes and hardware are its position, its bundle (codesign.bundles) is its group. It
moves towards its own best and towards the best of its group, never towards another bundle's. The paper's fitness
adds accuracy and weighted distances from hardware targets; here, with objectives instead of targets, it is the
mean rank over the objectives. All state lies in the study, so that workers share one swarm.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial
from scipy.stats import rankdata

from codesign.bundles.structure import bundles
from codesign.front import signs
from codesign.search.distributions import distributions, random_value
from codesign.search.trials import is_feasible
from search_spaces import Parameter, Space

PARTICLES = 4  # of a group
MOST_GROUPS = 16  # more bundles than this are drawn from; `codesign bundles` keeps the good ones
_INERTIA, _PULL = 0.729, 1.494  # Clerc's constriction: the swarm neither scatters nor freezes
_FASTEST = (
    0.3  # of the range, in one move: a search has few moves, and without a limit the first ones only bounce
)
_STATE = "group_pso"

Position = dict[str, float]  # parameter -> 0..1


class GroupSwarmSampler(BaseSampler):
    """Proposes the next step of the particle that has moved least."""

    def __init__(self, space: Space, seed: int | None = 0) -> None:
        self._space = space
        self._generator = np.random.default_rng(seed)
        self._parameters = {p.name: p for p in space.parameters}
        kinds = list(bundles(space))
        chosen = np.random.default_rng(seed).permutation(len(kinds))[:MOST_GROUPS]
        self._groups = [kinds[index] for index in sorted(chosen)]
        self._members = bundles(space)

    def reseed_rng(self) -> None:
        """Take fresh randomness, so that parallel workers do not propose alike."""
        self._generator = np.random.default_rng()

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """All parameters of the space: a particle chooses all of them together."""
        return distributions(self._space)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The next position of the particle that has moved least, as values that apply beside each other."""
        trials = [t for t in study.get_trials(deepcopy=False) if _STATE in t.system_attrs]
        group, particle = self._next(trials)
        own = [t for t in trials if _is(t, group, particle)]
        position, velocity = self._moved(
            own, [t for t in trials if _is(t, group)], fitness(trials, self._space)
        )
        state: Any = {"group": group, "particle": particle, "position": position, "velocity": velocity}
        study._storage.set_trial_system_attr(trial._trial_id, _STATE, state)
        return self._space.applicable(self.values(group, position))

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value, for a parameter that the particle's own values do not reach."""
        return random_value(self._parameters[param_name], self._generator)

    def values(self, group: int, position: Mapping[str, float]) -> dict[str, Any]:
        """The parameters of a position: the structure of its group, and sizes and hardware from 0..1."""
        bundle = dict(self._groups[group])
        member = self._members[self._groups[group]]
        values: dict[str, Any] = {}
        for name, parameter in self._parameters.items():
            if name in bundle:
                values[name] = bundle[name]
            elif name in position:
                levels = tuple(level for level in _levels(parameter) if _stays(name, level, member))
                values[name] = _at(parameter, levels, position[name])
        return values

    def _next(self, trials: Sequence[FrozenTrial]) -> tuple[int, int]:
        """The particle with the fewest trials; the first of those, group by group."""
        moves = np.zeros((PARTICLES, len(self._groups)), dtype=int)
        for t in trials:
            state = t.system_attrs[_STATE]
            if state["group"] < len(self._groups):
                moves[state["particle"], state["group"]] += 1
        particle, group = np.unravel_index(int(np.argmin(moves)), moves.shape)
        return int(group), int(particle)

    def _moved(
        self, own: Sequence[FrozenTrial], group: Sequence[FrozenTrial], fit: Mapping[int, float]
    ) -> tuple[Position, Position]:
        names = list(self._parameters)
        if not own:
            return {n: float(self._generator.random()) for n in names}, dict.fromkeys(names, 0.0)
        last = own[-1].system_attrs[_STATE]
        best, leader = (
            min(some, key=lambda t: fit.get(t.number, np.inf)).system_attrs[_STATE]["position"]
            for some in (own, group)
        )
        return step(last["position"], last["velocity"], best, leader, self._generator)


def step(
    position: Position, velocity: Position, best: Position, leader: Position, generator: np.random.Generator
) -> tuple[Position, Position]:
    """A particle's next position and velocity; best: its own, leader: its group's. The walls of 0..1 stop it."""
    moved, speeds = {}, {}
    for name, x in position.items():
        own_pull, group_pull = generator.random(2)
        v = _INERTIA * velocity[name]
        v += _PULL * (own_pull * (best[name] - x) + group_pull * (leader[name] - x))
        if abs(v) < 1e-3:  # on its own and its group's best: look around
            v = float(generator.normal(0, 0.1))
        v = float(np.clip(v, -_FASTEST, _FASTEST))
        moved[name] = float(np.clip(x + v, 0, 1))
        speeds[name] = v if moved[name] == x + v else 0.0
    return moved, speeds


def fitness(trials: Sequence[FrozenTrial], space: Space) -> dict[int, float]:
    """Mean rank over the objectives of every feasible finished trial, less is better; others have none."""
    done = [t for t in trials if is_feasible(t)]
    if not done:
        return {}
    minimised = np.array([t.values for t in done]) * signs(space.objectives)
    ranks = rankdata(minimised, axis=0).mean(axis=1)
    return {t.number: float(rank) for t, rank in zip(done, ranks, strict=True)}


def _is(trial: FrozenTrial, group: int, particle: int | None = None) -> bool:
    state = trial.system_attrs[_STATE]
    return state["group"] == group and particle in (None, state["particle"])


def _stays(name: str, level: Any, member: Mapping[str, Any]) -> bool:
    """A size may not leave its group: an amount of tables is 0 in a group without and not 0 in one with."""
    amount = name in ("model.engram_share", "model.engram_rows")
    return not amount or bool(level) == bool(member.get(name))


def _levels(parameter: Parameter) -> tuple[Any, ...]:
    return tuple(parameter.levels())


def _at(parameter: Parameter, levels: tuple[Any, ...], place: float) -> Any:
    """The value at a place of 0..1: in a continuous range that of the place, else the level there."""
    if parameter.kind == "float" and not parameter.step:
        low, high = min(levels), max(levels)
        value = low * (high / low) ** place if parameter.log else low + (high - low) * place
        return float(np.clip(value, low, high))
    return levels[min(int(place * len(levels)), len(levels) - 1)]
