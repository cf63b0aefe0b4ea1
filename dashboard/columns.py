"""What a column of the table of designs is called, in which unit it is shown, and which way is better."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

# SI unit -> the unit shown and the factor to it. The page is the edge at which SI ends.
SHOWN_UNITS = {
    "s": ("ms", 1e3),
    "bytes": ("GiB", 2.0**-30),
    "B": ("GiB", 2.0**-30),
    "tokens_per_s": ("tokens/s", 1.0),
    "bits_per_byte": ("bits/byte", 1.0),
}
# Short names of the figures of an evaluation, and the unit to show them in with its factor from SI.
FIGURES: dict[str, tuple[str, str, float]] = {
    "bits_per_byte": ("bits per byte", "", 1.0),
    "tpot_s": ("TPOT", "ms", 1e3),
    "ttft_s": ("TTFT", "ms", 1e3),
    "output_tokens_per_s": ("throughput", "tokens/s", 1.0),
    "output_tokens_per_s_per_accelerator": ("throughput per accelerator", "tokens/s", 1.0),
    "j_per_token": ("energy", "J/token", 1.0),
    "average_w": ("average power", "W", 1.0),
    "peak_w": ("peak power", "W", 1.0),
    "usd_per_mtok": ("cost", "USD/Mtoken", 1.0),
    "capex_usd": ("capital", "USD", 1.0),
    "opex_usd_per_year": ("running cost", "USD/year", 1.0),
    "operational_g_per_mtok": ("operational CO2e", "g/Mtoken", 1.0),
    "embodied_kg": ("embodied CO2e", "kg", 1.0),
    "hbm_bytes": ("HBM in use", "GiB", 2.0**-30),
    "kv_tokens": ("KV tokens per accelerator", "", 1.0),
    "model.total_parameters": ("total parameters", "billion", 1e-9),
    "table_bytes": ("Engram tables", "GiB", 2.0**-30),
    "serving.tables.tier": ("table tier", "", 1.0),
}
_SUFFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
ROLES = ("objective", "figure", "parameter", "violation")


@dataclass(frozen=True)
class Column:
    """A column of the table of designs.

    role: "objective" of the study, derived "figure", "parameter" or "violation".
    factor: what an SI value is multiplied with to be shown in `unit`.
    direction: "minimize", "maximize" or "" where neither is better.
    """

    name: str
    label: str
    unit: str
    factor: float
    direction: str
    role: str
    numeric: bool = True

    @property
    def title(self) -> str:
        """Label with unit, as an axis shows it."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def sign(self) -> float:
        """Times this, smaller is better."""
        return -1.0 if self.direction == "maximize" else 1.0

    def text(self, value: object) -> str:
        """A value of this column for reading, with its unit; "-" where there is none."""
        if value is None or (isinstance(value, float | np.floating) and not np.isfinite(value)):
            return "-"
        if not self.numeric or isinstance(value, str | bool | np.bool_):
            return plain(value)
        shown = self.number(float(value))  # type: ignore[arg-type]
        return f"{shown} {self.unit}" if self.unit else shown

    def number(self, value: float) -> str:
        """An SI value in the shown unit, without the unit's name."""
        number = value * self.factor
        if self.role == "parameter":
            return f"{float(f'{number:.4g}'):,.12g}"  # as it was chosen: 0.8, 64
        # losses differ in the third decimal
        return significant(number, 4 if self.name == "bits_per_byte" else 3)


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, thousands separated, no exponent between 1e-4 and 1e15."""
    if value == 0 or not np.isfinite(value):
        return "0" if value == 0 else "-"
    value = float(f"{value:.{digits - 1}e}")  # rounded first: 9.996 is 10.0, not 10.00
    magnitude = int(np.floor(np.log10(abs(value)) + 1e-12))
    if magnitude < -4 or magnitude >= 15:
        return f"{value:.{digits - 1}e}"
    decimals = max(0, digits - 1 - magnitude)
    return f"{value:,.{decimals}f}"


def entry(value: float | None) -> str:
    """A number as a field shows it, to be changed by hand: five digits, thousands separated; "" for none."""
    return "" if value is None else f"{float(f'{value:.5g}'):,.12g}"


def typed(text: object) -> float | None:
    """What a field says: `80k`, `80,000` and `8e4` are the same; None where it is empty or no number."""
    match = re.fullmatch(r"\s*([-+]?[\d,]*\.?\d*(?:[eE][-+]?\d+)?)\s*([kKmMgG]?)\s*", str(text))
    try:
        number = float(match[1].replace(",", "")) * _SUFFIXES[match[2].lower()] if match else np.nan
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def plain(value: object) -> str:
    """A parameter's value as text: `true` as yes, a list of layers with commas."""
    if value is None or value != value:
        return "-"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value))
    return str(value)


def describe(
    name: str, values: pd.Series, role: str, label: str = "", unit: str = "", direction: str = ""
) -> Column:
    """The column of a name: its label and shown unit from the name where none are given."""
    numeric = bool(pd.api.types.is_numeric_dtype(values)) and not pd.api.types.is_bool_dtype(values)
    if not unit:
        match = re.search(r"_(bytes|gib|usd|s|w|j)$", name)
        unit = {"gib": "GiB", "usd": "USD", "w": "W", "j": "J"}.get(match[1], match[1]) if match else ""
    shown, factor = SHOWN_UNITS.get(unit, (unit, 1.0))
    limited = name.removeprefix("violation.")
    if name in FIGURES:
        label, shown, factor = FIGURES[name]
    elif role == "violation" and limited in FIGURES:
        label = f"{FIGURES[limited][0]} limit"
    return Column(name, label or readable(name), shown if numeric else "", factor, direction, role, numeric)


def readable(name: str) -> str:
    """`model.engram_share` -> `engram share`; well-known abbreviations in capitals."""
    words = re.sub(r"_(bytes|gib|usd|s|w|j)$", "", name.rsplit(".", 1)[-1]).replace("_", " ").split()
    capitals = {"hbm", "dram", "cxl", "ssd", "ttft", "tpot", "kv", "slo", "gpu", "moe"}
    return " ".join(
        word.upper() if word in capitals else "Engram" if word == "engram" else word for word in words
    )


def numeric(columns: Iterable[Column]) -> list[Column]:
    """The columns that can be an axis with numbers."""
    return [column for column in columns if column.numeric]
