"""Where the design stands: the front of its study, and the nearest other designs."""

from html import escape
from typing import Any

from codesign.export.alternatives import nearest
from codesign.export.charts import Point, scatter
from codesign.export.page.markup import paragraph
from codesign.export.specification import Specification
from cost_models import OBJECTIVES

Document = dict[str, Any]


def front(specification: Specification, document: Document) -> str:
    """The first objective of the study against each other one; empty for a finished model."""
    designs = specification.front
    if not designs:
        return ""
    first, *others = designs[0]["objectives"]
    own = _own(document, [first, *others])
    figures = []
    for name in others:
        points = [
            Point(entry["objectives"][name], entry["objectives"][first], f"trial {entry['trial']}")
            for entry in designs
            if entry["trial"] != specification.trial
        ]
        x, y = own[name], own[first]
        if x is not None and y is not None:
            points.append(Point(x, y, "this design", chosen=True))
        figures.append(f"<div>{scatter(points, _axis(name), _axis(first))}</div>")
    words = f"{len(designs)} designs of the study are not dominated; the large dot is this design."
    return f'{paragraph(words, "quiet")}<div class="two">{"".join(figures)}</div>'


def alternatives(specification: Specification, document: Document) -> str:
    """What the nearest designs of the front gain and lose; empty for a finished model."""
    if not specification.front:
        return ""
    own = _own(document, list(specification.front[0]["objectives"]))
    known = {name: value for name, value in own.items() if value is not None}
    found = nearest(known, specification.trial, specification.front)
    if not found:
        return paragraph("No design of the front is better in anything by 2 % or more.")
    return f"<ul>{''.join(f'<li>Trial {trial}: {escape(text)}.</li>' for trial, text in found)}</ul>"


def _axis(name: str) -> str:
    objective = OBJECTIVES[name]
    better = "\u2193" if objective.direction == "minimize" else "\u2191"
    return f"{objective.label}{f', {objective.unit}' if objective.unit else ''} ({better} is better)"


def _own(document: Document, names: list[str]) -> dict[str, float | None]:
    """The design's own value of each objective, from its place in the document."""
    values: dict[str, float | None] = {}
    for name in names:
        section, _, key = OBJECTIVES[name].figure.partition(".")
        values[name] = (document[section] or {}).get(key)
    return values
