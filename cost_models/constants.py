"""Fitted constants of the operator classes, for each accelerator or as a prior where none were fitted.

`fitting/constants.yaml` is written by `python -m cost_models.fitting`; this module reads it.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cost_models import yamlfile
from cost_models.design import Name, Number

FILE = Path(__file__).parent / "fitting" / "constants.yaml"
PRIOR = "prior"

Constants = dict[str, dict[str, Number]]  # operator class -> constant -> value


@lru_cache(maxsize=1)
def fitted() -> dict[str, dict[str, dict[str, float]]]:
    """Accelerator -> operator class -> constant -> value; "prior" holds every class."""
    accelerators = yamlfile.read(FILE).data["accelerators"]
    return {
        name: {kind: entry["values"] for kind, entry in classes.items()}
        for name, classes in accelerators.items()
    }


def of(accelerator: Name) -> Constants:
    """Constants for one accelerator (floats) or one per design (arrays of shape (designs,))."""
    if isinstance(accelerator, str):
        return _of_one(accelerator)
    names, index = np.unique(accelerator, return_inverse=True)
    each = [_of_one(str(name)) for name in names]
    if len(each) == 1:
        return each[0]
    return {
        kind: {key: np.array([float(one[kind][key]) for one in each])[index] for key in values}
        for kind, values in each[0].items()
    }


def is_fitted(accelerator: Name) -> NDArray[np.bool_]:
    """Whether the constants were fitted on this very part."""
    return np.isin(accelerator, [name for name in fitted() if name != PRIOR])


@lru_cache(maxsize=1)
def _errors() -> dict[str, float]:
    return dict(yamlfile.read(FILE).data["expected_error"])


def expected_error(accelerator: Name) -> Number:
    """Mean relative error to expect of a step's time on this part: measured where fitted, else by transfer."""
    errors = _errors()
    result = np.vectorize(lambda name: errors.get(str(name), errors[PRIOR]), otypes=[float])(accelerator)
    return float(result) if np.ndim(result) == 0 else result


@lru_cache(maxsize=256)
def _of_one(name: str) -> Constants:
    prior, own = fitted()[PRIOR], fitted().get(name, {})
    return {kind: dict(own.get(kind, values)) for kind, values in prior.items()}
