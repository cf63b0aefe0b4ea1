"""The command line: parses, calls one verb, prints its answer. Heavy imports happen inside the verbs.

stdout carries the answer and nothing else (`--json`: exactly one JSON document); progress and errors go to
stderr. Exit status: 0 done, 1 could not (one line on stderr), 2 wrong usage. What is not in the tree of
`codesign.errors` and no fault of the machine is a defect, and shows its traceback.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from codesign.verbs.answer import Answer

# In the order of a first visit; each is a module of codesign.verbs.
VERBS = (
    "spaces", "search", "confirm", "status", "front", "show", "evaluate", "export", "dashboard",
    "validate", "traffic", "hardware", "calibrate", "measure", "proxies", "bundles", "train",
)  # fmt: skip

INTRODUCTION = """\
For this quality, this latency and this budget: which language model on which hardware?

  codesign search demo              search a space; Ctrl-C is safe, --resume goes on
  codesign front demo               the Pareto front of a study
  codesign evaluate design.yaml     what one design costs, and where it goes
  codesign export demo --knee --out plan/   a specification that runs
"""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; importing it costs a few hundredths of a second."""
    parser = argparse.ArgumentParser(
        prog="codesign", description=INTRODUCTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    for name in VERBS:
        module = import_module(f"codesign.verbs.{name}")
        verb = verbs.add_parser(
            name,
            help=module.SUMMARY,
            description=module.SUMMARY[0].upper() + module.SUMMARY[1:] + ".",
            epilog="Example:\n" + "\n".join(f"  {line}" for line in module.EXAMPLE.strip().splitlines()),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(verb)
        verb.add_argument("--json", action="store_true", help="print one JSON document instead of text")
        verb.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.version:
        print(f"codesign {_version()}")
        return 0
    if options.verb is None:
        parser.print_help(sys.stderr)
        return 2
    try:
        # A library that prints must not spoil the answer.
        with contextlib.redirect_stdout(sys.stderr):
            answer: Answer = options.run(options)
        print(answer.as_json() if options.json else answer.as_text(), flush=True)
        return answer.status
    except KeyboardInterrupt:
        hint = "; go on with --resume" if options.verb == "search" else ""
        return _fail(f"interrupted; everything that had finished is kept{hint}")
    except BrokenPipeError:
        # The reader (head, less) has gone; keep the interpreter's own flush at exit quiet too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        from codesign.verbs.failure import one_line

        line = one_line(error)
        if line is None:
            raise
        return _fail(line)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("codesign")
    except PackageNotFoundError:  # a checkout that is not installed
        return "(not installed)"


def _fail(line: str) -> int:
    with contextlib.suppress(OSError):
        print(f"codesign: {line}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
