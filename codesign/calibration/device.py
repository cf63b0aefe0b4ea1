"""The constants of this host's processor as an accelerator: its kernels timed one by one, and fitted class by class.

The kernels are those of the engine (kernels.py). Weights come in turn from a ring larger than the caches, and before
each kernel other weights pass through them, as they do in a model: code and small data are then as cold as there.
The fit is the cost models' own (cost_models/rooflines.py), on kernels alone: no whole model is looked at.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from codesign.calibration import kernels
from codesign.calibration.timing import Sample, UnsteadyError, attempt, steady
from codesign.proxy.moe import Experts
from cost_models import rooflines
from cost_models.fitting.solver import Fit, fit

Floats = NDArray[np.float64]
Report = Callable[[str], None]

_RING_BYTES = 128 << 20  # several times the last-level cache of one core complex
_TYPE = torch.bfloat16
_TOKENS = (1, 4, 8, 16, 64, 256, 512)
_SHAPES = ((512, 1536), (1024, 1024), (1024, 5632), (2816, 1024))  # (inputs, outputs) of a weight
_WIDTH = 1024
_HEADS, _KV_HEADS, _HEAD_DIM = 16, 4, 64
_NOISE_VALUES = 1 << 20
_LEAST_SHARE = 2 / 3  # of the kernels of a class that a fit needs
_EXPERTS = ((512, 32, 4, 256), (256, 64, 6, 64), (1024, 16, 2, 384))  # (hidden, experts, active, width)
_CACHES = (
    (16, 4, 64),
    (8, 8, 64),
    (4, 4, 128),
)  # (heads, KV heads, head_dim): keys that queries share, and their own
FIGURES = 87  # that `measure` takes, for sharing out its time


@dataclass
class Device:
    """What one core does. constants: of each operator class; samples: what they were fitted on."""

    peak_flops: float
    memory_bandwidth: float
    constants: dict[str, Fit]
    samples: list[Sample] = field(default_factory=list)


@dataclass
class _Rows:
    """Kernels of one class that were timed, one entry each."""

    flops: list[float] = field(default_factory=list)
    bytes: list[float] = field(default_factory=list)
    extra: list[float] = field(default_factory=list)
    awake: list[float] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    asked: int = 0

    def add(
        self, sample: Sample | None, flops: float, moved: float, extra: float = 0.0, awake: float = 0.0
    ) -> None:
        """One kernel; None: it was left out. awake: its experts with at least one token."""
        self.asked += 1
        if sample is None:
            return
        self.samples.append(sample)
        self.flops.append(flops)
        self.bytes.append(moved)
        self.extra.append(extra)
        self.awake.append(awake)

    def check(self, what: str) -> None:
        """Raise UnsteadyError where too few kernels are left to fit constants on."""
        if len(self.samples) < _LEAST_SHARE * self.asked:
            raise UnsteadyError(
                f"only {len(self.samples)} of {self.asked} {what} could be measured steadily in the time; try again "
                "when the machine is quieter, or give more with --minutes"
            )

    @property
    def seconds(self) -> Floats:
        return np.array([sample.seconds for sample in self.samples])


@torch.inference_mode()
def measure(report: Report) -> Device:
    """Time all kernels and fit their constants, inside `timing.one_core`. Raises UnsteadyError."""
    report("sequential bandwidth")
    stream = sequential()
    between = _Streaming()
    report("matrix products")
    products = _products(between)
    products.check("matrix products")
    peak = max(f / s.seconds for f, s in zip(products.flops, products.samples, strict=True))
    bandwidth = _RING_BYTES / stream.seconds
    report("attention of prompts")
    prompts = _prompts(between)
    report("attention over the cache")
    caches = _caches(between)
    report("element-wise passes")
    passes = _passes(between)
    report("experts")
    experts = _experts(between)
    for what, rows in (
        ("attentions of prompts", prompts), ("attentions over a cache", caches), ("element-wise passes", passes),
        ("expert kernels", experts),
    ):  # fmt: skip
        rows.check(what)
    every = [stream, *(s for rows in (products, prompts, caches, passes, experts) for s in rows.samples)]
    constants = _fit(products, prompts, caches, passes, experts, peak, bandwidth)
    return Device(peak, bandwidth, constants, every)


class _Streaming:
    """Weights that pass through the caches between two kernels."""

    def __init__(self) -> None:
        self.ring, self.x = _ring((4096, 1024)), torch.rand(8, 1024).to(_TYPE)

    def __call__(self) -> None:
        kernels.product(self.x, next(self.ring))


def sequential() -> Sample:
    """One pass over the ring's bytes: the dearest a processor can be asked to read."""
    values = torch.ones(_RING_BYTES // 4, dtype=torch.float32)
    return steady(lambda: values.sum(), "sequential bandwidth")


def _ring(shape: tuple[int, ...]) -> Iterator[torch.Tensor]:
    """Weights of a shape in turn, more of them than caches hold."""
    size = int(np.prod(shape)) * 2
    noise = (torch.rand(_NOISE_VALUES) - 0.5).to(_TYPE)
    copies = -(-size // 2 // _NOISE_VALUES)
    weights = [
        noise.repeat(copies)[: size // 2].view(shape)
        if copies > 1
        else noise[: size // 2].clone().view(shape)
        for _ in range(max(2, _RING_BYTES // size))
    ]
    while True:
        yield from weights


def _products(between: _Streaming) -> _Rows:
    rows = _Rows()
    for inputs, outputs in _SHAPES:
        ring = _ring((outputs, inputs))
        for tokens in _TOKENS:
            x = torch.rand(tokens, inputs).to(_TYPE)
            sample = _timed(partial(_streamed, x, ring), f"a matrix product of {tokens} tokens", between)
            moved = 2.0 * (inputs * outputs + tokens * (inputs + outputs))
            rows.add(sample, 2.0 * tokens * inputs * outputs, moved, inputs)
    return rows


def _prompts(between: _Streaming) -> _Rows:
    rows, queries = _Rows(), _HEADS * _HEAD_DIM
    for tokens in (64, 128, 256, 512):
        for kv_heads in (_KV_HEADS, _HEADS):
            q, k, v = (torch.rand(1, h, tokens, _HEAD_DIM).to(_TYPE) for h in (_HEADS, kv_heads, kv_heads))
            sample = _timed(partial(kernels.attend_prompt, q, k, v), f"attention of {tokens} tokens", between)
            moved = 2.0 * tokens * (2 * queries + 2 * kv_heads * _HEAD_DIM)
            rows.add(sample, 4.0 * queries * tokens * tokens / 2, moved)
    return rows


def _caches(between: _Streaming) -> _Rows:
    rows = _Rows()
    for sequences in (1, 4, 16):
        for context in (64, 544):
            for heads, kv_heads, width in _CACHES:
                shape, queries = (sequences, kv_heads, context, width), heads * width
                rings = _ring(shape), _ring(shape)
                q = torch.rand(sequences, heads, 1, width).to(_TYPE)
                name = f"attention of {sequences} sequences over {context} tokens"
                sample = _timed(partial(_cached, q, *rings), name, between)
                cache = 4.0 * sequences * context * kv_heads * width
                own = 2.0 * sequences * (2 * queries + 2 * kv_heads * width)
                rows.add(sample, 4.0 * queries * sequences * context, cache + own, sequences * kv_heads)
    return rows


def _passes(between: _Streaming) -> _Rows:
    """Each with the bytes that the operator table gives it, whatever it really moves."""
    rows, d = _Rows(), _WIDTH
    for tokens in (1, 8, 64, 256):
        stream, out = (torch.rand(tokens, d).to(_TYPE) for _ in range(2))
        weight = torch.ones(d, dtype=_TYPE)
        heads = _HEADS + 2 * _KV_HEADS
        qkv = torch.rand(1, tokens, heads, _HEAD_DIM).to(_TYPE).transpose(1, 2)
        cos, sin = (torch.rand(tokens, _HEAD_DIM // 2).to(_TYPE) for _ in range(2))
        cache = torch.zeros(1, heads, tokens + 1, _HEAD_DIM, dtype=_TYPE)
        wide = torch.rand(tokens, 6 * d).to(_TYPE)
        past, taps = torch.zeros(1, 9, d, dtype=_TYPE), torch.rand(4, d).to(_TYPE)

        runs: list[tuple[Callable[[], object], float]] = [
            (partial(kernels.add_and_norm, stream, out, weight), 4 * d),
            (partial(_rotate, qkv, cos, sin, cache), 2 * heads * _HEAD_DIM),
            (partial(kernels.activate, wide), 9 * d),
            (partial(_gate, out, stream, weight), 4 * d),
            (partial(kernels.convolve, out[None], past, taps, weight, 3), 2 * d),
        ]
        for run, values in runs:
            rows.add(
                _timed(run, f"an element-wise pass of {tokens} tokens", between), 0.0, 2.0 * tokens * values
            )
    return rows


def _experts(between: _Streaming) -> _Rows:
    """Routed experts as noise routes them, about evenly, without a shared one.

    Narrow ones too: what each woken expert costs by itself shows only there. extra: (token, expert) choices x hidden.
    """
    rows = _Rows()
    for d, count, active, width in _EXPERTS:
        weights = 3.0 * d * width
        ring = [
            _noisy(d, count, active, width) for _ in range(max(2, _RING_BYTES // int(2 * count * weights)))
        ]
        for tokens in (1, 8, 64, 256):
            x = torch.randn(tokens, d).to(_TYPE)
            turn = itertools.cycle(ring)
            sample = _timed(partial(_next, turn, x), f"experts for {tokens} tokens", between)
            awake = float(np.mean([len(module.route(x)[1].unique()) for module in ring]))
            work = 2.0 * weights * tokens * active, 2.0 * weights * awake
            rows.add(sample, *work, tokens * active * d, awake)
    return rows


def _noisy(hidden: int, count: int, active: int, width: int) -> Experts:
    module = Experts(hidden, count, active, width, 0, 0.0, "auto").to(_TYPE).eval()
    for tensor in module.parameters():
        tensor.uniform_(-0.05, 0.05)
    return module


def _timed(run: Callable[[], object], name: str, between: _Streaming) -> Sample | None:
    return attempt(lambda: steady(run, name, between=between))


def _streamed(x: torch.Tensor, ring: Iterator[torch.Tensor]) -> None:
    kernels.product(x, next(ring))


def _cached(q: torch.Tensor, keys: Iterator[torch.Tensor], values: Iterator[torch.Tensor]) -> None:
    kernels.attend_cache(q, next(keys), next(values))


def _rotate(qkv: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, cache: torch.Tensor) -> None:
    """Rotary positions, and keys and values written to the cache."""
    tokens = len(cos)
    rotated = kernels.rotate(qkv[:, : _HEADS + _KV_HEADS], cos, sin)
    cache[:, :_KV_HEADS, :tokens] = rotated[:, _HEADS:]
    cache[:, _KV_HEADS : 2 * _KV_HEADS, :tokens] = qkv[:, _HEADS + _KV_HEADS :]


def _gate(out: torch.Tensor, stream: torch.Tensor, weight: torch.Tensor) -> None:
    stream + kernels.gated(out, out, stream, (weight, weight))


def _next(modules: Iterator[Experts], x: torch.Tensor) -> None:
    next(modules)(x)


def _fit(
    products: _Rows,
    prompts: _Rows,
    caches: _Rows,
    passes: _Rows,
    experts: _Rows,
    peak: float,
    bandwidth: float,
) -> dict[str, Fit]:
    """Shares of peak and bandwidth, and fixed times, of each class."""

    def times(rows: _Rows) -> tuple[Floats, Floats, Floats]:
        return np.array(rows.flops) / peak, np.array(rows.bytes) / bandwidth, np.array(rows.extra)

    f, b, inner = times(products)
    found = {
        "gemm_bf16": fit(
            lambda v: rooflines.gemm(f, b, inner, v).time_s, products.seconds,
            {"overhead_s": 5e-6, "compute": 0.8, "memory": 0.7}, {"step_s": 0.0},
        )
    }  # fmt: skip
    pf, pb, _ = times(prompts)
    found["prefill_attention"] = fit(
        lambda v: rooflines.prefill_attention(pf, pb, np.zeros(len(pf)), np.ones(len(pf)), v).time_s, prompts.seconds,
        {"overhead_s": 2e-5, "compute": 0.3, "memory": 0.5}, {"step_s": 0.0},
    )  # fmt: skip
    cf, cb, ch = times(caches)
    found["decode_attention"] = fit(
        lambda v: rooflines.decode_attention(cf, cb, ch, v).time_s, caches.seconds,
        {"overhead_s": 2e-5, "compute": 0.05, "memory": 0.2, "per_head_s": 5e-7},
    )  # fmt: skip
    eb = times(passes)[1]
    found["elementwise"] = fit(
        lambda v: rooflines.elementwise(eb, v).time_s, passes.seconds, {"overhead_s": 2e-5, "memory": 0.3}
    )
    xf, xb, xe = times(experts)
    awake = np.array(experts.awake)
    found["experts_bf16"] = fit(
        lambda v: (
            rooflines.experts(
                xf, xb, xe / bandwidth * (v["bytes_per_row_value"] + v["bytes_per_choice_value"]), v, awake
            ).time_s
        ),
        experts.seconds,
        {"overhead_s": 2e-4, "compute": 0.5, "memory": 0.3, "bytes_per_row_value": 8.0, "per_expert_s": 4e-5},
        {"bytes_per_choice_value": 4.0, "tiled": 0.0},
    )
    return found
