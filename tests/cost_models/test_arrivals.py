"""An open load: Little's law holds, more of it is never faster, and what cannot be answered is said."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost_models import answers, evaluate, read_model
from cost_models.arrivals import closed
from cost_models.design import Design, Serving, System
from cost_models.designfile import design_file
from cost_models.designwriter import write_design
from cost_models.errors import InputError
from cost_models.evaluation import Evaluation
from cost_models.yamlfile import parse

MODEL = read_model("llama-3.1-8b")
servings = st.builds(
    Serving,
    tensor_parallel=st.sampled_from([1, 2]),
    data_parallel=st.sampled_from([1, 2]),
    input_tokens=st.integers(1, 20_000),
    output_tokens=st.integers(1, 2000),
    output_spread=st.sampled_from([0.0, 1.0]),
    engine=st.sampled_from(["", "vllm"]),
)


def served(serving: Serving, **more: float) -> Evaluation:
    return evaluate(Design(MODEL, System("h100-sxm", 4), replace(serving, **more)))


def able(found: Evaluation) -> float:
    return float(found.design.serving.request_rate - found["violations.requests"])


def end_to_end(found: Evaluation) -> float:
    output = max(int(found.design.serving.output_tokens), 2)
    return float(found["latency.ttft_s"] + (output - 1) * found["latency.tpot_s"])


@settings(max_examples=40, deadline=None)
@given(serving=servings, share=st.floats(0.001, 0.9))
def test_requests_in_flight_are_rate_times_time(serving: Serving, share: float) -> None:
    rate = share * able(served(serving, request_rate=1.0))
    found = served(serving, request_rate=rate)
    copies = 4 / (serving.tensor_parallel * serving.data_parallel)
    # beside the one on each rank that a request itself is
    others = float(found["memory.concurrency"]) - serving.data_parallel
    within = served(serving, concurrency=0)["memory.concurrency"]
    if others + serving.data_parallel < within:
        assert others == pytest.approx(rate / copies * end_to_end(found), rel=2e-3, abs=1e-3)
    assert found["latency.output_tokens_per_s"] == pytest.approx(rate * serving.output_tokens)
    assert found["violations.requests"] < 0


@settings(max_examples=25, deadline=None)
@given(serving=servings, rate=st.floats(0.01, 200.0))
def test_more_requests_are_never_faster_and_arrays_say_the_same(serving: Serving, rate: float) -> None:
    rates = np.array([rate, 1.5 * rate, 4.0 * rate])
    many = served(serving, request_rate=rates)
    for name in ("memory.concurrency", "latency.tpot_s", "latency.output_tokens_per_s"):
        assert (np.diff(many[name]) >= -1e-3 * many[name][1:]).all(), name
    for i, one in enumerate(rates.tolist()):
        alone = served(serving, request_rate=one)
        for name, value in alone.columns.items():
            assert np.broadcast_to(many[name], 3)[i] == pytest.approx(value, rel=1e-12, abs=1e-300), name


def test_a_full_closed_loop_answers_what_an_open_load_may_ask_at_most() -> None:
    serving = Serving(input_tokens=1000, output_tokens=200)
    full, found = served(serving, concurrency=0), served(serving, request_rate=1e4)
    answered = float(full["latency.output_tokens_per_s"]) / 200
    assert able(found) == pytest.approx(answered)
    assert found["violations.requests"] == pytest.approx(1e4 - answered) and not found.feasible
    assert found["latency.output_tokens_per_s"] == pytest.approx(full["latency.output_tokens_per_s"])
    said = answers.text(found)
    assert "by 9,896 a second; it can answer 104 requests a second, and 10,000 arrive" in said


def test_a_rare_request_is_served_as_if_it_were_alone() -> None:
    serving = Serving(input_tokens=1000, output_tokens=200)
    rare, alone = served(serving, request_rate=1e-4), served(serving, concurrency=1)
    for name in ("latency.ttft_s", "latency.tpot_s"):
        assert rare[name] == pytest.approx(alone[name], rel=1e-3)
    assert closed(rare.design, rare["memory.concurrency"]).serving.concurrency == 2  # rounded up


@pytest.mark.parametrize(
    ("serving", "message"),
    [
        ("{request_rate: 3, concurrency: 8}", r"serving\.request_rate stands beside concurrency"),
        ("{request_rate: 3, phase: decode}", r"needs a whole request mix"),
        ("{request_rate: -1}", r"must be a number >= 0"),
        ("{engine: vlm}", r"must be one of vllm, sglang, tensorrt-llm, got 'vlm'; did you mean vllm"),
    ],
)
def test_what_a_file_may_not_say(tmp_path, serving, message):
    with pytest.raises(InputError, match=message):
        design_file(parse(f"model: {{preset: llama-3.1-8b}}\nserving: {serving}\n", "x.yaml"), tmp_path)


def test_an_open_load_is_written_and_read_again(tmp_path) -> None:
    design = Design(MODEL, serving=Serving(request_rate=2.5, engine="sglang", output_spread=0.5, waves=True))
    assert design_file(parse(write_design(design), "x.yaml"), tmp_path).design == design


def test_what_is_not_modelled_is_refused() -> None:
    with pytest.raises(InputError, match="composition"):
        evaluate(Design(read_model("samba-coe"), serving=Serving(request_rate=1.0)))
    with pytest.raises(InputError, match="for all designs or for none"):
        served(Serving(), request_rate=np.array([0.0, 1.0]))
