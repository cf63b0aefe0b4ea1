"""The cost models against published measurements: every case, its error, and whether it is within tolerance.

Tolerances were stated before anything was tuned. A case that is missed stays in the table as a miss.
`python -m cost_models.validation FILE` writes the table as Markdown.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

from cost_models import constants, quantities, yamlfile
from cost_models.cases import Case, not_modelled, read_all
from cost_models.catalogue import Catalogue, load_catalogue
from cost_models.catalogue.units import UNITS
from cost_models.evaluation import evaluate

_MEAN_BAR = 0.06  # mean absolute error over the model-level points of one GPU with fitted constants
_SERVED_HEADING = "Time per output token of servers under load"
_SERVED_TEXT = (
    "Each with its engine named. The form of the model was chosen with the rows of `development` and `opened` in view",
    "(the latter were held out until then), and its constants were fitted to them (`python -m",
    "cost_models.fitting.engines`). Nothing was chosen on those `held out`, of which only means were known before",
    "(`served_fresh.yaml`). The load of the servers that are `set aside` is not known: they are left out of the means.",
    "By which rules, and what is odd about others, is in `cost_models/references/served_dense.yaml`.",
)
_SETS = ("development", "opened", "held out", "set aside")
_SERVED_BAR = 0.14  # mean absolute error of the time per output token of servers of dense models


def document(cases: Iterable[Case] | None = None) -> dict[str, Any]:
    """The JSON of `codesign validate`: {cases, groups, servers, operators, not_modelled, summary}.

    error: predicted / published - 1, or predicted - published where the tolerance is absolute (a change in
    percentage points, say). summary.mape_held_out, mape_model_latency: mean of |predicted /
    published - 1| over the held-out cases with a relative error, and over the timed steps of whole models;
    mape_fitted: over the measured operators that the latency constants were fitted on. mape_served_*: the time per
    output token of servers under load, which the other means leave out; those set aside are in mape_served_all only.
    """
    rows = [_row(case) for case in (read_all() if cases is None else cases)]
    groups, operators = _groups(rows), operator_fits()
    every = [row for row in rows if row["served"]]
    served = [row for row in every if row["served"] != "set aside"]
    held_out = [row for row in served if row["served"] == "held out"]
    single = [row for row in rows if not row["served"]]
    summary = {
        "cases": len(rows),
        "failed": sum(not row["ok"] for row in rows),
        "mape_fitted": sum(fit["rows"] * fit["error"] for fit in operators)
        / sum(fit["rows"] for fit in operators),
        "mape_held_out": _mape([row for row in single if not row["fitted"]]),
        "mape_model_latency": _mape([row for row in single if row["unit"] == "ms"]),
        "mape_served_all": _mape(every),
        "mape_served": _mape(served),
        "mape_served_held_out": _mape(held_out),
        "median_served_held_out": _median(held_out),
    }
    return {
        "cases": rows,
        "groups": groups,
        "servers": _servers(every),
        "operators": operators,
        "not_modelled": not_modelled(),
        "summary": summary,
    }


def operator_fits() -> list[dict[str, Any]]:
    """{accelerator, operator, rows, error} of every operator class that latency constants were fitted on."""
    accelerators = yamlfile.read(constants.FILE).data["accelerators"]
    return [
        {"accelerator": name, "operator": kind, "rows": fit["rows"], "error": fit["error"]}
        for name, classes in accelerators.items()
        for kind, fit in classes.items()
        if name != constants.PRIOR and fit["error"] is not None
    ]


def _row(case: Case) -> dict[str, Any]:
    predicted = predict(case)
    difference = case.tolerance.kind == "absolute" or case.published == 0
    error = predicted - case.published if difference else predicted / case.published - 1
    return {
        "name": case.name,
        "group": case.group,
        "source": case.source,
        "quantity": case.quantity,
        "unit": case.unit or None,
        "compare": case.compare or None,
        "published": case.published,
        "predicted": predicted,
        "error": error,
        "error_kind": "absolute" if difference else "relative",
        "tolerance": case.tolerance.amount,
        "tolerance_kind": case.tolerance.kind,
        "tolerance_text": str(case.tolerance),
        "fitted": case.fitted,
        "ok": case.tolerance.holds(case.published, predicted),
        "note": case.note or None,
        "served": case.served,
        "engine": str(case.design.serving.engine) if case.design is not None else "",
    }


def predict(case: Case) -> float:
    """What the models say of a case, in the unit of its published figure."""
    catalogue = load_catalogue(case.scenario)
    value = _quantity(case, case.design, catalogue)
    if case.compare:
        base = _quantity(case, case.baseline, catalogue)
        ratio = base / value if case.compare == "inverse_ratio" else value / base
        return ratio - 1 if case.compare == "change" else ratio
    return value * case.times / (UNITS[case.unit][0] if case.unit else 1.0)


def _quantity(case: Case, design: Any, catalogue: Catalogue) -> float:
    if case.quantity.startswith("function."):
        return quantities.compute(case.quantity.removeprefix("function."), design, catalogue, case.arguments)
    evaluation = evaluate(design, catalogue)
    if case.quantity in evaluation.columns:
        return float(evaluation[case.quantity])
    found: Any = evaluation.document()
    for key in case.quantity.split("."):
        found = found[key]
    return float(found)


def _mape(rows: list[dict[str, Any]]) -> float | None:
    errors = [abs(row["error"]) for row in rows if row["error_kind"] == "relative"]
    return sum(errors) / len(errors) if errors else None


def _median(rows: list[dict[str, Any]]) -> float | None:
    return median(abs(row["error"]) for row in rows) if rows else None


def _groups(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean error by group of cases, in order of appearance."""
    names = dict.fromkeys(row["group"] for row in rows)
    out = []
    for name in names:
        members = [row for row in rows if row["group"] == name]
        out.append({"group": name, "cases": len(members), "failed": sum(not row["ok"] for row in members),
                    "mape": _mape(members), "served": members[0]["served"]})  # fmt: skip
    return out


