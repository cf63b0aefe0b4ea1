"""The operators of a model as coefficient matrices, so that a pass takes few array operations.

Bytes and FLOPs of one operator on one rank are linear in six quantities of a pass:
    T, T / t, O, O / t, 1, 1 / t        T: new tokens, O: tokens that need logits, t: tensor-parallel degree
so all matrix products and element-wise passes of a model are two products of a (operators, 6) with a
(6, designs) matrix. Equal operators of different layer groups are merged.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from cost_models import constants, rooflines
from cost_models.design import Model
from cost_models.operators import COMPUTE_TYPES, Floats, operators

BASIS = 6
_SHAPE_COLUMNS = (
    "flops", "activation_bytes", "sharded_bytes", "weight_bytes", "kv_heads", "context_flops",
    "context_bytes", "window", "inner", "sharded_inner", "sharded", "last_token",
)  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """Merged rows of some kinds. Columns as in OperatorTable, (rows, 1).

    members: the rows of the OperatorTable that each stands for. count: runs in a pass.
    before: (targets, rows) runs before each layer that waits for table rows.
    """

    members: tuple[tuple[int, ...], ...]
    columns: dict[str, Floats]
    compute: tuple[str, ...]
    count: Floats
    before: Floats

    @cached_property
    def windowed(self) -> bool:
        """Whether any of them sees only a window of the context."""
        return bool(self.columns["window"].any())

    @cached_property
    def weights(self) -> Floats:
        """(1 + targets, rows): runs in a pass, runs before each target."""
        return np.vstack([self.count, self.before])


@dataclass(frozen=True)
class Kernels:
    """Matrix products (the first `products` rows) and element-wise passes, with their constants.

    bytes: (rows, 6). memory: the same over the achievable share of bandwidth.
    flops: (products, 4 x types), columns T, T / t, O, O / t of each compute type. compute: the same over the
        achievable share of the peak.
    overhead_s: (rows, 2), columns 1, 1 / t. exposed: (products, 1), twice the constant of rooflines.gemm.
    weights: (2 + targets, rows): runs in every chunk, runs once per prompt, runs before each target.
    totals: (2 + 2 x types, 6) sums over rows of bytes, then of the FLOPs of each type: of every chunk, and once
        per prompt.
    """

    rows: Rows
    products: int
    types: tuple[str, ...]
    bytes: Floats
    memory: Floats
    flops: Floats
    compute: Floats
    overhead_s: Floats
    exposed: Floats
    weights: Floats
    totals: Floats


@dataclass(frozen=True)
class Plan:
    """All operators of one forward pass in a phase, with the constants of one accelerator."""

    kernels: Kernels
    attention: Rows
    experts: Rows
    collectives: Rows
    constants: constants.Constants


@lru_cache(maxsize=2048)  # a study of hundreds of models is costed again on two phases of a few parts each
def plan(model: Model, phase: str, fitted: str) -> Plan:
    """The plan of a phase ("prefill" or "decode") with the constants fitted on a part (or the prior)."""
    fit = constants.of(fitted)
    attention, experts, collectives = (
        _rows(model, phase, (k,)) for k in ("attention", "experts", "collective")
    )
    return Plan(_kernels(model, phase, fit), attention, experts, collectives, fit)


def targets(model: Model) -> tuple[int, ...]:
    """Layers that wait for table rows; one at 0 where the tables are added to the token embedding."""
    if model.engram is None:
        return ()
    return (0,) if model.engram.input_only else model.engram.layer_ids


@lru_cache(maxsize=2048)
def _rows(model: Model, phase: str, kinds: tuple[str, ...]) -> Rows:
    """The merged rows of some kinds, those of the first kind first; no constant of a part is in them."""
    table = operators(model)
    rows = np.concatenate([table.rows(kind, phase) for kind in kinds])
    before = np.array([table.before(layer) for layer in targets(model)]).reshape(-1, len(table))
    if model.engram is not None and model.engram.input_only:
        before = np.zeros_like(before)  # the rows are wanted before anything has run
    shapes: dict[tuple[Any, ...], list[int]] = {}
    for row in rows:
        key = (
            table.kind[row],
            table.compute[row],
            *(float(getattr(table, name)[row]) for name in _SHAPE_COLUMNS),
        )
        shapes.setdefault(key, []).append(int(row))
    groups = list(shapes.values())
    first = [group[0] for group in groups]
    return Rows(
        members=tuple(tuple(group) for group in groups),
        columns={name: getattr(table, name)[first].astype(float)[:, None] for name in _SHAPE_COLUMNS},
        compute=tuple(table.compute[row] for row in first),
        count=np.array([table.count[group].sum() for group in groups]),
        before=np.array([before[:, group].sum(axis=1) for group in groups])
        .reshape(len(groups), len(before))
        .T,
    )


def _kernels(model: Model, phase: str, fit: constants.Constants) -> Kernels:
    rows = _rows(model, phase, ("gemm", "elementwise"))
    table = operators(model)
    kinds = [table.kind[members[0]] for members in rows.members]
    count = kinds.index("elementwise")  # products come first
    products = [rooflines.for_type(fit, "gemm", compute) for compute in rows.compute[:count]]
    passes = [fit["elementwise"]] * (len(kinds) - count)

    def constant(name: str, classes: list[dict[str, float]]) -> Floats:
        return np.array([one[name] for one in classes])

    column = {name: values[:, 0] for name, values in rows.columns.items()}
    last, sharded = column["last_token"], column["sharded"]
    moved = np.zeros((len(kinds), BASIS))
    for quantity, name in ((0, "activation_bytes"), (1, "sharded_bytes")):
        moved[:, quantity] = column[name] * (1 - last)
        moved[:, quantity + 2] = column[name] * last
    moved[:, 4] = column["weight_bytes"] * (1 - sharded)
    moved[:, 5] = column["weight_bytes"] * sharded
    types = tuple(name for name in COMPUTE_TYPES if name in rows.compute[:count])
    flops = np.zeros((count, 4 * len(types)))
    for row in range(count):
        place = 4 * types.index(rows.compute[row]) + 2 * int(last[row]) + int(sharded[row])
        flops[row, place] = column["flops"][row]
    weights = np.vstack([rows.count * (1 - last), rows.count * last, rows.before])
    overhead = np.zeros((len(kinds), 2))
    overhead[:, 0] = constant("overhead_s", products + passes)
    step = constant("step_s", products)
    overhead[:count, 0] += step * column["inner"][:count]
    overhead[:count, 1] = step * column["sharded_inner"][:count]
    totals = np.zeros((2 + 2 * len(types), BASIS))
    totals[:2] = weights[:2] @ moved
    for i in range(len(types)):
        totals[2 + 2 * i : 4 + 2 * i, :4] = weights[:2, :count] @ flops[:, 4 * i : 4 * i + 4]
    memory = moved / constant("memory", products + passes)[:, None]
    compute = flops / constant("compute", products)[:, None]
    exposed = np.array([[2.0 * one.get("exposed", 0.0)] for one in products])
    return Kernels(rows, count, types, moved, memory, flops, compute, overhead, exposed, weights, totals)
