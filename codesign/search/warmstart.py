"""Models to train first: published ones, designs in files, or the front of an earlier study.

Only the model is taken over: a trained model is completed with all hardware of the space anyway.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

import cost_models
from codesign import results
from codesign.errors import InputError, StudyError
from codesign.search.landscape import Landscape, model_key
from cost_models.architecture import parameters
from cost_models.design import Model
from search_spaces import Parameter, Space
from search_spaces.budget import share_of
from search_spaces.parameters import subset_text

# Shares and totals are computed from whole experts and prime tables, so they are met within so much.
_NEAR = 0.02


@dataclass(frozen=True)
class First:
    """A model to train first. source: for people; params: its `model.*` values in the space."""

    source: str
    params: dict[str, Any]


def read(name: str, space: Space, storage: str) -> list[First]:
    """The models of a design file, a preset, or the front of a study in the same storage.

    Raises InputError for a model outside the space, and where there is nothing of that name.
    """
    if Path(name).suffix in (".yaml", ".yml"):
        return [First(name, params_of(cost_models.read_design(name).model, space, name))]
    if name in cost_models.presets():
        return [First(name, params_of(cost_models.read_model(name), space, f"preset {name}"))]
    try:
        designs = results.Reader(name, storage).read()
    except StudyError as error:
        raise InputError(
            f"--enqueue {name}: neither a .yaml design, nor one of the presets {', '.join(cost_models.presets())}, "
            f"nor a study: {error}"
        ) from None
    front = designs.table[designs.table["front"]].drop_duplicates("model")
    if front.empty:
        raise InputError(f"--enqueue {name}: the study has no feasible design yet")
    found = []
    for trial in front["trial"]:
        source, own = f"trial {trial} of study {name}", designs.params(int(trial))
        found.append(First(source, params_of(designs.design(int(trial)).model, space, source, own)))
    return found


def enqueue(study: optuna.Study, space: Space, landscape: Landscape, first: Sequence[First]) -> int:
    """Queue models that the study does not have yet, each with its best compromise of hardware; how many."""
    trials = study.get_trials(deepcopy=False)
    known = {t.user_attrs.get("model") for t in trials} | {t.user_attrs.get("enqueued") for t in trials}
    added = 0
    for one in first:
        key = model_key(space.model(one.params))
        if key in known:
            continue
        known.add(key)
        candidate = landscape.candidate(one.params)
        hardware = {n: v for n, v in candidate.hardware.items() if n} if candidate else {}
        attributes = {"enqueued": key, "enqueued_from": one.source}
        study.enqueue_trial(one.params | hardware, user_attrs=attributes)
        added += 1
    return added


def params_of(
    model: Model, space: Space, source: str, known: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The `model.*` values of the space that make this model.

    known: values by name where the model comes from another space; they are more exact than what can be
    computed. Raises InputError where a value lies outside the space, or fixed parts differ.
    """
    params: dict[str, Any] = {}
    for p in space.model_parameters:
        if not p.applies(space.fixed | params):
            continue
        value = (known or {}).get(p.name, _value(p.name, model))
        if value is not None:
            params[p.name] = _within(p, value, f"--enqueue {source}: {p.name}")
    try:
        made = space.model(params)
    except InputError as error:
        raise InputError(f"--enqueue {source}: {error}") from None
    for name, there, here in _differences(made, model):
        raise InputError(
            f"--enqueue {source}: {name} must be {there}, as the space {space.name} has it, got {here}; "
            "leave it out, or free it in the space"
        )
    return params


def _value(name: str, model: Model) -> Any:
    """The value of a parameter of a space, read off a model; None where the model has no such thing."""
    own = name.removeprefix("model.")
    if own == "total_parameters":
        return parameters(model).total
    if own == "engram_share":
        return share_of(model)
    if own == "active_experts":
        return model.moe.active_experts if model.moe else None
    if own == "engram_rows":
        return model.engram.vocab_size if model.engram else 0
    if own == "engram_layers":
        return subset_text(model.engram.layer_ids) if model.engram else None
    if own.startswith("engram_"):
        return getattr(model.engram, own.removeprefix("engram_"), None)
    return getattr(model, own) or model.weights_dtype  # "": as the weights


def _within(p: Parameter, value: Any, place: str) -> Any:
    """The value as the parameter can take it. Raises InputError where it is outside."""
    if p.kind in ("categorical", "subset"):
        if value in p.choices:
            return next(choice for choice in p.choices if choice == value)
        near = [c for c in p.choices if isinstance(c, int | float) and _is_near(c, value)]
        if near:
            return min(near, key=lambda choice: abs(choice - value))
        raise InputError(
            f"{place} must be one of {', '.join(map(str, p.choices))} in this space, got {_text(value)}"
        )
    inside = min(max(value, p.low), p.high)
    if not _is_near(inside, value):
        raise InputError(f"{place} must lie in {p.low:g} to {p.high:g} in this space, got {_text(value)}")
    if p.step:
        inside = p.low + round((inside - p.low) / p.step) * p.step
        if not _is_near(inside, value):
            raise InputError(f"{place} must be {p.low:g} plus a multiple of {p.step:g}, got {_text(value)}")
    return int(inside) if p.kind == "int" else float(inside)


def _is_near(a: float, b: Any) -> bool:
    """Equal, or nearly so where `b` is a real number or a total."""
    if isinstance(b, float) or (isinstance(b, int) and b > 1e6):
        return abs(a - b) <= _NEAR * max(abs(a), abs(b))
    return bool(a == b)


def _text(value: Any) -> str:
    return (
        f"{value:.4g}" if isinstance(value, float) else repr(value) if isinstance(value, str) else str(value)
    )


def _differences(made: Model, wanted: Model) -> list[tuple[str, Any, Any]]:
    """Parts that the space cannot make as wanted: (name, the space's, the model's)."""
    names: tuple[str, ...] = ("layers", "hidden", "vocab", "attention")
    found = [(name, getattr(made, name), getattr(wanted, name)) for name in names]
    if made.engram and wanted.engram:
        names = ("layer_ids", "max_order", "heads", "head_dim", "hash_layout")
        found += [
            (f"engram {name}", getattr(made.engram, name), getattr(wanted.engram, name)) for name in names
        ]
    else:
        found.append(("engram tables", bool(made.engram), bool(wanted.engram)))
    return [(name, here, there) for name, here, there in found if here != there]
