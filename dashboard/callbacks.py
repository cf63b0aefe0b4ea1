"""What happens on a click: thin, one file. Every callback reads the view, calls pure functions, returns.

A control's change goes from `assets/page.js` as an event to one callback, `change_view`, which owns the view and
answers with everything that is seen first. What lies below, and the other pages, follow it.
"""

from dataclasses import replace
from typing import Any

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, no_update
from dash.exceptions import PreventUpdate

from cost_models.errors import CodesignError
from dashboard import controls, details, drawings, grid, interactions, layout, phase, report, takehome, words
from dashboard.designs import Designs
from dashboard.desk import Desk
from dashboard.drawings import AT_ONCE, LATER
from dashboard.figures import flip, insight, marks, parallel
from dashboard.shelf import Shelf
from dashboard.view import View

VIEW = State("view", "data")
_WORDS = ("verdict", "left-over", "changed", "choices")
_PANELS = ("details", "comparison", "saved")


def register(app: Dash, shelf: Shelf) -> None:
    """Connect the page of `layout.page` to the studies of a storage."""
    _opening(app, shelf)
    _changing(app, shelf)
    _drawing(app, shelf)
    _taking_home(app, shelf)
    _in_the_browser(app)


def _opening(app: Dash, shelf: Shelf) -> None:
    @app.callback(Output("page", "children"), Input("start", "data"))
    def open_page(start: dict[str, Any] | None) -> list[Any]:
        if not start:
            raise PreventUpdate
        view = View.parse(start["search"])
        view = replace(view, theme=view.theme or start["theme"])
        try:
            name = "" if view.page == "studies" else shelf.chosen(view.study)
            if not name:
                return layout.studies(shelf.listed(), view)
            desk = shelf.desk(name)
            desk.refresh()
            # the address names the study, so that a link stays with it when a newer one is made
            view = desk.complete(replace(view, study=name))
            designs = desk.designs(view)
            drawn = drawings.tokens(designs, view, {})
            content = {
                **drawings.sentences(desk, designs, view),
                **drawings.panels(desk, designs, view, set(_PANELS)),
            }
            catalogue = desk.source.catalogue(replace(view, change={}))
            figure = drawings.figure(desk, designs, view)
            scales = controls.limited(desk.designs(View()))
            near = drawings.near(desk, designs, view)
            return layout.page(designs, view, catalogue, figure, content, drawn, scales, near)
        except CodesignError as error:
            return layout.problem(str(error), view)

    @app.callback(
        Output("version", "data"),
        Output("counts", "children"),
        Input("clock", "n_intervals"),
        State("version", "data"),
        VIEW,
    )
    def look_for_new_trials(_: int | None, version: int | None, query: str) -> tuple[Any, Any]:
        desk = shelf.desk(View.parse(query).study)
        try:
            now = desk.refresh()
        except CodesignError as error:
            return no_update, f"not updated: {error}"
        if now == version:
            raise PreventUpdate
        return now, words.counts(desk.designs(View()))


def _changing(app: Dash, shelf: Shelf) -> None:
    """One callback owns the view; in its answer is what is seen first."""

    @app.callback(
        output={
            "view": Output("view", "data"),
            "drawn": Output("drawn", "data"),
            "controls": Output("controls", "data"),
            "problem": Output("problem", "children"),
            "front": Output("front", "figure"),
            **{name: Output(name, "children") for name in (*_WORDS, *_PANELS)},
            **{name: Output(name, "figure") for name in details.NEAR},
            **{part: Output(f"{part}-asked", "data") for part in LATER},
        },
        inputs={"event": Input("event", "data")},
        state={"query": VIEW, "drawn": State("drawn", "data"),
               "later": {part: State(f"{part}-asked", "data") for part in LATER}},
        prevent_initial_call=True,
    )  # fmt: skip
    def change_view(
        event: dict[str, Any] | None, query: str, drawn: dict[str, str], later: dict[str, str]
    ) -> dict[str, Any]:
        if not event:
            raise PreventUpdate
        answer: dict[str, Any] = dict.fromkeys(
            ("view", "drawn", "front", *_WORDS, *_PANELS, *details.NEAR, *LATER), no_update
        )
        answer |= {"controls": {"ack": event["seq"]}, "problem": ""}
        before = View.parse(query)
        try:
            desk = shelf.desk(before.study)
            view = _after(desk, desk.complete(before), event["events"])
            designs = desk.designs(view)
        except CodesignError as error:
            return {**answer, "problem": f"Not done: {error}"}
        now = drawings.tokens(designs, view, {**drawn, **later})
        stale = {part for part in AT_ONCE if now[part] != drawn[part]}
        if "front" in stale:
            answer["front"] = drawings.figure(desk, designs, view, event.get("zoom"))
        if "words" in stale:
            answer |= drawings.sentences(desk, designs, view)
        answer |= drawings.panels(desk, designs, view, stale)
        if "details" in stale:
            answer |= drawings.near(desk, designs, view)
        answer |= {part: now[part] for part in LATER if now[part] != later[part]}
        if view.query() != query:
            answer["view"] = view.query()
        if stale:
            answer["drawn"] = {part: now[part] for part in AT_ONCE}
        return {**answer, "controls": _said(desk, designs, view, event, stale)}


