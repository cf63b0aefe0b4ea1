"""The part of the objectives that needs no training: which hardware fronts each model can have.

Analytic objectives are looked at as logarithms, in a box that holds the fronts of some random models. A model
"covers" a point of the box if some feasible hardware of it is at least as good there in every analytic
objective. Fixed quasi-random points in the box stand for its volume.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

import cost_models
from codesign.front import Matrix, knee, non_dominated, signs
from codesign.search.distributions import random_value
from codesign.search.scoring import QUALITY, Scores, score
from cost_models.design import Model
from cost_models.errors import InputError
from search_spaces import Parameter, Space, layers_of

POINTS = 1024  # quasi-random points of the box
_SCREEN_MODELS = 24  # random models whose fronts make the screen
_SCREEN_WORK = 1_000_000  # designs evaluated for it at most
_BOX_MARGIN = 1.1  # the reference point lies so far beyond the worst of the fronts


@dataclass(frozen=True)
class Candidate:
    """A model that could be trained.

    covers: (POINTS,) bool. hardware: the values of its best compromise. reachable: it has feasible hardware.
    """

    params: dict[str, Any]
    key: str
    features: NDArray[np.float64]
    covers: NDArray[np.bool_]
    hardware: dict[str, Any]

    @property
    def reachable(self) -> bool:
        """Whether any hardware of the space can run it within the limits."""
        return bool(self.hardware)


class Landscape:
    """Analytic view of a space; the same seed gives the same box, points and screen."""

    def __init__(self, space: Space, catalogue: cost_models.Catalogue, seed: int = 0) -> None:
        self.space, self.catalogue = space, catalogue
        self._analytic = np.array([name != QUALITY for name in space.objectives])
        self._screens: dict[tuple[str, ...], NDArray[np.int64]] = {}
        fronts = self._screen(np.random.default_rng(seed))
        count = int(self._analytic.sum())
        everything = np.concatenate(fronts) if fronts else np.ones((1, count))
        self.worst = everything.max(axis=0) if count else np.zeros(0)
        self.worst = np.where(self.worst > 0, self.worst * _BOX_MARGIN, self.worst / _BOX_MARGIN)
        low, high = self.logs(everything).min(axis=0), self.logs(self.worst[None])[0]
        if count:
            unit = qmc.Sobol(count, seed=seed).random(POINTS)
            self.points = low + unit * (high - low)
        else:
            self.points = np.zeros((1, 0))

    def worst_point(self) -> list[float]:
        """The analytic part of the reference point, in the objectives' own sense."""
        turned = signs([n for n in self.space.objectives if n != QUALITY])
        return [float(v) for v in self.worst * turned]

    def random_params(self, generator: np.random.Generator) -> dict[str, Any]:
        """Random model parameters."""
        return self._applicable({p.name: random_value(p, generator) for p in self.space.model_parameters})

    def mutated(self, params: Mapping[str, Any], generator: np.random.Generator) -> dict[str, Any]:
        """The parameters with one or two values drawn anew."""
        free = self.space.model_parameters
        values = {p.name: random_value(p, generator) for p in free} | dict(params)
        for index in generator.choice(
            len(free), min(len(free), int(generator.integers(1, 3))), replace=False
        ):
            values[free[index].name] = random_value(free[index], generator)
        return self._applicable(values)

    def candidate(self, params: dict[str, Any]) -> Candidate | None:
        """The model of these parameters and what its hardware can do; None where the model cannot exist."""
        try:
            model = self.space.model(params)
        except InputError:
            return None
        front, hardware = self.front(model)
        covers = covering(self.logs(front), self.points) if hardware else np.zeros(len(self.points), bool)
        return Candidate(params, model_key(model), features(self.space, params), covers, hardware)

    def front(self, model: Model) -> tuple[Matrix, dict[str, Any]]:
        """Non-dominated analytic objectives of the model's hardware, less is better: (members, objectives).

        And the values of its best compromise; none where no hardware is feasible.
        """
        values, scores = self._scores(model, self._screens.get(self.space.idle(model)))
        good = np.flatnonzero(scores.feasible)
        analytic = scores.minimised[good][:, self._analytic]
        chosen = non_dominated(analytic) if analytic.shape[1] else np.arange(len(good)) == 0
        front = analytic[chosen]
        if not len(front):
            return front, {}
        best = knee(front) if front.shape[1] else 0
        return front, self.space.at(values, int(good[chosen][best])) or {"": None}

    def _scores(
        self, model: Model, screen: NDArray[np.int64] | None
    ) -> tuple[dict[str, NDArray[Any]], Scores]:
        values, design = self.space.hardware(model, screen)
        return values, score(self.space, design, self.catalogue)

    def _screen(self, generator: np.random.Generator) -> list[Matrix]:
        """Hardware that is on the front of some random model; later candidates are scored on it alone."""
        fronts: list[Matrix] = []
        found: dict[tuple[str, ...], set[int]] = {}
        work, tried = 0, 0
        most = _SCREEN_MODELS if self.space.model_parameters else 1
        while work < _SCREEN_WORK and tried < most:
            tried += 1
            try:
                model = self.space.model(self.random_params(generator))
            except InputError:
                continue
            _, scores = self._scores(model, None)
            work += len(scores.minimised)
            good = np.flatnonzero(scores.feasible)
            analytic = scores.minimised[good][:, self._analytic]
            if not len(good) or not analytic.shape[1]:
                continue
            chosen = non_dominated(analytic)
            fronts.append(analytic[chosen])
            found.setdefault(self.space.idle(model), set()).update(good[chosen].tolist())
        if work >= 2000:  # a small grid needs no screen
            self._screens = {k: np.array(sorted(rows)) for k, rows in found.items() if rows}
        return fronts

    def logs(self, minimised: Matrix) -> Matrix:
        """Analytic objectives (n, objectives), less is better, as logarithms that keep that sense."""
        turned = signs([n for n in self.space.objectives if n != QUALITY])
        return np.asarray(turned * np.log(np.maximum(minimised * turned, 1e-300)))

    def _applicable(self, values: dict[str, Any]) -> dict[str, Any]:
        return self.space.applicable(values)


