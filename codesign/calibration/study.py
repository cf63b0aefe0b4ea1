"""Designs of many kinds measured and predicted on one host: `python -m codesign.calibration.study HARDWARE --seed N`.

Writes the table of docs/measuring.md. Designs are drawn, so that a seed that nobody has used gives designs that nobody
has looked at; no constant is fitted on any of them: all come from `codesign calibrate`.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from codesign import cache
from codesign.calibration.figure import scatter
from codesign.calibration.measure import measure
from cost_models.design import Attention, Design, Engram, MixtureOfExperts, Model, Serving, TablePlacement


@dataclass(frozen=True)
class Row:
    """One design of the table; document: of `codesign measure`."""

    name: str
    document: dict[str, Any]

    def errors(self) -> tuple[float, float]:
        """Relative errors of TTFT and TPOT."""
        measured, predicted = self.document["measured"], self.document["predicted"]
        ttft, tpot = (float(predicted[key] / measured[key] - 1) for key in ("ttft_s", "tpot_s"))
        return ttft, tpot


_PLACES: tuple[dict[str, Any] | None, ...] = (
    None,
    {"tier": "dram"},
    {"tier": "ssd", "prefetch": True},
    {"tier": "ssd", "prefetch": False},
    {"tier": "ssd", "prefetch": False, "cached": True},
    {"tier": "ssd", "prefetch": True, "cached": True},
)


def designs(seed: int, count: int) -> dict[str, Design]:
    """Designs drawn at random: sizes, tiers, prefetch, caches, batches, lengths; every place of tables in turn.

    Each sixth, the places' first, has experts in every second round.
    """
    random, found = np.random.default_rng(seed), {}
    for number in range(count):
        place = _PLACES[number % len(_PLACES)]
        hidden, layers = 256 * int(random.integers(2, 7)), int(random.integers(4, 11))
        sequences, prompt = int(random.choice([1, 2, 4, 8, 16])), 64 * int(random.integers(1, 9))
        sparse = place is None and number // len(_PLACES) % 2
        layers = min(layers, 6) if sparse else layers
        model = _model(hidden, layers, int(random.choice([2, 4])), random)
        name = f"{hidden} x {layers}, batch {sequences}, {prompt} in"
        if place is None:
            model, name = replace(model, engram=None), f"{name}, no tables"
            if sparse:
                experts, active = int(random.choice([16, 32, 64])), int(random.choice([2, 4, 6]))
                moe = MixtureOfExperts(experts, active, 1, hidden // 4, leading_dense_layers=1)
                model, name = replace(model, moe=moe), f"{name}, {experts} experts"
            found[name] = _design(model, sequences, prompt, TablePlacement())
            continue
        cached = 2.0 ** int(random.integers(4, 8)) * 2**20 if place.get("cached") else 0.0
        name += f", {place['tier'].upper()}"
        name += {True: ", prefetched", False: ", synchronous", None: ""}[place.get("prefetch")]
        name += f", {cached / 2**20:.0f} MiB cache" if cached else ""
        placement = TablePlacement(
            tier=place["tier"], prefetch=place.get("prefetch", True), cache_tier="dram" if cached else "",
            cache_bytes=cached,
        )  # fmt: skip
        found[name] = _design(model, sequences, prompt, placement)
    return found


def _model(hidden: int, layers: int, shared: int, random: np.random.Generator) -> Model:
    """shared: query heads of a KV head."""
    attention = Attention("gqa", hidden // 64, hidden // 64 // shared, 64)
    order, heads = int(random.choice([2, 3])), int(random.choice([4, 8]))
    width, rows = int(random.choice([32, 64, 128])), int(random.integers(50_000, 150_000))
    places = random.choice(layers, int(random.integers(1, 4)), replace=False)
    engram = Engram(tuple(sorted(int(one) for one in places)), order, heads, width, rows)
    return Model(f"{hidden} x {layers}", layers, hidden, 32768, attention, hidden * 11 // 4, engram=engram)


def _design(model: Model, sequences: int, prompt: int, placement: TablePlacement) -> Design:
    serving = Serving(input_tokens=prompt, output_tokens=24, concurrency=sequences, tables=placement)
    return Design(model, serving=serving)


def markdown(rows: list[Row]) -> str:
    """The table, and what it comes to."""
    lines = [
        "| design | TTFT measured | predicted | error | TPOT measured | predicted | error | stall of a step, measured "
        "| predicted | hit rate, measured | predicted | wall / own time |",
        "|---|" + "---:|" * 11,
    ]
    for row in rows:
        m, p, (ttft, tpot) = row.document["measured"], row.document["predicted"], row.errors()
        crowd = max(phase["crowding"] for phase in row.document["steps"].values())
        cells = [
            row.name, _ms(m["ttft_s"]), _ms(p["ttft_s"]), f"{ttft:+.0%}", _ms(m["tpot_s"]), _ms(p["tpot_s"]),
            f"{tpot:+.0%}", _ms(m["decode_stall_s"]), _ms(p["decode_stall_s"]), f"{m['hit_rate']:.2f}",
            f"{p['hit_rate']:.2f}", f"{crowd:.1f}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\n" + summary(rows) + "\n"


def summary(rows: list[Row]) -> str:
    """Median errors and rank correlations."""
    errors = np.abs([row.errors() for row in rows])
    ranks = []
    for key in ("ttft_s", "tpot_s"):
        pairs = [(row.document["measured"][key], row.document["predicted"][key]) for row in rows]
        ranks.append(float(spearmanr(*zip(*pairs, strict=True)).statistic))
    median, worst = np.median(errors, axis=0), errors.max(axis=0)
    return (
        f"{len(rows)} designs. Median error of TTFT {median[0]:.0%}, of TPOT {median[1]:.0%}; worst {worst[0]:.0%} and "
        f"{worst[1]:.0%}. Spearman's rank correlation {ranks[0]:.2f} and {ranks[1]:.2f}."
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds * 1e3:.0f} ms"


def main() -> None:
    """Measure the designs that --save does not hold yet, until the time is up; print the table when all are there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hardware", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument(
        "--save", type=Path, default=Path("study.json"), help="what was measured, to go on from"
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no further design after so long")
    parser.add_argument("--figure", type=Path, default=None, help="an SVG to write beside the table")
    options = parser.parse_args()
    started, folder = time.perf_counter(), cache.folder("scratch")
    chosen = designs(options.seed, options.count)
    done = json.loads(options.save.read_text()) if options.save.exists() else {}
    for number, (name, design) in enumerate(chosen.items(), 1):
        if name in done:
            continue
        if time.perf_counter() > started + 60 * options.minutes:
            print(f"{len(done)} of {len(chosen)} designs are measured; go on with the same command")
            return
        done[name] = measure(design, options.hardware, folder, lambda what: None).document()
        options.save.write_text(json.dumps(done, indent=1))
        errors = Row(name, done[name]).errors()
        print(f"{number} {name}: TTFT {errors[0]:+.0%}, TPOT {errors[1]:+.0%}", file=sys.stderr, flush=True)
    rows = [Row(name, done[name]) for name in chosen]
    print(markdown(rows), end="")
    if options.figure is not None:
        points = [
            (row.name, kind, row.document["measured"][key], row.document["predicted"][key])
            for row in rows
            for kind, key in (("TTFT", "ttft_s"), ("TPOT", "tpot_s"))
        ]
        options.figure.write_text(scatter(points), encoding="utf-8")


if __name__ == "__main__":
    main()
