"""The questions that deployers of table models ask, answered in words from an evaluation.

Every answer is computed: alternatives (another tier, another row type, half the load) are evaluated like any
other design. Questions in the order in which they come up in the issue trackers of the engines.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cost_models import answers_acceleration as acceleration
from cost_models import answers_composition, cost, tables
from cost_models.catalogue import Catalogue
from cost_models.design import DTYPE_BYTES, GIB, Design
from cost_models.document import Result, breakdown
from cost_models.evaluation import Evaluation, evaluate
from cost_models.memory import layout_reasons
from cost_models.training_cost import TrainingCost

_PLACES = {
    "hbm": "accelerator memory",
    "dram": "host memory",
    "cxl": "CXL memory",
    "ssd": "SSD",
    "remote": "remote memory",
}
_SHARING = {"rank": "one per data-parallel rank", "numa": "one per NUMA node", "node": "one per node"}
_READING_S = 0.1  # per output token: ten tokens a second, faster than people read
_FIRST_TOKEN_S = 1.0  # that people wait for without a thought
_SMALL_WAIT = 0.05  # share of a step or prompt that a deployer would not notice
_ROW_TYPES = ("bf16", "fp8", "nvfp4")


@dataclass(frozen=True)
class Answer:
    """One question and its answer, a sentence or two."""

    question: str
    sentence: str


def answers(evaluation: Evaluation, i: int | None = None) -> list[Answer]:
    """The answers for one scalar design (number i of an array); those about tables only where it has some."""
    design, catalogue = evaluation.one(i), evaluation.catalogue
    result, one = evaluation.result(i), evaluate(design, catalogue)
    found = [_fits(design, one), _binds(design, result, one, catalogue)]
    if design.model.engram is not None:
        found[1:1] = [
            _placement(design, one, catalogue),
            _hidden(design, result),
            _host_bill(design, result, catalogue),
            _disk(design, catalogue),
            _balance(design, result),
            _quantised(design),
            _pool(design, catalogue),
            _unified(design, result),
        ]
        if "ssd" in (design.serving.tables.tier, design.serving.tables.cache_tier):
            found.insert(5, _wear(design, result, catalogue))
    if design.model.medusa_heads and design.serving.phase != "prefill":
        found.append(Answer("Do the Medusa heads pay?", acceleration.guesses(design, result, catalogue)))
    if design.serving.kv_budget:
        sentence = acceleration.cut_cache(design, result, one, catalogue)
        found.append(Answer("What does the cut KV cache save and cost?", sentence))
    if "host" in (design.serving.routed_experts_on, design.serving.attention_on):
        found.append(Answer("Does computing on the host pay?", acceleration.on_host(design, one, catalogue)))
    if design.model.composition is not None:
        sentence = answers_composition.experts(design, result, catalogue)
        found.insert(1, Answer("Which experts are hot, and who waits for one?", sentence))
    if result.training is not None:
        found.append(_trained(design, result.training))
    found.append(_loading(design, result, one))
    return found


def text(evaluation: Evaluation, i: int | None = None) -> str:
    """All answers as text: a question a line, its answer indented below."""
    return "\n".join(f"{answer.question}\n    {answer.sentence}" for answer in answers(evaluation, i))


def _fits(design: Design, one: Evaluation) -> Answer:
    broken = {name: float(amount) for name, amount in one.violations.items() if amount > 0}
    left = f"{_count(one['memory.kv_tokens'])} KV tokens remain per accelerator"
    served = _sequences(one["memory.concurrency"]) + " per replica"
    if not broken:
        sentence = f"Yes: {left} ({_size(one['memory.kv_bytes_available'])}), and it serves {served}."
    else:
        uneven = layout_reasons(design)
        amounts = [
            f"{name} by {_amount(name, amount)}"
            for name, amount in broken.items()
            if name != "layout" or not uneven
        ]
        said = [*(["it breaks " + ", ".join(amounts)] if amounts else []), *uneven]
        sentence = f"No: {'; '.join(said)}; {left}."
    return Answer("Does it fit, and how many KV tokens are left?", sentence)


def _placement(design: Design, one: Evaluation, catalogue: Catalogue) -> Answer:
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
        f"{_PLACES[tier]} {_price(design, found['cost.usd_per_mtok'])} with "
        f"{_sequences(found['memory.concurrency'])}"
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


def _hidden(design: Design, result: Result) -> Answer:
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
        share = stall / max(float(np.asarray(step)), 1e-12)
        if stall == 0:
            each = " for each layer with tables" if sets > 1 else ""
            own = _time(time / sets / chunks)
            said.append(f"in a {name} yes, {own} of reads{each} against a first window of {_time(window)}")
        else:
            said.append(
                f"in a {name} not all: {_time(time)} of reads, and the {name} waits {_time(stall)} "
                f"({100 * share:.1f} % of it)"
            )
    mode = "" if np.all(design.serving.tables.prefetch) else " Rows are not prefetched."
    return Answer("Is the lookup hidden behind the layers before it?", _sentence(said) + mode)


def _host_bill(design: Design, result: Result, catalogue: Catalogue) -> Answer:
    one_copy, nodes = tables.table_bytes(design.model), float(np.asarray(design.system.nodes))
    question = "What does host memory cost, copies included?"
    if np.any(result.parts.accelerator.unified_memory):
        sentence = (
            f"Nothing more: one copy is {_size(one_copy)} of the memory that host and accelerator share."
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
        f"{' or '.join(words)}: {_size(held)}{where}, {held * usd * nodes:,.0f} USD{over}"
        for held, words in bills.items()
    )
    included = float(np.asarray(result.parts.tiers["dram"].included_bytes))
    sold = f" {_size(included)} a node are sold with the accelerators." if included else ""
    return Answer(question, f"One copy is {_size(one_copy)}. With {said}.{sold}")


def _disk(design: Design, catalogue: Catalogue) -> Answer:
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
            f"{_do(waits / step)} for decoding, where each step waits {_time(waits)} on SSD "
            f"({100 * waits / step:.1f} %)"
        )
    if float(np.asarray(prefill.time_s)):
        waits, takes = (float(np.asarray(x)) for x in (prefill.stall_s, found.latency.prefill_s))
        said.append(
            f"{_do(waits / takes)} for a cold prompt, which waits {_time(waits)} of {_time(takes)} on SSD "
            f"({100 * waits / takes:.1f} %)"
        )
    asked = f"decoding asks for {needed / 1e3:,.3g} k reads/s; " if needed else ""
    count = f"{drives:.0f} drive{'s' if drives > 1 else ''} give{'s' if drives == 1 else ''}"
    stated = "" if float(np.asarray(design.system.host.ssd_bytes)) else " (none is stated; one is assumed)"
    return Answer(
        "RAM or SSD, for decoding and for a cold prompt?",
        f"{_sentence(said)} {asked[:1].upper()}{asked[1:]}{count} {rate / 1e3:,.0f} k reads/s at queue depth "
        f"{depth:.0f}{stated}.",
    )


def _do(share: float) -> str:
    return "SSD will do" if share <= _SMALL_WAIT else "better RAM"


def _wear(design: Design, result: Result, catalogue: Catalogue) -> Answer:
    """Tables are only read; what wears a drive is loading them anew."""
    tier, written = result.parts.tiers["ssd"], tables.table_bytes(design.model)
    capacity, rated = float(np.asarray(tier.capacity_bytes)), float(np.asarray(tier.writes_per_day))
    question = "Do the drives wear out?"
    if not rated or not capacity:
        return Answer(question, "Tables are only read; no drive writes are rated for this part.")
    years = cost.ssd_life_years(written, capacity, rated, catalogue)
    return Answer(
        question,
        f"Tables are only read. Written anew once a day ({_size(written)}), they use up the rated writes of the "
        f"drives in {float(np.asarray(years)):,.0f} years.",
    )


def _balance(design: Design, result: Result) -> Answer:
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


def _quantised(design: Design) -> Answer:
    now, model = tables.table_bytes(design.model), design.model
    said = []
    for dtype in _ROW_TYPES:
        if DTYPE_BYTES[dtype] < DTYPE_BYTES[model.dtype("tables")]:
            other = tables.table_bytes(replace(model, tables_dtype=dtype))
            said.append(
                f"with {dtype} rows a copy is {_size(now - other)} smaller ({100 * (1 - other / now):.0f} %)"
            )
    return Answer(
        "What do quantised rows save?",
        _sentence([*said, "check the loss first"])
        if said
        else f"Nothing more: rows are {model.dtype('tables')} already.",
    )


def _binds(design: Design, result: Result, one: Evaluation, catalogue: Catalogue) -> Answer:
    shares: dict[str, float] = {}
    for row in breakdown(design, result):
        bound = "table rows" if row["operator"] == "table rows waited for" else row["bound"]
        shares[bound] = shares.get(bound, 0.0) + row["time_s"]
    total = sum(shares.values()) or 1.0
    said = ", ".join(
        f"{name} {100 * time / total:.0f} %"
        for name, time in sorted(shares.items(), key=lambda share: -share[1])
        if time >= 0.005 * total
    )
    kind = "prompt" if design.serving.phase == "prefill" else "decode step"
    question, others = "What binds, and what should the next dollar buy?", ""
    if not design.serving.phase:
        tpot, step = float(np.asarray(result.latency.tpot_s)), float(np.asarray(result.latency.decode_step_s))
        waits = 1.0 - step / float(np.asarray(result.speculation.accepted_tokens)) / tpot
        if waits >= _SMALL_WAIT:
            others = f" Prompts of other requests take {100 * waits:.0f} % of the time per output token."
    if layout_reasons(design):
        said_next = "Mend what does not divide first."
    else:
        said_next = _next_step(design, result, one, catalogue)
    return Answer(question, f"Of a {kind}: {said}.{others} {said_next}")


def _next_step(design: Design, result: Result, one: Evaluation, catalogue: Catalogue) -> str:
    """The free step first: more sequences. Then the purchase that lowers the cost per token most beyond it."""
    price = float(np.asarray(one["cost.usd_per_mtok"])) if one.feasible else float("inf")
    slowest = _slowest(design, one)
    said = []
    more = _fuller(design, slowest, catalogue)
    if more is not None and float(more["cost.usd_per_mtok"]) < 0.99 * price:
        price = float(more["cost.usd_per_mtok"])
        times = ""
        if design.serving.phase != "prefill":
            before, after = _time(one["latency.tpot_s"]), _time(more["latency.tpot_s"])
            times = f", at {after} per output token instead of {before}"
        said.append(
            f"nothing yet: serve {_sequences(more['memory.concurrency'])} per replica for "
            f"{_price(design, price)}{times}"
        )
    best = ""
    for words, other in _purchases(design, result):
        found = _fuller(other, slowest, catalogue)
        if found is not None and float(found["cost.usd_per_mtok"]) < 0.99 * price:
            best, price = words, float(found["cost.usd_per_mtok"])
    if best:
        said.append(f"{'then ' if said else ''}{best} ({_price(design, price)})")
    if not said:
        return (
            "Nothing on offer lowers the cost per token: device memory, compute, host memory for the tables."
        )
    return _sentence(["buy " + said[0], *said[1:]])


def _slowest(design: Design, one: Evaluation) -> float:
    """Seconds per output token that more sequences may lead to: the design's limit, or reading speed."""
    limit = design.limits.tpot_s
    if limit is not None:
        return float(np.asarray(limit))
    return max(_READING_S, float(np.asarray(one["latency.tpot_s"])))


