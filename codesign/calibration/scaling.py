"""From a design to what this host can run of it, by a written rule, and the design that is then predicted.

1.  The model keeps its layers, widths and tables where they fit. Where weights take more than `weight_bytes`, all
    widths are divided by one number (heads, hidden and inner widths; head_dim stays), then layers are left out, those
    with tables last.
2.  Tables keep orders, heads and layers; rows are left out until all fit in `table_bytes`. A row keeps its bytes.
3.  What the engine does not have is replaced by the nearest thing that costs as much or more: latent attention by
    grouped-query attention with as many heads, residual branches by one, sliding windows by full attention.
4.  One processor serves: no parallel ranks. Prompts, answers and sequences are cut to the limits below.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codesign.proxy.config import ProxyConfig
from cost_models import architecture, tables
from cost_models.design import Attention, Design, Engram, Host, Model, System, TablePlacement
from cost_models.errors import InputError

VOCAB = 32768  # of the bundled text's tokenizer, whose stream is replayed
_MOST_INPUT, _MOST_OUTPUT, _MOST_SEQUENCES = 512, 32, 16
_DIVISORS = (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32)


@dataclass(frozen=True)
class Room:
    """What a measurement may take: bytes of weights in memory, of tables in memory or on the drive."""

    weight_bytes: float = 1.2e9
    table_bytes: float = 1.5e9


@dataclass(frozen=True)
class Scaled:
    """What is built, and how it differs from what was asked for.

    changes: sentences for people; empty where the design runs as it is.
    """

    design: Design
    config: ProxyConfig
    changes: tuple[str, ...]


def scale(design: Design, hardware: Path, room: Room | None = None) -> Scaled:
    """The design that this host runs: the same kind of model on the calibrated hardware file.

    Raises InputError for tables in a tier that no single host has.
    """
    room = room or Room()
    model, changes = _model(design.model, room)
    serving, placement = design.serving, design.serving.tables
    if model.engram is not None and str(placement.tier) == "remote":
        raise InputError(
            "serving.tables.tier: remote cannot be measured on one host; choose dram, ssd or hbm"
        )
    limits = (
        ("input_tokens", _MOST_INPUT),
        ("output_tokens", _MOST_OUTPUT),
        ("concurrency", _MOST_SEQUENCES),
    )
    cut: dict[str, Any] = {name: min(int(getattr(serving, name)), most) for name, most in limits}
    changes += [
        f"{name} {getattr(serving, name)} -> {cut[name]}"
        for name, most in limits
        if getattr(serving, name) > most
    ]
    tier, cache_tier = str(placement.tier), str(placement.cache_tier)
    if model.engram is not None and tier in ("hbm", "cxl"):
        changes.append(f"tables in {tier} lie in this host's DRAM")
        tier = "dram"
    cache_bytes = float(placement.cache_bytes) if cache_tier else 0.0
    if cache_bytes and design.model.engram is not None:
        share = tables.rows(model).sum() / tables.rows(design.model).sum()
        cache_bytes *= min(1.0, float(share) * tables.row_bytes(model) / tables.row_bytes(design.model))
    path = str(hardware.resolve())
    held = architecture.parameters(model).total * 2.0
    host = Host(
        dram_bytes=4 * held, ssd_bytes=2 * held, ssd_drives=1, dram_tier=path, ssd_tier=path,
        cpu=design.system.host.cpu,
    )  # fmt: skip
    serving = replace(
        serving, tensor_parallel=1, expert_parallel=1, data_parallel=1, pipeline_parallel=1, kv_budget=0,
        phase="", prefill_chunk=max(int(serving.prefill_chunk), _MOST_INPUT), **cut,
        tables=TablePlacement(
            tier=tier, prefetch=bool(placement.prefetch), traffic=placement.traffic,
            cache_tier="dram" if cache_bytes and tier == "ssd" else "", cache_bytes=cache_bytes,
        ),
    )  # fmt: skip
    built = Design(model=model, system=System(accelerator=path, accelerators=1, host=host), serving=serving)
    return Scaled(built, config_of(model), tuple(changes))


def config_of(model: Model) -> ProxyConfig:
    """The transformer that has exactly the operators of a model that `scale` made."""
    moe, layers = model.moe, range(model.layers)
    with_experts = [architecture.is_expert_layer(model, layer) for layer in layers]
    return ProxyConfig(
        vocab=model.vocab, layers=model.layers, hidden=model.hidden,
        heads=model.attention.heads, kv_heads=model.attention.kv_heads, head_dim=model.attention.head_dim,
        dense_width=tuple(0 if sparse else model.dense_width for sparse in with_experts),
        experts=tuple(moe.routed_experts if moe and sparse else 0 for sparse in with_experts),
        active_experts=moe.active_experts if moe else 0, expert_width=moe.expert_width if moe else 0,
        shared_width=tuple(architecture.shared_width(model) if sparse else 0 for sparse in with_experts),
        engram=model.engram, tied_embeddings=model.tied_embeddings,
    )  # fmt: skip


def _model(model: Model, room: Room) -> tuple[Model, list[str]]:
    plain, changes = _simplified(model)
    small = plain
    for divisor in _DIVISORS:
        small = _narrower(plain, divisor)
        if _weight_bytes(small) <= room.weight_bytes:
            break
    if small.hidden != plain.hidden:
        changes.append(f"hidden {plain.hidden} -> {small.hidden}, other widths likewise")
    while _weight_bytes(small) > room.weight_bytes and small.layers > 2:
        small = _shallower(small)
    if small.layers != plain.layers:
        changes.append(f"layers {plain.layers} -> {small.layers}")
    return _fewer_rows(small, room, changes), changes


def _simplified(model: Model) -> tuple[Model, list[str]]:
    a, changes = model.attention, []
    attention = replace(a, sliding_window=0, full_attention_layers=(), qk_norm=False, bias=False)
    if a.kind == "mla":
        attention = Attention("gqa", a.heads, a.heads, a.v_head_dim)
        changes.append("latent attention is built with whole heads")
    if a.sliding_window:
        changes.append("sliding windows are built as full attention")
    if model.hyper_connections > 1:
        changes.append(f"residual branches {model.hyper_connections} -> 1")
    if model.vocab != VOCAB:
        changes.append(f"vocabulary {model.vocab} -> {VOCAB}")
    types = {model.dtype(part) for part in ("weights", "experts", "tables", "kv")}
    if types != {"bf16"}:
        changes.append(f"{', '.join(sorted(types - {'bf16'}))} is built as bf16")
    engram = model.engram and replace(
        model.engram, scale_bytes_per_row=0.0, rows_multiple_of=1, row_rule="prime", hash_layout="independent"
    )
    if model.engram and model.engram.hash_layout != "independent":
        changes.append("blocked tables are built with independent heads")
    plain = replace(
        model, vocab=VOCAB, attention=attention, hyper_connections=1, engram=engram, weights_dtype="bf16",
        experts_dtype="", tables_dtype="", kv_dtype="", mtp_layers=0, medusa_heads=0, whole_backbone=False,
        workspace_bytes_per_token=0.0,
    )  # fmt: skip
    return plain, changes


def _narrower(model: Model, divisor: float) -> Model:
    if divisor == 1:
        return model
    a, moe = model.attention, model.moe
    kv_heads = max(1, round(a.kv_heads / divisor))
    heads = kv_heads * max(1, round(a.heads / divisor / kv_heads))
    width = lambda value: max(64, round(value / divisor / 64) * 64) if value else 0  # noqa: E731
    return replace(
        model, hidden=width(model.hidden), dense_width=width(model.dense_width),
        attention=replace(a, heads=heads, kv_heads=kv_heads),
        moe=moe and replace(
            moe, expert_width=width(moe.expert_width), shared_expert_width=width(moe.shared_expert_width)
        ),
    )  # fmt: skip


def _shallower(model: Model) -> Model:
    """One layer less: the last one without tables."""
    with_tables = () if model.engram is None or model.engram.input_only else model.engram.layer_ids
    free = [layer for layer in range(model.layers) if layer not in with_tables]
    if not free:
        raise InputError(f"{model.name}: every layer has tables, and it is too large to run here as it is")
    gone = free[-1]
    engram = model.engram and replace(
        model.engram, layer_ids=tuple(layer - (layer > gone) for layer in model.engram.layer_ids)
    )
    moe = model.moe and replace(
        model.moe, leading_dense_layers=min(model.moe.leading_dense_layers, model.layers - 2)
    )
    return replace(model, layers=model.layers - 1, engram=engram, moe=moe)


def _fewer_rows(model: Model, room: Room, changes: list[str]) -> Model:
    engram: Engram | None = model.engram
    if engram is None:
        return model
    held = float(tables.rows(model).sum()) * tables.row_bytes(model)
    if held <= room.table_bytes:
        return model
    rows = max(16, int(engram.vocab_size * room.table_bytes / held))
    changes.append(f"rows of a table {engram.vocab_size} -> {rows}")
    return replace(model, engram=replace(engram, vocab_size=rows))


def _weight_bytes(model: Model) -> float:
    counted = architecture.parameters(model)
    return 2.0 * (counted.total - counted.tables)
