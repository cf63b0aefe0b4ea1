"""The bill of materials of a system: what to buy, at which price of which date, from which source."""

from typing import Any

import numpy as np

from cost_models import cost
from cost_models.catalogue import Catalogue, Figure
from cost_models.design import GIB, Design
from cost_models.energy import HOST_TIERS
from cost_models.parts import Tier

GB = 1e9


def bill_of_materials(design: Design, catalogue: Catalogue) -> list[dict[str, Any]]:
    """Rows {item, quantity, unit, unit_price_usd, total_usd, price_date, source, confidence} of one design.

    The totals add up to the capital cost of `cost.capex`, to a billionth; parts of which nothing is fitted are left
    out. Memory is listed in GB where that is a whole number, else in GiB, as modules are sold, with the price of it.
    """
    system = design.system
    parts = catalogue.parts(system)
    capex = cost.capex(parts, system)
    accelerator = str(system.accelerator)
    rows = [
        _row(
            _name(catalogue, "accelerator", accelerator),
            system.accelerators,
            "pieces",
            parts.accelerator.price_usd,
            _accelerator_price(
                catalogue, accelerator, bool(parts.accelerator.is_cpu) and not system.host.dram_bytes
            ),
        ),
        _row(
            _name(catalogue, "accelerator", str(system.host.cpu)),
            system.nodes * parts.node.numa_nodes if capex["processors"] else 0,
            "pieces",
            parts.node.cpu_price_usd / parts.node.numa_nodes,
            _accelerator_price(catalogue, str(system.host.cpu), False),
        ),
        _row(
            "Chassis, board, power, cooling, network adapters and switch share",
            system.nodes if capex["chassis"] else 0,
            "nodes",
            parts.node.chassis_usd,
            catalogue.figure("node", "network_price"),
        ),
    ]
    for slot in HOST_TIERS:
        rows += _tier_rows(catalogue, parts.tiers[slot], system.nodes, slot)
    return [row for row in rows if row["quantity"]]


def _tier_rows(catalogue: Catalogue, tier: Tier, nodes: Any, slot: str) -> list[dict[str, Any]]:
    name, entry = str(tier.name), catalogue.entry("memory", str(tier.name), slot)
    owners = nodes / tier.nodes_sharing
    own = entry.get("price")
    basis = entry.get("price_basis")
    price = own if isinstance(own, Figure) else catalogue.figure("scenario", "now", str(basis))
    amount = float(owners * np.maximum(tier.capacity_bytes - tier.included_bytes, 0.0))
    unit, size = ("GB", GB) if amount % GB == 0 else ("GiB", GIB)
    rows = [
        _row(
            _name(catalogue, "memory", name),
            amount / size,
            unit,
            tier.usd_per_byte * size,
            price,
            date="" if price is own else catalogue.price_date(),
        )
    ]
    for key, item, quantity in (
        ("unit_price", "controller", owners * tier.units),
        ("pool_price", "switch or server shared by nodes", owners if tier.capacity_bytes else 0),
    ):
        figure = entry.get(key)
        if isinstance(figure, Figure) and figure.si:
            rows.append(
                _row(f"{_name(catalogue, 'memory', name)}: {item}", quantity, "pieces", figure.si, figure)
            )
    return rows


def _row(item: str, quantity: Any, unit: str, price: Any, figure: Figure, date: str = "") -> dict[str, Any]:
    return {
        "item": item,
        "quantity": _decimal(quantity),
        "unit": unit,
        "unit_price_usd": _decimal(price),
        "total_usd": _decimal(float(quantity) * float(price)),
        "price_date": date or figure.date or None,
        "source": figure.source,
        "confidence": figure.confidence,
    }


def _decimal(value: Any) -> float:
    """A number without the last digits of binary arithmetic: 22 for 22.000000000000004."""
    return float(f"{float(value):.12g}")


def _name(catalogue: Catalogue, section: str, name: str) -> str:
    text = catalogue.entry(section, name).get("name")
    return text if isinstance(text, str) else name


def _accelerator_price(catalogue: Catalogue, name: str, holds_memory: bool) -> Figure:
    """The figure behind a price: the part's own, one end of its range, or the rule that filled it."""
    entry = catalogue.entry("accelerator", name)
    for key in ("price", "price_low"):
        figure = entry.get(key)
        if isinstance(figure, Figure) and figure.value is not None:
            if key == "price_low":
                return Figure(
                    None, "USD", f"middle of a range: {figure.source}", figure.confidence, "", figure.date
                )
            if holds_memory:
                source = f"{figure.source}; with its memory at the price of the scenario"
                return Figure(None, "USD", source, figure.confidence, "", figure.date)
            return figure
    return Figure(None, "USD", "estimate: by peak and memory (estimate.price_per_peak)", "estimate")
