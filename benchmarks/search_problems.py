"""The two problems of `benchmarks.search_efficiency`: a loss for every model of a space, and what is reachable.

(a) `synthetic`: a formula with the shapes that the papers report and a known optimum, plus noise per training.
(b) `tabulated`: a real training of every model of `search_space.yaml` (`search_table.csv`), replayed.

Hardware is costed by the real models in both. The true front is that of all models with all their hardware;
hypervolume (moocore) is over the loss and the logarithms of the analytic objectives, each scaled to 0..1 between
the best and a tenth beyond the worst of that front, which is the reference point.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from scipy.stats import spearmanr

import cost_models
import search_spaces
from benchmarks import search_table
from codesign.front import Matrix, hypervolume, non_dominated
from codesign.proxy.fidelity import load
from codesign.search.distributions import enumerated
from codesign.search.landscape import Landscape, model_key
from codesign.search.scoring import Scores, score
from search_spaces import Space

SYNTHETIC = """
model:
  preset: moe-27b
  engram_share: {choices: [0.05, 0.1, 0.15, 0.2, 0.25, 0.35, 0.45, 0.6]}
  engram_layers: {subsets: [[0], [1], [1, 8], [1, 14], [8, 22], [1, 8, 14]]}
  engram_max_order: {choices: [2, 3, 4]}
  engram_heads: {choices: [4, 8, 16]}
  engram_head_dim: {choices: [32, 64, 128]}
  active_experts: {choices: [2, 4, 6, 8]}
system:
  accelerator: {choices: [rtx-6000-ada, a100-80-sxm, h100-sxm, h200-sxm, b200-sxm, mi300x]}
  accelerators: {choices: [1, 2, 4, 8]}
  host: {dram_gib: {choices: [64, 256]}, ssd_gib: {choices: [0, 1024]}, ssd_drives: 2}
serving:
  tensor_parallel: {choices: [1, 2, 4, 8]}
  concurrency: {choices: [1, 4, 16, 64, 256]}
  input_tokens: 2048
  tables: {tier: {choices: [hbm, dram, ssd]}, prefetch: {choices: [true, false]}}
