"""`codesign export`: a trial, or a finished design, becomes a specification that runs."""

import argparse
from pathlib import Path

from codesign.verbs.answer import Answer
from codesign.verbs.options import add_prices, add_storage, overrides

SUMMARY = "write a design as files that run: config, server command, placement, bill of materials, report"
EXAMPLE = """
codesign export first --knee --out plan/                  # the best compromise of a study
codesign export first --best tpot_s --out fastest/
codesign export design.yaml --out plan/                   # a finished model on chosen hardware
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """STUDY or DESIGN file, which trial, and where to."""
    parser.add_argument("source", metavar="STUDY|DESIGN.yaml", help="name of a study, or a design file")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--trial", type=int, metavar="N", help="number of the trial")
    which.add_argument("--knee", action="store_true", help="the best compromise of the front")
    which.add_argument("--best", metavar="OBJECTIVE", help="the feasible trial that is best in one objective")
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder to write")
    parser.add_argument("--force", action="store_true", help="replace DIR if it is there and not empty")
    parser.add_argument(
        "--weights", choices=("auto", "train", "none"), default="auto",
        help="the trained proxy: those stored, or a short training repeated (auto, the default); trained now "
        "whatever it takes; or none",
    )  # fmt: skip
    add_storage(parser)
    add_prices(parser)


def run(options: argparse.Namespace) -> Answer:
    """Write the folder; the answer names its files."""
    from codesign import export

    chosen = options.trial is not None or options.knee or options.best
    if Path(options.source).suffix in (".yaml", ".yml"):
        if chosen:
            from codesign.errors import InputError

            raise InputError("--trial, --knee and --best choose from a study; a design file is one design")
        context = export.from_design(options.source, options.scenario, overrides(options))
    else:
        context = export.from_study(
            options.source, options.storage, trial=options.trial, best=options.best,
            scenario=options.scenario, overrides=overrides(options),
        )  # fmt: skip
    document = export.write(context, options.out, force=options.force, weights=options.weights)
    return Answer(document, lambda: export.summary(document))
