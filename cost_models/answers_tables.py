"""The questions about tables: where they lie best, what their reads cost, what copies, rows and pools do."""

from dataclasses import replace
from typing import Any

import numpy as np

from cost_models import answers_words as form
from cost_models import cost, tables
from cost_models.answers_words import Answer
from cost_models.catalogue import Catalogue
from cost_models.design import DTYPE_BYTES, Design
from cost_models.document import Result
from cost_models.evaluation import Evaluation, evaluate

_PLACES = {
    "hbm": "accelerator memory",
    "dram": "host memory",
    "cxl": "CXL memory",
    "ssd": "SSD",
    "remote": "remote memory",
}
_SHARING = {"rank": "one per data-parallel rank", "numa": "one per NUMA node", "node": "one per node"}
_ROW_TYPES = ("bf16", "fp8", "nvfp4")


def placement(design: Design, one: Evaluation, catalogue: Catalogue) -> Answer:
    """Every place at its full KV cache, so that freed device memory counts as the sequences it admits."""
    rows = []
    host, shared = design.system.host, _shares_memory(one.result())
    for tier in _PLACES:
        if tier == "dram" and shared:
            continue
        other = _placed(design, tier)
        other = replace(other, serving=replace(other.serving, concurrency=0))
        found = evaluate(other, catalogue)
        room = {
            name: amount for name, amount in found.violations.items() if name in (tier, "kv") and amount > 0
        }
        fits = not room and found.violations["hbm"] <= 0
        rows.append((tier, fits, found))
    fitting = [(tier, found) for tier, fits, found in rows if fits]
    question = "Accelerator memory, host, CXL or disk for this layout?"
    if not fitting:
        return Answer(question, "None of the tiers of this system holds the tables.")
    best = min(fitting, key=lambda row: float(row[1]["cost.usd_per_mtok"]))
    cheapest = float(best[1]["cost.usd_per_mtok"])
    alike = [tier for tier, found in fitting if float(found["cost.usd_per_mtok"]) < 1.01 * cheapest]
    said = ", ".join(
        f"{_PLACES[tier]} {form.price(design, found['cost.usd_per_mtok'])} with "
        f"{form.sequences(found['memory.concurrency'])}"
        for tier, found in fitting
    )
    verdict = " and ".join(_PLACES[tier] for tier in alike)
    there = {"hbm": 1.0, "dram": host.dram_bytes, "cxl": host.cxl_bytes, "ssd": host.ssd_bytes,
             "remote": host.remote_bytes}  # fmt: skip
    full = [_PLACES[tier] for tier, fits, _ in rows if not fits and float(np.asarray(there[tier])) > 0]
    absent = [_PLACES[tier] for tier, fits, _ in rows if not fits and float(np.asarray(there[tier])) == 0]
    rest = f" Too small: {', '.join(full)}." if full else ""
    rest += f" Not in this system: {', '.join(absent)}." if absent else ""
    rest += " Host memory is the same memory." if shared else ""
    return Answer(
        question,
        f"{verdict[:1].upper()}{verdict[1:]} {'cost' if len(alike) > 1 else 'costs'} least per token once each is "
        f"filled with as many sequences as it admits: {said}.{rest}",
    )


