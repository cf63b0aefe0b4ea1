"""The rule from a full-size model to its proxy."""

from collections.abc import Callable

import pytest

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
    proxy = scale(full, fidelity.load("short"))
    assert full.moe is not None
    assert proxy.active_experts == 3
    assert proxy.experts == (36, 36, 36, 36)  # 72 : 6 = 36 : 3
    relative = full.moe.active_experts * full.moe.expert_width / full.hidden
    assert proxy.active_experts * proxy.expert_width / proxy.hidden == pytest.approx(relative, rel=0.05)
    assert proxy.shared_width[0] / proxy.hidden == pytest.approx(
        2 * full.moe.expert_width / full.hidden, rel=0.05
    )


def test_tables_of_a_fixed_backbone_grow_in_proportion(full_model: Callable[..., Model]) -> None:
    from dataclasses import replace

    small = full_model(0.25)
    assert small.engram is not None
    large = replace(small, engram=replace(small.engram, vocab_size=3 * small.engram.vocab_size))
    a, b = (scale(model, fidelity.load("demo")) for model in (small, large))
    assert a.experts == b.experts and a.shared_width == b.shared_width
    assert b.table_parameters() / a.table_parameters() == pytest.approx(3, rel=0.02)


def test_a_dense_model_keeps_tables_to_feed_forward() -> None:
    attention = Attention("gqa", 32, 8, 128)
    tables = Engram((2, 9), 3, 8, 160, 1_000_000)
    bare = Model("d", 36, 4096, 150_000, attention, 12288)
    with_tables = Model("d", 36, 4096, 150_000, attention, 12288, engram=tables)
    recipe = fidelity.load("short")
    a, b = scale(bare, recipe), scale(with_tables, recipe)
    assert a.flops_per_token(64) == pytest.approx(b.flops_per_token(64), rel=0.01)
    assert a.kv_heads == 1 and a.heads == 4  # 32 : 8
    full = 2 * 16 * 160 * 1_000_000 / (36 * 3 * 4096 * 12288)
    assert b.table_parameters() / (4 * 3 * 96 * 288) == pytest.approx(full, rel=0.05)


def test_without_shared_experts_the_routed_ones_pay() -> None:
    attention = Attention("gqa", 32, 32, 128)
    recipe = fidelity.load("short")
    bare = Model("m", 24, 2048, 50_000, attention, 8192, MixtureOfExperts(64, 8, 0, 1024))
    tables = Model(
        "m",
        24,
        2048,
        50_000,
        attention,
        8192,
        MixtureOfExperts(48, 8, 0, 1024),
        Engram((2,), 3, 8, 64, 2_360_000),
    )
    a, b = scale(bare, recipe), scale(tables, recipe)
    assert b.flops_per_token(64) == pytest.approx(a.flops_per_token(64), rel=0.01)
    assert b.parameters() == pytest.approx(a.parameters(), rel=0.01)
    assert b.expert_width < a.expert_width


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


def test_tables_too_small_to_scale_are_an_error(full_model: Callable[..., Model]) -> None:
    from dataclasses import replace

    model = full_model(0.25)
    assert model.engram is not None
    with pytest.raises(InputError, match="rows in a proxy of width 64"):
        scale(replace(model, engram=replace(model.engram, vocab_size=1000)), fidelity.load("demo"))
