"""Mixture of experts as in DeepSeek-V3: shared and routed experts, sigmoid affinities, loss-free balancing.

Source: arXiv 2412.19437 section 2.1.2 and arXiv 2408.15664. Affinities s = sigmoid(W_r x); the top k of s +
b are chosen, their weights are s normalised over the chosen; after each step the bias b of an overloaded
expert falls by `balance_rate` and that of an underloaded one rises.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

Kernel = Callable[[Tensor, Tensor, Tensor], Tensor]  # rows, weights, where each expert's rows end


class _Loop(torch.autograd.Function):
    """x[rows of expert e] @ w[e], expert after expert, without padding."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, ends: list[int]) -> Tensor:
        out = x.new_empty(x.shape[0], w.shape[2])
        for expert, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            torch.mm(x[start:end], w[expert], out=out[start:end])
        ctx.save_for_backward(x, w)
        ctx.ends = ends
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, w = ctx.saved_tensors
        grad = grad.contiguous()
        grad_x, grad_w = torch.empty_like(x), torch.empty_like(w)
        for expert, (start, end) in enumerate(zip([0, *ctx.ends[:-1]], ctx.ends, strict=True)):
            torch.mm(grad[start:end], w[expert].t(), out=grad_x[start:end])
            torch.mm(x[start:end].t(), grad[start:end], out=grad_w[expert])
        return grad_x, grad_w, None


def _loop(x: Tensor, w: Tensor, ends: Tensor) -> Tensor:
    return _Loop.apply(*_cast(x, w), ends.tolist())


def _grouped(x: Tensor, w: Tensor, ends: Tensor) -> Tensor:
    return functional.grouped_mm(*_cast(x, w), offs=ends.to(torch.int32))


def _cast(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """What autocast does for ordinary products; it knows neither of these two."""
    kind = x.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else w.dtype
    return x.to(dtype), w.to(dtype)


# Measured on one EPYC core in fp32, forward and backward, share of the GEMM rate at d 64 / 128 / 256: grouped
# 0.52 / 0.61 / 0.79, loop 0.41 / 0.56 / 0.74, batched with padding 0.15 / 0.15 / 0.20 (uneven load).
KERNELS: dict[str, Kernel] = {"grouped": _grouped, "loop": _loop}


def choose_kernel(name: str) -> str:
    """ "auto" becomes "grouped" where this torch has grouped_mm (2.9 and later), else "loop"."""
    if name != "auto":
        return name
    return "grouped" if hasattr(functional, "grouped_mm") else "loop"


def by_expert(chosen: Tensor) -> Tensor:
    """The places (n,) of expert numbers (n,) in the order of the experts, those of one expert as they came."""
    if chosen.device.type != "cpu" or torch.compiler.is_compiling() or type(chosen) is not Tensor:
        return torch.argsort(chosen, stable=True)  # also for tensors without memory
    # numpy sorts 16 bits by counting: 5 us where torch takes 100 for the choices of a step of `demo`
    return torch.from_numpy(np.argsort(chosen.numpy().astype(np.uint16), kind="stable"))


class Experts(nn.Module):
    """The routed and shared experts of one layer: (tokens, hidden) -> (tokens, hidden)."""

    def __init__(
        self,
        hidden: int,
        experts: int,
        active: int,
        width: int,
        shared_width: int,
        balance_rate: float,
        kernel: str,
    ) -> None:
        super().__init__()
        self.active = active
        self.balance_rate = balance_rate
        self.kernel = KERNELS[choose_kernel(kernel)]
        self.router = nn.Parameter(torch.empty(experts, hidden))
        self.gate_up = nn.Parameter(torch.empty(experts, hidden, 2 * width))
        self.down = nn.Parameter(torch.empty(experts, width, hidden))
        self.shared = SwiGLU(hidden, shared_width) if shared_width else None
        self.balance: Tensor
        self.load: Tensor
        self.register_buffer("balance", torch.zeros(experts))
        self.register_buffer("load", torch.zeros(experts), persistent=False)

    def route(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and expert numbers of each token: both (tokens, active)."""
        affinity = torch.sigmoid(functional.linear(x, self.router).float())
        chosen = (affinity.detach() + self.balance).topk(self.active, dim=-1, sorted=False).indices
        weights = affinity.gather(-1, chosen)
        return (weights / (weights.sum(-1, keepdim=True) + 1e-9)).to(x.dtype), chosen

    def forward(self, x: Tensor) -> Tensor:
        weights, chosen = self.route(x)
        flat = chosen.reshape(-1)
        order = by_expert(flat)
        token = order // self.active
        # not bincount, which waits for the device and cannot be compiled
        load = flat.new_zeros(self.router.shape[0]).scatter_add_(0, flat, torch.ones_like(flat))
        if self.training:
            self.load += load
        ends = load.cumsum(0)
        gate, up = self.kernel(x.index_select(0, token), self.gate_up, ends).chunk(2, dim=-1)
        out = self.kernel(functional.silu(gate) * up, self.down, ends)
        out = out * weights.reshape(-1)[order].unsqueeze(1)
        total = torch.zeros_like(x) if self.shared is None else self.shared(x)
        return total.index_add(0, token, out.to(total.dtype))

    @torch.no_grad()
    def rebalance(self) -> None:
        """Move the selection bias against the load since the last call, and count anew."""
        self.balance += self.balance_rate * torch.sign(self.load.mean() - self.load)
        self.load.zero_()


class SwiGLU(nn.Module):
    """down(silu(gate x) * (up x)), arXiv 2002.05202."""

    def __init__(self, hidden: int, width: int) -> None:
        super().__init__()
        self.gate_up = nn.Parameter(torch.empty(hidden, 2 * width))
        self.down = nn.Parameter(torch.empty(width, hidden))

    def forward(self, x: Tensor) -> Tensor:
        gate, up = (x @ self.gate_up).chunk(2, dim=-1)
        return (functional.silu(gate) * up) @ self.down
