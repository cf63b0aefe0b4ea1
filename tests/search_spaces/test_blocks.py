"""Kinds of attention and feed-forward part: other blocks, the same width and active parameters."""

from dataclasses import replace

import pytest

import cost_models
import search_spaces
from cost_models.architecture import parameters
from cost_models.errors import InputError
from search_spaces.blocks import ATTENTION, with_blocks

BASE = cost_models.read_model("moe-27b")


@pytest.mark.parametrize("kind", ATTENTION)
def test_every_attention_can_stand_on_a_base_of_either_kind(kind: str) -> None:
    llama = cost_models.read_model("llama-3.1-8b")
    for base in (BASE, llama):
        model = with_blocks(base, {"attention": kind})
        keys = {"mha": base.attention.heads, "gqa": base.attention.heads // 4, "mqa": 1}
        assert model.attention.kind == ("mla" if kind == "mla" else "gqa")
        assert kind == "mla" or model.attention.kv_heads == keys[kind]
        assert replace(model, attention=base.attention) == base


def test_the_base_stays_as_it_is_without_a_choice_or_with_its_own() -> None:
    assert with_blocks(BASE, {}) == BASE
    assert with_blocks(BASE, {"attention": "mla", "feed_forward": "experts"}) == BASE


def test_a_dense_block_is_as_wide_as_the_experts_that_a_token_uses() -> None:
    dense = with_blocks(BASE, {"feed_forward": "dense"})
    assert dense.moe is None
    ours, theirs = parameters(dense).active_per_token, parameters(BASE).active_per_token
    assert ours == pytest.approx(theirs, rel=0.02)
    assert parameters(dense).total < parameters(BASE).total / 4


def test_experts_need_a_base_that_has_them() -> None:
    space = search_spaces.parse(
        "model: {preset: llama-3.1-8b, feed_forward: {choices: [dense, experts]}}\n"
        "system: {accelerator: h100-sxm, accelerators: 1}\nobjectives: [tpot_s]\n",
        "s.yaml",
    )
    assert space.model({"model.feed_forward": "dense"}) == cost_models.read_model("llama-3.1-8b")
    with pytest.raises(InputError, match=r"model\.feed_forward: llama-3\.1-8b is dense"):
        space.model({"model.feed_forward": "experts"})


def test_a_slip_is_named_with_its_place() -> None:
    with pytest.raises(InputError, match=r"s\.yaml:1:.*model\.attention"):
        search_spaces.parse(
            "model: {preset: moe-27b, attention: gqq}\nsystem: {accelerator: h100-sxm}\n", "s.yaml"
        )
