"""Catalogue figures `{value, unit, source, confidence, note}` read from YAML, each with its place."""

import math
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Union

from cost_models import yamlfile
from cost_models.catalogue.units import UNITS

CONFIDENCES = ("verified", "vendor", "measured", "memory", "estimate", "user")
_KEYS = {"value", "unit", "source", "confidence", "note", "date"}

Tree = dict[str, Union["Figure", str, bool, "Tree"]]


@dataclass(frozen=True)
class Figure:
    """One sourced figure. `value` is in `unit`; null means not found or not applicable.

    confidence: verified (read at the source), vendor (a vendor's claim), measured (on this machine), memory
    (recalled), estimate (computed or judged), user (an override).
    place: `file:line:column` it was read from.
    """

    value: float | str | None
    unit: str
    source: str
    confidence: str
    note: str = ""
    date: str = ""
    place: str = ""

    @property
    def si(self) -> float | None:
        """The value in SI units (bytes, seconds, joules, watts, dollars, kilograms), or None."""
        if self.value is None or isinstance(self.value, str):
            return None
        return self.value * UNITS[self.unit][0]


def read(path: str | Path) -> Tree:
    """Read one catalogue file: nested names down to figures, texts and flags.

    Raises InputError with file, line and field for an unknown unit, a negative or NaN value, a missing or
    unknown key.
    """
    return tree(yamlfile.read(path))


def tree(document: yamlfile.Document) -> Tree:
    """The figures of a parsed YAML document; errors as in `read`."""
    if not isinstance(document.data, dict):
        raise document.error((), "must be a mapping of names to figures")
    return _branch(document, (), document.data)


def _branch(document: yamlfile.Document, path: tuple[str | int, ...], data: dict[str, Any]) -> Tree:
    out: Tree = {}
    for key, value in data.items():
        here = (*path, key)
        if isinstance(value, dict) and "value" in value:
            out[str(key)] = _figure(document, here, value)
        elif isinstance(value, dict):
            out[str(key)] = _branch(document, here, value)
        elif isinstance(value, str | bool):
            out[str(key)] = value
        else:
            raise document.error(
                here, f"must be {{value, unit, source, confidence}} or a text, got {value!r}"
            )
    return out


def _figure(document: yamlfile.Document, path: tuple[str | int, ...], data: dict[str, Any]) -> Figure:
    for key in data:
        if key not in _KEYS:
            raise document.error(
                (*path, key), f"is not a key of a figure; allowed: {', '.join(sorted(_KEYS))}"
            )
    for key in ("unit", "source", "confidence"):
        if not isinstance(data.get(key), str) or not data[key]:
            allowed = f" ({', '.join(CONFIDENCES)})" if key == "confidence" else ""
            raise document.error(path, f"must name its {key}{allowed}, got {data.get(key)!r}")
    unit, value = data["unit"], data["value"]
    if unit not in UNITS:
        close = ", ".join(get_close_matches(unit, UNITS, n=5, cutoff=0.3)) or ", ".join(UNITS)
        raise document.error((*path, "unit"), f"must be a known unit such as {close}; got {unit!r}")
    if data["confidence"] not in CONFIDENCES:
        raise document.error(
            (*path, "confidence"), f"must be one of {', '.join(CONFIDENCES)}; got {data['confidence']!r}"
        )
    if unit == "text":
        value = None if value is None else str(value)
    elif isinstance(value, bool) or not isinstance(value, int | float | None):
        raise document.error((*path, "value"), f"must be a number or null, got {value!r}")
    elif value is not None and not (math.isfinite(value) and value >= 0):
        raise document.error((*path, "value"), f"must be finite and >= 0, got {value}")
    return Figure(
        value=float(value) if isinstance(value, int) else value,
        unit=unit,
        source=data["source"],
        confidence=data["confidence"],
        note=str(data.get("note") or ""),
        date=str(data.get("date") or ""),
        place=document.where(*path),
    )
