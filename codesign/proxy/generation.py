"""A stored proxy brought back to life: its weights, and text that it continues."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codesign.proxy.config import ProxyConfig
from codesign.proxy.engram import Addresses
from codesign.proxy.kv import Cache
from codesign.proxy.store import Store
from codesign.proxy.transformer import Transformer
from codesign.tokenizer import canonical_ids
from cost_models.design import Engram
from cost_models.errors import InputError


def config_of(document: dict[str, Any]) -> ProxyConfig:
    """The inverse of `ProxyConfig.document`, after JSON."""
    engram = document["engram"]
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
    }
    if engram is not None:
        values["engram"] = Engram(**{**engram, "layer_ids": tuple(engram["layer_ids"])})
    return ProxyConfig(**values)


def load_weights(key: str, store: Store | None = None) -> Transformer:
    """The trained proxy of a stored result, on the CPU, ready to evaluate.

    Raises InputError where its weights were not kept; `measure(..., keep_weights=True)` keeps them.
    """
    from safetensors.torch import load_file

    results = store or Store()
    quality = results.get(key)
    if quality is None or not results.weights(key).exists():
        raise InputError(f"{key}: no weights are stored for this result; measure it again with keep_weights")
    model = Transformer(config_of(quality.details["config"]))
    model.load_state_dict(load_file(str(results.weights(key))))
    return model.eval()


class Reader:
    """A proxy that reads text piece by piece and keeps what it has read: decoding with a cache.

    reader = Reader(model, addresses)
    states = reader.read(prompt)                        # ids (sequences, tokens) -> (sequences, tokens, hidden)
    logits = model.logits(states[:, -1])                # of the next token
    states = reader.read(next_ids)                      # only what is new is computed
    states = reader.guess(ids, parents)                 # a tree of guesses; `accept` keeps one path of them
    """

    def __init__(self, model: Transformer, addresses: Addresses, observe: int = 0) -> None:
        self.model, self.addresses = model, addresses
        self.cache = Cache(model.config, observe)
        self.ids: NDArray[np.int64] | None = None  # (sequences, tokens) read so far
        self._new: NDArray[np.int64] = np.zeros((0, 0), np.int64)
        engram = model.config.engram
        self._order = engram.max_order if engram else 1

    def read(self, ids: NDArray[np.integer]) -> Tensor:
        """Take new tokens as read, (sequences, tokens); their last states, (sequences, tokens, hidden)."""
        states = self.guess(ids, range(-1, ids.shape[1] - 1))
        self.accept(range(ids.shape[1]))
        return states

    def guess(self, ids: NDArray[np.integer], parents: Sequence[int]) -> Tensor:
        """The states of a tree of tokens, without taking any as read; parents as in `kv.Step`."""
        new: NDArray[np.int64] = np.asarray(ids, np.int64)
        positions = self.cache.begin(parents)
        self._new = new
        rows = self._rows(new, positions.numpy())
        with torch.no_grad():
            return self.model.states(torch.from_numpy(new), rows, self.cache, positions)

    def accept(self, numbers: Sequence[int]) -> None:
        """Take the guessed tokens of these numbers, a path of the tree, as read."""
        self.cache.keep(list(numbers))
        taken = self._new[:, list(numbers)]
        self.ids = taken if self.ids is None else np.concatenate([self.ids, taken], axis=1)

    def _rows(self, ids: NDArray[np.int64], positions: NDArray[np.int64]) -> list[Tensor]:
        """Table rows of each new token from the N-gram that ends in it, along its own path."""
        read = np.zeros((len(ids), 0), np.int64) if self.ids is None else self.ids
        padded = np.concatenate([np.zeros((len(ids), self._order), np.int64), read, ids], axis=1)
        end, step = padded.shape[1] - ids.shape[1], self.cache.layers[0].step
        places = np.stack([end + step.before(offset).numpy() for offset in range(self._order)][::-1], axis=1)
        grams = padded[:, places].reshape(-1, self._order)  # the last column is the token itself
        at = np.maximum(positions[:, None] - np.arange(self._order)[::-1], 0)
        rows = self.addresses(grams, np.tile(at, (len(ids), 1)))
        return [each[:, -1].reshape(*ids.shape, -1) for each in rows]


def generate(
    key: str, text: str, tokens: int, store: Store | None = None, seed: int = 0, temperature: float = 0.8
) -> str:
    """`text` continued by up to `tokens` tokens sampled from a stored proxy.

    temperature 0: always the likeliest token. The model was trained on sequences of a few hundred tokens: once
    that many are read, their later half is read anew as the start of a context.
    """
    from tokenizers import Tokenizer

    results = store or Store()
    model = load_weights(key, results)
    tokenizer = Tokenizer.from_file(str(results.tokenizer(key)))
    canonical, canonical_vocab = canonical_ids(tokenizer)
    quality = results.get(key)
    assert quality is not None
    length = int(quality.details["sequence"])
    addresses = Addresses(model.config, canonical, canonical_vocab)
    ids = [0, *tokenizer.encode(text).ids]
    stream = torch.Generator().manual_seed(seed)
    reader, new = Reader(model, addresses), ids[-length:]
    for _ in range(tokens):
        if reader.cache.length + len(new) > length:
            reader, new = Reader(model, addresses), ids[-(length // 2) :]
        states = reader.read(np.array([new]))
        new = [_pick(model.logits(states[0, -1]).detach(), temperature, stream)]
        ids += new
    return str(tokenizer.decode(ids[1:]))


def _pick(logits: torch.Tensor, temperature: float, stream: torch.Generator) -> int:
    logits[0] = -math.inf  # a new document would begin
    if temperature == 0:
        return int(logits.argmax())
    return int(torch.multinomial(torch.softmax(logits / temperature, -1), 1, generator=stream))
