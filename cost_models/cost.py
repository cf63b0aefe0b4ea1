"""Money: what a system costs to buy, to run for a year, and per million output tokens.

    USD/year = capex x r / (1 - (1 + r)^-years) + maintenance share x capex + electricity
with r the cost of capital. Device memory is charged through the accelerator's price only. Facility, staff and
licences are not charged (conventions and sources: catalogue/economics.yaml).
"""

from dataclasses import dataclass

import numpy as np

from cost_models.catalogue import Catalogue
from cost_models.design import Number, Serving, System
from cost_models.energy import HOST_TIERS, Energy, utilisation
from cost_models.parts import Parts, Tier

YEAR_S = 365.25 * 86400


@dataclass(frozen=True)
class Cost:
    """Dollars; by_part is USD per million output tokens and sums to usd_per_mtok.

    usd_per_mtok_blended: per million tokens read or written. capex: dollars by part of the bill.
    """

    usd_per_mtok: Number
    usd_per_mtok_blended: Number
    capex_usd: Number
    opex_usd_per_year: Number
    by_part: dict[str, Number]
    capex: dict[str, Number]


def cost(
    parts: Parts, system: System, serving: Serving, energy: Energy, tokens_per_s: Number, catalogue: Catalogue
) -> Cost:
    """Cost of a system that serves `tokens_per_s` output tokens while it is busy."""
    busy = utilisation(serving, catalogue)
    bought = capex(parts, system)
    total: Number = sum(bought.values())
    yearly = capital_recovery(
        catalogue.value("economics", "cost_of_capital"),
        catalogue.value("economics", "amortisation") / YEAR_S,
    )
    maintenance = catalogue.value("economics", "maintenance") * total
    electricity = electricity_per_year(energy, busy, catalogue)
    mtok_per_year = tokens_per_s * busy * YEAR_S / 1e6
    by_part = {name: usd * yearly / mtok_per_year for name, usd in bought.items()}
    by_part["maintenance"] = maintenance / mtok_per_year
    by_part["electricity"] = electricity / mtok_per_year
    usd_per_mtok: Number = sum(by_part.values())
    written = 1.0 / (1.0 + _read_per_written(serving))
    return Cost(
        usd_per_mtok=usd_per_mtok,
        usd_per_mtok_blended=usd_per_mtok * written,
        capex_usd=total,
        opex_usd_per_year=maintenance + electricity,
        by_part=by_part,
        capex=bought,
    )


def capex(parts: Parts, system: System) -> dict[str, Number]:
    """Dollars by part of the whole system; a pooled tier is paid once for the nodes that share it."""
    nodes = system.nodes
    return {
        "accelerators": system.accelerators * parts.accelerator.price_usd,
        "processors": nodes * parts.node.cpu_price_usd,
        "chassis": nodes * parts.node.chassis_usd,
        **{name: tier_usd(parts.tiers[name], nodes) for name in HOST_TIERS},
    }


def tier_usd(tier: Tier, nodes: Number) -> Number:
    """Dollars of one kind of host memory over all nodes."""
    bought = np.maximum(tier.capacity_bytes - tier.included_bytes, 0.0)
    return nodes / tier.nodes_sharing * (tier.usd_per_byte * bought + tier.fixed_usd)


def capital_recovery(rate: float, years: float) -> float:
    """Yearly payment per dollar of capital: r / (1 - (1 + r)^-n); 1 / n without interest."""
    return rate / (1.0 - (1.0 + rate) ** -years) if rate > 0 else 1.0 / years


def electricity_per_year(energy: Energy, busy: Number, catalogue: Catalogue) -> Number:
    """Dollars a year: full draw in busy hours, static draw in the others."""
    watts = energy.average_w * busy + energy.static_w * (1.0 - busy)
    return watts * YEAR_S * catalogue.value("electricity", "price")


def _read_per_written(serving: Serving) -> Number:
    """Input tokens per output token; a phase on its own counts what it writes."""
    return 0.0 if serving.phase else serving.input_tokens / serving.output_tokens


def pool_break_even_nodes(
    table_bytes: Number, catalogue: Catalogue, pool: str = "cxl-pooled", local: str = "ddr5-rdimm"
) -> Number:
    """From how many nodes one copy of the tables in a pool is cheaper than a copy in every node's own memory.

    inf where a pool never pays (its memory costs more per byte than the saved copies). Scalar or the shape of
    table_bytes. A pool serves up to its pool_nodes; beyond that a second one is bought.
    """
    nodes = np.arange(1, 1025)
    bytes_ = np.asarray(table_bytes, dtype=float)[..., None]
    saved = pool_saving_usd(bytes_, nodes, catalogue, pool, local)
    pays = np.asarray(saved > 0)
    first = np.where(pays.any(axis=-1), nodes[np.argmax(pays, axis=-1)], np.inf)
    return float(first) if first.ndim == 0 else first


def pool_saving_usd(
    table_bytes: Number,
    nodes: Number,
    catalogue: Catalogue,
    pool: str = "cxl-pooled",
    local: str = "ddr5-rdimm",
) -> Number:
    """Dollars that a pool of one copy saves over a copy in every node; negative where it costs more."""
    one, shared = catalogue.tier_row("dram", local), catalogue.tier_row("cxl", pool)
    modules = np.ceil(table_bytes / shared["unit_capacity"])
    copies = np.ceil(nodes / shared["pool_nodes"])
    pooled = table_bytes * shared["price"] + modules * shared["unit_price"] + shared["pool_price"]
    return nodes * table_bytes * one["price"] - copies * pooled


def ssd_life_years(
    bytes_written_per_day: Number, capacity_bytes: Number, writes_per_day: Number, catalogue: Catalogue
) -> Number:
    """Years until the rated writes of the drives are used up (inf where nothing is written).

    writes_per_day: rated full drive writes per day over the warranty (`Tier.writes_per_day`).
    """
    rated = writes_per_day * capacity_bytes * catalogue.value("economics", "ssd_warranty") / YEAR_S
    written = np.asarray(bytes_written_per_day, dtype=float)
    years = np.divide(rated, written, out=np.full(np.shape(rated * written), np.inf), where=written > 0)
    return float(years) if np.ndim(years) == 0 else years
