"""Do guessed tokens, a cut KV cache, the host's processors pay? In words, against the same design without them."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cost_models import kv_compression
from cost_models.catalogue import Catalogue
from cost_models.design import Design
from cost_models.document import Result
from cost_models.evaluation import Evaluation, evaluate


def guesses(design: Design, result: Result, catalogue: Catalogue) -> str:
    """What the Medusa heads yield, by whose figures, and up to how many sequences they pay."""
    guessed = result.speculation
    assert guessed.acceptance is not None
    nodes = int(np.asarray(guessed.tokens_per_step)) - 1
    most = max(1, int(float(evaluate(_served(design, 0), catalogue)["memory.concurrency"])))
    asked = min(most, max(1, int(float(np.asarray(result.memory.concurrency)))))
    counts = np.unique(np.append(2 ** np.arange(int(np.log2(most)) + 1), [asked, most]))
    gains = _tpot(_without_heads(_served(design, counts)), catalogue) / _tpot(
        _served(design, counts), catalogue
    )
    now = float(gains[counts == asked][0])
    paying = counts[gains > 1]
    if not len(paying):
        until = "they pay at no number of sequences"
    elif paying.max() == most:
        until = f"they pay up to the {most:,} sequences that fit a replica"
    else:
        until = f"they pay up to about {paying.max():,} sequences a replica, of {most:,} that fit"
    return (
        f"{'Yes' if now > 1 else 'No'}: {design.model.medusa_heads} heads and {nodes} guesses a step yield "
        f"{float(np.asarray(guessed.accepted_tokens)):.2f} tokens, and a token takes {_factor(now)} here "
        f"({_factor(float(gains[0]))} with one sequence); {until}. Acceptance: {guessed.acceptance.name}, "
        f"{guessed.acceptance.source}. The text is the same, so bits per byte are too."
    )


def cut_cache(design: Design, result: Result, one: Evaluation, catalogue: Catalogue) -> str:
    """What the cut cache saves in memory and time, what choosing costs, and what quality it is expected to cost."""
    kept, serving = result.kv_compression, design.serving
    share, prompt = float(np.asarray(kept.kept_share)), int(serving.input_tokens)
    if share >= 1:
        return f"Nothing: the prompt of {prompt:,} tokens is within the {int(serving.kv_budget):,} positions."
    whole = replace(design, serving=replace(serving, kv_budget=0))
    more, fewer = (
        evaluate(replace(d, serving=replace(d.serving, concurrency=0)), catalogue) for d in (design, whole)
    )
    said = f"{int(serving.kv_budget):,} of {prompt:,} prompt positions stay ({100 * share:.0f} %)"
    room = (
        f"{float(more['memory.concurrency']):,.0f} sequences a replica fit instead of "
        f"{float(fewer['memory.concurrency']):,.0f}"
    )
    times = ""
    if serving.phase != "prefill":
        gain = float(evaluate(whole, catalogue)["latency.tpot_s"] / one["latency.tpot_s"])
        times = f", a token takes {_factor(gain)}"
    chosen = 1e3 * float(np.asarray(kept.selection_s))
    choice = "" if serving.phase == "decode" else f", choosing them adds {chosen:.3g} ms to a prompt"
    return (
        f"{said}: {room}{times}{choice}. {100 * float(np.asarray(kept.retained_score)):.1f} +- "
        f"{100 * float(np.asarray(kept.score_spread)):.1f} % of the long-context score stays, counted as "
        f"{100 * (float(np.asarray(kept.bits_factor)) - 1):.1f} % more bits per byte (an estimate). "
        f"Source: {kv_compression.source()}."
    )


def on_host(design: Design, one: Evaluation, catalogue: Catalogue) -> str:
    """What computing on the host's processors saves in accelerator memory and costs in time and money."""
    serving = design.serving
    moved = [
        words
        for words, choice in (("experts", serving.routed_experts_on), ("attention", serving.attention_on))
        if choice == "host"
    ]
    near = replace(serving, routed_experts_on="accelerator", attention_on="accelerator")
    other = evaluate(replace(design, serving=near), catalogue)
    quantity = "latency.ttft_s" if serving.phase == "prefill" else "latency.tpot_s"
    gain = float(other[quantity]) / float(one[quantity])
    what = "a prompt" if serving.phase == "prefill" else "a token"
    here = f"with {' and '.join(moved)} on the host, {what} takes {1e3 * float(one[quantity]):.3g} ms"
    count = int(np.asarray(design.system.accelerators))
    parts = f"{count} accelerator{'s' if count > 1 else ''}"
    short = max(float(other.violations[name]) for name in ("hbm", "kv"))
    if short > 0:
        fewest = _fewest(replace(design, serving=near), catalogue)
        said = f"without the host it does not fit {parts} ({short / 1e9:,.1f} GB short of each)"
        if fewest is None:
            return f"It makes the design possible: {here}; {said}."
        more, found = fewest
        factor = _factor(float(found[quantity]) / float(one[quantity]))
        price = float(found["cost.usd_per_mtok"])
        verdict = "It fits, at a price" if float(one["cost.usd_per_mtok"]) > price else "Yes"
        return (
            f"{verdict}: {here} and {float(one['cost.usd_per_mtok']):.3g} USD/Mtok; {said}. On {more} it would: a "
            f"token here takes {factor}, and there costs {price:.3g} USD/Mtok."
        )
    verdict = "Yes" if gain > 1 else "No"
    room = float(evaluate(_served(design, 0), catalogue)["memory.concurrency"])
    before = float(evaluate(_served(replace(design, serving=near), 0), catalogue)["memory.concurrency"])
    return (
        f"{verdict}: {here}, {_factor(gain)} compared with all of it on the accelerators, which has room ({parts}). "
        f"{room:,.0f} sequences a replica would fit instead of {before:,.0f}."
    )


def _fewest(design: Design, catalogue: Catalogue) -> tuple[int, Evaluation] | None:
    """The fewest accelerators, doubled in one tensor-parallel group, that hold the design; None up to 64."""
    count, heads = int(np.asarray(design.system.accelerators)), design.model.attention.heads
    tensor = int(np.asarray(design.serving.tensor_parallel))
    while (count := 2 * count) <= 64 and heads % (tensor := 2 * tensor) == 0:
        nodes = max(int(np.asarray(design.system.nodes)), -(-count // 8))
        larger = replace(
            design,
            system=replace(design.system, accelerators=count, nodes=nodes),
            serving=replace(design.serving, tensor_parallel=tensor),
        )
        found = evaluate(larger, catalogue)
        if all(found.violations[name] <= 0 for name in ("layout", "hbm", "kv")):
            return count, found
    return None


def _served(design: Design, counts: NDArray[np.int64] | int) -> Design:
    """0: as many sequences as the KV cache holds."""
    return replace(design, serving=replace(design.serving, concurrency=counts))


def _without_heads(design: Design) -> Design:
    return replace(design, model=replace(design.model, medusa_heads=0))


def _tpot(design: Design, catalogue: Catalogue) -> NDArray[np.float64]:
    return np.asarray(evaluate(design, catalogue)["latency.tpot_s"])


def _factor(gain: float) -> str:
    return f"1/{gain:.2f} of the time" if gain >= 1 else f"{1 / gain:.2f} times as long"
