"""`codesign dashboard`: look at a study in the browser."""

import argparse

from codesign.verbs.answer import Answer
from codesign.verbs.options import add_storage

SUMMARY = "look at a study in the browser, live while a search runs"
EXAMPLE = """
codesign dashboard first
codesign dashboard first --port 8060
codesign dashboard --example                              # a recorded search, to look around
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """STUDY, its storage, and where to listen."""
    parser.add_argument("study", metavar="STUDY", nargs="?", default=None, help="name of the study")
    add_storage(parser)
    parser.add_argument(
        "--example", action="store_true", help="open the recorded search that ships with codesign"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine)")
    parser.add_argument("--port", type=int, default=8050, help="port to listen on (default: 8050)")


def run(options: argparse.Namespace) -> Answer:
    """Serve until Ctrl-C."""
    import dashboard

    dashboard.serve(
        options.study, options.storage, host=options.host, port=options.port, example=options.example
    )
    url = f"http://{options.host}:{options.port}"
    return Answer(
        {"study": options.study, "storage": options.storage, "url": url}, lambda: f"{url} has ended"
    )
