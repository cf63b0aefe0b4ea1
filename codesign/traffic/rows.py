"""The rows that a stream reads in Engram tables of a given size, by the one hash of `cost_models.tables`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codesign.traffic.stream import Stream, interleave
from cost_models import tables
from cost_models.design import Engram

PADDING = 0  # canonical id that stands before a request
SEED = 0
_VOCABULARY = 1 << 20  # canonical ids that the multipliers allow for, the same for every part of a text


def head_rows(
    stream: Stream, engram: Engram, layer: int, head: int, canonical_vocab: int, slots: int = 0
) -> NDArray[np.int64]:
    """Rows that each token reads in the tables of one head of an Engram layer: (tokens, orders).

    layer: index into `layer_ids`. slots: `tables.slots_per_head(model)`; a blocked head follows head 0.
    """
    layer_id = engram.layer_ids[layer] if engram.layer_ids else 0
    heads = [head] if head == 0 or not slots else [0, head]
    moduli = tables.moduli(engram)[layer][:, heads]
    multipliers = tables.multipliers(layer_id, SEED, engram.max_order, canonical_vocab)
    rows = tables.row_ids(stream.ids, multipliers, moduli, PADDING, stream.places(), slots)
    return rows.reshape(stream.tokens, *moduli.shape)[:, :, -1]


def shared_reads(
    stream: Stream, orders: Sequence[int], rows: int, heads: int, sequences: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Reads of tables that share a cache, in the order in which a server makes them.

    Returns (tokens read, orders * heads) row numbers that differ between tables, and (tokens read,) the index
    of each token in the stream. The tables have about `rows` rows each (consecutive primes).
    """
    top = max(orders)
    moduli = np.array(tables.primes(rows, (top - 1) * heads), dtype=np.int64).reshape(top - 1, heads)
    multipliers = tables.multipliers(1, SEED, top, _VOCABULARY)
    columns = [(order - 2) * heads + head for order in orders for head in range(heads)]
    found = tables.row_ids(stream.ids, multipliers, moduli, PADDING, stream.places())[:, columns]
    first_row = np.concatenate([[0], np.cumsum(moduli.ravel()[columns])[:-1]])
    tokens = served_order(stream, sequences)
    return found[tokens] + first_row, tokens


def served_order(stream: Stream, sequences: int) -> NDArray[np.int64]:
    """Indices of the stream's tokens in the order in which a server of `sequences` requests reads them."""
    if sequences == 1:
        return np.arange(stream.tokens)
    positions = interleave(stream, sequences)
    read = np.flatnonzero(positions >= 0)
    order = np.empty(read.size, dtype=np.int64)
    order[positions[read]] = read
    return order
