"""Figures of the report as SVG and HTML text: bars, a scatter of the front, and a tornado. Pure functions.

They need no script and no network, print well, and carry their numbers as text for checking.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from codesign.plaintext import number

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 420, 270, 64, 44, 12, 14


@dataclass(frozen=True)
class Part:
    """One part of a whole: its share is drawn, `text` is what is written beside it."""

    label: str
    value: float
    text: str


def share_bars(parts: Sequence[Part]) -> str:
    """Horizontal bars in the given order, scaled to the largest; parts of nothing are left out."""
    shown = [part for part in parts if part.value > 0]
    total = sum(part.value for part in shown)
    if not shown:
        return "<p>Nothing to show.</p>"
    largest = max(part.value for part in shown)
    rows = [
        f'<tr><th scope="row">{escape(part.label)}</th>'
        f'<td class="bar"><span style="width:{100 * part.value / largest:.2f}%"></span></td>'
        f'<td class="num">{escape(part.text)}</td><td class="num">{100 * part.value / total:.1f} %</td></tr>'
        for part in shown
    ]
    return f'<table class="bars">{"".join(rows)}</table>'


@dataclass(frozen=True)
class Point:
    """One design in a scatter."""

    x: float
    y: float
    label: str
    chosen: bool = False


def scatter(points: Sequence[Point], x_label: str, y_label: str, better: tuple[int, int] = (-1, -1)) -> str:
    """A scatter of designs, the chosen one larger, and a line along those that no other beats in both figures.

    better: +1 where more of x, of y is better. Axes are logarithmic from a factor of 20 on.
    """
    drawn = [point for point in points if math.isfinite(point.x) and math.isfinite(point.y)]
    if not drawn:
        return "<p>No design of the study has both figures.</p>"
    x_axis = _Axis([point.x for point in drawn], LEFT, WIDTH - RIGHT)
    y_axis = _Axis([point.y for point in drawn], HEIGHT - BOTTOM, TOP)
    body = []
    for tick in x_axis.ticks():
        at = x_axis.at(tick)
        body.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        body.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{tick:g}</text>')
    for tick in y_axis.ticks():
        at = y_axis.at(tick)
        body.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        body.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{tick:g}</text>')
    line = " ".join(f"{x_axis.at(p.x):.1f},{y_axis.at(p.y):.1f}" for p in unbeaten(drawn, better))
    body.append(f'<polyline class="front" points="{line}"/>')
    for point in sorted(drawn, key=lambda point: point.chosen):
        kind, radius = ("chosen", 6) if point.chosen else ("other", 3.5)
        body.append(
            f'<circle class="{kind}" r="{radius}" cx="{x_axis.at(point.x):.1f}" '
            f'cy="{y_axis.at(point.y):.1f}">'
            f"<title>{escape(point.label)}: {number(point.x)}, {number(point.y)}</title></circle>"
        )
    middle = (TOP + HEIGHT - BOTTOM) / 2
    body.append(
        f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{escape(x_label)}</text>"
        f'<text class="axis" transform="translate(13 {middle}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_label)}</text>"
    )
    title = escape(f"{y_label} against {x_label}")
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{"".join(body)}</svg>'


def unbeaten(points: Sequence[Point], better: tuple[int, int]) -> list[Point]:
    """The points that no other one beats in both figures, from the best x to the best y."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (-better[0] * p.x, -better[1] * p.y)):
        if not kept or better[1] * (point.y - kept[-1].y) > 0:
            kept.append(point)
    return kept


@dataclass(frozen=True)
class Swing:
    """How one figure moves with one assumption: changes relative to the base (0.1: +10 %)."""

    label: str
    low: float
    high: float


def tornado(swings: Sequence[Swing]) -> str:
    """Bars to both sides of the base, widest first."""
    widest = max((max(abs(swing.low), abs(swing.high)) for swing in swings), default=0.0) or 1.0
    rows = []
    for swing in sorted(swings, key=lambda swing: -abs(swing.high - swing.low)):
        left, right = (50 + 50 * value / widest for value in sorted((swing.low, swing.high)))
        left, right = min(left, 50.0), max(right, 50.0)
        rows.append(
            f'<tr><th scope="row">{escape(swing.label)}</th><td class="num">{100 * swing.low:+.1f} %</td>'
            f'<td class="tornado"><span style="left:{left:.2f}%;width:{right - left:.2f}%"></span></td>'
            f'<td class="num">{100 * swing.high:+.1f} %</td></tr>'
        )
    return f'<table class="bars">{"".join(rows)}</table>'


class _Axis:
    """A linear or logarithmic scale from data to pixels, with a margin and round ticks."""

    def __init__(self, values: Sequence[float], start: float, end: float):
        low, high = min(values), max(values)
        self.log = low > 0 and high / low > 20
        low, high = self._scaled(low), self._scaled(high)
        margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
        self.low, self.high, self.start, self.end = low - margin, high + margin, start, end

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def at(self, value: float) -> float:
        """The pixel of a value."""
        return self.start + (self._scaled(value) - self.low) / (self.high - self.low) * (
            self.end - self.start
        )

    def ticks(self) -> list[float]:
        """Round values inside the axis: powers of ten, with 2 and 5 where those are few, or even steps."""
        if self.log:
            powers = range(math.floor(self.low), math.ceil(self.high) + 1)
            steps = (1, 2, 5) if self.high - self.low < 2.5 else (1,)
            values = [step * 10.0**power for power in powers for step in steps]
            return [value for value in values if self.low <= math.log10(value) <= self.high]
        span = (self.high - self.low) / 6
        power = 10.0 ** math.floor(math.log10(span))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= span)
        first = math.ceil(self.low / step)
        return [round(index * step, 12) for index in range(first, math.floor(self.high / step) + 1)]
