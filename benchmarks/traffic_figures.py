"""The figures of docs/traffic.md: `python -m benchmarks.traffic_figures` (about a CPU minute)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codesign.traffic.layout import layouts
from codesign.traffic.policies import s3_fifo_gain
from codesign.traffic.rows import shared_reads
from codesign.traffic.source import read
from cost_models import read_model, tables
from cost_models.traffic import Profile

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
COLOURS = ("#1b6ca8", "#c8553d", "#3b8b5a", "#8a5aa8", "#b8860b", "#555555")
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 640, 330, 60, 34, 46, 190


@dataclass(frozen=True)
class Line:
    """One curve. style: an SVG dash pattern, "" for a solid line."""

    label: str
    x: Sequence[float] | NDArray[np.float64]
    y: Sequence[float] | NDArray[np.float64]
    colour: int = 0
    style: str = ""


def chart(title: str, x_label: str, y_label: str, lines: Sequence[Line], log_y: bool = False) -> str:
    """Curves over a logarithmic x axis as one SVG."""
    low, high = (math.log10(bound(float(bound(line.x)) for line in lines)) for bound in (min, max))
    values = [float(value) for line in lines for value in line.y]
    if log_y:
        bottom, top = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        ticks_y = [10.0**e for e in range(bottom, top + 1)]
    else:
        bottom, top = 0, 1 if max(values) <= 1 else math.ceil(max(values))
        ticks_y = [bottom + (top - bottom) * i / 5 for i in range(6)]

    def across(x: float) -> float:
        return LEFT + (math.log10(x) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def up(y: float) -> float:
        share = ((math.log10(y) if log_y else y) - bottom) / (top - bottom)
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)

    body = [f'<text x="{LEFT}" y="18" font-weight="bold">{escape(title)}</text>']
    for tick in (10.0**e for e in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)):
        body.append(f'<path d="M{across(tick):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        body.append(
            f'<text x="{across(tick):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{tick:g}</text>'
        )
    for tick in ticks_y:
        body.append(f'<path d="M{LEFT} {up(tick):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        body.append(f'<text x="{LEFT - 6}" y="{up(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    body.append(f'<text x="{middle:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>')
    body.append(
        f'<text transform="translate(14 {HEIGHT / 2:.0f}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
    )
    for number, line in enumerate(lines):
        points = " ".join(
            f"{across(float(x)):.1f},{up(float(y)):.1f}" for x, y in zip(line.x, line.y, strict=True)
        )
        pen = f'stroke="{COLOURS[line.colour]}" stroke-width="1.8" stroke-dasharray="{line.style}"'
        body.append(f'<polyline points="{points}" fill="none" {pen}/>')
        y = TOP + 12 + 18 * number
        body.append(f'<path d="M{WIDTH - RIGHT + 10} {y - 4}h22" {pen}/>')
        body.append(f'<text x="{WIDTH - RIGHT + 38}" y="{y}">{escape(line.label)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="12" role="img"><title>{escape(title)}</title>'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(body)}</svg>\n'
    )


def main() -> None:
    """Draw all figures."""
    PICTURES.mkdir(exist_ok=True)
    model = read_model("engram-27b")
    M = tables.rows(model)
    columns = [(n, float(M[:, i].mean()), M.shape[0] * M.shape[2]) for i, n in enumerate((2, 3))]
    share = np.geomspace(1e-4, 0.5, 60)
    C = share * M.sum()
    profiles = {name: Profile.load(name) for name in ("bundled-text", "code")}
    text = profiles["bundled-text"]

    lines = [
        Line(f"{name}, order {order}", share, profile.miss_ratio(columns, C, 1)[i], 2 * k + i)
        for k, (name, profile) in enumerate(profiles.items())
        for i, order in enumerate((2, 3))
    ]
    label = "cache, share of all rows"
    write("traffic-miss-by-order", chart("Misses of one shared LRU cache", label, "miss ratio", lines))

    lines = [
        Line(f"order {order}, {B} sequences", share, text.miss_ratio(columns, C, B)[i], i, style)
        for i, order in enumerate((2, 3))
        for B, style in ((1, ""), (64, "6 3"), (512, "2 3"))
    ]
    write("traffic-miss-by-batch", chart("Interleaved sequences, bundled text", label, "miss ratio", lines))

    source = read()
    few = np.array([0.001, 0.003, 0.01, 0.03, 0.1])
    gains = np.array([s3_fifo_gain(source.stream, columns, x * M.sum(), 64) for x in few])
    lru = text.miss_ratio(columns, few * M.sum(), 64)
    lines = [Line(f"order {n}, LRU", few, lru[i], i) for i, n in enumerate((2, 3))]
    lines += [Line(f"order {n}, S3-FIFO", few, lru[i] - gains[:, i], i, "6 3") for i, n in enumerate((2, 3))]
    write("traffic-policies", chart("Policies, bundled text, 64 sequences", label, "miss ratio", lines))

    lines = []
    for k, texts in enumerate((["bundled"], ["stdlib"])):
        stream = source.stream if texts == ["bundled"] else read(texts).stream
        for i, order in enumerate((2, 3)):
            rows = shared_reads(stream, (order,), int(M[0, 0, 0]), 1)[0][:, 0]
            counts = np.sort(np.unique(rows, return_counts=True)[1])[::-1]
            rank = np.unique(np.geomspace(1, counts.size, 80).astype(int))
            lines.append(Line(f"{texts[0]}, order {order}", rank, counts[rank - 1], 2 * k + i))
    write("traffic-skew", chart("Reads of a row by its rank", "rank", "reads", lines, log_y=True))

    shares = np.array([0.0003, 0.001, 0.01, 0.1])
    lines = [
        Line(row["layout"], shares, row["reads_per_token"], k)
        for k, row in enumerate(layouts(source.stream, model, text))
    ]
    title = "SSD reads per token by layout (left end: no cache)"
    write("traffic-layouts", chart(title, "cache, share of all bytes", "4 KiB reads per token", lines))


def write(name: str, svg: str) -> None:
    """One picture."""
    path = PICTURES / f"{name}.svg"
    path.write_text(svg)
    print(path, len(svg))


if __name__ == "__main__":
    main()
