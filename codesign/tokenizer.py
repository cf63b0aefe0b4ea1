"""Byte-level BPE over a corpus, and Engram's compression of its vocabulary to canonical ids.

A tokenizer is trained once per (corpus, vocabulary size) and cached by the content of the corpus; so are the
token ids, which are then memory-mapped.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from codesign import cache, corpus
from cost_models.errors import InputError

START = "<|start|>"  # before every document; id 0, and the padding of N-grams that reach back over the start
_VERSION = f"2-{tokenizers.__version__}"  # counts up when the same corpus gives other tokens
_SAMPLE_BYTES = 4_000_000  # text that a vocabulary is learnt from, spread over the corpus
_PIECE = 4096  # characters that the sample takes in one piece


@dataclass(frozen=True)
class Tokens:
    """A corpus as token ids.

    ids: (tokens,) uint16 or uint32, memory-mapped; each document begins with the START token.
    starts: (documents + 1,) int64, where each document begins in `ids`, and the end.
    hashes: (documents,) uint64, a hash of each document's text (for a split that does not depend on order).
    token_bytes: (vocab,) int64, UTF-8 bytes that each token stands for (0 for START).
    canonical: (vocab,) int64, see `canonical_ids`; canonical_vocab of them are distinct.
    key: hash of the corpus and the tokenizer.
    """

    ids: NDArray[np.integer]
    starts: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    token_bytes: NDArray[np.int64]
    canonical: NDArray[np.int64]
    canonical_vocab: int
    key: str
    tokenizer: Tokenizer

    @property
    def vocab(self) -> int:
        """Size of the vocabulary."""
        return len(self.token_bytes)

    def positions(self) -> NDArray[np.int64]:
        """The place of each token in its own document: (tokens,) int64."""
        return np.arange(len(self.ids)) - np.repeat(self.starts[:-1], np.diff(self.starts))


def train(documents: Iterable[str], vocab: int) -> Tokenizer:
    """Learn a byte-level BPE of `vocab` tokens, START first; any text comes back exactly."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    alphabet = sorted(ByteLevel.alphabet())
    if vocab < len(alphabet) + 1:
        raise InputError(
            f"vocabulary must be at least {len(alphabet) + 1} (every byte and START), got {vocab}"
        )
    trainer = BpeTrainer(
        vocab_size=vocab, special_tokens=[START], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(documents, trainer)
    return tokenizer


def bpe(spec: corpus.Spec, vocab: int) -> Tokenizer:
    """The tokenizer of a corpus, from the cache or trained on a sample of it (a few seconds)."""
    path = cache.folder("tokenizers") / f"{corpus.fingerprint(spec)}-{vocab}-{_VERSION}.json"
    if not path.exists():
        tokenizer = train(_sample(list(corpus.iter_documents(spec))), vocab)
        cache.write_atomically(path, lambda temporary: tokenizer.save(str(temporary)))
    return Tokenizer.from_file(str(path))


def _sample(documents: list[str]) -> Iterator[str]:
    """Pieces from all over the corpus, about _SAMPLE_BYTES in all, the same ones every time."""
    pieces = [(index, at) for index, text in enumerate(documents) for at in range(0, len(text), _PIECE)]
    step = max(1, round(len(pieces) * _PIECE / _SAMPLE_BYTES))
    for index, at in pieces[::step]:
        yield documents[index][at : at + _PIECE]


def canonical_ids(tokenizer: Tokenizer) -> tuple[NDArray[np.int64], int]:
    """Engram's tokenizer compression: token id -> canonical id, and the number of distinct canonical ids.

    Tokens whose text is equal after NFKC, NFD, removal of accents, lower case and collapsed white space share
    one id (arXiv 2601.07372, section 2.2). Tokens that are no whole UTF-8 characters stay by themselves. Ids
    are given in order of first appearance, so START is 0.
    """
    table = np.empty(tokenizer.get_vocab_size(), dtype=np.int64)
    seen: dict[str, int] = {}
    for token in range(len(table)):
        table[token] = seen.setdefault(_canonical_form(tokenizer, token), len(seen))
    return table, len(seen)


def _canonical_form(tokenizer: Tokenizer, token: int) -> str:
    text = tokenizer.decode([token], skip_special_tokens=False)
    if token == 0 or "\ufffd" in text:
        return f"\0{token}"
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text))
    text = "".join(char for char in text if not unicodedata.combining(char)).lower()
    return re.sub(r"\s+", " ", text).strip() or " "


def encode(spec: corpus.Spec, vocab: int) -> Tokens:
    """The token ids of a corpus under its own tokenizer, from the cache or made now (seconds per 10 MB)."""
    return _encode(spec, vocab, corpus.fingerprint(spec))


@lru_cache(maxsize=8)
def _encode(spec: corpus.Spec, vocab: int, fingerprint: str) -> Tokens:
    tokenizer = bpe(spec, vocab)
    key = hashlib.blake2b(
        f"{fingerprint} {tokenizer.to_str()} {_VERSION}".encode(), digest_size=16
    ).hexdigest()
    folder = cache.folder("tokens")
    paths = {name: folder / f"{key}-{name}.npy" for name in ("ids", "starts", "hashes")}
    if not all(path.exists() for path in paths.values()):
        _write_tokens(tokenizer, corpus.iter_documents(spec), paths)
    canonical, canonical_vocab = canonical_ids(tokenizer)
    return Tokens(
        ids=np.load(paths["ids"], mmap_mode="r"),
        starts=np.load(paths["starts"]),
        hashes=np.load(paths["hashes"]),
        token_bytes=_token_bytes(tokenizer),
        canonical=canonical,
        canonical_vocab=canonical_vocab,
        key=key,
        tokenizer=tokenizer,
    )


def _write_tokens(tokenizer: Tokenizer, documents: Iterable[str], paths: dict[str, Path]) -> None:
    parts: list[NDArray[np.uint32]] = []
    hashes: list[int] = []
    for document in documents:
        parts.append(np.array([0, *tokenizer.encode_batch_fast([document])[0].ids], dtype=np.uint32))
        digest = hashlib.blake2b(document.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        hashes.append(int.from_bytes(digest, "little"))
    small = np.uint16 if tokenizer.get_vocab_size() <= 1 << 16 else np.uint32
    arrays = {
        "ids": np.concatenate(parts).astype(small),
        "starts": np.cumsum([0, *map(len, parts)], dtype=np.int64),
        "hashes": np.array(hashes, dtype=np.uint64),
    }
    for name, array in arrays.items():
        cache.write_atomically(paths[name], lambda temporary, array=array: np.save(temporary, array))  # type: ignore[misc]


def _token_bytes(tokenizer: Tokenizer) -> NDArray[np.int64]:
    # in a byte-level vocabulary every character of a token's name stands for one byte
    lengths = [len(tokenizer.id_to_token(token) or "") for token in range(tokenizer.get_vocab_size())]
    return np.array([0, *lengths[1:]], dtype=np.int64)
