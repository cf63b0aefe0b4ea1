"""Sentences about designs: the verdict on top of the page, comparisons, what a what-if changed. Pure."""

from collections import Counter
from typing import Any

import numpy as np

from dashboard.columns import Column, significant
from dashboard.designs import COMPROMISE, Designs
from dashboard.view import View

# Parameters that name a design in a sentence, the first that are there.
NAMING = (
    "serving.tables.tier",
    "serving.tier",
    "system.accelerator",
    "system.accelerators",
    "model.engram_share",
)


MOST_SAID = 6  # objectives in a sentence; the panel of a design has all


def verdict(designs: Designs, view: View) -> str:
    """What to take within the limits, what it costs against the best in quality, and who ties with that."""
    return " ".join(part for part in advice(designs, view) if part)


def advice(designs: Designs, view: View) -> tuple[str, str]:
    """The verdict's two parts: what to take, and what is to be said for and against it."""
    if not len(designs):
        return "No trial has finished yet. Designs appear here as the search finds them.", ""
    if not designs.feasible.any():
        return infeasible(designs), ""
    if not len(designs.left(view)):
        return f"No feasible design is within your limits; {tightest(designs, view)}.", ""
    choices = designs.choices(view)
    trial = choices.pop(COMPROMISE)
    row = designs.row(trial)
    assert row is not None
    role = "knee of the front" if trial == designs.knee else "best compromise left"
    figures = ", ".join(designs.columns[name].label + " " + designs.columns[name].text(designs.table[name].iloc[row])
                        for name in designs.objectives[:MOST_SAID])  # fmt: skip
    limited = bool(view.limits or view.only or view.lasso)
    first = f"{'Within your limits, take' if limited else 'Take'} #{trial} ({role}; {naming(designs, row)}): {figures}."
    rivals = [(name, other) for name, other in choices.items() if other != trial]
    second = against(designs, trial, *rivals[0]) if rivals else ""
    return first, f"{second} {ties(designs, row)}".strip()


def ties(designs: Designs, row: int) -> str:
    """How many designs no measurement tells apart from the best in quality, and whether this is one of them."""
    said = ""
    for name in designs.doubts:
        best, count = designs.extremes().get(name), int((designs.tied & designs.front).sum())
        if best is None or not count:
            continue
        own = ", as this one is" if designs.tied[row] else ""
        said += (
            f"{many(count, 'other design')} of the front {'are' if count > 1 else 'is'} tied with #{best}, the best "
            f"in {designs.columns[name].label}{own}: within two standard errors of the difference."
        )
    return said


def naming(designs: Designs, row: int) -> str:
    """What a design is, in a few words."""
    said = {
        name: designs.columns[name].text(designs.table[name].iloc[row])
        for name in NAMING
        if name in designs.columns
    }
    words = [
        "no tables" if text == "-" else f"tables in {text.upper()}"
        for name, text in said.items()
        if name.endswith("tier")
    ]
    count, part = said.get("system.accelerators"), said.get("system.accelerator")
    if part:
        words.append(f"on {count} × {part}" if count else f"on {part}")
    elif count:
        words.append(f"on {count} accelerators")
    if "model.engram_share" in said:
        words.append(f"Engram share {said['model.engram_share']}")
    return ", ".join(words) or "no varied parameter"


def against(designs: Designs, trial: int, name: str, other: int) -> str:
    """`Against #173 (best TPOT): 38 % lower cost ...`: the differences of one design to another."""
    parts = differences(designs, other, trial)
    return f"Against #{other} (best {designs.columns[name].label}): " + "; ".join(parts) + "."


def differences(designs: Designs, first: int, second: int) -> list[str]:
    """How the second design differs from the first, objective by objective, in words."""
    a, b = designs.row(first), designs.row(second)
    if a is None or b is None:
        return []
    return [text for name in designs.objectives[:MOST_SAID] if (text := difference(designs, name, a, b))]


def difference(designs: Designs, name: str, a: int, b: int) -> str:
    """One figure of row b against row a: `18 % lower TPOT`, or `0.004 bits/byte worse ..., within the noise`."""
    column = designs.columns[name]
    one, two = (float(designs.table[name].iloc[row]) for row in (a, b))
    if not np.isfinite([one, two]).all():
        return ""
    gap = two - one
    if name in designs.doubts:
        errors = designs.table[designs.doubts[name]].to_numpy(float)[[a, b]]
        doubt = float(np.sqrt(np.nansum(errors**2)))
        noise = ", within the noise" if abs(gap) <= 2 * doubt else ""
        if not gap:
            return f"equal {column.label}"
        amount = significant(abs(gap) * column.factor, 2)
        return f"{amount} {column.unit or column.label} {_better(column, gap)}{noise}"
    if one == 0 or abs(gap) < 5e-4 * abs(one):
        return f"equal {column.label}"
    ratio = two / one
    amount = (
        f"{significant(ratio)} times the"
        if ratio >= 2
        else f"{abs(gap / one):.0%} {'higher' if gap > 0 else 'lower'}"
    )
    return f"{amount} {column.label}"


