"""Each bundle alone: a short training of a network of it and nothing else, and what it costs on its best hardware."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import cost_models
from codesign.bundles.structure import Bundle, bundles, label
from codesign.errors import InputError
from codesign.front import non_dominated, signs
from codesign.search.executors import beside
from codesign.search.scoring import QUALITY, score
from search_spaces import Space


@dataclass(frozen=True)
class Scored:
    """One bundle. values: by objective, the loss of its proxy and the best feasible value of every other figure
    over the hardware of the space (so no bundle is judged by hardware that suits another). reason: why it has none.
    """

    bundle: Bundle
    params: dict[str, Any]
    values: dict[str, float] = field(default_factory=dict)
    standard_error: float | None = None
    kept: bool = False
    reason: str = ""
    proxy: str = ""  # key of the training: bundles that have the same one are told apart by their costs only

    def document(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "bundle": label(self.bundle), "choices": dict(self.bundle), "params": self.params, "values": self.values,
            "standard_error": self.standard_error, "kept": self.kept, "reason": self.reason or None,
            "proxy": self.proxy or None,
        }  # fmt: skip


Progress = Callable[[int, int, str], None]  # bundles done, in all, the one that comes


def alone(
    space: Space, catalogue: cost_models.Catalogue, store: Any = None, progress: Progress | None = None
) -> list[Scored]:
    """Every bundle of the space, scored; `kept` marks those that no other beats in every objective.

    One training a bundle, of the space's fidelity and seed. Raises InputError for a space that trains nothing.
    """
    if space.quality is None:
        raise InputError(f"{space.name}: bundles are scored by short trainings; the space needs `quality:`")
    members, found = bundles(space), []
    for number, (bundle, params) in enumerate(members.items()):
        if progress is not None:
            progress(number, len(members), label(bundle))
        found.append(_scored(space, bundle, params, catalogue, store))
    rows = [index for index, one in enumerate(found) if one.values]
    table = np.array([[found[i].values[name] for name in space.objectives] for i in rows])
    kept = non_dominated(table.reshape(len(rows), -1) * signs(space.objectives))
    marked = {index: bool(flag) for index, flag in zip(rows, kept, strict=True)}
    return [replace(one, kept=marked.get(index, False)) for index, one in enumerate(found)]


def _scored(
    space: Space, bundle: Bundle, params: dict[str, Any], catalogue: cost_models.Catalogue, store: Any
) -> Scored:
    from codesign import proxy

    try:
        model = space.model(params)
        _, design = space.hardware(model)
    except InputError as error:
        return Scored(bundle, params, reason=str(error))
    scores = score(space, design, catalogue)
    if not scores.feasible.any():
        return Scored(bundle, params, reason="no hardware of the space carries it")
    best = np.nanmin(
        np.where(scores.feasible[:, None], scores.minimised, np.inf), axis=0, initial=np.inf
    ) * signs(space.objectives)
    values = {name: float(value) for name, value in zip(space.objectives, best, strict=True)}
    doubt, key = None, ""
    if QUALITY in space.objectives:
        asked = space.quality
        assert asked is not None
        corpus = asked.corpus and beside(space, asked.corpus)
        try:
            quality = proxy.judge(
                model, beside(space, asked.fidelity), asked.seed, corpus, store, mode=asked.mode
            )
        except InputError as problem:  # a model that has no proxy of this size
            return Scored(bundle, params, reason=str(problem))
        values[QUALITY], doubt, key = quality.bits_per_byte, quality.standard_error, quality.key
    return Scored(bundle, params, values, doubt, proxy=key)
