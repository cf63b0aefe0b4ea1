"""Designs of many kinds measured and predicted on one host: `python -m codesign.calibration.study HARDWARE`.

Writes the table of docs/measuring.md. No constant is fitted on these designs: all come from `codesign calibrate`.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from codesign import cache
from codesign.calibration.figure import scatter
from codesign.calibration.measure import Measurement, measure
from cost_models.design import Attention, Design, Engram, MixtureOfExperts, Model, Serving, TablePlacement

_GIB = 2**30


@dataclass(frozen=True)
class Row:
    """One design of the table."""

    name: str
    measurement: Measurement

    def errors(self) -> tuple[float, float]:
        """Relative errors of TTFT and TPOT."""
        measured, predicted = self.measurement.measured(), self.measurement.predicted
        return tuple(predicted[key] / measured[key] - 1 for key in ("ttft_s", "tpot_s"))  # type: ignore[return-value]


def designs() -> dict[str, Design]:
    """Sizes, tiers, prefetch, caches, batches and lengths, each changed by itself and together."""
    base = _dense(1024, 8)
    small, large = _dense(512, 6), _dense(1536, 8)
    return {
        "512 x 6, no tables": _design(replace(small, engram=None)),
        "1024 x 8, no tables": _design(replace(base, engram=None)),
        "1536 x 8, no tables": _design(replace(large, engram=None)),
        "1024 x 8, no tables, batch 1": _design(replace(base, engram=None), concurrency=1),
        "1024 x 8, no tables, 512 in": _design(replace(base, engram=None), input_tokens=512, concurrency=4),
        "512 x 6, DRAM": _design(small, tier="dram"),
        "1024 x 8, DRAM": _design(base, tier="dram"),
        "1024 x 8, DRAM, batch 16": _design(base, tier="dram", concurrency=16, input_tokens=128),
        "512 x 6, SSD, prefetched": _design(small),
        "1024 x 8, SSD, prefetched": _design(base),
        "1536 x 8, SSD, prefetched": _design(large),
        "512 x 6, SSD, synchronous": _design(small, prefetch=False),
        "1024 x 8, SSD, synchronous": _design(base, prefetch=False),
        "1024 x 8, SSD, synchronous, batch 1": _design(base, prefetch=False, concurrency=1),
        "1024 x 8, SSD, synchronous, 16 MiB cache": _design(base, prefetch=False, cache_gib=1 / 64),
        "1024 x 8, SSD, synchronous, 128 MiB cache": _design(base, prefetch=False, cache_gib=1 / 8),
        "1024 x 8, SSD, prefetched, 64 MiB cache": _design(base, cache_gib=1 / 16),
        "512 x 6, 32 experts, no tables": _design(replace(_sparse(512, 6), engram=None), input_tokens=128),
    }


def _dense(hidden: int, layers: int) -> Model:
    attention = Attention("gqa", hidden // 64, hidden // 256, 64)
    engram = Engram((1, layers // 2), 3, 8, 64, 100_000)
    return Model(f"{hidden} x {layers}", layers, hidden, 32768, attention, hidden * 11 // 4, engram=engram)


def _sparse(hidden: int, layers: int) -> Model:
    moe = MixtureOfExperts(32, 4, 1, hidden // 2, leading_dense_layers=1)
    return replace(_dense(hidden, layers), moe=moe)


def _design(
    model: Model,
    tier: str = "ssd",
    prefetch: bool = True,
    cache_gib: float = 0.0,
    concurrency: int = 8,
    input_tokens: int = 256,
) -> Design:
    placement = TablePlacement(
        tier=tier, prefetch=prefetch, cache_tier="dram" if cache_gib else "", cache_bytes=cache_gib * _GIB
    )
    serving = Serving(input_tokens=input_tokens, output_tokens=24, concurrency=concurrency, tables=placement)
    return Design(model, serving=serving)


def markdown(rows: list[Row]) -> str:
    """The table, and what it comes to."""
    lines = [
        "| design | TTFT measured | predicted | error | TPOT measured | predicted | error | stall of a step, measured "
        "| predicted | hit rate, measured | predicted | wall / own time |",
        "|---|" + "---:|" * 11,
    ]
    for row in rows:
        m, p, (ttft, tpot) = row.measurement.measured(), row.measurement.predicted, row.errors()
        crowd = max(row.measurement.prefill.crowding, row.measurement.decode.crowding)
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
        pairs = [(row.measurement.measured()[key], row.measurement.predicted[key]) for row in rows]
        ranks.append(float(spearmanr(*zip(*pairs, strict=True)).statistic))
    median, worst = np.median(errors, axis=0), errors.max(axis=0)
    return (
        f"{len(rows)} designs. Median error of TTFT {median[0]:.0%}, of TPOT {median[1]:.0%}; worst {worst[0]:.0%} and "
        f"{worst[1]:.0%}. Spearman's rank correlation {ranks[0]:.2f} and {ranks[1]:.2f}."
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds * 1e3:.0f} ms"


def main() -> None:
    """Measure all designs (or those whose names hold --only) and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hardware", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--figure", type=Path, default=None, help="an SVG to write beside the table")
    options = parser.parse_args()
    rows: list[Row] = []
    chosen = {name: design for name, design in designs().items() if options.only in name}
    for number, (name, design) in enumerate(chosen.items(), 1):
        print(f"{number}/{len(chosen)} {name}", file=sys.stderr, flush=True)
        folder = cache.folder("scratch")
        rows.append(Row(name, measure(design, options.hardware, folder, lambda what: None)))
        print(
            f"   TTFT {rows[-1].errors()[0]:+.0%}, TPOT {rows[-1].errors()[1]:+.0%}",
            file=sys.stderr,
            flush=True,
        )
    print(markdown(rows), end="")
    if options.figure is not None:
        points = [
            (row.name, kind, row.measurement.measured()[key], row.measurement.predicted[key])
            for row in rows
            for kind, key in (("TTFT", "ttft_s"), ("TPOT", "tpot_s"))
        ]
        options.figure.write_text(scatter(points), encoding="utf-8")


if __name__ == "__main__":
    main()
