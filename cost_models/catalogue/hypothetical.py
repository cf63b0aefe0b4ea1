"""Parts that nobody sells: other memory, peak or links, and what capacity, power and price follow.

Stacks   = the larger of capacity and bandwidth over those sold; bandwidth follows capacity unless scaled itself.
Die      = grows with the peak by the share of it that computes; a die beyond the reticle is cut into equal ones.
Power    = memory by its bandwidth, cores and their leakage by the peak, links by their rate.
Price    = sold price + markup x (cost of added stacks + cost of added die area). Links add no price.
Figures: estimate.*, wafer.* (die cost: CSET "AI Chips"; form as in ttm-cas, arXiv 2305.20054).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from cost_models.catalogue.figures import Tree
from cost_models.catalogue.filling import si
from cost_models.design import Number, System

_WAFER_MM = 300.0


def die_cost_usd(area_mm2: Number, wafer_usd: Number, defects_per_mm2: Number) -> Number:
    """Dollars of one good die of a 300 mm wafer, without harvesting partly working ones.

    Gross dies pi r^2 / A - pi d / sqrt(2 A); yield (1 + A D0 / 3)^-3.
    """
    area = np.asarray(area_mm2, dtype=float)
    gross = np.pi * (_WAFER_MM / 2) ** 2 / area - np.pi * _WAFER_MM / np.sqrt(2.0 * area)
    cost = wafer_usd / (gross * (1.0 + area * defects_per_mm2 / 3.0) ** -3)
    return float(cost) if cost.ndim == 0 else cost


def silicon_usd(area_mm2: Number, reticle_mm2: float, wafer_usd: Number, defects_per_mm2: Number) -> Number:
    """Dollars of a package's logic dies of that area together, none of them larger than a reticle."""
    dies = np.ceil(np.asarray(area_mm2) / reticle_mm2)
    return dies * die_cost_usd(area_mm2 / dies, wafer_usd, defects_per_mm2)


def is_varied(system: System) -> bool:
    """Whether a system asks for a part that is not as sold."""
    if system.hbm_bytes is not None:
        return True
    return any(
        bool((scale != 1.0).any()) if isinstance(scale, np.ndarray) else scale != 1.0
        for scale in (system.bandwidth_scale, system.peak_scale, system.scale_up_scale)
    )


def varied(a: Mapping[str, Any], system: System, root: Tree) -> dict[str, Any]:
    """The columns of an accelerator (filling.FIELDS) with what `system` varies; scalars or (designs,)."""
    is_cpu = np.asarray(a["is_cpu"]) > 0
    memory = a["memory"] if system.hbm_bytes is None else system.hbm_bytes
    capacity = memory / a["memory"]
    # A processor's DIMMs leave its bandwidth as it is: the channels are on the socket.
    bandwidth = np.where(is_cpu, 1.0, capacity) * system.bandwidth_scale
    stacks = np.where(is_cpu, capacity, np.maximum(capacity, bandwidth))
    peak, link = system.peak_scale, system.scale_up_scale
    area = 1.0 + si(root, "estimate", "compute_area_share") * (peak - 1.0)
    reticle = si(root, "estimate", "reticle") * 1e6
    die = a["die_area"] * 1e6
    silicon = [silicon_usd(one, reticle, a["wafer_price"], a["defects"] * 1e-6) for one in (die * area, die)]
    more_memory = a["memory"] * (stacks - 1.0)
    link_w = (link - 1.0) * a["scale_up"] * si(root, "energy", "link", "nvlink5")
    power = (
        (bandwidth - 1.0) * a["memory_bandwidth"] * a["memory_energy"]
        + (peak - 1.0) * a["peak_bf16"] * a["core_bf16"]
        + link_w
    )
    idle = a["idle"] * area
    price = more_memory * a["memory_price"] + si(root, "estimate", "price_markup") * (silicon[0] - silicon[1])
    grown = power * si(root, "estimate", "embodied_per_tdp") + more_memory * a["memory_embodied"] * ~is_cpu
    as_sold = (capacity == 1.0) & (bandwidth == 1.0) & (np.asarray(peak) == 1.0) & (np.asarray(link) == 1.0)
    return {
        **a,
        "memory": memory,
        "memory_bandwidth": a["memory_bandwidth"] * bandwidth,
        "scale_up": a["scale_up"] * link,
        **{name: a[name] * peak for name in ("peak_bf16", "peak_fp8", "peak_fp4")},
        "idle": idle,
        "tdp": np.maximum(a["tdp"] + power, idle),
        "price": np.maximum(a["price"] + price, 0.0),
        "embodied": np.maximum(a["embodied"] + grown, 0.0),
        "fitted": a["fitted"] * as_sold,
    }
