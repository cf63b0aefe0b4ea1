"""Which models of the front keep their rank when they are trained again, longer and with other seeds."""

from typing import Any

from dashboard.figures import style
from dashboard.figures.card import Card
from dashboard.view import View
from dashboard.words import many

MOST_ROWS = 20


def card(view: View, document: dict[str, Any]) -> Card | None:
    """One fidelity's confirmation: a row per model, best first, with its loss again and how its rank moved.

    document: of `codesign confirm`. None where no model came through.
    """
    again = [entry for entry in document.get("models") or [] if entry.get("confirmed")]
    if not again:
        return None
    look = style.theme(view.theme)
    again.sort(key=lambda entry: entry["confirmed"]["bits_per_byte"])
    shown = again[:MOST_ROWS]
    seeds = len(document.get("seeds") or [])
    groups: tuple[tuple[str, str, str, list[int]], ...] = (
        ("rank as in the search, or within the noise", look.categories[0], "circle", []),
        ("rank changed beyond the noise", look.categories[1], "diamond", []),
    )
    for row, entry in enumerate(shown):
        groups[_moved(entry)][3].append(row)
    data = [
        {
            "type": "scatter", "mode": "markers", "name": name, "y": rows,
            "x": [shown[row]["confirmed"]["bits_per_byte"] for row in rows],
            "error_x": {"type": "data", "thickness": 1.5, "width": 4,
                        "array": [shown[row]["confirmed"]["standard_error"] for row in rows]},
            "marker": {"size": 9, "color": colour, "symbol": symbol},
            "text": [_said(shown[row]) for row in rows], "hovertemplate": "%{text}<extra></extra>",
        }
        for name, colour, symbol, rows in groups if rows
    ]  # fmt: skip
    names = [
        f"{_trial(entry)}  rank {entry['searched']['rank']} → {entry['confirmed']['rank']}" for entry in shown
    ]
    axes = {
        "xaxis": style.axis(view.theme, f"bits per byte at fidelity {document['fidelity']}, ± 1 s.e."),
        "yaxis": style.axis(
            view.theme, autorange="reversed", tickvals=list(range(len(shown))), ticktext=names
        ),
    }
    figure = {"data": data, "layout": style.layout(view.theme, **axes)}
    return Card(f"Is the front right? ({document['fidelity']})", _reading(document, again, seeds), figure)


def _reading(document: dict[str, Any], again: list[dict[str, Any]], seeds: int) -> str:
    moved = sum(_moved(entry) for entry in again)
    best = again[0]
    parts = [
        f"{len(again)} models of the front trained again at fidelity {document['fidelity']} with "
        f"{seeds} other {'seed' if seeds == 1 else 'seeds'}: {moved or 'none'} changed rank beyond the noise",
        f"best is {_trial(best)}, which the search had at rank {best['searched']['rank']}",
    ]
    if document.get("rank_correlation") is not None:
        parts.append(f"rank correlation with the search {document['rank_correlation']:+.2f}")
    changes = [f"{many(len(document[name]), 'design')} {word} the front" for name, word in
               (("left", "no longer on"), ("joined", "now on")) if document.get(name)]  # fmt: skip
    return "; ".join([*parts, *changes]) + "."


def _moved(entry: dict[str, Any]) -> bool:
    """Whether the search's rank lies outside of those that the noise of the new trainings allows."""
    low, high = entry["confirmed"]["rank_range"]
    return not low <= entry["searched"]["rank"] <= high


def _trial(entry: dict[str, Any]) -> str:
    trials = entry.get("trials") or []
    return f"#{trials[0]}" if trials else "a model"


def _said(entry: dict[str, Any]) -> str:
    now = entry["confirmed"]
    low, high = now["rank_range"]
    return (
        f"{_trial(entry)}: {now['bits_per_byte']:.4f} ± {now['standard_error']:.4f}, rank {now['rank']} "
        f"(noise allows {low} to {high}), in the search {entry['searched']['bits_per_byte']:.4f}, "
        f"rank {entry['searched']['rank']}"
    )
