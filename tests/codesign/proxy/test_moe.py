"""Experts against a token-by-token computation."""

import pytest
import torch
from torch.nn import functional

from codesign.proxy.moe import KERNELS, Experts, by_expert, choose_kernel


def _experts(kernel: str, experts: int = 6, active: int = 2) -> Experts:
    module = Experts(16, experts, active, 8, 8, 0.1, kernel)
    stream = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=stream) * 0.3)
    return module


def _slow(module: Experts, x: torch.Tensor) -> torch.Tensor:
    out = []
    for token in x:
        affinity = torch.sigmoid(module.router @ token)
        preferred = (affinity + module.balance).tolist()
        chosen = sorted(range(len(preferred)), key=lambda e: -preferred[e])[: module.active]
        assert module.shared is not None
        gate, up = (token @ module.shared.gate_up).chunk(2)
        total = (functional.silu(gate) * up) @ module.shared.down
        weights = affinity[chosen] / affinity[chosen].sum()
        for weight, expert in zip(weights, chosen, strict=True):
            gate, up = (token @ module.gate_up[expert]).chunk(2)
            total = total + weight * ((functional.silu(gate) * up) @ module.down[expert])
        out.append(total)
    return torch.stack(out)


@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_output_and_gradients_equal_the_definition(kernel: str) -> None:
    module = _experts(kernel)
    module.balance.copy_(torch.tensor([0.0, 2.0, 0.0, -2.0, 0.0, 0.0]))  # one always chosen, one never
    x = torch.randn(20, 16, generator=torch.Generator().manual_seed(3), requires_grad=True)
    weights = list(module.parameters())
    torch.testing.assert_close(module(x), _slow(module, x), rtol=1e-4, atol=1e-5)
    fast = torch.autograd.grad(module(x).pow(2).sum(), [x, *weights])
    slow = torch.autograd.grad(_slow(module, x).pow(2).sum(), [x, *weights])
    for a, b in zip(fast, slow, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_choices_are_sorted_as_torch_sorts_them() -> None:
    chosen = torch.randint(
        0, 700, (5000,), generator=torch.Generator().manual_seed(0)
    )  # more than eight bits
    assert torch.equal(by_expert(chosen), torch.argsort(chosen, stable=True))


def test_balance_moves_against_the_load() -> None:
    module = _experts("loop")
    module.train()
    x = torch.randn(64, 16, generator=torch.Generator().manual_seed(4)) + 1.0
    module(x)
    before, first = module.load.std(), module.load.clone()
    module.rebalance()
    assert (module.balance[first > first.mean()] == -0.1).all()
    assert module.load.sum() == 0
    for _ in range(20):
        module(x)
        module.rebalance()
    module(x)
    assert module.load.std() < before / 2


def test_evaluation_leaves_the_balance_alone() -> None:
    module = _experts("loop").eval()
    module(torch.randn(8, 16))
    assert module.load.sum() == 0


def test_auto_takes_the_fastest_that_torch_has() -> None:
    assert choose_kernel("auto") in KERNELS
    assert choose_kernel("loop") == "loop"
