"""Laws that times must keep, and a few figures worked out by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost_models import constants, latency, passes, rooflines, routing
from cost_models.catalogue import load_catalogue
from cost_models.design import Model, Serving, System
from cost_models.hf_config import presets, read_model
from cost_models.operators import COMPUTE_TYPES, operators
from cost_models.parts import Parts
from cost_models.plans import plan


@pytest.fixture(scope="module")
def h100() -> Parts:
    return load_catalogue().parts(System(accelerator="h100-sxm", accelerators=64, nodes=8))


servings = st.builds(
    Serving,
    tensor_parallel=st.sampled_from([1, 2, 4, 8]),
    expert_parallel=st.sampled_from([1, 2, 4]),
    data_parallel=st.sampled_from([1, 2]),
    pipeline_parallel=st.sampled_from([1, 2]),
    phase=st.sampled_from(["", "prefill", "decode"]),
    input_tokens=st.integers(1, 200_000),
    output_tokens=st.integers(1, 4096),
    concurrency=st.integers(1, 2048),
    prefill_chunk=st.sampled_from([512, 8192]),
    kv_budget=st.sampled_from([0, 1024]),
)
models = st.sampled_from([read_model(name) for name in presets()])


def times(model: Model, serving: Serving, parts: Parts, **more: Any) -> tuple[float, float]:
    steps = latency.steps(model, serving, parts, **more)
    return steps.decode_step_s, steps.prefill_s


@settings(max_examples=60, deadline=None)
@given(model=models, serving=servings, factor=st.floats(1.0, 8.0))
def test_a_better_part_is_never_slower(h100: Parts, model: Model, serving: Serving, factor: float) -> None:
    before = times(model, serving, h100)
    for name in ("memory_bandwidth", "scale_up_bandwidth", "scale_up_group"):
        better = replace(h100.accelerator, **{name: getattr(h100.accelerator, name) * factor})
        for old, new in zip(before, times(model, serving, replace(h100, accelerator=better)), strict=True):
            assert new <= old * (1 + 1e-9), name
    peaks = {kind: peak * factor for kind, peak in h100.accelerator.peak_flops.items()}
    better = replace(h100.accelerator, peak_flops=peaks)
    for old, new in zip(before, times(model, serving, replace(h100, accelerator=better)), strict=True):
        assert new <= old * (1 + 1e-9)


@settings(max_examples=60, deadline=None)
@given(model=models, serving=servings)
def test_more_work_is_never_faster(h100: Parts, model: Model, serving: Serving) -> None:
    serving = replace(serving, pipeline_parallel=1)  # more chunks fill a pipeline better
    before = times(model, serving, h100)
    more = {"input_tokens": serving.input_tokens + 500, "concurrency": serving.concurrency * 2}
    for name, value in more.items():
        longer = times(model, replace(serving, **{name: value}), h100)
        # chunks of a prompt are of equal size: one more chunk makes each a little shorter
        assert longer[0] >= before[0] * (1 - 1e-9) and longer[1] >= before[1] * 0.98, name
    assert times(model, serving, h100, tokens_per_sequence=64)[0] >= before[0]


@settings(max_examples=40, deadline=None)
@given(model=models, serving=servings)
def test_the_breakdown_adds_up(h100: Parts, model: Model, serving: Serving) -> None:
    serving = replace(serving, pipeline_parallel=1)
    steps = latency.steps(model, serving, h100)
    rows = latency.breakdown(steps)
    phase = "prefill" if serving.phase == "prefill" else "decode"
    step = steps.prefill_s if phase == "prefill" else steps.decode_step_s
    assert sum(row["time_s"] for row in rows) == pytest.approx(step, rel=1e-9)
    assert sum(row["bytes"] for row in rows) == pytest.approx(getattr(steps, f"{phase}_bytes"), rel=1e-9)
    flops = sum(getattr(steps, f"{phase}_flops").values())
    assert sum(row["flops"] for row in rows) == pytest.approx(flops, rel=1e-9)
    assert {row["bound"] for row in rows} <= {"compute", "memory", "network", "overhead"}
    assert len(rows) == int(getattr(operators(model), phase).sum())


@settings(max_examples=25, deadline=None)
@given(
    model=models,
    chosen=st.lists(servings, min_size=2, max_size=9),
    phase=st.sampled_from(["", "prefill", "decode"]),
)
def test_arrays_give_the_digits_of_single_designs(
    h100: Parts, model: Model, chosen: list[Serving], phase: str
) -> None:
    names = [name for name in vars(chosen[0]) if name not in ("phase", "tables", "utilisation")]
    columns = {name: np.array([getattr(one, name) for one in chosen]) for name in names}
    many = latency.steps(model, Serving(phase=phase, **columns), h100)
    served = latency.estimate(many, 1e-4, 1e-3)
    for i, one in enumerate(chosen):
        single = latency.steps(model, replace(one, phase=phase), h100)
        assert single.decode_step_s == many.decode_step_s[i]
        assert single.prefill_s == many.prefill_s[i]
        np.testing.assert_array_equal(single.decode_window_s, many.decode_window_s[..., i])
        np.testing.assert_array_equal(single.prefill_window_s, many.prefill_window_s[..., i])
        alone = latency.estimate(single, 1e-4, 1e-3)
        for name in vars(alone):
            assert getattr(alone, name) == getattr(served, name)[i], name


def test_arrays_of_accelerators_have_each_their_own_constants() -> None:
    names = ["h100-sxm", "a100-80-sxm", "b200-sxm", "h100-sxm", "mi300x"]
    catalogue, model, serving = load_catalogue(), read_model("qwen3-30b-a3b"), Serving(concurrency=32)
    many = latency.steps(model, serving, catalogue.parts(System(accelerator=np.array(names))))
    for i, name in enumerate(names):
        one = latency.steps(model, serving, catalogue.parts(System(accelerator=name)))
        assert one.decode_step_s == many.decode_step_s[i] and one.prefill_s == many.prefill_s[i]
    assert len(set(many.decode_step_s.tolist())) == 4


@settings(max_examples=40, deadline=None)
@given(model=models, tokens=st.integers(1, 20000), tensor=st.sampled_from([1, 2, 8]))
def test_matrices_of_coefficients_say_what_the_formulas_say(model: Model, tokens: int, tensor: int) -> None:
    """The plan's two products against rooflines.gemm and .elementwise, operator by operator."""
    one = np.ones(2)
    machine = passes.Machine(
        {"bf16": 989e12 * one, "fp8": 1978e12 * one, "fp4": 1978e12 * one}, 3.35e12 * one, 450e9 * one, 8 * one,
        50e9 * one, "h100-sxm",
    )  # fmt: skip
    layout = passes.Layout(tensor * one, one, one)
    work = passes.Work(tokens * one, 7 * one, 7 * one, one, 900 * one, one)
    timed = passes.run(model, "decode", work, machine, layout, keep=True).timed[0]
    table, fit = operators(model), constants.of("h100-sxm")
    for i, members in enumerate(timed.rows.members):
        row = members[0]
        T, share = (7 if table.last_token[row] else tokens), (1 / tensor if table.sharded[row] else 1.0)
        moved = (table.activation_bytes[row] + table.sharded_bytes[row] / tensor) * T + table.weight_bytes[
            row
        ] * share
        memory_s = np.array([moved / 3.35e12])
        if table.kind[row] == "gemm":
            peak = machine.peak_flops[table.compute[row]][0]
            kind = rooflines.for_type(fit, "gemm", table.compute[row])
            inner = np.array([table.inner[row] + table.sharded_inner[row] / tensor])
            compute_s = np.array([table.flops[row] * T * share / peak])
            expected = rooflines.gemm(compute_s, memory_s, inner, kind).time_s
        else:
            expected = rooflines.elementwise(memory_s, fit["elementwise"]).time_s
        assert timed.term.time_s[i, 0] == pytest.approx(expected[0], rel=1e-12)


