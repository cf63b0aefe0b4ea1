"""Fronts and trials as text for people."""

from typing import Any

import cost_models
from codesign.plaintext import count, number, table
from codesign.search.scoring import QUALITY

MOST_ROWS = 24

_SAID = {
    "usd": "USD",
    "mtok": "Mtok",
    "j": "J",
    "tpot": "TPOT",
    "ttft": "TTFT",
    "hbm": "HBM",
    "kv": "KV",
    "capex": "capital",
}


def front_table(front: list[dict[str, Any]], most: int = MOST_ROWS) -> str:
    """A front as a table of at most `most` rows: knee and the best of each objective always, marked."""
    if not front:
        return "no feasible design yet"
    objectives = list(front[0]["objectives"])
    marks = marked(front)
    chosen = _chosen(front, marks, most)
    varying = [n for n in _names(front) if len({str(row["params"].get(n)) for row in front}) > 1]
    fidelity = next((row["confirmed"]["fidelity"] for row in front if row["confirmed"]), None)
    header = ["trial", *(_heading(name) for name in objectives), *([f"at {fidelity}"] if fidelity else []),
              *(_short(name) for name in varying), ""]  # fmt: skip
    rows = [
        [
            str(front[i]["trial"]),
            *(
                _figure(name, value, front[i]["standard_error"])
                for name, value in front[i]["objectives"].items()
            ),
            *([_again(front[i]["confirmed"])] if fidelity else []),
            *(_value(front[i]["params"].get(name)) for name in varying),
            ", ".join(marks.get(i, []) + _tie(front[i])),
        ]
        for i in chosen
    ]
    lines = [table(header, rows, left=0)]
    if any(front[i]["tie"] is not None for i in chosen):
        tied = sum(row["tie"] is not None for row in front)
        lines.append(
            f"ties with: another is as good in everything within the noise of the trainings, and better in "
            f"something ({tied} of {len(front)} members)"
        )
    if len(chosen) < len(front):
        lines.append(f"{len(chosen)} of {len(front)} members of the front; all of them with --json")
    fixed = [f"{n} {_value(front[0]['params'].get(n))}" for n in _names(front) if n not in varying]
    if fixed:
        lines.append("alike in all: " + ", ".join(fixed))
    return "\n".join(lines)


def _again(confirmed: dict[str, Any] | None) -> str:
    """The loss of a longer training, with its error and the rank among the front's models."""
    if confirmed is None:
        return "-"
    low, high = confirmed["rank_range"]
    rank = f"{low}" if low == high else f"{low}-{high}"
    return f"{_figure(QUALITY, confirmed['bits_per_byte'], confirmed['standard_error'])} #{rank}"


def marked(front: list[dict[str, Any]]) -> dict[int, list[str]]:
    """Row -> why it stands out: "knee", or "best" in an objective."""
    marks: dict[int, list[str]] = {}
    for index, row in enumerate(front):
        if row["knee"]:
            marks.setdefault(index, []).append("knee")
    for name in front[0]["objectives"]:
        sign = -1 if cost_models.OBJECTIVES[name].direction == "maximize" else 1
        best = min(range(len(front)), key=lambda i: sign * front[i]["objectives"][name])
        marks.setdefault(best, []).append(f"best {_name(name)}")
    return marks


def show_text(document: dict[str, Any]) -> str:
    """One trial as text: its choices, then its figures."""
    lines = [f"trial {document['trial']} of {document['study']}: {document['state'].lower()}"]
    if document["completes"] is not None:
        lines[0] += f", uses the training of trial {document['completes']}"
    if document["reason"]:
        lines.append(document["reason"])
    rows = [[name, _value(value)] for name, value in document["params"].items()]
    rows += [[_heading(name), _figure(name, value)] for name, value in (document["objectives"] or {}).items()]
    rows += [[f"violates {n}", number(v)] for n, v in document["constraints"].items() if v > 0]
    lines.append(table(["", ""], rows))
    if document["evaluation"]:
        from codesign.report import report

        lines += ["", report(document["evaluation"])]
    return "\n".join(lines)


def _tie(row: dict[str, Any]) -> list[str]:
    return [] if row["tie"] is None else [f"ties with {row['tie']}"]


def _chosen(front: list[dict[str, Any]], marks: dict[int, list[str]], most: int) -> list[int]:
    chosen = list(marks)
    for tied in (False, True):  # members that stand by more than noise first
        rest = [i for i, row in enumerate(front) if i not in marks and (row["tie"] is not None) == tied]
        room = max(0, most - len(chosen))
        chosen += rest if len(rest) <= room else [rest[i * len(rest) // room] for i in range(room)]
    return sorted(chosen)


def _names(front: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in front for name in row["params"]))


def _name(objective: str) -> str:
    """`usd_per_mtok` -> `USD/Mtok`, `tpot_s` -> `TPOT`: as people say it."""
    seconds = cost_models.OBJECTIVES[objective].unit == "s"
    words = (objective.removesuffix("_s") if seconds else objective).split("_")
    said = [_SAID.get(word, word) for word in words]
    return " ".join(said).replace(" per ", "/")


def _heading(objective: str) -> str:
    unit = cost_models.OBJECTIVES[objective].unit
    return f"{_name(objective)}, ms" if unit == "s" else _name(objective)


def _figure(objective: str, value: float, error: float | None = None) -> str:
    """A figure in the unit of its heading; the quality with its standard error."""
    if objective == QUALITY:
        return f"{value:.4f}" + (f" ±{error:.4f}" if error else "")
    return number(1000 * value if cost_models.OBJECTIVES[objective].unit == "s" else value)


def figure(objective: str, value: float) -> str:
    """A figure with its name and unit: `TPOT 3.1 ms`, `0.12 USD/Mtok`."""
    name = _name(objective)
    if cost_models.OBJECTIVES[objective].unit == "s":
        return f"{name} {_figure(objective, value)} ms"
    return f"{_figure(objective, value)} {name}"


def _short(parameter: str) -> str:
    """`model.engram_share` -> `share`, `system.host.dram_gib` -> `dram GiB`."""
    name = parameter.rsplit(".", 1)[-1].removeprefix("engram_")
    return {"total_parameters": "total"}.get(name, name.replace("_gib", "_GiB").replace("_", " "))


def _value(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return count(value) if value >= 1e6 else f"{value:g}"
    return str(value)
