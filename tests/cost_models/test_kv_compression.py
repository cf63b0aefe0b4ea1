"""SnapKV: bytes, time and quality of a cut KV cache."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cost_models import Design, Serving, System, evaluate, kv_compression, load_catalogue, read_model

LONG = Serving(input_tokens=16384, output_tokens=256, concurrency=2, kv_budget=2048)


def _design(name: str = "llama-3.1-8b", **serving: Any) -> Design:
    return Design(read_model(name), System(accelerators=1), replace(LONG, **serving))


def test_published_scores_come_back() -> None:
    for budget, mean in ((1024, 0.9674), (2048, 0.9848), (4096, 0.9947)):
        retained, spread = kv_compression.retained_score(budget / 13000)
        assert retained == pytest.approx(mean, abs=1e-4)
        assert 0 < spread < 0.02


def test_less_kept_is_worse_and_everything_kept_is_as_before() -> None:
    shares = np.geomspace(1e-6, 1.0, 200)
    retained, _ = kv_compression.retained_score(shares)
    assert (np.diff(np.asarray(retained)) >= 0).all()
    assert np.asarray(retained)[-1] == 1.0
    assert np.asarray(retained)[0] >= 0.0


def test_a_budget_above_the_prompt_changes_nothing() -> None:
    whole, cut = (evaluate(_design(kv_budget=budget)) for budget in (0, 20_000))
    for figure in ("latency.tpot_s", "latency.ttft_s", "memory.hbm_bytes", "kv_compression.bits_factor"):
        assert whole[figure] == cut[figure]


def test_the_cut_cache_saves_memory_and_time_and_costs_the_selection() -> None:
    whole, cut = (evaluate(_design(kv_budget=budget)) for budget in (0, 2048))
    assert cut["memory.hbm_bytes"] < whole["memory.hbm_bytes"]
    assert cut["latency.tpot_s"] < whole["latency.tpot_s"]
    assert cut["latency.prefill_s"] > whole["latency.prefill_s"]
    # the paper sees no difference in the time of a prompt
    assert cut["latency.prefill_s"] < 1.02 * whole["latency.prefill_s"]


def test_grouped_queries_keep_their_saving() -> None:
    grouped, alone = (
        Design(
            replace(model, attention=replace(model.attention, kv_heads=heads)), System(accelerators=1), LONG
        )
        for model, heads in ((read_model("llama-3.1-8b"), 8), (read_model("llama-3.1-8b"), 32))
    )
    from cost_models.memory import kv_bytes_per_sequence

    assert kv_bytes_per_sequence(alone) == 4 * kv_bytes_per_sequence(grouped)


def test_a_wider_window_takes_longer_to_choose() -> None:
    parts = load_catalogue().parts(System(accelerators=1))
    model = read_model("llama-3.1-8b")
    times = kv_compression.selection_s(model, replace(LONG, kv_window=np.array([8, 32, 64])), parts)
    assert (np.diff(np.asarray(times)) > 0).all()
    assert kv_compression.selection_s(model, replace(LONG, kv_budget=0), parts) == 0.0


def test_scalars_and_arrays_agree() -> None:
    budgets = np.array([0, 512, 2048, 30_000])
    many = evaluate(_design(kv_budget=budgets))
    for place, budget in enumerate(budgets.tolist()):
        one = evaluate(_design(kv_budget=budget))
        for figure in ("latency.ttft_s", "latency.tpot_s", "kv_compression.bits_factor"):
            assert many[figure][place] == one[figure]


def test_quality_is_that_of_the_design_as_served_and_can_be_documented_again() -> None:
    evaluation = evaluate(_design())
    once = evaluation.document(quality={"bits_per_byte": 2.0, "standard_error": 0.01, "fidelity": "demo"})
    factor = float(evaluation["kv_compression.bits_factor"])
    assert factor > 1.0
    assert once["quality"]["bits_per_byte"] == 2.0 * factor
    assert evaluation.document(quality=once["quality"])["quality"] == once["quality"]
    assert "2404.14469" in once["kv_compression"]["source"]
    assert evaluate(_design(kv_budget=0)).document()["kv_compression"] is None


def test_a_prefill_shows_where_its_time_goes() -> None:
    document = evaluate(_design(phase="prefill")).document()
    rows = {row["operator"]: row["time_s"] for row in document["breakdown"]}
    assert rows["KV positions chosen"] == document["kv_compression"]["selection_s"]
    assert sum(rows.values()) <= document["latency"]["prefill_s"] * 1.0001


def test_a_narrow_pooling_loses_more_and_a_wide_one_gains_nothing() -> None:
    factors = [float(kv_compression.pooling_factor(width)) for width in (1, 3, 5, 7, 9, 63)]
    assert factors[0] > factors[1] > factors[2] > factors[3] == factors[4] == factors[5] == 1.0
    narrow, published = (evaluate(_design(kv_pooling=width)) for width in (1, 7))
    assert narrow["kv_compression.bits_factor"] > published["kv_compression.bits_factor"]


def test_a_budget_that_its_window_fills_cannot_be() -> None:
    document = evaluate(_design(kv_budget=32, kv_window=32)).document()
    assert document["violations"]["layout"] == 1
    assert any("kv_budget must be above kv_window" in reason for reason in document["reasons"])
    assert evaluate(_design(kv_budget=33, kv_window=32))["violations.layout"] == 0
