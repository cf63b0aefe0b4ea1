"""The text of `codesign evaluate`: the verdict first, then where time, energy and money go, then the sources.

Everything is read from the JSON document, so that the text can say nothing that the document does not hold.
"""

from collections.abc import Sequence
from typing import Any

from codesign.plaintext import count, duration, number, percent, size, table
from codesign.verdict import verdict
from cost_models.design import ENGINES

Document = dict[str, Any]
_SMALL = 0.005  # share of the time below which an operator is not listed on its own

# What `front`, `show` and a comparison say of a design: label, section, key, form.
FIGURES = (
    ("total parameters", "parameters", "total", count),
    ("of these in tables", "parameters", "tables", count),
    ("memory capacity", "memory", "capacity_bytes", size),
    ("weights", "memory", "weights_bytes", size),
    ("tables in HBM", "memory", "tables_bytes", size),
    ("left for KV cache", "memory", "kv_bytes_available", size),
    ("KV tokens", "memory", "kv_tokens", count),
    ("TTFT", "latency", "ttft_s", duration),
    ("TPOT", "latency", "tpot_s", duration),
    ("output tokens/s", "latency", "output_tokens_per_s", number),
    ("expected error of a step's time", "latency", "expected_error", percent),
    ("expected error of served times", "latency", "served_error", percent),
    ("table stall", "lookup", "stall_s", duration),
    ("energy, J/token", "energy", "j_per_token", number),
    ("average power, W", "energy", "average_w", number),
    ("USD/M tokens", "cost", "usd_per_mtok", number),
    ("capital, USD", "cost", "capex_usd", number),
    ("operational gCO2e/M tokens", "carbon", "operational_g_per_mtok", number),
    ("bits per byte", "quality", "bits_per_byte", number),
)


def report(document: Document, answers: str = "") -> str:
    """One design: verdict, answers to what deployers ask, figures, where things go, and sources."""
    per = _per(document)
    figures = [
        [_named(label, per), form(_at(document, section, key))] for label, section, key, form in FIGURES
    ]
    parts = [
        verdict(document),
        answers,
        table(["", ""], figures).lstrip() + _engine(document["latency"]),
        "Where the time goes (one decode step, or one prefill)\n" + time_table(document),
        "Where the energy goes\n" + share_table(document["energy"]["by_part"], _named("J/token", per)),
        "Where the money goes\n" + share_table(document["cost"]["by_part"], _named("USD/M tokens", per)),
        "Sources\n" + "\n".join(f"  {source}" for source in document["sources"]),
    ]
    return "\n\n".join(part for part in parts if part)


def _engine(latency: Document) -> str:
    if latency.get("served_error") is None or latency["engine"]:
        return ""
    rest = "serving.engine may be " + ", ".join(ENGINES)
    return f"\n  No serving engine is named, so the host's time between steps is that of none in particular ({rest})."


def comparison(names: Sequence[str], documents: Sequence[Document]) -> str:
    """Several designs side by side, one column each, with the verdicts above."""
    verdicts = [f"{name}: {verdict(document)}" for name, document in zip(names, documents, strict=True)]
    per = "prompt" if all(_per(document) == "prompt" for document in documents) else "token"
    rows = [
        [_named(label, per), *(form(_at(document, section, key)) for document in documents)]
        for label, section, key, form in FIGURES
    ]
    return "\n".join(verdicts) + "\n\n" + table(["", *names], rows)


def time_table(document: Document) -> str:
    """Operators by time, largest first, of all layers together; those below half a per cent in one line."""
    operators = sorted(_by_operator(document["breakdown"]), key=lambda row: -(row["time_s"] or 0))
    total = sum(row["time_s"] or 0 for row in operators) or 1.0
    shown = [row for row in operators if (row["time_s"] or 0) >= _SMALL * total]
    small = [row for row in operators if (row["time_s"] or 0) < _SMALL * total]
    if small:
        rest = {key: sum(row[key] or 0 for row in small) for key in ("time_s", "flops", "bytes")}
        shown.append({"operator": f"{len(small)} smaller ones", "layer_group": "", "bound": "", **rest})
    rows = [
        [
            row["operator"],
            row["layer_group"],
            duration(row["time_s"]),
            f"{100 * (row['time_s'] or 0) / total:.1f} %",
            count(row["flops"]).replace("B", "G"),
            size(row["bytes"]),
            row["bound"],
        ]
        for row in shown
    ]
    return table(["operator", "layers", "time", "share", "FLOPs", "bytes", "bound"], rows, left=2)


def _by_operator(breakdown: Sequence[Document]) -> list[Document]:
    """The rows of one operator added up over the groups of layers that have it; bound as the longest of them."""
    groups: dict[str, list[Document]] = {}
    for row in breakdown:
        groups.setdefault(row["operator"], []).append(row)
    merged = []
    for rows in groups.values():
        sums = {key: sum(row[key] or 0 for row in rows) for key in ("time_s", "flops", "bytes")}
        layers = sum(int(row["layer_group"].rpartition(" x")[2] or 0) for row in rows if row["layer_group"])
        longest = max(rows, key=lambda row: row["time_s"] or 0)
        several = {"layer_group": f"{layers} layers"} if len(rows) > 1 and layers else {}
        merged.append(longest | sums | several)
    return merged


def share_table(parts: dict[str, float | None], unit: str) -> str:
    """Parts of a sum, largest first; parts of nothing are left out."""
    total = sum(value or 0 for value in parts.values()) or 1.0
    rows = [
        [name.replace("_", " "), number(value), f"{100 * value / total:.1f} %"]
        for name, value in sorted(parts.items(), key=lambda item: -(item[1] or 0))
        if value
    ]
    return table(["", unit, "share"], rows)


def _per(document: Document) -> str:
    """What rates and costs are of: where only prefill was asked for, a prompt."""
    return "prompt" if document["latency"]["tpot_s"] is None else "token"


def _named(label: str, per: str) -> str:
    return (
        label.replace("output token", per).replace("token", per)
        if per == "prompt" and "KV" not in label
        else label
    )


def _at(document: Document, section: str, key: str) -> float | None:
    """A figure of the document; None where the section is null."""
    value = (document.get(section) or {}).get(key)
    return value if isinstance(value, int | float) else None
