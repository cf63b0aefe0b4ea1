"""Trainings: they learn, repeat exactly, stop with a reason, and refuse too little text."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from codesign import tokenizer
from codesign.errors import TrainingError
from codesign.proxy import batches, device, learner, training
from codesign.proxy.checkpoint import Checkpoint
from codesign.proxy.engram import Addresses
from codesign.proxy.fidelity import Fidelity
from codesign.proxy.scale import scale
from cost_models.design import Model

CPU = device.choose("cpu", "fp32")


@pytest.fixture(scope="module")
def data(text: Path, tiny: Fidelity) -> tuple[tokenizer.Tokens, batches.Split]:
    tokens = tokenizer.encode(text, tiny.vocab)
    return tokens, batches.split(tokens)


def _run(
    model: Model, recipe: Fidelity, data: tuple[tokenizer.Tokens, batches.Split], seed: int = 0
) -> training.Run:
    return training.train(scale(model, recipe, data[0].canonical_vocab), recipe, *data, seed, CPU)


def test_a_training_learns_and_repeats_exactly(
    full_model: Callable[..., Model], tiny: Fidelity, data: tuple[tokenizer.Tokens, batches.Split]
) -> None:
    model = full_model(0.25)
    first, again, other = (_run(model, tiny, data, seed) for seed in (0, 0, 1))
    assert first.reason == ""
    assert first.curve == again.curve and np.array_equal(first.block_nats, again.block_nats)
    assert first.curve != other.curve
    frequency = training.token_frequency(data[1].train, tiny.vocab)
    assert first.curve[-1][1] < float(-(frequency * np.log(frequency)).sum()) - 0.1


def test_an_interrupted_training_goes_on_to_the_same_result(
    full_model: Callable[..., Model],
    tiny: Fidelity,
    data: tuple[tokenizer.Tokens, batches.Split],
    tmp_path: Path,
) -> None:
    config = scale(full_model(0.25), tiny, data[0].canonical_vocab)
    steps: list[int] = []

    def run(checkpoint: Checkpoint | None, stop: int = 0) -> training.Run:
        def progress(step: int, total: int, loss: float) -> None:
            steps.append(step)
            if step == stop:
                raise KeyboardInterrupt

        return training.train(config, tiny, *data, 0, CPU, progress, checkpoint)

    whole = run(None)
    kept = Checkpoint(tmp_path / "k.checkpoint", every=0)
    with pytest.raises(KeyboardInterrupt):
        run(kept, stop=25)
    steps.clear()
    rest = run(kept)
    assert min(steps) >= 25  # nothing before the last checkpoint is repeated
    assert rest.curve == whole.curve and np.array_equal(rest.block_nats, whole.block_nats)
    kept.path.write_bytes(b"torn")
    steps.clear()
    assert run(kept).curve == whole.curve and min(steps) == 1


def test_the_first_prediction_is_the_token_frequency(
    full_model: Callable[..., Model], tiny: Fidelity, data: tuple[tokenizer.Tokens, batches.Split]
) -> None:
    untrained = _run(full_model(0.25), replace(tiny, learning_rate=0.0, must_learn=-9.0), data)
    stopped = _run(full_model(0.25), replace(tiny, must_learn=9.0), data)
    assert "at half of the steps" in stopped.reason
    assert untrained.reason == "" or "unigram" in untrained.reason
    assert stopped.bits_per_byte == pytest.approx(untrained.bits_per_byte, rel=1e-5)


def test_bits_per_byte_counts_every_byte_of_the_windows(
    full_model: Callable[..., Model], tiny: Fidelity, data: tuple[tokenizer.Tokens, batches.Split]
) -> None:
    tokens, split = data
    run = _run(full_model(0.0), tiny, data)
    windows = batches.Windows(
        split.held_out,
        split.held_out_positions,
        tiny.sequence,
        Addresses(run.model.config, tokens.canonical, 1),
    )
    numbers = windows.spread(tiny.validation_sequences)
    bytes_, nats = 0, 0.0
    for number in numbers:
        ids = split.held_out[number * tiny.sequence : (number + 1) * tiny.sequence + 1].astype(np.int64)
        text = tokens.tokenizer.decode(ids[1:].tolist())  # START is special and decodes to nothing
        bytes_ += len(text.encode()) if "\ufffd" not in text else int(tokens.token_bytes[ids[1:]].sum())
        with torch.no_grad():
            logits = run.model(torch.from_numpy(ids[None, :-1]), [])[0]
        nats -= float(logits.log_softmax(-1)[torch.arange(tiny.sequence), torch.from_numpy(ids[1:])].sum())
    assert run.bits_per_byte == pytest.approx(nats / bytes_ / math.log(2), rel=1e-4)


def test_too_little_text_says_how_much_is_needed(
    full_model: Callable[..., Model], tiny: Fidelity, data: tuple[tokenizer.Tokens, batches.Split]
) -> None:
    with pytest.raises(
        TrainingError, match=r"tokens to train on, .* needs 25,600,000, none twice; give \d+\.\d times"
    ):
        _run(full_model(0.0), replace(tiny, steps=100_000), data)


def test_batches_come_in_one_order_and_none_twice(data: tuple[tokenizer.Tokens, batches.Split]) -> None:
    class NoTables(Addresses):
        def __init__(self) -> None:
            self.canonical, self.sets = np.arange(512), []

    split = data[1]
    windows = batches.Windows(split.train, split.train_positions, 64, NoTables())
    seen = [batch.ids for batch in windows.epoch(4, 20, seed=3)]
    assert all(torch.equal(a, b.ids) for a, b in zip(seen, windows.epoch(4, 20, seed=3), strict=True))
    assert len({tuple(row.tolist()) for ids in seen for row in ids}) == 80
    assert not torch.equal(seen[0], next(iter(windows.epoch(4, 20, seed=4))).ids)


def test_the_split_is_by_document_and_disjoint(data: tuple[tokenizer.Tokens, batches.Split]) -> None:
    tokens, split = data
    assert len(split.train) + len(split.held_out) == len(tokens.ids)
    assert split.held_out_positions[0] == 0 and split.held_out[0] == 0
    assert (split.held_out == 0).sum() + (split.train == 0).sum() == len(tokens.hashes)
    assert 0 < len(split.held_out) < len(tokens.ids) / 3


@pytest.mark.parametrize(
    ("step", "level", "stopped"),
    [
        (3, float("nan"), "not finite"), (3, 9.0, ""), (15, 6.5, "above the unigram entropy 6.00"), (15, 5.9, ""),
        (49, 6.5, ""), (50, 5.9, "not 0.2 below"), (50, 5.7, ""), (80, 6.5, ""),
    ],
)  # fmt: skip
def test_stopping(step: int, level: float, stopped: str, tiny: Fidelity) -> None:
    reason = training.stop_reason(step, replace(tiny, steps=100, must_learn=0.2), level, 6.0)
    assert stopped in reason and bool(reason) == bool(stopped)


def test_the_learning_rate_rises_and_falls_to_zero() -> None:
    factors = [training.learning_rate_factor(step, 100, 0.1) for step in range(100)]
    assert max(factors) == factors[9] == factors[10] == 1.0
    assert factors[0] == pytest.approx(0.1) and factors[-1] == pytest.approx(1 / 90)


def test_tables_have_their_own_learning_rate_and_no_decay(
    full_model: Callable[..., Model], tiny: Fidelity
) -> None:
    from codesign.proxy.transformer import Transformer

    model = Transformer(scale(full_model(0.25), tiny))
    groups = learner.optimizer_for(model, tiny, CPU).param_groups
    tables = {id(p) for name, p in model.named_parameters() if name.endswith(".table")}
    assert {id(p) for p in groups[2]["params"]} == tables and len(tables) == 2
    assert groups[2]["lr"] == 5 * groups[0]["lr"] and groups[2]["weight_decay"] == 0.0
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


@pytest.mark.parametrize("scale_of_gradients", [1e-3, 0.5, 40.0, float("nan")])
def test_clipping_is_that_of_torch(scale_of_gradients: float) -> None:
    stream = torch.Generator().manual_seed(0)
    one, other = (
        [torch.nn.Parameter(torch.zeros(9, 5)), torch.nn.Parameter(torch.zeros(7))] for _ in range(2)
    )
    for ours, theirs in zip(one, other, strict=True):
        ours.grad = torch.randn(ours.shape, generator=stream) * scale_of_gradients
        theirs.grad = ours.grad.clone()
    before = [each.grad.clone() for each in one if each.grad is not None]
    learner.clip([*one, torch.nn.Parameter(torch.zeros(3))])  # one that has no gradient
    torch.nn.utils.clip_grad_norm_(other, 1.0)
    for ours, theirs, was in zip(one, other, before, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=0, equal_nan=True)
        assert torch.equal(ours.grad, was) == (scale_of_gradients == 1e-3)


@pytest.mark.parametrize("kernel", ["grouped", "loop"])
def test_half_precision_learns_as_much(
    kernel: str,
    full_model: Callable[..., Model],
    tiny: Fidelity,
    data: tuple[tokenizer.Tokens, batches.Split],
) -> None:
    config = scale(full_model(0.25), tiny, data[0].canonical_vocab)
    whole, half = (
        training.train(config, tiny, *data, 0, device.choose("cpu", dtype, kernel))
        for dtype in ("fp32", "bf16")
    )
    assert half.bits_per_byte != whole.bits_per_byte
    assert half.bits_per_byte == pytest.approx(whole.bits_per_byte, rel=0.01)


def test_a_step_in_pieces_learns_the_same(
    full_model: Callable[..., Model], tiny: Fidelity, data: tuple[tokenizer.Tokens, batches.Split]
) -> None:
    model, recipe = full_model(0.25), replace(tiny, steps=8, must_learn=-9.0, warmup=0.9)
    whole = _run(model, recipe, data)
    pieces = _run(model, replace(recipe, micro_batch=3), data)  # three sequences and one
    assert pieces.bits_per_byte == pytest.approx(whole.bits_per_byte, rel=1e-3)
    assert pieces.curve[0][1] == pytest.approx(whole.curve[0][1], rel=1e-6)
    for a, b in zip(whole.model.buffers(), pieces.model.buffers(), strict=True):
        torch.testing.assert_close(a, b)
    assert replace(recipe, micro_batch=3).determines() != recipe.determines()


def test_a_compiled_model_learns_the_same(
    full_model: Callable[..., Model],
    tiny: Fidelity,
    data: tuple[tokenizer.Tokens, batches.Split],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The graph is traced whole; its code is torch's own, since making code takes longer than a test may."""
    compiler, half = torch.compile, device.choose("cpu", "bf16")
    monkeypatch.setattr(torch, "compile", lambda model: compiler(model, backend="aot_eager", fullgraph=True))
    model, recipe = full_model(0.25), replace(tiny, steps=8, must_learn=-9.0, warmup=0.9)
    config = scale(model, recipe, data[0].canonical_vocab)
    eager, traced = (
        training.train(config, recipe, *data, 0, replace(half, compiled=compiled))
        for compiled in (False, True)
    )
    assert traced.bits_per_byte == pytest.approx(eager.bits_per_byte, rel=1e-3)


def test_hyper_connections_train(
    full_model: Callable[..., Model], tiny: Fidelity, data: tuple[tokenizer.Tokens, batches.Split]
) -> None:
    run = _run(full_model(0.25, hyper_connections=2), tiny, data)
    assert run.reason == ""
    first = run.model.blocks[0]
    assert not torch.equal(first.read, torch.full_like(first.read, 0.5))
