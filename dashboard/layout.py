"""The page's frame: what stands where. Built once per visit from (designs, view); callbacks fill it."""

from collections.abc import Sequence
from typing import Any

import dash_ag_grid
from dash import dcc, html

from cost_models.catalogue import Catalogue
from dashboard import controls, details, grid, words
from dashboard.columns import FIGURES, readable
from dashboard.designs import Designs
from dashboard.drawings import AT_ONCE, LATER
from dashboard.figures.card import Card
from dashboard.figures.style import Figure
from dashboard.parts import figure, named, pictures
from dashboard.scale import Scale
from dashboard.shelf import Listed
from dashboard.view import View

GRID_THEME = (
    "themeQuartz.withParams({backgroundColor: 'var(--paper)', foregroundColor: 'var(--ink)', "
    "headerBackgroundColor: 'var(--ground)', headerTextColor: 'var(--ink)', borderColor: 'var(--line)', "
    "accentColor: 'var(--accent)', fontSize: 12, headerFontSize: 12, spacing: 4, rowHeight: 28, "
    "fontFamily: 'inherit', headerFontWeight: 600})"
)
POLL_MS = 2_000
PAGE_NAMES = {"trade-off": "Trade-off", "flip": "Where the answer flips", "insight": "Insight"}


def shell() -> list[Any]:
    """What is there before the study is read: the address, and a place for the page."""
    return [
        dcc.Location(id="address", refresh=False),
        dcc.Store(id="start"),
        html.Div(id="page", children=html.P("Reading the study ...", className="notice")),
    ]


def page(
    designs: Designs,
    view: View,
    catalogue: Catalogue,
    front: Figure,
    content: dict[str, Any],
    drawn: dict[str, str],
    scales: dict[str, Scale],
    near: dict[str, Figure],
) -> list[Any]:
    """The whole page with what is seen first: that waits for no further answer.

    catalogue: at the study's own prices; content: element -> children, of `drawings`; drawn: the tokens of all
    parts; scales: of the limits' sliders, which no what-if moves; near: the figures
    of `drawings.near`.
    """
    start = {
        "all": controls.values(designs, view, catalogue, scales),
        "filters": grid.filters(designs, view, {}),
    }
    return [
        # everything the page shows, as a query string; what each part was drawn from; what the controls say
        dcc.Store(id="view", data=view.query()),
        dcc.Store(id="drawn", data={part: drawn[part] for part in AT_ONCE}),
        *(dcc.Store(id=f"{part}-asked", data=drawn[part]) for part in LATER),
        dcc.Store(id="controls", data={"ack": 0, **start}),
        dcc.Store(id="version", data=designs.version),
        dcc.Store(id="front-drawn"),
        *(dcc.Store(id=name) for name in ("event", "wanted", "link", "flip-left", "flip-again", "flip-more")),
        dcc.Interval(id="clock", interval=POLL_MS),
        dcc.Download(id="download"),
        html.A("Skip to the trade-off", href="#front-card", className="skip"),
        _header(designs, view),
        html.P(content["verdict"], id="verdict", role="status", className="verdict"),
        html.Nav(content["choices"], id="choices", className="choices", **named("What to open")),
        html.P(content["changed"], id="changed", role="status", className="changed"),
        html.P(id="problem", role="alert", className="changed"),
        html.Main(
            [
                html.Div(
                    [controls.limits(designs, view, content, scales), controls.what_if(view, catalogue), _glossary()],
                    className="left",
                ),
                html.Div(
                    [_trade_off(designs, view, front, scales), _flip(designs, view), _insight(),
                     _comparison(content["comparison"])],
                    className="middle",
                ),
                html.Div(_details(content["details"], near), className="right"),
                html.Div([_parallel(), _table(designs, view), _reasons()], className="wide", id="wide"),
            ],
            className="columns",
        ),
    ]  # fmt: skip


