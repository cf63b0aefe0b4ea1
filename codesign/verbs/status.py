"""`codesign status`: how far a study is."""

import argparse

from codesign.plaintext import number
from codesign.verbs.answer import Answer
from codesign.verbs.options import add_study

SUMMARY = "how far a study is: trials, trainings, size of the front, hypervolume"
EXAMPLE = "codesign status first"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """STUDY and its storage."""
    add_study(parser)


def run(options: argparse.Namespace) -> Answer:
    """Count what the study holds."""
    from codesign import results

    status = results.Reader(options.study, options.storage).read().status()
    return Answer(status, lambda: "\n".join(f"{key:<12} {_text(value)}" for key, value in status.items()))


def _text(value: object) -> str:
    return number(value, 4) if isinstance(value, float) else str(value)
