"""Text in, requests of canonical token ids out: a sample of bounded size from texts of any size."""

import heapq
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from codesign import corpus
from codesign.tokenizer import canonical_ids, train
from codesign.traffic.stream import REQUEST_TOKENS, Stream, requests
from cost_models.errors import InputError

VOCAB = 32768
MAX_TOKENS = 8_000_000
PYTHON = {
    "stdlib": "stdlib",
    "site-packages": "purelib",
}  # code that every machine has: names, and where it lies
_SKIPPED = {"test", "tests", "idle_test", "site-packages", "dist-packages"}
_BYTES_PER_TOKEN = 6  # more than any usual tokenizer needs, so that the sample is not short of tokens
_TRAINING_CHARACTERS = 4_000_000
_BATCH_CHARACTERS = 1_000_000
_BATCH_PIECES = 1000
_TOKEN_ARRAYS = {".npy", ".bin"}

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """A text as requests, and where it came from.

    share: of the text's characters, how many were read into the sample. tokenizer: its file, or how it was
    made. canonical_vocab: distinct canonical ids (the bound of the hash multipliers).
    """

    stream: Stream
    name: str
    tokenizer: str
    canonical_vocab: int
    documents: int
    share: float


def read(
    texts: Sequence[str | Path] = (),
    tokenizer: str | Path | None = None,
    vocab: int = VOCAB,
    max_tokens: int = MAX_TOKENS,
    request_tokens: int = REQUEST_TOKENS,
    keep_order: bool = False,
    separator: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Source:
    """Read texts (see `codesign.corpus`; none: the bundled text) or arrays of token ids as requests.

    tokenizer: a tokenizer.json; None trains a byte-level BPE of `vocab` tokens on the text. Of a text longer
    than `max_tokens` whole documents are taken at random, or with keep_order the first ones: memory stays
    below about 100 bytes a token of the sample. separator: the token id that ends a document in an array.
    Raises InputError.
    """
    specs = [str(text) for text in texts] or ["bundled"]
    name = ", ".join(corpus.describe(spec) for spec in specs)
    order_seed = None if keep_order else seed
    arrays = [Path(spec).suffix in _TOKEN_ARRAYS for spec in specs]
    coder = _tokenizer(tokenizer) if tokenizer is not None else None
    if all(arrays):
        pieces = [ids for spec in specs for ids in _token_array(Path(spec), separator)]
        canonical, size = _canonical(coder, pieces)
        kept = _first(iter(pieces), max_tokens)
        documents: list[NDArray[np.integer]] = [canonical[ids] for ids in kept]
        stream = requests(documents, request_tokens, order_seed)
        share = stream.tokens / max(1, sum(ids.size for ids in pieces))
        return Source(stream, name, str(tokenizer or "token ids as given"), size, len(documents), share)
    if any(arrays):
        raise InputError(f"{name}: texts and token arrays cannot be mixed; give one kind")
    sample, share = _sample(specs, max_tokens * _BYTES_PER_TOKEN, None if keep_order else seed, progress)
    if coder is None:
        if progress:
            progress("learning a vocabulary")
        coder = train(_spread(sample), vocab)
    canonical, size = canonical_ids(coder)
    encoded = _first((canonical[ids] for ids in _encode(coder, sample, progress)), max_tokens)
    stream = requests(encoded, request_tokens, order_seed)
    made = str(tokenizer) if tokenizer is not None else f"byte-level BPE of {coder.get_vocab_size()} tokens"
    return Source(stream, name, made, size, len(sample), share)


def _documents(spec: str) -> Iterator[str]:
    if spec not in PYTHON:
        yield from corpus.iter_documents(spec)
        return
    root = Path(sysconfig.get_paths()[PYTHON[spec]])
    paths = (path for path in sorted(root.rglob("*.py")) if not _SKIPPED & set(path.relative_to(root).parts))
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in paths)
    # packages carry copies of one another's files
    yield from corpus.drop_duplicates(texts) if spec == "site-packages" else filter(str.strip, texts)


def _sample(
    specs: Sequence[str], limit: int, seed: int | None, progress: Progress | None
) -> tuple[list[str], float]:
    """Documents of at most `limit` characters in all, and the share of the text that they are."""
    random = np.random.default_rng(seed)
    heap: list[tuple[float, int, str]] = []  # the document to drop first is at the top
    kept = total = 0
    for number, document in enumerate(text for spec in specs for text in _documents(spec)):
        total += len(document)
        priority = float(number if seed is None else random.random())
        if seed is None and kept > limit:
            break
        heapq.heappush(heap, (-priority, number, document))
        kept += len(document)
        while kept - len(heap[0][2]) >= limit and seed is not None:
            kept -= len(heapq.heappop(heap)[2])
        if progress and number % 1000 == 999:
            progress(f"read {total / 1e6:.0f} million characters")
    heap.sort(key=lambda entry: -entry[0])  # at random, or as they were
    return [document for _, _, document in heap], kept / max(1, total)


