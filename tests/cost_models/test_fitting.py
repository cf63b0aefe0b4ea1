"""The fits: that they find what is there, hold out what they should, and keep their promise on whole models."""

import numpy as np
import pytest

from cost_models import constants
from cost_models.fitting import classes, held_out, recipe
from cost_models.fitting.measured import a100, h100
from cost_models.fitting.solver import fit

BAR = 0.06  # mean absolute error over the model points, set before anything was fitted


@pytest.fixture(scope="module")
def points() -> list[held_out.Point]:
    return held_out.model_points()


@pytest.fixture(scope="module")
def entries() -> dict[str, recipe.Entry]:
    return recipe.fit_h100()


def test_the_solver_finds_constants_through_noise() -> None:
    random = np.random.default_rng(0)
    size = 10 ** random.uniform(4, 9, 200)
    measured = (5e-6 + size / (0.8 * 3e12)) * random.normal(1, 0.02, 200)
    measured[:5] *= 3  # a few bad rows
    found = fit(
        lambda c: c["overhead_s"] + size / (c["share"] * 3e12), measured, {"overhead_s": 1e-6, "share": 0.5}
    )
    assert found.values["overhead_s"] == pytest.approx(5e-6, rel=0.02)
    assert found.values["share"] == pytest.approx(0.8, rel=0.02)
    assert found.rows == 200


def test_a_constant_that_nothing_determines_stays() -> None:
    size = np.linspace(1, 2, 20)
    found = fit(lambda c: c["a"] * size + 0 * c["b"], 3 * size, {"a": 1.0, "b": 7.0}, {"c": 4.0})
    assert found.values == pytest.approx({"a": 3.0, "b": 7.0, "c": 4.0}, rel=0.02)


def test_whole_models_keep_the_bar(points: list[held_out.Point]) -> None:
    assert len(points) == 168
    assert np.mean([abs(point.error) for point in points]) <= BAR


def test_no_model_or_phase_is_sacrificed_for_the_mean(points: list[held_out.Point]) -> None:
    for key in {(point.model, point.phase) for point in points}:
        errors = [abs(point.error) for point in points if (point.model, point.phase) == key]
        assert np.mean(errors) <= 0.10, key


def test_whole_models_are_in_no_fit(entries: dict[str, recipe.Entry]) -> None:
    for entry in entries.values():
        if entry.rows is not None:
            assert "model" not in entry.rows.texts["kind"]


def test_the_file_holds_what_the_script_fits(entries: dict[str, recipe.Entry]) -> None:
    stored = constants.fitted()
    for kind, entry in entries.items():
        assert stored["h100-sxm"][kind] == pytest.approx(entry.fit.values, rel=2e-3), kind
    a100_entries = recipe.fit_a100(entries["prefill_attention"].fit.values["compute"])
    for kind, entry in a100_entries.items():
        stored_values = {key: stored["a100-80-sxm"][kind][key] for key in entry.fit.values}
        assert stored_values == pytest.approx(entry.fit.values, rel=2e-3), kind
    assert set(stored["prior"]) >= set(entries) | set(a100_entries) | {"host"}


@pytest.mark.parametrize("part", ["h200-sxm", "b200-sxm"])
def test_sampled_parts_are_fitted_on_their_own_operators(part: str) -> None:
    stored, own, h100_fit = constants.fitted()[part], recipe.fit_sampled(part), recipe.fit_h100()
    for kind, entry in own.items():
        assert {key: stored[kind][key] for key in entry.fit.values} == pytest.approx(
            entry.fit.values, rel=2e-3
        )
        assert entry.rows is not None and "model" not in entry.rows.texts["kind"]
        carried = h100_fit[kind]
        if carried.fit.rows and entry.predict is not None and kind not in ("gemm_fp8", "attn_decode"):
            assert entry.fit.error <= 1.05 * held_out.error_on(entry.predict, entry.rows, carried.fit.values)


def test_shares_of_peak_are_shares(entries: dict[str, recipe.Entry]) -> None:
    for kinds in constants.fitted().values():
        for kind, values in kinds.items():
            for name, value in values.items():
                if name in ("compute", "sustained", "memory", "one_shot", "two_shots"):
                    assert 0.15 < value <= 1, (kind, name)
                if name == "overhead_s":
                    assert 1e-6 < value < 1e-4, (kind, name)


def test_products_of_a_model_that_was_left_out(entries: dict[str, recipe.Entry]) -> None:
    a100_gemm = recipe.fit_a100(0.6)["gemm_bf16"]
    errors = dict(held_out.leave_one_out(a100_gemm))
    assert len(errors) == 3 and max(errors.values()) < 0.10
    assert all(error < 0.25 for _, error in held_out.leave_one_out(entries["experts_bf16"]))


def test_h100_constants_on_a100_products_are_as_far_off_as_a_transfer_is_said_to_be() -> None:
    rows = a100().where(a100().is_("kind", "gemm"))
    error = held_out.error_on(classes.gemm("a100-80-sxm"), rows, constants.fitted()["h100-sxm"]["gemm_bf16"])
    own = held_out.error_on(classes.gemm("a100-80-sxm"), rows, constants.fitted()["a100-80-sxm"]["gemm_bf16"])
    assert own < error < constants.expected_error("rubin-r200")


def test_bytes_and_flops_of_the_table_are_those_of_the_formulas() -> None:
    rows = h100().where(h100().is_("kind", "gemm") & h100().is_("precision", "bfloat16"))
    m, n, k = (rows.numbers[name] for name in "mnk")
    np.testing.assert_allclose(rows.numbers["flops"], 2 * m * n * k, rtol=1e-4)
    np.testing.assert_allclose(rows.numbers["bytes"], 2 * (m * n + n * k + m * k), rtol=1e-4)
