"""A selection as one HTML page that needs nothing else: the verdict, what was asked, and the front that is left."""

from html import escape

import numpy as np

from dashboard import consequences, whatif, words
from dashboard.columns import Column, significant
from dashboard.designs import Designs, projected_front
from dashboard.view import View

MOST_ROWS = 200
_WIDTH, _HEIGHT, _EDGE = 640, 360, 60
_STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#1b2330}"
    "table{border-collapse:collapse;font-size:12.5px;font-variant-numeric:tabular-nums}"
    "th,td{padding:2px 10px 2px 0;border-bottom:1px solid #dfe4ec;text-align:right}"
    "th:first-child,td:first-child{text-align:left}.tied{font-style:italic}"
)


def page(designs: Designs, view: View) -> str:
    """The report of the designs that the view's limits leave, at the view's prices and load."""
    left = designs.kept(view) & designs.feasible & designs.front
    rows = np.flatnonzero(left)
    rows = rows[np.argsort(designs.cost(designs.objectives[0])[rows], kind="stable")]
    columns = [*designs.named("objective"), *_varying(designs, rows)]
    parts = [
        f"<h1>{escape(designs.study)}: {len(rows)} designs</h1>",
        f"<p>{escape(words.verdict(designs, view))}</p>",
        _listed("Limits", [f"{designs.columns[name].label} {words.limit(designs, view, name)}"
                           for name in view.limits if name in designs.columns]
                + [f"{designs.columns[name].label}: {', '.join(values)}"
                   for name, values in view.only.items() if name in designs.columns]),
        _listed("What if", [f"prices of {view.scenario.replace('_', ' ')}"] * bool(view.scenario)
                + [f"{whatif.QUANTITIES[name].label} {whatif.QUANTITIES[name].text(value)}"
                   for name, value in view.change.items() if name in whatif.QUANTITIES]),
        f"<p>{escape(consequences.changed(designs.ghost, designs))}</p>" if designs.ghost is not None else "",
        _listed("Compared", [f"#{other} against #{view.picks[0]}: "
                             + "; ".join(words.differences(designs, view.picks[0], other))
                             for other in view.picks[1:]]),
        _picture(designs, view),
        _table(designs, columns, rows[:MOST_ROWS]),
        f"<p>{len(rows) - MOST_ROWS} more designs are in the CSV.</p>" if len(rows) > MOST_ROWS else "",
        "<p>In italics: tied with the best in quality, within two standard errors of the difference.</p>"
        if designs.tied[rows].any() else "",
    ]  # fmt: skip
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(designs.study)}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _varying(designs: Designs, rows: np.ndarray) -> list[Column]:
    return [
        c for c in designs.named("parameter") if designs.table[c.name].iloc[rows].astype(str).nunique() > 1
    ]


def _listed(title: str, lines: list[str]) -> str:
    return (
        f"<h2>{title}</h2><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""
    )


def _table(designs: Designs, columns: list[Column], rows: np.ndarray) -> str:
    head = "".join(f"<th>{escape(column.title)}</th>" for column in columns)
    body = []
    for row in rows:
        texts = [column.text(designs.table[column.name].iloc[row]) for column in columns]
        cells = [text.removesuffix(f" {column.unit}") for text, column in zip(texts, columns, strict=True)]
        knee = " (knee)" if designs.trials[row] == designs.knee else ""
        body.append(
            f"<tr{' class=tied' if designs.tied[row] else ''}><td>#{designs.trials[row]}{knee}</td>"
            + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
        )  # fmt: skip
    head = f"<thead><tr><th>design</th>{head}</tr></thead>"
    return f"<h2>The front</h2><table>{head}<tbody>{''.join(body)}</tbody></table>"


def _picture(designs: Designs, view: View) -> str:
    """The trade-off of the view's two axes as a drawing: designs that are left, the line of their front."""
    columns = [designs.columns[name] for name in (view.x, view.y)]
    values = [designs.values(column.name) for column in columns]
    rows = designs.kept(view) & designs.feasible & np.isfinite(values[0]) & np.isfinite(values[1])
    for axis, number in (("x", 0), ("y", 1)):
        if axis in view.log:
            rows &= values[number] > 0
    shown = np.flatnonzero(rows)
    if len(shown) < 2:
        return ""
    places, ticks = [], []
    for axis, number in (("x", 0), ("y", 1)):
        known = values[number][shown]
        scaled = np.log10(known) if axis in view.log else known
        low, width = scaled.min(), np.ptp(scaled) or 1.0
        length = (_WIDTH if axis == "x" else _HEIGHT) - 2 * _EDGE
        along = (scaled - low) / width * length
        places.append(_EDGE + along if axis == "x" else _HEIGHT - _EDGE - along)
        ticks.append((significant(float(known.min())), significant(float(known.max()))))
    x, y = places
    dots = "".join(
        f'<circle cx="{x[n]:.1f}" cy="{y[n]:.1f}" r="{4 if designs.front[row] else 2}" fill="#0072B2" '
        f'fill-opacity="{1 if designs.front[row] else 0.3}"><title>#{designs.trials[row]}</title></circle>'
        for n, row in enumerate(shown)
    )
    line = ""
    if all(column.direction for column in columns):
        on = projected_front(*(designs.cost(column.name)[shown] for column in columns))
        steps = " ".join(f"{x[n]:.1f},{y[n]:.1f}" for n in on)
        line = f'<polyline points="{steps}" fill="none" stroke="#1b2330"/>'
    bottom = _HEIGHT - _EDGE + 18
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" aria-label="trade-off" font-size="12">'
        f'<path d="M{_EDGE},{_EDGE} V{_HEIGHT - _EDGE} H{_WIDTH - _EDGE}" fill="none" stroke="#566072"/>{line}{dots}'
        f'<text x="{_EDGE}" y="{bottom}">{ticks[0][0]}</text>'
        f'<text x="{_WIDTH - _EDGE}" y="{bottom}" text-anchor="end">{ticks[0][1]}</text>'
        f'<text x="{_WIDTH / 2}" y="{bottom + 16}" text-anchor="middle">{escape(columns[0].title)}</text>'
        f'<text x="{_EDGE - 6}" y="{_HEIGHT - _EDGE}" text-anchor="end">{ticks[1][0]}</text>'
        f'<text x="{_EDGE - 6}" y="{_EDGE + 4}" text-anchor="end">{ticks[1][1]}</text>'
        f'<text x="{_EDGE}" y="{_EDGE - 14}">{escape(columns[1].title)}</text></svg>'
    )
