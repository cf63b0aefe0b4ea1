"""The page's controls: axes, limits, what-ifs, the table's columns. Labels belong to every one of them."""

from typing import Any

from dash import dcc, html

from cost_models.catalogue import Catalogue
from dashboard import whatif
from dashboard.columns import Column, entry, numeric
from dashboard.designs import Designs
from dashboard.parts import act, named, pressed
from dashboard.scale import STEPS, Scale
from dashboard.view import View

MOST_TABLE_COLUMNS = 16
MOST_FIRST = 8  # objectives with a limit and a button in sight; the other limits are folded
FIRST_LIMITS = ("ttft_s", "peak_w", "capex_usd", "hbm_bytes")  # asked for most: SLO, power, budget, memory


def _labelled(text: str, control: Any, title: str = "") -> html.Label:
    return html.Label([html.Span(text), control], title=title, className="field")


def _options(columns: list[Column]) -> list[dict[str, str]]:
    return [{"value": column.name, "label": column.label, "title": column.title} for column in columns]


def axes(designs: Designs, view: View) -> html.Div:
    """Which columns are x, y and z, what colours, and how."""
    numbers = _options(numeric(designs.columns.values()))
    everything = _options(list(designs.columns.values()))
    none = [{"value": "none", "label": "none"}]

    def choice(name: str, label: str, options: list[dict[str, str]]) -> html.Label:
        return _labelled(label, dcc.Dropdown(id=f"axis-{name}", options=options, value=getattr(view, name),
                                             clearable=False, className="choice"))  # fmt: skip

    return html.Div(
        [
            choice("x", "across", numbers),
            choice("y", "up", numbers),
            choice("z", "depth (3-D)", none + numbers),
            choice("colour", "colour", none + everything),
            dcc.Checklist(
                id="log", value=list(view.log), inline=True, className="checks",
                options=[{"value": axis, "label": f"log {axis}"} for axis in "xyz"],
            ),
            dcc.Checklist(
                id="front-only", value=["on"] if view.front_only else [], inline=True, className="checks",
                options=[{"value": "on", "label": "front only"}],
            ),
        ],
        className="axes",
    )  # fmt: skip


def limited(designs: Designs) -> dict[str, Scale]:
    """The columns that get a slider in the limits: objectives and derived figures that differ, with its ends."""
    scales = {}
    for column in designs.named("objective", "figure"):
        if column.numeric:
            scale = Scale.of(designs.table[column.name].to_numpy(float)[designs.feasible])
            if scale is not None:
                scales[column.name] = scale
    return scales


def positions(scale: Scale, view: View, name: str) -> list[float]:
    """Where the two handles of a limit stand."""
    low, high = view.limits.get(name, (None, None))
    return [0 if low is None else scale.position(low), STEPS if high is None else scale.position(high)]


def depth_scale(
    designs: Designs, view: View, axis: str, scales: dict[str, Scale]
) -> tuple[str, Scale | None]:
    """The column of an axis of the scatter and the scale of its slider; None where it does not vary."""
    name = str(getattr(view, axis))
    if name in scales or name not in designs.columns or not designs.columns[name].numeric:
        return name, scales.get(name)
    return name, Scale.of(designs.table[name].to_numpy(float)[designs.feasible])


def depth_positions(designs: Designs, view: View, axis: str, scales: dict[str, Scale]) -> list[float]:
    """Where the two handles of an axis of the three-dimensional scatter stand."""
    name, scale = depth_scale(designs, view, axis, scales)
    return [0, STEPS] if scale is None else positions(scale, view, name)


def box(designs: Designs, view: View, scales: dict[str, Scale]) -> html.Div:
    """A slider for each axis: what a brush is in two dimensions. Shown with depth alone, where no lasso is."""
    sliders = [
        html.Div(
            [html.Span(label, className="note"),
             dcc.RangeSlider(id={"type": "depth", "axis": axis}, min=0, max=STEPS, step=0.5, marks=None,
                             value=depth_positions(designs, view, axis, scales), allow_direct_input=False,
                             updatemode="mouseup", className="slider")],
            className="limit", role="group", **named(f"Box {label}"),
        )
        for axis, label in (("x", "across"), ("y", "up"), ("z", "depth"))
    ]  # fmt: skip
    return html.Div(sliders, className="box")


