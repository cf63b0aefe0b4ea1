"""`codesign show`: one trial of a study in full."""

import argparse

from codesign.verbs.answer import Answer
from codesign.verbs.options import add_study

SUMMARY = "one trial of a study in full: its choices, figures and where they come from"
EXAMPLE = "codesign show first --trial 12"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """STUDY, its storage, and the trial."""
    add_study(parser)
    parser.add_argument("--trial", type=int, metavar="N", required=True, help="number of the trial")


def run(options: argparse.Namespace) -> Answer:
    """Read one trial."""
    from codesign import results

    document = results.show(results.Reader(options.study, options.storage).read(), options.trial)
    return Answer(document, lambda: results.show_text(document))
