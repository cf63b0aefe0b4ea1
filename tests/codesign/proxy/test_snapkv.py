"""SnapKV on proxies: what is kept, against its definition, and what it does to a model that looks far back."""

import math

import numpy as np
import pytest
import torch

from codesign.proxy import copying, snapkv, snapkv_study
from codesign.proxy.config import ProxyConfig
from codesign.proxy.engram import Addresses
from codesign.proxy.generation import Reader
from codesign.proxy.transformer import Transformer, initialise
from cost_models.errors import InputError

CONFIG = ProxyConfig(
    vocab=16, layers=2, hidden=16, heads=4, kv_heads=2, head_dim=4, dense_width=(8, 8), experts=(0, 0),
    active_experts=0, expert_width=0, shared_width=(0, 0), engram=None,
)  # fmt: skip


def _reader(length: int, window: int) -> Reader:
    model = Transformer(CONFIG)
    initialise(model, 1)
    reader = Reader(model.eval(), Addresses(CONFIG, np.arange(16), 16), observe=window)
    reader.read(np.random.default_rng(0).integers(1, 16, (2, length)))
    return reader


def test_votes_are_the_attention_of_the_last_queries() -> None:
    reader = _reader(12, 3)
    past = reader.cache.layers[1]
    assert past.keys is not None and past.queries is not None
    found = snapkv.votes(past, 3)
    expected = np.zeros((2, 2, 9))
    for sequence in range(2):
        for head in range(4):
            for number in range(3):
                query, seen = past.queries[sequence, head, number], 10 + number
                scores = (past.keys[sequence, head // 2, :seen] @ query / math.sqrt(4)).numpy()
                shares = np.exp(scores) / np.exp(scores).sum()
                expected[sequence, head // 2] += shares[:9]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)


def test_the_window_and_the_best_positions_stay_in_order() -> None:
    reader, whole = _reader(20, 4), _reader(20, 4)
    snapkv.compress(reader.cache, 8, 4, 1)
    for past, before in zip(reader.cache.layers, whole.cache.layers, strict=True):
        assert past.keys is not None and before.keys is not None and past.keys.shape == (2, 2, 8, 4)
        assert torch.equal(past.keys[:, :, 4:], before.keys[:, :, 16:])
        best = snapkv.votes(before, 4).topk(4, dim=-1).indices.sort(dim=-1).values
        for sequence in range(2):
            for head in range(2):
                kept = before.keys[sequence, head, best[sequence, head]]
                assert torch.equal(past.keys[sequence, head, :4], kept)


def test_pooling_keeps_the_neighbours_of_a_peak() -> None:
    past = _reader(20, 2).cache.layers[0]
    assert past.keys is not None and past.queries is not None
    past.keys[:] = 0.0
    past.queries[:] = 1.0
    past.keys[:, :, 9] = 5.0  # one position that is looked at
    assert snapkv._chosen(past, 3, 2, 3)[0, 0].tolist() == [8, 9, 10, 18, 19]


def test_a_short_prompt_stays_whole_and_decoding_goes_on_at_the_right_position() -> None:
    reader, whole = _reader(12, 4), _reader(12, 4)
    snapkv.compress(reader.cache, 12, 4, 3)
    assert reader.cache.bytes() == whole.cache.bytes()
    snapkv.compress(reader.cache, 8, 4, 3)
    assert reader.cache.bytes() * 12 == whole.cache.bytes() * 8
    assert reader.cache.length == 12
    assert reader.cache.begin([-1]).tolist() == [12]


@pytest.mark.parametrize(("budget", "window", "pooling"), [(4, 4, 3), (3, 4, 3), (8, 4, 2), (8, 0, 3)])
def test_what_cannot_be_kept_is_refused(budget: int, window: int, pooling: int) -> None:
    with pytest.raises(InputError, match="must be"):
        snapkv.compress(_reader(12, 4).cache, budget, window, pooling)


def test_exams_ask_for_what_stands_far_back() -> None:
    recipe = copying.Recipe(length=96)
    prompts, answers = copying.exam(recipe, 5, 40, np.random.default_rng(0))
    assert prompts.shape == (5, 96) and answers.shape == (5, 8)
    for prompt, answer in zip(prompts.tolist(), answers.tolist(), strict=True):
        span = prompt[-4:] + answer
        places = [i for i in range(96 - 40) if prompt[i : i + 12] == span]
        assert places


def test_a_model_that_never_looks_back_fails_the_check() -> None:
    model = Transformer(CONFIG)
    initialise(model, 1)
    with torch.no_grad():
        for block in model.blocks:
            block.attention.out.zero_()  # type: ignore[union-attr, operator]
    prompts, answers = (np.random.default_rng(0).integers(1, 16, (8, size)) for size in (40, 4))
    exam = snapkv_study.Exam(model.eval(), Addresses(CONFIG, np.arange(16), 16), prompts, answers)
    found = snapkv_study.check(exam, 8)
    assert found.whole == pytest.approx(found.recent)
    assert not found.passed


def test_the_exam_without_a_cut_is_plain_reading() -> None:
    model = Transformer(CONFIG)
    initialise(model, 1)
    prompts, answers = (np.random.default_rng(1).integers(1, 16, (3, size)) for size in (12, 4))
    exam = snapkv_study.Exam(model.eval(), Addresses(CONFIG, np.arange(16), 16), prompts, answers)
    text = torch.from_numpy(np.concatenate([prompts, answers], axis=1))
    with torch.no_grad():
        shares = torch.log_softmax(model(text[:, :-1], []), -1)[:, 11:]
    expected = -shares.gather(-1, text[:, 12:].unsqueeze(-1)).squeeze(-1) / math.log(2)
    np.testing.assert_allclose(exam.bits(), expected.numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(exam.bits(), expected.numpy(), rtol=1e-3, atol=1e-4)  # the prompt is unharmed


def test_the_shipped_table_is_of_a_proxy_that_passed() -> None:
    from cost_models import yamlfile
    from cost_models.kv_compression import _FILES

    data = yamlfile.read(_FILES / "snapkv_measured.yaml").data
    assert all(snapkv_study.Check(**one).passed for one in data["check"])
    assert len(data["rows"]) == 36
