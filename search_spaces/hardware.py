"""Every combination of hardware and serving choices as columns, without those that cannot exist."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.parameters import Parameter

MOST = 1_000_000  # combinations; a larger grid is sampled
_SEED = 20260912  # of that sampling: the same space always gives the same combinations

Columns = dict[str, NDArray[Any]]


def combinations(parameters: tuple[Parameter, ...]) -> tuple[Columns, bool]:
    """Values of every parameter, each (combinations,), and whether they are only a sample of the grid.

    A parameter that does not apply in a combination has the code -1, which `column` shows as None.
    """
    size = float(np.prod([float(len(p.levels())) for p in parameters])) if parameters else 1.0
    if size <= MOST:
        return _all(parameters), False
    generator = np.random.default_rng(_SEED)
    codes = {p.name: generator.integers(0, len(p.levels()), MOST, dtype=np.int16) for p in parameters}
    columns: Columns = {}
    for p in parameters:
        columns[p.name] = np.where(_applies(p, columns, parameters, MOST), codes[p.name], -1)
    rows = np.unique(np.stack(list(columns.values()), axis=1), axis=0)
    return {p.name: rows[:, i] for i, p in enumerate(parameters)}, True


def column(parameter: Parameter, codes: NDArray[Any], default: Any) -> NDArray[Any]:
    """The values behind the codes of a parameter; `default` where it does not apply."""
    levels = np.array(parameter.levels())
    return np.where(codes < 0, default, levels[codes]) if (codes < 0).any() else levels[codes]


def _all(parameters: tuple[Parameter, ...]) -> Columns:
    columns: Columns = {}
    count = 1
    for p in parameters:
        applies = _applies(p, columns, parameters, count)
        repeats = np.where(applies, len(p.levels()), 1)
        columns = {name: np.repeat(codes, repeats) for name, codes in columns.items()}
        starts = np.repeat(np.cumsum(repeats) - repeats, repeats)
        count = int(repeats.sum())
        own = np.arange(count) - starts
        columns[p.name] = np.where(np.repeat(applies, repeats), own, -1).astype(np.int16)
    return columns


def _applies(
    p: Parameter, columns: Columns, parameters: tuple[Parameter, ...], count: int
) -> NDArray[np.bool_]:
    mask = np.ones(count, dtype=bool)
    for condition in p.conditions:
        if condition.parameter not in columns:
            continue  # about the model; the caller drops such parameters beforehand
        other = next(q for q in parameters if q.name == condition.parameter)
        holds = [condition.holds({other.name: level}) for level in other.levels()]
        mask &= np.array([*holds, False])[columns[condition.parameter]]
    return mask


def possible(fields: Mapping[str, Any], has_tables: bool, count: int) -> NDArray[np.bool_]:
    """Which combinations can exist at all: (count,) bool. `fields`: name -> scalar or (count,).

    Ranks must be there and fill whole replicas, nodes must share the accelerators evenly, and a tier that
    holds tables, a cache, experts or a KV cache must have capacity. Whether things fit is the cost model's question.
    """
    tensor, data = fields["serving.tensor_parallel"], fields["serving.data_parallel"]
    pipeline, expert = fields["serving.pipeline_parallel"], fields["serving.expert_parallel"]
    accelerators, nodes = fields["system.accelerators"], fields["system.nodes"]
    mask = np.ones(count, dtype=bool)
    mask &= np.equal(np.mod(accelerators, tensor * data * pipeline), 0)
    mask &= np.equal(np.mod(accelerators, nodes), 0)
    mask &= np.less_equal(expert, tensor * data)
    mask &= np.greater(fields["system.host.ssd_drives"], 0) | np.equal(fields["system.host.ssd_gib"], 0)
    for moved in ("routed_experts_on", "attention_on"):
        mask &= np.not_equal(fields[f"serving.{moved}"], "host") | np.greater(
            fields["system.host.dram_gib"], 0
        )
    if has_tables:
        tier, cache = fields["serving.tables.tier"], fields["serving.tables.cache.gib"]
        cache_tier = fields["serving.tables.cache.tier"]
        for name in ("dram", "cxl", "ssd"):
            there = np.greater(fields[f"system.host.{name}_gib"], 0)
            mask &= np.not_equal(tier, name) | there
            mask &= np.not_equal(cache_tier, name) | np.equal(cache, 0) | there
        mask &= np.equal(cache, 0) | np.not_equal(cache_tier, tier)
    return mask
