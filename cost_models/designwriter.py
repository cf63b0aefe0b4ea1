"""A design as the text of a design file; reading it back gives an equal design, to the last bit.

Sizes are written in GiB: a division by a power of two, which loses nothing. Floats are written in full.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from cost_models import designfields as fields
from cost_models.design import Design, TablePlacement
from cost_models.designfields import Rule
from cost_models.errors import InputError

_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_WORDS_OF_YAML = {"null", "true", "false"}


def write_design(
    design: Design,
    quality: Mapping[str, Any] | None = None,
    scenario: str | None = None,
    overrides: Mapping[str, float | str] | None = None,
) -> str:
    """The YAML text of one scalar design with every field explicit; the rest as in `designfile.DesignFile`.

    Raises InputError where a field holds an array of several designs.
    """
    model, system, serving = design.model, design.system, design.serving
    lines = ["model:", *_block(model, fields.MODEL)]
    lines += ["  attention:", *_block(model.attention, fields.ATTENTION, 4)]
    lines += ["  moe:", *_block(model.moe, fields.MIXTURE_OF_EXPERTS, 4)] if model.moe else []
    lines += ["  engram:", *_block(model.engram, fields.ENGRAM, 4)] if model.engram else []
    if model.composition:
        lines += ["  composition:", *_block(model.composition, fields.COMPOSITION, 4)]
    lines += ["system:", *_block(system, fields.SYSTEM), "  host:", *_block(system.host, fields.HOST, 4)]
    load = dict(fields.SERVING)
    del load["concurrency" if _one(serving.request_rate, "request_rate") else "request_rate"]
    lines += ["serving:", *_block(serving, load)]
    lines += ["  tables:", *_block(serving.tables, fields.TABLES, 4), *_cache(serving.tables)]
    if design.training is not None:
        run = design.training
        lines += [
            "training:",
            *_block(run, fields.TRAINING),
            "  system:",
            *_block(run.system, fields.SYSTEM, 4),
        ]
        lines += ["    host:", *_block(run.system.host, fields.HOST, 6)]
    limits = [line for line in _block(design.limits, fields.LIMITS) if not line.endswith(": null")]
    lines += ["limits:", *limits] if limits else []
    if scenario is not None or overrides:
        lines += ["prices:", f"  scenario: {_scalar(scenario)}"]
        lines += ["  set:"] if overrides else []
        lines += [f"    {_scalar(str(key))}: {_scalar(value)}" for key, value in (overrides or {}).items()]
    if quality is not None:
        lines += [
            "quality:",
            *(f"  {name}: {_scalar(quality[name])}" for name in fields.QUALITY if name in quality),
        ]
    return "\n".join(lines) + "\n"


def _block(record: Any, rules: dict[str, Rule], indent: int = 2) -> list[str]:
    return [
        f"{' ' * indent}{rule.key or name}: {_field(getattr(record, name), rule, name)}"
        for name, rule in rules.items()
    ]


def _cache(tables: TablePlacement) -> list[str]:
    tier, size, policy = (_field(getattr(tables, name), rule, name) for name, rule in fields.CACHE.items())
    if (tier, size) == ("null", "0"):
        return []
    return [f"    cache: {{tier: {tier}, gib: {size}, policy: {policy}}}"]


def _field(value: Any, rule: Rule, name: str) -> str:
    value = _one(value, name)
    if value is None or (value == "" and rule.choices):
        return "null"
    if rule.kind == "integers":
        return f"[{', '.join(str(int(item)) for item in value)}]"
    return _scalar(value / rule.scale if rule.scale != 1 else value)


def _one(value: Any, name: str) -> Any:
    """The plain Python value of a scalar or of an array with one element."""
    if isinstance(value, np.ndarray | np.generic):
        if value.size != 1:
            raise InputError(f"{name} holds {value.size} designs; write one of them at a time")
        return value.reshape(-1)[0].item()
    return value


def _scalar(value: Any) -> str:
    value = _one(value, "value")
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, int):
        return str(value)
    if _BARE.fullmatch(value) and value.lower() not in _WORDS_OF_YAML:
        return str(value)
    return json.dumps(value, ensure_ascii=False) if value.isprintable() else _escaped(value)


def _escaped(text: str) -> str:
    return '"' + "".join(c if " " <= c <= "~" and c not in '"\\' else f"\\U{ord(c):08x}" for c in text) + '"'
