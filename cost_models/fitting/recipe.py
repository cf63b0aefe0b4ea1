"""Which constants are fitted on which rows, and where the few come from that no row determines."""

from dataclasses import dataclass

from cost_models.fitting import classes
from cost_models.fitting.classes import Predict
from cost_models.fitting.measured import Rows, a100, h100, sampled
from cost_models.fitting.solver import Fit, Values

_AICONFIGURATOR = "measured kernels, NVIDIA aiconfigurator 0.12.0 database (Apache-2.0)"
_VIDUR = "kernel timings of vidur (MIT)"

GEMM = {"overhead_s": 4e-6, "compute": 0.8, "sustained": 0.7, "long_s": 1e-3, "memory": 0.85}
GEMM_ONE_SHARE = {"overhead_s": 4e-6, "compute": 0.7, "memory": 0.8}
PREFILL = {"overhead_s": 15e-6, "compute": 0.6, "memory": 0.5}
DECODE = {"overhead_s": 12e-6, "memory": 0.8}
EXPERTS = {
    "overhead_s": 30e-6, "compute": 0.6, "memory": 0.9, "bytes_per_row_value": 4.0, "bytes_per_choice_value": 4.0,
}  # fmt: skip
ALL_REDUCE = {"overhead_s": 4e-6, "per_rank_s": 1e-7, "one_shot": 0.6, "second_s": 8e-6, "two_shots": 0.5}
ELEMENTWISE = {"overhead_s": 2e-6, "memory": 0.85}

# Blocks that attention over the cache schedules: 3.5 us for each of a block per multiprocessor (132 of them),
# fitted on the full H100 tables of the same database, whose short contexts the rows kept here leave out.
_PER_HEAD_H100 = 3.5e-6 / 132
# Share of the fp8 peak that grouped products reach, from the same tables (0.34, where bf16 had 0.55).
_EXPERTS_FP8_OVER_BF16 = 0.34 / 0.55


_A100_LEVEL_2_CACHE = 40e6
_LAUNCH_BOUND = 1e5  # bytes that take less than a tenth of a launch


@dataclass(frozen=True)
class Entry:
    """Constants of one operator class on one part, with the rows they were fitted on and how they are predicted."""

    fit: Fit
    source: str
    predict: Predict | None = None
    rows: Rows | None = None
    start: Values | None = None
    fixed: Values | None = None


def fit_h100() -> dict[str, Entry]:
    """Constants of the H100, on operator rows only."""
    part, rows = "h100-sxm", h100()

    def entry(
        predict: Predict, kind: str, start: Values, fixed: Values | None = None, precision: str = ""
    ) -> Entry:
        mask = rows.is_("kind", kind)
        chosen = rows.where(mask & rows.is_("precision", precision) if precision else mask)
        return Entry(
            classes.fitted(predict, chosen, start, fixed), _AICONFIGURATOR, predict, chosen, start, fixed
        )

    gemm = entry(classes.gemm(part), "gemm", GEMM, precision="bfloat16")
    v = gemm.fit.values
    # The fp8 rows are too few and too short to show the power limit: the bf16 loss of speed is kept.
    narrow = entry(
        classes.gemm(part, classes.PEAK_FP8), "gemm", {"overhead_s": 6e-6, "compute": 0.6, "memory": 0.85},
        {"sustained": 0.6, "long_s": v["long_s"]}, "fp8",
    )  # fmt: skip
    prefill = entry(classes.prefill_attention(part), "attn_prefill", PREFILL)
    # The rows are all bound by memory: many queries on one cache (latent attention, speculation) are taken to
    # reach the tensor-core share of prefill attention. FlashMLA reports 660 of 989 TFLOP/s there.
    decode = entry(
        classes.decode_attention(part), "attn_decode", DECODE,
        {"compute": prefill.fit.values["compute"], "per_head_s": _PER_HEAD_H100},
    )  # fmt: skip
    experts = entry(classes.experts(part), "moe", EXPERTS)
    e = experts.fit.values
    experts_fp8 = {**e, "compute": e["compute"] * _EXPERTS_FP8_OVER_BF16}
    return {
        "gemm_bf16": gemm,
        "gemm_fp8": narrow,
        "prefill_attention": prefill,
        "decode_attention": decode,
        "experts_bf16": experts,
        "experts_fp8": Entry(
            Fit(experts_fp8, float("nan"), 0), "bf16 fit; fp8 share by the full H100 tables"
        ),
        "all_reduce": entry(classes.all_reduce(part), "allreduce", ALL_REDUCE),
    }


