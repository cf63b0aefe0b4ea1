"""`codesign status`: how far a study is."""

import argparse

from codesign.plaintext import number, sparkline
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
    return Answer(status, lambda: "\n".join(f"{key:<17} {_text(value)}" for key, value in status.items()))


def _text(value: object) -> str:
    if isinstance(value, float):
        return number(value, 4)
    if isinstance(value, list) and value and isinstance(value[0], dict):  # the curve
        volumes = [point["hypervolume"] for point in value]
        return f"{sparkline(volumes, len(volumes))} over {value[-1]['trainings']} trainings"
    return str(value)
