"""What if: other prices, another load, another grid. Every design is costed again; nothing is trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import cost_models
from cost_models.catalogue import Catalogue
from cost_models.design import Design
from dashboard.scale import Scale


@dataclass(frozen=True)
class Quantity:
    """Something that may be asked about.

    path: the catalogue figure that it overrides, or "" where it is a field of the design: then `field` names it
    as `serving.concurrency`. low, high: the ends of its slider, in `unit`; factor: to SI or the catalogue's unit.
    """

    name: str
    label: str
    unit: str
    low: float
    high: float
    path: str = ""
    field: str = ""
    log: bool = True
    whole: bool = False
    price: bool = False

    @property
    def moves_time(self) -> bool:
        """Whether latency depends on it; cost and carbon alone follow from the others."""
        return self.field in ("serving.input_tokens", "serving.concurrency")

    @property
    def costs(self) -> bool:
        """Whether it is a price, which cost is proportional to."""
        return self.unit.startswith("USD/")

    @property
    def scale(self) -> Scale:
        """The slider's scale."""
        return Scale(self.low, self.high, self.log)

    def text(self, value: float) -> str:
        """A value with its unit."""
        return f"{value:,.0f} {self.unit}" if value >= 100 or self.whole else f"{value:.3g} {self.unit}"


QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        Quantity("dram", "DRAM price", "USD/GB", 2, 120, path="memory.dram.usd_per_gb", price=True),
        Quantity("cxl", "CXL memory price", "USD/GB", 2, 120, path="memory.cxl.usd_per_gb", price=True),
        Quantity("ssd", "SSD price", "USD/GB", 0.05, 2, path="memory.ssd.usd_per_gb", price=True),
        Quantity("electricity", "electricity price", "USD/kWh", 0.02, 0.6, path="electricity.usd_per_kwh"),
        Quantity("grid", "grid carbon", "g CO2/kWh", 10, 900, path="grid.g_per_kwh"),
        Quantity("utilisation", "utilisation", "of hours", 0.05, 1, field="serving.utilisation", log=False),
        Quantity(
            "context", "prompt length", "tokens", 256, 131_072, field="serving.input_tokens", whole=True
        ),
        Quantity(
            "load", "sequences in flight", "per replica", 1, 512, field="serving.concurrency", whole=True
        ),
        Quantity("slo", "TPOT limit", "ms", 1, 500, field="limits.tpot_s"),
    )
}


SCENARIO_NAMES = {
    "nov_2026_default": "today (November 2026)",
    "pre_shortage": "before the shortage (2025)",
    "dram_5x": "DRAM at 5 x today",
}


def scenarios() -> list[dict[str, str]]:
    """The price scenarios of the catalogue as options, the study's own first."""
    known = cost_models.load_catalogue().scenarios()
    return [{"value": "study", "label": "as in the study"}] + [
        {
            "value": name,
            "label": f"{SCENARIO_NAMES.get(name, name.replace('_', ' '))}: {prices['dram']:g} USD/GB",
        }
        for name, prices in known.items()
    ]


def usual(quantity: Quantity, catalogue: Catalogue) -> float:
    """What a quantity is without a change: the catalogue's figure, or the middle of the slider for a load."""
    dram = catalogue.value("scenario", "now", "dram") * 1e9
    known = {
        "dram": dram, "cxl": dram * catalogue.value("memory", "cxl-direct", "price_ratio"),
        "ssd": catalogue.value("scenario", "now", "tlc") * 1e9,
        "electricity": catalogue.value("electricity", "price") * 3.6e6,
        "grid": catalogue.value("grid", "intensity") * 3.6e9,
        "utilisation": catalogue.value("economics", "utilisation"),
    }  # fmt: skip
    middle = (
        float(np.sqrt(quantity.low * quantity.high)) if quantity.log else (quantity.low + quantity.high) / 2
    )
    return known.get(quantity.name, middle)


def overrides(change: Mapping[str, float]) -> dict[str, float]:
    """The catalogue's overrides of a change."""
    return {
        QUANTITIES[name].path: value
        for name, value in change.items()
        if name in QUANTITIES and QUANTITIES[name].path
    }


def load(change: Mapping[str, float]) -> str:
    """What of a change touches time, as text; "" where only prices, limits or hours differ."""
    return " ".join(f"{name}={value:.9g}" for name, value in sorted(change.items())
                    if name in QUANTITIES and QUANTITIES[name].moves_time)  # fmt: skip


def altered(change: Mapping[str, float]) -> Callable[[Design], Design]:
    """What a change does to a design: load, utilisation, limits."""

    def alter(design: Design) -> Design:
        serving = {"input_tokens": change.get("context"), "concurrency": change.get("load")}
        known: dict[str, Any] = {name: int(value) for name, value in serving.items() if value is not None}
        if "concurrency" in known:
            known["request_rate"] = 0.0  # so many in flight, whatever arrived
        if "utilisation" in change:
            known["utilisation"] = float(change["utilisation"])
        limits = replace(design.limits, tpot_s=change["slo"] / 1e3) if "slo" in change else design.limits
        return replace(design, serving=replace(design.serving, **known), limits=limits)

    return alter
