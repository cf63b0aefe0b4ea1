"""What a proxy keeps of the tokens it has read, so that it reads only new ones: keys, values, convolution inputs.

New tokens form a chain (plain decoding) or a tree of guesses (Medusa, arXiv 2401.10774): each sees everything
read before and its own ancestors. `Cache.keep` then drops the guesses that were wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from codesign.proxy.config import ProxyConfig


@dataclass(frozen=True)
class Step:
    """How n new tokens hang together.

    parents: of each new token the number of the new token before it, -1: the last token read.
    depth: (n,) new tokens between each and what was read. sees: (n, n) bool, ancestors and itself.
    """

    parents: tuple[int, ...]
    depth: Tensor
    sees: Tensor

    @classmethod
    def of(cls, parents: Sequence[int]) -> "Step":
        """Parents come before their children."""
        count = len(parents)
        sees, depth = torch.eye(count, dtype=torch.bool), torch.zeros(count, dtype=torch.long)
        for number, parent in enumerate(parents):
            if parent >= 0:
                sees[number] |= sees[parent]
                depth[number] = depth[parent] + 1
        return cls(tuple(parents), depth, sees)

    def before(self, offset: int) -> Tensor:
        """(n,) the new token so many places before each; -k: the k-th last one of those read before."""
        found = []
        for number, depth in enumerate(self.depth.tolist()):
            place = number
            for _ in range(min(offset, depth)):
                place = self.parents[place]
            found.append(place if offset <= depth else depth - offset)
        return torch.tensor(found)


@dataclass
class Past:
    """One layer. keys (rotated), values: (sequences, kv_heads, kept, head_dim).

    taps: (sequences, reach, branches x hidden), inputs of the Engram's convolution at the last tokens.
    queries: (sequences, heads, observed, head_dim) of the last tokens, where `Cache.observe` asks for them.
    """

    step: Step = field(default_factory=lambda: Step.of([-1]))
    observe: int = 0
    keys: Tensor | None = None
    values: Tensor | None = None
    taps: Tensor | None = None
    queries: Tensor | None = None

    def extend(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Append new keys and values; return all of them, and (n, kept + n) bool, which each query sees."""
        if self.observe:
            both = q if self.queries is None else torch.cat((self.queries, q), dim=2)
            self.queries = both[:, :, -self.observe :]
        before = 0
        if self.keys is not None and self.values is not None:
            before = self.keys.shape[2]
            k, v = torch.cat((self.keys, k), dim=2), torch.cat((self.values, v), dim=2)
        self.keys, self.values = k, v
        everything = torch.ones(q.shape[2], before, dtype=torch.bool)
        return k, v, torch.cat((everything, self.step.sees), dim=1).to(q.device)

    def delayed(self, x: Tensor, offsets: Sequence[int]) -> list[Tensor]:
        """x of (sequences, n, width) so many tokens before each of the n, zero before the text begins."""
        reach = max(offsets)
        if self.taps is None:
            self.taps = x.new_zeros(x.shape[0], reach, x.shape[2])
        self.taps = torch.cat((self.taps, x), dim=1)
        old = self.taps.shape[1] - x.shape[1]
        return [self.taps[:, old + self.step.before(offset)] for offset in offsets]

    def keep(self, numbers: Tensor, new: int) -> None:
        """Of the last `new` tokens keep those of these numbers."""
        if self.keys is not None and self.values is not None:
            old = self.keys.shape[2] - new
            places = torch.cat((torch.arange(old), old + numbers))
            self.keys, self.values = self.keys[:, :, places], self.values[:, :, places]
        if self.taps is not None:
            old = self.taps.shape[1] - new
            self.taps = torch.cat((self.taps[:, :old], self.taps[:, old + numbers]), dim=1)[:, len(numbers) :]


class Cache:
    """All layers of one proxy, for any number of sequences of one length.

    length: tokens read, which is the position of the next one (what is kept of them may be less, see
    `snapkv.compress`). observe: how many of the last queries to keep for that.
    """

    def __init__(self, config: ProxyConfig, observe: int = 0) -> None:
        self.length, self._new = 0, 0
        self.layers = [Past(observe=observe) for _ in range(config.layers)]

    def begin(self, parents: Sequence[int]) -> Tensor:
        """Prepare for new tokens; returns their positions, (n,)."""
        step = Step.of(parents)
        for layer in self.layers:
            layer.step = step
        self._new = len(parents)
        return self.length + step.depth

    def keep(self, numbers: Sequence[int] | None = None) -> None:
        """Take the last tokens as read: all of a chain, or the path of these numbers."""
        kept = torch.arange(self._new) if numbers is None else torch.tensor(numbers)
        for layer in self.layers:
            layer.keep(kept, self._new)
        self.length += len(kept)
        self._new = 0

    def bytes(self) -> int:
        """Bytes of keys and values in all layers."""
        held = [
            tensor for layer in self.layers for tensor in (layer.keys, layer.values) if tensor is not None
        ]
        return sum(tensor.numel() * tensor.element_size() for tensor in held)
