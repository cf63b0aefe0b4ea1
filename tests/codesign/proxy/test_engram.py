"""The Engram module against its definition, value by value."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from codesign.proxy.config import ProxyConfig
from codesign.proxy.engram import Addresses, Engram
from cost_models import design, tables

D, ORDERS, HEADS, HEAD_DIM = 12, 2, 2, 3


def _config(**changes: object) -> ProxyConfig:
    engram = replace(design.Engram((1,), ORDERS + 1, HEADS, HEAD_DIM, 50), **changes)  # type: ignore[arg-type]
    return ProxyConfig(
        vocab=40, layers=2, hidden=D, heads=2, kv_heads=2, head_dim=6, dense_width=(8, 8), experts=(0, 0),
        active_experts=0, expert_width=0, shared_width=(0, 0), engram=engram, branches=2,
    )  # fmt: skip


def _filled(config: ProxyConfig) -> Engram:
    module = Engram(config, 0)
    stream = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=stream))
    return module


def _norm(x: "np.ndarray") -> "np.ndarray":  # type: ignore[type-arg]
    return x / math.sqrt(float((x * x).mean()) + 1e-6)


@pytest.mark.parametrize("kernel_size", [0, 4])
@pytest.mark.parametrize("layout", ["independent", "blocked"])
def test_output_equals_the_published_formula(kernel_size: int, layout: str) -> None:
    config = _config(kernel_size=kernel_size, hash_layout=layout)
    module = _filled(config)
    compression = np.arange(40) // 2  # two token ids share one canonical id
    ids = np.random.default_rng(0).integers(0, 40, (2, 9))
    positions = np.array(
        [[0, 1, 2, 3, 4, 5, 6, 7, 8], [0, 1, 2, 3, 0, 1, 2, 3, 4]]
    )  # a new document in the middle
    rows = Addresses(config, compression, 20)(ids, positions)[0]
    streams = torch.randn(2, 9, 2, D, generator=torch.Generator().manual_seed(1))
    out = module(rows, streams).detach().numpy()

    engram = config.engram
    assert engram is not None
    factors = [int(m) for m in tables.multipliers(1, 0, 3, 20)]
    primes = tables.moduli(engram)[0].tolist()
    sizes = tables.rows(config.as_model())[0]
    slots = tables.slots_per_head(config.as_model())
    weight = {name: parameter.detach().numpy().astype(float) for name, parameter in module.named_parameters()}
    gated = np.zeros((2, 9, 2, D))
    for sequence in range(2):
        for t in range(9):
            memory: list[float] = []
            for order in range(2, 4):
                mix = 0
                for back in range(order):
                    known = positions[sequence, t] >= back
                    mix ^= (int(compression[ids[sequence, t - back]]) if known else 0) * factors[back]
                block = None
                for head in range(HEADS):
                    row = mix % primes[order - 2][head]
                    if layout == "blocked":
                        block = row // slots if block is None else block
                        row = block * slots + row % slots
                    before = int(sizes.reshape(-1)[: (order - 2) * HEADS + head].sum())
                    memory.extend(weight["table"][before + row])
            value = weight["value"] @ np.array(memory)
            for branch in range(2):
                key = _norm(weight["key"][branch] @ np.array(memory)) * weight["key_norm"][branch]
                query = (
                    _norm(streams[sequence, t, branch].numpy().astype(float)) * weight["query_norm"][branch]
                )
                score = float(key @ query) / math.sqrt(D)
                root = math.copysign(math.sqrt(max(abs(score), 1e-6)), score)
                gated[sequence, t, branch] = value / (1 + math.exp(-root))
    expected = gated.copy()
    if kernel_size:
        for sequence in range(2):
            for t in range(9):
                for branch in range(2):
                    total = np.zeros(D)
                    for tap in range(4):
                        at = t - 3 * (3 - tap)  # dilation = the largest order
                        if at >= 0:
                            x = _norm(gated[sequence, at, branch]) * weight["conv_norm"][branch]
                            total += x * weight["conv"].reshape(2, D, 4)[branch, :, tap]
                    expected[sequence, t, branch] += total / (1 + np.exp(-total))
    np.testing.assert_allclose(out, expected, rtol=2e-3, atol=2e-3)


def test_the_convolution_starts_as_nothing() -> None:
    with_conv, without = Engram(_config(), 0), Engram(_config(kernel_size=0), 0)
    x = torch.randn(1, 6, 2, D)
    assert torch.equal(with_conv.convolve(x), x)
    assert not hasattr(without, "conv")


def test_ungated_tables_add_their_value_to_every_branch() -> None:
    config = _config(gated=False, kernel_size=0)
    module = _filled(config)
    rows = torch.zeros(1, 1, ORDERS * HEADS, dtype=torch.long)
    out = module(rows, torch.randn(1, 1, 2, D))
    expected = module.value @ module.table[0].repeat(ORDERS * HEADS)
    torch.testing.assert_close(out[0, 0], expected.expand(2, D))
