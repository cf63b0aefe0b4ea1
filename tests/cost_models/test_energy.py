"""Energy: parts add up, memory is counted once, idle and peak power bracket the draw, arrays as scalars."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost_models import energy
from cost_models.catalogue import load_catalogue
from cost_models.design import Host, System
from cost_models.energy import Work

CATALOGUE = load_catalogue()
SYSTEM = System(host=Host(dram_bytes=1e12, ssd_bytes=7e12))
PARTS = CATALOGUE.parts(SYSTEM)
# about an 8B model at batch 32 on one of eight accelerators
WORK = Work(flops={"bf16": 16e9, "fp8": 0.0}, memory_bytes=0.6e9, link_bytes=1e6,
            tier_bytes={"dram": 4e3}, tier_reads={"dram": 16})  # fmt: skip


def of(work=WORK, tokens_per_s=2e4, system=SYSTEM, catalogue=CATALOGUE):
    return energy.energy(catalogue.parts(system), system, work, tokens_per_s, catalogue)


def test_parts_add_up_and_power_is_energy_times_rate():
    e = of()
    assert sum(e.by_part.values()) == pytest.approx(e.j_per_token)
    assert e.average_w == pytest.approx(e.j_per_token * 2e4)


def test_by_hand():
    """FLOPs at half the board's energy, bytes at 5.8 pJ/bit, static power over the rate, PUE 1.25."""
    e = of()
    assert e.by_part["compute"] == pytest.approx(16e9 * 0.5 * 700 / 989e12)
    assert e.by_part["memory"] == pytest.approx(0.6e9 * 8 * 5.8e-12)
    assert e.by_part["accelerators_static"] == pytest.approx(8 * (70 + 38) / 2e4)
    assert e.by_part["dram"] == pytest.approx(4e3 * 8 * (14 + 6.5) * 1e-12)
    assert e.by_part["facility"] == pytest.approx(0.25 / 1.25 * e.j_per_token)


def test_device_memory_reads_of_tables_are_device_memory_energy():
    more = of(Work(WORK.flops, WORK.memory_bytes, tier_bytes={"hbm": 1e6}, tier_reads={"hbm": 100}))
    less = of(Work(WORK.flops, WORK.memory_bytes))
    assert more.by_part["memory"] - less.by_part["memory"] == pytest.approx(1e6 * 8 * 5.8e-12)


def test_an_ssd_read_costs_its_io_whatever_its_size():
    e = of(Work({}, 0.0, tier_bytes={"ssd": 0.0}, tier_reads={"ssd": 1.0}))
    assert e.by_part["ssd"] == pytest.approx((18 - 5) / 3.3e6)


def test_draw_lies_between_static_and_peak_at_a_realistic_rate():
    e = of()
    assert e.static_w < e.average_w
    assert e.average_w / CATALOGUE.value("facility", "pue") < e.peak_w
    assert e.peak_w > 8 * 700


def test_pue_scales_everything_but_the_power_limit():
    low = load_catalogue(overrides={"facility.pue": 1.0})
    assert of().j_per_token == pytest.approx(1.25 * of(catalogue=low).j_per_token)
    assert of().peak_w == of(catalogue=low).peak_w


@given(st.floats(1.0, 1e6), st.floats(1.0, 1e6))
def test_serving_faster_never_costs_more_per_token(a, b):
    slow, fast = sorted((a, b))
    assert of(tokens_per_s=fast).j_per_token <= of(tokens_per_s=slow).j_per_token


def test_arrays_give_what_scalars_give():
    counts, rates = np.array([4, 8, 16]), np.array([1e3, 2e4, 5e4])
    many = of(
        tokens_per_s=rates, system=System(accelerators=counts, nodes=np.array([1, 1, 2]), host=SYSTEM.host)
    )
    for i in range(3):
        one = of(
            tokens_per_s=rates[i], system=System(accelerators=counts[i], nodes=(1, 1, 2)[i], host=SYSTEM.host)
        )
        assert many.j_per_token[i] == one.j_per_token
        assert many.peak_w[i] == one.peak_w
