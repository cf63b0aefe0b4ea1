"""The text of a space file -> Space, with every rule that needs the model or the catalogue checked."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

import cost_models
from cost_models import traffic
from cost_models.design import GIB, Host, Limits, Model, System, TrainingRun
from cost_models.errors import InputError
from cost_models.yamlfile import Document, Path_
from search_spaces.fields import COMPOSED, COMPOSITION, ENGRAM, PRESET, ROWS, SHARE, TABLES, collect
from search_spaces.parameters import Condition, Parameter, layers_of
from search_spaces.reading import one_of, read
from search_spaces.schema import Choices, SpaceFile, TrainingSpec
from search_spaces.space import Space

MOST_SUBSETS = 4096
_QUALITY = "bits_per_byte"
_DEFAULT_OBJECTIVES = ("tpot_s", "j_per_token", "usd_per_mtok")


def parse(text: str, file: str, base: Model | None = None, bases: Mapping[str, Model] | None = None) -> Space:
    """The space of a file's text; `base`, `bases`: its models, where read before. Raises InputError with the place."""
    spec, document = read(text, file)
    free = spec.model.preset if isinstance(spec.model.preset, Choices) else None
    if free is not None and not bases:
        bases = {name: _preset(document, name, ("choices", i)) for i, name in enumerate(free.choices)}
    if free is not None and bases:
        base = bases[free.choices[0]]
    if base is None:
        base = _base(spec, document, file)
    fixed: dict[str, Any] = {}
    own = collect("model", spec.model, fixed, skip=("config",) if free else ("preset", "config"))
    own += collect("system", spec.system, fixed)
    own += collect("serving", spec.serving, fixed, skip=("phase",))
    fixed["serving.tables.traffic"] = _profile(spec, document, file)
    parameters = _with_implied(_checked(own, fixed, document), fixed)
    parameters = _with_presets(parameters, bases or {})
    objectives = _objectives(spec, document)
    space = Space(
        name=spec.name or Path(file).stem,
        description=spec.description,
        base=base,
        model_parameters=tuple(p for p in parameters if p.name.startswith("model.")),
        hardware_parameters=tuple(p for p in parameters if not p.name.startswith("model.")),
        fixed=fixed,
        objectives=objectives,
        constraints=Limits(**spec.constraints.model_dump()),
        quality=spec.quality,
        text=text,
        file=file,
        phase=spec.serving.phase or "",
        training=_training(spec, objectives, document),
        bases=dict(bases or {}),
    )
    _check_model(space, document)
    return space


def restore(stored: Mapping[str, Any]) -> Space:
    """The space that `Space.stored` described."""
    one, several = TypeAdapter(Model), TypeAdapter(dict[str, Model])
    base = one.validate_python(stored["base"])
    space = parse(stored["text"], stored["file"], base, several.validate_python(stored.get("bases") or {}))
    if not stored.get("quality"):
        return space
    quality = dict(stored["quality"])
    # JSON, in which studies keep it, has no tuples
    return space.with_quality(**quality | {"shorter": tuple(quality.get("shorter", ()))})


def _profile(spec: SpaceFile, document: Document, file: str) -> str:
    """The traffic profile, its path from the space file."""
    name = spec.serving.tables.traffic
    if name not in traffic.shipped():
        name = str((Path(file).parent / name).resolve())
    try:
        traffic.Profile.load(name)
    except InputError as error:
        place = document.where("serving", "tables", "traffic")
        raise InputError(f"{place}: serving.tables.traffic: {error}") from None
    return name


def _base(spec: SpaceFile, document: Document, file: str) -> Model:
    if isinstance(spec.model.preset, str):
        return _preset(document, spec.model.preset)
    try:
        return cost_models.read_model(str(Path(file).parent / str(spec.model.config)))
    except InputError as error:
        raise InputError(f"{document.where('model', 'config')}: model.config: {error}") from None


def _preset(document: Document, name: str, within: Path_ = ()) -> Model:
    try:
        return cost_models.read_model(name)
    except InputError as error:
        raise InputError(f"{document.where('model', 'preset', *within)}: model.preset: {error}") from None


def _checked(parameters: list[Parameter], fixed: Mapping[str, Any], document: Document) -> list[Parameter]:
    names: set[str] = set()
    for p in parameters:
        path: Path_ = tuple(p.name.split("."))
        if len(p.choices) > MOST_SUBSETS:
            raise document.error(
                path, f"gives {len(p.choices)} sets, at most {MOST_SUBSETS} are allowed; lower max"
            )
        if p.conditions and p.name == "system.hbm_gib":
            raise document.error((*path, "when"), "has no meaning: memory is there whatever else is chosen")
        for condition in p.conditions:
            if condition.parameter not in names | set(fixed):
                rule = f"names {condition.parameter}, which {one_of(names, condition.parameter)}"
                raise document.error((*path, "when"), f"{rule} (parameters that stand before it)")
            if not p.name.startswith("model.") and condition.parameter.startswith("model."):
                raise document.error(
                    (*path, "when"), "must name parameters of system or serving, not of the model"
                )
        names.add(p.name)
    known = cost_models.load_catalogue().accelerators()
    accelerators = next((p.choices for p in parameters if p.name == "system.accelerator"), None)
    for index, name in enumerate(accelerators or (fixed["system.accelerator"],)):
        if name not in known and Path(str(name)).suffix not in (".yaml", ".yml"):
            within = ("choices", index) if accelerators else ()
            raise document.error(("system", "accelerator", *within), one_of(known, name))
    return parameters


