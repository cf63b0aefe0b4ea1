"""How text reads the tables: hits of a cache of their rows, by its size, order and policy (docs/traffic.md)."""

from typing import Any

import numpy as np

from cost_models import read_model, tables
from cost_models.traffic import Profile
from dashboard.figures import style
from dashboard.figures.insight import Card
from dashboard.view import View

MODEL, SEQUENCES = "engram-27b", 64
_POLICIES = (("lru", "LRU", "solid"), ("s3-fifo", "S3-FIFO", "dash"))


def card(view: View, profile: str = "bundled-text") -> Card:
    """Hit rate against the share of all rows that a cache holds, for a model of the paper's table sizes."""
    look, text, model = style.theme(view.theme), Profile.load(profile), read_model(MODEL)
    assert model.engram is not None
    M = tables.rows(model)
    orders = tables.orders(model.engram)
    columns = [(n, float(M[:, i].mean()), M.shape[0] * M.shape[2]) for i, n in enumerate(orders)]
    share = np.geomspace(1e-4, 0.5, 50)
    data: list[dict[str, Any]] = []
    for policy, label, dash in _POLICIES if text.s3_fifo else _POLICIES[:1]:
        hits = 1 - text.miss_ratio(columns, share * M.sum(), SEQUENCES, policy=policy)
        for i, order in enumerate(orders):
            data.append({
                "type": "scatter", "mode": "lines", "name": f"order {order}, {label}", "x": share.tolist(),
                "y": hits[i].tolist(), "line": {"color": look.categories[i], "dash": dash},
                "hovertemplate": f"order {order}, {label}: %{{y:.0%}} with %{{x:.2%}} of the rows<extra></extra>",
            })  # fmt: skip
    small = 1 - text.miss_ratio(columns, 0.01 * M.sum(), SEQUENCES)
    reading = (
        f"With 1 % of the rows, an LRU cache serves {small[0]:.0%} of reads of order {orders[0]} and {small[-1]:.0%} "
        f"of order {orders[-1]} ({text.about.get('text', profile)}, {SEQUENCES} sequences, tables of {MODEL}); S3-FIFO "
        "(dashed) keeps more. Other text differs by more than any policy: measure yours with `codesign traffic`."
    )
    axes = {
        "xaxis": {**style.axis(view.theme, "cache, share of all rows"), "type": "log"},
        "yaxis": {**style.axis(view.theme, "hit rate"), "range": [0, 1]},
    }
    return Card(
        "What would a cache hit?", reading, {"data": data, "layout": style.layout(view.theme, **axes)}
    )
