"""How released models with N-gram tables address them, where that is not the hash of tables.py.

Qwen3.8 mixes as Engram does, over raw token ids, with multipliers drawn by splitmix64 (transformers,
Qwen4ExpTextNGramEmbedding). LongCat reads the N-gram as a number in base vocabulary, modulo each table
(modeling_longcat_ngram.py): row = (x[t] + x[t-1] V + ... + x[t-n+1] V^(n-1)) mod M.
"""

import numpy as np
from numpy.typing import NDArray

from cost_models import tables
from cost_models.design import Model
from cost_models.errors import InputError

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15
_LAYER_SEED_STEP = 10007


def row_ids(
    model: Model,
    number: int,
    ids: NDArray[np.integer],
    seed: int = 0,
    positions: NDArray[np.integer] | None = None,
) -> NDArray[np.int64]:
    """Rows that each token reads in set `number` of a model's tables, by the hash that its `row_rule` goes with.

    ids: (sequences, tokens), canonical for Engram, as the tokenizer gives them for the others. positions: likewise,
    places in their own documents. Before a document stands the pad id of the model's tables (Qwen3.8: its
    end-of-sequence id), LongCat's zero. Returns (sequences, tokens, orders * heads) int64. Raises InputError where a
    model has no tables.
    """
    engram = model.engram
    if engram is None:
        raise InputError(f"model {model.name} has no tables")
    moduli = tables.moduli(engram)[number]
    if engram.row_rule == "exact":
        return _polynomial(ids, model.vocab, moduli, positions)
    if engram.row_rule == "base_up":
        factors = splitmix_multipliers(number, seed, engram.max_order, model.vocab)
    else:
        vocab = engram.compressed_vocab_size or model.vocab
        factors = tables.multipliers(engram.layer_ids[number], seed, engram.max_order, vocab)
    slots = tables.slots_per_head(model)
    return tables.row_ids(ids, factors, moduli, engram.pad_token_id, positions, slots)


def splitmix_multipliers(number: int, seed: int, max_order: int, vocab: int) -> NDArray[np.int64]:
    """The odd multipliers of Qwen3.8's set `number`: (max_order,) int64."""
    half = max(1, ((1 << 63) - 1) // vocab // 2)
    base = seed + _LAYER_SEED_STEP * number
    drawn = (_splitmix(base + _GAMMA * (index + 1)) for index in range(max_order))
    return np.array([2 * (value % half) + 1 for value in drawn], dtype=np.int64)


def _splitmix(value: int) -> int:
    """One output of splitmix64 (Steele, Lea, Flood, OOPSLA 2014) for a state before its increment."""
    value = ((value & _MASK) + _GAMMA) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def _polynomial(
    ids: NDArray[np.integer], vocab: int, moduli: NDArray[np.int64], positions: NDArray[np.integer] | None
) -> NDArray[np.int64]:
    tokens = np.asarray(ids, dtype=np.int64)
    places = np.broadcast_to(np.arange(tokens.shape[-1]), tokens.shape) if positions is None else positions
    orders, heads = moduli.shape
    back = [tokens]
    for distance in range(1, orders + 1):
        moved = np.zeros_like(tokens)
        moved[..., distance:] = tokens[..., :-distance]
        back.append(np.where(places >= distance, moved, 0))
    out = np.empty((*tokens.shape, orders * heads), dtype=np.int64)
    for order in range(orders):
        for head in range(heads):
            modulus = int(moduli[order, head])
            total, power = tokens % modulus, 1
            for earlier in back[1 : order + 2]:
                power = power * vocab % modulus
                total = (total + earlier * power) % modulus
            out[..., order * heads + head] = total
    return out