def _after(desk: Desk, view: View, events: list[dict[str, Any]]) -> View:
    """The view after what the user did, one thing after another."""
    scales = controls.limited(desk.designs(View()))
    for event in events:
        designs, control, value = desk.designs(view), event["id"], event["value"]
        if control == "headings":
            view = grid.limited(designs, view, value or {}, view)
        else:
            view = desk.complete(interactions.apply(view, control, value, designs, scales))
    return view


def _said(desk: Desk, designs: Designs, view: View, event: dict[str, Any], stale: set[str]) -> dict[str, Any]:
    """What the browser does by itself after an answer: controls that follow the view, rings, rows of the table."""
    catalogue = desk.source.catalogue(replace(view, change={}))
    return {
        "ack": event["seq"],
        "all": controls.values(designs, view, catalogue, controls.limited(desk.designs(View()))),
        # limits stand in the headings of the table too, as filters
        "filters": grid.filters(designs, view, event.get("filters") or {}),
        "rings": marks.shapes(designs, view) if "rings" in stale and "front" not in stale else None,
        "refill": "table" in stale,
    }


def _drawing(app: Dash, shelf: Shelf) -> None:
    """What follows an answer: below on the page, or on another one."""

    @app.callback(
        Output("parallel", "figure"), Input("parallel-asked", "data"), Input("front-drawn", "data"), VIEW
    )
    def draw_parallel(asked: str, front_drawn: bool | None, query: str) -> Any:
        if not front_drawn:  # its WebGL takes a second, in which the trade-off could not be drawn
            raise PreventUpdate
        desk, view = _seen(shelf, asked, query)
        return parallel.draw(desk.designs(view), view)

    @app.callback(
        output={
            "figures": {name: Output(name, "figure") for name in details.FURTHER},
            "hidden": {name: Output(f"{name}-frame", "hidden") for name in details.FURTHER},
            "title": Output("reasons-title", "children"),
            "sources": Output("sources", "children"),
            "none": Output("reasons", "hidden"),
        },
        inputs={"asked": Input("reasons-asked", "data")}, state={"query": VIEW},
    )  # fmt: skip
    def show_reasons(asked: str, query: str) -> dict[str, Any]:
        desk, view = _seen(shelf, asked, query)
        designs = desk.designs(view)
        title, figures, sources = drawings.reasons(desk, designs, view)
        return {
            "figures": {name: no_update if figure is None else figure for name, figure in figures.items()},
            "hidden": {name: figure is None for name, figure in figures.items()},
            "title": title,
            "sources": sources,
            "none": designs.opened(view) is None,
        }

    @app.callback(
        Output("flip", "figure"), Output("flip-words", "children"), Output("flip-left", "data"),
        Input("flip-asked", "data"), Input("flip-again", "data"), VIEW,
    )  # fmt: skip
    def draw_phases(asked: str, _: int | None, query: str) -> tuple[Any, str, int]:
        desk, view = _seen(shelf, asked, query)
        designs = desk.designs(view)
        key = (designs.version, "flip", view.part("flip_x", "flip_y", "change", "scenario", "limits", "only"))
        screening = desk.keep(key, lambda: phase.Screening(view, desk.source.fields(), desk.source.field))
        phases = phase.named(screening.go_on(), designs, view.flip_of)
        return flip.draw(phases, view, phase.history()), phase.reading(phases, designs, view), phases.left

    @app.callback(Output("insight-cards", "children"), Input("insight-asked", "data"), VIEW)
    def draw_insight(asked: str, query: str) -> list[Any]:
        desk, view = _seen(shelf, asked, query)
        designs = desk.designs(view)
        trial = designs.opened(view)
        design = None if trial is None else desk.source.design(trial, view)
        found = insight.cards(designs, view, design, desk.source.confirmed())
        return [layout.insight(card) for card in found]

    @app.callback(Output("table", "getRowsResponse"), Input("table", "getRowsRequest"), VIEW)
    def fill_table(request: dict[str, Any] | None, query: str) -> dict[str, Any]:
        if not request:
            raise PreventUpdate
        desk = shelf.desk(View.parse(query).study)
        view = desk.complete(View.parse(query))
        return grid.answer(desk.designs(view), view, request)


