"""A design in one sentence, for the command line and the report."""

from typing import Any

from codesign.plaintext import duration, number, size

_BYTES = ("hbm", "kv", "dram", "cxl", "ssd", "remote")


def verdict(document: dict[str, Any]) -> str:
    """Does it fit and keep its limits; if not, what is broken, and by how much (an `evaluate` document)."""
    if not document["feasible"]:
        reasons = document.get("reasons", [])
        broken = [
            f"{name}{_by(name, amount)}"
            for name, amount in document["violations"].items()
            if (amount is None or amount > 0) and not (name == "layout" and reasons)  # they say it in words
        ]
        return f"Not feasible: {'; '.join([*(['breaks ' + ', '.join(broken)] if broken else []), *reasons])}."
    latency, usd = document["latency"], number(document["cost"]["usd_per_mtok"])
    if latency["tpot_s"] is None:
        return f"Feasible: {duration(latency['ttft_s'])} to the first token."
    return f"Feasible: {duration(latency['tpot_s'])} per output token, {usd} USD per million output tokens."


def _by(name: str, amount: float | None) -> str:
    if amount is None:
        return ""
    if name in _BYTES:
        return f" by {size(amount)}"
    if name == "requests":
        return f" by {number(amount)} a second"
    return f" by {duration(amount) if name.endswith('_s') else number(amount)}"