def test_weights_are_read_once_per_decode_step(h100: Parts) -> None:
    model = read_model("llama-3.1-8b")
    steps = latency.steps(model, Serving(phase="decode", concurrency=1, input_tokens=1), h100)
    weights = 2 * (8_030_261_248 - 128256 * 4096)
    assert steps.decode_bytes == pytest.approx(weights, rel=2e-3)
    assert sum(steps.decode_flops.values()) == pytest.approx(weights, rel=2e-3)
    assert steps.decode_step_s > weights / 3.35e12  # never faster than the plain roofline


def test_kv_bytes_of_decode_attention(h100: Parts) -> None:
    rows = latency.breakdown(
        latency.steps(
            read_model("llama-3.1-8b"), Serving(phase="decode", concurrency=4, input_tokens=8192), h100
        )
    )
    attention = next(row for row in rows if row["operator"] == "attention")
    cache = 32 * 4 * 8192 * 2 * 8 * 128 * 2  # layers, sequences, tokens, K and V, heads, values, bytes
    assert attention["bytes"] == pytest.approx(cache, rel=1e-3)
    assert attention["flops"] == 32 * 4 * 8192 * 4 * 32 * 128
    assert attention["bound"] == "memory"


def test_a_latent_cache_is_not_divided_by_tensor_parallelism(h100: Parts) -> None:
    model = read_model("deepseek-v3")
    bytes_of = []
    for tensor in (1, 8):
        serving = Serving(phase="decode", concurrency=64, input_tokens=8192, tensor_parallel=tensor)
        rows = latency.breakdown(latency.steps(model, serving, h100))
        bytes_of.append(sum(row["bytes"] for row in rows if row["operator"] == "attention"))
    assert bytes_of[1] == pytest.approx(bytes_of[0], rel=0.3)
    assert (
        bytes_of[1] > 61 * 64 * 8192 * 576
    )  # one copy of 512 + 64 values at 2 bytes, over layers and sequences


