"""`codesign traffic`: how a text reads Engram tables."""

import argparse
from pathlib import Path

from codesign.verbs.answer import Answer

SUMMARY = "how a text reads Engram tables: reuse, hit rates of caches, use of blocks"
EXAMPLE = "codesign traffic corpus.txt"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """TEXT files."""
    parser.add_argument("texts", metavar="TEXT", nargs="+", type=Path, help="a text file (UTF-8)")


def run(options: argparse.Namespace) -> Answer:
    """Measure the row streams of the texts."""
    from codesign import traffic

    document = traffic.document(options.texts)
    return Answer(document, lambda: traffic.text(document))
