"""The trained proxy of a design, for the export: its weights from the store, or trained once more.

A training is a function of its recipe, seed and text, so a second one gives the weights that the first one had.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codesign.errors import ExportError
from codesign.export.runnable import FOLDER, shape_text
from codesign.export.runnable.shapes import proxy
from cost_models.design import Model

MODES = ("auto", "train", "none")
_KEY = re.compile("[0-9a-f]{32}")  # a study is a file of somebody's: its keys name nothing outside the store
_SHORT_S = 60.0  # recorded trainings up to this long are simply repeated


@dataclass(frozen=True)
class Training:
    """What determines the proxy of a design: recipe (a name or file), seed and text; `key` in the store."""

    fidelity: str = "demo"
    seed: int = 0
    corpus: str | None = None
    key: str = ""


@dataclass(frozen=True)
class Trained:
    """texts: file name -> text; files: file name -> where it is copied from; reason: why there are none."""

    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    reason: str = ""


def trained(model: Model, training: Training | None, mode: str, store: Any = None) -> Trained:
    """The files of the trained proxy. mode: "auto" takes stored weights and repeats a training of at most a
    minute; "train" trains whatever it takes; "none". Raises ExportError, InputError.
    """
    if mode not in MODES:
        raise ExportError(f"--weights must be one of {', '.join(MODES)}, got {mode!r}")
    if mode == "none" or (training is None and mode == "auto"):
        return Trained(reason="no proxy was asked for; `--weights train` adds one")
    from codesign.proxy import Store, measure

    training, results = training or Training(), store or Store()
    known = results.get(training.key) if _KEY.fullmatch(training.key) else None
    if mode == "auto":
        if known is None:
            return Trained(reason="its training is not in this machine's store; `--weights train` repeats it")
        if not results.weights(known.key).exists() and known.seconds > _SHORT_S:
            return Trained(
                reason=f"its weights were not kept; `--weights train` repeats the {known.seconds:.0f} s of training"
            )
    if known is None or not results.weights(known.key).exists():
        known = measure(model, training.fidelity, training.seed, training.corpus, results, keep_weights=True)
    if known.reason:
        return Trained(reason=f"its training was stopped: {known.reason}")
    return _files(known, results)


def _files(quality: Any, store: Any) -> Trained:
    from tokenizers import Tokenizer

    from codesign.proxy.generation import config_of
    from codesign.tokenizer import canonical_ids

    tokenizer, weights = store.tokenizer(quality.key), store.weights(quality.key)
    if not is_safetensors(weights):
        raise ExportError(
            f"{weights}: is no safetensors file; remove it, and export again with --weights train"
        )
    canonical, count = canonical_ids(Tokenizer.from_file(str(tokenizer)))
    shape = proxy(config_of(quality.details["config"]), canonical, count, int(quality.details["sequence"]))
    texts = {
        f"{FOLDER}/proxy.json": shape_text(shape),
        f"{FOLDER}/tokenizer.json": tokenizer.read_text(encoding="utf-8"),
    }
    return Trained(texts, {f"{FOLDER}/weights.safetensors": weights})


def is_safetensors(path: Path) -> bool:
    """Whether a file has the header of safetensors; pickles, whose loading runs code, have not."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return bool(file.keys())
    except (SafetensorError, OSError):
        return False
