"""Constants of processors: what one core's kernels reach, and what a socket of many cores makes of it."""

from pathlib import Path

import numpy as np
import pytest

from cost_models import Design, Serving, System, cases, constants, processors, read_model, validation
from cost_models.evaluation import evaluate
from cost_models.fitting import processors as fitting


def test_stored_constants_are_those_of_the_fit():
    for name, found in fitting.fit_all().items():
        stored = processors.content()["classes"][name]
        assert stored["values"] == pytest.approx(found.values, rel=1e-3), name
        assert stored["rows"] == found.rows


def test_an_operator_costs_a_barrier_of_all_cores():
    few, many = constants.of("epyc-9554")["gemm_bf16"], constants.of("ampereone-a192")["gemm_bf16"]
    barriers = processors.content()["classes"]["gemm_bf16"]["barriers"]
    more = barriers * (192 - 64) * processors.content()["core_to_core_s"]
    assert many["overhead_s"] - few["overhead_s"] == pytest.approx(more)
    assert many["compute"] == few["compute"]


def test_products_of_matrix_units_have_a_share_of_their_own():
    matrix, vector = constants.of("generic-xeon-6980p"), constants.of("epyc-9554")
    assert matrix["gemm_bf16"]["compute"] < vector["gemm_bf16"]["compute"]  # of a peak eight times as high
    assert matrix["gemm_bf16"]["memory"] == vector["gemm_bf16"]["memory"]
    assert constants.expected_error("epyc-9554") == processors.expected_error()
    assert not constants.is_fitted("epyc-9554")


def test_a_file_based_on_a_processor_has_its_constants_until_it_is_calibrated(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text("accelerator: {based_on: epyc-9554}\n")
    assert constants.of(constants.key(str(path))) == constants.of("epyc-9554")
    path = tmp_path / "measured.yaml"
    figure = "{value: 0.5, unit: ratio, source: here, confidence: measured}"
    path.write_text(
        f"accelerator: {{based_on: epyc-9554}}\nefficiency: {{gemm_bf16: {{compute: {figure}}}}}\n"
    )
    found = constants.of(constants.key(str(path)))["gemm_bf16"]
    assert found["compute"] == 0.5 and found["overhead_s"] < 1e-5  # no barriers of a socket


def test_other_parts_have_none():
    assert processors.constants_of("h100-sxm") == {} == processors.constants_of("nobody")


@pytest.mark.parametrize(("file", "bound"), [("processors.yaml", 0.31), ("processors_fresh.yaml", 0.38)])
def test_decoding_alone_is_near_what_was_published(file: str, bound: float):
    errors = [
        abs(validation.predict(case) / case.published - 1.0)
        for case in cases.read(cases.FOLDER / file)
        if case.quantity != "latency.prefill_s"
    ]
    assert np.mean(errors) < bound


def test_a_named_engine_makes_no_request_surer_than_its_steps():
    """Engines were measured on GPUs; on a processor a served time is in no less doubt than a step."""
    stated = {}
    for accelerator in ("epyc-9554", "h100-sxm"):
        system = System(accelerator=accelerator, accelerators=1)
        evaluation = evaluate(Design(read_model("llama-3.1-8b"), system, Serving(engine="vllm")))
        stated[accelerator] = evaluation.document()["latency"]["served_error"]
    assert stated["epyc-9554"] == processors.expected_error() > constants.serving_error("vllm")
    assert stated["h100-sxm"] == constants.serving_error("vllm")
