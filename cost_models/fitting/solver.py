"""Fitting positive constants to measured times in NumPy alone: robust Levenberg-Marquardt in logarithms.

The residual of a row is log(predicted / measured), so that a kernel of 5 us counts as much as one of 5 ms, and
rows far off count less (weights of a pseudo-Huber loss). A constant that the rows do not determine stays where it
starts: a change by a factor e costs as much as one row that is 14 % off.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Values = dict[str, float]

_ROBUST_SCALE = 0.1  # rows within 10 % count fully
_STEP = 1e-5
_INERTIA = 1.0


@dataclass(frozen=True)
class Fit:
    """Constants of one operator class. error: mean absolute relative error over its rows."""

    values: Values
    error: float
    rows: int


def fit(
    predict: Callable[[Values], Floats], measured: Floats, start: Values, fixed: Values | None = None
) -> Fit:
    """Fit the constants in `start`, all > 0; `fixed` ones are passed on unchanged."""
    fixed = fixed or {}
    names = list(start)

    def residuals(logs: Floats) -> Floats:
        values = dict(zip(names, np.exp(logs).tolist(), strict=True))
        return np.log(predict({**fixed, **values}) / measured)

    origin = np.log(np.array([start[name] for name in names]))

    def loss(residual: Floats, logs: Floats) -> float:
        return _loss(residual) + 0.5 * _INERTIA * float(np.sum((logs - origin) ** 2))

    logs = origin
    damping, current = 1e-2, residuals(logs)
    for _ in range(200):
        slopes = np.stack(
            [(residuals(logs + _STEP * unit) - current) / _STEP for unit in np.eye(len(names))], axis=1
        )
        weight = 1.0 / np.sqrt(1.0 + (current / _ROBUST_SCALE) ** 2) / _ROBUST_SCALE**2
        normal = slopes.T @ (slopes * weight[:, None]) + _INERTIA * np.eye(len(names))
        gradient = slopes.T @ (weight * current) + _INERTIA * (logs - origin)
        damped = normal + damping * np.diag(np.diag(normal))
        change = np.clip(np.linalg.solve(damped, -gradient), -1.0, 1.0)
        proposed = residuals(logs + change)
        improvement = loss(current, logs) - loss(proposed, logs + change)
        if improvement > 0:
            logs, current, damping = logs + change, proposed, damping / 3
            if improvement < 1e-9:
                break
        else:
            damping *= 4
            if damping > 1e8:
                break
    values = {**fixed, **dict(zip(names, np.exp(logs).tolist(), strict=True))}
    return Fit(values, mean_error(predict(values), measured), len(measured))


def mean_error(predicted: Floats, measured: Floats) -> float:
    """Mean absolute relative error."""
    return float(np.mean(np.abs(predicted / measured - 1.0)))


def _loss(residual: Floats) -> float:
    return float(np.sum(np.sqrt(1.0 + (residual / _ROBUST_SCALE) ** 2) - 1.0))
