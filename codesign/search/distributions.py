"""Parameters of a space as Optuna knows them."""

from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search_spaces import Parameter, Space

_MOST_ENUMERATED = 20_000  # model spaces up to this size are listed instead of sampled


def distribution(parameter: Parameter) -> BaseDistribution:
    """The Optuna distribution of a parameter; subsets are categories written "1,14"."""
    if parameter.kind in ("categorical", "subset"):
        return CategoricalDistribution(parameter.choices)
    if parameter.kind == "int":
        return IntDistribution(
            int(parameter.low), int(parameter.high), log=parameter.log, step=int(parameter.step) or 1
        )
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log, step=parameter.step or None)


def distributions(space: Space, params: dict[str, Any] | None = None) -> dict[str, BaseDistribution]:
    """Distributions of all parameters of a space, or only of those in `params`."""
    return {p.name: distribution(p) for p in space.parameters if params is None or p.name in params}


def suggest(trial: optuna.Trial, space: Space) -> dict[str, Any]:
    """Ask the trial for every parameter that applies beside the values so far."""
    params: dict[str, Any] = {}
    for p in space.parameters:
        if not p.applies(space.fixed | params):
            continue
        if p.kind in ("categorical", "subset"):
            params[p.name] = trial.suggest_categorical(p.name, p.choices)
        elif p.kind == "int":
            params[p.name] = trial.suggest_int(
                p.name, int(p.low), int(p.high), step=int(p.step) or 1, log=p.log
            )
        else:
            params[p.name] = trial.suggest_float(p.name, p.low, p.high, step=p.step or None, log=p.log)
    return params


def random_value(parameter: Parameter, generator: np.random.Generator) -> Any:
    """One value, uniform over the parameter's range (over its logarithm where it is logarithmic)."""
    if parameter.kind == "float" and not parameter.step:
        low, high = (np.log(b) if parameter.log else b for b in (parameter.low, parameter.high))
        value = generator.uniform(low, high)
        return float(np.clip(np.exp(value) if parameter.log else value, parameter.low, parameter.high))
    if parameter.kind == "int":
        if parameter.log:
            value = np.exp(generator.uniform(np.log(parameter.low - 0.5), np.log(parameter.high + 0.5)))
            return int(np.clip(round(value), parameter.low, parameter.high))
        step = int(parameter.step) or 1
        count = (int(parameter.high) - int(parameter.low)) // step + 1
        return int(parameter.low) + step * int(generator.integers(count))
    levels = parameter.levels()
    return levels[int(generator.integers(len(levels)))]


def enumerated(space: Space) -> list[dict[str, Any]] | None:
    """All values of the model parameters, or None where there are too many."""
    if any(p.kind == "float" and not p.step for p in space.model_parameters):
        return None
    rows: list[dict[str, Any]] = [{}]
    for p in space.model_parameters:
        if p.kind == "int" and (p.high - p.low) / (p.step or 1) > _MOST_ENUMERATED:
            return None
        levels = (
            p.levels() if p.kind != "int" else tuple(range(int(p.low), int(p.high) + 1, int(p.step) or 1))
        )
        rows = _expanded(space, rows, p, levels)
        if len(rows) > _MOST_ENUMERATED:
            return None
    return rows


def _expanded(
    space: Space, rows: list[dict[str, Any]], p: Parameter, levels: tuple[Any, ...]
) -> list[dict[str, Any]]:
    return [
        new
        for row in rows
        for new in ([row | {p.name: v} for v in levels] if p.applies(space.fixed | row) else [row])
    ]
