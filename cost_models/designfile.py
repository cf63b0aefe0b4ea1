"""Design files: YAML -> Design, with every error at its line (`designwriter` is the way back).

model:   {config: FILE} or {preset: NAME}, each with *_dtype, mtp_loaded (served with its drafter), engram_hash_layout;
         or the fields of design.Model; either with composition: {experts, router_scale} (many models of that shape)
system:  accelerator, accelerators, nodes, hbm_gib, host: {*_gib, ssd_drives, cpu, *_tier}
serving: parallel degrees, phase, tokens, concurrency or request_rate, output_spread, waves, engine,
         tables: {tier, prefetch, sharing, traffic, cache}
training: {tokens, tokens_per_parameter, sequences, length, dtype, tables, nodes_per_token, system: as above}
limits:  ttft_s, tpot_s, power_w, capex_usd, usd_per_mtok, bits_per_byte
prices:  {scenario: NAME, set: {KEY: VALUE}}     what the figures were computed with (written by an export)
quality: {bits_per_byte, standard_error, fidelity}                 what was trained (written by an export)
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cost_models import designfields as fields
from cost_models import speculation, traffic
from cost_models.architecture import parameters
from cost_models.design import (
    Attention,
    Composition,
    Design,
    Engram,
    Host,
    Limits,
    MixtureOfExperts,
    Model,
    Serving,
    System,
    TablePlacement,
    TrainingRun,
)
from cost_models.designfields import Rule
from cost_models.errors import InputError
from cost_models.yamlfile import Document, Path_, read

if TYPE_CHECKING:
    from cost_models.catalogue import Catalogue

Rules = dict[str, Rule]

MOST_PARAMETERS = 1e15  # a thousand times the largest model that exists

# Beside `config` or `preset`, a model section may change what a checkpoint's config does not settle.
_BESIDE_A_REFERENCE = (
    "name",
    "mtp_loaded",
    "medusa_heads",
    "weights_dtype",
    "experts_dtype",
    "tables_dtype",
    "kv_dtype",
)
_LAYOUT = "engram_hash_layout"  # likewise, but a field of the tables
_COMPOSED = "composition"  # likewise: many models of that shape
_NO_TABLES = "needs experts without Engram tables: tables of many experts are not modelled"


@dataclass(frozen=True)
class DesignFile:
    """A design, and what its figures were computed with.

    quality: {bits_per_byte, standard_error, fidelity} of the proxy, or None where nothing was trained.
    scenario, overrides: as `load_catalogue` takes them.
    """

    design: Design
    quality: dict[str, Any] | None = None
    scenario: str | None = None
    overrides: dict[str, float | str] = field(default_factory=dict)
    document: Document = field(default=Document(None, ""), compare=False, repr=False)

    def check_prices(self) -> None:
        """Raise InputError, with the line, for a scenario or a figure that the catalogue does not have or take."""
        from cost_models.catalogue import load_catalogue

        settings: list[tuple[Path_, str | None, dict[str, float | str]]] = [
            (("prices", "scenario"), self.scenario, {}),
            *((("prices", "set", key), None, {key: value}) for key, value in self.overrides.items()),
        ]
        for path, scenario, overrides in settings:
            try:
                load_catalogue(scenario, overrides)
            except InputError as error:
                reason = str(error).removeprefix(f"--set {path[-1]}: ").removeprefix("scenario ")
                raise self.document.error(path, reason) from None

    def check_names(self, catalogue: "Catalogue") -> None:
        """Raise InputError, with the line, for a part that the catalogue does not have or that does not go there."""
        host, placement = self.design.system.host, self.design.serving.tables
        checks: list[tuple[Path_, Callable[[], object]]] = [
            (
                ("system", "accelerator"),
                lambda: catalogue.entry("accelerator", str(self.design.system.accelerator)),
            ),
            (("system", "host", "cpu"), lambda: _processor(catalogue, str(host.cpu))),
            *(
                (
                    ("system", "host", f"{slot}_tier"),
                    partial(catalogue.tier_row, slot, getattr(host, f"{slot}_tier")),
                )
                for slot in ("dram", "cxl", "ssd", "remote")
            ),
            (("serving", "tables", "traffic"), lambda: traffic.Profile.load(placement.traffic)),
            (
                ("serving", "medusa_acceptance"),
                lambda: speculation.acceptance(self.design.model, self.design.serving.medusa_acceptance),
            ),
        ]
        for path, check in checks:
            try:
                check()
            except InputError as error:
                field_ = ".".join(map(str, path))
                reason = str(error).removeprefix(f"{field_} ")
                raise InputError(f"{self.document.where(*path)}: {field_}: {reason}") from None


def _processor(catalogue: "Catalogue", name: str) -> None:
    kind = catalogue.entry("accelerator", name).get("kind", "cpu")
    if kind != "cpu":
        processors = [one for one in catalogue.accelerators() if catalogue.row(one).values["is_cpu"]]
        raise InputError(f"must be a processor: {', '.join(processors)}; {name!r} is of kind {kind}")


def read_design(path: str | Path) -> Design:
    """The design of a design file. Raises InputError with file, line and column for whatever is wrong."""
    return read_design_file(path).design


def read_design_file(path: str | Path) -> DesignFile:
    """A design file with its prices and quality. Raises InputError as `read_design`."""
    return design_file(read(path), Path(path).parent)


def design_file(document: Document, folder: Path) -> DesignFile:
    """A design file that has been parsed; paths in it are relative to `folder`. Raises as `read_design`."""
    data = _mapping(document, (), ("model", "system", "serving", "training", "limits", "prices", "quality"))
    if data.get("model") is None:
        raise document.error(("model",), "is missing; name a config, a preset, or give its fields")
    design = Design(
        model=_model(document, folder),
        system=_system(document, folder, ("system",)),
        serving=_serving(document, folder),
        limits=Limits(**_record(document, ("limits",), Limits, fields.LIMITS)),
        training=_training(document, folder),
    )
    prices = _mapping(document, ("prices",), ("scenario", "set"))
    overrides = prices.get("set") or {}
    if not isinstance(overrides, dict):
        rule = "must map figures of the catalogue to values, as memory.dram.usd_per_gb: 22"
        raise document.error(("prices", "set"), f"{rule}, got {_shown(overrides)}")
    for key, value in overrides.items():
        if not isinstance(value, int | float | str) or isinstance(value, bool):
            raise document.error(("prices", "set", key), f"must be a number, got {_shown(value)}")
    scenario = prices.get("scenario")
    if scenario is not None and not isinstance(scenario, str):
        raise document.error(("prices", "scenario"), f"must be a name, got {scenario!r}")
    quality = None
    if data.get("quality") is not None:
        given = _mapping(document, ("quality",), tuple(fields.QUALITY))
        names = [name for name in fields.QUALITY if name != "model_bits_per_byte" or name in given]
        quality = {
            name: _value(document, ("quality", name), fields.QUALITY[name], given.get(name)) for name in names
        }
    return DesignFile(design, quality, scenario, dict(overrides), document)


def _model(document: Document, folder: Path) -> Model:
    path: Path_ = ("model",)
    data = document.data["model"]
    reference = next((key for key in ("config", "preset") if isinstance(data, dict) and key in data), None)
    if reference:
        from cost_models import read_model

        _mapping(document, path, (reference, *_BESIDE_A_REFERENCE, _LAYOUT, _COMPOSED))
        target = data[reference]
        if not isinstance(target, str) or not target or "\0" in target:
            raise document.error((*path, reference), f"must be a name, got {target!r}")
        try:
            model = read_model(str(folder / target) if reference == "config" else target)
        except InputError as error:
            raise InputError(f"{document.where(*path, reference)}: {error}") from None
        changes = {
            key: _value(document, (*path, key), fields.MODEL[key], value)
            for key, value in data.items()
            if key not in (reference, _LAYOUT, _COMPOSED)
        }
        if _LAYOUT in data:
            if model.engram is None:
                raise document.error(
                    (*path, _LAYOUT), f"needs a model with tables, and {model.name} has none"
                )
            layout = _value(document, (*path, _LAYOUT), fields.ENGRAM["hash_layout"], data[_LAYOUT])
            changes["engram"] = dataclasses.replace(model.engram, hash_layout=layout)
        if data.get(_COMPOSED) is not None:
            if model.engram is not None:
                raise document.error((*path, _COMPOSED), _NO_TABLES)
            found = _record(document, (*path, _COMPOSED), Composition, fields.COMPOSITION)
            changes[_COMPOSED] = Composition(**found)
        return dataclasses.replace(model, **changes)
    parts = {
        "attention": Attention, "moe": MixtureOfExperts, "engram": Engram, _COMPOSED: Composition,
    }  # fmt: skip
    rules = {
        "attention": fields.ATTENTION, "moe": fields.MIXTURE_OF_EXPERTS, "engram": fields.ENGRAM,
        _COMPOSED: fields.COMPOSITION,
    }  # fmt: skip
    values = _record(document, path, Model, fields.MODEL, other=(*parts, "config", "preset"))
    for name, record in parts.items():
        if (isinstance(data, dict) and data.get(name) is not None) or name == "attention":
            values[name] = record(**_record(document, (*path, name), record, rules[name]))
    model = Model(**values)
    _check(document, model)
    return model


def _check(document: Document, model: Model) -> None:
    """Refuse a model that cannot exist."""
    attention, moe, engram = model.attention, model.moe, model.engram

    def must(holds: bool, key: str, rule: str) -> None:
        if not holds:
            raise document.error(("model", *key.split(".")), rule)

    must(
        attention.heads % attention.kv_heads == 0,
        "attention.kv_heads",
        f"must divide heads ({attention.heads}), got {attention.kv_heads}",
    )
    for name in ("kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"):
        must(
            attention.kind != "mla" or getattr(attention, name) > 0,
            f"attention.{name}",
            'must be above 0 for kind "mla", got 0',
        )
    if attention.kind == "mla":  # one latent serves all heads, whose width has two parts
        width = attention.qk_nope_head_dim + attention.qk_rope_head_dim
        rule = f'must be heads ({attention.heads}) for kind "mla", got {attention.kv_heads}'
        must(attention.kv_heads == attention.heads, "attention.kv_heads", rule)
        rule = f"must be qk_nope_head_dim + qk_rope_head_dim ({width}), got {attention.head_dim}"
        must(attention.head_dim == width, "attention.head_dim", rule)
    needed: dict[str, tuple[str, ...]] = {
        "csa": ("q_lora_rank", "o_lora_rank", "sliding_window", "index_topk"),
        "linear": ("linear_key_heads", "linear_key_dim", "linear_value_dim"),
    }
    for kind, wanted in (("csa", attention.kind == "csa"), ("linear", attention.linear_value_heads > 0)):
        for name in needed[kind] if wanted else ():
            rule = f"must be above 0 for {kind} attention, got 0"
            must(getattr(attention, name) > 0, f"attention.{name}", rule)
    if attention.kind == "csa":
        must(
            attention.kv_heads == 1,
            "attention.kv_heads",
            f"must be 1 for csa attention, got {attention.kv_heads}",
        )
    must(
        all(layer < model.layers for layer in attention.full_attention_layers),
        "attention.full_attention_layers",
        f"must lie below layers ({model.layers}), got {list(attention.full_attention_layers)}",
    )
    if moe:
        must(
            moe.active_experts <= moe.routed_experts,
            "moe.active_experts",
            f"must be <= routed_experts ({moe.routed_experts}), got {moe.active_experts}",
        )
        must(
            moe.leading_dense_layers <= model.layers,
            "moe.leading_dense_layers",
            f"must be <= layers ({model.layers}), got {moe.leading_dense_layers}",
        )
    must(
        model.dense_width > 0 or (moe is not None and moe.leading_dense_layers == 0 and moe.layer_step == 1),
        "dense_width",
        "must be above 0 where a layer is dense, got 0",
    )
    if engram:
        ids = engram.layer_ids
        must(
            engram.input_only or (len(set(ids)) == len(ids) > 0 and max(ids) < model.layers),
            "engram.layer_ids",
            f"must be different layers from 0 to {model.layers - 1}, got {list(ids)}",
        )
    must(engram is None or model.composition is None, _COMPOSED, _NO_TABLES)
    try:
        total = parameters(model).total
    except InputError as error:
        raise InputError(f"{document.where('model')}: {error}") from None
    must(
        total <= MOST_PARAMETERS,
        "name",
        f"stands for {total:.3g} parameters; at most {MOST_PARAMETERS:g} may be",
    )


def _training(document: Document, folder: Path) -> TrainingRun | None:
    if document.data.get("training") is None:
        return None
    path: Path_ = ("training",)
    values = _record(document, path, TrainingRun, fields.TRAINING, other=("system",))
    if _get(document, (*path, "system")) is not None:
        values["system"] = _system(document, folder, (*path, "system"))
    run = TrainingRun(**values)
    if run.sequences % int(run.system.accelerators):
        rule = f"must be a multiple of the {run.system.accelerators} accelerators, got {run.sequences}"
        raise document.error((*path, "sequences"), rule)
    return run


def _system(document: Document, folder: Path, path: Path_) -> System:
    values = _record(document, path, System, fields.SYSTEM, other=("host",))
    host = _record(document, (*path, "host"), Host, fields.HOST)
    for part in (values, host):  # a user's hardware file is found from the design file, wherever one works
        part |= {
            name: str((folder / value).resolve())
            for name, value in part.items()
            if isinstance(value, str) and value.endswith((".yaml", ".yml"))
        }
    return System(**values, host=Host(**host))


def _serving(document: Document, folder: Path) -> Serving:
    values = _record(document, ("serving",), Serving, fields.SERVING, other=("tables",))
    path: Path_ = ("serving", "tables")
    tables = _record(document, path, TablePlacement, fields.TABLES, other=("cache",))
    if tables.get("traffic", "") not in ("", *traffic.shipped()):  # found from the design file
        tables["traffic"] = str((folder / tables["traffic"]).resolve())
    cache = _get(document, (*path, "cache"))
    if cache is not None:
        _mapping(document, (*path, "cache"), ("tier", "gib", "policy"))
        for key in ("tier", "gib"):
            if key not in cache:
                raise document.error((*path, "cache", key), "is missing; a cache has a tier and a size")
        tables |= _record(document, (*path, "cache"), TablePlacement, fields.CACHE)
    serving = Serving(**values, tables=TablePlacement(**tables))
    if serving.request_rate:
        place = ("serving", "request_rate")
        if "concurrency" in values:
            raise document.error(place, "stands beside concurrency, which follows from it; give one of them")
        if serving.phase:
            raise document.error(place, f"needs a whole request mix, and phase is {serving.phase}")
    return serving


def _record(
    document: Document, path: Path_, record: type, rules: Rules, other: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The values of one section as keyword arguments of `record`; what is left out keeps its default."""
    keys = {rule.key or name: name for name, rule in rules.items()}
    data = _mapping(document, path, (*keys, *other))
    values = {
        keys[key]: _value(document, (*path, key), rules[keys[key]], value)
        for key, value in data.items()
        if key in keys
    }
    for spec in dataclasses.fields(record):
        required = spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING
        if required and spec.name in rules and spec.name not in values:
            key = rules[spec.name].key or spec.name
            raise document.error((*path, key), f"is missing; it {rules[spec.name].sentence()}")
    return values


