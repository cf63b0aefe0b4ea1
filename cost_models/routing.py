"""How many experts a batch wakes and how many rows the busiest rank computes.

Routing is not even: the tokens per expert follow a power law, p(x) ~ x^-alpha, bounded so that no expert
sees more than 0.8 of all tokens. Exponent 1.2 is the workload that NVIDIA's kernel measurements of mixture-of-experts
models use (ai-dynamo/aiconfigurator, Apache-2.0), 1.01 for models trained with DeepSeek's bias balancing.
A grouped product works in tiles of rows, so each woken expert's rows are rounded up to whole tiles: of 64, or of 16
where a pass has no more tokens than the model has experts (vllm-project/vllm, fused_moe.py: get_default_config).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cost_models.design import Model

TILE_ROWS = 64
SMALL_TILE_ROWS = 16
_BUSIEST_EXPERT_SHARE = 0.8
_STEPS_PER_DOUBLING = 2
_LARGEST_LOG2_TOKENS = 24
_GRID = 2.0 ** (np.arange(_LARGEST_LOG2_TOKENS * _STEPS_PER_DOUBLING + 2) / _STEPS_PER_DOUBLING)
_PER_STEP = 1.0 / np.diff(_GRID)
_PLACEMENTS = 16  # random placements of experts on ranks that the busiest rank is averaged over

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Load:
    """The busiest rank, for each design: (designs,)."""

    experts: Floats  # experts with at least one token
    rows: Floats  # tokens x experts that it computes
    tiled_rows: Floats  # the same, each expert rounded up to whole tiles


def exponent(model: Model) -> float:
    """Power-law exponent of the expert loads that a model's training leaves."""
    return 1.01 if model.family.startswith(("deepseek", "engram")) else 1.2


def busiest_rank(experts: int, active: int, ranks: Floats, tokens: Floats, alpha: float) -> Load:
    """Load of the busiest rank when `tokens` tokens choose `active` of `experts` experts spread over `ranks`.

    alpha 0 is even routing. ranks, tokens: (designs,).
    """
    tokens = np.minimum(np.maximum(tokens, 1.0), _GRID[-2])
    lower = (np.log2(tokens) * _STEPS_PER_DOUBLING + 1e-9).astype(np.int64)
    share = (tokens - _GRID[lower]) * _PER_STEP[lower]
    degree = ranks[0]
    if (ranks == degree).all():
        return Load(*_along(_table(experts, active, int(degree), alpha), lower, share))
    result = np.empty((3, *tokens.shape))
    for degree in np.unique(ranks):
        table = _table(experts, active, int(degree), alpha)
        here = np.flatnonzero(ranks == degree)
        result[:, here] = _along(table, lower[here], share[here])
    return Load(*result)


def _along(table: Floats, lower: NDArray[np.int64], share: Floats) -> Floats:
    """Values of a table between the points `lower` and lower + 1 of its grid: (3, designs)."""
    low = table.take(lower, axis=1)
    return low + (table.take(lower + 1, axis=1) - low) * share


@lru_cache(maxsize=512)
def _table(experts: int, active: int, ranks: int, alpha: float) -> Floats:
    """(3, grid) experts, rows and tiled rows of the busiest rank on a grid of tokens."""
    random = np.random.default_rng(0)
    orders = np.array([random.permutation(experts) for _ in range(_PLACEMENTS if ranks > 1 else 1)])
    columns = [
        _busiest(
            expected_loads(experts, active, float(t), alpha),
            orders,
            ranks,
            SMALL_TILE_ROWS if t <= experts else TILE_ROWS,
        )
        for t in _GRID
    ]
    return np.stack(columns, axis=1)


def expected_loads(experts: int, active: int, tokens: float, alpha: float) -> Floats:
    """Tokens that each expert expects, largest first, adding up to tokens x active: (experts,)."""
    if alpha == 0.0 or experts == active:
        return np.full(experts, tokens * active / experts)
    dense = tokens * active > experts
    low, high = (1.0, max(2.0, _BUSIEST_EXPERT_SHARE * tokens)) if dense else (0.01, 2.0)
    quantile = (np.arange(experts) + 0.5) / experts
    power = 1.0 - alpha
    loads = np.sort((low**power + quantile * (high**power - low**power)) ** (1.0 / power))[::-1]
    return _at_most(loads, tokens * active, tokens)


def _at_most(loads: Floats, total: float, limit: float) -> Floats:
    """Scale loads to a total while no expert gets more than every token once."""
    result = loads * total / loads.sum()
    full = np.zeros(loads.shape, dtype=bool)
    while (over := (result > limit * (1 + 1e-12)) & ~full).any():
        full |= over
        rest = total - limit * full.sum()
        result = np.where(full, limit, loads * (rest / loads[~full].sum()) if not full.all() else limit)
    return result


def _busiest(loads: Floats, orders: NDArray[np.int64], ranks: int, tile: int) -> Floats:
    # A whole number of tokens falls on each expert: the load rounded up or down, so that it is kept on average.
    awake = np.minimum(loads, 1.0)
    whole = np.floor(loads + 1e-9)
    up = np.maximum(loads - whole, 0.0)
    tiled = tile * ((1 - up) * np.ceil(whole / tile) + up * np.ceil((whole + 1) / tile))
    per_rank = [_by_rank(values, orders, ranks) for values in (awake, loads, tiled)]
    placement = np.arange(len(orders))
    busiest = per_rank[1].argmax(axis=1)
    result = np.array([values[placement, busiest].mean() for values in per_rank])
    # the busiest rank has at least one expert with one token
    return np.maximum(result, (1.0, 1.0, tile))


def _by_rank(values: Floats, orders: NDArray[np.int64], ranks: int) -> Floats:
    """(placements, ranks) sums of a value over the experts of each rank."""
    padded = np.zeros((len(orders), -(-values.size // ranks) * ranks))
    padded[:, : values.size] = values[orders]
    return padded.reshape(len(orders), ranks, -1).sum(axis=2)
