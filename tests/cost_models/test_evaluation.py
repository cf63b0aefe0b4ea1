"""Whole evaluations: the document, sums, arrays against scalars, laws, and what is refused."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cost_models
from cost_models import (
    OBJECTIVES,
    Design,
    Evaluation,
    Host,
    InputError,
    Limits,
    Serving,
    System,
    TablePlacement,
    evaluation,
    records,
)
from cost_models.design import GIB, TrainingRun
from cost_models.memory import replicas

CATALOGUE = cost_models.load_catalogue()
MODELS = {
    name: cost_models.read_model(name) for name in ("engram-27b", "deepseek-v4.1-flash", "qwen3-30b-a3b")
}
KEYS = {
    "feasible": None,
    "violations": {"layout", "hbm", "kv", "dram", "cxl", "ssd", "remote"},
    "parameters": {"total", "active_per_token", "tables", "experts"},
    "memory": {
        "capacity_bytes", "weights_bytes", "tables_bytes", "activations_bytes", "kv_bytes_available",
        "kv_bytes_per_token", "kv_tokens", "host",
    },
    "tables": None,
    "speculation": None,
    "kv_compression": None,
    "composition": None,
    "training": None,
    "lookup": {
        "reads_per_token", "bytes_per_token", "unique_fraction", "time_s", "window_s", "stall_s", "hit_rate",
    },
    "latency": {
        "ttft_s", "tpot_s", "decode_step_s", "prefill_s", "output_tokens_per_s",
        "output_tokens_per_s_per_accelerator",
    },
    "breakdown": None,
    "energy": {"j_per_token", "average_w", "by_part"},
    "cost": {"usd_per_mtok", "capex_usd", "opex_usd_per_year", "by_part"},
    "carbon": {"operational_g_per_mtok", "embodied_kg"},
    "quality": None,
    "sources": None,
    "reasons": None,
}  # fmt: skip


def design(model: str = "engram-27b", tier: str = "dram", **serving: Any) -> Design:
    host = Host(
        dram_bytes=512.0 * GIB, cxl_bytes=256.0 * GIB, ssd_bytes=1024.0 * GIB, remote_bytes=512.0 * GIB
    )
    return Design(
        MODELS[model],
        System("h100-sxm", 8, 1, host),
        Serving(**({"tensor_parallel": 4, "tables": TablePlacement(tier)} | serving)),
    )


def of(one: Design) -> Evaluation:
    return cost_models.evaluate(one, CATALOGUE)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("phase", ["", "prefill", "decode"])
def test_the_document_has_every_key_and_is_json(model: str, phase: str) -> None:
    document = of(design(model, phase=phase)).document()
    assert set(document) == set(KEYS)
    for name, keys in KEYS.items():
        assert keys is None or keys <= set(document[name]), name
    assert {"dram_bytes", "cxl_bytes", "ssd_bytes"} <= set(document["memory"]["host"])
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["sources"] and document["quality"] is None


def test_a_figure_that_does_not_apply_is_none() -> None:
    decode = of(design(phase="decode")).document()
    assert decode["latency"]["ttft_s"] is None and decode["latency"]["tpot_s"] > 0
    prefill = of(design(phase="prefill")).document()
    assert prefill["latency"]["tpot_s"] is None and prefill["latency"]["ttft_s"] > 0
    dense = of(design("qwen3-30b-a3b")).document()
    assert dense["lookup"].pop("reads_per_token") == dense["lookup"].pop("bytes_per_token") == 0
    assert set(dense["lookup"].values()) == {None} and dense["tables"] == []
    assert of(design()).document()["lookup"]["hit_rate"] is None


def test_tables_are_listed_by_layer() -> None:
    listed = of(design("deepseek-v4.1-flash")).document()["tables"]
    assert [row["layer"] for row in listed] == [1, 14] and [row["rows"] for row in listed] == [
        384006168,
        384016682,
    ]
    assert all(row["orders"] == [2, 3, 4] and row["heads"] == 8 and row["tier"] == "dram" for row in listed)
    assert sum(row["bytes"] for row in listed) == 202758032400


def test_quality_is_passed_on_and_limited() -> None:
    limited = replace(design(), limits=Limits(bits_per_byte=1.0))
    quality = {"bits_per_byte": 1.25, "standard_error": 0.01, "fidelity": "demo", "seconds": 3.0}
    document = of(limited).document(quality=quality)
    found = dict(document["quality"])
    assert found.pop("model_bits_per_byte") == 1.25  # served with its whole KV cache
    assert found == {"bits_per_byte": 1.25, "standard_error": 0.01, "fidelity": "demo"}
    assert document["violations"]["bits_per_byte"] == 0.25 and not document["feasible"]


@pytest.mark.parametrize("phase", ["", "prefill", "decode"])
@pytest.mark.parametrize("tier", ["hbm", "dram", "ssd"])
def test_totals_are_the_sums_of_their_parts(phase: str, tier: str) -> None:
    document = of(design("deepseek-v4.1-flash", tier, phase=phase, concurrency=32)).document()
    step = document["latency"]["prefill_s" if phase == "prefill" else "decode_step_s"]
    assert sum(row["time_s"] for row in document["breakdown"]) == pytest.approx(step, rel=1e-9)
    assert sum(document["energy"]["by_part"].values()) == pytest.approx(document["energy"]["j_per_token"])
    assert sum(document["cost"]["by_part"].values()) == pytest.approx(document["cost"]["usd_per_mtok"])
    parameters = document["parameters"]
    assert parameters["total"] > parameters["experts"] + parameters["tables"]


def test_what_does_not_fit_is_a_result_with_amounts() -> None:
    found = of(replace(design("deepseek-v4.1-flash", "hbm"), system=System("h100-sxm", 4)))
    assert not found.feasible and found.violations["hbm"] > 0
    assert all(np.isfinite(value) for value in found.columns.values())
    assert not found.document()["feasible"]


@pytest.mark.parametrize(
    ("limit", "figure"),
    [("ttft_s", "latency.ttft_s"), ("tpot_s", "latency.tpot_s"), ("power_w", "energy.peak_w"),
     ("capex_usd", "cost.capex_usd"), ("usd_per_mtok", "cost.usd_per_mtok")],
)  # fmt: skip
def test_limits_are_signed_violations(limit: str, figure: str) -> None:
    value = of(design())[figure]
    for factor, kept in ((1.1, True), (0.9, False)):
        found = of(replace(design(), limits=Limits(**{limit: factor * value})))
        assert found.violations[limit] == pytest.approx((1 - factor) * value)
        assert found.feasible == kept


@st.composite
def many(draw: st.DrawFn) -> Design:
    """A model with arrays of everything that may be an array."""
    n = draw(st.integers(2, 12))

    def column(strategy: st.SearchStrategy[Any]) -> np.ndarray:
        return np.array([draw(strategy) for _ in range(n)])

    gib = st.sampled_from([0.0, 64 * GIB, 512.0 * GIB])
    tiers = st.sampled_from(["hbm", "dram", "cxl", "ssd", "remote"])
    processors = st.sampled_from(["accelerator", "host"])
    return Design(
        MODELS[draw(st.sampled_from(sorted(MODELS)))],
        System(
            column(st.sampled_from(["h100-sxm", "mi355x", "apple-m3-ultra", "generic-epyc-9755"])),
            column(st.sampled_from([1, 4, 8, 16])), column(st.sampled_from([1, 2])),
            Host(
                column(gib), column(gib), column(gib), column(st.integers(0, 8)), remote_bytes=column(gib),
                cxl_tier=column(st.sampled_from(["cxl-direct", "cxl-pooled"])),
            ),
            draw(st.sampled_from([None, np.full(n, 100.0 * GIB)])),
        ),
        Serving(
            column(st.sampled_from([1, 2, 3, 8])), column(st.sampled_from([1, 4])), column(st.sampled_from([1, 2])),
            column(st.sampled_from([1, 2])), draw(st.sampled_from(["", "prefill", "decode"])),
            column(st.integers(1, 100_000)), column(st.integers(1, 4096)), column(st.integers(0, 2000)),
            column(st.sampled_from([512, 8192])),
            TablePlacement(
                column(tiers), column(st.booleans()), column(st.sampled_from(["", "hbm", "dram"])), column(gib),
                sharing=column(st.sampled_from(["rank", "numa", "node"])),
            ),
            column(st.sampled_from([0, 1024])),
            routed_experts_on=column(processors), attention_on=column(processors),
        ),
        Limits(ttft_s=column(st.floats(0.01, 10))),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(many())
def test_an_array_says_what_each_of_its_designs_says_alone(array: Design) -> None:
    together = of(array)
    assert len(together) == records.size(array)
    for i in range(len(together)):
        alone = of(together.one(i))
        for name, value in alone.columns.items():
            assert together[name][i] == pytest.approx(value, rel=1e-12, abs=1e-300), name
            assert np.isfinite(value), name
        assert together.feasible[i] == alone.feasible
    assert json.dumps(together.document(0), allow_nan=False)


def test_long_arrays_are_evaluated_in_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    tiers = np.array(["hbm", "dram", "ssd"] * 7)
    concurrency = np.arange(1, 22)
    array = design(concurrency=concurrency, tables=TablePlacement(tiers))
    whole = of(array)
    monkeypatch.setattr(evaluation, "_DESIGNS_AT_ONCE", 4)
    pieces = of(array)
    for name, value in whole.columns.items():
        assert (value == pieces[name]).all(), name


@settings(max_examples=40, deadline=None)
@given(
    tier=st.sampled_from(["hbm", "dram", "ssd"]), concurrency=st.integers(1, 512),
    extra=st.floats(1.0, 4.0), tokens=st.integers(1, 50_000),
)  # fmt: skip
def test_more_never_does_harm_and_never_comes_free(
    tier: str, concurrency: int, extra: float, tokens: int
) -> None:
    small = design("engram-27b", tier, concurrency=concurrency, input_tokens=tokens)
    one = of(small)
    host = small.system.host
    more_dram = of(
        replace(small, system=replace(small.system, host=replace(host, dram_bytes=extra * host.dram_bytes)))
    )
    assert more_dram["cost.capex_usd"] >= one["cost.capex_usd"]
    assert more_dram["energy.j_per_token"] >= one["energy.j_per_token"]
    assert more_dram.violations["dram"] <= one.violations["dram"]
    more_hbm = of(replace(small, system=replace(small.system, hbm_bytes=extra * 80.0 * GIB)))
    if one.violations["kv"] <= 0:  # else more sequences are decoded at once, and each a little slower
        assert more_hbm["latency.tpot_s"] <= one["latency.tpot_s"] * (1 + 1e-12)
    if one.violations["hbm"] <= 0:
        assert more_hbm["latency.output_tokens_per_s"] >= one["latency.output_tokens_per_s"] * (1 - 1e-12)
    assert more_hbm["memory.kv_tokens"] >= one["memory.kv_tokens"]
    longer = of(replace(small, serving=replace(small.serving, input_tokens=2 * tokens)))
    assert longer["latency.ttft_s"] >= one["latency.ttft_s"]
    if longer.violations["kv"] <= 0:
        assert longer["latency.tpot_s"] >= one["latency.tpot_s"]


def test_requests_beyond_the_kv_cache_wait() -> None:
    full, over = (of(design(tensor_parallel=1, concurrency=c)) for c in (0, 4000))
    assert over.violations["kv"] > 0
    # no more than fit are decoded at once, and the logits of those that wait take a little of the room
    assert 0.9 * full["latency.tpot_s"] < over["latency.tpot_s"] <= full["latency.tpot_s"]
    # Little's law: in flight = requests a second x time from end to end
    output = over.design.serving.output_tokens
    per_s = over["latency.output_tokens_per_s"] / replicas(over.design) / output
    end_to_end = over["latency.ttft_s"] + (output - 1) * over["latency.tpot_s"]
    assert per_s * end_to_end == pytest.approx(4000)


def test_freed_device_memory_becomes_throughput() -> None:
    here, away = (
        of(design("engram-27b", tier, tensor_parallel=1, concurrency=0)) for tier in ("hbm", "dram")
    )
    assert away["memory.concurrency"] > here["memory.concurrency"]
    assert away["latency.output_tokens_per_s"] > here["latency.output_tokens_per_s"]
    assert away["cost.usd_per_mtok"] < here["cost.usd_per_mtok"]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_is_a_figure_of_the_document(name: str) -> None:
    objective = OBJECTIVES[name]
    assert objective.direction in ("minimize", "maximize") and objective.label
    quality = {"bits_per_byte": 1.5, "standard_error": 0.1, "fidelity": "demo"}
    cut = (
        {"kv_budget": 512} if objective.figure.startswith("kv_compression.") else {}
    )  # null without a budget
    run = (
        TrainingRun() if objective.figure.startswith("training.") else None
    )  # null where nothing asks for it
    found = of(replace(design(**cut), training=run))
    leaf: Any = found.document(quality=quality)
    for key in objective.figure.split("."):
        leaf = leaf[key]
    assert objective.figure.split(".")[-1] == name
    assert objective.value(found, quality) == pytest.approx(leaf)
    array = of(replace(design(concurrency=np.array([1, 2, 4])), training=run))
    assert np.shape(objective.value(array, quality)) in ((3,), ())


def test_quality_that_is_not_known_is_nan() -> None:
    assert np.isnan(OBJECTIVES["bits_per_byte"].value(of(design())))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"concurrency": -1}, r"serving.concurrency must be a whole number >= 0 and <= 1e\+09, got -1"),
        ({"input_tokens": 0}, r"serving.input_tokens must be a whole number >= 1"),
        ({"input_tokens": float("nan")}, r"serving.input_tokens must be .* got nan"),
        ({"output_tokens": float("inf")}, r"serving.output_tokens must be .* got inf"),
        ({"tensor_parallel": "4"}, r"serving.tensor_parallel must be .* got '4'"),
        ({"utilisation": 0.0}, r"serving.utilisation must be a number above 0 and <= 1, got 0.0"),
        ({"phase": "both"}, r"serving.phase must be one of prefill, decode, got 'both'"),
        ({"tables": TablePlacement("tape")}, r"serving.tables.tier must be one of hbm, dram, .* got 'tape'"),
        ({"tables": TablePlacement(np.array(["hbm", "tape"]))}, r"serving.tables.tier must .* got 'tape'"),
        ({"tables": TablePlacement(np.array(["rem", "hbm"]))}, r"serving.tables.tier must .* got 'rem'"),
        ({"tables": TablePlacement(np.array([1, 2]))}, r"serving.tables.tier must be one of .* got '1'"),
        ({"concurrency": np.array([1.0, np.nan])}, r"serving.concurrency must be .* got nan"),
        ({"concurrency": np.array([1, 2]), "input_tokens": np.array([1, 2, 3])}, r"give arrays of one length"),
        ({"concurrency": np.ones((2, 2))}, r"serving.concurrency must be a scalar or have shape \(designs,\)"),
        ({"tables": TablePlacement(traffic="nowhere")}, r"nowhere: no such traffic profile"),
    ],
)  # fmt: skip
def test_what_no_design_may_hold_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        of(design(**changes))


def test_bytes_and_limits_are_checked_too() -> None:
    with pytest.raises(InputError, match=r"system.host.dram_bytes must be a number >= 0"):
        of(replace(design(), system=System(host=Host(dram_bytes=-1.0))))
    with pytest.raises(InputError, match=r"system.hbm_bytes must be a number above 0"):
        of(replace(design(), system=System(hbm_bytes=0.0)))
    with pytest.raises(InputError, match=r"limits.tpot_s must be a number >= 0 .* got -1"):
        of(replace(design(), limits=Limits(tpot_s=-1)))
    with pytest.raises(InputError, match=r"unknown accelerator 'h100'"):
        of(replace(design(), system=System("h100")))


def test_prices_of_another_scenario_change_money_only() -> None:
    dear = cost_models.load_catalogue(overrides={"memory.dram.usd_per_gb": 200})
    now, then = of(design()), cost_models.evaluate(design(), dear)
    assert then["cost.capex_usd"] > now["cost.capex_usd"]
    assert (
        then["latency.tpot_s"] == now["latency.tpot_s"]
        and then["energy.j_per_token"] == now["energy.j_per_token"]
    )
