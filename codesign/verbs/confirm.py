"""`codesign confirm`: train the models of a front again, longer and with several seeds."""

import argparse
from typing import Any

from codesign.plaintext import number, table
from codesign.verbs.answer import Answer
from codesign.verbs.options import add_executor, add_study, positive

SUMMARY = "train a study's front again, longer, with several seeds, and say which models keep their rank"
EXAMPLE = """
codesign confirm first                                   # the next longer fidelity, three seeds
codesign confirm first --fidelity long --seeds 5 --models 8 --workers 2
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """STUDY, and how to train."""
    add_study(parser)
    parser.add_argument(
        "--fidelity",
        metavar="NAME",
        help="a recipe or its file (default: the next longer one than the search's)",
    )
    parser.add_argument(
        "--seeds", type=positive, metavar="N", default=3, help="trainings a model (default 3)"
    )
    parser.add_argument(
        "--models", type=positive, metavar="N", help="models at most: the knee's, the extremes', then others"
    )
    add_executor(parser)


def run(options: argparse.Namespace) -> Answer:
    """Train, judge, and keep the judgement in the study."""
    from codesign.search import confirmation

    document = confirmation.confirm(
        options.study,
        options.storage,
        recipe=options.fidelity,
        seeds=options.seeds,
        most=options.models,
        executor=options.executor,
        workers=options.workers,
        progress=not options.quiet,
    )
    return Answer(document, lambda: text(document))


def text(document: dict[str, Any]) -> str:
    """The table of models in their confirmed order, then what has changed."""
    models = sorted(
        document["models"],
        key=lambda entry: entry["confirmed"]["rank"] if entry["confirmed"] else len(document["models"]),
    )
    free = [n for n in models[0]["params"] if len({str(m["params"].get(n)) for m in models}) > 1]
    header = [
        "rank", "in search", "may be", document["fidelity"], "to the best", f"±{'2 s.e.'}",
        document["searched_fidelity"], *(name.removeprefix("model.") for name in free), "trials",
    ]  # fmt: skip
    rows = [_row(entry, free) for entry in models]
    seeds = len(document["seeds"])
    lines = [
        f"{len(models)} models of the front of {document['study']}, bits per byte at fidelity "
        f"{document['fidelity']} over {seeds} seed{'s' if seeds > 1 else ''} the search did not use:",
        "",
        table(header, rows, left=0),
        "",
    ]
    names = {entry["model"]: f"trial {entry['trials'][0]}" for entry in models}
    for pair in document["reversed"]:
        lines.append(
            f"{names[pair['better']]} is better than {names[pair['worse']]} by {pair['difference']:.4f} "
            f"±{2 * pair['difference_error']:.4f}; the search had them the other way round"
        )
    if not document["reversed"]:
        lines.append("no order of the search is refuted: where ranks differ, the errors allow both")
    lines.append(f"rank correlation (Kendall's tau) {number(document['rank_correlation'])}")
    if document["left"] or document["joined"]:
        lines.append(
            f"with these losses {len(document['left'])} designs leave the front{_numbers(document['left'])} and "
            f"{len(document['joined'])} join it{_numbers(document['joined'])}"
        )
    else:
        lines.append("with these losses the front keeps its members")
    return "\n".join(lines)


def _row(entry: dict[str, Any], free: list[str]) -> list[str]:
    searched, confirmed = entry["searched"], entry["confirmed"]
    params = ["-" if (value := entry["params"].get(name)) is None else str(value) for name in free]
    trials = ", ".join(map(str, entry["trials"][:3])) + (" ..." if len(entry["trials"]) > 3 else "")
    before = f"{searched['bits_per_byte']:.4f}"
    if confirmed is None:
        return ["-", str(searched["rank"]), "-", "stopped", "-", "-", before, *params, trials]
    low, high = confirmed["rank_range"]
    return [
        str(confirmed["rank"]), str(searched["rank"]), str(low) if low == high else f"{low}-{high}",
        f"{confirmed['bits_per_byte']:.4f}", f"{confirmed['difference_to_best']:.4f}",
        f"{2 * confirmed['difference_error']:.4f}", before, *params, trials,
    ]  # fmt: skip


def _numbers(trials: list[int]) -> str:
    return f" ({', '.join(map(str, trials[:6]))}{' ...' if len(trials) > 6 else ''})" if trials else ""