def _seen(shelf: Shelf, asked: str, query: str) -> tuple[Desk, View]:
    """The study and the view of a part that is asked for; nothing is while its page is not looked at."""
    if not asked:
        raise PreventUpdate
    view = View.parse(query)
    desk = shelf.desk(view.study)
    return desk, desk.complete(view)


def _taking_home(app: Dash, shelf: Shelf) -> None:
    @app.callback(Output("download", "data"), Input("csv", "n_clicks"), VIEW, prevent_initial_call=True)
    def save_table(_: int, query: str) -> dict[str, Any]:
        desk = shelf.desk(View.parse(query).study)
        view = desk.complete(View.parse(query))
        designs = desk.designs(view)
        return {"content": grid.csv(designs, view), "filename": takehome.file_name(designs.study, "csv")}

    @app.callback(
        Output("download", "data", allow_duplicate=True), Input("selection-report", "n_clicks"), VIEW,
        prevent_initial_call=True,
    )  # fmt: skip
    def report_selection(_: int, query: str) -> dict[str, Any]:
        desk = shelf.desk(View.parse(query).study)
        view = desk.complete(View.parse(query))
        designs = desk.designs(view)
        return {"content": report.page(designs, view), "filename": takehome.file_name(designs.study, "html")}

    @app.callback(
        Output("download", "data", allow_duplicate=True), Output("problem", "children", allow_duplicate=True),
        Input("wanted", "data"), VIEW, prevent_initial_call=True,
    )  # fmt: skip
    def export_design(wanted: dict[str, Any] | None, query: str) -> tuple[Any, str]:
        number = str((wanted or {}).get("on", ""))
        if not wanted or not number.isdigit():
            raise PreventUpdate
        desk = shelf.desk(View.parse(query).study)
        view = desk.complete(View.parse(query))
        designs, trial = desk.designs(view), int(number)
        if designs.row(trial) is None:
            raise PreventUpdate
        try:
            files = desk.source.export(trial, view)
        except CodesignError as error:
            return no_update, f"Not exported: {error}"
        if wanted["do"] == "report":
            return takehome.text(files["report.html"], designs.study, trial, "html"), ""
        return takehome.archive(files, designs.study, trial), ""


def _in_the_browser(app: Dash) -> None:
    """What needs no server: assets/page.js."""

    def run(name: str) -> ClientsideFunction:
        return ClientsideFunction(namespace="page", function_name=name)

    plain = ["axis-x", "axis-y", "axis-z", "axis-colour", "log", "front-only", "scenario", "page-choice",
             "flip-x", "flip-y", "flip-of"]  # fmt: skip
    patterns = [{"type": "limit", "column": ALL}, {"type": "depth", "axis": ALL}, {"type": "change", "quantity": ALL},
                {"type": "bound", "column": ALL, "end": ALL}, {"type": "asked", "quantity": ALL}]  # fmt: skip
    pressed = [("reset", "n_clicks"), ("theme-button", "n_clicks"), ("save", "n_clicks"), ("version", "data")]
    figures = [("front", "clickData"), ("flip", "clickData"), ("front", "selectedData"),
               ("parallel", "restyleData"), ("table", "cellClicked"), ("table", "filterModel")]  # fmt: skip
    app.clientside_callback(run("start"), Output("start", "data"), Input("address", "search"))
    app.clientside_callback(
        run("gather"), Output("event", "data"),
        *(Input(name, "value") for name in plain), *(Input(pattern, "value") for pattern in patterns),
        *(Input(*one) for one in (*pressed, *figures)), State("save-name", "value"),
        prevent_initial_call=True,
    )  # fmt: skip
    app.clientside_callback(
        run("answered"), Output("link", "data"), Input("controls", "data"), Input("view", "data")
    )
    app.clientside_callback(run("again"), Output("flip-more", "data"), Input("flip-left", "data"),
                            prevent_initial_call=True)  # fmt: skip
    app.clientside_callback(run("copy"), Output("copy-link", "children"), Input("copy-link", "n_clicks"),
                            prevent_initial_call=True)  # fmt: skip