def _fuller(design: Design, slowest: float, catalogue: Catalogue) -> Evaluation | None:
    """The cheapest number of sequences from one to a full KV cache that keeps the limits; None where none does."""
    most = evaluate(replace(design, serving=replace(design.serving, concurrency=0)), catalogue)
    counts = np.unique(np.geomspace(1, max(float(np.asarray(most["memory.concurrency"])), 1), 33).astype(int))
    many = evaluate(replace(design, serving=replace(design.serving, concurrency=counts)), catalogue)
    right = many.feasible & (many["latency.tpot_s"] <= slowest)
    if design.model.composition is not None:
        # groups of experts wait for each other, which the time of a token does not show
        now = float(evaluate(design, catalogue)["latency.ttft_s"])
        right &= many["latency.ttft_s"] <= max(now, _FIRST_TOKEN_S)
    if not np.any(right):
        return None
    best = int(np.argmin(np.where(right, many["cost.usd_per_mtok"], np.inf)))
    return evaluate(many.one(best), catalogue)


def _purchases(design: Design, result: Result) -> list[tuple[str, Design]]:
    """What a deployer can buy, in words and as a design."""
    system, tables_at = design.system, design.serving.tables
    held, host = float(np.asarray(result.parts.accelerator.memory_bytes)), design.system.host

    found = [
        (
            "accelerators with half as much memory again and the bandwidth of its stacks, were they made",
            replace(design, system=replace(system, hbm_bytes=1.5 * held)),
        ),
        (
            "accelerators with a quarter more peak compute, were they made",
            replace(design, system=replace(system, peak_scale=1.25)),
        ),
    ]
    if design.model.engram is not None and tables_at.tier != "dram":
        room = max(float(np.asarray(host.dram_bytes)), tables.table_bytes(design.model))
        moved = replace(
            design.serving, tables=replace(tables_at, tier="dram", cache_tier="", cache_bytes=0.0)
        )
        bought = replace(system, host=replace(host, dram_bytes=room))
        found.append(("host memory for the tables", replace(design, system=bought, serving=moved)))
    return found


