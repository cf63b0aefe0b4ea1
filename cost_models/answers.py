"""The questions that deployers of table models ask, answered in words from an evaluation.

Every answer is computed: alternatives (another tier, another row type, half the load) are evaluated like any
other design. Questions in the order in which they come up in the issue trackers of the engines.
"""

from dataclasses import replace

import numpy as np

from cost_models import answers_acceleration as acceleration
from cost_models import answers_composition, answers_tables, arrivals, tables
from cost_models import answers_words as form
from cost_models.answers_words import Answer as Answer
from cost_models.catalogue import Catalogue
from cost_models.design import Design
from cost_models.document import Result, breakdown
from cost_models.evaluation import Evaluation, evaluate
from cost_models.memory import layout_reasons
from cost_models.training_cost import TrainingCost

_READING_S = 0.1  # per output token: ten tokens a second, faster than people read
_FIRST_TOKEN_S = 1.0  # that people wait for without a thought


def answers(evaluation: Evaluation, i: int | None = None) -> list[Answer]:
    """The answers for one scalar design (number i of an array); those about tables only where it has some."""
    design, catalogue = evaluation.one(i), evaluation.catalogue
    result, one = evaluation.result(i), evaluate(design, catalogue)
    found = [_fits(design, one), _binds(design, result, one, catalogue)]
    if arrivals.are_open(design.serving):
        design = arrivals.closed(design, one["memory.concurrency"])  # whose load the others change
    if design.model.engram is not None:
        found[1:1] = [
            answers_tables.placement(design, one, catalogue),
            answers_tables.hidden(design, result),
            answers_tables.host_bill(design, result, catalogue),
            answers_tables.disk(design, catalogue),
            answers_tables.balance(design, result),
            answers_tables.quantised(design),
            answers_tables.pool(design, catalogue),
            answers_tables.unified(design, result),
        ]
        if "ssd" in (design.serving.tables.tier, design.serving.tables.cache_tier):
            found.insert(5, answers_tables.wear(design, result, catalogue))
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
    left = f"{form.count(one['memory.kv_tokens'])} KV tokens remain per accelerator"
    served = form.sequences(one["memory.concurrency"]) + " per replica"
    asked = ""
    if arrivals.are_open(design.serving):
        rate = float(np.asarray(design.serving.request_rate))
        able = rate - float(one["violations.requests"])
        asked = f"; it can answer {form.digits(able)} requests a second, and {form.digits(rate)} arrive"
    if not broken:
        sentence = (
            f"Yes: {left} ({form.size(one['memory.kv_bytes_available'])}), and it serves {served}{asked}."
        )
    else:
        uneven = layout_reasons(design)
        amounts = [
            f"{name} by {form.amount(name, amount)}"
            for name, amount in broken.items()
            if name != "layout" or not uneven
        ]
        said = [*(["it breaks " + ", ".join(amounts)] if amounts else []), *uneven]
        sentence = f"No: {'; '.join(said)}{asked}; {left}."
    return Answer("Does it fit, and how many KV tokens are left?", sentence)


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
        if waits >= form.SMALL_WAIT:
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
            before, after = form.time(one["latency.tpot_s"]), form.time(more["latency.tpot_s"])
            times = f", at {after} per output token instead of {before}"
        said.append(
            f"nothing yet: serve {form.sequences(more['memory.concurrency'])} per replica for "
            f"{form.price(design, price)}{times}"
        )
    best = ""
    for words, other in _purchases(design, result):
        found = _fuller(other, slowest, catalogue)
        if found is not None and float(found["cost.usd_per_mtok"]) < 0.99 * price:
            best, price = words, float(found["cost.usd_per_mtok"])
    if best:
        said.append(f"{'then ' if said else ''}{best} ({form.price(design, price)})")
    if not said:
        return (
            "Nothing on offer lowers the cost per token: device memory, compute, host memory for the tables."
        )
    return form.sentence(["buy " + said[0], *said[1:]])


def _slowest(design: Design, one: Evaluation) -> float:
    """Seconds per output token that more sequences may lead to: the design's limit, or reading speed."""
    limit = design.limits.tpot_s
    if limit is not None:
        return float(np.asarray(limit))
    return max(_READING_S, float(np.asarray(one["latency.tpot_s"])))


def _fuller(design: Design, slowest: float, catalogue: Catalogue) -> Evaluation | None:
    """The cheapest number of sequences from one to a full KV cache that keeps the limits; None where none does."""
    if arrivals.are_open(design.serving):  # the load is what arrives
        given = evaluate(design, catalogue)
        return given if given.feasible and float(given["latency.tpot_s"]) <= slowest else None
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
    if "host" in (design.serving.routed_experts_on, design.serving.attention_on):
        more = replace(host, sockets=int(np.asarray(result.parts.node.numa_nodes)) + 1)
        bought = replace(system, host=more)
        found.append(("another processor with its memory channels", replace(design, system=bought)))
    if design.model.engram is not None and tables_at.tier != "dram":
        room = max(float(np.asarray(host.dram_bytes)), tables.table_bytes(design.model))
        moved = replace(
            design.serving, tables=replace(tables_at, tier="dram", cache_tier="", cache_bytes=0.0)
        )
        bought = replace(system, host=replace(host, dram_bytes=room))
        found.append(("host memory for the tables", replace(design, system=bought, serving=moved)))
    return found


def _trained(design: Design, cost: TrainingCost) -> Answer:
    assert design.training is not None
    count, part = (
        int(np.asarray(design.training.system.accelerators)),
        str(design.training.system.accelerator),
    )
    where = {"hbm": ", its tables sharded over all of them", "dram": ", its tables in host memory", "": ""}
    fits = "" if cost.short_bytes <= 0 else f" It does not fit: {form.size(cost.short_bytes)} are lacking."
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
        else f" A first request then takes {form.time(one['latency.ttft_s'])}."
    )
    if design.model.engram is not None and design.serving.tables.cache_tier:
        cold = replace(design.serving.tables, cache_bytes=0.0)
        empty = evaluate(replace(design, serving=replace(design.serving, tables=cold)), one.catalogue)
        if design.serving.phase != "decode":
            first = f" A first request with an empty cache takes {form.time(empty['latency.ttft_s'])}."
    return Answer(
        "How long until the first answer?",
        f"Loading {form.size(ranks + held)} per node takes {form.time(seconds)} from drives of "
        f"{drives / 1e9:.0f} GB/s{stated}.{first}",
    )
