"""`codesign evaluate`: what one design costs; several designs side by side."""

import argparse
from pathlib import Path

from codesign.verbs.answer import Answer
from codesign.verbs.options import add_prices, overrides

SUMMARY = "what a design costs: does it fit, how fast, how much energy and money, and where it goes"
EXAMPLE = """
codesign evaluate design.yaml
codesign evaluate tables-in-hbm.yaml tables-in-dram.yaml       # side by side
codesign evaluate design.yaml --json --set memory.dram.usd_per_gb=8
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """DESIGN files, and other prices."""
    parser.add_argument("designs", metavar="DESIGN", nargs="+", type=Path, help="a design file (YAML)")
    add_prices(parser)


def run(options: argparse.Namespace) -> Answer:
    """Evaluate every design file; one document for one file, a list for several."""
    from codesign.export.specification import from_design
    from codesign.report import comparison, report
    from cost_models import answers

    prices = options.scenario, overrides(options)
    specifications = [from_design(path, *prices) for path in options.designs]
    documents = [specification.document() for specification in specifications]
    if len(documents) == 1:
        return Answer(
            documents[0], lambda: report(documents[0], answers.text(specifications[0].evaluation()))
        )
    names = [str(path) for path in options.designs]
    return Answer(documents, lambda: comparison(names, documents))
