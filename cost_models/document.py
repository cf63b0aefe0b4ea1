"""The JSON document of `codesign evaluate`, from what the models said of a design."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cost_models import constants, kv_compression, latency, tables
from cost_models.architecture import parameters
from cost_models.carbon import Carbon
from cost_models.catalogue.hypothetical import is_varied
from cost_models.composition import Composed, total_parameters
from cost_models.cost import Cost
from cost_models.design import Design, Number
from cost_models.energy import Energy
from cost_models.kv_compression import Compression
from cost_models.latency import Latency, Steps
from cost_models.lookup import Lookup, Reads
from cost_models.memory import Memory, layout_reasons
from cost_models.parts import Parts
from cost_models.speculation import Speculation
from cost_models.training_cost import TrainingCost

# Figures of each record by their names in the document: those that arrays of designs are compared by ...
_FIGURES = {
    "memory": ("hbm_bytes", "weights_bytes", "tables_bytes", "kv_bytes_available", "kv_tokens", "concurrency"),
    "latency": (
        "ttft_s", "tpot_s", "decode_step_s", "prefill_s", "output_tokens_per_s",
        "output_tokens_per_s_per_accelerator",
    ),
    "energy": ("j_per_token", "average_w", "peak_w"),
    "cost": ("usd_per_mtok", "capex_usd", "opex_usd_per_year"),
    "carbon": ("operational_g_per_mtok", "embodied_kg"),
    "speculation": ("accepted_tokens",),
    "kv_compression": ("retained_score", "bits_factor"),
}  # fmt: skip
# Of models that are a composition alone: what arrays are compared by, and all of it.
_COMPOSED = ("hot_experts", "hit_rate", "switch_s", "wait_s")
_COMPOSED_DETAILS = ("distinct_experts", "group", "miss_rate", "expert_bytes", "host_bytes", "switched_bytes")
_READS = ("time_s", "stall_s", "hit_rate")
# ... and those that explain one design.
_DETAILS = {
    "memory": (
        "capacity_bytes", "cache_bytes", "activations_bytes", "reserve_bytes", "kv_bytes_per_token",
        "copies_per_node",
    ),
    "cost": ("usd_per_mtok_blended",),
    "speculation": ("tokens_per_step",),
    "kv_compression": ("kept_share", "selection_s", "score_spread"),
}  # fmt: skip
_READS_DETAILS = ("unique_fraction", "window_s", "rank_balance")


_LIMITED = {
    "ttft_s": "latency.ttft_s",
    "tpot_s": "latency.tpot_s",
    "power_w": "energy.peak_w",
    "capex_usd": "cost.capex_usd",
    "usd_per_mtok": "cost.usd_per_mtok",
}


@dataclass(frozen=True)
class Result:
    """What each model said of a design (or of several)."""

    parts: Parts
    memory: Memory
    steps: Steps
    lookup: Lookup
    latency: Latency
    energy: Energy
    cost: Cost
    carbon: Carbon
    speculation: Speculation
    kv_compression: Compression
    composition: Composed | None = None
    training: TrainingCost | None = None


def columns(design: Design, result: Result) -> dict[str, Number]:
    """The figures that designs are compared by, by their place in the document: scalars or (designs,)."""
    found = _of_records(result, _FIGURES)
    reads = main_reads(design, result)
    found.update({f"lookup.{name}": getattr(reads, name) for name in _READS})
    if result.composition is not None:
        found.update({f"composition.{name}": getattr(result.composition, name) for name in _COMPOSED})
    found.update({f"violations.{name}": amount for name, amount in result.memory.violations.items()})
    if result.training is not None:
        found["training.training_usd"] = result.training.training_usd
        found["training.training_days"] = result.training.training_days
        found["violations.training"] = result.training.short_bytes
    for name, figure in _LIMITED.items():
        limit = getattr(design.limits, name)
        if limit is not None:
            found[f"violations.{name}"] = found[figure] - limit
    return found


def _details(design: Design, result: Result) -> dict[str, Number]:
    found = _of_records(result, _DETAILS)
    found.update({f"memory.host.{tier}_bytes": held for tier, held in result.memory.host_tables.items()})
    found["memory.host.dram_bytes"] = (
        result.memory.host_tables["dram"] + result.memory.host_experts + result.memory.host_kv
    )
    found["memory.host.experts_bytes"] = result.memory.host_experts  # of these
    found["memory.host.kv_bytes"] = result.memory.host_kv
    reads = main_reads(design, result)
    found.update({f"lookup.{name}": getattr(reads, name) for name in _READS_DETAILS})
    for phase in ("decode", "prefill"):
        one = getattr(result.lookup, phase)
        found.update({f"lookup.{phase}.{name}": getattr(one, name) for name in ("time_s", "stall_s")})
        found.update({f"lookup.{phase}.reads.{tier}": reads for tier, reads in one.tier_reads.items()})
    if result.composition is not None:
        found.update({f"composition.{name}": getattr(result.composition, name) for name in _COMPOSED_DETAILS})
    for name, value in result.energy.by_part.items():
        found[f"energy.by_part.{name}"] = value
    for name, value in result.cost.by_part.items():
        found[f"cost.by_part.{name}"] = value
    return found


def _of_records(result: Result, names: dict[str, tuple[str, ...]]) -> dict[str, Number]:
    return {
        f"{section}.{name}": getattr(getattr(result, section), name)
        for section, each in names.items()
        for name in each
    }


def document(design: Design, result: Result, quality: Any = None) -> dict[str, Any]:
    """The document of one scalar design; a figure that does not apply is None."""
    found: dict[str, Any] = {"feasible": True, "violations": {}, "parameters": _parameters(design)}
    for name, value in (columns(design, result) | _details(design, result)).items():
        *path, key = name.split(".")
        section = found
        for step in path:
            section = section.setdefault(step, {})
        section[key] = _plain(value)
    _leave_out(design, found)
    _accelerations(design, result, found)
    _composition(design, found)
    found["lookup"]["reads_per_token"] = result.lookup.reads_per_token
    found["lookup"]["bytes_per_token"] = result.lookup.bytes_per_token
    found["tables"] = _tables(design)
    found["breakdown"] = breakdown(design, result)
    found["training"] = None if result.training is None else _training(result.training)
    found["quality"] = _quality(quality, float(np.asarray(result.kv_compression.bits_factor)))
    if design.limits.bits_per_byte is not None and found["quality"] is not None:
        excess = found["quality"]["bits_per_byte"] - float(np.asarray(design.limits.bits_per_byte))
        found["violations"]["bits_per_byte"] = excess
    found["reasons"] = layout_reasons(design)
    found["feasible"] = all(amount <= 0 for amount in found["violations"].values())
    of_steps = float(constants.expected_error(str(result.parts.accelerator.name), is_varied(design.system)))
    found["latency"]["expected_error"] = of_steps
    if not design.serving.phase:
        engine = str(design.serving.engine)
        found["latency"]["engine"] = engine or None
        # engines were measured where steps are known; elsewhere a request is no better known than its steps
        found["latency"]["served_error"] = max(of_steps, constants.serving_error(engine))
    found["sources"] = list(dict.fromkeys(result.parts.sources))
    return found


def main_reads(design: Design, result: Result) -> Reads:
    """The phase that the document's lookup section describes: decode, unless only prefill was asked for."""
    return result.lookup.prefill if design.serving.phase == "prefill" else result.lookup.decode


