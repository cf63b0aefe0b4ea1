"""What happens on a click: thin, one file. Every callback reads the view, calls pure functions, returns."""

from dataclasses import replace
from typing import Any

from dash import ALL, ClientsideFunction, Dash, Input, Output, Patch, State, ctx, no_update
from dash.exceptions import PreventUpdate

from cost_models.errors import CodesignError
from dashboard import (
    compare,
    consequences,
    controls,
    details,
    grid,
    interactions,
    layout,
    phase,
    report,
    takehome,
    words,
)
from dashboard.designs import Designs
from dashboard.desk import Desk
from dashboard.figures import flip, front, insight, parallel
from dashboard.figures.style import Figure
from dashboard.shelf import Shelf
from dashboard.view import View

VIEW = State("view", "data")
VERSION = Input("version", "data")
_LIMITS = {"type": "limit", "column": ALL}
_BOUNDS = {"type": "bound", "column": ALL, "end": ALL}
_CHANGES = {"type": "change", "quantity": ALL}
_ASKED = {"type": "asked", "quantity": ALL}
_PARTS = {"type": "part", "of": ALL}


def register(app: Dash, shelf: Shelf) -> None:
    """Connect the page of `layout.page` to the studies of a storage."""
    _opening(app, shelf)
    _changing(app, shelf)
    _drawing(app, shelf)
    _taking_home(app, shelf)
    _in_the_browser(app)


def _part(name: str) -> Input:
    return Input({"type": "part", "of": name}, "data")


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
            return layout.page(
                designs,
                view,
                desk.source.catalogue(replace(view, change={})),
                _front(desk, designs, view, None),
            )
        except CodesignError as error:
            return layout.problem(str(error), view)

    @app.callback(
        Output("version", "data"),
        Output("counts", "children"),
        Input("clock", "n_intervals"),
        State("version", "data"),
        VIEW,
    )
    def look_for_new_trials(clock: int | None, version: int | None, query: str) -> tuple[Any, Any]:
        desk = shelf.desk(View.parse(query).study)
        try:
            now = desk.refresh()
        except CodesignError as error:
            return no_update, f"not updated: {error}"
        if now == version and clock:
            raise PreventUpdate
        return now, words.counts(desk.designs(View()))


def _changing(app: Dash, shelf: Shelf) -> None:
    """One callback owns the view: every control is an input of it, and what a brush moves is its output."""
    plain = ["axis-x", "axis-y", "axis-z", "axis-colour", "log", "front-only", "scenario", "page-choice",
             "flip-x", "flip-y", "flip-of"]  # fmt: skip

    @app.callback(
        Output("view", "data"),
        Output(_PARTS, "data"),
        Output(_LIMITS, "value"),
        Output(_CHANGES, "value"),
        Output("scenario", "value"),
        Output("table", "filterModel"),
        Output(_BOUNDS, "value"),
        Output(_ASKED, "value"),
        [Input(name, "value") for name in plain],
        Input(_LIMITS, "value"),
        Input(_CHANGES, "value"),
        Input(_BOUNDS, "value"),
        Input(_ASKED, "value"),
        [
            Input("click", "data"),
            Input("brush", "data"),
            Input("parallel", "restyleData"),
            Input("table", "cellClicked"),
        ],
        Input("table", "filterModel"),
        [Input(name, "n_clicks") for name in ("reset", "theme-button", "save")],
        Input({"type": "act", "do": ALL, "on": ALL}, "n_clicks"),
        VIEW,
        State(_PARTS, "data"),
        State("save-name", "value"),
        State("table", "filterModel"),
    )
    def change_view(*inputs: Any) -> tuple[Any, ...]:
        query, parts, name, model = inputs[-4:]
        desk = shelf.desk(View.parse(query).study)
        if (
            not ctx.triggered_id
        ):  # the page has just been made; the drawings wait for an answer, as Dash has it
            rest = [
                [no_update] * len(part) if isinstance(part, list) else no_update
                for part in ctx.outputs_list[2:]
            ]
            return query, parts, *rest
        after = _after(desk, desk.complete(View.parse(query)), name)
        designs = desk.designs(after)
        now = layout.parts(designs, after)
        order = [item["id"]["of"] for item in ctx.outputs_list[1]]
        moved = [no_update if old == now[part] else now[part] for part, old in zip(order, parts, strict=True)]
        if all(value is no_update for value in moved):
            raise PreventUpdate
        # a slider that the user holds is left alone; all others follow the view
        held = ctx.triggered_id
        scales = controls.limited(desk.designs(View()))
        handles = [
            no_update if item["id"] == held or item["id"]["column"] not in scales
            else controls.positions(scales[item["id"]["column"]], after, item["id"]["column"])
            for item in ctx.outputs_list[2]
        ]  # fmt: skip
        catalogue = desk.source.catalogue(replace(after, change={}))
        levers = [
            no_update if item["id"] == held else controls.lever(item["id"]["quantity"], after, catalogue)
            for item in ctx.outputs_list[3]
        ]
        # limits stand in the headings of the table too, as filters
        headings = grid.filters(designs, after, model or {})
        shown = no_update if headings == (model or {}) else headings
        fields = [controls.bounds(designs, after, item["id"]["column"])[item["id"]["end"] == "high"]
                  for item in ctx.outputs_list[6]]  # fmt: skip
        asked = [controls.asked(item["id"]["quantity"], after) for item in ctx.outputs_list[7]]
        return after.query(), moved, handles, levers, after.scenario or "study", shown, fields, asked