def test_a_window_bounds_what_attention_reads(h100: Parts) -> None:
    model = read_model("llama-3.1-8b")
    windowed = replace(model, attention=replace(model.attention, sliding_window=1024))
    for phase in ("decode", "prefill"):
        serving = Serving(phase=phase, concurrency=8, input_tokens=32768)
        full, short = (
            next(
                row
                for row in latency.breakdown(latency.steps(m, serving, h100))
                if row["operator"] == "attention"
            )
            for m in (model, windowed)
        )
        assert short["flops"] / full["flops"] == pytest.approx(
            {"decode": 1 / 32, "prefill": 1 / 16}[phase], rel=0.05
        )


def test_kept_positions_shorten_decode_only(h100: Parts) -> None:
    model, serving = read_model("llama-3.1-8b"), Serving(input_tokens=32768, concurrency=16)
    full, kept = (latency.steps(model, replace(serving, kv_budget=budget), h100) for budget in (0, 2048))
    assert kept.decode_step_s < 0.6 * full.decode_step_s
    assert kept.prefill_s == full.prefill_s


def test_windows_grow_with_the_layer_and_stay_inside_the_step(h100: Parts) -> None:
    steps = latency.steps(read_model("engram-27b"), Serving(concurrency=64), h100)
    first, second = steps.decode_window_s
    # layers 1 and 14 of 30: one dense layer, and about 14 / 30 of all
    assert 0 < first < 0.06 * steps.decode_step_s
    assert second == pytest.approx(steps.decode_step_s * 14 / 30, rel=0.1)
    assert np.all(steps.prefill_window_s * steps.prefill_chunks < steps.prefill_s)


def test_tables_at_the_input_leave_no_window(h100: Parts) -> None:
    model = read_model("engram-27b")
    assert model.engram is not None
    at_input = replace(model, engram=replace(model.engram, input_only=True))
    steps = latency.steps(at_input, Serving(), h100)
    assert steps.decode_window_s.tolist() == [0.0] and steps.prefill_window_s.tolist() == [0.0]


def test_long_prompts_are_read_in_chunks(h100: Parts) -> None:
    steps = latency.steps(read_model("llama-3.1-8b"), Serving(input_tokens=20000, prefill_chunk=8192), h100)
    assert steps.prefill_chunks == 3 and steps.prefill_tokens == pytest.approx(20000 / 3)


