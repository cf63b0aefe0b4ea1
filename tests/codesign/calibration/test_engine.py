"""The measuring engine computes what the proxy's transformer computes, wherever its tables lie."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from codesign.calibration import kernels
from codesign.calibration.engine import Engine, Lookup, _Routed
from codesign.calibration.scaling import config_of
from codesign.calibration.tables import DriveTables, MemoryTables, Shape
from codesign.proxy.engram import Addresses
from codesign.proxy.moe import Experts
from codesign.proxy.transformer import Transformer, initialise
from cost_models import routing, tables
from cost_models.design import MixtureOfExperts, Model


class _Exact:
    """Rows in the type that the transformer computes in."""

    def __init__(self, inner: MemoryTables | DriveTables) -> None:
        self.begin, self.inner = inner.begin, inner

    def take(self, number: int) -> Tensor:
        return self.inner.take(number).float()


def _transformer(model: Model, held: MemoryTables) -> Transformer:
    transformer = Transformer(config_of(model)).eval()
    initialise(transformer, 0)
    with torch.no_grad():
        assert transformer.head is not None
        transformer.head.normal_(0, 0.05, generator=torch.Generator().manual_seed(1))
        layers = [block.engram for block in transformer.blocks if block.engram is not None]
        for rows, engram in zip(held.sets, layers, strict=True):
            engram.conv.normal_(0, 0.3, generator=torch.Generator().manual_seed(2))
            engram.table.copy_(rows[: len(engram.table)].float())
    return transformer


def _served(transformer: Transformer, lookup: Lookup, ids: np.ndarray, prompt: int) -> np.ndarray:
    engine = Engine(transformer.config, lookup, len(ids), ids.shape[1], transformer, torch.float32)
    first = [engine.prefill(number, each[:prompt]) for number, each in enumerate(ids)]
    return np.array([first, *(engine.decode(ids[:, t]) for t in range(prompt, ids.shape[1]))])


@pytest.mark.parametrize(
    "placement", ["memory", "prefetched", "synchronous", "cached", "prefetched and cached"]
)
def test_tokens_are_those_of_the_transformer(placement: str, model: Model, tmp_path: Path) -> None:
    model = replace(model, vocab=997)
    shape = Shape(tuple(int(each.sum()) for each in tables.rows(model)), 32)
    held = MemoryTables(shape)
    transformer, ids = _transformer(model, held), np.random.default_rng(0).integers(0, 997, (3, 24))
    expected = transformer(
        torch.from_numpy(ids),
        Addresses(transformer.config, np.arange(997), 997)(ids, np.broadcast_to(np.arange(24), ids.shape)),
    )
    cached = 60 if "cached" in placement else 0
    lookup = (
        held
        if placement == "memory"
        else DriveTables(shape, tmp_path / "tables", "prefetched" in placement, cached)
    )
    try:
        out = _served(transformer, _Exact(lookup), ids, 16)
    finally:
        lookup.close()
    assert (out == expected.argmax(-1).numpy()[:, 15:].T).all()
    if cached:
        assert lookup.counts.hits > 0


def test_experts(model: Model) -> None:
    moe = MixtureOfExperts(8, 2, 1, 64, leading_dense_layers=1)
    sparse = replace(model, vocab=997, engram=None, moe=moe)
    transformer = _transformer(sparse, MemoryTables(Shape((), 1)))
    ids = np.random.default_rng(0).integers(0, 997, (2, 12))
    out = _served(transformer, MemoryTables(Shape((), 1)), ids, 8)
    assert (out == transformer(torch.from_numpy(ids), []).argmax(-1).numpy()[:, 7:].T).all()


@pytest.mark.parametrize("tokens", [1, 5, 64])
def test_noise_is_routed_as_the_cost_models_assume(tokens: int) -> None:
    with torch.device("meta"):
        module = _Routed(Experts(16, 24, 4, 8, 0, 0.0, "auto"), 1.2)
    chosen = module._draw(tokens)
    assert chosen.shape == (tokens, 4)
    assert all(len(set(one)) == 4 for one in chosen.tolist())
    loads = np.sort(np.bincount(chosen.reshape(-1).numpy(), minlength=24))[::-1]
    assert np.abs(loads - routing.expected_loads(24, 4, float(tokens), 1.2)).max() <= 1.0


def test_keys_of_one_query_each_are_read_as_shared_ones() -> None:
    q, k, v = (torch.randn(3, 4, n, 16) for n in (1, 9, 9))
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    assert torch.allclose(kernels.attend_cache(q, k, v), expected, atol=1e-5)
    shared = torch.nn.functional.scaled_dot_product_attention(q, k[:, :2], v[:, :2], enable_gqa=True)
    assert torch.allclose(kernels.attend_cache(q, k[:, :2], v[:, :2]), shared, atol=1e-5)