def hidden(design: Design, result: Result) -> Answer:
    said = []
    assert design.model.engram is not None
    sets = tables.sets(design.model.engram)
    for name, reads, step, chunks in (
        ("decode step", result.lookup.decode, result.latency.decode_step_s, 1.0),
        (
            "prompt",
            result.lookup.prefill,
            result.latency.prefill_s,
            float(np.asarray(result.steps.prefill_chunks)),
        ),
    ):
        time, stall, window = (float(np.asarray(x)) for x in (reads.time_s, reads.stall_s, reads.window_s))
        if time == 0:
            continue
        share = f"{100 * stall / max(float(np.asarray(step)), 1e-12):.1f} % of it"
        # what the host takes to start reads of disks or of other nodes is waited for whatever the window
        starts = chunks * float(np.asarray(result.parts.engine.host_step))
        starts *= any(np.any(reads.tier_reads.get(tier, 0.0)) for tier in ("ssd", "remote"))
        if stall <= starts * (1 + 1e-9):
            each = " for each layer with tables" if sets > 1 else ""
            own = form.time(time / sets / chunks)
            yes = f"in a {name} yes, {own} of reads{each} against a first window of {form.time(window)}"
            host = f", but the {name} waits {form.time(stall)} ({share}) while the host starts them"
            said.append(yes + (host if stall else ""))
        else:
            late = f"{form.time(stall - starts)} of {form.time(time)} of reads come late"
            late += f" and the host takes {form.time(starts)} to start them" if starts else ""
            said.append(f"in a {name} not all: {late}, so that the {name} waits {form.time(stall)} ({share})")
    mode = "" if np.all(design.serving.tables.prefetch) else " Rows are not prefetched."
    return Answer("Is the lookup hidden behind the layers before it?", form.sentence(said) + mode)


def host_bill(design: Design, result: Result, catalogue: Catalogue) -> Answer:
    one_copy, nodes = tables.table_bytes(design.model), float(np.asarray(design.system.nodes))
    question = "What does host memory cost, copies included?"
    if np.any(result.parts.accelerator.unified_memory):
        sentence = (
            f"Nothing more: one copy is {form.size(one_copy)} of the memory that host and accelerator share."
        )
        return Answer(question, sentence)
    usd = float(np.asarray(result.parts.tiers["dram"].usd_per_byte))
    bills: dict[float, list[str]] = {}
    for sharing, words in _SHARING.items():
        other = _placed(design, "dram", sharing=sharing)
        held = float(np.asarray(evaluate(other, catalogue).result().memory.host_tables["dram"]))
        bills.setdefault(held, []).append(words)
    where, over = ("", "") if nodes == 1 else (" a node", f" on all {nodes:.0f}")
    said = "; ".join(
        f"{' or '.join(words)}: {form.size(held)}{where}, {held * usd * nodes:,.0f} USD{over}"
        for held, words in bills.items()
    )
    included = float(np.asarray(result.parts.tiers["dram"].included_bytes))
    sold = f" {form.size(included)} a node are sold with the accelerators." if included else ""
    return Answer(question, f"One copy is {form.size(one_copy)}. With {said}.{sold}")


def disk(design: Design, catalogue: Catalogue) -> Answer:
    other = _placed(design, "ssd")
    found = evaluate(other, catalogue).result()
    tier, engine = found.parts.tiers["ssd"], found.parts.engine
    depth = engine.io_queue_depth
    rate = min(float(np.asarray(tier.reads_per_s)), depth / float(np.asarray(tier.latency_s)))
    decode, prefill = found.lookup.decode, found.lookup.prefill
    step = float(np.asarray(found.latency.decode_step_s)) or float("inf")
    needed = float(np.asarray(decode.tier_reads.get("ssd", 0.0))) * float(np.asarray(decode.tokens)) / step
    drives = max(float(np.asarray(tier.units)), 1.0)
    said = []
    if needed:
        waits = float(np.asarray(decode.stall_s))
        said.append(
            f"{_do(waits / step)} for decoding, where each step waits {form.time(waits)} on SSD "
            f"({100 * waits / step:.1f} %)"
        )
    if float(np.asarray(prefill.time_s)):
        waits, takes = (float(np.asarray(x)) for x in (prefill.stall_s, found.latency.prefill_s))
        said.append(
            f"{_do(waits / takes)} for a cold prompt, which waits {form.time(waits)} of {form.time(takes)} on SSD "
            f"({100 * waits / takes:.1f} %)"
        )
    asked = f"decoding asks for {needed / 1e3:,.3g} k reads/s; " if needed else ""
    count = f"{drives:.0f} drive{'s' if drives > 1 else ''} give{'s' if drives == 1 else ''}"
    stated = "" if float(np.asarray(design.system.host.ssd_bytes)) else " (none is stated; one is assumed)"
    return Answer(
        "RAM or SSD, for decoding and for a cold prompt?",
        f"{form.sentence(said)} {asked[:1].upper()}{asked[1:]}{count} {rate / 1e3:,.0f} k reads/s at queue depth "
        f"{depth:.0f}{stated}.",
    )