def problem(message: str, view: View) -> list[Any]:
    """The page of a study that cannot be shown."""
    return [
        html.Header(html.H1("codesign")),
        html.Main(
            [
                html.H2("This study cannot be shown"),
                html.P(message, className="notice", role="alert"),
                html.P("Mend it, then reload this page. `codesign status` on the command line says more."),
                html.P(_other_studies(view)),
            ],
            className="problem",
        ),
    ]


def _other_studies(view: View) -> html.A:
    return html.A(
        "All studies", href="?" + View(page="studies", theme=view.theme).query(), className="studies"
    )


def studies(found: Sequence[Listed], view: View) -> list[Any]:
    """The page that lists the studies of a storage, each a link."""
    rows = [
        html.Tr([
            html.Th(html.A(one.name, href="?" + View(study=one.name, theme=view.theme).query()), scope="row"),
            html.Td(f"{one.trials:,}"),
            html.Td(one.space or "not made by codesign"),
            html.Td(", ".join(FIGURES[name][0] if name in FIGURES else readable(name) for name in one.objectives)),
        ])
        for one in found
    ]  # fmt: skip
    head = html.Thead(
        html.Tr([html.Th(text, scope="col") for text in ("study", "trials", "space", "objectives")])
    )
    return [
        html.Header(html.H1("codesign")),
        html.Main(
            [html.H2("Which study?"), html.P(f"{len(found)} in this storage, the newest first.", className="note"),
             html.Table([head, html.Tbody(rows)], className="studies")],
            className="problem",
        ),
    ]  # fmt: skip


def _header(designs: Designs, view: View) -> html.Header:
    return html.Header([
        html.H1(["codesign ", html.Span(designs.study, className="study")]),
        _other_studies(view),
        dcc.RadioItems(
            id="page-choice", className="tabs", value=view.page, inline=True,
            options=[{"value": name, "label": text} for name, text in PAGE_NAMES.items()],
        ),
        html.P(words.counts(designs.ghost or designs), id="counts", className="counts", role="status"),
        html.Div(
            [
                html.Button("Copy link", id="copy-link", title="Copy the address of this very picture"),
                html.Button("Dark" if view.theme != "dark" else "Light", id="theme-button",
                            title="Change between the light and the dark theme"),
                html.Button("Reset", id="reset", title="Lift all limits, picks and what-ifs"),
            ],
            className="buttons",
        ),
    ])  # fmt: skip


def card(title: str, note: Any, children: list[Any], name: str, *first: Any) -> html.Section:
    """A titled part of the page with a line on how to read it; `first` stands beside the title."""
    return html.Section(
        [*first, html.H2(title), html.P(note, className="note"), *children], className="card", id=name
    )


def _trade_off(designs: Designs, view: View, front: Figure, scales: dict[str, Scale]) -> html.Div:
    return html.Div(
        [
            card(
                "Trade-off",
                ["A point is a design: strong on the Pareto front of all objectives, faint where beaten, a cross where "
                 "infeasible. Click it for reasons",
                 html.Span("; drag a box or lasso to limit.", className="flat"),
                 html.Span("; drag to turn. The sliders below it set the box that is kept.", className="in-depth")],
                [controls.axes(designs, view),
                 figure("Scatter of all designs", "max(380px, 46vh)", id="front", figure=front),
                 controls.box(designs, view, scales),
                 controls.take_home()],
                "front-card",
            ),
        ],
        id="trade-off-page",
    )  # fmt: skip


_TERMS = {
    "TPOT, TTFT": "time per output token; time to the first token, prefill of the prompt included",
    "bits per byte": "loss of the model's proxy, a small model trained for real, on text that it has not seen",
    "Mtoken": "a million output tokens",
    "Pareto front": "designs of which none other is better in one objective and as good in all others",
    "knee": "the design of the front nearest to the best in every objective, each scaled to the front's span",
    "tied": "not to be told apart: within two standard errors (s.e.) of the difference",
    "table tier": "the memory that holds the Engram tables: HBM, DRAM, CXL or SSD",
    "Engram share": "the part of the sparse parameters that lies in tables instead of experts",
    "stall": "time in which a step waits for table rows that nothing hides",
}


