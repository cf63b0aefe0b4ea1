"""Predicted times of measured rows: the same formulas that latency uses, class by class."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from cost_models import rooflines, routing
from cost_models.catalogue import load_catalogue
from cost_models.design import System
from cost_models.fitting.measured import Floats, Rows
from cost_models.fitting.solver import Fit, Values, fit
from cost_models.parts import Accelerator

Predict = Callable[[Rows, Values], Floats]
_ONE_GROUP = 8.0  # the measured all-reduces stay inside one scale-up group


@lru_cache(maxsize=16)
def accelerator(part: str) -> Accelerator:
    """Peaks and bandwidths of a measured part, as the catalogue has them."""
    return load_catalogue().parts(System(accelerator=part)).accelerator


def gemm(part: str, compute: str = "bf16", _: float = 2.0) -> Predict:
    """Times of matrix products of a compute type; the bytes of a row are those of its type already."""
    machine = accelerator(part)
    return lambda rows, c: (
        rooflines.gemm(
            rows.numbers["flops"] / machine.peak_flops[compute],
            rows.numbers["bytes"] / machine.memory_bandwidth,
            rows.numbers["k"],
            dict(c),
        ).time_s
    )


def prefill_attention(part: str) -> Predict:
    """Times of causal attention in one chunk."""
    machine = accelerator(part)
    return lambda rows, c: (
        rooflines.prefill_attention(
            rows.numbers["flops"] / machine.peak_flops["bf16"],
            rows.numbers["bytes"] / machine.memory_bandwidth,
            rows.numbers["isl"],
            np.ones(len(rows)),
            dict(c),
        ).time_s
    )


def decode_attention(part: str) -> Predict:
    """Times of attention over the cache."""
    machine = accelerator(part)
    return lambda rows, c: (
        rooflines.decode_attention(
            rows.numbers["flops"] / machine.peak_flops["bf16"],
            rows.numbers["bytes"] / machine.memory_bandwidth,
            rows.numbers["batch"] * rows.numbers["kv_heads"],
            dict(c),
        ).time_s
    )


def experts(part: str, compute: str = "bf16", value_bytes: float = 2.0) -> Predict:
    """Times of mixture-of-experts blocks, routed by the power law of their row (alpha 0: evenly)."""
    machine = accelerator(part)

    def predict(rows: Rows, c: Values) -> Floats:
        n = rows.numbers
        alphas, cut = np.nan_to_num(n["alpha"]), np.nan_to_num(n["tp"], nan=1.0)
        loads = [
            routing.busiest_rank(int(e), int(k), np.array([ranks]), np.array([m]), float(alpha))
            for e, k, ranks, m, alpha in zip(n["experts"], n["topk"], n["ep"], n["m"], alphas, strict=True)
        ]
        awake, computed, tiled = (
            np.array([getattr(load, name)[0] for load in loads]) for name in ("experts", "rows", "tiled_rows")
        )
        weights = 3 * n["hidden"] * n["inter"] / cut
        return rooflines.experts(
            tiled * 2 * weights / machine.peak_flops[compute],
            awake * value_bytes * weights / machine.memory_bandwidth,
            (c["bytes_per_row_value"] * computed + c["bytes_per_choice_value"] * n["m"] * n["topk"])
            * n["hidden"]
            / machine.memory_bandwidth,
            dict(c),
        ).time_s

    return predict


def all_reduce(part: str) -> Predict:
    """Times of all-reduces inside one scale-up group."""
    link = accelerator(part).scale_up_bandwidth
    return lambda rows, c: (
        rooflines.all_reduce(
            rows.numbers["bytes"], rows.numbers["num_gpus"], link, _ONE_GROUP, 1.0, dict(c)
        ).time_s
    )


def elementwise(part: str) -> Predict:
    """Times of passes over activations."""
    bandwidth = accelerator(part).memory_bandwidth
    return lambda rows, c: rooflines.elementwise(rows.numbers["bytes"] / bandwidth, dict(c)).time_s


def fitted(predict: Predict, rows: Rows, start: Values, fixed: Values | None = None) -> Fit:
    """Fit the constants in `start` on rows."""
    return fit(lambda values: predict(rows, values), rows.seconds, start, fixed)
