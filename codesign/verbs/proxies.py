"""`codesign proxies`: the trainings that are stored and reused."""

import argparse

from codesign.verbs.answer import Answer

SUMMARY = "the proxy trainings that are stored, and how well they can be trusted"
EXAMPLE = "codesign proxies"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This verb has no arguments of its own."""


def run(options: argparse.Namespace) -> Answer:
    """List what the proxy store holds."""
    from codesign import proxy

    document = proxy.report()
    return Answer(document, lambda: proxy.report_text(document))