def _servers(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """{set, engine, rows, mape, median} of the time per output token of servers; engine "all" first of each set."""
    out = []
    for name in _SETS:
        members = [row for row in rows if row["served"] == name]
        for engine in ("all", *sorted({row["engine"] for row in members})):
            of_engine = [row for row in members if engine in ("all", row["engine"])]
            if of_engine:
                out.append({"set": name, "engine": engine, "rows": len(of_engine), "mape": _mape(of_engine),
                            "median": _median(of_engine)})  # fmt: skip
    return out


def text(report: dict[str, Any]) -> str:
    """The report as a table; timed points are shown by group, with those out of tolerance named."""
    lines = [f"{'':4} {'case':<78} {'published':>13} {'predicted':>13} {'error':>9} {'tolerance':>10}"]
    for row in report["cases"]:
        if row["unit"] != "ms" or not (row["ok"] or row["served"]):
            lines.append(
                f"{'ok' if row['ok'] else 'MISS':4} {_name(row):<78} {_number(row['published']):>13} "
                f"{_number(row['predicted']):>13} {_error(row):>9} {row['tolerance_text']:>10}"
            )
    lines += ["", "Timed steps of whole models, mean absolute error by group"]
    timed = {row["group"] for row in report["cases"] if row["unit"] == "ms"}
    for served, heading in ((False, ""), (True, _SERVED_HEADING)):
        lines += ["", heading] if heading else []
        for group in report["groups"]:
            if group["group"] in timed and bool(group["served"]) == served:
                lines.append(f"     {group['group']:<50} {group['cases']:>3} points {group['mape']:>7.1%}")
    for found in report["servers"]:
        name = f"{found['set']}, {found['engine']}"
        lines.append(
            f"     {name:<50} {found['rows']:>3} rows   {found['mape']:>7.1%}, median {found['median']:.1%}"
        )
    lines += ["", "Operators that the latency constants were fitted on, mean absolute error"]
    for fit in report["operators"]:
        name = f"{fit['accelerator']} {fit['operator']}"
        lines.append(f"     {name:<50} {fit['rows']:>3} rows   {fit['error']:>7.1%}")
    return "\n".join([*lines, "", *_closing(report["summary"])])


def markdown(report: dict[str, Any]) -> str:
    """The report as a page of the documentation."""
    out = [
        "# Validation",
        "",
        "Written by `python -m cost_models.validation docs/validation.md`; do not edit. Every case of",
        "`cost_models/references/`, with the tolerance stated before the models were tuned. Misses stay.",
        "",
        "| | case | published | predicted | error | tolerance | | source |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in report["cases"]:
        if row["unit"] != "ms":
            note = f" ({row['note']})" if row["note"] else ""
            cells = (
                "ok" if row["ok"] else "**miss**",
                row["name"] + note,
                _number(row["published"]),
                _number(row["predicted"]),
                _error(row),
                row["tolerance_text"],
                "fitted" if row["fitted"] else "held out",
                row["source"],
            )
            out.append(f"| {' | '.join(cells)} |")
    out += [
        "",
        "## Timed steps of whole models",
        "",
        "Held out: the constants were fitted on operators only.",
        "",
    ]
    timed = {row["group"] for row in report["cases"] if row["unit"] == "ms"}
    for served in (False, True):
        out += ["", f"## {_SERVED_HEADING}", "", *_SERVED_TEXT, ""] if served else []
        out += [
            "| model, phase or server | points | out of tolerance | mean absolute error |",
            "|---|---|---|---|",
        ]
        for group in report["groups"]:
            if group["group"] in timed and bool(group["served"]) == served:
                figures = f"{group['cases']} | {group['failed']} | {group['mape']:.1%}"
                out.append(f"| {group['group']} | {figures} |")
    out += ["", "| servers | engine | rows | mean absolute error | median |", "|---|---|---|---|---|"]
    for found in report["servers"]:
        figures = f"{found['rows']} | {found['mape']:.1%} | {found['median']:.1%}"
        out.append(f"| {found['set']} | {found['engine']} | {figures} |")
    out += ["", "## Operators that the latency constants were fitted on", ""]
    out += ["| accelerator | operator | rows | mean absolute error |", "|---|---|---|---|"]
    for fit in report["operators"]:
        out.append(f"| {fit['accelerator']} | {fit['operator']} | {fit['rows']} | {fit['error']:.1%} |")
    out += ["", "## Published, but not modelled", "", *(f"- {line}" for line in report["not_modelled"])]
    return "\n".join([*out, "", *_closing(report["summary"]), ""])


def _closing(summary: dict[str, Any]) -> list[str]:
    latency = summary["mape_model_latency"]
    lines = [f"{summary['cases']} cases, {summary['failed']} out of tolerance."]
    if latency is not None:
        met = "met" if latency <= _MEAN_BAR else "not met"
        lines.append(f"Mean absolute error over the timed steps: {latency:.1%} (bar {_MEAN_BAR:.0%}: {met}).")
    if summary["mape_served_held_out"] is not None:
        met = "met" if summary["mape_served_held_out"] <= _SERVED_BAR else "not met"
        lines.append(
            f"Mean absolute error of the time per output token of servers: {summary['mape_served_held_out']:.1%} held "
            f"out, median {summary['median_served_held_out']:.1%} (bar {_SERVED_BAR:.0%}: {met}); "
            f"{summary['mape_served']:.1%} with those that the model was developed on, "
            f"{summary['mape_served_all']:.1%} with those set aside."
        )
    return lines


def _name(row: dict[str, Any]) -> str:
    kind = " (fitted)" if row["fitted"] else ""
    name = row["name"] + kind
    return name if len(name) <= 78 else name[:75] + "..."


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.4g}" if abs(value) < 1e5 else f"{value:,.0f}"


def _error(row: dict[str, Any]) -> str:
    if row["compare"] == "change":
        return f"{100 * row['error']:+.2f} pt"
    return f"{row['error']:+.1%}" if row["error_kind"] == "relative" else f"{row['error']:+.3g}"


def main(arguments: list[str]) -> int:
    """Write the Markdown page to the file named, or print the table."""
    report = document()
    if arguments:
        Path(arguments[0]).write_text(markdown(report), encoding="utf-8")
    else:
        print(text(report))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
