"""Stored proxy trainings: how their loss fell, and what the share of the tables did to it."""

from collections.abc import Sequence
from typing import Any

from dashboard.figures import style

MOST_CURVES = 40  # more lines cannot be told apart


def trainings(found: Sequence[Any], theme: str) -> style.Figure:
    """Learning curves left, bits per byte with its error against the Engram share right.

    found: `codesign.proxy.Quality`, best first. One colour a fidelity; runs that were stopped are left out.
    """
    look = style.theme(theme)
    learnt = [quality for quality in found if not quality.reason]
    names = list(dict.fromkeys(quality.fidelity for quality in learnt))
    colour = {name: look.categories[i % len(look.categories)] for i, name in enumerate(names)}
    data: list[dict[str, Any]] = [
        {
            "type": "scatter", "mode": "lines", "x": [step for step, _ in quality.curve],
            "y": [loss for _, loss in quality.curve], "name": quality.key[:12], "showlegend": False,
            "opacity": 0.5, "line": {"color": colour[quality.fidelity], "width": 1},
            "hovertemplate": f"{quality.key[:12]}, step %{{x}}: %{{y:.3f}}<extra></extra>",
        }
        for quality in learnt[:MOST_CURVES]
    ]  # fmt: skip
    for name in names:
        own = [q for q in learnt if q.fidelity == name and q.details.get("engram_share") is not None]
        data.append({
            "type": "scatter", "mode": "markers", "xaxis": "x2", "yaxis": "y2", "name": style.escape(name),
            "x": [q.details["engram_share"] for q in own], "y": [q.bits_per_byte for q in own],
            "customdata": [q.key[:12] for q in own], "marker": {"color": colour[name], "size": 7},
            "error_y": {"type": "data", "array": [q.standard_error for q in own], "thickness": 1},
            "hovertemplate": "%{customdata}: share %{x:.2f}, %{y:.4f}<extra></extra>",
        })  # fmt: skip
    return {
        "data": data,
        "layout": style.layout(
            theme, paper_bgcolor=look.paper, height=520,
            xaxis=style.axis(theme, "training step", type="log", domain=[0, 0.47]),
            yaxis=style.axis(theme, "training loss (nats per token)"),
            xaxis2=style.axis(theme, "Engram share of the sparse parameters", domain=[0.55, 1], anchor="y2"),
            yaxis2=style.axis(theme, "held-out loss (bits per byte)", anchor="x2"),
        ),
    }  # fmt: skip


def page(found: Sequence[Any], theme: str) -> str:
    """The figure as a page that needs no network."""
    import plotly.io

    return str(plotly.io.to_html(trainings(found, theme), include_plotlyjs=True, validate=False))
