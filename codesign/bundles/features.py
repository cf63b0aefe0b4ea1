"""The last stage: switches tried on the front of a study. A feature that pays nowhere is shown as such.

Nothing is trained here: the figures of a switched design are those of the cost models, with the quality that
they say a switch keeps. Switches whose effect on quality is only known by training belong into a space.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from codesign import results
from codesign.errors import StudyError
from codesign.front import non_dominated, signs
from codesign.search.scoring import evaluated
from cost_models.design import Design

MOST = 24  # members of the front that are tried, spread over it


@dataclass(frozen=True)
class Switch:
    """A feature: how it changes a design (None: it has nothing to change), and what is known of its quality."""

    name: str
    apply: Callable[[Design], Design | None]
    quality: str


def _medusa(design: Design) -> Design | None:
    if design.model.medusa_heads:
        return None
    return replace(design, model=replace(design.model, medusa_heads=3))


def _snapkv(design: Design) -> Design | None:
    if design.serving.kv_budget or float(design.serving.input_tokens) <= 1024:
        return None
    return replace(design, serving=replace(design.serving, kv_budget=1024))


def _tables(**changes: Any) -> Callable[[Design], Design | None]:
    def apply(design: Design) -> Design | None:
        where = design.serving.tables
        if design.model.engram is None or all(
            getattr(where, name) == value for name, value in changes.items()
        ):
            return None
        return replace(design, serving=replace(design.serving, tables=replace(where, **changes)))

    return apply


def _fp8_cache(design: Design) -> Design | None:
    if design.model.dtype("kv") == "fp8":
        return None
    return replace(design, model=replace(design.model, kv_dtype="fp8"))


def _on_host(**changes: Any) -> Callable[[Design], Design | None]:
    def apply(design: Design) -> Design | None:
        experts = "routed_experts_on" in changes
        if (experts and design.model.moe is None) or not float(np.asarray(design.system.host.dram_bytes)):
            return None
        there = all(getattr(design.serving, name) == value for name, value in changes.items())
        return None if there else replace(design, serving=replace(design.serving, **changes))

    return apply


SWITCHES = (
    Switch("Medusa, 3 heads", _medusa, "kept: guesses are verified"),
    Switch("SnapKV, 1,024 positions", _snapkv, "published change where the cost model has one"),
    Switch("tables in host memory", _tables(tier="dram", prefetch=True), "kept"),
    Switch("tables read when needed", _tables(prefetch=False), "kept"),
    Switch("experts on the host's processors", _on_host(routed_experts_on="host"), "kept"),
    Switch("attention on the host's processors", _on_host(attention_on="host"), "kept"),
    Switch("KV cache in fp8", _fp8_cache, "not measured: taken as kept"),
)


def features(study: str, storage: str) -> dict[str, Any]:
    """{study, tried, features: [{feature, quality, applies, feasible, pays, change, example}]}.

    pays: on how many members the switched design is feasible and beaten by no member of the front; change:
    median relative change of every objective over the feasible ones; example: the trial that gains most.
    Raises StudyError where the study has no front.
    """
    designs = results.Reader(study, storage).read()
    front = results.front(designs)
    if not front:
        raise StudyError(f"study {study!r} has no feasible design yet: there is nothing to switch")
    names = list(designs.objectives)
    sign = signs(names)
    catalogue = designs.catalogue()
    # costed now, as the switched ones are: a recorded study may be of another version of the cost models
    values = sign * np.array(
        [
            evaluated(
                designs.space, designs.design(entry["trial"]), catalogue, designs.quality(entry["trial"])
            ).values
            for entry in front
        ]
    )
    places = np.unique(np.linspace(0, len(front) - 1, MOST).round().astype(int))
    rows = [
        _tried(designs, [front[i]["trial"] for i in places], values, values[places], switch, catalogue)
        for switch in SWITCHES
    ]
    return {"study": study, "tried": len(places), "front": len(front), "features": rows}


def _tried(
    designs: "results.Designs", trials: list[int], front: Any, own: Any, switch: Switch, catalogue: Any
) -> dict[str, Any]:
    names, applies, pays, changes, gains = list(designs.objectives), 0, 0, [], []
    for trial, before in zip(trials, own, strict=True):
        design = switch.apply(designs.design(trial))
        if design is None:
            continue
        applies += 1
        result = evaluated(designs.space, design, catalogue, designs.quality(trial))
        if not result.feasible:
            continue
        after = np.array(result.values) * signs(names)
        good = bool(non_dominated(np.vstack([after, front]), keep_equal=False)[0])
        change = (after - before) / np.abs(before)
        changes.append(change)
        pays += good
        if good:
            gains.append((float(change.min()), trial))
    median = np.median(changes, axis=0) * signs(names) if changes else [None] * len(names)
    return {
        "feature": switch.name,
        "quality": switch.quality,
        "applies": applies,
        "feasible": len(changes),
        "pays": pays,
        "change": {
            name: None if value is None else float(value) for name, value in zip(names, median, strict=True)
        },
        "example": min(gains)[1] if gains else None,
    }
