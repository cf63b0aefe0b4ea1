"""Where time, memory, energy and money go."""

from collections.abc import Callable
from typing import Any

from codesign.export.charts import Part, share_bars
from codesign.export.page.markup import paragraph, table
from codesign.plaintext import duration, number, size

Document = dict[str, Any]
_BARS = 14  # operators with a bar of their own


def time(document: Document) -> str:
    """Operators of one step, alike ones of all layers together, and what the tables add."""
    merged: dict[str, float] = {}
    for row in document["breakdown"]:
        merged[row["operator"]] = merged.get(row["operator"], 0.0) + (row["time_s"] or 0.0)
    largest = sorted(merged.items(), key=lambda item: -item[1])[:_BARS]
    total = sum(merged.values())
    rest = total - sum(value for _, value in largest)
    parts = [Part(name, value, duration(value)) for name, value in largest]
    if len(merged) > _BARS:
        parts.append(Part(f"{len(merged) - _BARS} smaller ones", rest, duration(rest)))
    step = "prefill" if document["latency"]["decode_step_s"] is None else "decode step"
    words = f"One {step} takes {duration(total)}."
    return paragraph(words + _lookup(document["lookup"])) + share_bars(parts)


def _lookup(lookup: dict[str, Any]) -> str:
    if not lookup["reads_per_token"]:
        return ""
    return (
        f" A token reads {lookup['reads_per_token']} table rows ({size(lookup['bytes_per_token'])}). "
        f"The rows of a step take {duration(lookup['time_s'])}, and {duration(lookup['window_s'])} pass "
        f"before they are needed: the step waits {duration(lookup['stall_s'])}."
    )


def memory(placement: dict[str, Any]) -> str:
    """The memory of one accelerator, to the last byte, and what lies in the host's."""
    own = placement["per_accelerator"]
    parts = _largest_first({name: held for name, held in own.items() if name != "capacity"}, size)
    body = f"<h3>One accelerator: {size(own['capacity'])}</h3>{share_bars(parts)}"
    host = [f"{size(held)} of {tier}" for tier, held in placement["per_node"].items() if held]
    return body + (paragraph(f"Tables and caches take {', '.join(host)} in each node.") if host else "")


def energy(document: Document) -> str:
    """Joules per output token by part."""
    spent, carbon = document["energy"], number(document["carbon"]["operational_g_per_mtok"])
    words = f"{number(spent['j_per_token'])} J per output token, {number(spent['average_w'])} W while busy; "
    return paragraph(f"{words}{carbon} g CO2e per million output tokens.") + _by_part(spent["by_part"], "J")


def money(document: Document, bill: list[dict[str, Any]]) -> str:
    """Dollars per million output tokens by part, and the bill of materials."""
    cost = document["cost"]
    head = ("item", "quantity", "unit price, USD", "total, USD", "price of", "confidence")
    rows = [
        (
            str(row["item"]),
            f"{number(row['quantity'], 4)} {row['unit']}",
            number(row["unit_price_usd"]),
            number(row["total_usd"]),
            str(row["price_date"] or ""),
            str(row["confidence"]),
        )
        for row in bill
    ]
    return (
        f"<h3>{number(cost['usd_per_mtok'])} USD per million output tokens</h3>"
        f"{_by_part(cost['by_part'], 'USD')}"
        f"<h3>{number(cost['capex_usd'])} USD to buy</h3>{table(head, rows, left=(0, 4, 5))}"
    )


def _by_part(parts: dict[str, float | None], unit: str) -> str:
    return share_bars(_largest_first(parts, lambda value: f"{number(value)} {unit}"))


def _largest_first(parts: dict[str, float | None], text: Callable[[float], str]) -> list[Part]:
    known = [(name, value) for name, value in parts.items() if value]
    return [
        Part(name.replace("_", " "), value, text(value)) for name, value in sorted(known, key=lambda x: -x[1])
    ]