def _do(share: float) -> str:
    return "SSD will do" if share <= form.SMALL_WAIT else "better RAM"


def wear(design: Design, result: Result, catalogue: Catalogue) -> Answer:
    """Tables are only read; what wears a drive is loading them anew."""
    tier, written = result.parts.tiers["ssd"], tables.table_bytes(design.model)
    capacity, rated = float(np.asarray(tier.capacity_bytes)), float(np.asarray(tier.writes_per_day))
    question = "Do the drives wear out?"
    if not rated or not capacity:
        return Answer(question, "Tables are only read; no drive writes are rated for this part.")
    years = cost.ssd_life_years(written, capacity, rated, catalogue)
    return Answer(
        question,
        f"Tables are only read. Written anew once a day ({form.size(written)}), they use up the rated writes of the "
        f"drives in {float(np.asarray(years)):,.0f} years.",
    )


def balance(design: Design, result: Result) -> Answer:
    t = int(np.asarray(design.serving.tensor_parallel))
    if t == 1:
        sentence = "Each rank holds all columns; there is nothing to balance."
    else:
        decode, prefill = (
            float(np.asarray(reads.rank_balance)) for reads in (result.lookup.decode, result.lookup.prefill)
        )
        sentence = (
            f"The rank with the highest orders reads {max(decode, 1.0):.2f} times the mean in decoding and "
            f"{max(prefill, 1.0):.2f} times in prefill, since low orders repeat more within a step."
        )
        if prefill > 1.25:
            sentence += " Deal columns out by head, so that every rank has all orders."
    return Answer("Do table columns balance over tensor-parallel ranks?", sentence)


def quantised(design: Design) -> Answer:
    now, model = tables.table_bytes(design.model), design.model
    said = []
    for dtype in _ROW_TYPES:
        if DTYPE_BYTES[dtype] < DTYPE_BYTES[model.dtype("tables")]:
            other = tables.table_bytes(replace(model, tables_dtype=dtype))
            said.append(
                f"with {dtype} rows a copy is {form.size(now - other)} smaller ({100 * (1 - other / now):.0f} %)"
            )
    return Answer(
        "What do quantised rows save?",
        form.sentence([*said, "check the loss first"])
        if said
        else f"Nothing more: rows are {model.dtype('tables')} already.",
    )


def pool(design: Design, catalogue: Catalogue) -> Answer:
    nodes = cost.pool_break_even_nodes(tables.table_bytes(design.model), catalogue)
    if np.isfinite(nodes):
        sentence = f"From {int(np.asarray(nodes))} nodes that would otherwise each hold a copy in DRAM."
    else:
        sentence = (
            "Never at these prices: its memory, switch and controllers cost more than the copies it saves."
        )
    return Answer("From how many nodes does a CXL pool pay?", sentence)


def unified(design: Design, result: Result) -> Answer:
    if _shares_memory(result):
        sentence = (
            "Host and accelerator are one memory here: "
            "tables in host memory free nothing, only CXL or SSD does."
        )
    else:
        freed = tables.table_bytes(design.model) / float(
            np.asarray(design.serving.tensor_parallel * design.serving.pipeline_parallel)
        )
        sentence = (
            f"Host memory is separate here: moving the tables there frees {form.size(freed)} per accelerator. "
            "On a unified-memory machine it would free nothing."
        )
    return Answer("What changes on a unified-memory machine?", sentence)


def _placed(design: Design, tier: str, **changes: Any) -> Design:
    """The same design with its tables in another tier and no cache."""
    placement = replace(design.serving.tables, tier=tier, cache_tier="", cache_bytes=0.0, **changes)
    return replace(design, serving=replace(design.serving, tables=placement))


def _shares_memory(result: Result) -> bool:
    """Whether host and accelerator have one memory."""
    accelerator = result.parts.accelerator
    return bool(np.any(accelerator.unified_memory) or np.any(accelerator.is_cpu))
