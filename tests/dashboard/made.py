"""Designs made by a formula, for what does not need a study: figures, words, and the page with many designs."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

import cost_models
from cost_models.design import Design
from dashboard import phase
from dashboard.columns import Column, describe
from dashboard.designs import Designs
from dashboard.figures.marks import Reference
from dashboard.view import View

OBJECTIVES = {
    "bits_per_byte": ("bits per byte", "bits_per_byte", "minimize"),
    "tpot_s": ("TPOT", "s", "minimize"),
    "j_per_token": ("energy", "J/token", "minimize"),
    "usd_per_mtok": ("cost", "USD/Mtok", "minimize"),
}


def table(count: int, seed: int = 0) -> pd.DataFrame:
    """So many designs; cost and latency trade off, quality is best at a share of 0.25."""
    rng = np.random.default_rng(seed)
    share = rng.choice([0.0, 0.1, 0.2, 0.3, 0.45], count)
    tier = rng.choice(["hbm", "dram", "cxl", "ssd"], count)
    accelerators = rng.choice([1, 2, 4, 8], count)
    tpot = 0.04 / accelerators**0.6 * rng.lognormal(0, 0.3, count) * np.where(tier == "ssd", 2.0, 1.0)
    usd = 0.1 * accelerators**0.7 * rng.lognormal(0, 0.3, count) * np.where(tier == "hbm", 1.6, 1.0)
    frame = pd.DataFrame({
        "trial": np.arange(count), "state": "COMPLETE", "model.engram_share": share,
        "model.engram_layers": rng.choice(["1", "1,8", "1,14"], count),
        "system.accelerator": rng.choice(["a100-sxm-80gb", "h100-sxm", "h200-sxm", "mi300x"], count),
        "system.accelerators": accelerators, "serving.tables.tier": tier,
        "bits_per_byte": 2.2 + 0.6 * (share - 0.25) ** 2 + rng.normal(0, 0.01, count),
        "bits_per_byte.standard_error": 0.008,
        "tpot_s": tpot, "j_per_token": 4 * tpot**0.4 * rng.lognormal(0, 0.2, count), "usd_per_mtok": usd,
        "violation.hbm": rng.normal(-30e9, 20e9, count), "violation.tpot_s": tpot - 0.1,
    })  # fmt: skip
    frame["feasible"] = (frame["violation.hbm"] <= 0) & (frame["violation.tpot_s"] <= 0)
    costs = frame[list(OBJECTIVES)].to_numpy()
    import moocore

    frame["front"] = False
    rows = np.flatnonzero(frame["feasible"])
    frame.loc[rows[moocore.is_nondominated(costs[rows])], "front"] = True
    frame["knee"] = False
    if frame["front"].any():
        front = np.flatnonzero(frame["front"])
        scaled = (costs[front] - costs[front].min(0)) / np.maximum(np.ptp(costs[front], axis=0), 1e-12)
        frame.loc[front[scaled.max(1).argmin()], "knee"] = True
    return frame


def designs(count: int = 400, seed: int = 0, version: int = 1) -> Designs:
    """The same as the page's value."""
    frame = table(count, seed)
    columns: dict[str, Column] = {
        name: describe(name, frame[name], "objective", label, unit, direction)
        for name, (label, unit, direction) in OBJECTIVES.items()
    }
    for name in frame.columns:
        if name.startswith(("model.", "system.", "serving.")):
            columns[name] = describe(name, frame[name], "parameter")
        elif name.startswith("violation."):
            columns[name] = describe(
                name, frame[name], "violation", unit="s" if name.endswith("_s") else "bytes"
            )
    return Designs(
        "made", frame, columns, tuple(OBJECTIVES), {"bits_per_byte": "bits_per_byte.standard_error"}, version
    )


DOCUMENT: dict[str, Any] = {
    "feasible": True,
    "memory": {"capacity_bytes": 80e9, "weights_bytes": 27e9, "tables_bytes": 0, "activations_bytes": 2e9,
               "kv_bytes_available": 40e9, "kv_bytes_per_token": 1e5,
               "host": {"dram_bytes": 60e9, "cxl_bytes": 0, "ssd_bytes": 0}},
    "tables": [{"layer": 1}],
    "lookup": {"time_s": 0.0004, "window_s": 0.0009, "stall_s": 0.0},
    "latency": {"decode_step_s": 0.006},
    "breakdown": [{"operator": name, "layer_group": "all", "flops": 1e9 * k, "bytes": 1e9, "time_s": 0.001 * k,
                   "bound": "memory"}
                  for k, name in enumerate(("attention", "experts", "norm", "head"), 1)],
    "energy": {"by_part": {"accelerator": 0.2, "memory": 0.1, "host": 0.05}},
    "cost": {"by_part": {"accelerators": 0.5, "dram": 0.2, "electricity": 0.01}},
    "quality": {"bits_per_byte": 2.2, "standard_error": 0.01, "fidelity": "demo"},
    "sources": ["accelerators/h100-sxm"],
}  # fmt: skip


class MadeSource:
    """A source of made designs; what-ifs multiply the cost."""

    def __init__(self, count: int = 400) -> None:
        self.value = designs(count)

    def read(self) -> Designs:
        return self.value

    def recost(self, value: Designs, view: View) -> Designs:
        return replace(value, ghost=value)

    def fields(self) -> list[Any]:
        return [lambda: self.field(self.value.table[phase.good_enough(self.value)].reset_index(drop=True))]

    def field(self, table: pd.DataFrame) -> phase.Field:
        return phase.Field(table, lambda view: table["usd_per_mtok"].to_numpy())

    def design(self, trial: int, view: View) -> Design:
        return Design(cost_models.read_model("engram-27b"))

    def document(self, trial: int, view: View) -> dict[str, Any]:
        return DOCUMENT

    def parts(self, trial: int, view: View) -> dict[str, Any]:
        return {
            "capacities": {"hbm": 80e9, "dram": 512e9},
            "peak_flops": 989e12,
            "bandwidth": 3.35e12,
            "curve": [],
        }

    def confirmed(self) -> dict[str, Any]:
        return {}

    def catalogue(self, view: View) -> cost_models.Catalogue:
        return cost_models.load_catalogue(view.scenario or None)

    def export(self, trial: int, view: View) -> dict[str, str]:
        return {"design.yaml": "model: {}\n", "report.html": "<p>report</p>"}

    def references(self, view: View) -> tuple[Reference, ...]:
        return ()
