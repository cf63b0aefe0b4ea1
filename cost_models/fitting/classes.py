"""Predicted times of measured rows: the same formulas that latency uses, class by class."""

from collections.abc import Callable

import numpy as np

from cost_models import rooflines, routing
from cost_models.fitting.measured import Floats, Rows
from cost_models.fitting.solver import Fit, Values, fit

Predict = Callable[[Rows, Values], Floats]

# Dense peaks and bandwidths of the parts that were measured (catalogue/accelerators.yaml has their sources).
PEAK = {"h100-sxm": 989e12, "h200-sxm": 989e12, "b200-sxm": 2250e12, "a100-80-sxm": 312e12}
PEAK_FP8 = {"h100-sxm": 1978e12, "h200-sxm": 1978e12, "b200-sxm": 4500e12}
BANDWIDTH = {"h100-sxm": 3.35e12, "h200-sxm": 4.8e12, "b200-sxm": 7.7e12, "a100-80-sxm": 2.039e12}
LINK = {"h100-sxm": 450e9, "h200-sxm": 450e9, "b200-sxm": 900e9}


def gemm(part: str, peaks: dict[str, float] = PEAK) -> Predict:
    """Times of matrix products."""
    return lambda rows, c: (
        rooflines.gemm(
            rows.numbers["flops"] / peaks[part], rows.numbers["bytes"] / BANDWIDTH[part], dict(c)
        ).time_s
    )


def gemm_one_share(part: str, peaks: dict[str, float] = PEAK) -> Predict:
    """Times of matrix products without a power limit."""
    inner = gemm(part, peaks)
    return lambda rows, c: inner(rows, one_share(c))


def one_share(c: Values) -> Values:
    """Constants of a matrix product whose share of peak is the same at every length."""
    return {**c, "sustained": c["compute"], "long_s": 1.0}


def prefill_attention(part: str) -> Predict:
    """Times of causal attention in one chunk."""
    return lambda rows, c: (
        rooflines.prefill_attention(
            rows.numbers["flops"] / PEAK[part],
            rows.numbers["bytes"] / BANDWIDTH[part],
            np.ones(len(rows)),
            dict(c),
        ).time_s
    )


def decode_attention(part: str) -> Predict:
    """Times of attention over the cache."""
    return lambda rows, c: (
        rooflines.decode_attention(
            rows.numbers["flops"] / PEAK[part],
            rows.numbers["bytes"] / BANDWIDTH[part],
            rows.numbers["batch"] * rows.numbers["kv_heads"],
            dict(c),
        ).time_s
    )


def experts(part: str, peaks: dict[str, float] = PEAK, value_bytes: float = 2.0) -> Predict:
    """Times of mixture-of-experts blocks, routed by the power law of their row (alpha 0: evenly)."""

    def predict(rows: Rows, c: Values) -> Floats:
        n = rows.numbers
        alphas, cut = n.get("alpha", np.zeros(len(rows))), n.get("tp", np.ones(len(rows)))
        loads = [
            routing.busiest_rank(int(e), int(k), np.array([ranks]), np.array([m]), float(alpha))
            for e, k, ranks, m, alpha in zip(n["experts"], n["topk"], n["ep"], n["m"], alphas, strict=True)
        ]
        awake, computed, tiled = (
            np.array([getattr(load, name)[0] for load in loads]) for name in ("experts", "rows", "tiled_rows")
        )
        weights = 3 * n["hidden"] * n["inter"] / np.nan_to_num(cut, nan=1.0)
        return rooflines.experts(
            tiled * 2 * weights / peaks[part],
            awake * value_bytes * weights / BANDWIDTH[part],
            (c["bytes_per_row_value"] * computed + c["bytes_per_choice_value"] * n["m"] * n["topk"])
            * n["hidden"]
            / BANDWIDTH[part],
            dict(c),
        ).time_s

    return predict


def all_reduce(part: str) -> Predict:
    """Times of all-reduces inside one scale-up group."""
    return lambda rows, c: (
        rooflines.all_reduce(
            rows.numbers["bytes"], rows.numbers["num_gpus"], LINK[part], 8.0, 1.0, dict(c)
        ).time_s
    )


def elementwise(part: str) -> Predict:
    """Times of passes over activations."""
    return lambda rows, c: rooflines.elementwise(rows.numbers["bytes"] / BANDWIDTH[part], dict(c)).time_s


def fitted(predict: Predict, rows: Rows, start: Values, fixed: Values | None = None) -> Fit:
    """Fit the constants in `start` on rows."""
    return fit(lambda values: predict(rows, values), rows.seconds, start, fixed)
