"""Fronts and trials as text for people."""

from typing import Any

import cost_models
from codesign.plaintext import number, table
from codesign.search.scoring import QUALITY

MOST_ROWS = 24


def front_table(front: list[dict[str, Any]], most: int = MOST_ROWS) -> str:
    """A front as a table of at most `most` rows: knee and the best of each objective always, marked."""
    if not front:
        return "no feasible design yet"
    objectives = list(front[0]["objectives"])
    marks = marked(front)
    chosen = _chosen(front, marks, most)
    varying = [n for n in _names(front) if len({str(row["params"].get(n)) for row in front}) > 1]
    header = ["trial", *(_heading(name) for name in objectives), *(n.rsplit(".", 1)[-1] for n in varying), ""]
    rows = [
        [
            str(front[i]["trial"]),
            *(number(front[i]["objectives"][name], 5 if name == QUALITY else 3) for name in objectives),
            *(_value(front[i]["params"].get(name)) for name in varying),
            ", ".join(marks.get(i, [])),
        ]
        for i in chosen
    ]
    lines = [table(header, rows, left=0)]
    if len(chosen) < len(front):
        lines.append(f"{len(chosen)} of {len(front)} members of the front; all of them with --json")
    fixed = [f"{n} {_value(front[0]['params'].get(n))}" for n in _names(front) if n not in varying]
    if fixed:
        lines.append("alike in all: " + ", ".join(fixed))
    return "\n".join(lines)


def marked(front: list[dict[str, Any]]) -> dict[int, list[str]]:
    """Row -> why it stands out: "knee", or "best" in an objective."""
    marks: dict[int, list[str]] = {}
    for index, row in enumerate(front):
        if row["knee"]:
            marks.setdefault(index, []).append("knee")
    for name in front[0]["objectives"]:
        sign = -1 if cost_models.OBJECTIVES[name].direction == "maximize" else 1
        best = min(range(len(front)), key=lambda i: sign * front[i]["objectives"][name])
        marks.setdefault(best, []).append(f"best {name}")
    return marks


def show_text(document: dict[str, Any]) -> str:
    """One trial as text: its choices, then its figures."""
    lines = [f"trial {document['trial']} of {document['study']}: {document['state'].lower()}"]
    if document["completes"] is not None:
        lines[0] += f", uses the training of trial {document['completes']}"
    if document["reason"]:
        lines.append(document["reason"])
    rows = [[name, _value(value)] for name, value in document["params"].items()]
    rows += [[_heading(name), number(value, 5)] for name, value in (document["objectives"] or {}).items()]
    rows += [[f"violates {n}", number(v)] for n, v in document["constraints"].items() if v > 0]
    lines.append(table(["", ""], rows))
    if document["evaluation"]:
        from codesign.report import report

        lines += ["", report(document["evaluation"])]
    return "\n".join(lines)


def _chosen(front: list[dict[str, Any]], marks: dict[int, list[str]], most: int) -> list[int]:
    rest = [i for i in range(len(front)) if i not in marks]
    room = max(0, most - len(marks))
    spread = rest if len(rest) <= room else [rest[i * len(rest) // room] for i in range(room)]
    return sorted([*marks, *spread])


def _names(front: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in front for name in row["params"]))


def _heading(name: str) -> str:
    unit = cost_models.OBJECTIVES[name].unit
    return f"{name} ({unit})" if unit and not name.endswith(f"_{unit}") else name


def _value(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, float) else str(value)
