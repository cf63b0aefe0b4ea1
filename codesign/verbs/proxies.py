"""`codesign proxies`: the trainings that are stored and reused."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from codesign.verbs.answer import Answer
from codesign.verbs.options import positive

if TYPE_CHECKING:
    from codesign.proxy import Quality

SUMMARY = "the proxy trainings that are stored, and how well they can be trusted"
EXAMPLE = """
codesign proxies                                   # list
codesign proxies compare 764dd39d ea92efb4         # is the difference more than noise?
codesign proxies noise --space demo --seeds 4      # measure how much is chance: eight trainings
codesign proxies plot --out trainings.html         # learning curves, and loss against the Engram share
codesign proxies prune --fidelity demo --older-than 30    # remove: what meets every condition given
"""

_MODELS = 2  # that `noise` trains


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The action, and what it needs."""
    parser.add_argument(
        "action", nargs="?", default="list", choices=("list", "compare", "noise", "plot", "prune"),
        help="what to do (default: list)",
    )  # fmt: skip
    parser.add_argument(
        "keys", metavar="KEY", nargs="*", help="compare: two stored trainings; the start of a key is enough"
    )
    parser.add_argument(
        "--fidelity", metavar="NAME",
        help="list, plot, prune: only trainings of this fidelity; noise: a recipe or its file (default: the space's)",
    )  # fmt: skip
    parser.add_argument(
        "--space", metavar="SPACE", default="demo", help="noise: two models are drawn from it (default demo)"
    )
    parser.add_argument(
        "--seeds", type=positive, metavar="N", default=4,
        help="noise: trainings of each of the two models, at least 2 (default 4)",
    )  # fmt: skip
    parser.add_argument(
        "--text", metavar="PATH", help="noise: own text instead of the bundled one, as for codesign search"
    )
    parser.add_argument(
        "--out", metavar="FILE", default="trainings.html", help="plot: the page to write (default trainings.html)"
    )  # fmt: skip
    parser.add_argument(
        "--older-than", metavar="DAYS", type=float, help="prune: only trainings older than this"
    )
    parser.add_argument("--weights-only", action="store_true", help="prune: keep results, remove weights")
    parser.add_argument("--all", action="store_true", help="prune: every training, without a condition")


def run(options: argparse.Namespace) -> Answer:
    """List, compare, calibrate or remove."""
    from codesign import proxy
    from cost_models.errors import InputError

    if options.action == "compare":
        return _compare(options.keys)
    if options.keys:
        raise InputError(f"codesign proxies {options.action}: takes no KEY, got {' '.join(options.keys)}")
    if options.action == "noise":
        return _noise(options)
    if options.action == "plot":
        return _plot(options.fidelity, Path(options.out))
    if options.action == "prune":
        return _prune(options)
    stored = proxy.report()
    document = [each for each in stored if options.fidelity in (None, each["fidelity"])]
    if stored and not document:
        known = ", ".join(sorted({each["fidelity"] for each in stored}))
        raise InputError(f"--fidelity {options.fidelity}: no such training is stored; there are {known}")
    return Answer(document, lambda: proxy.report_text(document))


def _prune(options: argparse.Namespace) -> Answer:
    from codesign import proxy
    from cost_models.errors import InputError

    conditions = options.fidelity is not None or options.older_than is not None or options.weights_only
    if not conditions and not options.all:
        raise InputError(
            "codesign proxies prune: needs a condition (--fidelity, --older-than or --weights-only), or --all"
        )
    removed = proxy.prune(None, options.fidelity, options.older_than, options.weights_only)
    what = "weights of {} trainings" if options.weights_only else "{} trainings"
    return Answer({"removed": removed}, lambda: f"{what.format(removed)} removed")


def _compare(keys: list[str]) -> Answer:
    from codesign import proxy
    from cost_models.errors import InputError

    if len(keys) != 2:
        raise InputError(f"codesign proxies compare: needs two keys, got {len(keys)}; see `codesign proxies`")
    first, second = (proxy.find(key) for key in keys)
    document = proxy.compare(first, second)
    error = f"standard error {document['standard_error']:.4f}"
    parts = (
        f"{document['evaluation_error']:.4f} by the held-out text, {document['seed_error']:.4f} by the seed"
    )
    verdict = "a tie" if document["tie"] else "more than noise"
    sense = "better" if document["difference"] < 0 else "worse"
    return Answer(
        document,
        lambda: (
            f"{_named(second)} is {abs(document['difference']):.4f} bits per byte {sense} than {_named(first)}\n"
            f"{error} ({parts}): {verdict} (the bound is two standard errors)"
        ),
    )


def _named(quality: "Quality") -> str:
    details = quality.details
    return f"{quality.key[:12]} ({details['model']}, share {details['engram_share']:.2f}, seed {details['seed']})"


def _plot(fidelity: str | None, out: Path) -> Answer:
    from codesign import cache, proxy
    from cost_models.errors import InputError
    from dashboard.figures.trainings import page

    found = sorted(proxy.Store().all(), key=lambda quality: quality.bits_per_byte)
    found = [quality for quality in found if fidelity in (None, quality.fidelity)]
    if not found:
        raise InputError("codesign proxies plot: no such training is stored; see `codesign proxies`")
    text = page(found, "light")
    try:
        cache.write_atomically(out, lambda path: path.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written: {error.strerror}") from None
    return Answer({"out": str(out), "trainings": len(found)}, lambda: f"{out}: {len(found)} trainings")


def _noise(options: argparse.Namespace) -> Answer:
    from dataclasses import asdict

    import search_spaces
    from codesign import proxy
    from codesign.proxy import fidelity as fidelities
    from codesign.proxy.rank_study import draw
    from codesign.search.executors import beside
    from cost_models.errors import InputError

    if options.seeds < 2:
        raise InputError(
            "codesign proxies noise: --seeds must be at least 2: noise is what differs between them"
        )
    space = search_spaces.load(options.space)
    if space.quality is None and options.fidelity is None:
        raise InputError(
            f"codesign proxies noise: the space {options.space} trains nothing; name a fidelity with --fidelity"
        )
    named = options.fidelity or beside(space, space.quality.fidelity)  # type: ignore[union-attr]
    recipe = fidelities.load(named)
    models = [model for _, model in draw(space, _MODELS, 0, recipe)]
    total = _MODELS * options.seeds
    print(
        f"{recipe.name}: {total} trainings of {recipe.tokens:,} tokens, those in the store for nothing",
        file=sys.stderr,
    )
    noise = proxy.calibrate(models, recipe, options.seeds, options.text)
    return Answer(
        asdict(noise),
        lambda: (
            f"{noise.fidelity}, {noise.seeds} seeds, in bits per byte:\n"
            f"  one model over seeds       {noise.alone:.4f}\n"
            f"  difference of two models   {noise.difference:.4f}  (the same seed for both removes "
            f"{noise.reduction:.0%} of its variance)\n"
            f"  standard error of a model  {noise.standard_error:.4f}  (later results of this recipe and text carry it)"
        ),
    )
