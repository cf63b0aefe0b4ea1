"""`codesign validate`: the cost models against published measurements."""

import argparse

from codesign.verbs.answer import Answer

SUMMARY = "compare the cost models with published measurements"
EXAMPLE = "codesign validate"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This verb has no arguments of its own."""


def run(options: argparse.Namespace) -> Answer:
    """Predict every reference case; exit status 1 where one is out of its tolerance."""
    from cost_models import validation

    document = validation.document()
    return Answer(document, lambda: validation.text(document), status=int(document["summary"]["failed"] > 0))
