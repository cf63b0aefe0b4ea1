"""The transformer: attention against its definition, causality, common random numbers."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from codesign.proxy import fidelity
from codesign.proxy.config import ProxyConfig
from codesign.proxy.engram import Addresses
from codesign.proxy.scale import scale
from codesign.proxy.transformer import Attention, Transformer, initialise
from cost_models.design import Model


def _built(config: ProxyConfig, seed: int = 0) -> Transformer:
    model = Transformer(config, kernel="loop")
    initialise(model, seed)
    with torch.no_grad():
        assert model.head is not None
        model.head.normal_(generator=torch.Generator().manual_seed(9))
    return model.eval()


def _logits(model: Transformer, ids: "np.ndarray") -> torch.Tensor:  # type: ignore[type-arg]
    config = model.config
    addresses = Addresses(config, np.arange(config.vocab), config.vocab)
    positions = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
    with torch.no_grad():
        return model(torch.from_numpy(ids), addresses(ids, positions))


def test_attention_equals_its_definition() -> None:
    config = ProxyConfig(
        vocab=10, layers=1, hidden=8, heads=4, kv_heads=2, head_dim=4, dense_width=(8,), experts=(0,),
        active_experts=0, expert_width=0, shared_width=(0,), engram=None,
    )  # fmt: skip
    module = Attention(config)
    stream = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=stream))
    x = torch.randn(1, 5, 8, generator=stream)
    angles = torch.outer(torch.arange(5), 10000.0 ** (-torch.arange(0, 4, 2) / 4))
    out = module(x, angles.cos(), angles.sin())[0].detach().numpy()

    qkv = (x[0] @ module.qkv).detach().numpy().astype(float).reshape(5, 8, 4)

    def rotate(vector: "np.ndarray", position: int) -> "np.ndarray":  # type: ignore[type-arg]
        # the pairs (0, 2) and (1, 3) are complex numbers, turned by position x frequency
        turned = (vector[:2] + 1j * vector[2:]) * np.exp(1j * position * np.array([1.0, 0.01]))
        return np.concatenate([turned.real, turned.imag])

    expected = np.zeros((5, 16))
    for t in range(5):
        for head in range(4):
            group = head // 2
            q = rotate(qkv[t, head], t)
            scores = np.array([q @ rotate(qkv[s, 4 + group], s) / math.sqrt(4) for s in range(t + 1)])
            weights = np.exp(scores) / np.exp(scores).sum()
            expected[t, head * 4 : head * 4 + 4] = weights @ qkv[: t + 1, 6 + group]
    np.testing.assert_allclose(out, expected @ module.out.detach().numpy(), rtol=1e-4, atol=1e-4)


def test_no_position_sees_the_future(full_model: Callable[..., Model], tiny: fidelity.Fidelity) -> None:
    config = scale(full_model(0.25, hyper_connections=2), tiny)
    model = _built(config)
    ids = np.random.default_rng(0).integers(1, config.vocab, (2, 16))
    changed = ids.copy()
    changed[:, 10:] = (changed[:, 10:] + 7) % config.vocab
    a, b = _logits(model, ids), _logits(model, changed)
    torch.testing.assert_close(a[:, :10], b[:, :10])
    assert not torch.allclose(a[:, 10:], b[:, 10:])


def test_the_tables_matter(full_model: Callable[..., Model], tiny: fidelity.Fidelity) -> None:
    model = _built(scale(full_model(0.25), tiny))
    ids = np.random.default_rng(0).integers(1, 512, (1, 12))
    before = _logits(model, ids)
    with torch.no_grad():
        for block in model.blocks:
            if block.engram is not None:
                block.engram.table.zero_()
    assert not torch.allclose(before, _logits(model, ids))


def test_new_hyper_connections_are_a_plain_residual_stream(
    full_model: Callable[..., Model], tiny: fidelity.Fidelity
) -> None:
    one = scale(full_model(0.0), tiny)
    ids = np.random.default_rng(0).integers(1, 512, (1, 12))
    plain, branched = (_logits(_built(config), ids) for config in (one, replace(one, branches=4)))
    torch.testing.assert_close(plain, branched, rtol=1e-4, atol=1e-4)


def test_models_share_the_random_numbers_of_the_tensors_they_share(
    full_model: Callable[..., Model], tiny: fidelity.Fidelity
) -> None:
    bare, tables = (dict(_built(scale(full_model(share), tiny)).named_parameters()) for share in (0.0, 0.25))
    assert torch.equal(bare["blocks.0.attention.qkv"], tables["blocks.0.attention.qkv"])
    assert torch.equal(bare["embedding"], tables["embedding"])
    count = len(tables["blocks.0.feed.gate_up"])
    assert count < len(bare["blocks.0.feed.gate_up"])
    assert torch.equal(bare["blocks.0.feed.gate_up"][:count], tables["blocks.0.feed.gate_up"])
    other = dict(_built(scale(full_model(0.0), tiny), seed=1).named_parameters())
    assert not torch.equal(bare["embedding"], other["embedding"])


def test_counted_parameters_are_the_built_ones(
    full_model: Callable[..., Model], tiny: fidelity.Fidelity
) -> None:
    config = scale(full_model(0.25), tiny)
    left_out = ("norm", "conv")
    built = sum(p.numel() for name, p in _built(config).named_parameters() if not name.endswith(left_out))
    assert config.parameters() == built
