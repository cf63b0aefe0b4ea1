"""Fields of a space file as free parameters and fixed values, both by their place: "system.host.dram_gib"."""

from itertools import combinations
from typing import Any

from pydantic import BaseModel

from cost_models.design import Host
from search_spaces.parameters import Condition, Parameter, subset_text
from search_spaces.schema import (
    Above,
    CacheSpec,
    Choices,
    HostSpec,
    Range,
    ServingSpec,
    SubsetOf,
    Subsets,
    SystemSpec,
    TablesSpec,
)

TABLES, ENGRAM, MEDUSA = "serving.tables.", "model.engram_", "serving.medusa_"
EXPERTS = "serving.routed_"
COMPOSED = "serving.composition_"
SHARE, ROWS = "model.engram_share", "model.engram_rows"
PRESET, COMPOSITION = "model.preset", "model.composition_experts"


def collect(
    prefix: str, spec: BaseModel, fixed: dict[str, Any], skip: tuple[str, ...] = ()
) -> list[Parameter]:
    """The free parameters of a section; its fixed values go into `fixed`, those of the model only where given."""
    found: list[Parameter] = []
    for key in type(spec).model_fields:
        value, name = getattr(spec, key), f"{prefix}.{key}"
        if key in skip or value is None:
            continue
        if isinstance(value, Choices | Range | Subsets | SubsetOf):
            found.append(_parameter(name, value))
        elif isinstance(value, BaseModel):
            found += collect(name, value, fixed)
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
        sets = [s for size in sizes for s in combinations(layers, size)]
    else:
        sets = [tuple(s) for s in spec.subsets]
    return Parameter(name, "subset", tuple(subset_text(s) for s in sets), conditions=conditions)


# bounds of these may be written as whole numbers, they are real numbers all the same
_REALS = (
    SHARE, "model.composition_router_scale", "serving.composition_popularity", "system.hbm_gib",
    "system.host.dram_gib", "system.host.cxl_gib", "system.host.ssd_gib",
)  # fmt: skip


def _defaults() -> dict[str, Any]:
    host = Host()
    names = ("cpu", "dram_tier", "cxl_tier", "ssd_tier", "remote_tier")
    fields: dict[str, Any] = {"system.hbm_gib": None}
    fields |= {f"system.host.{name}": getattr(host, name) for name in names}
    collect("system.host", HostSpec(), fields)
    collect("system", SystemSpec(accelerator="h100-sxm"), fields, skip=("host",))
    collect("serving", ServingSpec(), fields, skip=("phase", "tables"))
    collect("serving.tables", TablesSpec(), fields)
    collect("serving.tables.cache", CacheSpec(), fields)
    return fields


DEFAULTS = _defaults()
