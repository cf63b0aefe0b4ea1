"""Slider positions and what they mean: linear, or logarithmic where values span more than a factor of twenty."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEPS = 200


@dataclass(frozen=True)
class Scale:
    """A slider with positions 0 to 200 between two SI values."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> "Scale | None":
        """The scale that spans some values; None where they do not differ."""
        known = values[np.isfinite(values)]
        if not len(known) or known.min() == known.max():
            return None
        low, high = float(known.min()), float(known.max())
        return cls(low, high, low > 0 and high / low > 20)

    def value(self, position: float) -> float:
        """The SI value at a position; exactly the ends at the ends."""
        share = min(1.0, max(0.0, position / STEPS))
        if share in (0.0, 1.0):
            return self.high if share else self.low
        if self.log:
            return self.low * (self.high / self.low) ** share
        return self.low + (self.high - self.low) * share

    def position(self, value: float) -> float:
        """The position of an SI value, cut to the slider."""
        if self.log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return round(min(1.0, max(0.0, share)) * STEPS, 2)
