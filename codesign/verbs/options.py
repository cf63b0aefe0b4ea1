"""Options that several verbs share, so that they are called and explained alike."""

import argparse
import os
from typing import Any

DEFAULT_STORAGE = "sqlite:///codesign.db"


def add_study(parser: argparse.ArgumentParser) -> None:
    """The study, as the first argument, and where it is stored."""
    parser.add_argument("study", metavar="STUDY", help="name of the study")
    add_storage(parser)


def add_storage(parser: argparse.ArgumentParser) -> None:
    """Where studies are stored: an Optuna storage URL."""
    parser.add_argument(
        "--storage", metavar="URL", default=os.environ.get("CODESIGN_STORAGE") or DEFAULT_STORAGE,
        help="where studies are stored: sqlite:///FILE or postgresql://... "
        f"(default: the environment's CODESIGN_STORAGE, else {DEFAULT_STORAGE})",
    )  # fmt: skip


def add_executor(parser: argparse.ArgumentParser) -> None:
    """Where trainings run, how many at once, and whether progress is told."""
    parser.add_argument(
        "--workers", type=positive, metavar="W", default=None,
        help="trainings at once (default: 1; on a Ray cluster, as many as it has room for)",
    )  # fmt: skip
    parser.add_argument(
        "--executor", choices=("local", "ray"), default="local",
        help="train on this machine, or on the Ray cluster that RAY_ADDRESS names or this machine belongs to",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="tell no progress on stderr")


def add_prices(parser: argparse.ArgumentParser) -> None:
    """Other figures than the catalogue's: a scenario, and single figures."""
    parser.add_argument(
        "--scenario",
        metavar="NAME",
        default=None,
        help="a set of prices of the catalogue",
    )
    parser.add_argument(
        "--set", metavar="KEY=VALUE", dest="overrides", action="append", type=_assignment, default=[],
        help="another figure for one key of the catalogue, e.g. memory.dram.usd_per_gb=12 (may be repeated)",
    )  # fmt: skip


def overrides(options: argparse.Namespace) -> dict[str, Any] | None:
    """The figures given with --set, or None; a key given twice keeps its last value."""
    return dict(options.overrides) or None


def _assignment(text: str) -> tuple[str, float | str]:
    key, equals, value = text.partition("=")
    if not key or not equals or not value:
        raise argparse.ArgumentTypeError(f"must read KEY=VALUE, got {text!r}")
    try:
        return key.strip(), float(value)
    except ValueError:
        return key.strip(), value.strip()


def positive(text: str) -> int:
    """A whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return value