def limits(designs: Designs, view: View, content: dict[str, Any], scales: dict[str, Scale]) -> html.Section:
    """Sliders that keep only the designs between two values; content: what "left-over" and "saved" hold."""
    first = [name for name in scales if name in designs.objectives[:MOST_FIRST] or name in FIRST_LIMITS]
    rest = [_limit(designs, view, name, scales[name]) for name in scales if name not in first]
    rows: list[Any] = [_limit(designs, view, name, scales[name]) for name in first]
    if rest:
        asked = any(name in view.limits for name in scales if name not in first)
        rows.append(html.Details([html.Summary("more limits"), *rest], open=asked))
    few = (
        "No figure tells the feasible designs apart." if designs.feasible.any() else "No feasible design yet."
    )
    nothing: Any = html.P(few, className="note")
    return html.Section(
        [
            html.H2("Limits"),
            html.P(content["left-over"], id="left-over", className="reading", role="status"),
            *(rows or [nothing]),
            html.Div(
                [
                    html.Label("selection", htmlFor="save-name", className="hidden"),
                    dcc.Input(id="save-name", placeholder="name this selection", maxLength=40, className="text"),
                    html.Button("Save", id="save", title="Keep the designs on the front that are left, by a name"),
                ],
                className="buttons",
            ),
            html.Div(content["saved"], id="saved"),
        ],
        className="card", id="limits-card",
    )  # fmt: skip


def _limit(designs: Designs, view: View, name: str, scale: Scale) -> html.Div:
    column = designs.columns[name]
    return html.Div(
        [
            html.Div(
                [
                    html.Span(column.title, className="name"),
                    _field({"type": "bound", "column": name, "end": "low"}, bounds(designs, view, name)[0],
                           column.number(scale.low)),
                    _field({"type": "bound", "column": name, "end": "high"}, bounds(designs, view, name)[1],
                           column.number(scale.high)),
                ],
                className="entry",
            ),
            dcc.RangeSlider(
                id={"type": "limit", "column": name}, min=0, max=STEPS, step=0.5, marks=None,
                value=positions(scale, view, name), allow_direct_input=False, updatemode="mouseup", className="slider",
            ),
        ],
        className="limit", role="group", **named(f"Limit {column.label}"),
    )  # fmt: skip


def bounds(designs: Designs, view: View, name: str) -> list[str]:
    """What the two fields of a limit say, in the shown unit."""
    factor = designs.columns[name].factor
    return [entry(None if end is None else end * factor) for end in view.limits.get(name, (None, None))]


def _field(identity: dict[str, str], value: str, hint: str) -> dcc.Input:
    """A field for a number, read when it is left or on Enter; assets/page.js names it after its group."""
    return dcc.Input(id=identity, value=value, placeholder=hint, debounce=True, className="number",
                     maxLength=16, autoComplete="off")  # fmt: skip


def what_if(view: View, catalogue: Catalogue) -> html.Section:
    """Sliders and presets for prices, load and grid; every design is costed again, no model is trained again."""
    return html.Section(
        [
            html.H2("What if"),
            html.P("Costs every design again, trains none. Empty a field to undo it.", className="note"),
            _labelled("prices of", dcc.Dropdown(id="scenario", options=whatif.scenarios(), clearable=False,
                                                value=view.scenario or "study", className="choice")),
            *(_quantity(quantity, view, catalogue) for quantity in whatif.QUANTITIES.values()),
        ],
        className="card", id="what-if-card",
    )  # fmt: skip


def _quantity(quantity: whatif.Quantity, view: View, catalogue: Catalogue) -> html.Div:
    return html.Div(
        [
            html.Div(
                [
                    html.Span(f"{quantity.label} ({quantity.unit})", className="name"),
                    _field({"type": "asked", "quantity": quantity.name}, asked(quantity.name, view),
                           usually(quantity.name, catalogue)),
                ],
                className="entry",
            ),
            dcc.Slider(
                id={"type": "change", "quantity": quantity.name}, min=0, max=STEPS, step=0.5, marks=None,
                value=lever(quantity.name, view, catalogue), allow_direct_input=False,
                updatemode="mouseup", className="slider",
            ),
        ],
        className="limit", role="group", **named(quantity.label),
    )  # fmt: skip


def lever(name: str, view: View, catalogue: Catalogue) -> float:
    """Where the slider of a what-if stands: at its value, else where the study has it."""
    quantity = whatif.QUANTITIES[name]
    value = view.change.get(name, whatif.usual(quantity, catalogue))
    return quantity.scale.position(value)


def asked(name: str, view: View) -> str:
    """What the field of a what-if says: its value, empty where it is as in the study."""
    return entry(view.change.get(name))


def usually(name: str, catalogue: Catalogue) -> str:
    """What the field of a what-if says while nothing is asked: how the study has it."""
    quantity = whatif.QUANTITIES[name]
    known = quantity.path or name == "utilisation"
    return entry(whatif.usual(quantity, catalogue)) if known else "as is"