constraints: {tpot_s: 0.1, ttft_s: 5.0}
quality: {fidelity: demo}
"""
_SYNTHETIC_NOISE = 0.008  # bits per byte, of one training
_LOUDER = 4
_MARGIN = 1.1
_MOST_SCORED = 1000  # models of which all hardware is scored and kept


class Costs:
    """What every model of a space costs on its hardware: computed once for all problems of that space.

    params: of each model that some hardware can run, by its key. fronts: logarithms of the analytic objectives of its
    non-dominated hardware: (members, objectives - 1).
    """

    def __init__(self, space: Space) -> None:
        self.space, self.catalogue = space, cost_models.load_catalogue()
        landscape = Landscape(space, self.catalogue, seed=99)  # not the box that the samplers look at
        self.logs = landscape.logs
        self.params: dict[str, dict[str, Any]] = {}
        self.fronts: dict[str, Matrix] = {}
        self._scored: dict[str, tuple[Scores, dict[Any, int]]] = {}
        for params in enumerated(space) or []:
            model = space.model(params)
            front, hardware = landscape.front(model)
            if hardware:
                key = model_key(model)
                self.params[key], self.fronts[key] = params, landscape.logs(front)

    def tried(self, params: dict[str, Any]) -> tuple[str, Matrix | None]:
        """The key of the model of a design, and its analytic objectives: (1, objectives - 1), None if infeasible.

        In small spaces all hardware of a model is scored once, since thousands of designs are tried.
        """
        model = self.space.model(params)
        key = model_key(model)
        if key not in self.fronts:
            return key, None
        if len(self.fronts) > _MOST_SCORED:
            scores, row = score(self.space, self.space.design(params), self.catalogue), 0
        else:
            if key not in self._scored:
                values, design = self.space.hardware(model)
                scores = score(self.space, design, self.catalogue)
                places = {_place(self.space.at(values, i)): i for i in range(len(scores.feasible))}
                self._scored[key] = (scores, places)
            scores, places = self._scored[key]
            row = places.get(_place({n: v for n, v in params.items() if not n.startswith("model.")}), -1)
        if row < 0 or not scores.feasible[row]:
            return key, None
        return key, scores.minimised[row : row + 1, 1:]


class Problem:
    """Costs with the loss of every model, by its key.

    true: the loss. seen: what trainings say on average. noise: deviation that is drawn on top of each training. error:
    the standard error that a training claims.
    """

    def __init__(
        self, costs: Costs, true: Mapping[str, float], seen: Mapping[str, float], noise: float, error: float
    ) -> None:
        self.costs, self.space, self.catalogue = costs, costs.space, costs.catalogue
        self.true, self.seen, self.noise, self.error = true, seen, noise, error
        everything = self._points(true)
        everything = everything[non_dominated(everything)]
        self._low = everything.min(axis=0)
        self._span = _MARGIN * (everything.max(axis=0) - self._low)
        self.reference = self._volume(everything)

    def observe(self, key: str, generator: np.random.Generator) -> float:
        """What one training of a model says."""
        return float(self.seen[key] + self.noise * generator.standard_normal())

    def row(self, key: str, minimised: Matrix) -> Matrix:
        """A design as fronts have it: true loss and analytic objectives: (1, objectives)."""
        return with_loss(self.true[key], self.costs.logs(minimised))

    def share_of(self, points: Sequence[Matrix]) -> float:
        """Hypervolume of (true loss, analytic objectives) rows as a share of the reference."""
        return self._volume(np.concatenate(points)) / self.reference if points else 0.0

    def completed(self, keys: Sequence[str]) -> float:
        """Share of the reference that these models reach with all their hardware."""
        return self._volume(self._points({k: self.true[k] for k in keys})) / self.reference

    def reported(self, observed: Mapping[str, float]) -> float:
        """As `completed`, but of those designs only that are on the front by their observed losses."""
        front = non_dominated(self._points(observed))
        true = self._points({k: self.true[k] for k in observed})
        return self._volume(true[front]) / self.reference

    def _points(self, losses: Mapping[str, float]) -> Matrix:
        rows = [with_loss(loss, self.costs.fronts[key]) for key, loss in losses.items()]
        return np.concatenate(rows)

    def _volume(self, points: Matrix) -> float:
        return hypervolume((points - self._low) / self._span, np.ones(points.shape[1]))


def _place(hardware: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted(hardware.items()))


def with_loss(loss: float, front: Matrix) -> Matrix:
    """Analytic rows with the loss as their first column."""
    return np.column_stack([np.full(len(front), loss), front])


@cache
def costs_of(problem: str) -> Costs:
    """The costs behind the problem of a name."""
    if problem == "synthetic":
        return Costs(search_spaces.parse(SYNTHETIC, "search_efficiency"))
    return Costs(search_spaces.load(search_table.SPACE))


def synthetic(loud: bool = False, bias: str = "none") -> Problem:
    """Problem (a). The default sampler was designed while looking at it."""
    costs = costs_of("synthetic")
    true = {key: _formula(params) for key, params in costs.params.items()}
    noise = _SYNTHETIC_NOISE * (_LOUDER if loud else 1)
    return Problem(costs, true, biased(costs, true, bias), noise, noise)


def tabulated(loud: bool = False, bias: str = "none") -> Problem:
    """Problem (b). A training says what the recorded one said; true is what `smoothed` makes of all of them."""
    costs = costs_of("tabulated")
    recorded = search_table.recorded(costs.space)
    losses = np.array([recorded[search_table.place(costs.space, each)] for each in costs.params.values()])
    error = load(search_table.RECIPE).noise
    smooth = smoothed(list(costs.params.values()), losses, error)
    true = dict(zip(costs.params, smooth.tolist(), strict=True))
    shifted = biased(costs, true, bias)
    seen = {key: loss + shifted[key] - true[key] for key, loss in zip(true, losses.tolist(), strict=True)}
    noise = error * np.sqrt(_LOUDER**2 - 1) if loud else 0.0
    return Problem(costs, true, seen, float(noise), float(np.hypot(error, noise)))


def smoothed(params: Sequence[Mapping[str, Any]], losses: Matrix, noise: float) -> Matrix:
    """Losses with most of the noise of single trainings taken out: (models,).

    An effect for each value of each parameter, by least squares, and of what that leaves the share that noise
    does not explain (empirical Bayes). No smoothness between models, as that is what the default sampler assumes.
    """
    names = sorted({name for each in params for name in each})
    levels = [(name, value) for name in names for value in sorted({str(each.get(name)) for each in params})]
    design = np.array([[1.0] + [float(str(each.get(n)) == v) for n, v in levels] for each in params])
    effects, _, rank, _ = np.linalg.lstsq(design, losses, rcond=None)
    left = losses - design @ effects
    variance = float(left @ left) / max(1, len(losses) - int(rank))
    return np.asarray(losses - left + left * max(0.0, 1.0 - noise**2 / variance))


def biased(costs: Costs, true: Mapping[str, float], bias: str) -> dict[str, float]:
    """The loss that an endlessly repeated proxy would say of each model.

    tilt: errors grow with the Engram share, as those of a training too short to fill tables do. scramble: an
    error per model that nothing explains. Both have the deviation of the true losses.
    """
    losses = np.array(list(true.values()))
    error = np.zeros(len(losses))
    if bias == "tilt":
        error = np.array([float(costs.params[key]["model.engram_share"]) for key in true])
    elif bias == "scramble":
        error = np.random.default_rng(7).standard_normal(len(losses))
    if error.any():
        losses = losses + (error - error.mean()) / error.std() * losses.std()
    return dict(zip(true, losses.tolist(), strict=True))


def rank_agreement(problem: Problem) -> float:
    """Spearman's rank correlation of what trainings say on average with the true losses."""
    return float(
        spearmanr([problem.seen[key] for key in problem.true], list(problem.true.values())).statistic
    )


def _formula(params: Mapping[str, Any]) -> float:
    """Optimum at share 0.2 to 0.25, about 0.1 from best to worst."""
    layers = [int(layer) for layer in params["model.engram_layers"].split(",")]
    order, width = params["model.engram_max_order"], params["model.engram_heads"]
    width = (order - 1) * width * params["model.engram_head_dim"]
    best_share = 0.22 + 0.02 * (len(layers) - 2)
    loss = 2.30 + 0.35 * (params["model.engram_share"] - best_share) ** 2
    loss += 0.006 * abs(layers[0] - 1) ** 0.7 - 0.004 * np.log(len(layers))
    loss += 0.006 * (np.log2(width / 1280) / 2) ** 2 + 0.003 * (order - 3) ** 2
    return float(loss - 0.028 * np.log2(params["model.active_experts"] / 6))
