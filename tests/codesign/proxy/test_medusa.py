"""Medusa heads: what they learn, what is counted as accepted, and that checked guesses change no token."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from codesign import tokenizer
from codesign.proxy import batches, device, medusa, medusa_study, training
from codesign.proxy.batches import Windows
from codesign.proxy.engram import Addresses
from codesign.proxy.fidelity import Fidelity
from codesign.proxy.measurement import measure
from codesign.proxy.medusa import Heads
from codesign.proxy.scale import scale
from codesign.proxy.store import Store
from cost_models import speculation
from cost_models.design import Model
from cost_models.errors import InputError

TREE = [(0,), (1,), (0, 0), (0, 1), (1, 0), (0, 0, 0), (2,), (0, 0, 1)]


class Trained:
    """A second of training on plays, and windows to train heads on and to judge them by."""

    def __init__(self, model: Model, recipe: Fidelity, text: Path) -> None:
        tokens = tokenizer.encode(text, recipe.vocab)
        split = batches.split(tokens)
        config = scale(model, recipe, tokens.canonical_vocab)
        self.model = training.train(
            config, recipe, tokens, split, 0, device.choose("cpu", "auto")
        ).model.eval()
        self.addresses = Addresses(config, tokens.canonical, tokens.canonical_vocab)
        self.windows = Windows(split.train, split.train_positions, recipe.sequence, self.addresses)
        self.held_out = Windows(split.held_out, split.held_out_positions, recipe.sequence, self.addresses)


@pytest.fixture(scope="module")
def trained(full_model: Callable[..., Model], tiny: Fidelity, text: Path) -> Trained:
    return Trained(full_model(0.25), tiny, text)


@pytest.fixture(scope="module")
def heads(trained: Trained) -> Heads:
    return medusa.train(trained.model, trained.windows, heads=3, steps=60)


def test_checked_guesses_give_the_tokens_of_plain_decoding(trained: Trained, heads: Heads) -> None:
    for number in range(3):
        prompt = trained.held_out.batch(np.array([number])).ids[0, :12].tolist()
        plain = medusa.decode(trained.model, trained.addresses, prompt, 40)
        guessed = medusa.decode(trained.model, trained.addresses, prompt, 40, heads, TREE)
        assert guessed.ids[:40] == plain.ids[:40]
        assert plain.tokens_per_step == 1.0
        assert guessed.steps < plain.steps


def test_a_guess_that_is_always_wrong_costs_steps_and_no_token(trained: Trained, heads: Heads) -> None:
    bad = Heads(trained.model, 3)
    bad.load_state_dict(heads.state_dict())
    with torch.no_grad():
        bad.output.neg_()
        bad.log_frequency.neg_()  # now the least likely token is guessed
    prompt = trained.held_out.batch(np.array([0])).ids[0, :12].tolist()
    plain = medusa.decode(trained.model, trained.addresses, prompt, 20)
    guessed = medusa.decode(trained.model, trained.addresses, prompt, 20, bad, TREE)
    assert guessed.ids[:20] == plain.ids
    assert guessed.tokens_per_step == pytest.approx(1.0, abs=0.2)


def test_training_leaves_the_model_alone_and_beats_its_start(trained: Trained, heads: Heads) -> None:
    before = {name: tensor.clone() for name, tensor in trained.model.state_dict().items()}
    untrained = Heads(trained.model, 3)
    learnt = medusa.train(trained.model, trained.windows, heads=3, steps=60)
    for name, tensor in trained.model.state_dict().items():
        assert torch.equal(tensor, before[name])
    first, _ = medusa.acceptance(trained.model, untrained, trained.held_out)
    then, judged = medusa.acceptance(trained.model, learnt, trained.held_out)
    assert judged > 1000
    assert (then[:, 0] > first[:, 0]).all()
    assert (np.diff(then, axis=1) >= 0).all()
    assert then[0, 0] > then[2, 0]  # nearer tokens are easier


def test_acceptance_is_counted_as_defined(trained: Trained, heads: Heads) -> None:
    found, _ = medusa.acceptance(trained.model, heads, trained.held_out, sequences=4, ranks=3)
    batch = trained.held_out.batch(trained.held_out.spread(4))
    with torch.no_grad():
        logits = heads(trained.model.states(batch.ids, batch.rows))[1].numpy()
    hits = [
        batch.targets[row, place + 2].item() in np.argsort(-logits[row, place])[:3]
        for row in range(4)
        for place in range(batch.ids.shape[1] - 2)
    ]
    assert found[1, 2] == pytest.approx(np.mean(hits))


def test_a_tree_of_the_cost_model_can_be_decoded(trained: Trained, heads: Heads) -> None:
    shares, _ = medusa.acceptance(trained.model, heads, trained.held_out)
    guesses = tuple(tuple(np.diff([0.0, *row])) for row in shares)
    tree = speculation.tree(speculation.Acceptance("own", "test", 1e6, guesses), 15)
    prompt = trained.held_out.batch(np.array([1])).ids[0, :12].tolist()
    plain = medusa.decode(trained.model, trained.addresses, prompt, 30)
    assert medusa.decode(trained.model, trained.addresses, prompt, 30, heads, tree).ids[:30] == plain.ids


def test_a_stored_proxy_is_studied_and_its_table_can_be_served(
    full_model: Callable[..., Model], tiny: Fidelity, text: Path, store: Store, tmp_path: Path
) -> None:
    quality = measure(full_model(0.0), tiny, corpus=text, store=store, keep_weights=True)
    found = medusa_study.study(quality.key, heads=2, steps=20, prompts=2, corpus=text, store=store)
    assert found.judged > 1000
    assert all(row["decoded"] >= 1.0 for row in found.rows)
    file = tmp_path / "heads.yaml"
    file.write_text(found.acceptance(), encoding="utf-8")
    read = speculation.acceptance(full_model(0.0), str(file))
    assert read.guesses[0][0] == pytest.approx(found.correct[0][0], abs=1e-5)
    with pytest.raises(InputError, match="another text"):
        medusa_study.study(quality.key, store=store)
