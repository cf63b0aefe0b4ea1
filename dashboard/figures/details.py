"""Why one design is where it is: pure functions of its evaluation, the JSON document of `codesign evaluate`."""

from collections.abc import Sequence
from typing import Any

from dashboard.columns import significant
from dashboard.figures import style

GIB = 2.0**30
_PARTS = ("weights", "tables", "activations", "kv", "experts")
MOST_PARTS = 9
MOST_NAMED = 4  # operators that have a colour and a name in the roofline
_FITTING = {"minsize": 9, "mode": "hide"}  # a text that its bar cannot hold is left to the hover


def memory(document: dict[str, Any], capacities: dict[str, float], theme: str) -> style.Figure:
    """What lies where: one bar per tier, as long as the tier is large, and what is left of it.

    capacities: tier -> bytes, "hbm" per accelerator and the others per node. Tiers that hold nothing and
    have no capacity are left out. A tier that overflows is drawn beyond its end.
    """
    look = style.theme(theme)
    hold = contents(document)
    tiers = [
        tier
        for tier in ("hbm", "dram", "cxl", "ssd")
        if capacities.get(tier) or sum(hold.get(tier, {}).values())
    ]
    if not tiers:
        return style.empty(theme, "this design says nothing about memory")
    names = {tier: f"{tier.upper()}<br>{significant(capacities.get(tier, 0) / GIB)} GiB" for tier in tiers}
    data = []
    for number, part in enumerate(_PARTS):
        share = [hold.get(tier, {}).get(part, 0.0) for tier in tiers]
        if any(share):
            percent = [100 * held / capacities[tier] if capacities.get(tier) else 0.0
                       for held, tier in zip(share, tiers, strict=True)]  # fmt: skip
            data.append(_bar(percent, [names[t] for t in tiers], _PART_NAMES[part], look.categories[number],
                             [f"{significant(s / GIB)} GiB" if p > 16 else ""
                              for s, p in zip(share, percent, strict=True)]))  # fmt: skip
    left = []
    for tier in tiers:
        free = capacities.get(tier, 0.0) - sum(hold.get(tier, {}).values())
        left.append(max(0.0, 100 * free / capacities[tier]) if capacities.get(tier) else 0.0)
    free_text = [f"{significant(value * capacities.get(tier, 0) / 100 / GIB)} GiB left" if value > 25 else ""
                 for value, tier in zip(left, tiers, strict=True)]  # fmt: skip
    data.append(_bar(left, [names[tier] for tier in tiers], "left", look.grid, free_text, look.ink))
    return {
        "data": data,
        "layout": style.layout(
            theme, barmode="stack", bargap=0.35, uniformtext=_FITTING, margin={"l": 70, "r": 10, "t": 4, "b": 40},
            legend={"orientation": "h", "y": -0.42, "x": 0, "yanchor": "top", "font": {"size": 11},
                    "traceorder": "normal"},
            xaxis=style.axis(theme, "share of the tier (%)", range=[0, max(100, *(sum(hold.get(t, {}).values()) * 100
                             / capacities[t] if capacities.get(t) else 0 for t in tiers))]),
            yaxis=style.axis(theme, autorange="reversed"), shapes=[_end_of_tier(look)],
        ),
    }  # fmt: skip


_PART_NAMES = {
    "weights": "weights",
    "tables": "Engram tables",
    "experts": "experts",
    "activations": "activations",
    "kv": "KV cache",
}


