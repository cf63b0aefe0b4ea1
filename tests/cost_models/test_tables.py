"""Engram tables: rows as published, bytes, and the addressing against a plain rendering of the paper's text."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost_models import InputError, read_model, tables
from cost_models.design import Engram, Model

V41 = read_model("deepseek-v4.1-flash")


def with_engram(**changes: object) -> Model:
    assert V41.engram is not None
    return replace(V41, engram=replace(V41.engram, **changes))


def test_rows_of_deepseek_v41_are_those_its_loader_checks() -> None:
    assert tables.rows(V41).sum(axis=(1, 2)).tolist() == [384006168, 384016682]
    assert tables.row_bytes(V41) == 264
    assert tables.table_bytes(V41) == 202758032400
    assert tables.reads_per_token(V41) == 48
    assert tables.bytes_per_token(V41) == 12672


@pytest.mark.parametrize(("preset", "rows", "parameters"), [
    ("engram-27b", 2262400, 5.7e9), ("engram-40b", 7239680, 18.5e9),
])  # fmt: skip
def test_the_papers_models_have_one_prime_table_per_head(preset: str, rows: int, parameters: float) -> None:
    model = read_model(preset)
    assert model.engram is not None
    found = tables.rows(model)
    assert found.shape == (2, 2, 8) and found.min() > rows and found.max() < 1.001 * rows
    assert len(np.unique(found)) == found.size  # no modulus twice over layers, orders and heads
    assert found.sum() * model.engram.head_dim == pytest.approx(parameters, rel=0.02)


def test_rows_of_the_other_rules() -> None:
    qwen = with_engram(
        row_rule="base_up", vocab_size=100, heads=2, max_order=3, layer_ids=(1,), rows_multiple_of=8
    )
    assert tables.rows(qwen).ravel().tolist() == [101, 103, 107, 109 + 4]  # 420 rows, padded to 424
    longcat = with_engram(row_rule="exact", vocab_size=78 * 131072, heads=4, max_order=4, input_only=True)
    assert tables.rows(longcat).ravel().tolist() == [78 * 131072 + 2 * i + 1 for i in range(12)]


def test_a_model_without_tables_has_none() -> None:
    dense = read_model("dense-4b")
    assert (
        tables.table_bytes(dense) == 0 and tables.reads_per_token(dense) == 0 and tables.row_bytes(dense) == 0
    )


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(InputError, match=r"row_rule must be prime, base_up or exact, got 'none'"):
        tables.rows(with_engram(row_rule="none"))
    with pytest.raises(InputError, match=r"hash_layout must be independent or blocked, got 'diagonal'"):
        tables.rows(with_engram(hash_layout="diagonal"))


@given(st.integers(2, 10**6), st.integers(1, 40))
def test_primes_are_consecutive_and_prime(start: int, count: int) -> None:
    found = tables.primes(start, count)
    assert len(found) == count and found[0] >= start
    for number in range(start, found[-1] + 1):
        is_prime = number > 1 and all(number % d for d in range(2, int(number**0.5) + 1))
        assert is_prime == (number in found)


def test_multipliers_are_odd_bounded_and_differ_by_layer() -> None:
    one, other = (tables.multipliers(layer, 0, 4, 99092) for layer in (1, 14))
    assert (one % 2 == 1).all() and (one > 0).all() and not (one == other).any()
    assert max(int(m) for m in one) * 99091 < 2**63
    assert (one == tables.multipliers(1, 0, 4, 99092)).all()


def reference(ids: list[int], multipliers: np.ndarray, moduli: np.ndarray, pad: int) -> list[list[int]]:
    """The paper's rule for one sequence in Python integers."""
    rows = []
    for t in range(len(ids)):
        row = []
        for order in range(2, moduli.shape[0] + 2):
            mix = 0
            for back in range(order):
                token = ids[t - back] if t >= back else pad
                mix ^= token * int(multipliers[back])
            row += [mix % int(modulus) for modulus in moduli[order - 2]]
        rows.append(row)
    return rows


@given(st.lists(st.integers(0, 99091), min_size=1, max_size=40), st.integers(0, 5))
def test_row_ids_are_the_papers_hash(ids: list[int], seed: int) -> None:
    multipliers = tables.multipliers(1, seed, 4, 99092)
    moduli = tables.moduli(V41.engram)[0]  # type: ignore[arg-type]
    found = tables.row_ids(np.array(ids), multipliers, moduli, pad_id=2)
    assert found.tolist() == reference(ids, multipliers, moduli, 2)


def test_sequences_and_documents_never_reach_back_over_their_start() -> None:
    moduli = tables.moduli(V41.engram)[0]  # type: ignore[arg-type]
    multipliers = tables.multipliers(1, 0, 4, 99092)
    ids = np.random.default_rng(0).integers(0, 99092, (3, 700))
    apart = np.stack([tables.row_ids(one, multipliers, moduli, 2) for one in ids])
    assert (tables.row_ids(ids, multipliers, moduli, 2) == apart).all()
    places = np.tile(np.arange(700), 3)
    joined = tables.row_ids(ids.ravel(), multipliers, moduli, 2, positions=places)
    assert (joined == apart.reshape(2100, -1)).all()


def test_long_streams_are_hashed_in_pieces_that_do_not_show() -> None:
    moduli = tables.moduli(V41.engram)[0]  # type: ignore[arg-type]
    multipliers = tables.multipliers(1, 0, 4, 99092)
    ids = np.random.default_rng(1).integers(0, 99092, 40_000)
    whole = tables.row_ids(ids, multipliers, moduli, 2)
    tail = tables.row_ids(ids[16_000:], multipliers, moduli, 2)
    assert (whole[16_003:] == tail[3:]).all()


def test_blocked_rows_of_one_n_gram_share_a_block() -> None:
    engram = Engram((1,), 3, 8, 32, 100_000, 5000, hash_layout="blocked")
    model = replace(V41, engram=engram, tables_dtype="fp8")
    slots = tables.slots_per_head(model)
    assert slots == 4096 // (8 * 32)
    rows, moduli = tables.rows(model), tables.moduli(engram)
    ids = np.random.default_rng(2).integers(0, 5000, 20_000)
    found = tables.row_ids(ids, tables.multipliers(1, 0, 3, 5000), moduli[0], slots=slots)
    assert found.min() >= 0 and (found.reshape(-1, 2, 8) < rows[0]).all()
    blocks = found.reshape(-1, 2, 8) // slots
    assert (blocks == blocks[:, :, :1]).all()
    # slots of different heads are independent: about one in `slots` agree
    agree = (found[:, 0] % slots == found[:, 1] % slots).mean()
    assert agree == pytest.approx(1 / slots, rel=0.1)


def test_blocked_tables_spread_like_independent_ones() -> None:
    engram = Engram((1,), 2, 4, 64, 5003, 5000, hash_layout="blocked")
    model = replace(V41, engram=engram, tables_dtype="bf16")
    slots, moduli = tables.slots_per_head(model), tables.moduli(engram)[0]
    ids = np.random.default_rng(3).integers(0, 5000, 5003)
    found = tables.row_ids(ids, tables.multipliers(1, 0, 2, 5000), moduli, slots=slots)
    for head in range(4):
        occupied = len(np.unique(found[:, head])) / tables.rows(model)[0, 0, head]
        assert occupied == pytest.approx(1 - np.exp(-1), abs=0.03)