def _spread(documents: Sequence[str]) -> Iterator[str]:
    """Pieces from all over the documents, about _TRAINING_CHARACTERS in all."""
    size = 4096
    pieces = [(index, at) for index, text in enumerate(documents) for at in range(0, len(text), size)]
    step = max(1, round(len(pieces) * size / _TRAINING_CHARACTERS))
    return (documents[index][at : at + size] for index, at in pieces[::step])


def _encode(
    tokenizer: Tokenizer, documents: Sequence[str], progress: Progress | None
) -> Iterator[NDArray[np.int64]]:
    """The token ids of each document. Pieces keep the memory small: an encoding has 200 bytes a token."""
    done = 0
    pieces: list[str] = []
    owners: list[int] = []
    parts: dict[int, list[NDArray[np.int64]]] = {}
    for index, document in enumerate(documents):
        for piece in _lines(document, _BATCH_CHARACTERS):
            pieces.append(piece)
            owners.append(index)
            if sum(map(len, pieces)) < _BATCH_CHARACTERS and len(pieces) < _BATCH_PIECES:
                continue
            done += sum(map(len, pieces))
            yield from _encode_pieces(tokenizer, pieces, owners, parts)
            pieces, owners = [], []
            if progress:
                progress(f"tokenised {done / 1e6:.0f} million characters")
    yield from _encode_pieces(tokenizer, pieces, owners, parts)
    yield from (np.concatenate(ids) for ids in parts.values())


def _encode_pieces(
    tokenizer: Tokenizer, pieces: list[str], owners: list[int], parts: dict[int, list[NDArray[np.int64]]]
) -> Iterator[NDArray[np.int64]]:
    for owner, encoding in zip(
        owners, tokenizer.encode_batch_fast(pieces, add_special_tokens=False), strict=True
    ):
        parts.setdefault(owner, []).append(np.array(encoding.ids, dtype=np.int64))
    for owner in [number for number in parts if number < max(owners, default=0)]:
        yield np.concatenate(parts.pop(owner))


def _lines(document: str, size: int) -> Iterator[str]:
    """Pieces of at most `size` characters, cut behind a line where there is one."""
    start = 0
    while len(document) - start > size:
        end = document.rfind("\n", start, start + size) + 1
        end = end if end > start else start + size
        yield document[start:end]
        start = end
    yield document[start:]


def _first(documents: Iterable[NDArray[np.integer]], max_tokens: int) -> list[NDArray[np.integer]]:
    kept: list[NDArray[np.integer]] = []
    left = max_tokens
    for ids in documents:
        if left <= 0:
            break
        if ids.size:
            kept.append(ids[:left])
        left -= ids.size
    return kept


def _tokenizer(path: str | Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception for every fault
        raise InputError(f"{path}: not a tokenizer.json that can be read ({error})") from None


def _token_array(path: Path, separator: int | None) -> Iterator[NDArray[np.integer]]:
    """Documents of a .npy array of integers, or of a .bin file of little-endian uint16 (as nanoGPT has)."""
    try:
        ids = np.load(path, mmap_mode="r") if path.suffix == ".npy" else np.memmap(path, "<u2", "r")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except ValueError:  # NumPy's own words advise to load pickles
        raise InputError(
            f"{path}: not an array of token ids; it is damaged, or holds pickled objects, which are never loaded"
        ) from None
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer) or not ids.size or ids.min() < 0:
        raise InputError(f"{path}: must be a one-dimensional array of token ids >= 0")
    if separator is None:
        yield ids
        return
    ends = np.append(np.flatnonzero(ids == separator), ids.size)
    start = 0
    for end in ends.tolist():
        if end > start:
            yield ids[start:end]
        start = end + 1


def _canonical(
    tokenizer: Tokenizer | None, pieces: Sequence[NDArray[np.integer]]
) -> tuple[NDArray[np.int64], int]:
    highest = max(int(ids.max()) for ids in pieces)
    if tokenizer is None:
        return np.arange(highest + 1), highest + 1
    canonical, size = canonical_ids(tokenizer)
    if highest >= canonical.size:
        raise InputError(
            f"token id {highest} is beyond the tokenizer's {canonical.size} tokens; give the tokenizer that "
            "made the array"
        )
    return canonical, size
