"""SnapKV: fewer prompt positions in the KV cache; what selecting them takes and what quality it costs.

At the end of the prompt each head keeps the `kv_budget` positions that its last `kv_window` queries attended to
most (arXiv 2404.14469); later tokens are kept in full. memory.py and latency.py read the budget: smaller
caches, shorter decode attention. Here are
- the time of the selection: scores of the last queries over the whole prompt, once per layer;
- the quality: the published LongBench scores, as a function of the share of the prompt that is kept; a pooling
  narrower than the published one loses more by what a copying proxy measured, a wider one gains nothing (the
  paper's table 2 finds no better width), and the window has no effect there either.
Heads that share keys select together, so grouped-query attention keeps its saving (the released code repeats the
keys first). Layers with a sliding window keep less anyway and are left alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cost_models import constants, yamlfile
from cost_models.architecture import layer_groups
from cost_models.design import Model, Name, Number, Serving
from cost_models.operators import context_bytes_per_token
from cost_models.parts import Parts

_FILES = Path(__file__).parent
_SCORE_BYTES = 4.0  # softmax in fp32
_SCORE_PASSES = 3.0  # scores are written, turned into shares, and summed and pooled
_KERNELS = 5  # product, softmax, pooling, choice, gather


@dataclass(frozen=True)
class Compression:
    """What a budget does; scalars or (designs,).

    kept_share: part of the prompt's positions that stay. selection_s: added to a prompt.
    retained_score: part of the long-context score that stays, of all published models together; score_spread: its
    standard deviation over these models. bits_factor: what the loss in bits per byte is multiplied by.
    """

    kept_share: Number
    selection_s: Number
    retained_score: Number
    score_spread: Number
    bits_factor: Number


_WHOLE = Compression(1.0, 0.0, 1.0, 0.0, 1.0)


def compress(model: Model, serving: Serving, parts: Parts) -> Compression:
    """The effect of `serving.kv_budget`; without one, or for a shorter prompt, everything stays as it is."""
    if not np.any(serving.kv_budget):
        return Compression(1.0, 0.0, 1.0, 0.0, 1.0)
    if isinstance(serving.kv_budget, int) and serving.kv_budget == 0:
        return _WHOLE
    share = kept_share(serving)
    whole, spread = retained_score(share)
    lost = np.minimum(1.0, (1.0 - whole) * pooling_factor(serving.kv_pooling))
    retained = (1.0 - lost)[()]
    factor = 1.0 + _figures().bits_per_score * (1.0 - retained)
    return Compression(share, selection_s(model, serving, parts), retained, spread, factor)


def kept_share(serving: Serving) -> Number:
    """Part of a prompt's positions that stay in the cache: 1 without a budget."""
    prompt, budget = serving.input_tokens, serving.kv_budget
    return np.where(np.asarray(budget) > 0, np.minimum(budget, prompt) / prompt, 1.0)[()]


def retained_score(share: Number) -> tuple[Number, Number]:
    """Part of the LongBench score that stays where so much of the prompt is kept, and its spread over models.

    Linear in the logarithm of the share between the published budgets and up to 1 at the whole prompt; below the
    smallest one it goes on as between the last two, down to 0.
    """
    known = _figures()
    place = np.log2(np.maximum(share, 1e-9))

    def at(levels: NDArray[np.float64]) -> Number:
        slope = (levels[1] - levels[0]) / (known.places[1] - known.places[0])
        below = levels[0] + slope * np.minimum(place - known.places[0], 0.0)
        return np.where(place < known.places[0], below, np.interp(place, known.places, levels))[()]

    return np.clip(at(known.means), 0.0, 1.0)[()], at(known.spreads)


def pooling_factor(pooling: Number) -> Number:
    """How much more of the score is lost with another pooling than with the published one; 1 or more."""
    known = _figures()
    return np.interp(np.log2(pooling), known.widths, known.factors)[()]


