"""Measured against predicted times as a picture, without a plotting library."""

import math
from collections.abc import Sequence
from html import escape

_SIDE, _LEFT, _BOTTOM = 420.0, 60.0, 44.0
_COLOURS = {"TTFT": "#1f6feb", "TPOT": "#d1570a"}


def scatter(points: Sequence[tuple[str, str, float, float]]) -> str:
    """SVG of (design, TTFT or TPOT, measured s, predicted s) on logarithmic axes; a band of 20 % about equality."""
    values = [value for _, _, measured, predicted in points for value in (measured, predicted)]
    low, high = math.floor(math.log10(min(values)) * 3) / 3, math.ceil(math.log10(max(values)) * 3) / 3

    def at(x: float, y: float) -> tuple[float, float]:
        share = [(math.log10(value) - low) / (high - low) * _SIDE for value in (x, y)]
        return _LEFT + share[0], _SIDE + 10 - share[1]

    ends = 10**low, 10**high
    corners = [
        at(ends[0], ends[0] * 1.2),
        at(ends[1], ends[1] * 1.2),
        at(ends[1], ends[1] / 1.2),
        at(ends[0], ends[0] / 1.2),
    ]
    band = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    marks = []
    for name, kind, measured, predicted in points:
        x, y = at(measured, predicted)
        label = f"{escape(name)}: {kind} {measured * 1e3:.3g} ms measured, {predicted * 1e3:.3g} ms predicted"
        marks.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{_COLOURS[kind]}"><title>{label}</title></circle>'
        )
    for tick in (t for t in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if ends[0] <= t <= ends[1]):
        x, y = at(tick, tick)
        marks.append(f'<text x="{x:.1f}" y="{_SIDE + 26:.1f}" text-anchor="middle">{tick * 1e3:g}</text>')
        marks.append(f'<text x="{_LEFT - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{tick * 1e3:g}</text>')
    legend = "".join(
        f'<text x="{_LEFT + 14:.0f}" y="{28 + 18 * i}" fill="{colour}">{kind}</text>'
        for i, (kind, colour) in enumerate(_COLOURS.items())
    )
    width, height = _LEFT + _SIDE + 20, _SIDE + 10 + _BOTTOM
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/><polygon points="{band}" fill="#e8e8e8"/>'
        f'<rect x="{_LEFT}" y="10" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#888"/>{"".join(marks)}{legend}'
        f'<text x="{_LEFT + _SIDE / 2}" y="{_SIDE + 46}" text-anchor="middle">measured, ms (band: 20 %)</text>'
        f'<text transform="translate(14 {_SIDE / 2}) rotate(-90)" text-anchor="middle">predicted, ms</text></svg>\n'
    )
