"""`codesign measure`: build a design on this host, run it, and set it beside its prediction."""

import argparse
import sys
from pathlib import Path
from typing import Any

from codesign.plaintext import number, percent
from codesign.verbs.answer import Answer

SUMMARY = "build a design on this host, run prefill and decode, and compare with its prediction"
EXAMPLE = """
codesign calibrate --out this-host.yaml                     # once for a machine
codesign measure design.yaml --hardware this-host.yaml
codesign measure design.yaml --hardware this-host.yaml --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """DESIGN, the calibrated host, and where scratch files may lie."""
    parser.add_argument("design", metavar="DESIGN", type=Path, help="a design file (YAML)")
    parser.add_argument(
        "--hardware", metavar="FILE", type=Path, default=Path("calibrated.yaml"),
        help="the file that `codesign calibrate` wrote on this host (default: calibrated.yaml)",
    )  # fmt: skip
    parser.add_argument(
        "--scratch", metavar="DIR", type=Path, default=None,
        help="a folder on the drive for tables (default: the cache folder)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> Answer:
    """Measure one design file."""
    from codesign import cache
    from codesign.calibration.measure import measure
    from cost_models import read_design

    folder = options.scratch or cache.folder("scratch")
    document = measure(read_design(options.design), options.hardware, folder, _report).document()
    return Answer(document, lambda: _text(document))


def _report(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _text(document: dict[str, Any]) -> str:
    measured, predicted, error = document["measured"], document["predicted"], document["error"]
    scale = "; ".join(document["scale"]) or "none: the design runs as it is"
    lines = [f"scaled down: {scale}", "", f"{'':16}{'measured':>12}{'predicted':>12}{'error':>9}"]
    for key, value in predicted.items():
        unit, factor = ("", 1.0) if key == "hit_rate" else (" ms", 1e3)
        name = key.removesuffix("_s").replace("_", " ")
        off = "" if error[key] is None else percent(error[key])
        lines.append(
            f"{name:16}{number(measured[key] * factor):>9}{unit:3}{number(value * factor):>9}{unit:3}{off:>9}"
        )
    steps = document["steps"]
    crowding = max(phase["crowding"] for phase in steps.values())
    joules = measured["j_per_token"]
    energy = document["no_energy"] if joules is None else f"{number(joules)} J per output token"
    lines += ["", f"energy: {energy}"]
    lines.append(
        f"medians of {steps['prefill']['steps']} prompts and {steps['decode']['steps']} decode steps; times are of a "
        f"core of its own (by the wall clock {number(crowding)} times as long, with what else ran)"
    )
    return "\n".join(lines)
