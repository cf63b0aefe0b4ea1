"""The catalogue as a document for machines and as tables for people (`codesign hardware`)."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from cost_models.catalogue.figures import Figure, Tree
from cost_models.catalogue.overrides import leaves

if TYPE_CHECKING:
    from cost_models.catalogue.resolve import Catalogue

# Section of the catalogue -> its key in the document.
_PLURAL = {
    "accelerator": "accelerators",
    "memory": "tiers",
    "link": "links",
    "price": "prices",
    "system": "systems",
    "technology": "technologies",
    "estimate": "estimates",
    "scenario": "scenarios",
}


def document(catalogue: "Catalogue") -> dict[str, Any]:
    """Every figure as {value, unit, source, confidence, note, date}, by section and entry.

    `scenario` names the prices in force, `overrides` what the user set. An accelerator's `filled` names the
    fields that a formula reads from a rule because no figure was found.
    """
    out: dict[str, Any] = {"scenario": catalogue.scenario, "overrides": catalogue.overrides}
    for key, value in catalogue.root.items():
        if isinstance(value, dict):
            out[_PLURAL.get(key, key)] = _plain(
                {k: v for k, v in value.items() if (key, k) != ("scenario", "now")}
            )
    for name in catalogue.accelerators():
        out["accelerators"][name]["filled"] = catalogue.row(name).filled
    return out


def _plain(tree: Tree) -> dict[str, Any]:
    return {key: _value(value) for key, value in tree.items()}


def _value(value: Any) -> Any:
    if isinstance(value, Figure):
        return {
            "value": value.value,
            "unit": value.unit,
            "source": value.source,
            "confidence": value.confidence,
            "note": value.note or None,
            "date": value.date or None,
        }
    return _plain(value) if isinstance(value, dict) else value


def text(catalogue: "Catalogue") -> str:
    """Tables of accelerators, tiers and price scenarios; `~` marks a figure that a rule filled."""
    lines = [
        f"{'accelerator':<20}{'bf16':>9}{'memory':>9}{'bandwidth':>10}{'host':>10}{'TDP':>8}{'price':>10}"
    ]
    lines.append(f"{'':<20}{'TFLOP/s':>9}{'GiB':>9}{'TB/s':>10}{'GB/s':>10}{'W':>8}{'USD':>10}")
    for name in catalogue.accelerators():
        row = catalogue.row(name)
        v, filled = row.values, row.filled
        cells = (
            (v["peak_bf16"] / 1e12, "peak_bf16", 9, ",.0f"),
            (v["memory"] / 2**30, "memory", 9, ",.0f"),
            (v["memory_bandwidth"] / 1e12, "memory_bandwidth", 10, ".2f"),
            (v["host_link"] / 1e9, "host_link", 10, ",.0f"),
            (v["tdp"], "tdp", 8, ",.0f"),
            (v["price"], "price", 10, ",.0f"),
        )
        lines.append(
            f"{name:<20}" + "".join(_cell(x, key in filled, width, form) for x, key, width, form in cells)
        )
    lines += ["", f"{'tier':<18}{'place':<8}{'latency':>10}{'bandwidth':>11}{'reads':>10}{'price':>9}"]
    lines.append(f"{'':<18}{'':<8}{'us':>10}{'GB/s':>11}{'M/s':>10}{'USD/GB':>9}   per")
    for name in catalogue.tiers():
        entry = catalogue.entry("memory", name)
        slot = str(entry["tier"])
        tier = catalogue.tier_row(slot, name)
        reads = "-" if tier["reads_per_s"] == float("inf") else f"{tier['reads_per_s'] / 1e6:.2f}"
        lines.append(
            f"{name:<18}{slot:<8}{tier['latency'] * 1e6:>10.2f}{tier['bandwidth'] / 1e9:>11.1f}{reads:>10}"
            f"{tier['price'] * 1e9:>9.2f}   {entry['per']}"
        )
    lines += ["", f"{'price scenario':<20}{'DRAM':>8}{'TLC':>8}{'QLC':>8}{'LPDDR':>8}   USD/GB"]
    for name, prices in catalogue.scenarios().items():
        mark = "  <- in force" if name == catalogue.scenario else ""
        columns = "".join(f"{prices[key]:>8.2f}" for key in ("dram", "tlc", "qlc", "lpddr"))
        lines.append(f"{name:<20}{columns}{mark}")
    lines += ["", _confidences(catalogue.root)]
    return "\n".join(lines)


def _cell(value: float, filled: bool, width: int, form: str) -> str:
    return f"{('~' if filled else '') + format(value, form):>{width}}"


def _confidences(root: Tree) -> str:
    counts = Counter(figure.confidence for path, figure in leaves(root) if path[:2] != ("scenario", "now"))
    parts = ", ".join(f"{n} {kind}" for kind, n in counts.most_common())
    return (
        f"{sum(counts.values())} figures: {parts}. ~ filled by a rule (estimate.*). "
        "Sources: codesign hardware --json"
    )
