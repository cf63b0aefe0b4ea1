"""How far two trainings of one fidelity differ by chance, measured and kept beside the results.

Models of one study are trained with the same seed: the same starting values where they share a tensor, the
same data in the same order, the same held-out windows. What then blurs a comparison is the spread over seeds
of the *difference* of two models, and this is what is calibrated.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from codesign import cache
from codesign import corpus as corpora
from codesign.proxy.fidelity import Fidelity, load
from codesign.proxy.store import Store, key_of
from cost_models.errors import InputError


@dataclass(frozen=True)
class Noise:
    """Spread over seeds of one fidelity on one corpus, in bits per byte.

    alone: standard deviation of one model. difference: of the difference of two models of one seed.
    standard_error: difference / sqrt(2), the error to give each model. reduction: part of the variance of a
    difference that common random numbers removed. values: (models, seeds).
    """

    fidelity: str
    corpus: str
    seeds: int
    alone: float
    difference: float
    standard_error: float
    reduction: float
    values: tuple[tuple[float, ...], ...]


def from_values(
    values: "np.ndarray[tuple[int, int], np.dtype[np.float64]]", fidelity: str, corpus: str
) -> Noise:
    """Noise from bits per byte of shape (models, seeds), at least two of each."""
    models, seeds = values.shape
    if models < 2 or seeds < 2:
        raise InputError(f"noise needs at least two models and two seeds, got {models} and {seeds}")
    alone = float(np.sqrt(values.var(axis=1, ddof=1).mean()))
    pairs = [values[a] - values[b] for a in range(models) for b in range(a)]
    difference = float(np.sqrt(np.mean([pair.var(ddof=1) for pair in pairs])))
    reduction = 1 - difference**2 / (2 * alone**2) if alone else 0.0
    table = tuple(tuple(map(float, row)) for row in values)
    return Noise(fidelity, corpus, seeds, alone, difference, difference / 2**0.5, reduction, table)


def keep(store: Store, recipe: Fidelity, corpus: corpora.Spec, noise: Noise) -> None:
    """Write a calibration, to be found by `find`."""
    text = json.dumps(asdict(noise))
    path = _file(store, recipe, corpus)
    cache.write_atomically(path, lambda temporary: _write(temporary, text))


def find(store: Store, fidelity: str | Path | Fidelity, corpus: corpora.Spec) -> Noise | None:
    """The calibration of a fidelity on a corpus in this store, or None."""
    try:
        data = json.loads(_file(store, load(fidelity), corpus).read_text(encoding="utf-8"))
        return Noise(**{**data, "values": tuple(tuple(row) for row in data["values"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _file(store: Store, recipe: Fidelity, corpus: corpora.Spec) -> Path:
    key = key_of({"recipe": recipe.determines(), "corpus": corpora.fingerprint(corpus)})
    return store.path / "noise" / f"{key}.json"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