def _after(desk: Desk, view: View, name: str | None) -> View:
    """The view after everything that triggered the running callback."""
    scales = controls.limited(desk.designs(View()))
    for event in ctx.triggered:
        identity = ctx.triggered_prop_ids[event["prop_id"]]
        designs = desk.designs(view)
        if event["prop_id"] == "table.filterModel":
            view = grid.limited(designs, view, event["value"] or {}, view)
        elif identity == "save":
            view = interactions.save(view, name, designs) if event["value"] else view
        else:
            view = desk.complete(interactions.apply(view, identity, event["value"], designs, scales))
    return view


def _drawing(app: Dash, shelf: Shelf) -> None:
    @app.callback(
        Output("front", "figure"), Output("drawn", "data"),
        _part("front"), VERSION, VIEW, State("zoom", "data"), State("drawn", "data"),
    )  # fmt: skip
    def draw_front(
        _: str, version: int | None, query: str, zoom: dict[str, Any] | None, drawn: list[str]
    ) -> tuple[Any, list[str]]:
        view = _seen(_, version, query)
        desk = shelf.desk(view.study)
        designs = desk.designs(view)
        now = layout.drawn(designs, view)
        if now == drawn:
            raise PreventUpdate
        return _front(desk, designs, view, zoom), now

    @app.callback(
        Output("front", "figure", allow_duplicate=True), _part("chosen"), Input("drawn", "data"), VIEW,
        prevent_initial_call=True,
    )  # fmt: skip
    def ring_chosen(_: str, drawn: list[str], query: str) -> Any:
        view = View.parse(query)
        desk = shelf.desk(view.study)
        designs = desk.designs(view)
        # a figure that has just been drawn has its rings, unless others were asked for while it was made
        if not len(designs) or (ctx.triggered_id == "drawn" and drawn == layout.drawn(designs, view)):
            raise PreventUpdate
        change = Patch()
        change["data"][0], change["data"][1] = front.chosen(designs, view)
        return change

    @app.callback(Output("parallel", "figure"), _part("parallel"), VERSION, VIEW)
    def draw_parallel(_: str, version: int | None, query: str) -> Any:
        view = _seen(_, version, query)
        desk = shelf.desk(view.study)
        return parallel.draw(desk.designs(view), view)

    @app.callback(
        Output("verdict", "children"), Output("left-over", "children"), Output("changed", "children"),
        Output("choices", "children"), _part("verdict"), VERSION, VIEW,
    )  # fmt: skip
    def say_verdict(_: str, version: int | None, query: str) -> tuple[str, str, str, list[Any]]:
        view = _seen(_, version, query)
        desk = shelf.desk(view.study)
        designs = desk.designs(view)
        changed = "" if designs.ghost is None else consequences.changed(designs.ghost, designs)
        return (
            words.verdict(designs, view),
            words.left(designs, view),
            changed,
            controls.choices(designs, view),
        )

    @app.callback(
        Output({"type": "asked", "quantity": ALL}, "placeholder"), _part("verdict"), VERSION, VIEW,
    )  # fmt: skip
    def say_usual(_: str, version: int | None, query: str) -> list[str]:
        view = _seen(_, version, query)
        desk = shelf.desk(view.study)
        catalogue = desk.source.catalogue(replace(view, change={}))
        return [controls.usually(item["id"]["quantity"], catalogue) for item in ctx.outputs_list]

    @app.callback(
        Output("details", "children"), Output("reasons", "children"), _part("details"), VERSION, VIEW
    )
    def show_details(_: str, version: int | None, query: str) -> tuple[list[Any], list[Any]]:
        view = _seen(_, version, query)
        desk = shelf.desk(view.study)
        designs = desk.designs(view)
        trial = designs.opened(view)
        document = {} if trial is None else desk.document(trial, view)
        return details.panel(designs, view, document, {} if trial is None else desk.source.parts(trial, view))

    @app.callback(Output("comparison", "children"), _part("comparison"), VERSION, VIEW)
    def show_comparison(_: str, version: int | None, query: str) -> list[Any]:
        view = _seen(_, version, query)
        desk = shelf.desk(view.study)
        return compare.panel(desk.designs(view), view)

    @app.callback(Output("saved", "children"), _part("saved"), VIEW)
    def show_saved(_: str, query: str) -> list[Any]:
        return controls.saved(View.parse(query))

    @app.callback(Output("flip", "figure"), Output("flip-words", "children"), _part("flip"), VERSION, VIEW)
    def draw_phases(_: str, version: int | None, query: str) -> tuple[Any, str]:
        view = _seen(_, version, query)
        desk = shelf.desk(view.study)
        if view.page != "flip":
            raise PreventUpdate
        designs = desk.designs(view)
        key = (designs.version, "flip", view.part("flip_x", "flip_y", "change", "scenario", "limits", "only"))
        winners = desk.keep(
            key, lambda: phase.compute(designs, view, desk.source.fields(), desk.source.field)
        )
        phases = phase.named(winners, designs, view.flip_of)
        return flip.draw(phases, view, phase.history()), phase.reading(phases, designs, view)

    @app.callback(Output("insight-cards", "children"), _part("insight"), VERSION, VIEW)
    def draw_insight(_: str, version: int | None, query: str) -> list[Any]:
        view = _seen(_, version, query)
        desk = shelf.desk(view.study)
        if view.page != "insight":
            raise PreventUpdate
        designs = desk.designs(view)
        trial = designs.opened(view)
        design = None if trial is None else desk.source.design(trial, view)
        return [layout.insight(card) for card in insight.cards(designs, view, design)]

    @app.callback(Output("table", "getRowsResponse"), Input("table", "getRowsRequest"), VIEW)
    def fill_table(request: dict[str, Any] | None, query: str) -> dict[str, Any]:
        if not request:
            raise PreventUpdate
        desk = shelf.desk(View.parse(query).study)
        view = desk.complete(View.parse(query))
        return grid.answer(desk.designs(view), view, request)


