"""Aligned plain text: tables, and quantities in the units people read."""

import math
from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table with two spaces between columns; the first `left` columns are aligned left, the rest right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = []
    for row in (header, *rows):
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def number(value: float | None, digits: int = 3) -> str:
    """A number with `digits` significant digits, whole ones in full; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "-"
    if float(value).is_integer() and abs(value) < 1e6:
        return f"{value:,.0f}"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, decimals)
    decimals = digits - 1 - math.floor(math.log10(abs(rounded)))  # 9.996 has one digit less than 10.0
    if abs(rounded) >= 1e-4:
        return f"{rounded:,.{max(0, min(decimals, 12))}f}"
    return f"{value:.{digits - 1}e}"


def size(value: float | None) -> str:
    """Bytes in binary units."""
    if value is None or not math.isfinite(value):
        return "-"
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if abs(value) >= 1024**power:
            return f"{number(value / 1024**power)} {unit}"
    return f"{value:.0f} B"


def duration(value: float | None) -> str:
    """Seconds in the unit that fits."""
    if value is None or not math.isfinite(value):
        return "-"
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if abs(value) >= scale:
            return f"{number(value / scale)} {unit}"
    return "0 s" if value == 0 else f"{number(value / 1e-9)} ns"


def count(value: float | None) -> str:
    """A count with k, M, B or T."""
    if value is None or not math.isfinite(value):
        return "-"
    for scale, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= scale:
            return f"{number(value / scale)} {unit}"
    return number(value)


def sparkline(values: Sequence[float], width: int = 12) -> str:
    """A curve as `width` characters of height, from its least to its greatest value."""
    marks = "▁▂▃▄▅▆▇█"
    if not values:
        return ""
    count = min(width, len(values))
    shown = [values[round(i * (len(values) - 1) / max(1, count - 1))] for i in range(count)]
    low, high = min(values), max(values)
    scale = (len(marks) - 1) / (high - low) if high > low else 0.0
    return "".join(marks[round((value - low) * scale)] for value in shown)


def percent(value: float | None) -> str:
    """A share in per cent."""
    return "-" if value is None or not math.isfinite(value) else f"{100 * value:.0f} %"
