"""Small pieces that several panels are made of: a labelled figure, an accessible name."""

from typing import Any

from dash import dcc, html

# Plotly 7 offers to upload figures to its makers' server; nothing may leave the machine.
GRAPH_CONFIG: Any = {
    "displaylogo": False,
    "plotlyServerURL": "",
    "showSendToCloud": False,
    "modeBarButtonsToRemove": ["sendChartToCloud", "sendDataToCloud", "toImage"],
    "responsive": True,
}
PLAIN_CONFIG: Any = {**GRAPH_CONFIG, "displayModeBar": False}


def named(text: str) -> dict[str, Any]:
    """What a screen reader calls an element."""
    return {"aria-label": text}


def act(do: str, on: str | int) -> dict[str, Any]:
    """What a press of a button asks for, and of what: `assets/page.js` reads it, `interactions` obeys."""
    return {"data-do": do, "data-on": str(on)}


def pressed(on: bool) -> dict[str, Any]:
    """Whether a button is the one that is on, for the eye and for a screen reader."""
    return {"aria-pressed": str(on).lower(), "className": "on" if on else ""}


def figure(label: str, height: str, config: Any = GRAPH_CONFIG, **more: Any) -> html.Div:
    """A figure of some height, with what a screen reader calls it; `more` goes to `dcc.Graph`."""
    graph = dcc.Graph(config=config, responsive=True, style={"height": height}, **more)
    return html.Div(graph, role="group", **named(label))


def pictures(title: str) -> html.Span:
    """Small buttons that save the figure beside them."""
    return html.Span(
        [html.Button(kind, className="link", **act("picture", kind.lower()), **named(f"Save {title} as {kind}"))
         for kind in ("SVG", "PNG")],
        className="pictures",
    )  # fmt: skip