def fit_sampled(part: str) -> dict[str, Entry]:
    """Constants of a part of the sampled tables (extract.py), on operator rows only."""
    rows = sampled(part.replace("-", "_"))

    def entry(
        predict: Predict, kind: str, start: Values, fixed: Values | None = None, precision: str = "bfloat16"
    ) -> Entry:
        chosen = rows.where(rows.is_("kind", kind) & rows.is_("precision", precision))
        return Entry(
            classes.fitted(predict, chosen, start, fixed), _AICONFIGURATOR, predict, chosen, start, fixed
        )

    prefill = entry(classes.prefill_attention(part), "attn_prefill", PREFILL)
    gemm = entry(classes.gemm(part), "gemm", GEMM)
    return {
        "gemm_bf16": gemm,
        # The two engines' fp8 kernels differ more than long ones from short ones: one share of peak. Their repeated
        # runs read small weights from the level-2 cache: the share of bandwidth is that of bf16.
        "gemm_fp8": entry(
            classes.gemm_one_share(part, classes.PEAK_FP8), "gemm", {"overhead_s": 6e-6, "compute": 0.6},
            {"memory": gemm.fit.values["memory"]}, "fp8",
        ),
        "prefill_attention": prefill,
        "decode_attention": entry(
            classes.decode_attention(part), "attn_decode", {**DECODE, "per_head_s": _PER_HEAD_H100},
            {"compute": prefill.fit.values["compute"]},
        ),
        "experts_bf16": entry(classes.experts(part), "moe", EXPERTS),
        "experts_fp8": entry(classes.experts(part, classes.PEAK_FP8, 1.0), "moe", EXPERTS, precision="fp8"),
        "all_reduce": entry(classes.all_reduce(part), "allreduce", ALL_REDUCE),
    }  # fmt: skip


def fit_a100(compute: float) -> dict[str, Entry]:
    """Constants of the A100; collectives and experts were not measured as kernels.

    Its prefill attention rows are left out: they reach 14 to 19 % of the peak, with the kernel of early 2024,
    where FlashAttention-2 reports 60 % and more on the same part (arXiv 2307.08691).
    """
    part, rows = "a100-80-sxm", a100()

    def entry(predict: Predict, kind: str, start: Values, fixed: Values | None = None) -> Entry:
        chosen = rows.where(rows.is_("kind", kind))
        if kind == "elementwise":  # in between, the level-2 cache serves the repeated runs of a benchmark
            moved = chosen.numbers["bytes"]
            chosen = chosen.where((moved < _LAUNCH_BOUND) | (moved > 2 * _A100_LEVEL_2_CACHE))
        return Entry(classes.fitted(predict, chosen, start, fixed), _VIDUR, predict, chosen, start, fixed)

    return {
        # no power limit shows in these rows: one share for all lengths
        "gemm_bf16": entry(classes.gemm_one_share(part), "gemm", GEMM_ONE_SHARE),
        "decode_attention": entry(
            classes.decode_attention(part), "attn_decode", {**DECODE, "per_head_s": 4e-8}, {"compute": compute}
        ),
        "elementwise": entry(classes.elementwise(part), "elementwise", ELEMENTWISE),
    }  # fmt: skip
