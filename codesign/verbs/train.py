"""`codesign train`: what training or fine-tuning a model costs, and where its state should lie."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codesign.verbs.answer import Answer
from codesign.verbs.options import add_prices, overrides, positive

if TYPE_CHECKING:
    from cost_models.training import Training

SUMMARY = "what fine-tuning costs with its state in HBM, DRAM and SSD, and how long the drives live"
EXAMPLE = """
codesign train finetune-70b                           # 70B on a workstation with four cards and two drives
codesign train design.yaml --sequences 64 --length 8192 --all
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """DESIGN, and what a step trains on."""
    parser.add_argument(
        "design",
        metavar="DESIGN",
        help="a design file (its serving is not read), or the shipped finetune-70b",
    )
    parser.add_argument(
        "--sequences", type=positive, metavar="N", default=32, help="of one optimizer step, in all"
    )
    parser.add_argument("--length", type=positive, metavar="TOKENS", default=4096, help="of a sequence")
    parser.add_argument(
        "--micro", type=positive, metavar="N", default=1, help="sequences of an accelerator at once"
    )
    parser.add_argument(
        "--tables", choices=("hbm", "dram"), default="hbm", help="where Engram tables lie, if there are any"
    )
    parser.add_argument(
        "--experts",
        choices=("gathered", "stay"),
        default="gathered",
        help="gathered layer by layer, or each on one accelerator with tokens sent to it",
    )
    parser.add_argument("--all", action="store_true", help="also the placements that do not fit")
    add_prices(parser)


def run(options: argparse.Namespace) -> Answer:
    """Every placement of weights, optimizer state and activations, the fastest that fits first."""
    import numpy as np

    import search_spaces
    from codesign.export.specification import from_design
    from cost_models.training import Batch, train

    shipped = Path(search_spaces.__file__).parent / "training" / f"{options.design}.yaml"
    specification = from_design(
        shipped if shipped.exists() else options.design, options.scenario, overrides(options)
    )
    batch = Batch(options.sequences, options.length, options.micro)
    found = train(specification.design, batch, specification.catalogue(), options.tables, options.experts)
    order = np.lexsort((found.step_s, ~found.fits))
    rows = [_document(found, int(i)) for i in order]
    return Answer(rows, lambda: _text(rows, options.all))


def _document(found: "Training", i: int) -> dict[str, Any]:
    return {
        "weights": str(found.weights[i]),
        "optimizer": str(found.optimizer[i]),
        "activations": str(found.activations[i]),
        "fits": bool(found.fits[i]),
        "spare_bytes": {tier: float(left[i]) for tier, left in found.spare.items()},
        "step_s": float(found.step_s[i]),
        "micro_steps": found.micro_steps,
        "micro_step_s": {name: float(term[i]) for name, term in found.terms.items()},
        "optimizer_s": float(found.optimizer_s[i]),
        "tokens_per_s": float(found.tokens_per_s[i]),
        "j_per_token": float(found.j_per_token[i]),
        "usd_per_mtok": float(found.usd_per_mtok[i]),
        "written_bytes_per_day": float(found.written_per_day[i]),
        "drive_life_years": float(found.life_years[i]),
    }


def _text(rows: list[dict[str, Any]], everything: bool) -> str:
    from codesign.plaintext import duration, number, size, table

    fitting = [row for row in rows if row["fits"]]
    shown = rows if everything else fitting
    header = ["weights", "optimizer", "activations", "step", "token/s", "USD/Mtok", "J/token", "to SSD a day",
              "drive life", "bound by", ""]  # fmt: skip
    cells = [
        [
            row["weights"], row["optimizer"], row["activations"], duration(row["step_s"]),
            number(row["tokens_per_s"]), number(row["usd_per_mtok"]), number(row["j_per_token"]),
            size(row["written_bytes_per_day"]) if row["written_bytes_per_day"] else "-",
            "-" if math.isinf(row["drive_life_years"]) else f"{row['drive_life_years']:.1f} years",
            _bound(row), "" if row["fits"] else _lacks(row),
        ]
        for row in shown
    ]  # fmt: skip
    lines = [table(header, cells, left=3)] if cells else []
    if not fitting:
        nearest = min(rows, key=lambda row: -min(row["spare_bytes"].values()))
        place = ", ".join(f"{name} in {nearest[name]}" for name in ("weights", "optimizer", "activations"))
        lines.append(f"nothing fits; nearest is {place}: it {_lacks(nearest)}")
    elif len(shown) < len(rows):
        lines.append(f"{len(rows) - len(fitting)} of {len(rows)} placements do not fit; --all shows them")
    return "\n".join(lines)


def _bound(row: dict[str, Any]) -> str:
    slowest = max(row["micro_step_s"], key=row["micro_step_s"].get)
    whole = row["micro_steps"] * row["micro_step_s"][slowest]
    return slowest if whole >= row["optimizer_s"] else "optimizer state"


def _lacks(row: dict[str, Any]) -> str:
    from codesign.plaintext import size

    return "lacks " + ", ".join(
        f"{size(-left)} {tier}" for tier, left in row["spare_bytes"].items() if left < 0
    )