def choices(designs: Designs, view: View) -> list[Any]:
    """A button for each choice within the limits: the best compromise, and the best in each objective."""
    opened = designs.opened(view)
    buttons = []
    for name, trial in list(designs.choices(view).items())[: 1 + MOST_FIRST]:
        column = designs.columns.get(name)
        best = "highest" if column and column.direction == "maximize" else "lowest"
        text = "best compromise" if column is None else f"{best} {column.label}"
        buttons.append(html.Button(f"{text} #{trial}", title=f"Open design #{trial}", **act("take", name),
                                   **pressed(trial == opened)))  # fmt: skip
    return [html.Span("Open:", className="note"), *buttons] if buttons else []


def values(
    designs: Designs, view: View, catalogue: Catalogue, scales: dict[str, Scale]
) -> list[tuple[Any, str, Any]]:
    """What every control of the page says of a view: (its id, the property, the value).

    catalogue: at the study's own prices; scales: of the limits' sliders.
    """
    plain: dict[str, Any] = {f"axis-{name}": getattr(view, name) for name in ("x", "y", "z", "colour")}
    plain |= {name: getattr(view, name.replace("-", "_")) for name in ("flip-x", "flip-y", "flip-of")}
    plain |= {"log": list(view.log), "front-only": ["on"] if view.front_only else [],
              "scenario": view.scenario or "study", "page-choice": view.page}  # fmt: skip
    found: list[tuple[Any, str, Any]] = [(name, "value", value) for name, value in plain.items()]
    for name, scale in scales.items():
        found.append(({"column": name, "type": "limit"}, "value", positions(scale, view, name)))
        for end, text in zip(("low", "high"), bounds(designs, view, name), strict=True):
            found.append(({"column": name, "end": end, "type": "bound"}, "value", text))
    for axis in "xyz":
        found.append(({"axis": axis, "type": "depth"}, "value", depth_positions(designs, view, axis, scales)))
    for name in whatif.QUANTITIES:
        found.append(({"quantity": name, "type": "change"}, "value", lever(name, view, catalogue)))
        found.append(({"quantity": name, "type": "asked"}, "value", asked(name, view)))
        found.append(({"quantity": name, "type": "asked"}, "placeholder", usually(name, catalogue)))
    return found


def saved(view: View) -> list[Any]:
    """The saved selections, each to show or to forget."""
    return [
        html.Div(
            [
                html.Button(f"{name} ({len(trials)})", className="link", **act("show", name)),
                html.Button("×", className="link", title=f"Forget {name}", **act("forget", name),
                            **named(f"Forget {name}")),
            ]
        )
        for name, trials in view.saved.items()
    ]  # fmt: skip


def flip_axes(designs: Designs, view: View) -> html.Div:
    """Which two quantities span the phase diagram, and whose winner colours it."""
    quantities = [{"value": q.name, "label": q.label} for q in whatif.QUANTITIES.values()]
    choices = [{"value": c.name, "label": c.label} for c in designs.named("parameter")]
    chosen = view.flip_of or (choices[0]["value"] if choices else "")
    return html.Div(
        [
            _labelled(
                "across", dcc.Dropdown(id="flip-x", options=quantities, value=view.flip_x, clearable=False)
            ),
            _labelled(
                "up", dcc.Dropdown(id="flip-y", options=quantities, value=view.flip_y, clearable=False)
            ),
            _labelled("which", dcc.Dropdown(id="flip-of", options=choices, value=chosen, clearable=False)),
        ],
        className="axes",
    )


def take_home() -> html.Div:
    """Buttons that save the trade-off's picture."""
    return html.Div(
        [html.Button(f"Picture as {kind}", **act("picture", kind.lower())) for kind in ("SVG", "PNG")],
        className="buttons",
    )


def table_columns(designs: Designs) -> list[Column]:
    """The columns of the table: objectives, the parameters that vary, then derived figures."""
    return [*designs.named("objective"), *designs.varying, *designs.named("figure")][:MOST_TABLE_COLUMNS]


def column_definitions(designs: Designs) -> list[dict[str, Any]]:
    """What dash-ag-grid needs to know of each column; text stays text."""
    first = [
        {"field": "trial", "headerName": "design", "pinned": "left", "minWidth": 106, "maxWidth": 120,
         "filter": "agNumberColumnFilter"},
        {"field": "pick", "headerName": "compare", "minWidth": 92, "maxWidth": 92, "sortable": False},
        {"field": "note", "headerName": "standing", "minWidth": 96, "maxWidth": 110, "sortable": False},
    ]  # fmt: skip
    return first + [
        {"field": column.name, "headerName": column.title, "headerTooltip": column.name,
         "minWidth": max(112, 48 + 8 * max(map(len, column.title.split()))),  # no word is cut
         "filter": "agNumberColumnFilter" if column.numeric else "agTextColumnFilter",
         **({"type": "rightAligned"} if column.numeric else {})}
        for column in table_columns(designs)
    ]  # fmt: skip
