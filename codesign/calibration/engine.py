"""A small serving engine: prompts and single tokens through a model with a preallocated cache, tables in a tier.

It computes what the proxy's transformer computes, from the same weights, as a server would: keys and values are
written in place, weights lie as processors read them best, and table rows come from a `Lookup`.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codesign.calibration import kernels
from codesign.proxy.config import ProxyConfig
from codesign.proxy.engram import Addresses
from codesign.proxy.moe import Experts, SwiGLU
from codesign.proxy.transformer import ROPE_BASE, Block, Transformer
from cost_models import routing

_DRAWS = 8  # ways to spread tokens over experts, in turn
_NOISE_VALUES = 1 << 20
_NOISE_SIZE = 0.02  # keeps activations in range whatever the width


class Lookup(Protocol):
    """Where table rows come from."""

    def begin(self, rows: list[NDArray[np.int64]]) -> None:
        """The rows that a step reads in each set of tables, (reads,), known before it computes."""

    def take(self, number: int) -> Tensor:
        """The rows of one set, (reads, row width), waiting for them if need be."""


@dataclass
class _Memory:
    """The weights of one Engram layer; past: normed inputs of its convolution, (sequences, reach, hidden)."""

    projections: Tensor
    norms: tuple[Tensor, Tensor] | None
    taps: Tensor | None
    taps_norm: Tensor | None
    dilation: int
    past: Tensor


@dataclass
class _Layer:
    attention_norm: Tensor
    qkv: Tensor
    out: Tensor
    feed_norm: Tensor
    feed: Experts | None
    gate_up: Tensor | None
    down: Tensor | None
    memory: _Memory | None
    keys: Tensor  # (sequences, kv_heads, length, head_dim)
    values: Tensor


class Engine:
    """One model that serves `sequences` requests of up to `length` tokens in step.

    transformer: weights to serve; None: noise, since times do not depend on values, and tokens are then sent to
    experts by the power law of `cost_models.routing` with this exponent: noise would send them all to a few. Only
    models with one residual branch. inference runs on `device` in `dtype`.
    """

    def __init__(
        self,
        config: ProxyConfig,
        lookup: Lookup,
        sequences: int,
        length: int,
        transformer: Transformer | None = None,
        dtype: torch.dtype = torch.bfloat16,
        device: str = "cpu",
        exponent: float = 0.0,
    ) -> None:
        assert config.branches == 1
        self.config, self.lookup, self.sequences = config, lookup, sequences
        self.addresses = Addresses(config, np.arange(config.vocab), config.vocab)
        self.history = np.zeros((sequences, length), np.int64)
        self.length = 0
        if transformer is None:
            with torch.device("meta"):
                transformer = Transformer(config)
        made = _Weights(dtype, device, exponent)
        shape = (sequences, config.kv_heads, length, config.head_dim)
        self.embedding = made(transformer.embedding)
        self.head = self.embedding if transformer.head is None else made(transformer.head)
        self.final_norm = made(transformer.final_norm)
        self.layers = [_layer(block, made, shape) for block in transformer.blocks]
        at_input = transformer.input_engram
        self.input_projection = None if at_input is None else made(at_input.value)
        frequencies = ROPE_BASE ** (-torch.arange(0, config.head_dim, 2) / config.head_dim)
        angles = torch.outer(torch.arange(length), frequencies)
        self.cos, self.sin = (angles.cos().to(device, dtype), angles.sin().to(device, dtype))

    def prefill(self, sequence: int, ids: NDArray[np.integer]) -> int:
        """Read a prompt into the cache of one sequence; returns its next token. All prompts are equally long."""
        count = len(ids)
        self.history[sequence, :count] = ids
        self.length = count
        out = self._pass(slice(sequence, sequence + 1), np.asarray(ids, np.int64)[None], 0)
        return int(out[0])

    def assume(self, sequence: int, ids: NDArray[np.integer]) -> None:
        """Take a prompt as read without reading it: its keys and values are zero, which costs decoding the same."""
        self.history[sequence, : len(ids)] = ids

    def decode(self, ids: NDArray[np.integer]) -> NDArray[np.int64]:
        """One step: a new token of every sequence, (sequences,); returns the tokens after them."""
        self.history[:, self.length] = ids
        out = self._pass(slice(0, self.sequences), np.asarray(ids, np.int64)[:, None], self.length)
        self.length += 1
        return out

    def rows(self, which: slice, start: int, count: int) -> list[NDArray[np.int64]]:
        """The rows that tokens start .. start + count of some sequences read in each set of tables: (reads,)."""
        back = 0 if self.config.engram is None else min(start, self.config.engram.max_order - 1)
        ids = self.history[which, start - back : start + count]
        # counted from the first token given: it is further back than an N-gram reaches, or the very first
        places = np.broadcast_to(np.arange(start - back, start + count), ids.shape)
        return [each[:, back:].reshape(-1).numpy() for each in self.addresses(ids, places)]

    @torch.inference_mode()
    def _pass(self, which: slice, ids: NDArray[np.int64], start: int) -> NDArray[np.int64]:
        sequences, count = ids.shape
        if self.config.engram is not None:
            self.lookup.begin(self.rows(which, start, count))
        flat = torch.from_numpy(ids.reshape(-1)).to(self.embedding.device)
        stream = self.embedding.index_select(0, flat)
        if self.input_projection is not None:
            stream = stream + kernels.product(self._memory(0, len(flat)), self.input_projection)
        cos, sin = self.cos[start : start + count], self.sin[start : start + count]
        pending: Tensor | None = None
        number = 0
        for layer in self.layers:
            if layer.memory is not None:
                stream = stream if pending is None else stream + pending
                pending = self._engram(layer.memory, number, stream, which, sequences)
                number += 1
            if pending is None:
                x = kernels.norm(stream, layer.attention_norm)
            else:
                stream, x = kernels.add_and_norm(stream, pending, layer.attention_norm)
            out = self._attention(layer, x, which, sequences, start, cos, sin)
            stream, x = kernels.add_and_norm(stream, out, layer.feed_norm)
            pending = self._feed(layer, x)
        assert pending is not None
        stream = stream + pending
        last = stream.view(sequences, count, -1)[:, -1]
        logits = kernels.product(kernels.norm(last, self.final_norm), self.head)
        return logits.argmax(-1).cpu().numpy()

    def _memory(self, number: int, tokens: int) -> Tensor:
        return self.lookup.take(number).view(tokens, -1).to(self.embedding.device)

    def _engram(self, memory: _Memory, number: int, stream: Tensor, which: slice, sequences: int) -> Tensor:
        found = self._memory(number, len(stream))
        if memory.norms is None:
            out = kernels.product(found, memory.projections)
        else:
            out = kernels.gate(found, stream, memory.projections, memory.norms)
        if memory.taps is None or memory.taps_norm is None:
            return out
        shaped = out.view(sequences, -1, out.shape[-1])
        past = memory.past[which] if len(shaped[0]) == 1 else torch.zeros_like(memory.past[which])
        done, kept = kernels.convolve(shaped, past, memory.taps, memory.taps_norm, memory.dilation)
        memory.past[which] = kept
        return done.view_as(out)

    def _attention(
        self, layer: _Layer, x: Tensor, which: slice, sequences: int, start: int, cos: Tensor, sin: Tensor
    ) -> Tensor:
        heads, kv_heads, width = self.config.heads, self.config.kv_heads, self.config.head_dim
        qkv = kernels.product(x, layer.qkv).view(sequences, -1, heads + 2 * kv_heads, width).transpose(1, 2)
        rotated = kernels.rotate(qkv[:, : heads + kv_heads], cos, sin)
        q, k, v = rotated[:, :heads], rotated[:, heads:], qkv[:, heads + kv_heads :]
        stop = start + q.shape[2]
        layer.keys[which, :, start:stop] = k
        layer.values[which, :, start:stop] = v
        if start == 0:
            mixed = kernels.attend_prompt(q, k, v)
        else:
            mixed = kernels.attend_cache(q, layer.keys[which, :, :stop], layer.values[which, :, :stop])
        return kernels.product(mixed.transpose(1, 2).reshape(x.shape[0], -1), layer.out)

    def _feed(self, layer: _Layer, x: Tensor) -> Tensor:
        if layer.feed is not None:
            out: Tensor = layer.feed(x)
            return out
        assert layer.gate_up is not None and layer.down is not None
        return kernels.product(kernels.activate(kernels.product(x, layer.gate_up)), layer.down)


class _Weights:
    """Tensors of a transformer in the engine's type and layout; those on the meta device become noise."""

    def __init__(self, dtype: torch.dtype, device: str, exponent: float) -> None:
        self.dtype, self.device, self.exponent = dtype, device, exponent
        stream = torch.Generator().manual_seed(0)
        self.noise = (torch.randn(_NOISE_VALUES, generator=stream) * _NOISE_SIZE).to(device, dtype)

    def __call__(self, tensor: Tensor, transposed: bool = False) -> Tensor:
        shape = tensor.shape[::-1] if transposed else tensor.shape
        if tensor.device.type != "meta":
            value = tensor.detach().t() if transposed else tensor.detach()
            return value.to(self.device, self.dtype).contiguous()
        if tensor.ndim == 1:
            return torch.ones(shape, dtype=self.dtype, device=self.device)
        filled = torch.empty(shape.numel(), dtype=self.dtype, device=self.device)
        for start in range(0, len(filled), _NOISE_VALUES):
            piece = filled[start : start + _NOISE_VALUES]
            piece.copy_(self.noise[: len(piece)])
        return filled.view(shape)

    def experts(self, module: Experts) -> Experts:
        """The module itself, filled; one of noise routes as it is told."""
        if module.router.device.type == "meta":
            module = _Routed(module, self.exponent)
        for name, tensor in list(module.named_parameters()) + list(module.named_buffers()):
            owner = module.get_submodule(name.rpartition(".")[0])
            setattr(owner, name.rpartition(".")[2], _parameter(tensor, self(tensor)))
        return module.eval()


