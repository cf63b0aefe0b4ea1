"""The proxy transformer: pre-RMSNorm, rotary positions, grouped-query attention, SwiGLU or experts, Engram.

Every random value comes from a stream keyed by (seed, tensor name), so two models that share a tensor start
from the same values in it whatever else differs: common random numbers, which make differences of losses
less noisy.
"""

import hashlib
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from codesign.proxy.config import ProxyConfig
from codesign.proxy.engram import Engram, rms
from codesign.proxy.kv import Cache, Past
from codesign.proxy.moe import Experts, SwiGLU

ROPE_BASE = 10000.0  # arXiv 2104.09864
# small, so that a row says little when it is first read: 1, 0.1 and 0.02 gave 2.341, 2.325 and 2.326 bits per
# byte at share 0.25 and fidelity demo
_TABLE_DEVIATION = 0.1


class Attention(nn.Module):
    """Causal grouped-query self-attention with rotary positions (arXiv 2305.13245, 2104.09864)."""

    def __init__(self, config: ProxyConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = config.heads, config.kv_heads, config.head_dim
        width = (config.heads + 2 * config.kv_heads) * config.head_dim
        self.qkv = nn.Parameter(torch.empty(config.hidden, width))
        self.out = nn.Parameter(torch.empty(config.heads * config.head_dim, config.hidden))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, past: Past | None = None) -> Tensor:
        """Over `x` itself, or over what `past` holds and then `x`."""
        sequences, length, _ = x.shape
        qkv = (x @ self.qkv).view(sequences, length, -1, self.head_dim).transpose(1, 2)
        rotated = qkv[:, : self.heads + self.kv_heads]
        first, second = rotated.chunk(2, dim=-1)
        rotated = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
        q, k = rotated.split((self.heads, self.kv_heads), dim=1)
        v = qkv[:, self.heads + self.kv_heads :]
        mask = None
        if past is not None:  # keys are kept before they are repeated, so that grouping saves what it can
            k, v, mask = past.extend(q, k, v)
        if self.kv_heads != self.heads:
            k, v = (each.repeat_interleave(self.heads // self.kv_heads, dim=1) for each in (k, v))
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        return mixed.transpose(1, 2).reshape(sequences, length, -1) @ self.out


class Block(nn.Module):
    """One layer: Engram where it has tables, then attention, then the feed-forward part."""

    def __init__(self, config: ProxyConfig, layer: int, balance_rate: float, kernel: str) -> None:
        super().__init__()
        d, M = config.hidden, config.branches
        ids = () if config.engram is None or config.engram.input_only else config.engram.layer_ids
        self.engram = Engram(config, ids.index(layer)) if layer in ids else None
        self.attention_norm = nn.Parameter(torch.ones(d))
        self.attention = Attention(config)
        self.feed_norm = nn.Parameter(torch.ones(d))
        self.feed: Experts | SwiGLU = (
            Experts(
                d, config.experts[layer], config.active_experts, config.expert_width,
                config.shared_width[layer], balance_rate, kernel,
            )
            if config.experts[layer]
            else SwiGLU(d, config.dense_width[layer])
        )  # fmt: skip
        # static hyper-connections (arXiv 2409.19606): which mix of branches a sublayer reads, how much of its
        # output each branch gets, and how branches mix; at first a plain residual stream in every branch
        self.read = nn.Parameter(torch.full((2, M), 1 / M)) if M > 1 else None
        self.write = nn.Parameter(torch.ones(2, M)) if M > 1 else None
        self.mix = nn.Parameter(torch.eye(M).repeat(2, 1, 1)) if M > 1 else None

    def forward(
        self, streams: Tensor, rows: Tensor | None, cos: Tensor, sin: Tensor, past: Past | None = None
    ) -> Tensor:
        if self.engram is not None:
            assert rows is not None
            streams = streams + self.engram(rows, streams, past)
        x = self._input(streams, 0)
        streams = self._output(streams, 0, self.attention(rms(x) * self.attention_norm, cos, sin, past))
        x = self._input(streams, 1)
        normed = rms(x) * self.feed_norm
        out = self.feed(normed.reshape(-1, normed.shape[-1])).view_as(normed)
        return self._output(streams, 1, out)

    def _input(self, streams: Tensor, part: int) -> Tensor:
        return (
            streams[:, :, 0] if self.read is None else torch.einsum("stmd,m->std", streams, self.read[part])
        )

    def _output(self, streams: Tensor, part: int, out: Tensor) -> Tensor:
        if self.mix is None or self.write is None:
            return streams + out.unsqueeze(2)
        mixed = torch.einsum("stmd,mn->stnd", streams, self.mix[part])
        return mixed + out.unsqueeze(2) * self.write[part].view(1, 1, -1, 1)


class Transformer(nn.Module):
    """ids (sequences, tokens) -> logits (sequences, tokens, vocab)."""

    def __init__(self, config: ProxyConfig, balance_rate: float = 0.01, kernel: str = "auto") -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Parameter(torch.empty(config.vocab, config.hidden))
        self.blocks = nn.ModuleList(
            Block(config, layer, balance_rate, kernel) for layer in range(config.layers)
        )
        at_input = config.engram is not None and config.engram.input_only
        self.input_engram = Engram(config, 0) if at_input else None
        self.final_norm = nn.Parameter(torch.ones(config.hidden))
        self.head = None if config.tied_embeddings else nn.Parameter(torch.empty(config.vocab, config.hidden))
        # log frequency of each token, added to the logits: a short run need not spend its first quarter on
        # learning how often tokens occur
        self.log_frequency: Tensor
        self.register_buffer("log_frequency", torch.zeros(config.vocab))

    def forward(self, ids: Tensor, rows: list[Tensor]) -> Tensor:
        """rows: one (sequences, tokens, orders * heads) tensor per set of tables, from `Addresses`."""
        return self.logits(self.states(ids, rows))

    def logits(self, states: Tensor) -> Tensor:
        """(..., hidden) last states -> (..., vocab)."""
        return states @ (self.embedding if self.head is None else self.head).t() + self.log_frequency

    def states(
        self, ids: Tensor, rows: list[Tensor], cache: Cache | None = None, positions: Tensor | None = None
    ) -> Tensor:
        """The last layer's normed states, (sequences, tokens, hidden).

        cache: what was read before, at whose end the new tokens stand at the `positions` of `Cache.begin`.
        """
        config = self.config
        places = torch.arange(ids.shape[1], device=ids.device) if positions is None else positions
        cos, sin = _rotation(places, config.head_dim, self.embedding)
        streams = functional.embedding(ids, self.embedding).unsqueeze(2).expand(-1, -1, config.branches, -1)
        if self.input_engram is not None:
            streams = streams + self.input_engram(rows[0], streams)
        left = iter(rows)
        for number, block in enumerate(self.blocks):
            past = None if cache is None else cache.layers[number]
            streams = block(streams, next(left) if block.engram is not None else None, cos, sin, past)
        return rms(streams.mean(2) if config.branches > 1 else streams[:, :, 0]) * self.final_norm

    def rebalance(self) -> None:
        """Update the expert biases of every layer from the loads of the last step."""
        for block in self.blocks:
            if isinstance(block.feed, Experts):
                block.feed.rebalance()


def _rotation(positions: Tensor, head_dim: int, like: Tensor) -> tuple[Tensor, Tensor]:
    frequencies = ROPE_BASE ** (-torch.arange(0, head_dim, 2, device=like.device) / head_dim)
    angles = torch.outer(positions.to(like.device), frequencies)
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


@torch.no_grad()
def initialise(model: Transformer, seed: int) -> None:
    """Fill every matrix from its own stream; norms stay 1, convolutions 0.

    Matrices: normal with standard deviation 1/sqrt(inputs), those that write to the residual stream divided
    by sqrt(2 x layers) (GPT-2), embeddings and tables as named below. Expert tensors have their experts on
    the first axis, so models with different numbers of experts share the first ones.
    """
    residual = 1 / math.sqrt(2 * model.config.layers)
    for name, tensor in model.named_parameters():
        if tensor.ndim < 2 or name.endswith(("norm", "conv", "read", "write", "mix")):
            continue
        part = name.rsplit(".", 1)[-1]
        if part == "table":
            deviation = _TABLE_DEVIATION
        elif part == "embedding":
            deviation = 1.0
        elif part in ("head", "router", "value", "key"):  # stored (outputs, inputs)
            deviation = tensor.shape[-1] ** -0.5
        else:  # stored (inputs, outputs)
            deviation = tensor.shape[-2] ** -0.5
        if part in ("down", "out", "value"):
            deviation *= residual
        if part == "head":
            deviation = 0.0  # the first prediction is then exactly the token frequencies
        stream = torch.Generator().manual_seed(_stream(seed, name))
        tensor.copy_(torch.randn(tensor.shape, generator=stream) * deviation)


def _stream(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed} {name}".encode(), digest_size=7).digest(), "little")
