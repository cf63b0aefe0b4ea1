"""The operators of a model made ready for evaluation: equal rows merged, split by how they are computed."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cost_models.design import Model
from cost_models.operators import Floats, OperatorTable, operators

_SHAPE_COLUMNS = (
    "flops", "activation_bytes", "sharded_bytes", "weight_bytes", "columns", "inner", "heads", "kv_heads", "head_dim",
    "context_flops", "context_bytes", "window",
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """Rows that share kind, compute type, sharding and frequency; columns as in OperatorTable, (rows, 1).

    count: runs in one pass; before: (targets, rows) runs before each Engram layer.
    members: the rows of the OperatorTable that each merged row stands for.
    """

    kind: str
    compute: str
    sharded: bool
    last_token: bool
    flops: Floats
    activation_bytes: Floats
    sharded_bytes: Floats
    weight_bytes: Floats
    columns: Floats
    inner: Floats
    heads: Floats
    kv_heads: Floats
    head_dim: Floats
    context_flops: Floats
    context_bytes: Floats
    window: Floats
    count: Floats
    before: Floats
    members: tuple[tuple[int, ...], ...]


@lru_cache(maxsize=256)
def plan(model: Model, phase: str) -> tuple[Part, ...]:
    """The parts of one forward pass in a phase ("prefill" or "decode")."""
    table = operators(model)
    before = np.array([table.before(layer) for layer in targets(model)]).reshape(-1, len(table))
    running = getattr(table, phase)
    keys: dict[tuple[str, str, bool, bool], list[int]] = {}
    for row in np.flatnonzero(running):
        key = (table.kind[row], table.compute[row], bool(table.sharded[row]), bool(table.last_token[row]))
        keys.setdefault(key, []).append(int(row))
    return tuple(_part(table, before, np.array(rows), *key) for key, rows in keys.items())


def targets(model: Model) -> tuple[int, ...]:
    """Layers that wait for table rows; one at 0 where the tables are added to the token embedding."""
    if model.engram is None:
        return ()
    return (0,) if model.engram.input_only else model.engram.layer_ids


def _part(
    table: OperatorTable,
    before: Floats,
    rows: NDArray[np.int64],
    kind: str,
    compute: str,
    sharded: bool,
    last: bool,
) -> Part:
    shapes: dict[tuple[float, ...], list[int]] = {}
    for row in rows:
        shapes.setdefault(tuple(float(getattr(table, name)[row]) for name in _SHAPE_COLUMNS), []).append(
            int(row)
        )
    groups = list(shapes.values())
    columns = {
        name: np.array([shape[i] for shape in shapes])[:, None] for i, name in enumerate(_SHAPE_COLUMNS)
    }
    return Part(
        kind, compute, sharded, last, **columns,
        count=np.array([table.count[group].sum() for group in groups])[:, None],
        before=np.stack([before[:, group].sum(axis=1) for group in groups], axis=1),
        members=tuple(tuple(group) for group in groups),
    )  # fmt: skip
