"""Medusa heads on a frozen proxy: training, acceptance on held-out text, and decoding that checks a tree of guesses.

Source: arXiv 2401.10774. Head k maps the last state h at a token to guesses of the token k + 2 places on: logits
U_k (h + SiLU(W_k h + b_k)), with W_k zero and U_k the model's own output matrix at first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from codesign.proxy.batches import Windows
from codesign.proxy.engram import Addresses
from codesign.proxy.generation import Reader
from codesign.proxy.training import Progress, learning_rate_factor
from codesign.proxy.transformer import Transformer

LATER_WEIGHT = 0.8  # of each head's loss against the head before it (arXiv 2401.10774, section 7.2)
Path = tuple[int, ...]


class Heads(nn.Module):
    """states (..., hidden) -> (heads, ..., vocab) logits."""

    def __init__(self, model: Transformer, heads: int) -> None:
        super().__init__()
        hidden = model.config.hidden
        output = model.embedding if model.head is None else model.head
        self.block = nn.Parameter(torch.zeros(heads, hidden, hidden))
        self.bias = nn.Parameter(torch.zeros(heads, hidden))
        self.output = nn.Parameter(output.detach().clone().repeat(heads, 1, 1))
        self.log_frequency: Tensor
        self.register_buffer("log_frequency", model.log_frequency.detach().clone())

    def forward(self, states: Tensor) -> Tensor:
        flat = states.reshape(-1, states.shape[-1])
        inner = flat + functional.silu(flat @ self.block + self.bias.unsqueeze(1))
        logits = inner @ self.output.transpose(1, 2) + self.log_frequency
        return logits.view(len(self.block), *states.shape[:-1], -1)


def train(
    model: Transformer,
    windows: Windows,
    heads: int = 5,
    steps: int = 400,
    batch: int = 4,
    seed: int = 0,
    learning_rate: float = 3e-3,
    progress: Progress | None = None,
) -> Heads:
    """Heads for a trained model, which stays as it is; windows of its own training text."""
    made = Heads(model, heads)
    optimizer = torch.optim.AdamW(made.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
    weights = LATER_WEIGHT ** torch.arange(heads)
    for step, one in enumerate(windows.epoch(batch, steps, seed)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * learning_rate_factor(step, steps, 0.05)
        with torch.no_grad():
            states = model.states(one.ids, one.rows)
        losses = []
        for head, logits in enumerate(made(states)):
            ahead = head + 1  # targets are one place on already
            losses.append(
                functional.cross_entropy(logits[:, :-ahead].flatten(0, 1), one.targets[:, ahead:].flatten())
            )
        loss = (torch.stack(losses) * weights).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if progress is not None:
            progress(step + 1, steps, loss.item())
    return made.eval()


@torch.no_grad()
def acceptance(
    model: Transformer,
    heads: Heads,
    held_out: Windows,
    sequences: int = 64,
    ranks: int = 10,
    own: bool = False,
) -> tuple[NDArray[np.float64], int]:
    """(heads, ranks) share of tokens among a head's first r + 1 guesses, and how many tokens were judged.

    own: against what the model itself would say at that place of the held-out text, which is what a greedy step
    accepts; else against the text.
    """
    batch = held_out.batch(held_out.spread(sequences))
    states = model.states(batch.ids, batch.rows)
    truth = model.logits(states).argmax(-1) if own else batch.targets
    found = np.zeros((len(heads.block), ranks))
    for head in range(len(found)):
        ahead = head + 1
        logits = heads(states[:, :-ahead])[head]
        hits = logits.topk(ranks, dim=-1).indices == truth[:, ahead:].unsqueeze(-1)
        found[head] = hits.double().mean(dim=(0, 1)).cumsum(0).numpy()
    return found, int(truth[:, 1:].numel())


@dataclass(frozen=True)
class Decoded:
    """ids: the new tokens. steps: forward passes that made them, after the prompt's."""

    ids: list[int]
    steps: int

    @property
    def tokens_per_step(self) -> float:
        """What a step yielded; 1 in plain decoding."""
        return len(self.ids) / self.steps


def decode(
    model: Transformer,
    addresses: Addresses,
    prompt: Sequence[int],
    tokens: int,
    heads: Heads | None = None,
    tree: Sequence[Path] = (),
) -> Decoded:
    """The greedy continuation by at least `tokens` tokens; without heads one by one, with them by checked guesses.

    tree: paths of ranks, parents before children (`cost_models.speculation.tree`). Either way the tokens are the
    same. The start token is never chosen.
    """
    paths: list[Path] = [(), *tree] if heads is not None else [()]
    number = {path: place for place, path in enumerate(paths)}
    parents = [-1] + [number[path[:-1]] for path in paths[1:]]
    reader = Reader(model, addresses)
    state = reader.read(np.array([prompt]))[0, -1]
    certain, steps = _likeliest(model, state), 0
    ids: list[int] = []
    while len(ids) < tokens:
        guesses = _guesses(heads, state, max((max(path) for path in tree), default=0) + 1)
        new = [certain] + [int(guesses[len(path) - 1, path[-1]]) for path in paths[1:]]
        states = reader.guess(np.array([new]), parents)[0]
        said = [_likeliest(model, each) for each in states]
        taken = [0]
        while True:  # follow what the model itself says, as far as it was guessed
            here, wanted = taken[-1], said[taken[-1]]
            child = next((i for i, p in enumerate(parents) if p == here and new[i] == wanted and i), None)
            if child is None:
                break
            taken.append(child)
        reader.accept(taken)
        ids += [new[place] for place in taken]
        state, certain, steps = states[taken[-1]], said[taken[-1]], steps + 1
    return Decoded(ids, steps)


@torch.no_grad()
def _likeliest(model: Transformer, state: Tensor) -> int:
    return int(model.logits(state)[1:].argmax()) + 1


@torch.no_grad()
def _guesses(heads: Heads | None, state: Tensor, ranks: int) -> Tensor:
    return torch.zeros(0, 0) if heads is None else heads(state)[:, 1:].topk(ranks, dim=-1).indices + 1