def _pool(design: Design, catalogue: Catalogue) -> Answer:
    nodes = cost.pool_break_even_nodes(tables.table_bytes(design.model), catalogue)
    if np.isfinite(nodes):
        sentence = f"From {int(np.asarray(nodes))} nodes that would otherwise each hold a copy in DRAM."
    else:
        sentence = (
            "Never at these prices: its memory, switch and controllers cost more than the copies it saves."
        )
    return Answer("From how many nodes does a CXL pool pay?", sentence)


def _unified(design: Design, result: Result) -> Answer:
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
            f"Host memory is separate here: moving the tables there frees {_size(freed)} per accelerator. "
            "On a unified-memory machine it would free nothing."
        )
    return Answer("What changes on a unified-memory machine?", sentence)


def _trained(design: Design, cost: TrainingCost) -> Answer:
    assert design.training is not None
    count, part = (
        int(np.asarray(design.training.system.accelerators)),
        str(design.training.system.accelerator),
    )
    where = {"hbm": ", its tables sharded over all of them", "dram": ", its tables in host memory", "": ""}
    fits = "" if cost.short_bytes <= 0 else f" It does not fit: {_size(cost.short_bytes)} are lacking."
    return Answer(
        "What does training it cost?",
        f"{cost.tokens / 1e9:,.4g} billion tokens take {cost.training_days:,.3g} days of {count} x {part}"
        f"{where[cost.tables]}, and {cost.training_usd:,.0f} USD; {cost.bound} binds.{fits}",
    )


