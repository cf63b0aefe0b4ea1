"""The figures of a study as its trials recorded them: what the first view shows, before anything is costed."""

import numpy as np
import pandas as pd

import cost_models
from codesign.costing import Columns
from codesign.results import Designs as Record


def recorded(record: Record, table: pd.DataFrame) -> Columns:
    """Every figure that an objective names, (rows,) each; NaN where a trial holds none.

    A design that was refused before training recorded none; costing fills it in later.
    """
    documents = [record.trial(trial).user_attrs.get("evaluation") or {} for trial in table["trial"].tolist()]
    found: Columns = {}
    for objective in cost_models.OBJECTIVES.values():
        section, key = objective.figure.split(".")
        if section == "quality":
            continue
        values = [(document.get(section) or {}).get(key) for document in documents]
        found[objective.figure] = np.array([np.nan if value is None else value for value in values], float)
    return found


def drift(table: pd.DataFrame, figures: Columns, objectives: tuple[str, ...]) -> float:
    """How far figures are from the table's at most, as a fraction, over the designs that were trained."""
    complete = (table["state"] == "COMPLETE").to_numpy(bool)
    furthest = 0.0
    for name in objectives:
        now = figures.get(cost_models.OBJECTIVES[name].figure)
        if now is not None:
            then = table[name].to_numpy(float)
            both = complete & np.isfinite(then) & np.isfinite(now) & (then != 0)
            furthest = max(furthest, float(np.abs(now[both] / then[both] - 1).max(initial=0.0)))
    return furthest
