"""The panel that sets two to four designs side by side, with the differences in words."""

from typing import Any

import numpy as np
from dash import html

from dashboard import words
from dashboard.designs import Designs
from dashboard.parts import act, named
from dashboard.view import View


def panel(designs: Designs, view: View) -> list[Any]:
    """A table with a column per picked design, and sentences that compare each with the first."""
    picked = [trial for trial in view.picks if designs.row(trial) is not None]
    if not picked:
        return [
            html.P(
                "Pick two to four designs: press Compare on a design, or ☐ in the table.", className="note"
            )
        ]
    letters = dict(zip(picked, "ABCD", strict=False))
    rows = [designs.row(trial) or 0 for trial in picked]
    sentences = [
        html.Li(
            f"{letters[trial]} against A: " + "; ".join(words.differences(designs, picked[0], trial)) + "."
        )
        for trial in picked[1:]
    ]
    head = html.Tr([html.Th("", scope="col")] + [
        html.Th([f"{letters[trial]} ", html.Button(f"#{trial}", title="Open this design", className="link",
                                                   **act("open", trial)),
                 html.Button("×", className="link", title=f"Drop #{trial} from the comparison",
                             **act("pick", trial), **named(f"Drop #{trial}"))],
                scope="col")
        for trial in picked
    ])  # fmt: skip
    body = []
    for column in designs.named("objective", "figure", "parameter"):
        values = designs.table[column.name].iloc[rows].tolist()
        texts = [column.text(value) for value in values]
        if column.role != "objective" and len(set(texts)) == 1:
            continue
        best = _best(designs, column.name, rows) if column.direction and len(rows) > 1 else None
        body.append(html.Tr(
            [html.Th(column.label, scope="row")]
            + [html.Td(text, className="best" if row == best else "") for text, row in zip(texts, rows, strict=True)]
        ))  # fmt: skip
    return [
        html.Ul(sentences, className="reading") if sentences else html.P("Pick another one to compare with.",
                                                                         className="note"),
        html.Table([html.Thead(head), html.Tbody(body)], className="comparison"),
        html.P("Only what differs is listed; the best of each line is bold.", className="note"),
    ]  # fmt: skip


def _best(designs: Designs, name: str, rows: list[int]) -> int | None:
    costs = designs.cost(name)[rows]
    return rows[int(np.nanargmin(costs))] if np.isfinite(costs).any() else None
