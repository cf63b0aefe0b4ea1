"""`codesign hardware`: the catalogue, every figure with its source."""

import argparse

from codesign.verbs.answer import Answer
from codesign.verbs.options import add_prices, overrides

SUMMARY = "the catalogue of accelerators, memory tiers and prices, every figure with its source"
EXAMPLE = """
codesign hardware
codesign hardware --json | jq '.accelerators["h100-sxm"]'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Other prices than the catalogue's."""
    add_prices(parser)


def run(options: argparse.Namespace) -> Answer:
    """Read the catalogue."""
    import cost_models

    catalogue = cost_models.load_catalogue(scenario=options.scenario, overrides=overrides(options))
    document = catalogue.document()
    return Answer(document, lambda: catalogue.text())
