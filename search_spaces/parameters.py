"""One free parameter of a space: what it is called, what it may be, and when it applies."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Value = bool | int | float | str


@dataclass(frozen=True)
class Condition:
    """A parameter applies only where another one has one of `values`, or lies above `above`."""

    parameter: str
    values: tuple[Value, ...] = ()
    above: float | None = None

    def holds(self, params: Mapping[str, Any]) -> bool:
        """Whether the other parameter is there and has such a value."""
        if self.parameter not in params:
            return False
        value = params[self.parameter]
        return value in self.values if self.above is None else value > self.above


@dataclass(frozen=True)
class Parameter:
    """A free parameter, e.g. "model.engram_share" or "serving.tables.tier".

    kind: "categorical" and "subset" have `choices`; "int" and "float" have bounds. The choices of a subset
        are texts such as "1,14": Optuna stores scalars only. `layers_of` reads them back.
    step: 0 for a continuous float. points: levels that a continuous range has when hardware is enumerated.
    conditions: all must hold for the parameter to apply.
    """

    name: str
    kind: str
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float = 0.0
    log: bool = False
    points: int = 9
    conditions: tuple[Condition, ...] = ()

    def applies(self, params: Mapping[str, Any]) -> bool:
        """Whether the parameter means anything beside the values chosen so far."""
        return all(condition.holds(params) for condition in self.conditions)

    def levels(self) -> tuple[Value, ...]:
        """Every value it can take; a continuous or very long range gives `points` evenly spread ones."""
        if self.kind in ("categorical", "subset"):
            return self.choices
        if self.kind == "int":
            step = int(self.step) or 1
            count = (int(self.high) - int(self.low)) // step + 1
            if not self.log and count <= 1024:
                return tuple(range(int(self.low), int(self.high) + 1, step))
            spread = np.geomspace if self.log else np.linspace
            return tuple(sorted({round(v) for v in spread(self.low, self.high, min(count, self.points))}))
        if self.step:
            count = int(np.floor((self.high - self.low) / self.step + 1e-9)) + 1
            return tuple(float(self.low + i * self.step) for i in range(count))
        spread = np.geomspace if self.log else np.linspace
        return tuple(float(v) for v in spread(self.low, self.high, self.points))


def subset_text(layers: tuple[int, ...] | list[int]) -> str:
    """A set of layers as Optuna stores it: "1,14"."""
    return ",".join(map(str, layers))


def layers_of(text: str) -> tuple[int, ...]:
    """The set of layers that `subset_text` wrote."""
    return tuple(int(part) for part in text.split(",") if part)
