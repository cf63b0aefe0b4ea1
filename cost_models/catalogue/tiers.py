"""From tier entries and the memory fitted in a node to `parts.Tier`: one rule for every kind of memory."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cost_models.catalogue.figures import Figure, Tree
from cost_models.catalogue.filling import Reader, si
from cost_models.design import Number
from cost_models.errors import InputError
from cost_models.masks import choose
from cost_models.parts import Tier

PER = ("channel", "module", "drive", "stack", "accelerator")
COLUMNS = (
    "latency", "bandwidth", "reads_per_s", "page", "j_per_byte", "j_per_read", "static", "price",
    "unit_price", "unit_power", "unit_capacity", "node_bandwidth", "pool_price", "pool_power", "pool_nodes",
    "embodied", "endurance", "on_package", "stream", *(f"per_{kind}" for kind in PER),
)  # fmt: skip


def tier_row(name: str, entry: Tree, root: Tree, slot: str) -> dict[str, float]:
    """All columns of COLUMNS for one tier entry, in SI units."""
    r = Reader(name, entry, root)
    if r.text("tier") != slot:
        raise InputError(f"system.host.{slot}_tier must be a {slot} tier, got {name!r} ({r.text('tier')})")
    idle, active = r.figure("unit_power") or 0.0, r.figure("active_power")
    reads = r.figure("reads_per_s") or float("inf")
    bandwidth = r.need("bandwidth") * (r.figure("random_efficiency") or 1.0)
    row = {
        "latency": r.need("latency"),
        "bandwidth": bandwidth,
        "reads_per_s": reads,
        "page": r.need("page"),
        "static": r.figure("static_power") or 0.0,
        "price": _price(r),
        "unit_price": r.figure("unit_price") or 0.0,
        "unit_power": idle,
        "unit_capacity": r.need("unit_capacity"),
        "node_bandwidth": r.figure("node_bandwidth") or float("inf"),
        "pool_price": r.figure("pool_price") or 0.0,
        "pool_power": r.figure("pool_power") or 0.0,
        "pool_nodes": r.figure("pool_nodes") or 1.0,
        "embodied": r.figure("embodied") or 0.0,
        "endurance": r.figure("endurance") or 0.0,
        "on_package": float(r.flag("on_package")),
        "stream": _stream(r, root) if slot == "dram" else 0.0,
        # A drive's energy is by I/O: what it draws above idle at its full rate of reads.
        "j_per_read": (active - idle) / reads if active is not None else 0.0,
        "j_per_byte": (r.figure("access_energy") or 0.0) + (_drive_link(root) if slot == "ssd" else 0.0),
    }
    per = r.text("per")
    if per not in PER:
        raise InputError(f"{name}: per must be one of {', '.join(PER)}, got {per!r}")
    return row | {f"per_{kind}": float(kind == per) for kind in PER}


def _stream(r: Reader, root: Tree) -> float:
    """Of a unit's rate, in sequential reads."""
    return r.need("bandwidth") * si(root, "technology", "ddr5", "stream_efficiency")


def _drive_link(root: Tree) -> float:
    return si(root, "energy", "link", "pcie5")


def _price(r: Reader) -> float:
    """USD per byte: the entry's own price, or its ratio to a price of the scenario."""
    own = r.figure("price")
    if own is not None:
        return own
    basis = r.text("price_basis")
    if not basis:
        raise InputError(f"{r.name}: price or price_basis must be given")
    return r.common("scenario", "now", basis) * (r.figure("price_ratio") or 1.0)


def tier(
    name: Any,
    row: dict[str, Any],
    capacity: Number,
    channels: Number,
    accelerators: Number,
    nodes: Number,
    drives: Number = 0,
) -> Tier:
    """A tier of one node with `capacity` bytes: units fitted, and what all of them give together.

    drives: number of units where the design states it; 0: as many as the capacity takes.
    A pooled tier (pool_nodes > 1) is shared: every node sees the whole capacity, its cost is paid once.
    """
    needed = np.ceil(capacity / row["unit_capacity"])
    by_capacity = np.where(np.asarray(drives) > 0, drives, needed) if _is_given(drives) else needed
    on_board = choose(row["per_channel"] > 0, channels, accelerators)
    units = choose(row["per_channel"] + row["per_accelerator"] > 0, on_board, by_capacity)
    # A tier that is not fitted keeps the rates of one unit, so that formulas stay finite.
    rate_units = np.maximum(units, 1)
    sharing = np.minimum(nodes, row["pool_nodes"])
    fitted = np.minimum(capacity, 1.0)  # 0 or 1: fixed costs are paid for what is there
    return Tier(
        name=name,
        latency_s=row["latency"],
        bandwidth=np.minimum(rate_units * row["bandwidth"], row["node_bandwidth"]),
        reads_per_s=rate_units * row["reads_per_s"],
        page_bytes=row["page"],
        j_per_byte=row["j_per_byte"],
        j_per_read=row["j_per_read"],
        static_w_per_byte=row["static"],
        usd_per_byte=row["price"],
        fixed_usd=fitted * (units * row["unit_price"] + row["pool_price"]),
        fixed_w=fitted * (units * row["unit_power"] + row["pool_power"]),
        embodied_kg_per_byte=row["embodied"],
        capacity_bytes=capacity,
        writes_per_day=row["endurance"],
        units=fitted * units,
        nodes_sharing=sharing,
        on_package=row["on_package"] > 0,
        stream_bandwidth=rate_units * row["stream"],
    )


def _is_given(drives: Number) -> bool:
    return bool(drives) if not isinstance(drives, np.ndarray) else bool(drives.any())


def stack_rows(
    rows: list[dict[str, float]], columns: tuple[str, ...], index: NDArray[np.intp]
) -> dict[str, Any]:
    """Rows of several entries as columns (designs,), by the index of each design's entry."""
    table = np.array([[row[column] for row in rows] for column in columns])
    gathered = {}
    for column, values in zip(columns, table, strict=True):
        same = bool((values == values[0]).all())
        gathered[column] = float(values[0]) if same else values[index]
    return gathered


def entry_of(root: Tree, section: str, name: str) -> Tree | None:
    """The entry of a section of the catalogue, or None."""
    entries = root.get(section)
    entry = entries.get(name) if isinstance(entries, dict) else None
    return entry if isinstance(entry, dict) and not isinstance(entry, Figure) else None