def breakdown(design: Design, result: Result) -> list[dict[str, Any]]:
    """Operators of one decode step (of the prefill for phase "prefill"), then what the tables and host add.

    The times add up to latency.decode_step_s (prefill_s).
    """
    rows = latency.breakdown(result.steps)
    stall = float(np.asarray(main_reads(design, result).stall_s))
    if stall:
        tier = str(design.serving.tables.tier)
        rows.append(_row("table rows waited for", stall, tier))
    chosen = float(np.asarray(result.kv_compression.selection_s))
    if chosen and design.serving.phase == "prefill":
        rows.append(_row("KV positions chosen", chosen, "memory"))
    composed = result.composition
    if composed is not None and design.serving.phase == "prefill":
        own = design.model.composition
        assert own is not None
        read = float(np.asarray(result.steps.prefill_s)) * own.router_scale / (1.0 + own.router_scale)
        rows += [_row("router reads the prompt", read, "compute")] if read else []
        waits = float(np.asarray(composed.wait_s))
        rows += [_row("expert loaded", waits, str(design.serving.composition_tier))] if waits else []
    if not design.serving.phase:
        rows.append(_row("host between steps", float(np.asarray(result.steps.host_s)), "overhead"))
    return rows


def _row(operator: str, time_s: float, bound: str) -> dict[str, Any]:
    return {
        "operator": operator,
        "layer_group": "",
        "flops": 0.0,
        "bytes": 0.0,
        "time_s": time_s,
        "bound": bound,
    }


