"""Where the design stands: the front of its study, and the nearest other designs."""

from html import escape
from typing import Any

from codesign.export.alternatives import nearest
from codesign.export.charts import Point, scatter
from codesign.export.page.markup import paragraph
from codesign.export.specification import Specification
from codesign.plaintext import number
from cost_models import OBJECTIVES

Document = dict[str, Any]
_SPOKEN = {
    "dram": "DRAM", "hbm": "HBM", "cxl": "CXL", "ssd": "SSD", "gib": "GiB", "engram": "Engram",
    "serving.tables.tier": "tables in", "serving.concurrency": "sequences in flight",
}  # fmt: skip


def front(specification: Specification, document: Document) -> str:
    """The first objective of the study against each other one; empty for a finished model."""
    designs = specification.front
    if not designs:
        return ""
    first, *others = designs[0]["objectives"]
    own = _own(document, [first, *others])
    figures = []
    for name in others:
        scale = _scale(name)
        points = [
            Point(scale * entry["objectives"][name], entry["objectives"][first], f"trial {entry['trial']}")
            for entry in designs
            if entry["trial"] != specification.trial
        ]
        x, y = own[name], own[first]
        if x is not None and y is not None:
            points.append(Point(scale * x, y, "this design", chosen=True))
        better = _sense(name), _sense(first)
        figures.append(f"<div>{scatter(points, _axis(name), _axis(first), better)}</div>")
    words = (
        f"{len(designs)} designs of the study are beaten by no other in all {len(others) + 1} figures at once; the "
        "line joins those that none beats in the two figures of its picture, the large dot is this design."
    )
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
    params = {entry["trial"]: entry["params"] for entry in specification.front}
    items = [
        f"<li>Trial {trial}: {escape(text)}.{_otherwise(params[trial], params.get(specification.trial))}</li>"
        for trial, text in found
    ]
    return f"<ul>{''.join(items)}</ul>"


def _otherwise(params: dict[str, Any], own: dict[str, Any] | None) -> str:
    """In which choices a design differs, as `accelerators 2 (here 1)`; empty where the own ones are not known."""
    if not own:
        return ""
    changed = [
        f"{_words(name)} {_value(value)} (here {_value(own[name])})"
        for name, value in params.items()
        if name in own and own[name] != value
    ]
    return paragraph(f"It has {', '.join(changed)}.", "quiet") if changed else ""


def _words(name: str) -> str:
    """A parameter as people say it: `system.host.dram_gib` is DRAM GiB."""
    last = name.rpartition(".")[2]
    return _SPOKEN.get(name) or " ".join(_SPOKEN.get(word, word) for word in last.split("_"))


def _value(value: Any) -> str:
    return number(value, 4) if isinstance(value, float) else str(value)


def _axis(name: str) -> str:
    objective = OBJECTIVES[name]
    better = "\u2193" if objective.direction == "minimize" else "\u2191"
    unit = "ms" if objective.unit == "s" else objective.unit
    return f"{objective.label}{f', {unit}' if unit else ''} ({better} is better)"


def _scale(name: str) -> float:
    """Seconds are drawn as milliseconds."""
    return 1e3 if OBJECTIVES[name].unit == "s" else 1.0


def _sense(name: str) -> int:
    return 1 if OBJECTIVES[name].direction == "maximize" else -1


def _own(document: Document, names: list[str]) -> dict[str, float | None]:
    """The design's own value of each objective, from its place in the document."""
    values: dict[str, float | None] = {}
    for name in names:
        section, _, key = OBJECTIVES[name].figure.partition(".")
        values[name] = (document[section] or {}).get(key)
    return values