def _with_implied(parameters: list[Parameter], fixed: Mapping[str, Any]) -> list[Parameter]:
    """Without tables nothing about tables matters: their parameters apply only where the share is above 0."""
    amount = next((p for p in parameters if p.name in (SHARE, ROWS)), None)
    if amount is None or not any(level == 0 for level in amount.levels()):
        return parameters
    implied = Condition(amount.name, above=0)
    about = [
        replace(p, conditions=(*p.conditions, implied))
        if p is not amount and p.name.startswith((ENGRAM, TABLES))
        else p
        for p in parameters
    ]
    # the amount first, so that it is chosen before what depends on it
    return sorted(about, key=lambda p: p.name != amount.name)


def _with_presets(parameters: list[Parameter], bases: Mapping[str, Model]) -> list[Parameter]:
    """With several presets, tables and compositions matter only for those that have them; the preset comes first."""
    if not bases:
        return parameters
    count = next((p for p in parameters if p.name == COMPOSITION), None)
    composed = [
        name
        for name, model in bases.items()
        if model.composition or (count is not None and _means(count, name))
    ]
    own = any(p.name in (SHARE, ROWS) for p in parameters)
    tabled = [name for name, model in bases.items() if model.engram]
    implied = {COMPOSED: composed} | ({} if own else {TABLES: tabled})
    about = [
        replace(p, conditions=(*p.conditions, Condition(PRESET, tuple(names))))
        for p in parameters
        for names in [next((names for start, names in implied.items() if p.name.startswith(start)), None)]
        if names is not None
    ]
    found = {p.name: p for p in about}
    return sorted((found.get(p.name, p) for p in parameters), key=lambda p: p.name != PRESET)


def _means(p: Parameter, preset: str) -> bool:
    """Whether a parameter of the model applies to a preset."""
    return all(c.holds({PRESET: preset}) for c in p.conditions if c.parameter == PRESET)


def _objectives(spec: SpaceFile, document: Document) -> tuple[str, ...]:
    known = [name for name in cost_models.OBJECTIVES if spec.quality or name != _QUALITY]
    default = (_QUALITY, *_DEFAULT_OBJECTIVES) if spec.quality else _DEFAULT_OBJECTIVES
    objectives = tuple(spec.objectives or default)
    for index, name in enumerate(objectives):
        if name == _QUALITY and not spec.quality:
            raise document.error(
                ("objectives", index), "needs `quality: {fidelity: ...}`: nothing is trained here"
            )
        if name not in known:
            raise document.error(("objectives", index), one_of(known, name))
    return objectives


def _training(spec: SpaceFile, objectives: tuple[str, ...], document: Document) -> TrainingRun | None:
    """The training that objectives ask the cost of; None where nothing asks for one."""
    own = spec.training
    if own is None:
        if not any(cost_models.OBJECTIVES[name].figure.startswith("training.") for name in objectives):
            return None
        own = TrainingSpec()
    if own.accelerator not in cost_models.load_catalogue().accelerators():
        raise document.error(
            ("training", "accelerator"), one_of(cost_models.load_catalogue().accelerators(), own.accelerator)
        )
    host = Host(dram_bytes=own.dram_gib * GIB, ssd_bytes=own.ssd_gib * GIB, ssd_drives=own.ssd_drives)
    return TrainingRun(
        System(own.accelerator, own.accelerators, own.nodes, host), own.tokens or 0.0, own.tokens_per_parameter,
        own.sequences, own.length, own.dtype, own.tables or "", own.nodes_per_token,
    )  # fmt: skip


def _check_model(space: Space, document: Document) -> None:
    """Refuse what no value of the parameters can make right, for each of the presets."""
    if space.quality and (space.bases or space.base.composition or space.has(COMPOSITION)):
        rule = (
            "must be left out where presets or a composition are compared: proxies of other bases are of other "
            "sizes, and none exists for a composition"
        )
        raise document.error(("quality",), rule)
    for name, base in (space.bases or {"": space.base}).items():
        own = tuple(p for p in space.model_parameters if _means(p, name))
        _check_base(replace(space, base=base, model_parameters=own), document)


def _check_base(space: Space, document: Document) -> None:
    layers = space.base.layers
    if space.has(COMPOSITION) and space.base.engram:
        rule = f"needs a base without tables, but {space.base.name} has some; name others with when: {{{PRESET}: ..}}"
        raise document.error(tuple(COMPOSITION.split(".")), rule)
    for p in space.model_parameters:
        sets = [layers_of(str(choice)) for choice in p.choices] if p.kind == "subset" else []
        for ids in sets:
            if not ids or max(ids) >= layers:
                rule = f"must be layers from 0 to {layers - 1} of {space.base.name}, got {list(ids)}"
                raise document.error(("model", p.name.removeprefix("model.")), rule)
    given = space.fixed.get("model.engram_layers")
    if given and (max(given) >= layers or len(set(given)) != len(given)):
        rule = f"must be different layers from 0 to {layers - 1} of {space.base.name}, got {given}"
        raise document.error(("model", "engram_layers"), rule)
    names = {p.name for p in space.model_parameters} | set(space.fixed)
    if SHARE in names and space.base.moe is None:
        rule = f"needs a base with experts, but {space.base.name} is dense; give engram_rows instead"
        raise document.error(("model", "engram_share"), rule)
    shaped = [n for n in names if n.startswith(ENGRAM) and n not in (SHARE, ROWS)]
    if shaped and not {SHARE, ROWS} & names and space.base.engram is None:
        rule = "has no effect: the base has no Engram; give engram_share or engram_rows too"
        raise document.error(tuple(shaped[0].split(".")), rule)
    if space.base.moe is None and "model.active_experts" in names:
        raise document.error(
            ("model", "active_experts"), f"needs a base with experts, but {space.base.name} is dense"
        )
