"""Engram tables: how many rows, how large, and which rows a token reads.

The one implementation of the addressing of arXiv 2601.07372 (released as deepseek-ai/Engram): proxies train
with it, traffic is measured with it, and costs are counted from it.

For layer l, order n and head k, over canonical (compressed) token ids x:
    mix = x[t] m[0] XOR x[t-1] m[1] XOR ... XOR x[t-n+1] m[n-1]        row = mix mod M[l, n, k]
with odd random multipliers m per layer, bounded so that a product stays inside int64, and M distinct primes.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cost_models.design import DTYPE_BYTES, Engram, Model
from cost_models.errors import InputError

BLOCK_BYTES = 4096  # the unit an SSD reads; the "blocked" layout keeps one N-gram's rows inside one
MOST_TABLES = 65536  # a hundred times the largest released; more is a slip or a hostile file
_LAYER_SEED_STEP = 10007  # deepseek-ai/Engram, engram_demo_v1.py
_TOKENS_AT_ONCE = 16384  # keeps the working arrays of row_ids in the second-level cache


@lru_cache(maxsize=512)
def primes(start: int, count: int) -> tuple[int, ...]:
    """The first `count` primes that are >= start, ascending."""
    found: list[int] = []
    low = max(2, int(start))
    while len(found) < count:
        high = low + max(1000, int(1.5 * count * np.log(low + 10)))
        composite = np.zeros(high - low, dtype=bool)
        for divisor in _primes_below(int(high**0.5) + 1):
            composite[max(divisor * divisor, -(-low // divisor) * divisor) - low :: divisor] = True
        found.extend((np.flatnonzero(~composite) + low).tolist())
        low = high
    return tuple(found[:count])


@lru_cache(maxsize=8)
def _primes_below(limit: int) -> tuple[int, ...]:
    is_prime = np.ones(max(limit, 2), dtype=bool)
    is_prime[:2] = False
    for number in range(2, int(limit**0.5) + 1):
        if is_prime[number]:
            is_prime[number * number :: number] = False
    return tuple(np.flatnonzero(is_prime).tolist())


def sets(engram: Engram) -> int:
    """How many sets of tables the model holds: one per Engram layer, or one at the input."""
    return 1 if engram.input_only else len(engram.layer_ids)


def orders(engram: Engram) -> tuple[int, ...]:
    """The N-gram orders that have tables: 2..max_order."""
    return tuple(range(2, engram.max_order + 1))


def moduli(engram: Engram) -> NDArray[np.int64]:
    """M of the hash: (sets, orders, heads) int64.

    "prime": the paper's rule. For every layer, then every order, it starts again at vocab_size - 1 and takes
    the next `heads` primes not used before; so the moduli are consecutive primes from vocab_size upward.
    "base_up" (Qwen3.8, vLLM's Qwen4Exp model): the same, written as "the n-th prime from the base upward".
    "exact" (LongCat-Flash-Lite, modeling_longcat_ngram.py): table i has vocab_size + 2 i + 1 rows.
    """
    shape = (sets(engram), engram.max_order - 1, engram.heads)
    tables = int(np.prod(shape))
    if tables > MOST_TABLES:
        raise InputError(f"model.engram has {tables} tables (layers x orders x heads); at most {MOST_TABLES}")
    if engram.row_rule in ("prime", "base_up"):
        return np.array(primes(engram.vocab_size, tables), dtype=np.int64).reshape(shape)
    if engram.row_rule == "exact":
        return (engram.vocab_size + 2 * np.arange(tables, dtype=np.int64) + 1).reshape(shape)
    raise InputError(f"model.engram.row_rule must be prime, base_up or exact, got {engram.row_rule!r}")


@lru_cache(maxsize=256)
def rows(model: Model) -> NDArray[np.int64]:
    """Rows of every table: (sets, orders, heads) int64; of size 0 where the model has no Engram.

    Where a set is padded to a multiple (`rows_multiple_of`), the padding counts with its last table. The
    array is shared and must not be written to.
    """
    if model.engram is None:
        return np.zeros((0, 0, 0), dtype=np.int64)
    count = moduli(model.engram)
    slots = slots_per_head(model)
    if slots:
        count = np.broadcast_to(-(-count[:, :, :1] // slots) * slots, count.shape).copy()
    count[:, -1, -1] += -count.sum(axis=(1, 2)) % model.engram.rows_multiple_of
    count.flags.writeable = False
    return count


def row_bytes(model: Model) -> float:
    """Bytes of one stored row: the values and their scales; 0 without an Engram."""
    if model.engram is None:
        return 0.0
    dtype = model.dtype("tables")
    # the block scales of these two are part of DTYPE_BYTES
    scales = 0.0 if dtype in ("mxfp4", "nvfp4") else model.engram.scale_bytes_per_row
    return model.engram.head_dim * DTYPE_BYTES[dtype] + scales


@lru_cache(maxsize=256)
def table_bytes(model: Model) -> float:
    """Bytes of all tables of the model, one copy; blocks of the blocked layout are padded to whole 4 KiB."""
    slots = slots_per_head(model)
    if not slots or model.engram is None:
        return float(rows(model).sum()) * row_bytes(model)
    return float(-(-rows(model)[:, :, 0] // slots).sum()) * block_bytes(model)


def block_bytes(model: Model) -> float:
    """Stored bytes of one block of the blocked layout, `slots_per_head` rows of each head; 0 without blocks."""
    slots = slots_per_head(model)
    if not slots or model.engram is None:
        return 0.0
    return float(np.ceil(model.engram.heads * slots * row_bytes(model) / BLOCK_BYTES) * BLOCK_BYTES)


def reads_per_token(model: Model) -> int:
    """Rows that one token reads: sets x orders x heads."""
    return int(rows(model).size)


def bytes_per_token(model: Model) -> float:
    """Bytes of the rows that one token reads, before any page granularity."""
    return reads_per_token(model) * row_bytes(model)


def slots_per_head(model: Model) -> int:
    """Slots that each head has in one 4 KiB block under the "blocked" layout; 0 under "independent".

    At least 1: rows too wide for `heads` of them to share a block then take heads x row_bytes each, and all
    heads of an N-gram use the same slot.
    """
    engram = model.engram
    if engram is None or engram.hash_layout == "independent":
        return 0
    if engram.hash_layout != "blocked":
        raise InputError(
            f"model.engram.hash_layout must be independent or blocked, got {engram.hash_layout!r}"
        )
    return max(1, int(BLOCK_BYTES // (engram.heads * row_bytes(model))))


def multipliers(layer_id: int, seed: int, max_order: int, compressed_vocab: int) -> NDArray[np.int64]:
    """The odd multipliers of one layer: (max_order,) int64, as the released code draws them."""
    bound = max(1, int(np.iinfo(np.int64).max // compressed_vocab) // 2)
    generator = np.random.default_rng(seed + _LAYER_SEED_STEP * layer_id)
    return generator.integers(0, bound, size=max_order, dtype=np.int64) * 2 + 1


def row_ids(
    canonical_ids: NDArray[np.integer],
    multipliers: NDArray[np.int64],
    moduli: NDArray[np.int64],
    pad_id: int = 0,
    positions: NDArray[np.integer] | None = None,
    slots: int = 0,
) -> NDArray[np.int64]:
    """The rows that each token reads in one layer.

    canonical_ids: (tokens,) or (sequences, tokens), non-negative and below the vocabulary of `multipliers`.
    moduli: (orders, heads), one layer of `moduli(engram)`; the first order is 2.
    pad_id: canonical id that stands before the start of a sequence.
    positions: like canonical_ids, the place of each token in its own document where several lie one after
        the other; an N-gram never reaches back over position 0.
    slots: `slots_per_head(model)`. Head 0 of a blocked layout has its own hash; the others take its block and
        a slot of theirs, `block * slots + (mix mod M[k]) mod slots`.

    Returns (..., tokens, orders * heads) int64: row numbers within each (order, head) table. The memory lies
    head by head, so one column is one contiguous stream.
    """
    ids = np.asarray(canonical_ids)
    lead = ids.shape
    sequences = ids.reshape(-1, lead[-1]) if ids.ndim else ids.reshape(1, 1)
    places = None if positions is None else np.asarray(positions).reshape(sequences.shape)
    order_count, heads = moduli.shape
    length = sequences.shape[1]
    out = np.empty((order_count * heads, sequences.shape[0], length), dtype=np.int64)
    for sequence in range(sequences.shape[0]):
        for start in range(0, length, _TOKENS_AT_ONCE):
            stop = min(length, start + _TOKENS_AT_ONCE)
            _hash_chunk(
                sequences[sequence], places, sequence, start, stop, multipliers, moduli, pad_id, slots, out
            )
    return np.moveaxis(out, 0, -1).reshape(*lead, order_count * heads)


def _hash_chunk(
    ids: NDArray[np.integer],
    places: NDArray[np.integer] | None,
    sequence: int,
    start: int,
    stop: int,
    multipliers: NDArray[np.int64],
    moduli: NDArray[np.int64],
    pad_id: int,
    slots: int,
    out: NDArray[np.int64],
) -> None:
    # unsigned arithmetic: the products are non-negative, and NumPy divides unsigned by a scalar fastest
    factors = multipliers.astype(np.uint64)
    mix = ids[start:stop].astype(np.uint64) * factors[0]
    for order in range(2, moduli.shape[0] + 2):
        back = order - 1
        shifted = np.full(stop - start, pad_id, dtype=np.uint64)
        first = max(start, back)
        if stop > first:
            shifted[first - start :] = ids[first - back : stop - back]
        if places is not None:
            shifted[places[sequence, start:stop] < back] = pad_id
        mix ^= shifted * factors[back]
        first_row = None
        for head in range(moduli.shape[1]):
            modulus = np.uint64(moduli[order - 2, head])
            row = mix - (mix // modulus) * modulus
            if slots:
                if first_row is None:
                    first_row = row - row % np.uint64(slots)
                row = first_row + row % np.uint64(slots)
            out[(order - 2) * moduli.shape[1] + head, sequence, start:stop] = row
