"""Memory: published capacities, sums, and what must hold whatever the design."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cost_models
from cost_models import Design, Host, Serving, System, TablePlacement, memory
from cost_models.design import GIB
from cost_models.document import Result

V41 = cost_models.read_model("deepseek-v4.1-flash")
CATALOGUE = cost_models.load_catalogue()


def design(tier: str = "dram", t: int = 4, accelerator: str = "mi355x", **serving: object) -> Design:
    host = Host(dram_bytes=1024 * GIB, cxl_bytes=512 * GIB, ssd_bytes=2048 * GIB)
    placement = TablePlacement(tier=tier)
    return Design(
        V41,
        System(accelerator=accelerator, accelerators=8, host=host),
        Serving(**({"tensor_parallel": t, "tables": placement} | serving)),
    )


def held(of: Design) -> memory.Memory:
    return memory.fit(of, CATALOGUE.parts(of.system))


@pytest.mark.parametrize("t", [4, 8])  # fewer ranks do not hold it
def test_weights_per_rank_as_published(t: int) -> None:
    # SemiAnalysisAI/InferenceX #3337: 256 GiB / TP + 17.2 GiB; resident tables add 188.83 GiB / TP
    away, here = held(design("dram", t)), held(design("hbm", t))
    assert away.weights_bytes / GIB == pytest.approx(256 / t + 17.2, rel=0.03)
    assert (here.weights_bytes + here.tables_bytes) / GIB == pytest.approx(
        (256 + 188.83) / t + 17.2, rel=0.03
    )
    assert here.tables_bytes * t == 202758032400 and away.tables_bytes == 0


def test_offloading_turns_tables_into_kv_cache() -> None:
    away, here = held(design("dram")), held(design("hbm"))
    assert (away.kv_bytes_available - here.kv_bytes_available) / GIB == pytest.approx(47.2, rel=0.03)
    # vllm #57491: 6,194,599 against 4,325,113 KV tokens on MI355X at TP 4, from 154.38 and 107.8 GiB
    assert away.kv_bytes_available / GIB == pytest.approx(154.38, rel=0.03)
    assert here.kv_bytes_available / GIB == pytest.approx(107.8, rel=0.03)
    assert away.kv_tokens == pytest.approx(6194599, rel=0.03)
    assert away.kv_tokens / here.kv_tokens == pytest.approx(6194599 / 4325113, rel=0.03)


def test_everything_on_an_accelerator_adds_up_to_its_capacity() -> None:
    found = held(design("hbm", concurrency=16))
    parts = (
        found.weights_bytes + found.tables_bytes + found.cache_bytes + found.activations_bytes
        + found.reserve_bytes + found.kv_bytes_available
    )  # fmt: skip
    assert parts == pytest.approx(found.capacity_bytes)


def test_kv_cache_per_token() -> None:
    llama, deepseek = cost_models.read_model("llama-3.1-8b"), cost_models.read_model("deepseek-v3")
    assert memory.kv_bytes_per_token(llama) == 32 * 2 * 8 * 128 * 2
    assert memory.kv_bytes_per_token(deepseek) == 61 * (512 + 64) * 2
    # 584 bytes of a latent in the window of 40 layers and 3 of the drafter; entries and keys of four caches
    assert memory.kv_bytes_per_token(V41) == 43 * 584 + 2.5 * (584 + 132)


def test_layers_with_a_window_hold_it_and_the_chunk_that_is_read() -> None:
    long = design(input_tokens=100_000, output_tokens=2400, prefill_chunk=8192)
    window = 43 * 584 * (128 + 8191)
    assert memory.kv_bytes_per_sequence(long) == window + 102_400 * 1790
    assert held(long).kv_bytes_per_token == pytest.approx(window / 102_400 + 1790)
    decoding = replace(long, serving=replace(long.serving, phase="decode"))
    assert memory.kv_bytes_per_sequence(decoding) == 43 * 584 * 128 + 100_000 * 1790


def test_a_linear_layer_keeps_a_state_instead_of_a_cache() -> None:
    model = cost_models.read_model("qwen3.8-flash-next")

    def per_sequence(tokens: int) -> float:
        serving = Serving(input_tokens=tokens, output_tokens=1)
        return float(memory.kv_bytes_per_sequence(Design(model, System(), serving)))

    cached = 12 * (2 * 2 * 256 + 128 / 4)
    assert per_sequence(2000) - per_sequence(1000) == 1000 * cached * 2
    assert per_sequence(1000) - 1001 * cached * 2 > 36 * 48 * 128 * 128 * 4


def test_a_part_of_a_four_bit_expert_is_padded_to_64_values() -> None:
    # a width of 2304: 576 on four ranks, 288 on eight, which take 320
    def experts(t: int) -> float:
        w = memory.weight_bytes(V41)
        return float(held(design(t=t)).weights_bytes) - w.whole

    assert experts(8) == pytest.approx(experts(4) / 2 * 320 / 288)


def test_a_drafter_takes_memory_only_where_it_is_loaded() -> None:
    without = replace(V41, mtp_loaded=False)
    one, other = (held(replace(design(), model=model)) for model in (V41, without))
    assert one.weights_bytes - other.weights_bytes > 13_589_544_960 * 0.53125 / 4
    assert memory.kv_bytes_per_token(V41) - memory.kv_bytes_per_token(without) == 3 * 584


def test_grouped_heads_are_copied_beyond_their_number_and_latents_on_every_rank() -> None:
    def per_token(name: str, t: int) -> float:
        of = Design(cost_models.read_model(name), System(accelerators=16), Serving(tensor_parallel=t))
        return float(held(of).kv_bytes_per_token)

    assert per_token("llama-3.1-8b", 8) == per_token("llama-3.1-8b", 16) == per_token("llama-3.1-8b", 1) / 8
    assert per_token("deepseek-v3", 8) == per_token("deepseek-v3", 1)


def test_more_is_served_where_concurrency_is_left_open() -> None:
    away, here = held(design("dram", concurrency=0)), held(design("hbm", concurrency=0))
    assert away.concurrency > here.concurrency > 1
    assert away.violations["kv"] <= 0
    asked = held(design("dram", concurrency=int(away.concurrency)))
    assert asked.violations["kv"] <= 0
    assert held(design("dram", concurrency=2 * int(away.concurrency))).violations["kv"] > 0


def test_what_does_not_fit_says_by_how_much() -> None:
    of = design("hbm", 1, "h100-sxm")
    found = held(of)
    missing = found.violations["hbm"]
    assert missing > 400e9
    bigger = replace(of, system=replace(of.system, hbm_bytes=float(found.capacity_bytes + missing / 0.9)))
    assert held(bigger).violations["hbm"] == pytest.approx(0, abs=1e3)
    dram = replace(design("dram"), system=replace(of.system, host=Host(dram_bytes=100 * GIB)))
    assert held(dram).violations["dram"] == pytest.approx(202758032400 - 100 * GIB)


@pytest.mark.parametrize(("sharing", "copies"), [("rank", 4), ("numa", 2), ("node", 1)])
def test_copies_in_host_memory(sharing: str, copies: int) -> None:
    of = design(t=2, data_parallel=4, tables=TablePlacement(tier="dram", sharing=sharing))
    assert held(of).host_tables["dram"] == copies * 202758032400


def test_a_replica_over_two_nodes_keeps_half_of_the_tables_on_each() -> None:
    of = design(t=16)
    of = replace(of, system=replace(of.system, accelerators=16, nodes=2))
    assert held(of).host_tables["dram"] == 202758032400 / 2


def test_disks_hold_one_copy_and_remote_memory_needs_room() -> None:
    assert held(design("ssd", 2, data_parallel=4)).host_tables["ssd"] == 202758032400
    assert held(design("remote")).violations["remote"] == 202758032400


def test_on_unified_memory_host_tables_free_nothing() -> None:
    def kv(tier: str) -> memory.Memory:
        of = design(tier, 1, "apple-m3-ultra")
        return held(replace(of, system=replace(of.system, accelerators=1, hbm_bytes=1024.0 * GIB)))

    assert kv("dram").kv_bytes_available == kv("hbm").kv_bytes_available
    assert kv("ssd").kv_bytes_available == pytest.approx(kv("hbm").kv_bytes_available + 202758032400)
    assert kv("dram").host_tables["dram"] == 0


@pytest.mark.parametrize(
    ("changes", "broken"),
    [({"tensor_parallel": 3}, True), ({"tensor_parallel": 8}, False), ({"data_parallel": 3}, True),
     ({"expert_parallel": 8}, True), ({"tensor_parallel": 2, "data_parallel": 4, "expert_parallel": 8}, False),
     ({"pipeline_parallel": 2}, False)],
)  # fmt: skip
def test_degrees_that_do_not_divide_are_a_layout_violation(changes: dict[str, int], broken: bool) -> None:
    found = held(design(**changes)).violations["layout"]
    assert (found > 0) == broken and found >= 0


def test_a_memory_cache_takes_its_place() -> None:
    cached = TablePlacement(tier="ssd", cache_tier="dram", cache_bytes=64.0 * GIB)
    found = held(design(tables=cached))
    assert found.host_tables["dram"] == 64 * GIB and found.host_tables["ssd"] == 202758032400
    on_device = held(design(tables=replace(cached, cache_tier="hbm")))
    assert on_device.cache_bytes == 64 * GIB
    assert on_device.kv_bytes_available == pytest.approx(found.kv_bytes_available - 64 * GIB)


@given(
    t=st.sampled_from([1, 2, 4, 8]), concurrency=st.integers(1, 4096), tokens=st.integers(1, 10**6),
    tier=st.sampled_from(["hbm", "dram", "ssd"]),
)  # fmt: skip
def test_more_tokens_or_ranks_never_leave_more_room(t: int, concurrency: int, tokens: int, tier: str) -> None:
    one = held(design(tier, t, concurrency=concurrency, input_tokens=tokens))
    longer = held(design(tier, t, concurrency=concurrency, input_tokens=2 * tokens))
    assert longer.violations["kv"] >= one.violations["kv"]
    assert np.isfinite(list(one.violations.values())).all()
    if t > 1:
        assert held(design(tier, t // 2)).weights_bytes > held(design(tier, t)).weights_bytes


def test_result_is_a_record_of_this_memory() -> None:
    result: Result = cost_models.evaluate(design(), CATALOGUE).result()
    assert result.memory.weights_bytes == held(design()).weights_bytes


def test_sampling_takes_what_the_layers_do_not() -> None:
    model = cost_models.read_model("llama-3.1-8b")

    def taken(concurrency: int, chunk: int = 4096) -> float:
        serving = Serving(concurrency=concurrency, prefill_chunk=chunk)
        return float(held(Design(model, System("h100-sxm", 1), serving)).activations_bytes)

    assert taken(1024) == 1024 * 128256 * 20  # logits, sorted values and places, probabilities
    assert taken(8) == taken(9) < taken(1024)
    assert taken(8, 65536) == 16 * taken(8)
