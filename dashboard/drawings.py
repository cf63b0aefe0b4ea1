"""What is drawn from what: the parts of the page, the fields of the view that each shows, and their content.

A part is drawn again only when its token changes: the text of its own fields, and the version of the designs. What
is seen first comes in the answer to a change itself; what lies below, or on another page, is asked for after it.
"""

from dataclasses import replace
from typing import Any

from dash import html

from dashboard import compare, consequences, controls, details, whatif, words
from dashboard.designs import Designs
from dashboard.desk import Desk
from dashboard.figures import front
from dashboard.figures.style import Figure
from dashboard.view import View

_WHICH = ("limits", "only", "lasso", "x", "y")
_IF = ("theme", "scenario", "change")
AT_ONCE: dict[str, tuple[str, ...]] = {
    "front": ("z", "log", "colour", "front_only", *_WHICH, *_IF),
    "rings": ("trial", "picks"),
    "words": (*_WHICH, "trial", "scenario", "change"),
    "details": ("trial", "picks", *_IF),
    "comparison": ("picks", *_IF),
    "saved": ("saved",),
    "table": ("front_only", "picks", *_WHICH, "scenario", "change"),
}
LATER: dict[str, tuple[str, ...]] = {
    "parallel": (*_WHICH, *_IF),
    "reasons": ("trial", *_IF),
    "flip": ("flip_x", "flip_y", "flip_of", "limits", "only", *_IF),
    "insight": ("trial", *_IF),
}
_OPENED = (
    "rings",
    "details",
    "reasons",
    "insight",
)  # what is open depends on the limits where the view names none
# Parts that one page alone shows wait until it is looked at.
_PAGE = {"front": "trade-off", "table": "trade-off", "parallel": "trade-off", "reasons": "trade-off",
         "flip": "flip", "insight": "insight"}  # fmt: skip


def tokens(designs: Designs, view: View, drawn: dict[str, str]) -> dict[str, str]:
    """What each part is to be drawn from; as `drawn` says where another page hides it."""
    opened = designs.opened(view)
    row = designs.row(opened)
    said = f"{opened}{'' if row is None or designs.kept(view)[row] else ' outside'}"
    found = {}
    for part, fields in {**AT_ONCE, **LATER}.items():
        hidden = _PAGE.get(part, view.page) != view.page
        now = f"{designs.version} {view.part(*fields)}" + (said if part in _OPENED else "")
        found[part] = drawn.get(part, "") if hidden else now
    if view.z in designs.columns and _PAGE["front"] == view.page:
        found["front"] += found["rings"]  # rings in depth are traces of the figure
    return found


def figure(desk: Desk, designs: Designs, view: View, zoom: dict[str, Any] | None = None) -> Figure:
    """The trade-off; zoom: the ranges that the user has zoomed to."""
    key = (designs.version, "references", view.part("change", "scenario"))
    references = desk.keep(key, lambda: desk.source.references(view))
    return front.draw(designs, view, references, zoom)


def sentences(desk: Desk, designs: Designs, view: View) -> dict[str, Any]:
    """The verdict, how many designs are left, what a what-if changed, and the choices: element -> children."""
    first, second = words.advice(designs, view)
    return {
        "verdict": [html.Strong(first), html.Span(f" {second}")],
        "left-over": words.left(designs, view),
        "changed": _changed(desk, designs, view),
        "choices": controls.choices(designs, view),
    }


def _changed(desk: Desk, designs: Designs, view: View) -> str:
    if designs.ghost is None:
        return ""
    said = consequences.changed(designs.ghost, designs)
    if len(view.change) != 1:
        return said
    quantity = whatif.QUANTITIES.get(next(iter(view.change)))
    usual = (
        0.0 if quantity is None else whatif.usual(quantity, desk.source.catalogue(replace(view, change={})))
    )
    return f"{said} {consequences.switch(designs.ghost, designs, view, usual)}".strip()


def panels(desk: Desk, designs: Designs, view: View, which: set[str]) -> dict[str, Any]:
    """The panels that change with what is open, compared and saved, as far as asked for: element -> children."""
    found: dict[str, Any] = {}
    if "details" in which:
        found["details"] = details.panel(designs, view, *_of_opened(desk, designs, view))
    if "comparison" in which:
        found["comparison"] = compare.panel(designs, view)
    if "saved" in which:
        found["saved"] = controls.saved(view)
    return found


def near(desk: Desk, designs: Designs, view: View) -> dict[str, Figure]:
    """The figures beside the panel of the open design: graph -> figure."""
    return details.near(*_of_opened(desk, designs, view), view.theme)


def reasons(desk: Desk, designs: Designs, view: View) -> tuple[str, dict[str, Figure | None], Any]:
    """The further reasons for the open design: title, graph -> figure or None, sources."""
    document, parts = _of_opened(desk, designs, view)
    return (
        f"Why #{designs.opened(view)} is where it is",
        details.further(document, parts, view.theme),
        details.sources(document),
    )


def _of_opened(desk: Desk, designs: Designs, view: View) -> tuple[dict[str, Any], dict[str, Any]]:
    """The evaluation of the open design, and what is known beside it."""
    trial = designs.opened(view)
    if trial is None:
        return {}, {}
    key = (designs.version, "parts", trial, view.part("change", "scenario"))
    return desk.document(trial, view), desk.keep(key, lambda: desk.source.parts(trial, view))
