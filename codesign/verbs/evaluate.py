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
    import cost_models
    from codesign.verbs.report import comparison, report

    catalogue = cost_models.load_catalogue(scenario=options.scenario, overrides=overrides(options))
    designs = [cost_models.read_design(path) for path in options.designs]
    evaluations = [cost_models.evaluate(design, catalogue) for design in designs]
    documents = [evaluation.document() for evaluation in evaluations]
    if len(documents) == 1:
        return Answer(documents[0], lambda: report(documents[0]))
    names = [str(path) for path in options.designs]
    return Answer(documents, lambda: comparison(names, documents))