def covering(front: Matrix, points: Matrix) -> NDArray[np.bool_]:
    """Which points some row of the front is at least as good as: (points,)."""
    covers = np.zeros(len(points), dtype=bool)
    for row in front:
        covers |= (row <= points).all(axis=1)
    return covers


def model_key(model: Model) -> str:
    """A short name of a model that no other model has."""
    return hashlib.sha256(json.dumps(asdict(model), sort_keys=True).encode()).hexdigest()[:16]


def features(space: Space, params: Mapping[str, Any]) -> NDArray[np.float64]:
    """Model parameters as numbers in 0..1 for the surrogate; sets of layers as one number a layer."""
    return np.array([number for p in space.model_parameters for number in _numbers(p, params.get(p.name))])


@lru_cache(maxsize=20_000)
def _numbers(p: Parameter, value: Any) -> tuple[float, ...]:
    if p.kind == "subset":
        members = sorted({layer for text in p.choices for layer in layers_of(str(text))})
        taken = layers_of(str(value)) if value is not None else ()
        depth = sum(taken) / (len(taken) * members[-1]) if taken and members[-1] else 0.0
        return (*(float(layer in taken) for layer in members), depth)
    if p.kind == "categorical" and not _is_ordered(p.choices):
        return tuple(float(value == choice) for choice in p.choices)
    low, high, log = _span(p)
    number = low if value is None else float(value)
    if log:
        low, high, number = np.log([low, high, number]).tolist()
    return ((number - low) / (high - low) if high > low else 0.0,)


def _is_ordered(choices: tuple[Any, ...]) -> bool:
    return all(isinstance(c, int | float) and not isinstance(c, bool) for c in choices)


def _span(p: Parameter) -> tuple[float, float, bool]:
    if p.kind != "categorical":
        return float(p.low), float(p.high), p.log
    numbers = [float(choice) for choice in p.choices]
    low, high = min(numbers), max(numbers)
    return low, high, low > 0 and high >= 4 * low
