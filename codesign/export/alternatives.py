"""The nearest other designs of the front, in words: what one would gain, and what it would cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from codesign.plaintext import duration, number
from cost_models import OBJECTIVES


def nearest(
    objectives: Mapping[str, float], trial: int | None, front: Sequence[Mapping[str, Any]], most: int = 6
) -> list[tuple[int, str]]:
    """(trial, sentence) of front designs that gain at least 2 % in one objective, the cheapest gain first.

    What a design loses is measured in the front's own spread of each objective, so that bits per byte and
    dollars can be added up. front: as `codesign front --json` has it.
    """
    spans = {
        name: max(values) - min(values)
        for name in objectives
        if (values := [entry["objectives"][name] for entry in front])
    }
    found: list[tuple[float, int, str]] = []
    for name in objectives:
        candidates = []
        for entry in front:
            gain = _gain(name, objectives[name], entry["objectives"][name])
            if entry["trial"] == trial or gain < 0.02:
                continue
            losses = sum(
                max(0.0, -_sign(other) * (entry["objectives"][other] - objectives[other]) / spans[other])
                for other in objectives
                if spans[other] > 0
            )
            candidates.append((losses, entry["trial"], _sentence(name, gain, objectives, entry)))
        told = {
            sentence: (losses, number_, sentence)
            for losses, number_, sentence in sorted(candidates, reverse=True)
        }
        found += sorted(told.values())[:2]  # of designs that read alike, the first
    unique = {number_: (losses, number_, text) for losses, number_, text in sorted(found, reverse=True)}
    return [(number_, text) for _, number_, text in sorted(unique.values())[:most]]


def _sign(name: str) -> float:
    """+1 where more is better."""
    return 1.0 if OBJECTIVES[name].direction == "maximize" else -1.0


def _gain(name: str, base: float, other: float) -> float:
    return _sign(name) * (other - base) / abs(base) if base else 0.0


def _sentence(gained: str, gain: float, base: Mapping[str, float], entry: Mapping[str, Any]) -> str:
    """`22 % better usd_per_mtok (3.1 instead of 4.0), at +0.011 bits per byte`."""
    costs, others = [], entry["objectives"]
    for name, value in base.items():
        change = _gain(name, value, others[name])
        if name != gained and change < -0.001:
            costs.append(f"{OBJECTIVES[name].label} {_step(name, value, others[name])}")
    first = OBJECTIVES[gained]
    text = f"{100 * gain:.0f} % better {first.label} ({_with_unit(first, others[gained])} instead of "
    text += f"{_with_unit(first, base[gained])})"
    return f"{text}, at {', '.join(costs)}" if costs else f"{text}, at no loss"


def _step(name: str, base: float, other: float) -> str:
    """A loss as people say it: bits per byte as a difference, the rest in per cent."""
    if name == "bits_per_byte":
        return f"{other - base:+.4f}"
    return f"{100 * (other / base - 1):+.0f} %"


def _with_unit(objective: Any, value: float) -> str:
    return duration(value) if objective.unit == "s" else f"{number(value)} {objective.unit}".strip()
