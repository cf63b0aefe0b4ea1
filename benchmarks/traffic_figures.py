"""The figures of docs/traffic.md: `python -m benchmarks.traffic_figures` (about a CPU minute)."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codesign.traffic.layout import layouts
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
        bottom, highest = 0, max(values)
        step = (
            next(step for step in (0.2, 1, 2, 5, 10, 20, 50) if highest <= 8 * step) if highest > 1 else 0.2
        )
        top = step * math.ceil(highest / step) if highest > 1 else 1
        ticks_y = [step * i for i in range(round(top / step) + 1)]

    def across(x: float) -> float:
        return LEFT + (math.log10(x) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def up(y: float) -> float:
        share = ((math.log10(y) if log_y else y) - bottom) / (top - bottom)
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)

    body = [f'<text x="{LEFT}" y="18" font-weight="bold">{escape(title)}</text>']
    for tick in (10.0**e for e in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)):
        body.append(f'<path d="M{across(tick):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        body.append(
            f'<text x="{across(tick):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{number(tick)}</text>'
        )
    for tick in ticks_y:
        body.append(f'<path d="M{LEFT} {up(tick):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        body.append(f'<text x="{LEFT - 6}" y="{up(tick) + 4:.1f}" text-anchor="end">{number(tick)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    body.append(f'<text x="{middle:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>')
    body.append(
        f'<text transform="translate(14 {HEIGHT / 2:.0f}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
    )
    for place, line in enumerate(lines):
        points = " ".join(
            f"{across(float(x)):.1f},{up(float(y)):.1f}" for x, y in zip(line.x, line.y, strict=True)
        )
        pen = f'stroke="{COLOURS[line.colour]}" stroke-width="1.8" stroke-dasharray="{line.style}"'
        body.append(f'<polyline points="{points}" fill="none" {pen}/>')
        y = TOP + 12 + 18 * place
        body.append(f'<path d="M{WIDTH - RIGHT + 10} {y - 4}h22" {pen}/>')
        body.append(f'<text x="{WIDTH - RIGHT + 38}" y="{y}">{escape(line.label)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="12" role="img"><title>{escape(title)}</title>'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(body)}</svg>\n'
    )


def number(value: float) -> str:
    """A tick as people write it."""
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def bars(title: str, groups: dict[str, dict[str, float]]) -> str:
    """Horizontal bars from 1 on, a group for each trace and a colour for each way, as one SVG."""
    high, left, step = max(value for each in groups.values() for value in each.values()), 230, 13
    body = [f'<text x="12" y="18" font-weight="bold">{escape(title)}</text>']
    y = 34
    for trace, each in groups.items():
        middle = y + step * len(each) / 2 + 4
        body.append(f'<text x="{left - 8}" y="{middle:.0f}" text-anchor="end">{escape(trace)}</text>')
        for way, (name, value) in enumerate(each.items()):
            length = (value - 1) / (high - 1) * (WIDTH - left - 180)
            label = f"{value:.2f} {name.replace('_', ' ')}"
            body.append(
                f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{step - 2}" fill="{COLOURS[way]}"/>'
                f'<text x="{left + length + 5:.1f}" y="{y + 10}" font-size="11">{label}</text>'
            )
            y += step
        y += 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" '
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
    lines = [
        Line(f"order {n}, {name}", share, text.miss_ratio(columns, C, 64, policy=policy)[i], i, style)
        for i, n in enumerate((2, 3))
        for name, policy, style in (("LRU", "lru", ""), ("S3-FIFO", "s3-fifo", "6 3"))
    ]
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
    recorded = json.loads(Path(__file__).with_name("traffic.json").read_text())["placement"]
    write("traffic-placement", bars("Useful rows of a 32-row block read, by order of the rows", recorded))

    title = "SSD reads per token by layout (left end: no cache)"
    write("traffic-layouts", chart(title, "cache, share of all bytes", "4 KiB reads per token", lines))


def write(name: str, svg: str) -> None:
    """One picture."""
    path = PICTURES / f"{name}.svg"
    path.write_text(svg)
    print(path, len(svg))


if __name__ == "__main__":
    main()
