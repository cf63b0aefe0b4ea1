"""Experts and attention on the host's processors: what moves, what it takes, and that nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest

import cost_models
from cost_models import answers
from cost_models.architecture import parameters
from cost_models.design import DTYPE_BYTES, GIB, Design, Host, Serving, System
from cost_models.memory import weight_bytes

V3 = replace(cost_models.read_model("deepseek-v3"), weights_dtype="int4", experts_dtype="nvfp4")
XEON = Host(dram_bytes=1024 * GIB, sockets=2, cpu="xeon-gold-6454s", dram_tier="ddr5-4800")
EXPERTS = Serving(phase="decode", input_tokens=650, concurrency=1, routed_experts_on="host")


def design(
    serving: Serving = EXPERTS, host: Host = XEON, model=V3, accelerator="rtx-4090", count=1
) -> Design:
    return Design(model, System(accelerator, count, host=host), serving)


def tpot(one: Design) -> float:
    return float(cost_models.evaluate(one)["latency.tpot_s"])


def test_a_token_takes_at_least_the_reading_of_its_experts():
    moe = V3.moe
    layers = V3.layers - moe.leading_dense_layers
    read = layers * moe.active_experts * 3 * V3.hidden * moe.expert_width * DTYPE_BYTES["nvfp4"]
    streaming = 2 * 8 * 38.4e9
    document = cost_models.evaluate(design()).document()
    (row,) = [row for row in document["breakdown"] if row["operator"] == "routed experts"]
    assert row["bound"] == "host memory"
    assert read / streaming < row["time_s"] < tpot(design())
    assert row["bytes"] == pytest.approx(read, rel=0.05)  # beside the experts, tokens are permuted
    assert sum(row["time_s"] for row in document["breakdown"]) == pytest.approx(tpot(design()))


def test_experts_leave_accelerator_memory_for_the_hosts():
    here, there = (
        cost_models.evaluate(design(replace(EXPERTS, routed_experts_on=where)))
        for where in ("accelerator", "host")
    )
    gone = float(here["memory.weights_bytes"]) - float(there["memory.weights_bytes"])
    assert gone == pytest.approx(parameters(V3).by_part["routed_experts"] * DTYPE_BYTES["nvfp4"])
    host = there.document()["memory"]["host"]
    assert host["dram_bytes"] == host["experts_bytes"] == pytest.approx(weight_bytes(V3).experts)
    assert not here.feasible
    assert there.feasible
    small = cost_models.evaluate(design(host=replace(XEON, dram_bytes=256 * GIB)))
    assert float(small.violations["dram"]) == pytest.approx(weight_bytes(V3).experts - 256 * GIB)


def test_more_memory_bandwidth_and_no_handover_are_faster():
    one_socket = design(host=replace(XEON, sockets=1))
    assert tpot(design()) < tpot(one_socket)
    free = cost_models.load_catalogue(None, {"serving.host_handover": 0.0})
    assert float(cost_models.evaluate(design(), free)["latency.tpot_s"]) < tpot(design())


def test_a_cache_on_the_host_holds_more_sequences_and_costs_time():
    model = cost_models.read_model("llama-3.1-8b")
    host = Host(dram_bytes=1024 * GIB)
    near = Serving(input_tokens=16384, output_tokens=512, concurrency=0)
    far = replace(near, attention_on="host")
    a, b = (cost_models.evaluate(design(s, host, model, "h100-sxm")) for s in (near, far))
    assert float(b["memory.concurrency"]) > 4 * float(a["memory.concurrency"])
    assert b.document()["memory"]["host"]["dram_bytes"] <= 1024 * GIB
    assert float(b["memory.hbm_bytes"]) < float(a["memory.hbm_bytes"])
    # at the same batch the cache is read from slower memory
    same = replace(far, concurrency=8)
    assert tpot(design(same, host, model, "h100-sxm")) > tpot(
        design(replace(near, concurrency=8), host, model, "h100-sxm")
    )


def test_one_half_batch_is_on_the_host_while_the_other_is_not():
    model, host = cost_models.read_model("llama-3.1-8b"), Host(dram_bytes=1024 * GIB)
    catalogue = cost_models.load_catalogue(None, {"serving.host_handover": 0.0})

    def parts(sequences: int) -> tuple[float, float]:
        serving = Serving(phase="decode", input_tokens=4096, concurrency=sequences, attention_on="host")
        rows = cost_models.evaluate(design(serving, host, model, "h100-sxm"), catalogue).document()[
            "breakdown"
        ]
        attention = sum(row["time_s"] for row in rows if row["operator"] == "attention")
        return attention, sum(row["time_s"] for row in rows) - attention

    single, _ = parts(1)
    attention, others = parts(64)
    assert attention == pytest.approx(64 * single - others, rel=0.01)  # all of the rest is hidden
    few, beside = parts(2)
    assert few == pytest.approx(
        2 * single
    )  # nothing is: it takes less than the rest, whose weights are read twice
    assert few < beside


def test_a_part_that_is_its_own_host_moves_nothing():
    for accelerator in ("generic-epyc-9755", "apple-m3-ultra"):
        near = design(replace(EXPERTS, routed_experts_on="accelerator"), accelerator=accelerator)
        far = design(replace(EXPERTS, attention_on="host"), accelerator=accelerator)
        assert tpot(near) == tpot(far)


def test_designs_of_an_array_are_what_they_are_alone():
    choices = [
        (e, a, c) for e in ("accelerator", "host") for a in ("accelerator", "host") for c in (1, 7, 64)
    ]
    experts, attention, concurrency = (np.array(column) for column in zip(*choices, strict=True))
    model = cost_models.read_model("moe-27b")
    host = Host(dram_bytes=512 * GIB)
    serving = Serving(concurrency=concurrency, routed_experts_on=experts, attention_on=attention)
    whole = cost_models.evaluate(design(serving, host, model, "h100-sxm"))
    for i, (e, a, c) in enumerate(choices):
        alone = cost_models.evaluate(
            design(Serving(concurrency=c, routed_experts_on=e, attention_on=a), host, model, "h100-sxm")
        )
        for name, column in whole.columns.items():
            assert float(np.broadcast_to(column, len(choices))[i]) == float(alone[name]), (name, i)


def test_a_long_prompt_streams_its_experts():
    serving = Serving(
        phase="prefill", input_tokens=32768, prefill_chunk=32768, concurrency=1, routed_experts_on="host"
    )
    rows = cost_models.evaluate(design(serving)).document()["breakdown"]
    (row,) = [row for row in rows if row["operator"] == "routed experts"]
    assert row["bound"] != "host memory"
    link = 32e9
    assert row["time_s"] >= weight_bytes(V3).experts / link


def test_linear_attention_stays_where_it_is():
    model = cost_models.read_model("qwen3.8-flash-next")
    found = cost_models.evaluate(design(Serving(attention_on="host"), model=model, accelerator="h100-sxm"))
    assert float(found.violations["layout"]) > 0
    assert any("attention_on" in reason for reason in found.document()["reasons"])


def test_the_answer_says_whether_it_pays():
    def said(one: Design) -> str:
        found = answers.answers(cost_models.evaluate(one))
        return next(a.sentence for a in found if a.question == "Does computing on the host pay?")

    assert "does not fit 1 accelerator" in said(design())
    assert "another processor" in answers.text(cost_models.evaluate(design()))
    model = cost_models.read_model("moe-27b")
    slower = said(design(Serving(routed_experts_on="host"), Host(dram_bytes=512 * GIB), model, "h200-sxm"))
    assert slower.startswith("No: ")
    assert "times as long" in slower


def test_energy_and_memory_traffic_follow():
    near, far = (
        cost_models.evaluate(
            design(s, model=cost_models.read_model("moe-27b"), accelerator="h100-sxm")
        ).document()
        for s in (Serving(), Serving(routed_experts_on="host"))
    )
    parts = far["energy"]["by_part"]
    assert parts["host_compute"] > 0
    assert parts["dram"] > near["energy"]["by_part"]["dram"] == 0
    assert parts["memory"] < near["energy"]["by_part"]["memory"]
    assert "host_compute" not in near["energy"]["by_part"]