def test_a_request_mix_is_the_sum_the_formula_says(h100: Parts) -> None:
    serving = Serving(concurrency=16, input_tokens=1000, output_tokens=101)
    steps = latency.steps(read_model("qwen3-32b"), serving, h100)
    served = latency.estimate(steps, stall_decode_s=1e-3, stall_prefill_s=2e-3, replicas=3)
    decode, prefill = steps.decode_step_s + 1e-3 + 0.5e-3, steps.prefill_s + 2e-3
    assert served.tpot_s == pytest.approx(decode + 15 / 100 * prefill)
    assert served.output_tokens_per_s == pytest.approx(3 * 16 * 101 / (served.ttft_s + 100 * served.tpot_s))
    assert served.output_tokens_per_s_per_accelerator == pytest.approx(served.output_tokens_per_s / 3)


def test_a_front_end_streams_so_many_tokens_a_second(h100: Parts) -> None:
    """A small model on many accelerators is no faster than the process that hands its tokens out."""
    model = read_model("llama-3.1-8b")
    many = Serving(tensor_parallel=8, concurrency=512, input_tokens=128, output_tokens=1000)
    found = latency.estimate(latency.steps(model, many, h100))
    assert found.tpot_s == pytest.approx(512 * 50e-6) and found.tpot_s > 2 * found.decode_step_s
    halves = replace(many, tensor_parallel=4, data_parallel=2)
    assert latency.estimate(latency.steps(model, halves, h100)).tpot_s == pytest.approx(256 * 50e-6)
    few = latency.estimate(latency.steps(model, replace(many, concurrency=32), h100))
    assert few.tpot_s > 32 * 50e-6


def test_accepted_tokens_divide_the_step(h100: Parts) -> None:
    serving = Serving(phase="decode", concurrency=1)
    model = read_model("llama-3.1-8b")
    plain = latency.estimate(latency.steps(model, serving, h100))
    tree = latency.estimate(latency.steps(model, serving, h100, tokens_per_sequence=64), accepted_tokens=2.5)
    assert plain.tpot_s / 2.5 < tree.tpot_s < plain.tpot_s


def test_unknown_parts_have_the_prior_and_a_larger_error() -> None:
    assert constants.key("mi300x") == constants.PRIOR
    assert constants.key("a100-40-sxm") == "a100-80-sxm"
    assert constants.expected_error("a100-40-sxm") == constants.expected_error("a100-80-sxm")
    assert constants.expected_error("h100-sxm") < constants.expected_error("mi300x")
    varied = constants.expected_error("h100-sxm", True)
    assert constants.expected_error("h100-sxm") < varied < constants.expected_error("mi300x", True)
    many = constants.expected_error(np.array(["h100-sxm", "mi300x"]))
    assert many.tolist() == [constants.expected_error("h100-sxm"), constants.expected_error("mi300x")]


@settings(max_examples=60, deadline=None)
@given(
    experts=st.sampled_from([8, 64, 256]), active=st.integers(1, 8), ranks=st.sampled_from([1, 2, 8]),
    tokens=st.integers(1, 100_000), alpha=st.sampled_from([0.0, 1.01, 1.2]),
)  # fmt: skip
def test_loads_keep_their_sums_and_bounds(
    experts: int, active: int, ranks: int, tokens: int, alpha: float
) -> None:
    loads = routing.expected_loads(experts, active, tokens, alpha)
    assert loads.sum() == pytest.approx(tokens * active, rel=1e-6)
    assert loads.max() <= tokens * (1 + 1e-9)
    load = routing.busiest_rank(experts, active, np.full(2, ranks), np.full(2, float(tokens)), alpha)
    assert load.rows[0] >= tokens * active / ranks * (1 - 1e-6)
    assert load.rows[0] <= tokens * active * (1 + 1e-6)
    assert load.experts[0] <= experts / ranks + 1e-6
    assert load.tiled_rows[0] >= load.rows[0] * (1 - 1e-6)


def test_skewed_routing_loads_one_rank_more_than_even_routing() -> None:
    ranks, tokens = np.full(2, 8), np.full(2, 8192.0)
    even, skewed = (routing.busiest_rank(128, 8, ranks, tokens, alpha) for alpha in (0.0, 1.2))
    assert even.rows[0] == pytest.approx(8192)
    assert skewed.rows[0] > 1.5 * even.rows[0]


