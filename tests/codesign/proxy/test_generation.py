"""Decoding with a cache against reading everything anew, for chains and for trees of guesses."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from codesign.proxy.engram import Addresses
from codesign.proxy.fidelity import Fidelity
from codesign.proxy.generation import Reader
from codesign.proxy.kv import Step
from codesign.proxy.scale import scale
from codesign.proxy.transformer import Transformer, initialise
from cost_models.design import Model


@pytest.fixture(params=["tables", "experts alone"])
def proxy(request: pytest.FixtureRequest, full_model: Callable[..., Model], tiny: Fidelity) -> Transformer:
    """A random proxy, with tables, convolution and hyper-connections or with none of them."""
    share = 0.3 if request.param == "tables" else 0.0
    model = Transformer(scale(full_model(share, hyper_connections=2 if share else 1), tiny), kernel="loop")
    initialise(model, 3)
    stream = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.endswith(("head", "conv")):
                tensor.normal_(generator=stream)
    return model.eval()


@pytest.fixture
def addresses(proxy: Transformer) -> Addresses:
    return Addresses(proxy.config, np.arange(proxy.config.vocab) // 2, proxy.config.vocab)


def _states(proxy: Transformer, addresses: Addresses, ids: NDArray[np.int64]) -> torch.Tensor:
    positions = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
    with torch.no_grad():
        return proxy.states(torch.from_numpy(ids), addresses(ids, positions))


def test_piece_by_piece_equals_all_at_once(proxy: Transformer, addresses: Addresses) -> None:
    ids = np.random.default_rng(0).integers(1, proxy.config.vocab, (2, 24))
    reader = Reader(proxy, addresses)
    pieces = [reader.read(ids[:, start:end]) for start, end in ((0, 7), (7, 8), (8, 10), (10, 24))]
    torch.testing.assert_close(torch.cat(pieces, dim=1), _states(proxy, addresses, ids), rtol=1e-4, atol=1e-5)
    assert reader.cache.length == 24
    assert reader.ids is not None
    assert np.array_equal(reader.ids, ids)


def test_each_path_of_a_tree_equals_that_text(proxy: Transformer, addresses: Addresses) -> None:
    generator = np.random.default_rng(1)
    ids = generator.integers(1, proxy.config.vocab, (1, 12))
    guesses, parents = generator.integers(1, proxy.config.vocab, (1, 6)), [-1, 0, 0, 1, 2, 3]
    reader = Reader(proxy, addresses)
    reader.read(ids)
    states = reader.guess(guesses, parents)
    for path in ([0, 1, 3, 5], [0, 2, 4]):
        text = np.concatenate([ids, guesses[:, path]], axis=1)
        expected = _states(proxy, addresses, text)[:, 12:]
        torch.testing.assert_close(states[:, path], expected, rtol=1e-4, atol=1e-5)


def test_what_was_not_accepted_leaves_no_trace(proxy: Transformer, addresses: Addresses) -> None:
    generator = np.random.default_rng(2)
    ids, after = (generator.integers(1, proxy.config.vocab, (1, 9)) for _ in range(2))
    guesses = generator.integers(1, proxy.config.vocab, (1, 4))
    reader = Reader(proxy, addresses)
    reader.read(ids)
    reader.guess(guesses, [-1, 0, 0, 2])
    reader.accept([0, 2])
    states = reader.read(after)
    text = np.concatenate([ids, guesses[:, [0, 2]], after], axis=1)
    expected = _states(proxy, addresses, text)[:, 11:]
    torch.testing.assert_close(states, expected, rtol=1e-4, atol=1e-5)


def test_grouped_keys_are_kept_once() -> None:
    from codesign.proxy.config import ProxyConfig

    config = ProxyConfig(
        vocab=16, layers=2, hidden=16, heads=4, kv_heads=2, head_dim=4, dense_width=(8, 8), experts=(0, 0),
        active_experts=0, expert_width=0, shared_width=(0, 0), engram=None,
    )  # fmt: skip
    model = Transformer(config)
    initialise(model, 0)
    reader = Reader(model, Addresses(config, np.arange(16), 16))
    reader.read(np.ones((3, 5), np.int64))
    assert reader.cache.bytes() == 2 * 2 * 3 * 2 * 5 * 4 * 4  # layers, keys and values, fp32


def test_places_before_a_token_in_a_tree() -> None:
    step = Step.of([-1, 0, 0, 2])
    assert step.depth.tolist() == [0, 1, 1, 2]
    assert step.before(1).tolist() == [-1, 0, 0, 2]
    assert step.before(2).tolist() == [-2, -1, -1, 0]
    assert step.sees.tolist() == [
        [True, False, False, False],
        [True, True, False, False],
        [True, False, True, False],
        [True, False, True, True],
    ]
