"""Fitted constants of the operator classes, by accelerator, with a prior where none were fitted.

`fitting/constants.yaml` is written by `python -m cost_models.fitting`; this module reads it.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np

from cost_models import yamlfile
from cost_models.design import Flag, Name, Number

FILE = Path(__file__).parent / "fitting" / "constants.yaml"
PRIOR = "prior"

Constants = dict[str, dict[str, float]]  # operator class -> constant -> value


@lru_cache(maxsize=1)
def fitted() -> dict[str, dict[str, dict[str, float]]]:
    """Accelerator -> operator class -> constant -> value; "prior" holds every class."""
    accelerators = yamlfile.read(FILE).data["accelerators"]
    return {
        name: {kind: entry["values"] for kind, entry in classes.items()}
        for name, classes in accelerators.items()
    }


@lru_cache(maxsize=64)
def of(part: str) -> Constants:
    """Constants of one part by class; those that were not fitted on it are the prior's."""
    prior, own = fitted()[PRIOR], fitted().get(part, {})
    return {kind: dict(own.get(kind, values)) for kind, values in prior.items()}


@lru_cache(maxsize=1024)
def key(accelerator: str) -> str:
    """The part whose constants an accelerator has: itself, one with the same chip, or the prior."""
    name = yamlfile.read(FILE).data["same_chip"].get(accelerator, accelerator)
    return name if name in fitted() else PRIOR


@lru_cache(maxsize=1)
def _errors() -> dict[str, float]:
    return dict(yamlfile.read(FILE).data["expected_error"])


def expected_error(accelerator: Name, varied: Flag = False) -> Number:
    """Mean relative error to expect of a step's time on this part: measured where fitted, else by transfer.

    varied: the part is not as sold (memory, bandwidth, peak or links differ); the error of such a change is added
    as that of an independent cause.
    """
    errors = _errors()
    each = np.vectorize(lambda name: errors.get(str(name), errors[key(str(name))]), otypes=[float])
    result = np.hypot(each(accelerator), np.where(varied, errors["hypothetical"], 0.0))
    return float(result) if np.ndim(result) == 0 else result
