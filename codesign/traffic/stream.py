"""Tokens as requests, the order in which a server reads them, and the N-grams they look up."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REQUEST_TOKENS = 2048
_KEY_SEED = 20260112


@dataclass(frozen=True)
class Stream:
    """Requests laid end to end; nothing reaches back over the start of a request.

    ids: (tokens,) canonical token ids. starts: (requests + 1,) first token of each request, and the end.
    """

    ids: NDArray[np.uint32]
    starts: NDArray[np.int64]

    @property
    def tokens(self) -> int:
        """Tokens in all."""
        return int(self.ids.size)

    @property
    def requests(self) -> int:
        """Requests in all."""
        return int(self.starts.size - 1)

    def places(self) -> NDArray[np.int64]:
        """(tokens,) the place of every token in its request, from 0."""
        return np.arange(self.tokens) - np.repeat(self.starts[:-1], np.diff(self.starts))

    def part(self, first: int, last: int) -> "Stream":
        """The requests first .. last - 1."""
        a, b = self.starts[first], self.starts[last]
        return Stream(self.ids[a:b], self.starts[first : last + 1] - a)

    def split(self, share: float) -> tuple["Stream", "Stream"]:
        """Two streams of whole requests; the first has about `share` of the tokens."""
        cut = int(np.searchsorted(self.starts, share * self.tokens))
        cut = min(max(cut, 1), max(1, self.requests - 1))
        return self.part(0, cut), self.part(cut, self.requests)


def requests(
    documents: Iterable[NDArray[np.integer]], request_tokens: int = REQUEST_TOKENS, seed: int | None = 0
) -> Stream:
    """Cut documents into requests of at most `request_tokens`, in random order (seed None: in their own).

    Files in a folder stand in no order of time, and neighbouring requests of one long document would share
    more than a server's independent users do; logs that are in order of time keep it with seed None.
    """
    pieces = list(_pieces(documents, request_tokens))
    if seed is not None:
        order = np.random.default_rng(seed).permutation(len(pieces))
        pieces = [pieces[i] for i in order]
    lengths = np.fromiter((piece.size for piece in pieces), dtype=np.int64, count=len(pieces))
    ids = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.uint32)
    return Stream(ids, np.concatenate([[0], np.cumsum(lengths)]))


def _pieces(documents: Iterable[NDArray[np.integer]], size: int) -> Iterator[NDArray[np.uint32]]:
    for document in documents:
        ids = document.astype(np.uint32, copy=False)
        for start in range(0, ids.size, size):
            yield ids[start : start + size]


def interleave(stream: Stream, sequences: int) -> NDArray[np.int64]:
    """When a server that decodes `sequences` requests at a time reads each token: (tokens,) int64.

    Continuous batching: every step reads one token of every running request, and the next request takes the
    place of one that ends. Tokens after the point where fewer than half of the places are taken get -1, since
    no more requests are there to fill them. With one sequence this is 0, 1, 2, ...
    """
    if sequences == 1:
        return np.arange(stream.tokens)
    lengths = np.diff(stream.starts)
    free = [(0, slot) for slot in range(min(sequences, stream.requests))]
    first_step = np.empty(stream.requests, dtype=np.int64)
    slots = np.empty(stream.requests, dtype=np.int64)
    for request, length in enumerate(lengths.tolist()):
        step, slot = heapq.heappop(free)
        first_step[request], slots[request] = step, slot
        heapq.heappush(free, (step + length, slot))
    width = max(1, len(free))
    cell = (np.repeat(first_step, lengths) + stream.places()) * width + np.repeat(slots, lengths)
    steps = max(step for step, _ in free) if free else 0
    taken = np.zeros(steps * width, dtype=bool)
    taken[cell] = True
    running = taken.reshape(steps, width).sum(axis=1)
    busy = int(np.max(np.flatnonzero(running * 2 >= width), initial=-1)) + 1
    rank = np.cumsum(taken) - 1
    rank[busy * width :] = -1
    return rank[cell]


def ngram_keys(stream: Stream, orders: Iterable[int]) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    """A 64-bit key of the N-gram that ends at each token, order by order (ascending).

    A sum of token x random odd multiplier mod 2^64: equal N-grams have equal keys, and the top b bits of
    different ones agree with probability about 2^-b. N-grams are padded at the start of a request.
    """
    wanted = set(orders)
    multipliers = np.random.default_rng(_KEY_SEED).integers(0, 2**63, 64, dtype=np.uint64) * np.uint64(
        2
    ) + np.uint64(1)
    tokens = stream.ids.astype(np.uint64) + np.uint64(1)  # 0 is the padding
    starts = stream.starts[:-1]
    ends = stream.starts[1:]
    keys = tokens * multipliers[0]
    for order in range(2, max(wanted, default=1) + 1):
        back = order - 1
        shifted = np.zeros_like(tokens)
        shifted[back:] = tokens[:-back]
        for place in range(back):
            shifted[np.minimum(starts + place, ends - 1)[starts + place < ends]] = 0
        keys = keys + shifted * multipliers[back]
        if order in wanted:
            yield order, keys
