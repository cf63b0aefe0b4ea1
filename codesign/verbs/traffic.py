"""`codesign traffic`: how a text reads Engram tables."""

import argparse
import sys
import time
from pathlib import Path

from codesign.verbs.answer import Answer
from codesign.verbs.options import positive

SUMMARY = "how a text reads Engram tables: reuse, hit rates of caches, use of blocks"
EXAMPLE = """
codesign traffic                                   # the bundled text
codesign traffic logs.jsonl.gz --tokenizer tokenizer.json --out my-logs.profile
codesign traffic src/ --model deepseek-v4.1-flash --no-placement --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """TEXT files, and how to read them."""
    parser.add_argument(
        "texts", metavar="TEXT", nargs="*",
        help="text, .jsonl, .parquet, token array (.npy, .bin), folder, saved dataset; bundled, stdlib, site-packages",
    )  # fmt: skip
    parser.add_argument(
        "--model", metavar="MODEL", default="engram-27b", help="preset or config.json with tables"
    )
    parser.add_argument(
        "--tokenizer", metavar="FILE", type=Path, help="a tokenizer.json (default: learnt here)"
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the traffic profile for cost models")
    parser.add_argument(
        "--max-tokens",
        metavar="N",
        type=positive,
        default=8_000_000,
        help="sample longer texts (%(default)s)",
    )
    parser.add_argument(
        "--request-tokens", metavar="N", type=positive, default=2048,
        help="cut documents into requests of at most N tokens (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--keep-order", action="store_true", help="the documents are in order of time")
    parser.add_argument(
        "--separator", metavar="ID", type=int, help="token id between documents of a token array"
    )
    parser.add_argument(
        "--no-placement", action="store_true", help="leave out the placement of rows in blocks"
    )


def run(options: argparse.Namespace) -> Answer:
    """Measure the row streams of the texts."""
    from codesign import traffic

    document = traffic.document(
        options.texts,
        model=options.model,
        out=options.out,
        placement=not options.no_placement,
        progress=_Progress(),
        tokenizer=options.tokenizer,
        max_tokens=options.max_tokens,
        request_tokens=options.request_tokens,
        keep_order=options.keep_order,
        separator=options.separator,
    )
    return Answer(document, lambda: traffic.text(document))


class _Progress:
    """One line that is rewritten on a terminal; elsewhere a line every ten seconds."""

    def __init__(self) -> None:
        self.next = 0.0 if sys.stderr.isatty() else time.monotonic() + 10

    def __call__(self, line: str) -> None:
        now = time.monotonic()
        if now < self.next:
            return
        terminal = sys.stderr.isatty()
        self.next = now + (0.1 if terminal else 10)
        print(
            f"\r\x1b[K{line}" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True
        )
