"""A space: which models and which hardware may be chosen, and how values become a design."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations as subsets_of
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, TypeAdapter

import cost_models
from cost_models.design import GIB, Design, Engram, Host, Limits, Model, Serving, System, TablePlacement
from cost_models.errors import InputError
from cost_models.yamlfile import Document, Path_
from search_spaces import budget, hardware
from search_spaces.parameters import Condition, Parameter, layers_of, subset_text
from search_spaces.reading import one_of, read
from search_spaces.schema import (
    Above,
    CacheSpec,
    Choices,
    HostSpec,
    QualitySpec,
    Range,
    ServingSpec,
    SpaceFile,
    SubsetOf,
    Subsets,
    SystemSpec,
    TablesSpec,
)

MOST_SUBSETS = 4096
_QUALITY = "bits_per_byte"
_DEFAULT_OBJECTIVES = ("tpot_s", "j_per_token", "usd_per_mtok")
# Engram's shape in the paper (arXiv 2601.07372, table 1), for bases without one: d_mem = 2 x 8 x 80 = 1280.
_PAPER_SHAPE = {"max_order": 3, "heads": 8, "head_dim": 80}
_TABLES = "serving.tables."
_ENGRAM = "model.engram_"
_SHARE, _ROWS = "model.engram_share", "model.engram_rows"


@dataclass(frozen=True)
class Space:
    """What may be chosen, and what is asked of it.

    objectives: names of `cost_models.OBJECTIVES`, "bits_per_byte" among them where quality is measured.
    constraints: the limits; quality: how the proxy is trained, or None where nothing is.
    fixed: the values that are not free, by the names parameters have.
    """

    name: str = field(compare=False)
    description: str = field(compare=False)
    base: Model
    model_parameters: tuple[Parameter, ...]
    hardware_parameters: tuple[Parameter, ...]
    fixed: dict[str, Any]
    objectives: tuple[str, ...]
    constraints: Limits
    quality: QualitySpec | None
    text: str = field(repr=False, compare=False)
    file: str = field(compare=False)
    phase: str = ""
    _grids: dict[bool, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Model parameters, then hardware parameters."""
        return self.model_parameters + self.hardware_parameters

    def model(self, params: Mapping[str, Any]) -> Model:
        """The model of the `model.*` values, others are ignored. Raises InputError where it is impossible."""
        values = {name: v for name, v in self.fixed.items() if name.startswith("model.")}
        values |= {name: v for name, v in params.items() if name.startswith("model.")}
        own = {name.removeprefix("model."): v for name, v in values.items()}
        base = self.base
        if base.moe and "active_experts" in own:
            base = replace(base, moe=replace(base.moe, active_experts=own["active_experts"]))
        fields = {k: own[k] for k in _PLAIN_MODEL_FIELDS if k in own}
        base = replace(base, **fields)
        if "engram_share" in own:
            share = float(own["engram_share"])
            return budget.at_equal_budget(base, share, self._engram(base, own))
        if "engram_rows" in own:
            return budget.with_rows(base, int(own["engram_rows"]), self._engram(base, own))
        if base.engram is None:
            return base
        return replace(base, engram=self._engram(base, own))

    def design(self, params: Mapping[str, Any]) -> Design:
        """The one design of the values of all parameters that apply."""
        model = self.model(params)
        fields = self._hardware_fields({k: v for k, v in params.items() if not k.startswith("model.")})
        return self._design(model, fields)

    def hardware(
        self, model: Model, rows: NDArray[np.int64] | None = None
    ) -> tuple[dict[str, NDArray[Any]], Design]:
        """Every combination of hardware and serving that can exist: values by parameter, one array design.

        Values are (combinations,) arrays; a parameter that does not apply is None there (see `at`). Above
        about a million combinations it is a fixed sample of them. `rows` picks some of the combinations.
        """
        has_tables = model.engram is not None
        if has_tables not in self._grids:
            self._grids[has_tables] = self._grid(has_tables)
        values, fields = self._grids[has_tables]
        if rows is not None:
            values = {name: column[rows] for name, column in values.items()}
            fields = {name: v[rows] if isinstance(v, np.ndarray) else v for name, v in fields.items()}
        return values, self._design(model, fields)

    def designs(self, model: Model, values: Mapping[str, NDArray[Any]]) -> Design:
        """One array design of given hardware values, (designs,) each; None or NaN: does not apply."""
        filled = {}
        for name, column in values.items():
            default = _DEFAULTS.get(name)
            there = [default if v is None or v != v else v for v in np.asarray(column, dtype=object).tolist()]
            filled[name] = np.array(there)
        return self._design(model, self._hardware_fields(filled))

    def at(self, values: Mapping[str, NDArray[Any]], index: int) -> dict[str, Any]:
        """One combination of `hardware` as plain values, without parameters that do not apply there."""
        row = {name: column[index] for name, column in values.items()}
        return {n: v.item() if hasattr(v, "item") else v for n, v in row.items() if v is not None}

    def applicable(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Only those values that apply beside the others, in the order of the parameters."""
        kept: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.name in params and parameter.applies(self.fixed | kept):
                kept[parameter.name] = params[parameter.name]
        return kept

    def stored(self) -> dict[str, Any]:
        """What a study keeps so that the space can be read again anywhere: see `restore`."""
        return {"text": self.text, "file": self.file, "base": asdict(self.base)}

    def _engram(self, base: Model, own: Mapping[str, Any]) -> Engram:
        shape: dict[str, Any] = {
            key: own[f"engram_{key}"]
            for key in ("max_order", "heads", "head_dim", "hash_layout")
            if f"engram_{key}" in own
        }
        if "engram_layers" in own:
            layers = own["engram_layers"]
            shape["layer_ids"] = layers_of(layers) if isinstance(layers, str) else tuple(layers)
        if base.engram:
            return replace(base.engram, **shape)
        # layers 2 and 15 of 30 counted from 1: the second, and the middle
        layer_ids = (1, base.layers // 2 - 1) if base.layers > 4 else (min(1, base.layers - 1),)
        return Engram(**({"layer_ids": layer_ids, "vocab_size": 2, **_PAPER_SHAPE} | shape))

    def _hardware_fields(self, params: Mapping[str, Any]) -> dict[str, Any]:
        known = {p.name for p in self.hardware_parameters}
        unknown = set(params) - known
        if unknown:
            name = sorted(unknown)[0]
            raise InputError(f"{name} {one_of(known, name)}")
        return _DEFAULTS | self.fixed | dict(params)

    def _grid(self, has_tables: bool) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        free = tuple(p for p in self.hardware_parameters if has_tables or not p.name.startswith(_TABLES))
        codes, _ = hardware.combinations(free)
        count = len(next(iter(codes.values()))) if codes else 1
        # without tables their placement is whatever the file would say first, or fixed
        fields = _DEFAULTS | self.fixed
        if not has_tables:
            fields |= {k: v for k, v in _DEFAULTS.items() if k.startswith(_TABLES)}
        fields |= {p.name: hardware.column(p, codes[p.name], _DEFAULTS[p.name]) for p in free}
        mask = hardware.possible(fields, has_tables, count)
        if not mask.any():
            raise InputError(
                f"{self.file}: no combination of system and serving can exist: tensor x data x pipeline parallel "
                "must divide the accelerators, nodes too, and tables need a tier with capacity"
            )
        fields = {k: v[mask] if isinstance(v, np.ndarray) else v for k, v in fields.items()}
        values = {}
        for p in free:
            column = hardware.column(p, codes[p.name], _DEFAULTS[p.name])[mask].astype(object)
            column[codes[p.name][mask] < 0] = None
            values[p.name] = column
        return values, fields

    def _design(self, model: Model, fields: Mapping[str, Any]) -> Design:
        host = {
            "dram_bytes": fields["system.host.dram_gib"] * GIB,
            "cxl_bytes": fields["system.host.cxl_gib"] * GIB,
            "ssd_bytes": fields["system.host.ssd_gib"] * GIB,
            "ssd_drives": fields["system.host.ssd_drives"],
        } | {k: fields[f"system.host.{k}"] for k in _HOST_NAMES if f"system.host.{k}" in fields}
        hbm = fields["system.hbm_gib"]
        cache = fields["serving.tables.cache.gib"]
        tables = TablePlacement(
            tier=fields["serving.tables.tier"],
            prefetch=fields["serving.tables.prefetch"],
            sharing=fields["serving.tables.sharing"],
            cache_tier=_where(cache, fields["serving.tables.cache.tier"]),
            cache_bytes=cache * GIB,
        )
        serving = Serving(
            phase=self.phase, tables=tables, **{k: fields[f"serving.{k}"] for k in _SERVING_NUMBERS}
        )
        system = System(
            accelerator=fields["system.accelerator"],
            accelerators=fields["system.accelerators"],
            nodes=fields["system.nodes"],
            host=Host(**host),
            hbm_bytes=None if hbm is None else hbm * GIB,
        )
        return Design(model, system, serving, self.constraints)


_PLAIN_MODEL_FIELDS = ("medusa_heads", "weights_dtype", "experts_dtype", "tables_dtype", "kv_dtype")
_HOST_NAMES = ("cpu", "dram_tier", "cxl_tier", "ssd_tier", "remote_tier")
_SERVING_NUMBERS = (
    "tensor_parallel", "expert_parallel", "data_parallel", "pipeline_parallel", "input_tokens",
    "output_tokens", "concurrency", "kv_budget",
)  # fmt: skip


def _where(cache: Any, tier: Any) -> Any:
    """The cache's tier, "" where it has no size."""
    if np.ndim(cache) == 0 and np.ndim(tier) == 0:
        return tier if cache else ""
    return np.where(np.asarray(cache) > 0, tier, "")


def parse(text: str, file: str, base: Model | None = None) -> Space:
    """The space of a file's text; `base`: its model, where read before. Raises InputError with the place."""
    spec, document = read(text, file)
    if base is None:
        base = _base(spec, document, file)
    fixed: dict[str, Any] = {}
    own = _collect("model", spec.model, fixed, skip=("preset", "config"))
    own += _collect("system", spec.system, fixed)
    own += _collect("serving", spec.serving, fixed, skip=("phase",))
    parameters = _with_implied(_checked(own, fixed, document), fixed)
    space = Space(
        name=spec.name or Path(file).stem,
        description=spec.description,
        base=base,
        model_parameters=tuple(p for p in parameters if p.name.startswith("model.")),
        hardware_parameters=tuple(p for p in parameters if not p.name.startswith("model.")),
        fixed=fixed,
        objectives=_objectives(spec, document),
        constraints=Limits(**spec.constraints.model_dump()),
        quality=spec.quality,
        text=text,
        file=file,
        phase=spec.serving.phase or "",
    )
    _check_model(space, document)
    return space


def restore(stored: Mapping[str, Any]) -> Space:
    """The space that `Space.stored` described."""
    return parse(stored["text"], stored["file"], TypeAdapter(Model).validate_python(stored["base"]))


def _base(spec: SpaceFile, document: Document, file: str) -> Model:
    key = "preset" if spec.model.preset else "config"
    target = spec.model.preset or str(Path(file).parent / str(spec.model.config))
    try:
        return cost_models.read_model(target)
    except InputError as error:
        raise InputError(f"{document.where('model', key)}: model.{key}: {error}") from None


def _collect(
    prefix: str, spec: BaseModel, fixed: dict[str, Any], skip: tuple[str, ...] = ()
) -> list[Parameter]:
    found: list[Parameter] = []
    for key in type(spec).model_fields:
        value, name = getattr(spec, key), f"{prefix}.{key}"
        if key in skip or value is None:
            continue
        if isinstance(value, Choices | Range | Subsets | SubsetOf):
            found.append(_parameter(name, value))
        elif isinstance(value, BaseModel):
            found += _collect(name, value, fixed)
        elif key in spec.model_fields_set or not prefix.startswith("model"):
            fixed[name] = value
    return found


def _parameter(name: str, spec: Any) -> Parameter:
    conditions = tuple(
        Condition(other, above=rule.above) if isinstance(rule, Above) else Condition(other, tuple(rule))
        for other, rule in spec.when.items()
    )
    if isinstance(spec, Choices):
        return Parameter(name, "categorical", tuple(spec.choices), conditions=conditions)
    if isinstance(spec, Range):
        kind = (
            "int"
            if isinstance(spec.low, int) and isinstance(spec.high, int) and name not in _REALS
            else "float"
        )
        return Parameter(
            name, kind, low=spec.low, high=spec.high, step=spec.step or 0.0, log=spec.log, points=spec.points,
            conditions=conditions,
        )  # fmt: skip
    if isinstance(spec, SubsetOf):
        sizes = range(spec.min, (spec.max or len(spec.of)) + 1)
        layers = sorted(set(spec.of))
        sets = [s for size in sizes for s in subsets_of(layers, size)]
    else:
        sets = [tuple(s) for s in spec.subsets]
    return Parameter(name, "subset", tuple(subset_text(s) for s in sets), conditions=conditions)


_REALS = (_SHARE, "system.hbm_gib", "system.host.dram_gib", "system.host.cxl_gib", "system.host.ssd_gib")


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
    amount = next((p for p in parameters if p.name in (_SHARE, _ROWS)), None)
    if amount is None or not any(level == 0 for level in amount.levels()):
        return parameters
    implied = Condition(amount.name, above=0)
    about = [
        replace(p, conditions=(*p.conditions, implied))
        if p is not amount and p.name.startswith((_ENGRAM, _TABLES))
        else p
        for p in parameters
    ]
    # the amount first, so that it is chosen before what depends on it
    return sorted(about, key=lambda p: p.name != amount.name)


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


def _check_model(space: Space, document: Document) -> None:
    """Refuse what no value of the parameters can make right."""
    layers = space.base.layers
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
    if _SHARE in names and space.base.moe is None:
        rule = f"needs a base with experts, but {space.base.name} is dense; give engram_rows instead"
        raise document.error(("model", "engram_share"), rule)
    shaped = [n for n in names if n.startswith(_ENGRAM) and n not in (_SHARE, _ROWS)]
    if shaped and not {_SHARE, _ROWS} & names and space.base.engram is None:
        rule = "has no effect: the base has no Engram; give engram_share or engram_rows too"
        raise document.error(tuple(shaped[0].split(".")), rule)
    if space.base.moe is None and "model.active_experts" in names:
        raise document.error(
            ("model", "active_experts"), f"needs a base with experts, but {space.base.name} is dense"
        )


def _default_fields() -> dict[str, Any]:
    fields: dict[str, Any] = {"system.hbm_gib": None}
    _collect("system.host", HostSpec(), fields)
    _collect("system", SystemSpec(accelerator="h100-sxm"), fields, skip=("host",))
    _collect("serving", ServingSpec(), fields, skip=("phase", "tables"))
    _collect("serving.tables", TablesSpec(), fields)
    _collect("serving.tables.cache", CacheSpec(), fields)
    return fields


_DEFAULTS = _default_fields()
