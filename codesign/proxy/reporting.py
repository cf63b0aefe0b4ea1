"""What the stored trainings say: a list, comparisons with their error, the noise, and tidying up."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from codesign import corpus as corpora
from codesign.errors import TrainingError
from codesign.proxy import noise as noises
from codesign.proxy.fidelity import Fidelity, load
from codesign.proxy.measurement import measure
from codesign.proxy.noise import Noise
from codesign.proxy.quality import Quality
from codesign.proxy.store import Store
from codesign.proxy.training import Progress
from cost_models.design import Model
from cost_models.errors import InputError

_COLUMNS = (
    "key",
    "model",
    "fidelity",
    "tokens",
    "seed",
    "engram_share",
    "bits_per_byte",
    "standard_error",
    "seconds",
)


def report(store: Store | None = None) -> list[dict[str, Any]]:
    """One record a stored training, best first within each fidelity."""
    results = store or Store()
    found = sorted(results.all(), key=lambda quality: (quality.fidelity, quality.bits_per_byte))
    return [_record(quality, results) for quality in found]


def _record(quality: Quality, store: Store) -> dict[str, Any]:
    details = quality.details
    return {
        "key": quality.key,
        "model": details.get("model"),
        "fidelity": quality.fidelity,
        "seed": details.get("seed"),
        "corpus": details.get("corpus"),
        "engram_share": details.get("engram_share"),
        "parameters": details.get("parameters"),
        "bits_per_byte": quality.bits_per_byte,
        "standard_error": quality.standard_error,
        "tokens": quality.tokens,
        "seconds": quality.seconds,
        "stopped": quality.reason or None,
        "weights": store.weights(quality.key).exists(),
    }


def report_text(records: list[dict[str, Any]]) -> str:
    """The records of `report` as a table for people."""
    if not records:
        return "no trainings are stored yet; `codesign search` makes them"
    rows = [_COLUMNS] + [tuple(_cell(name, record[name]) for name in _COLUMNS) for record in records]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    stopped = [
        f"{record['key'][:12]}: stopped, {record['stopped']}" for record in records if record["stopped"]
    ]
    return "\n".join(lines + stopped)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name == "key":
        return str(value)[:12]
    if isinstance(value, float):
        return f"{value:.1f}" if name == "seconds" else f"{value:.4f}"
    return str(value)


def find(prefix: str, store: Store | None = None) -> Quality:
    """The one stored result whose key begins with `prefix`. Raises InputError for none or several."""
    results = store or Store()
    found = [path.stem for path in sorted(results.path.glob("*.json")) if path.stem.startswith(prefix)]
    if len(found) > 1:
        raise InputError(
            f"{prefix}: {len(found)} stored trainings have keys that begin so; give more of the key"
        )
    quality = results.get(found[0]) if found else None
    if quality is None:
        raise InputError(f"{prefix}: no stored training has a key that begins so; see `codesign proxies`")
    return quality


def compare(first: Quality, second: Quality) -> dict[str, Any]:
    """How much better `second` is than `first`, in bits per byte; negative: `second` is better.

    evaluation_error: standard error of the mean difference over the held-out windows, paired window by window
    (what other held-out text would change). seed_error: what another seed would change, from the results'
    own standard errors. tie: the difference is within two standard errors of both together.
    Raises InputError where the two were not trained alike or not measured on the same windows.
    """
    if first.fidelity == second.fidelity and first.tokens != second.tokens:
        raise InputError(
            f"{first.key[:12]} and {second.key[:12]} were trained by different recipes of the name {first.fidelity} "
            f"({first.tokens:,} and {second.tokens:,} tokens); compare results of one recipe"
        )
    if len(first.block_bits) != len(second.block_bits) or first.fidelity != second.fidelity:
        raise InputError(
            f"{first.key[:12]} ({first.fidelity}) and {second.key[:12]} ({second.fidelity}) were measured on "
            "different held-out windows; compare results of one fidelity and one text"
        )
    blocks = np.array(second.block_bits) - np.array(first.block_bits)
    difference = second.bits_per_byte - first.bits_per_byte
    evaluation = float(blocks.std(ddof=1) / len(blocks) ** 0.5) if len(blocks) > 1 else 0.0
    seed = float(np.hypot(first.standard_error, second.standard_error))
    error = float(np.hypot(evaluation, seed))
    return {
        "first": first.key,
        "second": second.key,
        "difference": difference,
        "evaluation_error": evaluation,
        "seed_error": seed,
        "standard_error": error,
        "tie": abs(difference) <= 2 * error,
    }


def calibrate(
    models: list[Model],
    fidelity: str | Path | Fidelity,
    seeds: int = 4,
    corpus: corpora.Spec = None,
    store: Store | None = None,
    progress: Progress | None = None,
) -> Noise:
    """Measure the noise of a fidelity on these models (two or more) and keep it for later results.

    Raises TrainingError where a training is stopped early: its loss is a penalty, the same for every seed.
    """
    results, recipe = store or Store(), load(fidelity)
    found = [[measure(m, recipe, seed, corpus, results, progress) for seed in range(seeds)] for m in models]
    stopped = [quality.reason for row in found for quality in row if quality.reason]
    if stopped:
        raise TrainingError(f"the noise of {recipe.name} cannot be measured: {stopped[0]}; train longer")
    values = np.array([[quality.bits_per_byte for quality in row] for row in found])
    noise = noises.from_values(values, recipe.name, corpora.describe(corpus))
    noises.keep(results, recipe, corpus, noise)
    return noise


def prune(
    store: Store | None = None,
    fidelity: str | None = None,
    older_than_days: float | None = None,
    weights_only: bool = False,
) -> int:
    """Remove stored trainings that meet every condition given; returns how many. Never removes calibrations.

    weights_only: keep the results, remove their weights.
    """
    results, now, removed = store or Store(), time.time(), 0
    for quality in results.all():
        path = results.path / f"{quality.key}.json"
        if fidelity is not None and quality.fidelity != fidelity:
            continue
        if older_than_days is not None and now - path.stat().st_mtime < older_than_days * 86400:
            continue
        if weights_only and not results.weights(quality.key).exists():
            continue
        if weights_only:
            results.weights(quality.key).unlink(missing_ok=True)
        else:
            results.remove(quality.key)
        removed += 1
    return removed
