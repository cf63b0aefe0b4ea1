"""Fitted constants of the operator classes, by accelerator, with a prior where none were fitted.

`fitting/constants.yaml` is written by `python -m cost_models.fitting`; a hardware file of `codesign calibrate`
holds those of its host. This module reads both.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np

from cost_models import processors, yamlfile
from cost_models.catalogue.names import distinct
from cost_models.design import Flag, Name, Number

FILE = Path(__file__).parent / "fitting" / "constants.yaml"
ENGINES_FILE = FILE.with_name("engines.yaml")
STATED_FILE = FILE.with_name("stated.yaml")
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
    prior, own = fitted()[PRIOR], fitted().get(part) or _measured(part) or _not_fitted(part)
    # the products of a host are fitted with its two times as a root of squares
    own = {
        kind: {"exposed": 0.0, **values} if "exposed" in prior.get(kind, {}) else values
        for kind, values in own.items()
    }
    return {kind: {**values, **own.get(kind, {})} for kind, values in prior.items()}


@lru_cache(maxsize=1024)
def key(accelerator: str) -> str:
    """The part whose constants an accelerator has: itself, one with the same chip, or the prior.

    A processor's are its own too, since they depend on its cores, but not fitted on it; and what a vendor states.
    """
    name = yamlfile.read(FILE).data["same_chip"].get(accelerator, accelerator)
    return name if is_fitted(name) or _not_fitted(name) else PRIOR


def _not_fitted(name: str) -> Constants:
    """Constants of a part's own that were not fitted on it: stated by its vendor, or of processors; else empty."""
    stated: dict[str, Constants] = yamlfile.read(STATED_FILE).data["accelerators"]
    return stated.get(name) or processors.constants_of(name)


def is_fitted(name: str) -> bool:
    """Whether constants were fitted on this very part."""
    return name in fitted() or bool(_measured(name))


def _measured(path: str) -> Constants:
    """Constants in a user's hardware file; empty for a name that is no file or a file that has none."""
    from cost_models.catalogue import userfile  # the catalogue needs this module to load

    return userfile.efficiency(path) if userfile.is_path(path) else {}


@lru_cache(maxsize=1)
def engines() -> dict[str, dict[str, float]]:
    """Engine -> step_s, request_s, error and more; "generic" is what no engine in particular is off by."""
    return dict(yamlfile.read(ENGINES_FILE).data["engines"])


def host_s(engine: Name, requests: Number, generic_s: Number) -> Number:
    """Seconds of the host between two steps of an engine that has so many requests in flight on a rank.

    engine: a name, or "" for none in particular, which takes `generic_s` whatever the requests.
    """
    names, index = distinct(engine)
    if names == [""]:
        return generic_s
    own = [engines().get(name, {"step_s": 0.0, "request_s": 0.0}) for name in names]
    step, request = (np.array([values[key] for values in own]) for key in ("step_s", "request_s"))
    unnamed = np.array([name == "" for name in names])
    if index is None:
        return float(step[0]) + float(request[0]) * requests
    return np.where(unnamed[index], generic_s, step[index] + request[index] * requests)


def serving_error(engine: str) -> float:
    """Mean relative error to expect of a served request's time per output token; measured on engines left out."""
    return float(engines()[engine or "generic"]["error"])


@lru_cache(maxsize=1)
def _errors() -> dict[str, float]:
    return dict(yamlfile.read(FILE).data["expected_error"])


def expected_error(accelerator: Name, varied: Flag = False) -> Number:
    """Mean relative error to expect of a step's time on this part: measured where fitted, else by transfer.

    varied: the part is not as sold (memory, bandwidth, peak or links differ); the error of such a change is added
    as that of an independent cause.
    """
    errors = _errors()
    from cost_models.catalogue import userfile  # the catalogue needs this module to load

    def of_part(name: str) -> float:
        stated = userfile.expected_error(name) if userfile.is_path(name) else errors.get(name)
        if stated is None and not is_fitted(key(name)) and processors.constants_of(name):
            stated = processors.expected_error()
        return stated if stated is not None else errors.get(key(name), errors[PRIOR])

    each = np.vectorize(lambda name: of_part(str(name)), otypes=[float])
    result = np.hypot(each(accelerator), np.where(varied, errors["hypothetical"], 0.0))
    return float(result) if np.ndim(result) == 0 else result
