"""`codesign proxies`: the trainings that are stored and reused."""

import argparse
from pathlib import Path

from codesign.verbs.answer import Answer
from codesign.verbs.options import positive

SUMMARY = "the proxy trainings that are stored, and how well they can be trusted"
EXAMPLE = """
codesign proxies                                   # list
codesign proxies compare 764dd39d ea92efb4         # is the difference more than noise?
codesign proxies noise --space demo --seeds 4      # measure the noise of a space's fidelity
codesign proxies plot --out trainings.html         # learning curves, and loss against the Engram share
codesign proxies prune --fidelity demo --older-than 30
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The action, and what it needs."""
    parser.add_argument(
        "action", nargs="?", default="list", choices=("list", "compare", "noise", "plot", "prune")
    )
    parser.add_argument("keys", metavar="KEY", nargs="*", help="compare: two stored trainings, by their keys")
    parser.add_argument(
        "--space", default="demo", help="noise: the space whose models and fidelity are taken"
    )
    parser.add_argument("--seeds", type=positive, default=4, help="noise: trainings of each of two models")
    parser.add_argument("--text", metavar="PATH", help="noise: own text instead of the bundled one")
    parser.add_argument("--fidelity", metavar="NAME", help="plot, prune: only trainings of this fidelity")
    parser.add_argument("--out", metavar="FILE", default="trainings.html", help="plot: the page to write")
    parser.add_argument("--older-than", metavar="DAYS", type=float, help="prune: only older trainings")
    parser.add_argument("--weights-only", action="store_true", help="prune: keep results, remove weights")


def run(options: argparse.Namespace) -> Answer:
    """List, compare, calibrate or remove."""
    from codesign import proxy

    if options.action == "compare":
        return _compare(options.keys)
    if options.action == "noise":
        return _noise(options)
    if options.action == "plot":
        return _plot(options.fidelity, Path(options.out))
    if options.action == "prune":
        removed = proxy.prune(None, options.fidelity, options.older_than, options.weights_only)
        return Answer({"removed": removed}, lambda: f"{removed} trainings removed")
    document = proxy.report()
    return Answer(document, lambda: proxy.report_text(document))


def _compare(keys: list[str]) -> Answer:
    from codesign import proxy
    from cost_models.errors import InputError

    if len(keys) != 2:
        raise InputError(f"codesign proxies compare: needs two keys, got {len(keys)}; see `codesign proxies`")
    first, second = (proxy.find(key) for key in keys)
    document = proxy.compare(first, second)
    said = f"{second.key[:12]} is {document['difference']:+.4f} +- {document['standard_error']:.4f} bits per byte"
    verdict = "a tie" if document["tie"] else "more than noise"
    return Answer(document, lambda: f"{said} against {first.key[:12]}: {verdict}")


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
    from codesign.proxy.rank_study import draw
    from cost_models.errors import InputError

    space = search_spaces.load(options.space)
    if space.quality is None:
        raise InputError(f"codesign proxies noise: the space {options.space} trains nothing")
    fidelity = space.quality.fidelity
    models = [model for _, model in draw(space, 2, 0, fidelity)]
    noise = proxy.calibrate(models, fidelity, options.seeds, options.text)
    return Answer(
        asdict(noise),
        lambda: (
            f"{noise.fidelity}, {noise.seeds} seeds: one model {noise.alone:.4f}, difference of two "
            f"{noise.difference:.4f} bits per byte (common random numbers remove {noise.reduction:.0%} of its "
            f"variance); later results get the standard error {noise.standard_error:.4f}"
        ),
    )
