"""`codesign search`: find the Pareto front of a space."""

import argparse
import sys
from pathlib import Path
from typing import Any

from codesign.plaintext import number
from codesign.verbs.answer import Answer
from codesign.verbs.options import (
    DEFAULT_STORAGE,
    add_executor,
    add_prices,
    add_storage,
    overrides,
    positive,
)

SUMMARY = "search a space for its Pareto front of quality, latency, energy and money"
EXAMPLE = """
codesign search demo --trials 200 --study first
codesign search demo --trials 400 --study first --resume     # go on, up to 400 in all
codesign search my-space.yaml --workers 4 --storage postgresql://host/db
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SPACE, and how to search it."""
    parser.add_argument("space", metavar="SPACE", help="a space file, or a name that `codesign spaces` lists")
    parser.add_argument(
        "--trials", type=positive, metavar="N", default=None,
        help="designs to propose in all (default: 24); those that break a constraint are not counted, nor is other "
        "hardware of a trained model",
    )  # fmt: skip
    parser.add_argument("--study", metavar="NAME", default=None, help="its name (default: the space's)")
    add_storage(parser)
    parser.add_argument(
        "--sampler",
        metavar="S",
        default=None,
        help="codesign (default), tpe, nsga2, nsga3, gp, group-pso or random",
    )
    parser.add_argument("--seed", type=int, metavar="K", default=0, help="seed of sampler and trainings")
    parser.add_argument(
        "--text", metavar="PATH", help="train on this text (file, folder) instead of the space's"
    )
    parser.add_argument("--fidelity", metavar="NAME", help="train with this recipe instead of the space's")
    parser.add_argument(
        "--quality",
        choices=("proxy", "prior", "both"),
        help="judge by trainings, by published laws, or by both",
    )
    parser.add_argument("--resume", action="store_true", help="go on with the study, up to N trials in all")
    parser.add_argument(
        "--enqueue", metavar="WHAT", action="append", default=[],
        help="train these models first: a design file, a preset, or the front of a study in the same storage "
        "(may be repeated)",
    )  # fmt: skip
    parser.add_argument(
        "--measure", metavar="top:K", default=None,
        help="then build and run the K best designs on this host, scaled down, beside their predictions",
    )  # fmt: skip
    parser.add_argument(
        "--hardware", metavar="FILE", type=Path, default=Path("calibrated.yaml"),
        help="for --measure: what `codesign calibrate` wrote here (default: calibrated.yaml)",
    )  # fmt: skip
    add_executor(parser)
    add_prices(parser)


def run(options: argparse.Namespace) -> Answer:
    """Run the search; the answer is its summary."""
    import search_spaces
    from codesign import search

    if options.measure is not None:  # a slip is said before the search, not after it
        from codesign.calibration.loop import count

        most = count(options.measure)
    space = search_spaces.load(options.space)
    asked = {"mode": options.quality, "fidelity": options.fidelity, "corpus": _absolute(options.text)}
    if quality := {name: value for name, value in asked.items() if value is not None}:
        space = space.with_quality(**quality)
    summary = search.run(
        space,
        study=options.study or space.name,
        storage=options.storage,
        trials=options.trials,
        sampler=options.sampler,
        workers=options.workers,
        executor=options.executor,
        enqueue=options.enqueue,
        progress=not options.quiet,
        seed=options.seed,
        resume=options.resume,
        scenario=options.scenario,
        overrides=overrides(options),
    )
    if options.measure is not None:
        summary["measured"] = _measured(summary, most, options.hardware)
    return Answer(summary, lambda: _text(summary))


def _measured(summary: dict[str, Any], most: int, hardware: Path) -> dict[str, Any]:
    from codesign import cache
    from codesign.calibration.loop import measure_front

    folder = cache.folder("scratch")
    say = lambda what: print(what, file=sys.stderr, flush=True)  # noqa: E731
    return measure_front(summary["study"], summary["storage"], most, hardware, folder, say)


def _absolute(path: str | None) -> str | None:
    """A path that means the same in every worker; names in a space are relative to the space's file."""
    return path and str(Path(path).resolve())


def _text(summary: dict[str, Any]) -> str:
    """What was found: knee and extremes, counts, and where to look next."""
    from codesign import results

    study, storage = summary["study"], summary["storage"]
    where = "" if storage == DEFAULT_STORAGE else f" --storage {storage}"
    volume = "" if summary["hypervolume"] is None else f", hypervolume {number(summary['hypervolume'])}"
    front = results.front(results.Reader(study, storage).read())
    note = f"{summary['note']}\n" if summary["note"] else ""
    measured = ""
    if "measured" in summary:
        from codesign.calibration.loop import line

        measured = "".join(f"{line(trial, each)}\n" for trial, each in summary["measured"].items()) + "\n"
    return (
        f"{results.front_table(front, most=0)}\n\n{measured}"
        f"{summary['feasible']} feasible designs from {_trainings(summary['trainings'])} in "
        f"{summary['wall_s']:.0f} s; {len(summary['front'])} on the Pareto front{volume}.\n{note}"
        f"  codesign front {study}{where}\n"
        f"  codesign export {study} --knee --out plan{where}\n"
        f"  codesign dashboard {study}{where}"
    )


def _trainings(count: int) -> str:
    return f"{count} training{'' if count == 1 else 's'}"