def contents(document: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Tier -> part -> bytes, of an evaluation: HBM per accelerator, host tiers per node."""
    memory = document.get("memory") or {}
    accelerator = memory.get("accelerator", memory)
    hold = {
        "hbm": {
            part: accelerator.get(f"{part}_bytes") or 0.0 for part in ("weights", "tables", "activations")
        }
    }
    hold["hbm"]["kv"] = accelerator.get("kv_bytes") or 0.0
    host = memory.get("host") or {}
    for tier in ("dram", "cxl", "ssd"):
        hold[tier] = {"tables": host.get(f"{tier}_bytes") or 0.0}
    moved = {part: host.get(f"{part}_bytes") or 0.0 for part in ("experts", "kv")}  # computed where they lie
    if any(moved.values()):
        hold["dram"] = {"tables": hold["dram"]["tables"] - sum(moved.values())} | moved
    composed = document.get("composition") or {}
    if composed.get("tier") in hold and composed.get("host_bytes"):
        hold[composed["tier"]] = {"experts": composed["host_bytes"]}
    return hold


def timeline(document: dict[str, Any], theme: str) -> style.Figure:
    """One decode step from left to right: its operators, the prefetch window, the table reads, the stall."""
    look = style.theme(theme)
    steps = merged(document)
    if not steps:
        return style.empty(theme, "no breakdown was recorded for this design")
    data = []
    largest = [name for name, _ in sorted(steps, key=lambda step: -step[1])[: len(look.categories) - 1]]
    for name, seconds in steps:
        colour = look.categories[largest.index(name)] if name in largest else look.grid
        data.append(
            _bar(
                [seconds * 1e3],
                ["step"],
                name,
                colour,
                [name if seconds > 0.018 * len(name) * total(steps) else ""],
            )
        )
    lookup = document.get("lookup") or {}
    window, reads, stall = (float(lookup.get(key) or 0.0) * 1e3 for key in ("window_s", "time_s", "stall_s"))
    rows = (("window", window, look.grid, "time in which the reads may hide"),
            ("reads", max(0.0, reads - stall), look.categories[2], "table reads, hidden"))  # fmt: skip
    for row, length, colour, name in rows:
        if length > 0:
            data.append(
                _bar(
                    [length],
                    [row],
                    name,
                    colour,
                    [f"{significant(length)} ms" if length > 0.15e3 * total(steps) else ""],
                    look.ink,
                )
            )
    if stall > 0:
        data.append(
            _bar(
                [stall],
                ["reads"],
                "stall",
                look.categories[1],
                [f"stall {significant(stall)} ms" if stall > 0.2e3 * total(steps) else ""],
            )
        )
    return {
        "data": data,
        "layout": style.layout(
            theme, barmode="stack", bargap=0.3, uniformtext=_FITTING, showlegend=False,
            margin={"l": 60, "r": 10, "t": 8, "b": 40},
            xaxis=style.axis(theme, "time in one decode step (ms)"), yaxis=style.axis(theme, autorange="reversed"),
        ),
    }  # fmt: skip


def merged(document: dict[str, Any]) -> list[tuple[str, float]]:
    """The operators of a breakdown with their seconds, those of one name together, in their order."""
    times: dict[str, float] = {}
    for step in document.get("breakdown") or []:
        times[step["operator"]] = times.get(step["operator"], 0.0) + float(step["time_s"] or 0.0)
    return [(name, seconds) for name, seconds in times.items() if seconds > 0]


def total(parts: list[tuple[str, float]]) -> float:
    """The sum of named amounts."""
    return sum(amount for _, amount in parts)


def waterfall(parts: list[tuple[str, float]], unit: str, factor: float, theme: str) -> style.Figure:
    """Parts that add up to a whole, the largest first; the small rest in one bar. Amounts in SI."""
    look = style.theme(theme)
    known = sorted(((name, amount) for name, amount in parts if amount), key=lambda part: -abs(part[1]))
    if not known:
        return style.empty(theme, "no breakdown was recorded for this design")
    shown, rest = known[:MOST_PARTS], known[MOST_PARTS:]
    if rest:
        shown.append((f"{len(rest)} others", total(rest)))
    whole = total(known)
    names = [f"{style.escape(name.replace('_', ' '))} {amount / whole:.0%}" for name, amount in shown]
    names.append(f"<b>total {significant(whole * factor)}</b>")
    amounts = [amount * factor for _, amount in shown] + [whole * factor]
    texts = [significant(amount * factor) for _, amount in shown]
    return {
        "data": [{
            "type": "waterfall", "orientation": "h", "y": names, "x": amounts,
            "measure": ["relative"] * len(shown) + ["total"], "customdata": [*texts, significant(whole * factor)],
            "hovertemplate": "%{y}: %{customdata} " + unit + "<extra></extra>",
            "increasing": {"marker": {"color": look.categories[0]}},
            "decreasing": {"marker": {"color": look.categories[2]}},
            "totals": {"marker": {"color": look.quiet}}, "connector": {"line": {"color": look.quiet, "width": 1}},
        }],
        "layout": style.layout(
            theme, showlegend=False, margin={"l": 60, "r": 14, "t": 4, "b": 40},
            xaxis=style.axis(theme, unit, range=[0, whole * factor * 1.02]),
            yaxis=style.axis(theme, autorange="reversed"),
        ),
    }  # fmt: skip


def roofline(document: dict[str, Any], peak_flops: float, bandwidth: float, theme: str) -> style.Figure:
    """Each operator under the roofs of its accelerator: FLOP/s reached against FLOPs per byte moved.

    peak_flops: FLOP/s; bandwidth: B/s, both of one accelerator.
    """
    look = style.theme(theme)
    points = [step for step in document.get("breakdown") or []
              if step.get("flops") and step.get("bytes") and step.get("time_s")]  # fmt: skip
    if not points:
        return style.empty(theme, "no operator with FLOPs and bytes was recorded")
    names: dict[str, list[dict[str, Any]]] = {}
    for step in points:
        names.setdefault(step["operator"], []).append(step)
    data: list[dict[str, Any]] = []
    intensities = [step["flops"] / step["bytes"] for step in points]
    low, high = min(intensities) / 3, max(max(intensities) * 3, 3 * peak_flops / bandwidth)
    ridge = peak_flops / bandwidth
    data.append({"type": "scatter", "mode": "lines", "x": [low, ridge, high], "hoverinfo": "skip", "showlegend": False,
                 "y": [low * bandwidth / 1e12, peak_flops / 1e12, peak_flops / 1e12],
                 "line": {"color": look.quiet}})  # fmt: skip
    slowest = sorted(names, key=lambda name: -sum(step["time_s"] for step in names[name]))
    most = max(step["time_s"] for step in points)
    for number, name in reversed(list(enumerate(slowest))):
        steps = names[name]
        data.append({
            "type": "scatter", "mode": "markers", "name": style.escape(name), "showlegend": number < MOST_NAMED,
            "legendrank": number,
            "x": [step["flops"] / step["bytes"] for step in steps],
            "y": [step["flops"] / step["time_s"] / 1e12 for step in steps],
            "customdata": [f"{step['bound']}-bound, {significant(step['time_s'] * 1e6)} us" for step in steps],
            "hovertemplate": style.escape(name)
            + "<br>%{x:.3~g} FLOP/B, %{y:.3~g} TFLOP/s<br>%{customdata}<extra></extra>",
            "marker": {"size": [6 + 16 * (step["time_s"] / most) ** 0.5 for step in steps], "opacity": 0.8,
                       "color": look.categories[number] if number < MOST_NAMED else look.quiet,
                       "symbol": style.SYMBOLS[number] if number < MOST_NAMED else "circle-open"},
        })  # fmt: skip
    return {
        "data": data,
        "layout": style.layout(
            theme, xaxis=style.axis(theme, "FLOPs per byte moved", type="log"),
            yaxis=style.axis(theme, "reached (TFLOP/s)", type="log"), margin={"l": 62, "r": 12, "t": 8, "b": 46},
        ),
    }  # fmt: skip


def learning_curve(curve: Sequence[tuple[int, float]], theme: str) -> style.Figure:
    """The proxy's training loss against its steps; curve: (step, nats per token)."""
    look = style.theme(theme)
    return {
        "data": [{
            "type": "scatter", "mode": "lines", "x": [step for step, _ in curve], "y": [loss for _, loss in curve],
            "line": {"color": look.categories[0]}, "hovertemplate": "step %{x}: %{y:.3f}<extra></extra>",
        }],
        "layout": style.layout(
            theme, showlegend=False, xaxis=style.axis(theme, "training step"),
            yaxis=style.axis(theme, "training loss (nats per token)"),
        ),
    }  # fmt: skip


def _bar(
    lengths: list[float], rows: list[str], name: str, colour: str, texts: list[str], ink: str = ""
) -> dict[str, Any]:
    return {
        "type": "bar", "orientation": "h", "x": lengths, "y": rows, "name": style.escape(name), "text": texts,
        "textposition": "inside", "insidetextanchor": "middle", "textangle": 0,
        "hovertemplate": style.escape(name) + ": %{x:.3~g}<extra></extra>",
        "marker": {"color": colour}, **({"insidetextfont": {"color": ink}} if ink else {}),
    }  # fmt: skip


def _end_of_tier(look: style.Theme) -> dict[str, Any]:
    return {"type": "line", "x0": 100, "x1": 100, "y0": 0, "y1": 1, "yref": "paper",
            "line": {"color": look.ink, "width": 1.5, "dash": "dot"}}  # fmt: skip
