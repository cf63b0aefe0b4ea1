"""Parameters, FLOPs and bytes of models against what their publishers say."""

from dataclasses import replace

import numpy as np
import pytest

from cost_models.architecture import layer_groups, mtp_parameters, parameters
from cost_models.design import Attention, MixtureOfExperts, Model
from cost_models.hf_config import presets, read_model
from cost_models.operators import operators

# name, total, active (None: not published), tables, all with the rounding of the source
PUBLISHED = [
    ("llama-3.1-8b", "8.03e9", "8.03e9", None),
    ("qwen3-32b", "32.8e9", "32.8e9", None),
    ("qwen3-30b-a3b", "30.5e9", None, None),
    ("mixtral-8x7b", "46.7e9", "12.9e9", None),
    ("deepseek-v3", "671e9", "37e9", None),
    ("dense-4b", "4.1e9", "3.8e9", None),
    ("moe-27b", "26.7e9", "3.8e9", None),
    ("engram-27b", "26.7e9", "3.8e9", None),
    ("engram-40b", "39.5e9", "3.8e9", "18.5e9"),
    ("deepseek-v4.1-flash", None, None, "196.6e9"),
]


def rounds_to(value: int, published: str) -> bool:
    digits = len(published.split("e")[0].partition(".")[2])
    return round(value / 1e9, digits) == float(published) / 1e9


@pytest.mark.parametrize(("name", "total", "active", "tables"), PUBLISHED)
def test_counts_round_to_the_published_ones(
    name: str, total: str | None, active: str | None, tables: str | None
) -> None:
    counted = parameters(read_model(name))
    for value, published in (
        (counted.total, total),
        (counted.active_per_token, active),
        (counted.tables, tables),
    ):
        assert published is None or rounds_to(value, published), (value, published)


def test_exact_counts_of_released_checkpoints() -> None:
    assert parameters(read_model("llama-3.1-8b")).total == 8_030_261_248
    assert parameters(read_model("qwen3-30b-a3b")).total == 30_532_122_624
    assert parameters(read_model("mixtral-8x7b")).total == 46_702_792_704
    assert parameters(read_model("deepseek-v3")).total == 671_026_419_200


def test_qwen3_active_is_published_cut_off_not_rounded() -> None:
    assert int(parameters(read_model("qwen3-30b-a3b")).active_per_token / 1e8) == 33


def test_deepseek_v41_flash_to_the_parameter() -> None:
    model = read_model("deepseek-v4.1-flash")
    counted = parameters(model)
    assert counted.total - counted.tables == 552_366_103_664
    assert mtp_parameters(model) == 14_225_362_530
    assert counted.total + mtp_parameters(model) == 763_205_315_794  # safetensors.total of the release


def test_prompts_of_deepseek_v41_run_through_half_of_its_layers() -> None:
    table = operators(read_model("deepseek-v4.1-flash"))
    once = np.array([bool(layers) for layers in table.layers])
    work = table.count * table.flops / 2
    # the model card: 8e9 active in prefill, 16e9 in decoding
    assert float(work[table.prefill & once].sum()) == pytest.approx(7.895e9, rel=1e-3)
    assert float(work[table.decode].sum()) == pytest.approx(16.13e9, rel=1e-3)


def test_tables_of_engram_27b_follow_from_the_published_vocabulary() -> None:
    # 2,262,400 rows x 1280 values x 2 layers, each table rounded up to a prime
    assert parameters(read_model("engram-27b")).tables == pytest.approx(2_262_400 * 1280 * 2, rel=2e-4)


@pytest.mark.parametrize("name", presets())
def test_parts_add_up_and_operators_read_every_weight_but_embedding_and_tables(name: str) -> None:
    model = read_model(name)
    counted = parameters(model)
    assert sum(counted.by_part.values()) == counted.total
    assert counted.active_per_token <= counted.total - counted.tables

    table = operators(model)
    decode = table.decode & ((np.array(table.kind) == "gemm") | (np.array(table.kind) == "experts"))
    weights = 0.0
    for row in np.flatnonzero(decode):
        if table.kind[row] == "experts":
            moe = model.moe
            assert moe is not None
            weights += table.count[row] * moe.routed_experts * 3 * model.hidden * moe.expert_width
        else:
            weights += table.count[row] * table.flops[row] / 2
    part = counted.by_part
    without_product = part["embedding"] + part["norms"] + part["tables"]
    assert weights == pytest.approx(counted.total - without_product, rel=1e-3)


def test_flops_per_token_are_twice_the_active_weights() -> None:
    model = read_model("qwen3-30b-a3b")
    table = operators(model)
    flops = float((table.count * table.flops)[table.decode].sum())
    assert flops == pytest.approx(
        2 * (parameters(model).active_per_token - model.vocab * model.hidden), rel=1e-3
    )


def test_medusa_heads_are_counted_and_run() -> None:
    plain, more = read_model("llama-3.1-8b"), replace(read_model("llama-3.1-8b"), medusa_heads=5)
    extra = parameters(more).total - parameters(plain).total
    assert extra == 5 * (4096 * 4096 + 4096 + 4096 * 128256)
    flops = [float((t.count * t.flops).sum()) for t in (operators(plain), operators(more))]
    assert flops[1] - flops[0] == pytest.approx(2 * extra, rel=1e-5)


def test_layers_are_grouped_by_what_they_hold() -> None:
    groups = {group.name: group.layers for group in layer_groups(read_model("engram-27b"))}
    assert groups["dense x1"] == (0,)
    assert groups["moe+engram x2"] == (1, 14)
    assert sorted(layer for layers in groups.values() for layer in layers) == list(range(30))


def test_sliding_windows_and_sparse_steps_make_groups_of_their_own() -> None:
    attention = Attention("gqa", 8, 2, 64, sliding_window=512, full_attention_layers=(5,))
    moe = MixtureOfExperts(8, 2, 0, 256, leading_dense_layers=1, layer_step=2)
    model = Model("small", 6, 512, 1000, attention, 1024, moe)
    found = {(group.experts, group.window): group.layers for group in layer_groups(model)}
    assert found == {(False, 512): (0, 1, 3), (True, 512): (2, 4), (False, 0): (5,)}


def test_multi_token_prediction_of_deepseek_v3() -> None:
    # README_WEIGHTS of the release: 11.5e9 unique parameters beside shared embedding and head
    assert mtp_parameters(read_model("deepseek-v3")) == pytest.approx(11.5e9, rel=0.02)
    assert mtp_parameters(read_model("llama-3.1-8b")) == 0