def _get(document: Document, path: Path_) -> Any:
    value = document.data
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _mapping(document: Document, path: Path_, allowed: tuple[str, ...]) -> dict[str, Any]:
    """The mapping at `path`, empty where it is absent or null; refuses fields that are not `allowed`."""
    data = _get(document, path)
    if data is None and path:
        return {}
    if not isinstance(data, dict):
        named = "" if path else f" ({', '.join(allowed)})"
        got = "nothing" if data is None else _shown(data)
        raise document.error(path, f"must be a mapping of fields{named}, got {got}")
    for key in data:
        if key not in allowed:
            close = get_close_matches(str(key), allowed, 1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(allowed)}"
            raise document.error((*path, key), f"is not a known field; {hint}")
    return data


def _value(document: Document, path: Path_, rule: Rule, value: Any) -> Any:
    if value is None and rule.null != "refused":
        return rule.null
    if not _holds(rule, value):
        close = get_close_matches(value, rule.choices, 1) if isinstance(value, str) else []
        hint = f"; did you mean {close[0]}?" if close else ""
        raise document.error(path, f"{rule.sentence()}, got {_shown(value)}{hint}")
    if rule.kind == "integers":
        return tuple(value)
    return float(value) * rule.scale if rule.kind == "number" else value


def _holds(rule: Rule, value: Any) -> bool:
    if rule.kind == "flag":
        return isinstance(value, bool)
    if rule.kind == "text":
        return isinstance(value, str) and (value in rule.choices if rule.choices else len(value) <= 4096)
    if rule.kind == "integers":
        one = dataclasses.replace(rule, kind="integer")
        return isinstance(value, list) and len(value) <= 4096 and all(_holds(one, item) for item in value)
    kinds = (int,) if rule.kind == "integer" else (int, float)
    if not isinstance(value, kinds) or isinstance(value, bool):
        return False
    return rule.low <= value <= rule.high and value > rule.above and math.isfinite(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
