"""The panel of one design: what it is, what it costs, and why."""

from shlex import quote
from typing import Any

from dash import dcc, html

from dashboard import evidence, words
from dashboard.columns import significant
from dashboard.designs import Designs
from dashboard.figures import details as figures
from dashboard.figures.style import Figure, empty
from dashboard.parts import PLAIN_CONFIG, act, figure, pictures, pressed
from dashboard.view import View


def panel(designs: Designs, view: View, document: dict[str, Any], parts: dict[str, Any]) -> list[Any]:
    """The design of `view.trial`, the knee where none is open: what it is, what it costs, and the first reasons.

    parts: "capacities" (tier -> bytes), "peak_flops", "bandwidth" of its accelerator, "curve", and what
    `evidence.panel` reads.
    """
    trial = designs.opened(view)
    row = designs.row(trial)
    if row is None or trial is None:
        return [
            html.H2("Why"),
            html.P("Click a design to see the reasons for its figures.", className="note"),
        ]
    picked = trial in view.picks
    outside = "" if designs.kept(view)[row] else ", outside your limits"
    head = [
        html.H2([f"Design #{trial}", html.Span(_role(designs, trial) + outside, className="role")]),
        html.P(words.naming(designs, row) + ".", className="note"),
        html.P(words.binding(document).capitalize() + ".", className="reading") if document else None,
        html.Div(
            [
                html.Button("Compare", title="Set it beside others, below the trade-off", **act("pick", trial),
                            **pressed(picked)),
                html.Button("Export", **act("export", trial),
                            title="Design file, engine flags, placement, bill of materials and report, as a ZIP"),
                html.Button("Report", title="A self-contained HTML report", **act("report", trial)),
                dcc.Clipboard(content=f"codesign export {quote(designs.study)} --trial {trial} --out design-{trial}",
                              title="Copy the export command", className="clip"),
                html.Span("copy command", className="note"),
            ],
            className="buttons",
        ),
        _figures(designs, row),
        *evidence.panel(parts),
    ]  # fmt: skip
    shown = [part for part in head if part is not None]
    if not document:
        shown.append(html.P("No evaluation was recorded for this trial.", className="notice"))
    return shown


def _role(designs: Designs, trial: int) -> str:
    row = designs.row(trial)
    assert row is not None
    if trial == designs.knee:
        return "knee of the front"
    best = [designs.columns[name].label for name, other in designs.extremes().items() if other == trial]
    if best:
        return "best " + ", ".join(best)
    return (
        "on the front"
        if designs.front[row]
        else "feasible, beaten"
        if designs.feasible[row]
        else "infeasible"
    )


def _figures(designs: Designs, row: int) -> html.Table:
    """The figures of the design; broken constraints with by how much."""
    lines = []
    for column in designs.named("objective", "figure"):
        text = column.text(designs.table[column.name].iloc[row])
        if column.name in designs.doubts:
            doubt = float(designs.table[designs.doubts[column.name]].iloc[row])
            text += f" ± {significant(doubt * column.factor, 2)}" if doubt == doubt else ""
        lines.append(html.Tr([html.Th(column.label, scope="row"), html.Td(text)],
                             className="objective" if column.role == "objective" else ""))  # fmt: skip
    for column in designs.named("violation"):
        amount = float(designs.table[column.name].iloc[row])
        if amount > 0:
            lines.append(html.Tr(
                [html.Th(f"breaks {column.label}", scope="row"), html.Td("by " + column.text(amount))],
                className="broken",
            ))  # fmt: skip
    return html.Table(html.Tbody(lines), className="figures")


# Figures of one design, which stay where they are while their content changes: id -> title, how to read it, height.
NEAR = {
    "memory-map": ("Memory map", "What lies where; each bar is its tier, dotted is where it ends.", 190),
    "decode-step": (
        "A decode step",
        "Operators in order; below, when table reads may hide and whether they do.",
        170,
    ),
}
FURTHER = {
    "why-time": ("Where the time goes", "Operators of a step, the largest first.", 310),
    "why-energy": ("Where the energy goes", "Parts of the energy of one token.", 310),
    "why-money": ("Where the money goes", "Parts of the price of a million tokens.", 310),
    "why-roofline": ("Roofline", "Operators against what the accelerator can do: memory limits left of the bend, "
                     "compute right of it. Larger marks take longer; the four slowest are named.", 300),
    "why-curve": ("How it learned", "The training of its proxy.", 240),
}  # fmt: skip


def frame(name: str, title: str, note: str, height: int, drawn: Figure | None = None) -> html.Div:
    """The place of one of these figures."""
    return html.Div(
        [pictures(title), html.H3(title), html.P(note, className="note"),
         figure(title, f"{height}px", PLAIN_CONFIG, id=name, figure=drawn or {})],
        id=f"{name}-frame", className="frame",
    )  # fmt: skip


def near(document: dict[str, Any], parts: dict[str, Any], theme: str) -> dict[str, Figure]:
    """The figures of `NEAR`."""
    if not document:
        return {name: empty(theme, "no design is open, or nothing was recorded of it") for name in NEAR}
    return {
        "memory-map": figures.memory(document, parts.get("capacities", {}), theme),
        "decode-step": figures.timeline(document, theme),
    }


def further(document: dict[str, Any], parts: dict[str, Any], theme: str) -> dict[str, Figure | None]:
    """The figures of `FURTHER`; None where there is nothing to draw."""
    energy = (document.get("energy") or {}).get("by_part") or {}
    cost = (document.get("cost") or {}).get("by_part") or {}
    peak, curve = parts.get("peak_flops"), parts.get("curve")
    return {
        "why-time": figures.waterfall(figures.merged(document), "ms per decode step", 1e3, theme),
        "why-energy": figures.waterfall(_numbers(energy), "J per token", 1.0, theme),
        "why-money": figures.waterfall(_numbers(cost), "USD per million tokens", 1.0, theme),
        "why-roofline": figures.roofline(document, peak, parts["bandwidth"], theme) if peak else None,
        "why-curve": figures.learning_curve(curve, theme) if curve else None,
    }


def sources(document: dict[str, Any]) -> html.Details:
    """The sources of the figures, folded."""
    texts = [str(source) for source in document.get("sources") or []]
    return html.Details(
        [html.Summary(f"Sources of the figures ({len(texts)})"), html.Ul([html.Li(text) for text in texts])]
    )


def _numbers(parts: dict[str, Any]) -> list[tuple[str, float]]:
    return [(str(name), float(amount)) for name, amount in parts.items() if isinstance(amount, int | float)]