def _front(desk: Desk, designs: Designs, view: View, zoom: dict[str, Any] | None) -> Figure:
    key = (designs.version, "references", view.part("change", "scenario"))
    references = desk.keep(key, lambda: desk.source.references(view))
    return front.draw(designs, view, references, zoom)


def _seen(part: str | None, version: int | None, query: str) -> View:
    """The view, once the page has both a view and a version of the designs."""
    if part is None or version is None:
        raise PreventUpdate
    return View.parse(query)


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
        Output("download", "data", allow_duplicate=True), Output("problem", "children"),
        Input({"type": "export", "trial": ALL, "what": ALL}, "n_clicks"), VIEW, prevent_initial_call=True,
    )  # fmt: skip
    def export_design(clicks: list[int | None], query: str) -> tuple[Any, str]:
        if not any(clicks) or not isinstance(ctx.triggered_id, dict):
            raise PreventUpdate
        desk = shelf.desk(View.parse(query).study)
        view = desk.complete(View.parse(query))
        designs, trial = desk.designs(view), int(ctx.triggered_id["trial"])
        if designs.row(trial) is None:
            raise PreventUpdate
        try:
            files = desk.source.export(trial, view)
        except CodesignError as error:
            return no_update, f"Not exported: {error}"
        if ctx.triggered_id["what"] == "report":
            return takehome.text(files["report.html"], designs.study, trial, "html"), ""
        return takehome.archive(files, designs.study, trial), ""


def _in_the_browser(app: Dash) -> None:
    """What needs no server: assets/page.js."""

    def run(name: str) -> ClientsideFunction:
        return ClientsideFunction(namespace="page", function_name=name)

    app.clientside_callback(run("start"), Output("start", "data"), Input("address", "search"))
    app.clientside_callback(run("address"), Output("link", "data"), Input("view", "data"))
    app.clientside_callback(run("click"), Output("click", "data"), Input("front", "clickData"),
                            Input("flip", "clickData"))  # fmt: skip
    app.clientside_callback(run("brush"), Output("brush", "data"), Input("front", "selectedData"))
    app.clientside_callback(
        run("zoom"), Output("zoom", "data"), Input("front", "relayoutData"), State("zoom", "data")
    )
    app.clientside_callback(run("refill"), Output("table", "className"), _part("table"), VERSION)
    app.clientside_callback(run("copy"), Output("copy-link", "children"), Input("copy-link", "n_clicks"),
                            prevent_initial_call=True)  # fmt: skip
    app.clientside_callback(run("picture"), Output("svg", "title"), Input("svg", "n_clicks"), Input("png", "n_clicks"),
                            prevent_initial_call=True)  # fmt: skip
