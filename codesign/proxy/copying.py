"""A proxy that must use long context: text over a small alphabet in which spans come again.

On ordinary text a proxy of seconds predicts as well from the last few tokens as from all of them, so cutting its
KV cache costs nothing and says nothing. Here most of the text repeats a span from anywhere before it, and
the only way to know the next symbol is to look it up there: induction heads form (arXiv 2209.11895). They form
on short sequences first, where there are few places to look; long ones from the start had taught
nothing after 1000 steps.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from codesign.proxy.config import ProxyConfig
from codesign.proxy.training import Progress, learning_rate_factor
from codesign.proxy.transformer import Transformer, initialise

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Recipe:
    """Text and training. symbols: of the alphabet, beside the start token 0. length: tokens of an exam's prompt.

    again: share of the spans that repeat one. fewest, most: length of a span. cue, answer: an exam ends its
    prompt with `cue` symbols of a span from far back, and asks for the `answer` ones that follow.
    stages: (tokens of a sequence, sequences of a step, steps) one after the other.
    """

    symbols: int = 32
    length: int = 256
    again: float = 0.75
    fewest: int = 8
    most: int = 24
    cue: int = 4
    answer: int = 8
    hidden: int = 64
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    stages: tuple[tuple[int, int, int], ...] = ((64, 32, 900), (272, 8, 900))
    learning_rate: float = 3e-3

    def config(self) -> ProxyConfig:
        """A dense transformer with grouped queries and without tables."""
        none, width = (0,) * self.layers, (2 * self.hidden,) * self.layers
        return ProxyConfig(
            vocab=self.symbols + 1, layers=self.layers, hidden=self.hidden, heads=self.heads,
            kv_heads=self.kv_heads, head_dim=self.hidden // self.heads, dense_width=width, experts=none,
            active_experts=0, expert_width=0, shared_width=none, engram=None,
        )  # fmt: skip


def text(recipe: Recipe, sequences: int, length: int, generator: np.random.Generator) -> Ids:
    """(sequences, length) ids: the start token, then spans of new symbols and spans that come again."""
    ids = generator.integers(1, recipe.symbols + 1, (sequences, length))
    ids[:, 0] = 0
    for row in ids:
        place = 2 * recipe.fewest
        while place < length:
            size = min(int(generator.integers(recipe.fewest, recipe.most + 1)), length - place)
            if generator.random() < recipe.again and place > size:
                start = int(generator.integers(1, place - size + 1))
                row[place : place + size] = row[start : start + size]
            place += size
    return ids


def exam(recipe: Recipe, sequences: int, far: int, generator: np.random.Generator) -> tuple[Ids, Ids]:
    """Prompts (sequences, length) that end in the cue of a span, and their answers (sequences, answer).

    The span began at least `far` tokens before the end.
    """
    prompts = text(recipe, sequences, recipe.length, generator)
    span = recipe.cue + recipe.answer
    starts = generator.integers(1, recipe.length - recipe.cue - max(far, span), sequences)
    places = starts[:, None] + np.arange(span)
    spans = np.take_along_axis(prompts, places, axis=1)
    prompts[:, -recipe.cue :] = spans[:, : recipe.cue]
    return prompts, spans[:, recipe.cue :]


def train(recipe: Recipe, seed: int = 0, progress: Progress | None = None) -> Transformer:
    """The trained proxy; a function of recipe and seed on one machine."""
    model = Transformer(recipe.config())
    initialise(model, seed)
    model.log_frequency.fill_(-math.log(recipe.symbols + 1))
    generator = np.random.default_rng([seed, 2])
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    steps = sum(count for _, _, count in recipe.stages)
    plan = [(length, batch) for length, batch, count in recipe.stages for _ in range(count)]
    for step, (length, batch) in enumerate(plan):
        ids = torch.from_numpy(text(recipe, batch, length + 1, generator))
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * learning_rate_factor(step, steps, 0.03)
        logits = model(ids[:, :-1], [])
        loss = functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if progress is not None:
            progress(step + 1, steps, loss.item())
    return model.eval()
