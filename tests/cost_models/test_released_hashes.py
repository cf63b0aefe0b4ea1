"""Addresses of released tables: against values of a checkpoint and against the definition, number by number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost_models import tables
from cost_models.errors import InputError
from cost_models.hf_config import read_model
from cost_models.released_hashes import row_ids, splitmix_multipliers

QWEN, LONGCAT = read_model("qwen3.8-flash-next"), read_model("longcat-flash-lite")


def test_multipliers_are_those_in_the_checkpoint_of_qwen38() -> None:
    # ple.ple_embedding.layer_multipliers of Qwen/Qwen3.8-Flash-Next, whose seed is the default 1234
    assert splitmix_multipliers(0, 1234, 3, 248320).tolist() == [
        23703573157769,
        20109073645365,
        8052911324071,
    ]
    assert (splitmix_multipliers(1, 1234, 3, 248320) != splitmix_multipliers(0, 1234, 3, 248320)).all()


def test_moduli_of_qwen38_are_primes_from_the_base_up() -> None:
    assert QWEN.engram is not None
    moduli = tables.moduli(QWEN.engram)[0].ravel()
    assert (moduli[0], moduli[15]) == (20_000_003, 20_000_171)
    assert int(tables.rows(QWEN).sum()) == 320_001_536


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, LONGCAT.vocab - 1), min_size=1, max_size=12))
def test_longcat_reads_an_ngram_as_a_number(ids: list[int]) -> None:
    assert LONGCAT.engram is not None
    found = row_ids(LONGCAT, 0, np.array([ids]))[0]
    moduli = tables.moduli(LONGCAT.engram)[0]
    assert moduli.ravel()[0] == 78 * LONGCAT.vocab + 1
    for t in range(len(ids)):
        for order in (2, 3, 4):
            number = sum(ids[t - k] * LONGCAT.vocab**k for k in range(order) if t >= k)
            assert found[t, 4 * (order - 2) : 4 * (order - 1)].tolist() == [
                number % int(m) for m in moduli[order - 2]
            ]


def test_no_ngram_reaches_back_over_the_start_of_its_document() -> None:
    ids = np.array([[5, 6, 7, 8, 9, 10]])
    places = np.array([[0, 1, 2, 0, 1, 2]])
    for model in (QWEN, LONGCAT, read_model("deepseek-v4.1-flash")):
        joined = row_ids(model, 0, ids, 3, places)
        apart = row_ids(model, 0, ids.reshape(2, 3), 3)
        assert (joined[0] == apart.reshape(joined.shape[1:])).all()


def test_engram_is_addressed_as_everywhere() -> None:
    model = read_model("deepseek-v4.1-flash")
    assert model.engram is not None
    ids = np.arange(20)[None]
    factors = tables.multipliers(14, 0, 4, 99092)
    expected = tables.row_ids(ids, factors, tables.moduli(model.engram)[1], 2)
    assert (row_ids(model, 1, ids) == expected).all()


def test_a_model_without_tables_has_no_rows() -> None:
    with pytest.raises(InputError, match=r"model llama-3\.1-8b has no tables"):
        row_ids(read_model("llama-3.1-8b"), 0, np.zeros((1, 1), dtype=np.int64))