def selection_s(model: Model, serving: Serving, parts: Parts) -> Number:
    """Seconds that choosing positions adds to one prompt (to the batch of them for phase "prefill").

    Per layer, 2 x window x prompt x width FLOPs for all heads of a rank, their keys read once, scores moved
    three times, and the chosen keys and values copied.
    """
    a, prompt = model.attention, serving.input_tokens
    layers = sum(len(group.layers) for group in layer_groups(model) if not group.window)
    selects = (np.asarray(serving.kv_budget) > 0) & (np.asarray(prompt) > np.asarray(serving.kv_budget))
    batch = (
        np.maximum(serving.concurrency / serving.data_parallel, 1.0) if serving.phase == "prefill" else 1.0
    )
    width = a.kv_lora_rank + a.qk_rope_head_dim if a.kind == "mla" else a.head_dim
    heads = a.heads / serving.tensor_parallel
    copies = 1.0 if a.kind == "mla" else np.minimum(serving.tensor_parallel, a.kv_heads)
    scores = batch * heads * serving.kv_window * prompt
    cached = batch * context_bytes_per_token(model) / copies
    moved = scores * _SCORE_BYTES * _SCORE_PASSES + 0.5 * cached * prompt + 2.0 * cached * serving.kv_budget
    accelerator, fitted = parts.accelerator, _fitted(parts.accelerator.name)
    compute = 2.0 * scores * width / (accelerator.peak_flops["bf16"] * fitted("prefill_attention", "compute"))
    memory = moved / (accelerator.memory_bandwidth * fitted("elementwise", "memory"))
    each = compute + memory + _KERNELS * fitted("elementwise", "overhead_s")
    # pipeline stages follow each other, so a prompt passes through all layers
    return np.where(selects, layers * each, 0.0)[()]


def source() -> str:
    """Where the quality comes from, for people."""
    return _figures().source


_PUBLISHED_POOLING = 7


@dataclass(frozen=True)
class _Figures:
    """places: log2 of the share kept, ascending to 0; means, spreads: of the score that stays there.

    widths: log2 of the pooling, ascending; factors: of the score that is lost.
    """

    places: NDArray[np.float64]
    means: NDArray[np.float64]
    spreads: NDArray[np.float64]
    widths: NDArray[np.float64]
    factors: NDArray[np.float64]
    bits_per_score: float
    source: str


@lru_cache(maxsize=1)
def _figures() -> _Figures:
    data: dict[str, Any] = yamlfile.read(_FILES / "snapkv.yaml").data
    widths, factors = _pooling(yamlfile.read(_FILES / "snapkv_measured.yaml").data["rows"])
    rows = list(data["scores"].values())
    budgets = sorted(key for key in rows[0] if key != "full")
    shares = np.array([[row[budget] / row["full"] for budget in budgets] for row in rows])
    places = np.log2(np.array(budgets, dtype=float) / data["prompt_tokens"]["value"])
    return _Figures(
        np.append(places, 0.0),
        np.append(shares.mean(axis=0), 1.0),
        np.append(shares.std(axis=0, ddof=1), 0.0),
        widths,
        factors,
        float(data["bits_per_score"]["value"]),
        str(data["source"]),
    )


def _pooling(rows: list[dict[str, Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean over budgets and windows of the bits lost over those at the published pooling, at most as good as it."""
    lost: dict[int, list[float]] = {}
    for row in rows:
        lost.setdefault(row["pooling"], []).append(row["extra_bits"])
    widths = sorted(width for width in lost if width <= _PUBLISHED_POOLING)
    found = [np.mean(lost[width]) / np.mean(lost[_PUBLISHED_POOLING]) for width in widths]
    return np.log2(np.array(widths, dtype=float)), np.maximum(1.0, np.array(found))


def _fitted(accelerator: Name) -> Callable[[str, str], Number]:
    """Fitted constants by operator class and name, of one accelerator or of (designs,)."""
    if np.ndim(accelerator) == 0:
        one = constants.of(constants.key(str(accelerator)))
        return lambda kind, name: one[kind][name]
    names, places = np.unique(accelerator, return_inverse=True)
    each = [constants.of(constants.key(str(name))) for name in names]
    return lambda kind, name: np.array([values[kind][name] for values in each])[places]