class _Routed(Experts):
    """Experts whose tokens are spread as the cost models assume, whatever the router says; its time counts.

    Of `tokens` tokens each expert gets its expected share, rounded up or down, and no token the same expert twice.
    """

    def __init__(self, like: Experts, exponent: float) -> None:
        count, hidden = like.router.shape
        shared = 0 if like.shared is None else like.shared.down.shape[0]
        with torch.device("meta"):
            super().__init__(hidden, count, like.active, like.down.shape[1], shared, 0.0, "auto")
        self.exponent = exponent
        self.random = np.random.default_rng(count)
        self.drawn: dict[int, Iterator[Tensor]] = {}

    def route(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `Experts`."""
        weights, _ = super().route(x)
        if len(x) not in self.drawn:
            self.drawn[len(x)] = itertools.cycle([self._draw(len(x)).to(x.device) for _ in range(_DRAWS)])
        return weights, next(self.drawn[len(x)])

    def _draw(self, tokens: int) -> Tensor:
        count, entries = self.router.shape[0], tokens * self.active
        loads = routing.expected_loads(count, self.active, float(tokens), self.exponent)
        order = self.random.permutation(count)
        ends = np.cumsum(loads[order]) * (entries / loads.sum())
        found = np.searchsorted(ends, np.arange(entries) + self.random.random(), side="right")
        # an expert's entries follow one another, and are as many as there are tokens at most
        return torch.from_numpy(order[np.minimum(found, count - 1)].reshape(self.active, tokens).T.copy())


def _parameter(like: Tensor, value: Tensor) -> Tensor:
    return torch.nn.Parameter(value, requires_grad=False) if isinstance(like, torch.nn.Parameter) else value


def _layer(block: torch.nn.Module, made: _Weights, shape: tuple[int, ...]) -> _Layer:
    assert isinstance(block, Block)
    attention, feed, engram = block.attention, block.feed, block.engram
    memory = None
    if engram is not None:
        hidden = engram.value.shape[0]
        projections, norms, taps, taps_norm, reach = made(engram.value), None, None, None, 0
        if engram.gated:
            projections = torch.cat((projections, made(engram.key[0])))
            norms = made(engram.query_norm[0]), made(engram.key_norm[0])
        if engram.kernel_size:
            taps, taps_norm = made(engram.conv[:, 0], transposed=True), made(engram.conv_norm[0])
            reach = engram.dilation * (engram.kernel_size - 1)
        past = torch.zeros(shape[0], reach, hidden, dtype=made.dtype, device=made.device)
        memory = _Memory(projections, norms, taps, taps_norm, engram.dilation, past)
    dense = isinstance(feed, SwiGLU)
    return _Layer(
        attention_norm=made(block.attention_norm), qkv=made(attention.qkv, True), out=made(attention.out, True),
        feed_norm=made(block.feed_norm),
        feed=None if isinstance(feed, SwiGLU) else made.experts(feed),
        gate_up=made(feed.gate_up, True) if dense else None,
        down=made(feed.down, True) if dense else None,
        memory=memory,
        keys=torch.zeros(shape, dtype=made.dtype, device=made.device),
        values=torch.zeros(shape, dtype=made.dtype, device=made.device),
    )  # fmt: skip