def _loading(design: Design, result: Result, one: Evaluation) -> Answer:
    per_node = float(np.asarray(design.system.accelerators / design.system.nodes))
    ranks = per_node * float(np.asarray(result.memory.weights_bytes))
    held = sum(float(np.asarray(x)) for name, x in result.memory.host_tables.items() if name != "ssd")
    held += per_node * float(np.asarray(result.memory.tables_bytes)) + float(
        np.asarray(result.memory.host_experts)
    )
    drives = float(np.asarray(result.parts.tiers["ssd"].bandwidth))
    stated = (
        "" if float(np.asarray(design.system.host.ssd_bytes)) else " (no drive is stated; one is assumed)"
    )
    seconds = (ranks + held) / drives
    first = (
        ""
        if design.serving.phase == "decode"
        else f" A first request then takes {_time(one['latency.ttft_s'])}."
    )
    if design.model.engram is not None and design.serving.tables.cache_tier:
        cold = replace(design.serving.tables, cache_bytes=0.0)
        empty = evaluate(replace(design, serving=replace(design.serving, tables=cold)), one.catalogue)
        if design.serving.phase != "decode":
            first = f" A first request with an empty cache takes {_time(empty['latency.ttft_s'])}."
    return Answer(
        "How long until the first answer?",
        f"Loading {_size(ranks + held)} per node takes {seconds:,.0f} s from drives of "
        f"{drives / 1e9:.0f} GB/s{stated}.{first}",
    )


def _placed(design: Design, tier: str, **changes: Any) -> Design:
    """The same design with its tables in another tier and no cache."""
    placement = replace(design.serving.tables, tier=tier, cache_tier="", cache_bytes=0.0, **changes)
    return replace(design, serving=replace(design.serving, tables=placement))


def _sentence(parts: list[str]) -> str:
    joined = "; ".join(parts)
    return joined[:1].upper() + joined[1:] + "."


def _shares_memory(result: Result) -> bool:
    """Whether host and accelerator have one memory."""
    accelerator = result.parts.accelerator
    return bool(np.any(accelerator.unified_memory) or np.any(accelerator.is_cpu))


def _price(design: Design, usd: Any) -> str:
    """Dollars per million tokens; of prompts where only prefill is asked for."""
    amount = float(np.asarray(usd))
    unit = "million prompts" if design.serving.phase == "prefill" else "Mtok"
    return f"{amount:,.0f} USD/{unit}" if amount >= 1000 else f"{amount:.3g} USD/{unit}"


def _size(value: Any) -> str:
    return f"{float(np.asarray(value)) / GIB:,.1f} GiB"


def _sequences(value: Any) -> str:
    count = float(np.asarray(value))
    return f"{count:,.0f} sequence{'' if count == 1 else 's'}"


def _count(value: Any) -> str:
    return f"{float(np.asarray(value)):,.0f}"


def _time(value: Any) -> str:
    seconds = float(np.asarray(value))
    for unit, scale in (("s", 1.0), ("ms", 1e3)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def _amount(name: str, amount: float) -> str:
    if name in ("hbm", "kv", "dram", "cxl", "ssd", "remote"):
        return _size(amount)
    return _time(amount) if name.endswith("_s") else f"{amount:,.3g}"