def _parameters(design: Design) -> dict[str, int]:
    count = parameters(design.model)
    return {
        "total": round(total_parameters(design.model, count.total)),
        "active_per_token": count.active_per_token,
        "tables": count.tables,
        "experts": count.experts,
    }


def _tables(design: Design) -> list[dict[str, Any]]:
    engram = design.model.engram
    if engram is None:
        return []
    row = tables.row_bytes(design.model)
    layers = engram.layer_ids[: tables.sets(engram)] or (0,)
    return [
        {
            "layer": layer,
            "orders": list(tables.orders(engram)),
            "heads": engram.heads,
            "rows": int(rows),
            "row_bytes": row,
            "bytes": float(rows) * row,
            "tier": str(design.serving.tables.tier),
        }
        for layer, rows in zip(layers, tables.rows(design.model).sum(axis=(1, 2)), strict=True)
    ]


def _training(cost: TrainingCost) -> dict[str, Any]:
    found = asdict(cost) | {"sequences_at_once": cost.micro}
    del found["micro"], found["short_bytes"]  # the violation
    return {name: None if value == "" else value for name, value in found.items()}


def _leave_out(design: Design, found: dict[str, Any]) -> None:
    """None where a figure does not apply: a phase not asked for, a model without tables, no cache."""
    phase = design.serving.phase
    if phase == "prefill":
        found["latency"].update(tpot_s=None, decode_step_s=None)
        found["lookup"]["decode"] = None
    if phase == "decode":
        found["latency"].update(ttft_s=None, prefill_s=None)
        found["lookup"]["prefill"] = None
    if design.model.engram is None:
        found["lookup"] = dict.fromkeys(found["lookup"])
    elif not design.serving.tables.cache_tier:
        found["lookup"]["hit_rate"] = None


def _accelerations(design: Design, result: Result, found: dict[str, Any]) -> None:
    """What speculation and a KV budget are and rest on; None without them."""
    guessed, serving = result.speculation.acceptance, design.serving
    if guessed is None or serving.phase == "prefill":
        found["speculation"] = None
    else:
        found["speculation"] |= {
            "heads": design.model.medusa_heads,
            "acceptance": guessed.name,
            "source": guessed.source,
        }
    if not serving.kv_budget:
        found["kv_compression"] = None
    else:
        asked = {name: int(getattr(serving, f"kv_{name}")) for name in ("budget", "window", "pooling")}
        found["kv_compression"] |= asked | {"source": kv_compression.source()}


def _composition(design: Design, found: dict[str, Any]) -> None:
    """What a composition is; None for any other model."""
    own = design.model.composition
    if own is None:
        found["composition"] = None
        return
    found["composition"] |= {
        "experts": own.experts,
        "router_scale": own.router_scale,
        "popularity": float(np.asarray(design.serving.composition_popularity)),
        "tier": str(design.serving.composition_tier),
    }


def _quality(quality: Any, factor: float) -> dict[str, Any] | None:
    """bits_per_byte as served, with a cut KV cache; model_bits_per_byte as the proxy has it.

    A quality that was documented before has both, and gives the same again.
    """
    if quality is None:
        return None
    get = quality.get if isinstance(quality, dict) else lambda name: getattr(quality, name, None)
    own = get("model_bits_per_byte")
    own = get("bits_per_byte") if own is None else own
    return {
        "bits_per_byte": None if own is None else own * factor, "model_bits_per_byte": own,
        "standard_error": get("standard_error"), "fidelity": get("fidelity"),
    }  # fmt: skip


def _plain(value: Any) -> Any:
    number = float(np.asarray(value))
    return number if np.isfinite(number) else None
