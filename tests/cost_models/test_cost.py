"""Money: capital recovery, parts add up, pools, the bill of materials, drive life."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost_models import bill, cost, energy
from cost_models.catalogue import load_catalogue
from cost_models.cost import YEAR_S
from cost_models.design import Design, Host, Serving, System
from cost_models.energy import Work

SYSTEM = System(accelerators=16, nodes=2, host=Host(dram_bytes=1e12, cxl_bytes=2e12, cxl_tier="cxl-pooled"))
WORK = Work({"bf16": 16e9}, 0.6e9)
CATALOGUE = load_catalogue()
SERVING = Serving(input_tokens=3000, output_tokens=1000)


def of(system=SYSTEM, serving=SERVING, rate=4e4, **catalogue):
    c = load_catalogue(**catalogue)
    parts = c.parts(system)
    return cost.cost(parts, system, serving, energy.energy(parts, system, WORK, rate, c), rate, c)


def test_parts_add_up():
    money = of()
    assert sum(money.by_part.values()) == pytest.approx(money.usd_per_mtok)
    assert sum(money.capex.values()) == pytest.approx(money.capex_usd)
    assert money.usd_per_mtok_blended == pytest.approx(money.usd_per_mtok / 4)


def test_a_year_of_payments_by_hand():
    """Four years at 10 %, 5 % maintenance, 70 % of the hours used."""
    money = of()
    mtok = 4e4 * 0.7 * YEAR_S / 1e6
    payment = money.capex_usd * 0.1 / (1 - 1.1**-4)
    assert money.usd_per_mtok * mtok == pytest.approx(payment + money.opex_usd_per_year)
    assert money.by_part["maintenance"] * mtok == pytest.approx(0.05 * money.capex_usd)


def test_capital_recovery():
    assert cost.capital_recovery(0.1, 4) == pytest.approx(0.31547, abs=1e-5)
    assert cost.capital_recovery(0.0, 4) == 0.25


def test_memory_prices_reach_dram_and_cxl_but_not_the_accelerators():
    low, high = of(scenario="pre_shortage"), of(scenario="dram_5x")
    assert high.capex["dram"] == pytest.approx(low.capex["dram"] * 110 / 4)
    assert high.capex["cxl"] > low.capex["cxl"]
    assert high.capex["accelerators"] == low.capex["accelerators"]


def test_a_pool_is_paid_once_and_local_memory_per_node():
    money = of()
    assert money.capex["dram"] == pytest.approx(2 * 1e12 * 22e-9)
    assert money.capex["cxl"] == pytest.approx(2e12 * 22e-9 + 8 * 200 + 7400)


def test_using_the_system_more_makes_tokens_cheaper():
    assert (
        of(serving=Serving(utilisation=0.9)).usd_per_mtok < of(serving=Serving(utilisation=0.5)).usd_per_mtok
    )


def test_pool_break_even_falls_with_the_price_of_memory_and_the_size_of_the_table():
    by_price = [
        cost.pool_break_even_nodes(4e11, load_catalogue(s)) for s in ("pre_shortage", "q1_2026", "dram_5x")
    ]
    assert by_price == sorted(by_price, reverse=True) and by_price[0] > by_price[-1]
    by_size = cost.pool_break_even_nodes(np.array([1e9, 1e11, 1e12]), load_catalogue())
    assert list(by_size) == [np.inf, 5, 2], "1 GB never repays a switch"
    # at the break-even the pool saves, one node below it does not
    c = load_catalogue()
    assert cost.pool_saving_usd(1e11, 5, c) > 0 >= cost.pool_saving_usd(1e11, 4, c)


def test_bill_adds_up_to_the_capital_cost_and_names_its_prices():
    rows = bill.bill_of_materials(Design(model=None, system=SYSTEM), load_catalogue())
    assert sum(row["total_usd"] for row in rows) == pytest.approx(of().capex_usd)
    by_item = {row["item"]: row for row in rows}
    dram = by_item["DDR5-6400 RDIMM"]
    assert (dram["quantity"], dram["unit"], dram["price_date"]) == (2000, "GB", "2026-11")
    assert all(row["source"] and row["confidence"] for row in rows)
    assert not any("NVMe" in item for item in by_item), "nothing is bought that is not fitted"


def test_a_bill_has_no_digits_of_binary_arithmetic():
    system = System("h100-sxm", 8, host=Host(dram_bytes=64.0 * 2**30))
    rows = bill.bill_of_materials(
        Design(model=None, system=system), load_catalogue(overrides={"memory.dram.usd_per_gb": 22})
    )
    dram = next(row for row in rows if row["unit"] == "GiB")
    assert (dram["quantity"], dram["unit_price_usd"], dram["total_usd"]) == (64, 23.622320128, 1511.82848819)
    for row in rows:
        for key in ("quantity", "unit_price_usd", "total_usd"):
            assert len(repr(row[key]).replace(".", "").strip("0")) <= 13, (row["item"], key, row[key])


@pytest.mark.parametrize("name", ["generic-epyc-9755", "gb200", "tpu-v6e", "apple-m3-ultra"])
def test_bill_of_parts_that_hold_their_memory_or_host(name):
    system = System(accelerator=name, accelerators=2)
    rows = bill.bill_of_materials(Design(model=None, system=system), load_catalogue())
    total = sum(cost.capex(load_catalogue().parts(system), system).values())
    assert sum(row["total_usd"] for row in rows) == pytest.approx(total)


def test_drive_life():
    c = load_catalogue()
    # 2 TB at 60 full writes a day over five years is 219 PB, the rating of the aiDAPTIV cache drive
    tier = c.parts(System(host=Host(ssd_bytes=2e12, ssd_tier="pslc-aidaptiv"))).tiers["ssd"]
    years = cost.ssd_life_years(120e12, tier.capacity_bytes, tier.writes_per_day, c)
    assert years == pytest.approx(5.0)
    assert years * 365.25 * 120e12 == pytest.approx(219e15, rel=0.01)
    assert cost.ssd_life_years(0.0, 2e12, 1.0, c) == np.inf
    assert list(cost.ssd_life_years(np.array([0.0, 4e12]), 2e12, 1.0, c)) == [np.inf, 2.5]


@given(
    st.sampled_from(["dram_bytes", "cxl_bytes", "ssd_bytes", "remote_bytes"]),
    st.floats(0, 1e14),
    st.floats(0, 1e14),
    st.sampled_from(["cxl-direct", "cxl-pooled", "cxl-reused-ddr4"]),
)
def test_more_bytes_are_never_cheaper_nor_draw_less(field, a, b, cxl):
    less, more = (System(nodes=2, host=Host(**{field: size}, cxl_tier=cxl)) for size in sorted((a, b)))
    few, many = (CATALOGUE.parts(system) for system in (less, more))
    assert sum(cost.capex(few, less).values()) <= sum(cost.capex(many, more).values())
    assert energy.peak_power(few, less) <= energy.peak_power(many, more)


@given(st.floats(1.0, 1e6), st.floats(1.0, 1e6))
def test_a_faster_system_of_the_same_price_has_cheaper_tokens(a, b):
    slow, fast = sorted((a, b))
    assert of(rate=fast).usd_per_mtok <= of(rate=slow).usd_per_mtok


def test_arrays_give_what_scalars_give():
    counts, sizes, rates = np.array([8, 16]), np.array([1e12, 2e12]), np.array([1e4, 3e4])
    many = of(System(accelerators=counts, host=Host(dram_bytes=sizes)), rate=rates)
    for i in range(2):
        one = of(System(accelerators=counts[i], host=Host(dram_bytes=sizes[i])), rate=rates[i])
        assert many.usd_per_mtok[i] == one.usd_per_mtok
        assert many.capex_usd[i] == one.capex_usd
