"""How text reads the tables: hits of a cache of their rows, by its size, order and policy (docs/traffic.md)."""

from typing import Any

import numpy as np

from cost_models import tables
from cost_models.design import Design
from cost_models.traffic import Profile
from dashboard.figures import style
from dashboard.figures.card import Card
from dashboard.view import View

_POLICIES = (("lru", "LRU", "solid"), ("s3-fifo", "S3-FIFO", "dash"))


def card(view: View, design: Design, trial: int) -> Card | None:
    """Hit rate against the share of all rows that a cache holds: one design's model, load and traffic profile.

    None where the design has no tables. The design is one design, not an array.
    """
    if design.model.engram is None:
        return None
    placement, sequences = design.serving.tables, int(np.asarray(design.serving.concurrency))
    look, text = style.theme(view.theme), Profile.load(placement.traffic)
    M, orders = tables.rows(design.model), tables.orders(design.model.engram)
    columns = [(n, float(M[:, i].mean()), M.shape[0] * M.shape[2]) for i, n in enumerate(orders)]
    share = np.geomspace(1e-4, 0.5, 50)
    data: list[dict[str, Any]] = []
    for policy, label, dash in _POLICIES if text.s3_fifo else _POLICIES[:1]:
        hits = 1 - text.miss_ratio(columns, share * M.sum(), sequences, policy=policy)
        for i, order in enumerate(orders):
            data.append({
                "type": "scatter", "mode": "lines", "name": f"order {order}, {label}", "x": (100 * share).tolist(),
                "y": (100 * hits[i]).tolist(), "line": {"color": look.categories[i], "dash": dash},
                "hovertemplate": f"order {order}, {label}: %{{y:.0f}} % with %{{x:.2g}} % of the rows<extra></extra>",
            })  # fmt: skip
    small = 1 - text.miss_ratio(columns, 0.01 * M.sum(), sequences)
    name = placement.traffic.rsplit("/", 1)[-1]
    reading = (
        f"Text “{text.about.get('text', name)}” (profile {name}), {sequences} sequences in flight, the tables of "
        f"#{trial}: an LRU cache of 1 % of the rows serves {small[0]:.0%} of reads of order {orders[0]}"
        + (f" and {small[-1]:.0%} of order {orders[-1]}" if len(orders) > 1 else "")
        + ("; S3-FIFO (dashed) keeps more. " if text.s3_fifo else ". ")
        + "Other text differs by more than any policy: measure yours with `codesign traffic`."
    )
    axes = {
        "xaxis": {**style.axis(view.theme, "cache (% of all rows)"), "type": "log"},
        "yaxis": {**style.axis(view.theme, "hits (% of reads)"), "range": [0, 100]},
    }
    return Card(
        "What would a cache hit?", reading, {"data": data, "layout": style.layout(view.theme, **axes)}
    )
