"""The exported model as plain PyTorch; needs torch and safetensors, and nothing of codesign.

    Model(shape("full.json"), device="meta")     the design at its full size, without memory
    load()                                       its trained proxy: the same forms, scaled down

Pre-RMSNorm, rotary positions, grouped-query or latent attention, SwiGLU or a mixture of experts, Engram tables,
hyper-connections. Multi-token-prediction layers, which plain decoding does not run, are left out.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

HERE = Path(__file__).resolve().parent
ROPE_BASE = 10000.0
Shape = dict[str, Any]


def shape(name: str) -> Shape:
    """What a model is built from: `full.json` or `proxy.json` of this folder."""
    return dict(json.loads((HERE / name).read_text(encoding="utf-8")))


def load() -> "Model":
    """The trained proxy. Nothing is allocated before names and sizes of all weights agree with the shape."""
    from safetensors import safe_open

    model = Model(shape("proxy.json"), device="meta")
    expected = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    with safe_open(HERE / "weights.safetensors", framework="pt") as file:
        found = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
        if found != expected:
            wrong = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
            raise ValueError(f"weights.safetensors does not belong to proxy.json: {', '.join(wrong[:5])}")
        model.load_state_dict({name: file.get_tensor(name) for name in found}, assign=True)
    return model.eval()


def matrix(*size: int, device: str | None) -> nn.Parameter:
    return nn.Parameter(torch.zeros(size, device=device))


def ones(*size: int, device: str | None) -> nn.Parameter:
    return nn.Parameter(torch.ones(size, device=device))


def rms(x: Tensor) -> Tensor:
    """RMSNorm without weight over the last axis."""
    return functional.rms_norm(x, (x.shape[-1],), eps=1e-6)


def rotate(x: Tensor) -> Tensor:
    """Rotary positions: x (sequences, heads, tokens, width)."""
    length, width = x.shape[-2:]
    frequencies = ROPE_BASE ** (-torch.arange(0, width, 2, device=x.device) / width)
    angles = torch.outer(torch.arange(length, device=x.device), frequencies)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def attend(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """Causal attention, over the last `window` positions only where that is not 0; merges the heads."""
    if window:
        near = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril().triu(1 - window)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=near)
    else:
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    return mixed.transpose(1, 2).flatten(2)


class GroupedAttention(nn.Module):
    """Grouped-query attention (arXiv 2305.13245)."""

    def __init__(self, hidden: int, a: Shape, window: int, device: str | None) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim, self.window = (
            a["heads"], a["kv_heads"], a["head_dim"], window
        )  # fmt: skip
        width = (self.heads + 2 * self.kv_heads) * self.head_dim
        self.qkv = matrix(hidden, width, device=device)
        self.qkv_bias = matrix(width, device=device) if a["bias"] else None
        self.query_norm = ones(self.head_dim, device=device) if a["qk_norm"] else None
        self.key_norm = ones(self.head_dim, device=device) if a["qk_norm"] else None
        self.out = matrix(self.heads * self.head_dim, hidden, device=device)

    def forward(self, x: Tensor) -> Tensor:
        qkv = x @ self.qkv if self.qkv_bias is None else x @ self.qkv + self.qkv_bias
        qkv = qkv.view(*x.shape[:2], -1, self.head_dim).transpose(1, 2)
        q, k, v = qkv.split((self.heads, self.kv_heads, self.kv_heads), dim=1)
        if self.query_norm is not None and self.key_norm is not None:
            q, k = rms(q) * self.query_norm, rms(k) * self.key_norm
        k, v = (each.repeat_interleave(self.heads // self.kv_heads, dim=1) for each in (rotate(k), v))
        return attend(rotate(q), k, v, self.window) @ self.out


class LatentAttention(nn.Module):
    """Multi-head latent attention (arXiv 2405.04434): keys and values from one small vector a token."""

    def __init__(self, hidden: int, a: Shape, window: int, device: str | None) -> None:
        super().__init__()
        self.heads, self.window, self.rank = a["heads"], window, a["kv_lora_rank"]
        self.plain, self.rope, self.value = a["qk_nope_head_dim"], a["qk_rope_head_dim"], a["v_head_dim"]
        queries = self.heads * (self.plain + self.rope)
        rank = a["q_lora_rank"]
        self.query_down = matrix(hidden, rank, device=device) if rank else None
        self.query_norm = ones(rank, device=device) if rank else None
        self.query = matrix(rank or hidden, queries, device=device)
        self.down = matrix(hidden, self.rank + self.rope, device=device)
        self.down_norm = ones(self.rank, device=device)
        self.up = matrix(self.rank, self.heads * (self.plain + self.value), device=device)
        self.out = matrix(self.heads * self.value, hidden, device=device)

    def forward(self, x: Tensor) -> Tensor:
        lead = x.shape[:2]
        low = x
        if self.query_down is not None and self.query_norm is not None:
            low = rms(x @ self.query_down) * self.query_norm
        q = (low @ self.query).view(*lead, self.heads, -1).transpose(1, 2)
        latent, shared_key = (x @ self.down).split((self.rank, self.rope), dim=-1)
        keys_values = ((rms(latent) * self.down_norm) @ self.up).view(*lead, self.heads, -1).transpose(1, 2)
        key, v = keys_values.split((self.plain, self.value), dim=-1)
        turned = rotate(shared_key.unsqueeze(1)).expand(-1, self.heads, -1, -1)
        q = torch.cat((q[..., : self.plain], rotate(q[..., self.plain :])), dim=-1)
        return attend(q, torch.cat((key, turned), dim=-1), v, self.window) @ self.out


class SwiGLU(nn.Module):
    """down(silu(gate x) * (up x)), arXiv 2002.05202."""

    def __init__(self, hidden: int, width: int, device: str | None) -> None:
        super().__init__()
        self.gate_up = matrix(hidden, 2 * width, device=device)
        self.down = matrix(width, hidden, device=device)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = (x @ self.gate_up).chunk(2, dim=-1)
        return (functional.silu(gate) * up) @ self.down


class Experts(nn.Module):
    """Shared and routed experts with sigmoid affinities (DeepSeek-V3, arXiv 2412.19437)."""

    def __init__(self, hidden: int, s: Shape, experts: int, shared_width: int, device: str | None) -> None:
        super().__init__()
        self.active, width = s["active_experts"], s["expert_width"]
        self.router = matrix(experts, hidden, device=device)
        self.gate_up = matrix(experts, hidden, 2 * width, device=device)
        self.down = matrix(experts, width, hidden, device=device)
        self.shared = SwiGLU(hidden, shared_width, device) if shared_width else None
        self.balance: Tensor
        self.register_buffer("balance", torch.zeros(experts, device=device))  # steers the choice only

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(0, 1)
        affinity = torch.sigmoid(rows @ self.router.t())
        chosen = (affinity + self.balance).topk(self.active, dim=-1, sorted=False).indices
        weights = affinity.gather(-1, chosen)
        weights = weights / (weights.sum(-1, keepdim=True) + 1e-9)
        total = torch.zeros_like(rows) if self.shared is None else self.shared(rows)
        for expert in chosen.unique().tolist():
            token, place = (chosen == expert).nonzero(as_tuple=True)
            gate, up = (rows[token] @ self.gate_up[expert]).chunk(2, dim=-1)
            out = (functional.silu(gate) * up) @ self.down[expert]
            total = total.index_add(0, token, out * weights[token, place].unsqueeze(1))
        return total.view_as(x)


class Engram(nn.Module):
    """Hashed N-gram tables with a gate and a short convolution (arXiv 2601.07372)."""

    def __init__(self, s: Shape, number: int, device: str | None) -> None:
        super().__init__()
        e, hidden, branches = s["engram"], s["hidden"], s["branches"]
        own = e["sets"][number]
        self.pad, self.slots, self.max_order, self.heads = e["pad"], e["slots"], e["max_order"], e["heads"]
        self.factors, self.moduli, self.offsets = own["multipliers"], own["moduli"], own["offsets"]
        width = (self.max_order - 1) * self.heads * e["head_dim"]
        self.table = matrix(own["rows"], e["head_dim"], device=device)
        self.value = matrix(hidden, width, device=device)
        self.key: nn.Parameter | None = None
        if e["gated"]:
            self.key = matrix(branches, hidden, width, device=device)
            self.key_norm = ones(branches, hidden, device=device)
            self.query_norm = ones(branches, hidden, device=device)
        self.kernel = e["kernel_size"]
        if self.kernel:
            self.conv = matrix(branches * hidden, 1, self.kernel, device=device)
            self.conv_norm = ones(branches, hidden, device=device)

    def addresses(self, ids: Tensor) -> Tensor:
        """Rows that each token reads; ids: (sequences, tokens) canonical ids."""
        mix, found = ids * self.factors[0], []
        for order in range(2, self.max_order + 1):
            shifted = functional.pad(ids, (order - 1, 0), value=self.pad)[:, : ids.shape[1]]
            mix = mix ^ (shifted * self.factors[order - 1])
            first = (order - 2) * self.heads
            for place in range(first, first + self.heads):
                row = mix % self.moduli[place]
                if self.slots:  # all heads of an N-gram lie in the block that the first one names
                    named = mix % self.moduli[first]
                    row = named - named % self.slots + row % self.slots
                found.append(row + self.offsets[place])
        return torch.stack(found, dim=-1)

    def forward(self, ids: Tensor, streams: Tensor) -> Tensor:
        memory = functional.embedding(self.addresses(ids), self.table).flatten(2)
        out = (memory @ self.value.t()).unsqueeze(2)
        if self.key is None:
            out = out.expand(-1, -1, streams.shape[2], -1)
        else:
            keys = torch.stack([memory @ key.t() for key in self.key], dim=2)
            score = (rms(streams) * self.query_norm * rms(keys) * self.key_norm).sum(-1, keepdim=True)
            score = score / streams.shape[-1] ** 0.5
            out = torch.sigmoid(score.abs().clamp_min(1e-6).sqrt() * score.sign()) * out
        return self.convolve(out) if self.kernel else out

    def convolve(self, u: Tensor) -> Tensor:
        """SiLU(causal depthwise convolution of RMSNorm(u)) + u."""
        length, step = u.shape[1], self.max_order
        padded = functional.pad((rms(u) * self.conv_norm).flatten(2), (0, 0, step * (self.kernel - 1), 0))
        taps = [
            padded[:, tap * step : tap * step + length] * self.conv[:, 0, tap] for tap in range(self.kernel)
        ]
        return functional.silu(sum(taps[1:], taps[0])).reshape(u.shape) + u


class HyperConnection(nn.Module):
    """Which mix of the residual branches a sublayer reads, and where its output goes (arXiv 2409.19606).

    The full size chooses the mix token by token (arXiv 2512.24880); the proxy keeps one, in its Block.
    """

    def __init__(self, hidden: int, branches: int, device: str | None) -> None:
        super().__init__()
        self.mixing = matrix(branches * hidden, branches * (branches + 2), device=device)
        self.bias = matrix(branches * (branches + 2), device=device)
        self.scale = ones(3, device=device)  # of reading, writing and mixing

    def forward(self, streams: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        n = streams.shape[2]
        chosen = torch.tanh(rms(streams.flatten(2)) @ self.mixing + self.bias)
        parts = chosen.split((n, n, n * n), dim=-1)
        read, write, mix = (scale * part for scale, part in zip(self.scale, parts, strict=True))
        return 1 / n + read, 1 + write, torch.eye(n).to(mix) + mix.unflatten(-1, (n, n))


class Block(nn.Module):
    """One layer: Engram where it has tables, then attention, then the feed-forward part."""

    def __init__(self, s: Shape, layer: int, device: str | None) -> None:
        super().__init__()
        hidden, n, engram = s["hidden"], s["branches"], s["engram"]
        has_tables = engram is not None and layer in engram["layer_ids"]
        self.engram = Engram(s, engram["layer_ids"].index(layer), device) if has_tables else None
        kind = LatentAttention if s["attention"]["kind"] == "mla" else GroupedAttention
        self.attention_norm = ones(hidden, device=device)
        self.attention = kind(hidden, s["attention"], s["windows"][layer], device)
        self.feed_norm = ones(hidden, device=device)
        self.feed: nn.Module = (
            Experts(hidden, s, s["experts"][layer], s["shared_width"][layer], device)
            if s["experts"][layer]
            else SwiGLU(hidden, s["dense_width"][layer], device)
        )
        self.branches = n
        self.dynamic = n > 1 and s["dynamic_branches"]
        if self.dynamic:
            self.hyper = nn.ModuleList(HyperConnection(hidden, n, device) for _ in range(2))
        elif n > 1:
            self.read, self.write = matrix(2, n, device=device), matrix(2, n, device=device)
            self.mix = matrix(2, n, n, device=device)

    def connection(self, part: int, streams: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """read and write (..., branches), mix (..., branches, branches)."""
        if self.dynamic:
            found: tuple[Tensor, Tensor, Tensor] = self.hyper[part](streams)
            return found
        return self.read[part], self.write[part], self.mix[part]

    def sublayer(self, part: int, streams: Tensor, norm: Tensor, module: nn.Module) -> Tensor:
        """The streams after one sublayer: (sequences, tokens, branches, hidden)."""
        if self.branches == 1:
            return streams + module(rms(streams[:, :, 0]) * norm).unsqueeze(2)
        read, write, mix = self.connection(part, streams)
        out = module(rms((streams * read.unsqueeze(-1)).sum(2)) * norm)
        return mix.transpose(-1, -2) @ streams + out.unsqueeze(2) * write.unsqueeze(-1)

    def forward(self, ids: Tensor, streams: Tensor) -> Tensor:
        if self.engram is not None:
            streams = streams + self.engram(ids, streams)
        streams = self.sublayer(0, streams, self.attention_norm, self.attention)
        return self.sublayer(1, streams, self.feed_norm, self.feed)


class MedusaHead(nn.Module):
    """Predicts a token further ahead from the last hidden state (arXiv 2401.10774)."""

    def __init__(self, hidden: int, vocab: int, device: str | None) -> None:
        super().__init__()
        self.inner = nn.Linear(hidden, hidden, device=device)
        self.head = matrix(vocab, hidden, device=device)

    def forward(self, x: Tensor) -> Tensor:
        return (x + functional.silu(self.inner(x))) @ self.head.t()


class Model(nn.Module):
    """ids (sequences, tokens) -> logits (sequences, tokens, vocab)."""

    def __init__(self, s: Shape, device: str | None = None) -> None:
        super().__init__()
        self.shape, engram = s, s["engram"]
        self.embedding = matrix(s["vocab"], s["hidden"], device=device)
        self.blocks = nn.ModuleList(Block(s, layer, device) for layer in range(s["layers"]))
        self.input_engram = Engram(s, 0, device) if engram and engram["input_only"] else None
        self.final_norm = ones(s["hidden"], device=device)
        self.head = None if s["tied_embeddings"] else matrix(s["vocab"], s["hidden"], device=device)
        self.medusa = nn.ModuleList(
            MedusaHead(s["hidden"], s["vocab"], device) for _ in range(s["medusa_heads"])
        )
        self.log_frequency: Tensor | None
        frequency = torch.zeros(s["vocab"], device=device) if s["log_frequency"] else None
        self.register_buffer("log_frequency", frequency)
        # token id -> canonical id, which the tables are addressed with; a full-size model's own tokenizer gives it
        self.canonical = torch.tensor(s["canonical"]) if s["canonical"] else None

    def forward(self, ids: Tensor) -> Tensor:
        names = ids if self.canonical is None else self.canonical.to(ids.device)[ids]
        streams = functional.embedding(ids, self.embedding).unsqueeze(2)
        streams = streams.expand(-1, -1, self.shape["branches"], -1)
        if self.input_engram is not None:
            streams = streams + self.input_engram(names, streams)
        for block in self.blocks:
            streams = block(names, streams)
        x = rms(streams.mean(2)) * self.final_norm
        logits = x @ (self.embedding if self.head is None else self.head).t()
        return logits if self.log_frequency is None else logits + self.log_frequency
