"""Quantities of reference cases that no evaluation has: "function.NAME" in references/*.yaml."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from cost_models import composition, cost, csa, memory, tables, traffic
from cost_models.architecture import mtp_parameters, parameters
from cost_models.catalogue import Catalogue
from cost_models.design import Design
from cost_models.evaluation import evaluate
from cost_models.operators import operators

Quantity = Callable[[Design | None, Catalogue, dict[str, Any]], float]


def compute(name: str, design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    """The quantity of that name, in SI units."""
    return float(_ALL[name](design, catalogue, arguments))


def _needed(design: Design | None) -> Design:
    if design is None:
        raise ValueError("this quantity needs a design")
    return design


def _backbone(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    """Parameters beside the tables."""
    model = _needed(design).model
    return parameters(model).total - parameters(model).tables


def _checkpoint(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    """Parameters of a checkpoint: the model, its tables and its prediction layers."""
    model = _needed(design).model
    return parameters(model).total + mtp_parameters(model)


def _mtp(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    return mtp_parameters(_needed(design).model)


def _but_embedding(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    """Parameters without embedding and output head."""
    counted = parameters(_needed(design).model)
    return counted.total - counted.by_part["embedding"] - counted.by_part["lm_head"]


def _active(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    """Weights that a token of a phase is multiplied with; those of the last token alone only in decoding."""
    table = operators(_needed(design).model)
    runs = getattr(table, arguments["phase"]) & ((arguments["phase"] == "decode") | ~table.last_token)
    return float((table.count * table.flops)[runs].sum() / 2)


def _flops_per_token(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    """FLOPs per token of so many forward passes over a prompt, causal attention included."""
    table, tokens = operators(_needed(design).model), arguments["tokens"]
    seen = np.where(table.window > 0, np.minimum(table.window, tokens), tokens)
    pairs = seen - 0.5 * seen * seen / tokens
    flops = table.count * (table.flops + table.context_flops * pairs)
    return float(arguments["passes"] * flops[table.prefill].sum())


def _kv_bytes(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    return memory.kv_bytes_per_token(_needed(design).model)


def _global_kv(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    """KV cache of one token beside the windows."""
    return csa.cache_bytes_per_token(_needed(design).model)


def _table_rows(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    """Rows of one set of tables."""
    return float(tables.rows(_needed(design).model)[arguments["set"]].sum())


def _row_bytes(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    return tables.row_bytes(_needed(design).model)


def _table_bytes(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    return tables.table_bytes(_needed(design).model)


def _page_amplification(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    """Bytes that a tier reads per byte of the rows asked for, decode step."""
    one = _needed(design)
    reads = evaluate(one, catalogue).result().lookup.decode
    tier = arguments["tier"]
    return float(reads.tier_bytes[tier] / (reads.tier_reads[tier] * tables.row_bytes(one.model)))


def _unique_ratio(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    """Rows that a chunk of a prompt reads of one order over those of another, duplicates removed."""
    one = _needed(design)
    profile = traffic.Profile.load(one.serving.tables.traffic)
    rows = tables.rows(one.model)[0].mean(axis=-1)
    reads = [
        float(profile.unique_fraction(order, rows[order - 2], arguments["tokens"]))
        for order in arguments["orders"]
    ]
    return reads[0] / reads[1]


def _pool_saving(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    return float(cost.pool_saving_usd(arguments["table_bytes"], arguments["nodes"], catalogue))


def _pool_pays(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    """1 where a pool is cheaper than a copy in every node, else 0."""
    return float(arguments["nodes"] >= cost.pool_break_even_nodes(arguments["table_bytes"], catalogue))


def _kv_saving(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    """KV bytes of a sequence with the whole prompt over those with the budget's positions."""
    one = _needed(design)
    held = [
        memory.kv_bytes_per_sequence(replace(one, serving=replace(one.serving, kv_budget=budget)))
        for budget in (0, arguments["budget"])
    ]
    return float(held[0] / held[1])


def _medusa_loses(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    """1 where a token takes longer with the heads than without them, else 0."""
    one = _needed(design)
    plain = replace(one, model=replace(one.model, medusa_heads=0))
    times = [float(evaluate(each, catalogue)["latency.tpot_s"]) for each in (one, plain)]
    return float(times[0] > times[1])


def _footprint(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    """Machines whose accelerator memory, with nothing held back, has room for the experts that so many TiB hold."""
    one = _needed(design)
    size = composition.expert_bytes(one.model)
    near = catalogue.parts(one.system).accelerator.memory_bytes * one.system.accelerators
    return float(np.ceil(np.floor(arguments["host_tib"] * 2**40 / size) / np.floor(near / size)))


def _fits(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    """1 where the design is feasible, else 0."""
    return float(evaluate(_needed(design), catalogue).feasible)


def _request(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    """Seconds from a request to its last token."""
    one = _needed(design)
    found = evaluate(one, catalogue)
    return float(found["latency.ttft_s"] + (one.serving.output_tokens - 1) * found["latency.tpot_s"])


def _accelerator_hour(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    """Dollars per accelerator and busy hour: capital, maintenance and electricity."""
    one = _needed(design)
    result = evaluate(one, catalogue).result()
    per_token = result.cost.usd_per_mtok / 1e6
    return float(per_token * result.latency.output_tokens_per_s * 3600 / one.system.accelerators)


def _accelerator_watts(design: Design | None, catalogue: Catalogue, arguments: dict[str, Any]) -> float:
    """Draw of one accelerator while serving, without host and facility."""
    one = _needed(design)
    result = evaluate(one, catalogue).result()
    parts = result.energy.by_part
    joules = sum(parts[name] for name in ("compute", "memory", "links", "accelerators_static"))
    return float(np.asarray(joules * result.latency.output_tokens_per_s / one.system.accelerators))


_ALL: dict[str, Quantity] = {
    "backbone_parameters": _backbone,
    "checkpoint_parameters": _checkpoint,
    "mtp_parameters": _mtp,
    "parameters_but_embedding": _but_embedding,
    "active_parameters": _active,
    "flops_per_token": _flops_per_token,
    "kv_bytes_per_token": _kv_bytes,
    "global_kv_bytes": _global_kv,
    "table_rows": _table_rows,
    "row_bytes": _row_bytes,
    "table_bytes": _table_bytes,
    "page_amplification": _page_amplification,
    "unique_ratio": _unique_ratio,
    "pool_saving_usd": _pool_saving,
    "pool_pays": _pool_pays,
    "kv_saving": _kv_saving,
    "medusa_loses": _medusa_loses,
    "footprint": _footprint,
    "fits": _fits,
    "request_s": _request,
    "accelerator_hour_usd": _accelerator_hour,
    "accelerator_watts": _accelerator_watts,
}
