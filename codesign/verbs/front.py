"""`codesign front`: the Pareto front of a study."""

import argparse

from codesign.verbs.answer import Answer
from codesign.verbs.options import add_prices, add_study, overrides

SUMMARY = "the Pareto front of a study, best compromise marked"
EXAMPLE = """
codesign front first
codesign front first --set memory.dram.usd_per_gb=8      # the same trainings at another DRAM price
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """STUDY, its storage, and other prices."""
    add_study(parser)
    add_prices(parser)


def run(options: argparse.Namespace) -> Answer:
    """Read the front of the study."""
    from codesign import results

    designs = results.Reader(options.study, options.storage).read()
    document = results.front(designs, scenario=options.scenario, overrides=overrides(options))
    return Answer(document, lambda: results.front_table(document))