def _better(column: Column, gap: float) -> str:
    return "better" if gap * column.sign < 0 else "worse"


def infeasible(designs: Designs) -> str:
    """Why nothing is feasible: the constraints that most designs break, and by how much."""
    counts: list[tuple[int, str]] = []
    for column in designs.named("violation"):
        amounts = designs.table[column.name].to_numpy(float)
        broken = amounts > 0
        if broken.any():
            worst = np.nanmin(amounts[broken]) * column.factor
            counts.append(
                (
                    int(broken.sum()),
                    f"{int(broken.sum())} {'breaks' if broken.sum() == 1 else 'break'} the "
                    f"{column.label.removesuffix(' limit')} limit (nearest by {significant(worst)} {column.unit})",
                )
            )
    counts.sort(reverse=True)
    reasons = ", ".join(text.replace(" )", ")") for _, text in counts[:3]) or "no reason was recorded"
    return f"No design of {len(designs):,} is feasible: {reasons}."


def tightest(designs: Designs, view: View) -> str:
    """Which single limit, lifted, would let designs back in."""
    gains: Counter[str] = Counter()
    for name in [*view.limits, *view.only]:
        loose = View(
            **{
                **vars(view),
                "limits": {key: value for key, value in view.limits.items() if key != name},
                "only": {key: value for key, value in view.only.items() if key != name},
            }
        )
        if name in designs.columns:
            gains[name] = int((designs.kept(loose) & designs.feasible).sum())
    if not gains or not max(gains.values()):
        return "lift more than one of them, or press Reset"
    name, count = gains.most_common(1)[0]
    return f"without the limit on {designs.columns[name].label} there would be {count:,}"


def binding(document: dict[str, Any]) -> str:
    """What holds a design back: the largest share of its decode step and the fullest tier."""
    steps = document.get("breakdown") or []
    times: dict[str, float] = {}
    for step in steps:
        bound = str(step.get("bound"))
        times[bound] = times.get(bound, 0.0) + float(step.get("time_s") or 0.0)
    if not times:
        return ""
    bound, seconds = max(times.items(), key=lambda item: item[1])
    text = f"{seconds / sum(times.values()):.0%} of the step is {bound}-bound"
    stall = float((document.get("lookup") or {}).get("stall_s") or 0.0)
    step_s = float((document.get("latency") or {}).get("decode_step_s") or 0.0)
    if stall > 0 and step_s > 0:
        return f"{text}; table reads stall it for {significant(stall * 1e3)} ms ({stall / step_s:.0%})"
    return f"{text}; table reads are hidden" if document.get("tables") else text


def many(count: int, noun: str) -> str:
    """`1 design`, `1,204 designs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def counts(designs: Designs) -> str:
    """`1,204 designs · 931 feasible · 44 on the front · search running`."""
    parts = [many(len(designs), "design"), f"{int(designs.feasible.sum()):,} feasible",
             f"{int(designs.front.sum()):,} on the front"]  # fmt: skip
    if designs.running:
        parts.append(f"search running ({designs.running} in flight)")
    if designs.drift > 1e-3:
        parts.append(f"recorded with other cost models: what-ifs differ by up to {designs.drift:.0%}")
    return " · ".join(parts)


def left(designs: Designs, view: View) -> str:
    """How many designs the limits leave."""
    mask = designs.kept(view) & designs.feasible
    kept, on_front = int(mask.sum()), int((mask & designs.front).sum())
    return f"{kept:,} of {int(designs.feasible.sum()):,} feasible designs left, {on_front} on the front."


def limit(designs: Designs, view: View, name: str) -> str:
    """What a limit keeps: `at most 14.2 ms`, or the whole range."""
    column = designs.columns.get(name)
    if column is None:
        return ""
    low, high = view.limits.get(name, (None, None))
    if low is None and high is None:
        return "any"
    if low is None:
        return f"at most {column.text(high)}"
    if high is None:
        return f"at least {column.text(low)}"
    return f"{significant(low * column.factor)} to {column.text(high)}"