def _glossary() -> html.Section:
    terms = [part for name, text in _TERMS.items() for part in (html.Dt(name), html.Dd(text))]
    return html.Section(
        html.Details([html.Summary("Words used here"), html.Dl(terms)]), className="card", id="glossary-card"
    )


def _parallel() -> html.Section:
    return card(
        "All axes",
        "The front, a line per design; objectives are turned so that down is better. Drag along an axis "
        "to limit it, click the axis to lift the limit.",
        [figure("Parallel coordinates of the Pareto front", "280px", id="parallel")],
        "parallel-card",
        pictures("All axes"),
    )


def _table(designs: Designs, view: View) -> html.Section:
    return card(
        "Designs",
        "Click a row for its reasons, ☐ to compare it; sort and filter in the headings.",
        [
            dash_ag_grid.AgGrid(
                id="table", rowModelType="infinite", className="grid",
                columnDefs=controls.column_definitions(designs), getRowId="params.data.id",
                filterModel=grid.filters(designs, view, {}),
                defaultColDef={"sortable": True, "resizable": True, "minWidth": 112, "flex": 1,
                               "wrapHeaderText": True, "autoHeaderHeight": True},
                dashGridOptions={
                    "cacheBlockSize": 100, "maxBlocksInCache": 10,
                    "suppressFieldDotNotation": True,
                    # the page's own colours, so that the table follows the theme
                    "theme": {"function": GRID_THEME},
                },
                style={"height": "360px"},
            ),
            html.Div(
                [
                    html.Button("Save table as CSV", id="csv", title="The designs within the limits"),
                    html.Button("Report of these designs", id="selection-report",
                                title="A self-contained HTML page: the verdict, the limits, the front that is left"),
                ],
                className="buttons",
            ),
        ],
        "table-card",
    )  # fmt: skip


def _reasons() -> html.Section:
    frames = [details.frame(name, *about) for name, about in details.FURTHER.items()]
    return html.Section(
        [html.H2(id="reasons-title"), html.Div(frames, className="reasons"), html.Div(id="sources")],
        className="card", id="reasons", hidden=True,
    )  # fmt: skip


def _flip(designs: Designs, view: View) -> html.Div:
    return html.Div(
        card(
            "Where the answer flips",
            "For every combination of two quantities the trained models are costed on all hardware of the space and "
            "the cheapest design within your limits is chosen; colours show which choice wins there. Click a cell to "
            "open its design where the study has it.",
            [controls.flip_axes(designs, view),
             dcc.Loading(
                 figure("Phase diagram", "max(420px, 56vh)", id="flip"),
                 custom_spinner=html.P("Costing all hardware for the trained models ...", className="note busy"),
                 overlay_style={"visibility": "visible"},
             ),
             html.P(id="flip-words", className="reading", role="status")],
            "flip-card",
            pictures("the diagram"),
        ),
        id="flip-page", hidden=True,
    )  # fmt: skip


def _insight() -> html.Div:
    return html.Div(dcc.Loading(html.Div(id="insight-cards", className="insights"), type="dot"),
                    id="insight-page", hidden=True)  # fmt: skip


def insight(one: Card) -> html.Section:
    """A card of the insight page; one without a figure is small."""
    drawn = bool(one.figure["data"])
    saving = [pictures(one.title)] if drawn else []
    return html.Section(
        [*saving, html.H2(one.title), html.P(one.reading, className="reading"),
         *([figure(one.title, "300px", figure=one.figure)] if drawn else [])],
        className="card",
    )  # fmt: skip


def _details(children: list[Any], near: dict[str, Figure]) -> html.Section:
    frames = [details.frame(name, *about, near[name]) for name, about in details.NEAR.items()]
    return html.Section(
        [html.Div(children, id="details"), html.Div(frames, id="near", className="reasons")],
        className="card", id="details-card",
    )  # fmt: skip


def _comparison(children: list[Any]) -> html.Section:
    return html.Section(
        [html.H2("Compare"), html.Div(children, id="comparison")], className="card", id="comparison-card"
    )
