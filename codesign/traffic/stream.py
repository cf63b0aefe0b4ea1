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
    documents: (requests,) number of the document that each request is from.
    """

    ids: NDArray[np.uint32]
    starts: NDArray[np.int64]
    documents: NDArray[np.int64]

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

    def part(self, which: NDArray[np.integer]) -> "Stream":
        """The given requests, in the given order."""
        lengths = np.diff(self.starts)[which]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        take = np.repeat(self.starts[:-1][which] - starts[:-1], lengths) + np.arange(starts[-1])
        return Stream(self.ids[take], starts, self.documents[which])

    def head(self, tokens: int) -> "Stream":
        """The first requests, with at least `tokens` tokens if there are so many."""
        return self.part(np.arange(min(self.requests, int(np.searchsorted(self.starts, tokens)))))

    def held_out(self, share: float, seed: int = 0) -> tuple["Stream", "Stream"]:
        """Two streams without a common document; the second has about `share` of the tokens.

        Documents are drawn at random; where there is but one, its requests are.
        """
        groups = self.documents if np.unique(self.documents).size > 1 else np.arange(self.requests)
        names, index = np.unique(groups, return_inverse=True)
        size = np.bincount(index, weights=np.diff(self.starts))
        order = np.random.default_rng(seed).permutation(names.size)
        out = np.zeros(names.size, dtype=bool)
        out[order[np.cumsum(size[order]) <= share * self.tokens]] = True
        if not out.any():
            out[order[0]] = True
        return self.part(np.flatnonzero(~out[index])), self.part(np.flatnonzero(out[index]))


def join(first: Stream, second: Stream) -> Stream:
    """One stream after the other; their documents are taken as different."""
    offset = int(first.documents.max(initial=-1)) + 1
    return Stream(
        np.concatenate([first.ids, second.ids]),
        np.concatenate([first.starts, second.starts[1:] + first.tokens]),
        np.concatenate([first.documents, second.documents + offset]),
    )


def requests(
    documents: Iterable[NDArray[np.integer]], request_tokens: int = REQUEST_TOKENS, seed: int | None = 0
) -> Stream:
    """Cut documents into requests of at most `request_tokens`, in random order (seed None: in their own).

    Files in a folder stand in no order of time, and neighbouring requests of one long document would share
    more than a server's independent users do; logs that are in order of time keep it with seed None.
    """
    pieces = [
        (number, ids[start : start + request_tokens].astype(np.uint32))
        for number, ids in enumerate(documents)
        for start in range(0, ids.size, request_tokens)
    ]
    if seed is not None:
        order = np.random.default_rng(seed).permutation(len(pieces))
        pieces = [pieces[i] for i in order]
    ids = np.concatenate([np.zeros(0, dtype=np.uint32), *(piece for _, piece in pieces)])
    starts = np.cumsum([0, *(piece.size for _, piece in pieces)], dtype=np.int64)
    return Stream(ids, starts, np.array([number for number, _ in pieces], dtype=np.int64))


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
