"""A space: which models and which hardware may be chosen, and how values become a design."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cost_models.design import (
    GIB,
    Composition,
    Design,
    Engram,
    Host,
    Limits,
    Model,
    Serving,
    System,
    TablePlacement,
    TrainingRun,
)
from cost_models.errors import InputError
from search_spaces import budget, hardware
from search_spaces.blocks import with_blocks
from search_spaces.fields import COMPOSED, DEFAULTS, EXPERTS, MEDUSA, TABLES
from search_spaces.parameters import Parameter, layers_of
from search_spaces.reading import one_of
from search_spaces.schema import QualitySpec

# Engram's shape in the paper (arXiv 2601.07372, table 1), for bases without one: d_mem = 2 x 8 x 80 = 1280.
_PAPER_SHAPE = {"max_order": 3, "heads": 8, "head_dim": 80}


@dataclass(frozen=True)
class Space:
    """What may be chosen, and what is asked of it.

    objectives: names of `cost_models.OBJECTIVES`, "bits_per_byte" among them where quality is measured.
    constraints: the limits; quality: how the proxy is trained, or None where nothing is; training: the run from
        scratch whose cost counts, or None.
    fixed: the values that are not free, by the names parameters have.
    bases: where model.preset is free, the model of each; `base` is the first of them.
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
    bases: dict[str, Model] = field(default_factory=dict)
    training: TrainingRun | None = None
    _grids: dict[tuple[str, ...], Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Model parameters, then hardware parameters."""
        return self.model_parameters + self.hardware_parameters

    def has(self, name: str) -> bool:
        """Whether the file says anything about a parameter: free, or fixed."""
        return name in self.fixed or any(p.name == name for p in self.parameters)

    def model(self, params: Mapping[str, Any]) -> Model:
        """The model of the `model.*` values, others are ignored. Raises InputError where it is impossible."""
        values = {name: v for name, v in self.fixed.items() if name.startswith("model.")}
        values |= {name: v for name, v in params.items() if name.startswith("model.")}
        own = {name.removeprefix("model."): v for name, v in values.items()}
        base = self.bases[own["preset"]] if "preset" in own else self.base
        if base.moe and "active_experts" in own:
            base = replace(base, moe=replace(base.moe, active_experts=own["active_experts"]))
        base = with_blocks(base, own)
        fields = {k: own[k] for k in _PLAIN_MODEL_FIELDS if k in own}
        base = replace(base, **fields)
        if "composition_experts" in own:
            scale = own.get("composition_router_scale", 1.0)
            return replace(base, composition=Composition(int(own["composition_experts"]), float(scale)))
        if "engram_share" in own:
            share, total = float(own["engram_share"]), own.get("total_parameters")
            return budget.at_equal_budget(base, share, self._engram(base, own), total)
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
        key = self.idle(model)
        if key not in self._grids:
            self._grids[key] = self._grid(key)
        values, fields = self._grids[key]
        if rows is not None:
            values = {name: column[rows] for name, column in values.items()}
            fields = {name: v[rows] if isinstance(v, np.ndarray) else v for name, v in fields.items()}
        return values, self._design(model, fields)

    def designs(self, model: Model, values: Mapping[str, NDArray[Any]]) -> Design:
        """One array design of given hardware values, (designs,) each; None or NaN: does not apply."""
        filled = {}
        for name, column in values.items():
            default = DEFAULTS.get(name)
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
        quality = self.quality and self.quality.model_dump()
        bases = {name: asdict(model) for name, model in self.bases.items()}
        return {
            "text": self.text, "file": self.file, "base": asdict(self.base), "bases": bases, "quality": quality,
        }  # fmt: skip

    def with_quality(self, **changes: Any) -> "Space":
        """The same space with other fields of `quality`. Raises InputError where nothing is trained."""
        if self.quality is None:
            name = next(iter(changes))
            raise InputError(f"{name}: the space {self.name} trains nothing: its model is finished")
        return replace(self, quality=self.quality.model_copy(update=changes))

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
        return DEFAULTS | self.fixed | dict(params)

    @staticmethod
    def idle(model: Model) -> tuple[str, ...]:
        """Beginnings of hardware parameters that mean nothing for a model: it has other combinations than others."""
        without = [
            (TABLES, model.engram is None),
            (MEDUSA, not model.medusa_heads),
            (EXPERTS, model.moe is None),
            (COMPOSED, model.composition is None),
        ]
        return tuple(beginning for beginning, idle in without if idle)

    def _grid(self, idle: tuple[str, ...]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        free = tuple(p for p in self.hardware_parameters if not p.name.startswith(idle))
        codes, _ = hardware.combinations(free)
        count = len(next(iter(codes.values()))) if codes else 1
        # without tables their placement is whatever the file would say first, or fixed; likewise a tree of guesses
        fields = DEFAULTS | self.fixed
        fields |= {k: v for k, v in DEFAULTS.items() if k.startswith(idle)}
        fields |= {p.name: hardware.column(p, codes[p.name], DEFAULTS[p.name]) for p in free}
        mask = hardware.possible(fields, TABLES not in idle, count)
        if not mask.any():
            raise InputError(
                f"{self.file}: no combination of system and serving can exist: tensor x data x pipeline parallel "
                "must divide the accelerators, nodes too, and tables need a tier with capacity"
            )
        fields = {k: v[mask] if isinstance(v, np.ndarray) else v for k, v in fields.items()}
        values = {}
        for p in free:
            column = hardware.column(p, codes[p.name], DEFAULTS[p.name])[mask].astype(object)
            column[codes[p.name][mask] < 0] = None
            values[p.name] = column
        return values, fields

    def _design(self, model: Model, fields: Mapping[str, Any]) -> Design:
        host = {
            "dram_bytes": fields["system.host.dram_gib"] * GIB,
            "cxl_bytes": fields["system.host.cxl_gib"] * GIB,
            "ssd_bytes": fields["system.host.ssd_gib"] * GIB,
            "ssd_drives": fields["system.host.ssd_drives"],
            "sockets": fields["system.host.sockets"],
        } | {k: fields[f"system.host.{k}"] for k in _HOST_NAMES if f"system.host.{k}" in fields}
        hbm = fields["system.hbm_gib"]
        cache = fields["serving.tables.cache.gib"]
        tables = TablePlacement(
            tier=fields["serving.tables.tier"],
            prefetch=fields["serving.tables.prefetch"],
            sharing=fields["serving.tables.sharing"],
            cache_tier=_where(cache, fields["serving.tables.cache.tier"]),
            cache_bytes=cache * GIB,
            cache_policy=fields["serving.tables.cache.policy"],
            traffic=fields["serving.tables.traffic"],
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
        return Design(model, system, serving, self.constraints, self.training)


_PLAIN_MODEL_FIELDS = ("medusa_heads", "weights_dtype", "experts_dtype", "tables_dtype", "kv_dtype")
_HOST_NAMES = ("cpu", "dram_tier", "cxl_tier", "ssd_tier", "remote_tier")
_SERVING_NUMBERS = (
    "tensor_parallel", "expert_parallel", "data_parallel", "pipeline_parallel", "input_tokens",
    "output_tokens", "concurrency", "request_rate", "output_spread", "engine", "routed_experts_on", "attention_on",
    "kv_budget", "kv_window", "kv_pooling", "medusa_tree", "medusa_acceptance", "composition_tier",
    "composition_hot", "composition_popularity", "composition_links", "composition_prefetch",
)  # fmt: skip


def _where(cache: Any, tier: Any) -> Any:
    """The cache's tier, "" where it has no size."""
    if np.ndim(cache) == 0 and np.ndim(tier) == 0:
        return tier if cache else ""
    return np.where(np.asarray(cache) > 0, tier, "")
