"""What was chosen: the figures that matter at a glance, and the design in a table."""

from typing import Any

from codesign.export.expected import doubt
from codesign.export.page.markup import table
from codesign.export.specification import Specification
from codesign.plaintext import count, duration, number, percent, size
from cost_models.design import Model, Serving, System

Document = dict[str, Any]


def tiles(document: Document) -> str:
    """The figures one looks for first; those that do not apply are left out."""
    latency, cost, quality = document["latency"], document["cost"], document["quality"] or {}

    def within(*quantities: str) -> str:
        error = doubt(latency.get("served_error", latency["expected_error"]), *quantities)
        return "" if error is None else f" <i>&plusmn; {percent(error)}</i>"

    rate = within("latency.output_tokens_per_s")
    shown = {
        "bits per byte (proxy)": _plus_minus(quality.get("bits_per_byte"), quality.get("standard_error")),
        "time to first token": duration(latency["ttft_s"]) + within("latency.ttft_s", "latency.prefill_s"),
        "time per output token": duration(latency["tpot_s"]) + within("latency.tpot_s"),
        "output tokens per second": number(latency["output_tokens_per_s"]) + rate,
        "USD per million output tokens": number(cost["usd_per_mtok"]) + rate,  # what a second costs is known
        "capital, USD": number(cost["capex_usd"]),
        "joules per output token": number(document["energy"]["j_per_token"]),
        "KV tokens per accelerator": count(document["memory"]["kv_tokens"]),
    }
    boxes = [
        f'<div class="tile"><b>{text}</b><span>{label}</span></div>'
        for label, text in shown.items()
        if not text.startswith("-")
    ]
    return f'<div class="tiles">{"".join(boxes)}</div>'


def _plus_minus(value: float | None, error: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" + (f" &plusmn; {error:.3f}" if error is not None else "")


def choice(specification: Specification, document: Document) -> str:
    """The design, one row a decision."""
    design = specification.design
    rows = [
        *_model(design.model, document["parameters"]),
        *_tables(design.model, design.serving),
        *_system(design.system),
        *_load(design.serving),
    ]
    return table((), rows, left=(0, 1))


def _model(model: Model, parameters: dict[str, float]) -> list[tuple[str, str]]:
    total, active = count(parameters["total"]), count(parameters["active_per_token"])
    heads = f"{model.attention.heads} heads, {model.attention.kv_heads} of keys and values"
    rows = [
        ("Model", f"{total} parameters, {active} per token, {model.layers} layers of width {model.hidden}"),
        ("Attention", f"{model.attention.kind}, {heads}"),
        (
            "Stored as",
            ", ".join(f"{part} {model.dtype(part)}" for part in ("weights", "experts", "tables", "kv")),
        ),
    ]
    if model.moe:
        moe = model.moe
        experts = f"{moe.active_experts} of {moe.routed_experts} routed, {moe.shared_experts} shared"
        rows.append(("Experts", f"{experts}, of width {moe.expert_width}"))
    if model.engram:
        engram = model.engram
        layers = ", ".join(str(layer) for layer in engram.layer_ids) or "the input"
        orders = f"orders 2 to {engram.max_order}" if engram.max_order > 2 else "order 2"
        shape = f"{orders}, {engram.heads} hash heads of {engram.head_dim} values"
        rows.append(("Engram", f"{count(parameters['tables'])} parameters in layers {layers}; {shape}"))
    return rows


def _tables(model: Model, serving: Serving) -> list[tuple[str, str]]:
    where = serving.tables
    if model.engram is None:
        return []
    words = [
        str(where.tier),
        "prefetched" if where.prefetch else "read when needed",
        *([] if where.tier == "hbm" else [f"a copy per {where.sharing}"]),
    ]
    if where.cache_tier:
        words.append(f"cache of {size(float(where.cache_bytes))} in {where.cache_tier}")
    return [("Tables lie in", ", ".join(words))]


def _system(system: System) -> list[tuple[str, str]]:
    host = system.host
    amounts = (("DRAM", host.dram_bytes), ("CXL", host.cxl_bytes), ("SSD", host.ssd_bytes))
    fitted = ", ".join(f"{size(float(amount))} of {tier}" for tier, amount in amounts if amount)
    return [
        ("Accelerators", f"{system.accelerators} x {system.accelerator} in {system.nodes} node(s)"),
        ("Host memory of a node", fitted or "none asked for"),
    ]


def _load(serving: Serving) -> list[tuple[str, str]]:
    degrees = ("tensor", "expert", "data", "pipeline")
    parallel = ", ".join(f"{name} {getattr(serving, f'{name}_parallel')}" for name in degrees)
    tokens = f"{serving.input_tokens} tokens in, {serving.output_tokens} out"
    phase = f", {serving.phase} only" if serving.phase else ""
    arriving = f"{serving.concurrency} sequences in flight per replica"
    if serving.request_rate:
        arriving = f"{serving.request_rate:g} requests a second"
    return [
        ("Parallel", parallel),
        ("Load", f"{tokens}, {arriving}{phase}"),
    ]