def test_all_reduce_takes_the_better_of_one_shot_and_two() -> None:
    fit = constants.of("h100-sxm")["all_reduce"]
    ranks = np.full(1, 8.0)

    def moved(size: float, count: float = 8.0) -> float:
        return float(
            rooflines.all_reduce(np.full((1, 1), size), np.full(1, count), 450e9, 8.0, 50e9, fit).memory_s[
                0, 0
            ]
        )

    assert moved(8192) == pytest.approx(7 * 8192 / (fit["one_shot"] * 450e9))
    assert moved(1e8) == pytest.approx(1e8 / (fit["two_shots"] * 450e9) + fit["second_s"])
    assert moved(1e8, 16.0) > moved(1e8)  # a second group: over the network
    assert float(rooflines.all_reduce(np.ones((1, 1)), ranks / 8, 450e9, 8.0, 50e9, fit).time_s[0, 0]) == 0


def test_over_pcie_more_than_two_ranks_share_what_their_host_passes() -> None:
    fit, link, size = constants.of("l40s")["all_reduce"], 32e9, 64e6

    def bus_bandwidth(ranks: int, **others: float) -> float:
        moved = rooflines.all_reduce(
            np.full((1, 1), size), np.full(1, ranks), link, 8.0, 50e9, fit | others
        ).memory_s  # fmt: skip
        return 2 * (ranks - 1) / ranks * size / float(moved[0, 0])

    assert bus_bandwidth(2) == bus_bandwidth(2, bridge=0.1) > 0.5 * link
    for ranks in (4, 8):  # in all no more than the host passes, and no more than a port each
        assert ranks * bus_bandwidth(ranks) == pytest.approx(fit["bridge"] * link, rel=0.01)
        assert bus_bandwidth(ranks, bridge=100.0) == pytest.approx(fit["two_shots"] * link, rel=0.01)


def test_weights_of_four_bit_integers_are_multiplied_in_sixteen_bits() -> None:
    narrow = replace(read_model("llama-3.1-8b"), weights_dtype="int4")
    assert set(operators(narrow).compute) == {"bf16"}


def test_plans_hold_every_operator_once() -> None:
    for name in presets():
        model = read_model(name)
        table = operators(model)
        for phase in ("prefill", "decode"):
            ready = plan(model, phase, "h100-sxm")
            parts = (ready.kernels.rows, ready.attention, ready.experts, ready.collectives)
            rows = sorted(row for part in parts for members in part.members for row in members)
            assert rows == np.flatnonzero(getattr(table, phase)).tolist()
        assert set(table.compute) <= set(COMPUTE_TYPES)


def test_an_engine_adds_its_host_time_and_each_request_its_own() -> None:
    parts, model = load_catalogue().parts(System()), read_model("llama-3.1-8b")
    own = constants.engines()["vllm"]
    for count in (1, 64):
        serving = Serving(concurrency=count, engine="vllm")
        assert latency.steps(model, serving, parts).host_s == own["step_s"] + own["request_s"] * count
    names = np.array(["", "vllm", "tensorrt-llm", "sglang"])
    many = latency.steps(model, Serving(concurrency=64, engine=names), parts)
    for i, name in enumerate(names.tolist()):
        assert many.host_s[i] == latency.steps(model, Serving(concurrency=64, engine=name), parts).host_s


def test_waves_halve_interruptions_and_delay_first_tokens(h100: Parts) -> None:
    serving, model = Serving(concurrency=33, output_tokens=257), read_model("llama-3.1-8b")
    steps = latency.steps(model, serving, h100)
    even = latency.estimate(steps)
    waves = latency.estimate(replace(steps, serving=replace(serving, waves=True)))
    assert even.tpot_s - waves.tpot_s == pytest.approx(16 / 256 * steps.prefill_s)
    assert waves.ttft_s == pytest.approx(17 * steps.prefill_s + steps.host_s)


def test_answers_of_unlike_length_hold_longer_caches(h100: Parts) -> None:
    """With lengths as of an exponential distribution a request in flight has a mean answer behind it, not half."""
    model, serving = read_model("llama-3.1-8b"), Serving(input_tokens=100, output_tokens=2000, concurrency=64)
    spread = latency.steps(model, replace(serving, output_spread=1.0), h100)
    longer = latency.steps(model, replace(serving, input_tokens=1100), h100)
    assert spread.decode_step_s == longer.decode_step_s > latency.steps(model, serving, h100).decode_step_s
