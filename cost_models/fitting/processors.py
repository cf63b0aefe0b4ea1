"""Fit what llama.cpp's kernels reach of one core: python -m cost_models.fitting.processors [--check]

Rows: data/processor_kernels.csv, measured by benchmarks/processor_kernels.py on one core of an AMD EPYC (Zen 5, of a
virtual machine), weights cold. Nothing but operators is fitted, with two exceptions that are marked in the file.
"""

import argparse
import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cost_models import processors, rooflines
from cost_models.fitting.measured import Floats
from cost_models.fitting.solver import Fit, Values, fit

_ROWS = Path(__file__).parent / "data" / "processor_kernels.csv"
# The same core, by `codesign calibrate`: its best bf16 product (128 FLOP a clock at 3.4 GHz), and reading in order.
PEAK, STREAM = 4.306e11, 3.132e10
_TYPES = {"bf16": ("bf16",), "fp8": ("q8_0",), "fp4": ("q4_0", "q4_k")}
# Barriers of llama.cpp's graph that one operator of ours stands for, counted in its source (llama-graph.cpp and
# ggml-cpu.c, 2025): a product has one after its input is quantised and one at its end, any other node one. A layer
# has seven products in our four; norms, residuals, two rotations, two cache writes and the activation in our four
# passes; five nodes around attention; and 28 in choosing, computing and adding up the experts of a token.
_BARRIERS = {
    "gemm": 3.5,
    "elementwise": 2.75,
    "prefill_attention": 5.0,
    "decode_attention": 5.0,
    "experts": 28.0,
}
# Between core complexes of one EPYC 9274F (Zen 4), median of the published matrix; 188 ns to the other socket.
_CORE_TO_CORE_S, _CORE_TO_CORE = 94e-9, "https://github.com/nviennot/core-to-core-latency/issues/132"
# Share of the bf16 peak of matrix units in whole prompts, chosen so that one published prompt comes out right.
_MATRIX_SHARE = 0.109
_MATRIX = "https://lmsys.org/blog/2025-07-14-intel-xeon-optimization: 1,024 tokens of a 70B in int8 on two Xeon 6980P"
_MATRIX_PER_VECTOR = 8.0  # peak of AMX over that of AVX-512 in bf16, 1,024 and 128 FLOP a clock and core
_EXPECTED_ERROR = 0.4  # mean over the 35 published figures of references/processors*.yaml


# Seconds of rows from F / PEAK, B / STREAM and constants.
Time = Callable[[Floats, Floats, Values], Floats]


def rows(kind: str, *types: str) -> dict[str, Floats]:
    """Columns of the measured rows of a kind, of some weight types where there are several."""
    with _ROWS.open(newline="", encoding="utf-8") as file:
        found = [
            row for row in csv.DictReader(file) if row["kind"] == kind and (not types or row["type"] in types)
        ]
    return {
        name: np.array([float(row[name] or "nan") for row in found])
        for name in ("m", "hidden", "awake", "choices", "flops", "bytes", "seconds")
    }


