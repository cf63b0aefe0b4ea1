"""Measured servers: the rules by which some are set aside hold for the data, whatever the models say of them."""

import csv

import numpy as np
import pytest

from cost_models import cases
from cost_models.architecture import parameters
from cost_models.catalogue import load_catalogue
from cost_models.evaluation import evaluate
from cost_models.fitting.measured import sampled
from cost_models.operator_rows import COMPUTE_TYPE
from cost_models.operators import context_bytes_per_token

_TABLES = {"bf16": "bfloat16", "fp8": "fp8", "nvfp4": "nvfp4"}


def _busy(case: cases.Case, ttft_ms: float) -> float:
    """Share of the time in which a server must compute, at the least, at the load that is stated for it.

    By Little's law so many requests a second pass, each with its products at the best share of the peak that any
    measured product of the part and type reaches; each step reads the cache of those it decodes at the full bandwidth.
    """
    assert case.design is not None
    model, serving = case.design.model, case.design.serving
    part = load_catalogue().parts(case.design.system).accelerator
    compute, ranks = COMPUTE_TYPE[model.weights_dtype], serving.tensor_parallel
    rows = sampled(str(part.name))
    rows = rows.where(rows.is_("kind", "gemm") & rows.is_("precision", _TABLES[model.weights_dtype]))
    best = float(np.max(rows.numbers["flops"] / rows.seconds))
    assert best < part.peak_flops[compute]
    tpot = case.published * 1e-3
    rate = serving.concurrency / (ttft_ms * 1e-3 + (serving.output_tokens - 1) * tpot)
    weights = parameters(model).total - 2 * model.vocab * model.hidden
    tokens = serving.input_tokens + serving.output_tokens
    decoded = rate * (serving.output_tokens - 1) * tpot  # of all requests in flight, those past their prompt
    cache = decoded * serving.input_tokens * context_bytes_per_token(model) * model.layers
    return rate * tokens * 2 * weights / (ranks * best) + cache / (ranks * part.memory_bandwidth) / tpot


@pytest.fixture(scope="module")
def servers() -> dict[str, list[tuple[cases.Case, float]]]:
    """Server -> its cases and their times to the first token."""
    with (cases.FOLDER / "served_dense.csv").open(newline="") as file:
        first = [float(row["ttft_ms"]) for row in csv.DictReader(file)]
    found: dict[str, list[tuple[cases.Case, float]]] = {}
    for case, ttft_ms in zip(cases.read(cases.FOLDER / "served_dense.yaml"), first, strict=True):
        found.setdefault(case.group, []).append((case, ttft_ms))
    return found


def test_no_counted_server_computes_longer_than_time_passes(servers):
    for group, rows in servers.items():
        if rows[0][0].served != "set aside":
            assert max(_busy(*row) for row in rows) < 0.8, group


def test_the_server_set_aside_for_its_load_could_not_have_had_it(servers):
    rows = servers["llama-3.1-8b fp8, h200-sxm, vllm, set aside"]
    assert sum(_busy(*row) > 1 for row in rows) >= 3


def test_servers_set_aside_are_whole(servers):
    """A rule is about a server, never about single rows of it."""
    aside = {group.rpartition(",")[0] for group, rows in servers.items() if rows[0][0].served == "set aside"}
    partly = {
        group.rpartition(",")[0] for group, rows in servers.items() if rows[0][0].served != "set aside"
    } & aside
    # two engines, an old version and a new one, under one name
    assert partly == {"qwen3-32b fp8, h100-sxm, tensorrt-llm", "qwen3-32b nvfp4, gb200, tensorrt-llm"}


def test_servers_in_waves_are_those_whose_first_tokens_wait_for_half_of_all_prompts(servers):
    """By their published times to the first token alone: where all start together, that is half of what all take."""
    for group, rows in servers.items():
        shares = []
        for case, ttft_ms in rows:
            assert case.design is not None
            result = evaluate(case.design, load_catalogue()).result()
            count = float(result.memory.concurrency)
            if count >= 16 and float(result.memory.running) == count:  # waits for no KV room
                shares.append(ttft_ms * 1e-3 / (count * float(result.steps.prefill_s)))
        in_waves = {bool(case.design.serving.waves) for case, _ in rows}
        if len(shares) >= 10:
            assert in_waves == {float(np.median(shares)) >= 0.5}, group
