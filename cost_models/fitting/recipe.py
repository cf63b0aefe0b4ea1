"""Which constants are fitted on which rows, and where the few come from that no row determines."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from cost_models.catalogue import load_catalogue
from cost_models.design import DTYPE_BYTES
from cost_models.fitting import classes
from cost_models.fitting.classes import Predict
from cost_models.fitting.measured import Rows, a100, h100, sampled
from cost_models.fitting.solver import Fit, Values

PARTS = (
    "h100-sxm", "a100-80-sxm", "h200-sxm", "b200-sxm", "gb200", "b300-sxm", "rtx-pro-6000", "l40s", "gb300",
)  # fmt: skip
_AICONFIGURATOR = "measured kernels, NVIDIA aiconfigurator 0.12.0 database (Apache-2.0)"
_VIDUR = "kernel timings of vidur (MIT)"

GEMM = {"overhead_s": 4e-6, "step_s": 3e-10, "compute": 0.8, "memory": 0.85, "exposed": 0.3}
PREFILL = {"overhead_s": 15e-6, "step_s": 5e-9, "compute": 0.6, "memory": 0.5}
DECODE = {"overhead_s": 12e-6, "memory": 0.8}
EXPERTS = {
    "overhead_s": 30e-6, "compute": 0.6, "memory": 0.9, "bytes_per_row_value": 4.0, "bytes_per_choice_value": 4.0,
}  # fmt: skip
ALL_REDUCE = {"overhead_s": 4e-6, "per_rank_s": 1e-7, "one_shot": 0.6, "second_s": 8e-6, "two_shots": 0.5}
# Parts that have no links of their own: a ring over PCIe, and a host that all of them share (rooflines.all_reduce).
OVER_PCIE = ("rtx-pro-6000", "l40s")
BRIDGE = {"bridge": 1.0}
ELEMENTWISE = {"overhead_s": 2e-6, "memory": 0.85}

# Blocks that attention over the cache schedules: 3.5 us for each of a block per multiprocessor (132 of them),
# fitted on the full H100 tables of the same database; where many rows are bound by it they move it.
PER_HEAD_H100 = 3.5e-6 / 132

# Type in the tables -> compute type, bytes per value.
_SIXTEEN_BIT = ("bfloat16", "bf16", "half")
_NARROW = {"fp8": ("fp8", DTYPE_BYTES["fp8"]), "nvfp4": ("fp4", DTYPE_BYTES["nvfp4"])}
# Eight-bit products of the other engine hold another 7 to 11 bytes per value of their input on every part of
# NVIDIA's data centres: a pass over it that the two passes taken off (extract.py) do not cover.
_PRODUCTS_ALONE = "trtllm"


@dataclass(frozen=True)
class Entry:
    """Constants of one operator class on one part, with the rows they were fitted on and how they are predicted."""

    fit: Fit
    source: str
    predict: Predict
    rows: Rows
    start: Values
    fixed: Values | None = None


def fit_part(part: str) -> dict[str, Entry]:
    """Constants of a part by operator class, on operator rows only; classes without rows are left out.

    The given H100 rows join the sample of the same database. A100 attention over the cache joins vidur's. Vidur's
    products and prefill attention do not: with the libraries of early 2024 products reach 76 % of the peak where the
    same sizes reach 88 % in the engines of 2025, and prefill attention 14 to 19 %. They are a check of the fit.
    """
    rows, source = sampled(part), _AICONFIGURATOR
    if part == "h100-sxm":
        given = h100()
        # The few fp8 products there have the quantisation of their input in them (extract.py).
        product = given.is_("kind", "gemm") & given.is_("precision", "fp8")
        rows = rows.joined(given.where(~given.is_("kind", "model") & ~product))
    found: dict[str, Entry] = {}

    def entry(
        name: str, predict: Predict, kind: str, start: Values, precision: str = "bfloat16", fixed: Values | None = None
    ) -> None:  # fmt: skip
        types = _SIXTEEN_BIT if precision == "bfloat16" else (precision,)
        chosen = rows.where(rows.is_("kind", kind) & rows.is_("precision", *types))
        if (kind, precision) == ("gemm", "fp8"):
            chosen = chosen.where(chosen.is_("backend", _PRODUCTS_ALONE))
        if not len(chosen):
            return
        if part == "a100-80-sxm" and kind == "attn_decode":
            chosen = chosen.joined(a100().where(a100().is_("kind", kind)))
        if kind == "attn_decode":
            chosen = _from_memory(chosen, part, start["overhead_s"])
        fit = classes.fitted(predict, chosen, start, fixed)
        # no more than all of the shorter time is seen; what looks faster than the memory is in the level-2 cache
        above: Values = {
            name: 1.0 for name in ("exposed", "memory") if name in start and fit.values.get(name, 0.0) > 1.0
        }
        if above:
            start = {name: value for name, value in start.items() if name not in above}
            fixed = {**(fixed or {}), **above}
            fit = classes.fitted(predict, chosen, start, fixed)
        found[name] = Entry(fit, source, predict, chosen, start, fixed)

    def by_type(name: str, predict: Callable[..., Predict], kind: str, start: Values) -> None:
        """The class at each compute type.

        Repeated runs read narrow weights from the level-2 cache: their share of bandwidth is that of bf16.
        """
        entry(f"{name}_bf16", predict(part), kind, start)
        share = {"memory": found[f"{name}_bf16"].fit.values["memory"]}
        narrow = {constant: value for constant, value in start.items() if constant not in share}
        for type_, (compute, width) in _NARROW.items():
            entry(f"{name}_{compute}", predict(part, compute, width), kind, narrow, type_, share)

    by_type("gemm", classes.gemm, "gemm", GEMM)
    if "gemm_fp4" in found:
        found["gemm_fp4"] = _without_quantisation(found["gemm_fp4"], found["gemm_fp8"])
    entry("prefill_attention", classes.prefill_attention(part), "attn_prefill", PREFILL)
    # The rows are all bound by memory: many queries on one cache (latent attention, speculation) are taken to
    # reach the tensor-core share of prefill attention. FlashMLA reports 660 of 989 TFLOP/s there.
    share = {"compute": found["prefill_attention"].fit.values["compute"]}
    start = {**DECODE, "per_head_s": PER_HEAD_H100}
    entry("decode_attention", classes.decode_attention(part), "attn_decode", start, fixed=share)
    by_type("experts", classes.experts, "moe", EXPERTS)
    start = ALL_REDUCE | BRIDGE if part in OVER_PCIE else ALL_REDUCE
    entry("all_reduce", classes.all_reduce(part), "allreduce", start)
    if part == "a100-80-sxm":
        found["elementwise"] = _elementwise(part)
    return found


def _without_quantisation(four: Entry, eight: Entry) -> Entry:
    """Four-bit products as a served model runs them.

    Their rows hold the quantisation of the input, which no row times alone: what they start later than eight-bit
    products is taken to be that, and engines do it inside the norm or activation before. error: with it.
    """
    overhead = min(four.fit.values["overhead_s"], eight.fit.values["overhead_s"])
    return replace(four, fit=replace(four.fit, values={**four.fit.values, "overhead_s": overhead}))


def _from_memory(rows: Rows, part: str, launch_s: float) -> Rows:
    """Rows that read device memory, or so little that reading takes less than a tenth of a launch.

    Between the two the level-2 cache serves the repeated runs of a benchmark, up to four times as fast (L40S). A
    served model reads the other layers' caches and weights in between.
    """
    cache = load_catalogue().value("accelerator", part, "on_chip_sram")
    moved = rows.numbers["bytes"]
    little = 0.1 * launch_s * classes.accelerator(part).memory_bandwidth
    return rows.where((moved < little) | (moved > 2 * cache))


def _elementwise(part: str) -> Entry:
    """Passes over activations, measured on the A100 only."""
    rows, predict = a100().where(a100().is_("kind", "elementwise")), classes.elementwise(part)
    rows = _from_memory(rows, part, ELEMENTWISE["overhead_s"])
    return Entry(classes.fitted(predict, rows, ELEMENTWISE), _VIDUR, predict, rows, ELEMENTWISE)
