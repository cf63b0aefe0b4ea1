"""Engram tables inside the transformer, as published (arXiv 2601.07372; released code engram_demo_v1.py).

e = concatenation of the rows that a token's N-grams address; v = W_V e; for each residual branch k = W_K e
and a = sigmoid(s), s the signed square root of RMSNorm(h) . RMSNorm(k) / sqrt(d); u = a v; the short
convolution adds SiLU(causal depthwise conv(RMSNorm(u), kernel 4, dilation N)) + u; the result is added to
the stream.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from codesign.proxy.config import ProxyConfig
from codesign.proxy.kv import Past
from cost_models import tables

HASH_SEED = 0  # the released code's seed of the multipliers
_NARROW = 8  # values of a row up to which adding them one by one is faster on a CPU


class Addresses:
    """The rows that tokens read in each set of tables, computed by `cost_models.tables.row_ids`."""

    def __init__(self, config: ProxyConfig, canonical: NDArray[np.int64], canonical_vocab: int) -> None:
        self.canonical = canonical
        engram, model = config.engram, config.as_model()
        self.sets: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
        self.slots = 0
        if engram is None:
            return
        self.slots = tables.slots_per_head(model)
        moduli, rows = tables.moduli(engram), tables.rows(model)
        layers = (0,) if engram.input_only else engram.layer_ids
        for number, layer in enumerate(layers):
            factors = tables.multipliers(layer, HASH_SEED, engram.max_order, canonical_vocab)
            sizes = rows[number].reshape(-1)
            self.sets.append((factors, moduli[number], np.cumsum(sizes) - sizes))

    def __call__(self, ids: NDArray[np.integer], positions: NDArray[np.integer]) -> list[Tensor]:
        """One (sequences, tokens, orders * heads) int64 tensor per set: rows in the set's one table.

        ids: (sequences, tokens) token ids; positions: likewise, places in their own documents, where N-grams
        that reach back over the start see the padding.
        """
        canonical = self.canonical[ids]
        return [
            torch.from_numpy(
                np.ascontiguousarray(
                    tables.row_ids(canonical, factors, moduli, 0, positions, self.slots) + offsets
                )
            )
            for factors, moduli, offsets in self.sets
        ]


class _Rows(torch.autograd.Function):
    """table[rows], with a gradient that adds value by value: a torch embedding adds row by row, which costs
    twenty times as much where a row has two values. The sums have the same order, so the same result."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, table: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.shape = table.shape
        return functional.embedding(rows, table)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:
        (rows,), (count, width) = ctx.saved_tensors, ctx.shape
        places = rows.reshape(-1, 1) * width + torch.arange(width)
        out = grad.new_zeros(count * width)
        out.index_add_(0, places.flatten(), grad.reshape(-1))
        return None, out.view(count, width)


def read_rows(rows: Tensor, table: Tensor) -> Tensor:
    """rows (...) of a table (count, width): (..., width)."""
    narrow = table.shape[1] <= _NARROW and table.device.type == "cpu"
    return _Rows.apply(rows, table) if narrow else functional.embedding(rows, table)


class Engram(nn.Module):
    """One layer's tables, gate and convolution.

    rows: (sequences, tokens, orders * heads); streams: (sequences, tokens, branches, hidden).
    Returns what is to be added to the streams.
    """

    def __init__(self, config: ProxyConfig, number: int) -> None:
        super().__init__()
        engram = config.engram
        assert engram is not None
        d, width, branches = config.hidden, config.memory_width, config.branches
        self.gated = engram.gated and not engram.input_only
        self.table = nn.Parameter(
            torch.empty(int(tables.rows(config.as_model())[number].sum()), engram.head_dim)
        )
        self.value = nn.Parameter(torch.empty(d, width))
        if self.gated:
            self.key = nn.Parameter(torch.empty(branches, d, width))
            self.key_norm = nn.Parameter(torch.ones(branches, d))
            self.query_norm = nn.Parameter(torch.ones(branches, d))
        self.kernel_size = 0 if engram.input_only else engram.kernel_size
        self.dilation = engram.max_order
        if self.kernel_size:
            self.conv = nn.Parameter(torch.zeros(branches * d, 1, self.kernel_size))
            self.conv_norm = nn.Parameter(torch.ones(branches, d))

    def forward(self, rows: Tensor, streams: Tensor, past: Past | None = None) -> Tensor:
        sequences, length, branches, d = streams.shape
        memory = read_rows(rows, self.table).reshape(sequences, length, -1)
        out = (memory @ self.value.t()).unsqueeze(2)
        if self.gated:
            keys = self.keys(memory)
            score = (rms(streams) * self.query_norm * rms(keys) * self.key_norm).sum(
                -1, keepdim=True
            ) / d**0.5
            # the released code keeps the magnitude away from 0, where the root has no slope
            root = score.abs().clamp_min(1e-6).sqrt() * score.sign()
            out = torch.sigmoid(root) * out
        else:
            out = out.expand(-1, -1, branches, -1)
        return self.convolve(out, past) if self.kernel_size else out

    def keys(self, memory: Tensor) -> Tensor:
        """W_K e of every branch, (sequences, tokens, branches, hidden)."""
        each = [memory @ key.t() for key in self.key.unbind()]
        return each[0].unsqueeze(2) if len(each) == 1 else torch.stack(each, dim=2)

    def convolve(self, u: Tensor, past: Past | None = None) -> Tensor:
        """SiLU(causal depthwise convolution of RMSNorm(u)) + u; (sequences, tokens, branches, hidden)."""
        sequences, length, branches, d = u.shape
        x = (rms(u) * self.conv_norm).reshape(sequences, length, branches * d)
        offsets = [self.dilation * (self.kernel_size - 1 - tap) for tap in range(self.kernel_size)]
        if past is None:
            padded = functional.pad(x, (0, 0, offsets[0], 0))
            delayed = [padded[:, offsets[0] - offset : offsets[0] - offset + length] for offset in offsets]
        else:
            delayed = past.delayed(x, offsets)
        taps = [each * self.conv[:, 0, tap] for tap, each in enumerate(delayed)]
        return functional.silu(sum(taps[1:], taps[0])).reshape(u.shape) + u


def rms(x: Tensor) -> Tensor:
    """RMSNorm without weight over the last axis."""
    return functional.rms_norm(x, (x.shape[-1],), eps=1e-6)
