"""Windows of tokens to train and to validate on, split by document.

The split depends on each document's own hash, so adding documents never moves one from training to
validation.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codesign.errors import TrainingError
from codesign.proxy.engram import Addresses
from codesign.tokenizer import Tokens

HELD_OUT = 0.05  # of the documents, by hash
_TOKENS_AT_ONCE = (
    1 << 14
)  # whose rows are computed together: a call for every small step costs more than the hash


@dataclass(frozen=True)
class Split:
    """Token ids of the training and of the held-out documents and their places there: (tokens,) each."""

    train: NDArray[np.integer]
    train_positions: NDArray[np.int64]
    held_out: NDArray[np.integer]
    held_out_positions: NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """ids and targets: (sequences, tokens) int64; rows: per set of tables, see `Addresses`."""

    ids: Tensor
    targets: Tensor
    rows: list[Tensor]

    def split(self, sequences: int) -> "list[Batch]":
        """Parts of so many sequences, the last one perhaps smaller; 0: the whole."""
        if not 0 < sequences < len(self.ids):
            return [self]
        columns = zip(*(each.split(sequences) for each in (self.ids, self.targets, *self.rows)), strict=True)
        return [Batch(ids, targets, rows) for ids, targets, *rows in columns]


def split(tokens: Tokens) -> Split:
    """Documents whose hash falls in the lowest twentieth are held out (at least one).

    Of a corpus that is one single document the last twentieth is held out.
    """
    positions = tokens.positions()
    if len(tokens.hashes) == 1:
        cut = int(len(tokens.ids) * (1 - HELD_OUT))
        mask = np.arange(len(tokens.ids)) >= cut
    else:
        chosen = tokens.hashes < np.uint64(int(HELD_OUT * 2**64))
        chosen |= tokens.hashes == tokens.hashes.min()
        mask = np.repeat(chosen, np.diff(tokens.starts))
    return Split(tokens.ids[~mask], positions[~mask], tokens.ids[mask], positions[mask])


class Windows:
    """Consecutive windows of `length` + 1 tokens over a stream; the last token is only a target."""

    def __init__(
        self, ids: NDArray[np.integer], positions: NDArray[np.int64], length: int, addresses: Addresses
    ) -> None:
        self.ids, self.positions, self.length, self.addresses = ids, positions, length, addresses
        self.count = max(0, (len(ids) - 1) // length)

    def batch(self, numbers: NDArray[np.integer]) -> Batch:
        """The windows of these numbers, below `count`."""
        places = numbers[:, None] * self.length + np.arange(self.length + 1)
        ids = self.ids[places].astype(np.int64)
        # inside its window an N-gram sees no token before it, as in a sequence of its own
        positions = np.minimum(self.positions[places], np.arange(self.length + 1))
        inputs, shape = ids[:, :-1].copy(), (len(numbers), self.length, -1)
        # positions begin anew in every window, so all of them can be hashed as one sequence
        rows = self.addresses(inputs.reshape(1, -1), positions[:, :-1].reshape(1, -1))
        return Batch(
            ids=torch.from_numpy(inputs),
            targets=torch.from_numpy(ids[:, 1:].copy()),
            rows=[each.view(shape) for each in rows],
        )

    def epoch(self, batch: int, steps: int, seed: int, start: int = 0) -> Iterator[Batch]:
        """`steps` batches of windows in an order that only the seed determines, none twice.

        start: the first step wanted, for a training that goes on.

        Raises TrainingError where there are too few windows: repeated text is memorised by the tables, and then
        trains far below and validates far above what new text would give.
        """
        needed = batch * steps
        if self.count < needed:
            raise TrainingError(
                f"the text has {self.count * self.length:,} tokens to train on, this fidelity needs "
                f"{needed * self.length:,}, none twice; give {needed / max(1, self.count):.1f} times the text or "
                "choose a smaller fidelity"
            )
        order = np.random.default_rng([seed, 1]).permutation(self.count)[:needed]
        together = max(1, _TOKENS_AT_ONCE // (batch * self.length))
        for first in range(start, steps, together):
            yield from self.batch(order[first * batch : min(steps, first + together) * batch]).split(batch)

    def spread(self, count: int) -> NDArray[np.int64]:
        """At most `count` window numbers, evenly over the stream: always the same ones."""
        return np.unique(np.linspace(0, self.count - 1, min(count, self.count)).round().astype(np.int64))
