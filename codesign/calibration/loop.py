"""Closing the loop: the front's best designs are measured on this host, and the study keeps both values.

A finished trial of Optuna takes no further attributes, so the study has them: attribute `measured`, trial -> the
document of `codesign measure`. What is measured is the scaled design with the calibrated host, so it checks the cost
models, and not the figures of hardware that is not here.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from codesign import results
from codesign.calibration.measure import measure
from codesign.calibration.scaling import Room
from codesign.errors import InputError
from codesign.front import signs, thinned
from codesign.search import study as studies

ATTRIBUTE = "measured"
_ROOM = Room(
    weight_bytes=3e8, table_bytes=3e8
)  # several designs in a row: a minute for all on a quiet machine
Report = Callable[[str], None]


def count(text: str) -> int:
    """K of "top:K". Raises InputError."""
    found = re.fullmatch(r"top:([1-9]\d{0,3})", text)
    if not found:
        raise InputError(f"--measure must read top:K with K from 1 to 9999, got {text!r}")
    return int(found[1])


def measure_front(
    study: str, storage: str, most: int, hardware: Path, folder: Path, report: Report
) -> dict[str, dict[str, Any]]:
    """Measure the knee, the best of each objective and others far apart, `most` in all: trial -> document.

    Each is stored as soon as it is measured; those that cannot be built here are stored with their reason.
    """
    designs = results.Reader(study, storage).read()
    front = results.front(designs)
    if not front:
        return {}
    values = np.array([list(entry["objectives"].values()) for entry in front]) * signs(designs.objectives)
    opened = studies.load(storage, study)
    done: dict[str, dict[str, Any]] = dict(designs.attributes.get(ATTRIBUTE, {}))
    chosen = [front[i]["trial"] for i in thinned(values, most)]
    for number, trial in enumerate(chosen, 1):
        report(f"measuring trial {trial} ({number} of {len(chosen)})")
        try:
            document = measure(designs.design(trial), hardware, folder, lambda what: None, _ROOM).document()
        except InputError as error:
            document = {"reason": str(error)}
        done[str(trial)] = document
        with studies.storage_errors(storage):
            opened.set_user_attr(ATTRIBUTE, done)
    return {str(trial): done[str(trial)] for trial in chosen}


def line(trial: str, document: dict[str, Any]) -> str:
    """One measured design for people."""
    if "reason" in document:
        return f"  trial {trial}: not measured: {document['reason']}"
    both = [
        f"{name} {document['measured'][key] * 1e3:.3g} ms measured, {document['predicted'][key] * 1e3:.3g} predicted"
        for name, key in (("TTFT", "ttft_s"), ("TPOT", "tpot_s"))
    ]
    return f"  trial {trial}, scaled to this host: {'; '.join(both)}"
