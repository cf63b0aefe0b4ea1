"""What if: other prices, another load, another grid. Every design is costed again; nothing is trained."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

import cost_models
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
        Quantity("context", "prompt length", "tokens", 256, 131_072, field="serving.input_tokens", whole=True),
        Quantity("load", "sequences in flight", "per replica", 1, 512, field="serving.concurrency", whole=True),
        Quantity("slo", "TPOT limit", "ms", 1, 500, field="limits.tpot_s"),
    )
}


def scenarios() -> list[dict[str, str]]:
    """The price scenarios of the catalogue as options, the study's own first."""
    return [{"value": "", "label": "as in the study"}]


def usual(quantity: Quantity, scenario: str) -> float:
    """What a quantity is without a change: the catalogue's figure, or the middle of the slider for a load."""
    return float(np.sqrt(quantity.low * quantity.high)) if quantity.log else (quantity.low + quantity.high) / 2
