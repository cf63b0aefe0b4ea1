"""The rule from a full-size model to its proxy."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import search_spaces
from codesign.proxy import fidelity
from codesign.proxy.scale import layer_positions, scale
from cost_models.design import Attention, Engram, MixtureOfExperts, Model
from cost_models.errors import InputError

SHARES = (0.0, 0.05, 0.1, 0.2, 0.25, 0.4, 0.6, 0.8)
SHAPES: list[dict[str, object]] = [
    {},
    {"orders": 3},
    {"heads": 4},
    {"layers": (14,)},
    {"layers": (0, 1, 14)},
    {"hyper_connections": 4},
]

# wide enough that experts in steps of eight keep their ratios
WIDE = replace(fidelity.load("short"), hidden=96, head_dim=24, table_values=20_000_000)


@pytest.mark.parametrize("name", fidelity.names())
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_parameters_and_flops_are_equal_over_shares(
    name: str, shape: dict[str, object], full_model: Callable[..., Model]
) -> None:
    recipe = fidelity.load(name)
    proxies = [scale(full_model(share, **shape), recipe) for share in SHARES]
    for values in (
        [p.parameters() for p in proxies],
        [p.flops_per_token(recipe.sequence / 2) for p in proxies],
    ):
        assert max(values) / min(values) < 1.01


@pytest.mark.parametrize("share", SHARES)
def test_the_share_is_kept(share: float, full_model: Callable[..., Model]) -> None:
    proxy = scale(full_model(share), fidelity.load("demo"))
    full_share = round(66 * share) / 66  # in whole experts
    assert proxy.share() == pytest.approx(full_share, abs=0.015)


def test_experts_keep_their_ratios(full_model: Callable[..., Model]) -> None:
    full = full_model(0.0)
    proxy = scale(full, WIDE)
    assert full.moe is not None
    relative = full.moe.active_experts * full.moe.expert_width / full.hidden
    assert proxy.active_experts == 3
    assert sum(proxy.experts) / 4 == pytest.approx(36, rel=0.05)  # 72 : 6 = 36 : 3
    assert proxy.active_experts * proxy.expert_width / proxy.hidden == pytest.approx(relative, rel=0.05)
    active = proxy.active_experts * proxy.expert_width + proxy.shared_width[0]
    assert active / proxy.hidden == pytest.approx(8 * full.moe.expert_width / full.hidden, rel=0.05)
    ratio = proxy.inactive_parameters() / (4 * 3 * proxy.hidden * active)
    assert ratio == pytest.approx(66 / 8 * 29 / 30, rel=0.03)


def test_tables_of_a_fixed_backbone_grow_in_proportion(full_model: Callable[..., Model]) -> None:
    small = full_model(0.25)
    assert small.engram is not None
    large = replace(small, engram=replace(small.engram, vocab_size=3 * small.engram.vocab_size))
    a, b = (scale(model, fidelity.load("demo")) for model in (small, large))
    assert a.experts == b.experts and a.shared_width == b.shared_width
    assert b.table_parameters() / a.table_parameters() == pytest.approx(3, rel=0.02)
    huge = replace(small, engram=replace(small.engram, vocab_size=10**9))
    assert scale(huge, fidelity.load("demo")).table_parameters() == pytest.approx(4_000_000, rel=0.01)


def test_a_dense_model_pays_with_its_feed_forward_part() -> None:
    bare = Model("d", 36, 4096, 150_000, Attention("gqa", 32, 8, 128), 12288)
    tables = replace(bare, engram=Engram((2, 9), 3, 8, 160, 1_000_000))
    paid = 2 * 2 * 2560 / (3 * 36)  # W_K and W_V of two layers, as width of every layer
    tables = replace(tables, dense_width=round(12288 - paid))
    a, b = scale(bare, WIDE), scale(tables, WIDE)
    assert a.flops_per_token(64) == pytest.approx(b.flops_per_token(64), rel=0.01)
    assert a.kv_heads == 1 and a.heads == 4  # 32 : 8
    sparse = 4 * 96**2 / (36 * 4096**2)
    assert b.table_parameters() == pytest.approx(2 * 16 * 160 * 1_000_000 * sparse, rel=0.05)
    assert b.parameters() - a.parameters() == pytest.approx(b.table_parameters(), rel=0.05)


def test_without_shared_experts_the_routed_ones_pay() -> None:
    attention = Attention("gqa", 32, 32, 128)
    recipe = fidelity.load("short")
    bare = Model("m", 24, 2048, 50_000, attention, 8192, MixtureOfExperts(64, 8, 0, 1024))
    rows = round(16 * 24 * 3 * 2048 * 1024 / (16 * 64))
    engram = Engram((2,), 3, 8, 64, rows)
    tables = replace(bare, moe=MixtureOfExperts(48, 8, 0, 1024), engram=engram)
    a, b = scale(bare, recipe), scale(tables, recipe)
    assert b.flops_per_token(64) == pytest.approx(a.flops_per_token(64), rel=0.02)
    assert b.parameters() == pytest.approx(a.parameters(), rel=0.01)
    assert b.expert_width < a.expert_width and sum(b.shared_width) == 0


@pytest.mark.parametrize("name", ["demo", "engram-27b"])
def test_every_model_of_a_shipped_space_has_a_fair_proxy(name: str) -> None:
    space = search_spaces.load(name)
    assert space.quality is not None
    random, recipe, proxies = np.random.default_rng(0), fidelity.load(space.quality.fidelity), []
    for _ in range(40):
        params = {}
        for parameter in space.model_parameters:
            if parameter.choices:
                params[parameter.name] = parameter.choices[random.integers(len(parameter.choices))]
            elif parameter.kind == "int":
                params[parameter.name] = int(random.integers(int(parameter.low), int(parameter.high) + 1))
            else:
                params[parameter.name] = float(random.uniform(parameter.low, parameter.high))
        proxies.append((params.get("model.total_parameters"), scale(space.model(params), recipe)))
    for total in {total for total, _ in proxies}:
        alike = [proxy for own, proxy in proxies if own == total]
        for values in ([p.parameters() for p in alike], [p.flops_per_token(0) for p in alike]):
            assert max(values) / min(values) < 1.02  # the full models themselves agree within 1 %


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ((0,), (0,)),
        ((1,), (1,)),
        ((1, 14), (1, 2)),
        ((29,), (3,)),
        ((27, 28, 29), (1, 2, 3)),
        ((0, 1, 2), (0, 1, 2)),
    ],
)
def test_layer_positions(layers: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert layer_positions(layers, 30, 4) == expected


def test_more_table_layers_than_layers_is_an_error() -> None:
    with pytest.raises(InputError, match="5 layers with tables do not fit a proxy of 4"):
        layer_positions((1, 2, 3, 4, 5), 30, 4)


def test_tables_too_small_to_scale_are_an_error() -> None:
    tables = Engram((2, 9), 3, 8, 160, 1000)
    model = Model("d", 36, 4096, 150_000, Attention("gqa", 32, 8, 128), 12288, engram=tables)
    with pytest.raises(InputError, match=r"d: its tables leave \d+ rows in a proxy of width 64"):
        scale(model, fidelity.load("demo"))
