"""Do proxies show what is known of Engram tables? Sweeps around one model, written beside the published
points.

    python -m codesign.proxy.truths --fidelity short --seeds 2      trains what is not stored, writes
    docs/proxies.md

Each sweep changes one thing of the same model and reports the difference of bits per byte to the sweep's
first line, seed by seed (common random numbers), with its standard error.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import search_spaces
from codesign import cache
from codesign import corpus as corpora
from codesign.proxy import rank_study
from codesign.proxy.fidelity import Fidelity, load
from codesign.proxy.measurement import measure
from codesign.proxy.prior import allocation, placement
from codesign.proxy.store import Store
from cost_models.design import Model
from cost_models.errors import InputError

MARK = "<!-- below: written by python -m codesign.proxy.truths -->"
PAGE = Path("docs/proxies.md")


@dataclass(frozen=True)
class Sweep:
    """One question: its models, the first being what the others are compared with, and what is published."""

    title: str
    models: tuple[tuple[str, Model], ...]
    published: str


def sweeps() -> list[Sweep]:
    """Share, size, layer, order and parts of the module, around Engram-27B's budget."""
    space = search_spaces.load("engram-27b")
    usual = {
        "model.engram_share": 0.24, "model.engram_layers": "1,14", "model.engram_max_order": 3,
        "model.engram_heads": 8, "model.engram_head_dim": 80, "model.tables_dtype": "bf16",
    }  # fmt: skip

    def model(**changes: object) -> Model:
        return space.model({**usual, **{f"model.{name}": value for name, value in changes.items()}})

    base = model()
    assert base.engram is not None
    engram = base.engram

    def parts(**changes: object) -> Model:
        return replace(base, engram=replace(engram, **changes))  # type: ignore[arg-type]

    shares = (0.0, 0.1, 0.24, 0.4, 0.6)
    sizes = (1 / 8, 1 / 4, 1 / 2, 1, 2, 4)
    layers = ("1,14", "0", "1", "8", "14", "22")
    law = ", ".join(f"{share}: {100 * (np.exp(allocation(share)) - 1):+.2f} %" for share in shares)
    kept = ", ".join(f"{ids}: {placement(tuple(map(int, ids.split(','))), 30):.2f}" for ids in layers)
    return [
        Sweep(
            "Share of the sparse parameters in tables, at equal parameters and FLOPs",
            tuple((f"share {share}", model(engram_share=share)) for share in shares),
            f"arXiv 2601.07372, loss against share 0: {law}; best between 0.20 and 0.25",
        ),
        Sweep(
            "Rows of the tables on a fixed backbone",
            tuple((f"rows x {size:g}", parts(vocab_size=round(engram.vocab_size * size))) for size in sizes),
            "arXiv 2601.07372: loss falls log-linearly in the rows; the slope is not published as a number",
        ),
        Sweep(
            "Layers with tables, of 30, counted from 0",
            tuple((f"layers {ids}", model(engram_layers=ids)) for ids in layers),
            f"arXiv 2601.07372, part of the gain that is kept (depths between are estimates): {kept}",
        ),
        Sweep(
            "Largest order of N-grams, at equal parameters",
            tuple((f"order {order}", model(engram_max_order=order)) for order in (3, 2, 4)),
            "arXiv 2601.07372: 2 and 3 together are best at 1.6B of tables, 4 hurts slightly",
        ),
        Sweep(
            "Parts of the module",
            (
                ("as published", base),
                ("no gate", parts(gated=False)),
                ("no convolution", parts(kernel_size=0)),
                ("blocked hash layout", parts(hash_layout="blocked")),
            ),
            "arXiv 2601.07372: the gate helps; DeepSeek-V4.1 drops the convolution. The blocked layout is ours",
        ),
    ]


def rank_agreement(rows: list[dict[str, str]]) -> str:
    """The rank study as Markdown; rows: of `rank_study.read`."""
    said = rank_study.summary(rows, ["short", "long"]).replace("\n", "\n- ")
    return (
        "## Ranks against length\nModels drawn at random from `engram-27b`, each trained at `short` and at `long`, "
        "eight times the tokens, one seed (`codesign/proxy/rank_study.csv`; `python -m codesign.proxy.rank_study "
        f"--show` computes the figures again):\n\n- {said}\n\n"
    )


Measured = Callable[[Model, int], float]


def page(found: list[Sweep], measured: Measured, recipe: Fidelity, seeds: int, corpus: str) -> str:
    """The sweeps as Markdown; `measured(model, seed)` gives bits per byte."""
    tables = [
        np.array([[measured(model, seed) for seed in range(seeds)] for _, model in sweep.models])
        for sweep in found
    ]
    error = _error(tables, recipe)
    lines = [
        f"## Measured at fidelity `{recipe.name}`",
        f"{recipe.tokens:,} tokens of {corpus} a training, {seeds} seed{'s' if seeds > 1 else ''}. Differences are "
        "to the first line of each table; negative is better. The standard error of every difference is "
        + f"{error:.4f}, "
        + ("from the spread over seeds of all of them." if seeds > 1 else "the recipe's own noise."),
    ]
    for sweep, losses in zip(found, tables, strict=True):
        lines += [f"\n### {sweep.title}", "| | bits per byte | difference |", "|---|---|---|"]
        for (name, _), row in zip(sweep.models, losses, strict=True):
            change = row - losses[0]
            said = f"{change.mean():+.4f}" if change.any() else ""
            lines.append(f"| {name} | {row.mean():.4f} | {said} |")
        lines.append(f"\nPublished: {sweep.published}.")
    return "\n".join(lines) + "\n"


def _error(tables: list[NDArray[np.float64]], recipe: Fidelity) -> float:
    """Standard error of a difference, pooled over all distinct ones: two seeds alone say little of each.

    tables: (models, seeds) bits per byte each, the first model being what the others are compared with.
    """
    seeds = tables[0].shape[1]
    if seeds < 2:
        return float(recipe.noise * 2**0.5)
    changes = np.unique(np.concatenate([table[1:] - table[0] for table in tables]), axis=0)
    return float(np.sqrt(changes.var(axis=1, ddof=1).mean() / seeds))


def main() -> None:
    """Train what is missing and replace the measured part of the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fidelity", default="short")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--text", help="own text instead of the bundled one")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--out", type=Path, default=PAGE, help=f"the page, which holds the line {MARK}")
    options = parser.parse_args()
    store = Store(options.store)

    def measured(model: Model, seed: int) -> float:
        quality = measure(model, options.fidelity, seed, options.text, store)
        print(f"{quality.key[:12]} {quality.bits_per_byte:.4f} {quality.reason}", file=sys.stderr)
        return quality.bits_per_byte

    try:
        before, mark, _ = options.out.read_text(encoding="utf-8").partition(MARK)
        if not mark:
            raise InputError(f"{options.out}: must hold the line {MARK}")
        corpus = corpora.describe(options.text)
        ranks = rank_agreement(rank_study.read(rank_study.TABLE))
        text = ranks + page(sweeps(), measured, load(options.fidelity), options.seeds, corpus)
    except FileNotFoundError:
        sys.exit(f"{options.out}: no such page; run this in the project's folder or give --out")
    except InputError as error:
        sys.exit(str(error))
    cache.write_atomically(options.out, lambda path: _write(path, f"{before}{MARK}\n{text}"))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
