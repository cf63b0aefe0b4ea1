"""What was checked of one design after the search: its training with other seeds, its times on this machine."""

from typing import Any

from dash import html

from dashboard.columns import significant

# Figures of `codesign measure` that are shown: name, label, unit, factor.
_TIMES = (("ttft_s", "TTFT", "ms", 1e3), ("tpot_s", "TPOT", "ms", 1e3), ("decode_step_s", "decode step", "ms", 1e3),
          ("hit_rate", "cache hits", "%", 1e2))  # fmt: skip


def panel(parts: dict[str, Any]) -> list[Any]:
    """parts: "confirmed" (fidelity -> the entry of `codesign confirm` for this design's model) and "measured"
    (the document of `codesign measure`), either may be missing; nothing where nothing was checked.
    """
    return [*_confirmed(parts.get("confirmed") or {}), *_measured(parts.get("measured") or {})]


def _confirmed(found: dict[str, dict[str, Any]]) -> list[Any]:
    lines = []
    for fidelity, entry in found.items():
        now, then = entry.get("confirmed"), entry.get("searched") or {}
        if not now:
            lines.append(f"Trained again at fidelity {fidelity}: {entry.get('stopped') or 'no result'}.")
            continue
        low, high = now["rank_range"]
        ranks = f"rank {now['rank']}{' of ' + str(entry['of']) if 'of' in entry else ''}" + (
            f" (noise allows {low} to {high})" if low != high else ""
        )
        loss = (
            f"{significant(now['bits_per_byte'], 4)} ± {significant(now['standard_error'], 2)} bits per byte"
        )
        lines.append(
            f"Trained again at fidelity {fidelity}, {len(now['values'])} other seeds: {loss}, {ranks}; "
            f"the search had rank {then.get('rank', '-')}."
        )
    return [html.H3("Confirmed")] + [html.P(line, className="reading") for line in lines] if lines else []


def _measured(document: dict[str, Any]) -> list[Any]:
    if not document:
        return []
    title = html.H3("Measured on this machine")
    if "reason" in document:
        return [title, html.P(f"Not measured: {document['reason']}", className="reading")]
    measured, predicted = document.get("measured") or {}, document.get("predicted") or {}
    rows = []
    for name, label, unit, factor in _TIMES:
        ran, said = measured.get(name), predicted.get(name)
        if ran is not None and said is not None:
            off = f"{said / ran - 1:+.0%}" if ran > 0 else "-"
            texts = [f"{significant(value * factor)} {unit}" for value in (ran, said)]
            rows.append(html.Tr([html.Th(label, scope="row"), *(html.Td(text) for text in (*texts, off))]))
    scale = "; ".join(document.get("scale") or []) or "as it is"
    head = html.Thead(
        html.Tr([html.Th(text, scope="col") for text in ("", "measured", "predicted", "error")])
    )
    note = f"Scaled to fit here ({scale}) and predicted for this host: checks the cost models, not the system above."
    return [
        title,
        html.P(note, className="note"),
        html.Table([head, html.Tbody(rows)], className="comparison"),
    ]
