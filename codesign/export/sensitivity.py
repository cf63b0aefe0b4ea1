"""How a design's figures move when a price, a rate or the load is other than assumed."""

from dataclasses import replace
from typing import Any

import numpy as np

import cost_models
from codesign.export.charts import Swing
from codesign.export.specification import Specification
from cost_models import arrivals
from cost_models.design import Design
from cost_models.errors import InputError

# Label, figure of the catalogue (None: the accelerator's price), and the factors of the two ends. DRAM went
# from 4 to 32 USD/GB within a year (price scenarios of the catalogue); the others are customary ranges.
_FIGURES = (
    ("DRAM price, half to double", ("scenario", "now", "dram"), 0.5, 2.0),
    ("Accelerator price, -20 % to +20 %", None, 0.8, 1.2),
    ("Electricity price, half to double", ("electricity", "price"), 0.5, 2.0),
    ("Cost of capital, half to double", ("economics", "cost_of_capital"), 0.5, 2.0),
    ("Years of amortisation, 3/4 to 3/2", ("economics", "amortisation"), 0.75, 1.5),
)


def prices(specification: Specification) -> list[Swing]:
    """Changes of the cost per million tokens with prices and use, relative to the base."""
    base = _usd_per_mtok(specification)
    swings = []
    for label, path, low, high in _FIGURES:
        try:
            ends = [
                _usd_per_mtok(specification, _changed(specification, path, factor)) for factor in (low, high)
            ]
        except InputError:
            continue  # a part from a user's own file has no figure in the catalogue to change
        swings.append(Swing(label, ends[0] / base - 1, ends[1] / base - 1))
    busy = specification.design.serving.utilisation
    busy = float(specification.catalogue().value("economics", "utilisation") if busy is None else busy)
    ends = [
        _usd_per_mtok(specification, design=_serving(specification.design, utilisation=share))
        for share in (busy / 2, min(1.0, busy * 1.25))
    ]
    swings.append(Swing("Hours in use, half to +25 %", ends[0] / base - 1, ends[1] / base - 1))
    return swings


def load(specification: Specification) -> list[dict[str, float | bool]]:
    """Figures at other numbers of sequences in flight: {concurrency, feasible, ttft_s, usd_per_mtok, ...}."""
    serving = specification.design.serving
    concurrency = float(np.asarray(serving.concurrency))
    if arrivals.are_open(serving):
        concurrency = specification.document()["memory"]["concurrency"]
    rows: list[dict[str, float | bool]] = []
    for factor in (0.25, 0.5, 1, 2, 4):
        sequences = max(1, round(concurrency * factor))
        if concurrency < 1 or (rows and rows[-1]["concurrency"] == sequences):
            continue
        design = arrivals.closed(specification.design, sequences)
        document = replace(specification, design=design).document()
        rows.append(
            {
                "concurrency": sequences,
                "feasible": document["feasible"],
                "ttft_s": document["latency"]["ttft_s"],
                "tpot_s": document["latency"]["tpot_s"],
                "output_tokens_per_s": document["latency"]["output_tokens_per_s"],
                "j_per_token": document["energy"]["j_per_token"],
                "usd_per_mtok": document["cost"]["usd_per_mtok"],
            }
        )
    return rows


def _changed(
    specification: Specification, path: tuple[str, ...] | None, factor: float
) -> dict[str, float | str]:
    catalogue = specification.catalogue()
    if path is None:
        name = str(specification.design.system.accelerator)
        as_sold = replace(specification.design.system, hbm_bytes=None)
        price = float(np.asarray(catalogue.parts(as_sold).accelerator.price_usd))
        return {f"accelerator.{name}.price_usd": price * factor}
    return {".".join(path): catalogue.value(*path) * factor}


def _usd_per_mtok(
    specification: Specification, changes: dict[str, float | str] | None = None, design: Design | None = None
) -> float:
    evaluation = cost_models.evaluate(design or specification.design, specification.catalogue(changes))
    return float(np.asarray(cost_models.OBJECTIVES["usd_per_mtok"].value(evaluation)))


def _serving(design: Design, **changes: Any) -> Design:
    return replace(design, serving=replace(design.serving, **changes))