def fit_all() -> dict[str, Fit]:
    """Shares of one core by operator class, on operator rows only."""
    found: dict[str, Fit] = {}

    def entry(
        name: str,
        read: dict[str, Floats],
        time: Time,
        start: Values,
        fixed: Values,
    ) -> None:
        compute, memory = read["flops"] / PEAK, read["bytes"] / STREAM
        fitted = fit(lambda values: time(compute, memory, values), read["seconds"], start, fixed)
        # no more than all of the shorter time is seen; what looks faster than reading in order is in a cache
        above: Values = {
            key: 1.0 for key in ("exposed", "memory") if key in start and fitted.values[key] > 1.0
        }
        if above:
            start = {key: value for key, value in start.items() if key not in above}
            fitted = fit(
                lambda values: time(compute, memory, values), read["seconds"], start, {**fixed, **above}
            )
        found[name] = fitted

    for compute, types in _TYPES.items():
        entry(
            f"gemm_{compute}", rows("gemm", *types),
            lambda f, b, v: rooflines.gemm(f, b, np.zeros_like(f), v).time_s,
            {"overhead_s": 2e-6, "compute": 0.4, "memory": 0.8, "exposed": 0.5}, {"step_s": 0.0},
        )  # fmt: skip
        moe = rows("moe", *types)
        entry(
            f"experts_{compute}", moe, _experts(moe),
            {"overhead_s": 1e-5, "compute": 0.4, "memory": 0.8, "per_expert_s": 1e-6},
            {"bytes_per_row_value": 8.0, "bytes_per_choice_value": 0.0, "tiled": 0.0},
        )  # fmt: skip
    prompts, caches = rows("attn_prefill"), rows("attn_decode")
    entry(
        "prefill_attention", prompts,
        lambda f, b, v: rooflines.prefill_attention(f, b, np.zeros_like(f), np.ones_like(f), v).time_s,
        {"overhead_s": 1e-5, "compute": 0.2}, {"step_s": 0.0, "memory": 1.0},
    )  # fmt: skip
    entry(
        "decode_attention", caches, lambda f, b, v: rooflines.decode_attention(f, b, np.zeros_like(f), v).time_s,
        {"overhead_s": 1e-5, "compute": 0.06, "memory": 0.8}, {"per_head_s": 0.0},
    )  # fmt: skip
    entry(
        "elementwise", rows("elementwise"), lambda f, b, v: rooflines.elementwise(b, v).time_s,
        {"overhead_s": 2e-7, "memory": 1.0}, {},
    )  # fmt: skip
    return found


def _experts(moe: dict[str, Floats]) -> Time:
    """Times of expert blocks, which also gather and add up a row for each choice."""
    moved = moe["choices"] * moe["hidden"] / STREAM
    return lambda compute, memory, values: (
        rooflines.experts(compute, memory, moved * values["bytes_per_row_value"], values, moe["awake"]).time_s
    )


def main() -> None:
    """Fit, report, and write cost_models/fitting/processors.yaml unless asked only to check."""
    parser = argparse.ArgumentParser(prog="python -m cost_models.fitting.processors", description=__doc__)
    parser.add_argument("--check", action="store_true", help="report only; leave processors.yaml as it is")
    fits = fit_all()
    for name, one in fits.items():
        print(f"{name:18} {100 * one.error:5.1f} % of {one.rows} rows  {_flow(one.values)}")
    if not parser.parse_args().check:
        processors.FILE.write_text(_text(fits), encoding="utf-8")


def _text(fits: dict[str, Fit]) -> str:
    lines = [
        "# Written by `python -m cost_models.fitting.processors`; do not edit.",
        "# Shares of one core's peak and reading rate; seconds; barriers of an operator.",
        f"expected_error: {_EXPECTED_ERROR}  # mean over published figures (docs/cpu_and_accelerator.md)",
        f"core_to_core_s: {_CORE_TO_CORE_S}  # {_CORE_TO_CORE}",
        f"# Fitted to one whole prompt, not to operators. {_MATRIX}",
        "matrix_unit:",
    ]
    matrix = dict.fromkeys(
        (*(f"{kind}_{t}" for kind in ("gemm", "experts") for t in _TYPES), "prefill_attention"), 0.0
    )
    for name in matrix:
        relative = fits[name].values["compute"] / fits["gemm_bf16"].values["compute"]
        matrix[name] = _MATRIX_SHARE * (relative if name == "prefill_attention" else 1.0)
    # attention over the cache stays in the vector units
    matrix["decode_attention"] = fits["decode_attention"].values["compute"] / _MATRIX_PER_VECTOR
    lines += [f"  {name}: {{compute: {value:.4g}}}" for name, value in matrix.items()]
    lines.append("classes:")
    for name, one in fits.items():
        lines += [
            f"  {name}:",
            f"    values: {{{_flow(one.values)}}}",
            f"    barriers: {_BARRIERS.get(name) or _BARRIERS[name.partition('_')[0]]}",
            f"    error: {one.error:.4g}",
            f"    rows: {one.rows}",
        ]
    return "\n".join(lines) + "\n"


def _flow(values: Values) -> str:
    return ", ".join(f"{key}: {value:.4g}" for key, value in values.items())


if __name__ == "__main__":
    main()
