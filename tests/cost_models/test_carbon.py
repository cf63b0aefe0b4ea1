"""Carbon: electricity by the grid's intensity, parts by their mass of carbon; pools once."""

import pytest

from cost_models import carbon, energy
from cost_models.catalogue import load_catalogue
from cost_models.design import Host, Serving, System
from cost_models.energy import Work

SYSTEM = System(accelerators=16, nodes=2, host=Host(dram_bytes=1e12, cxl_bytes=2e12, cxl_tier="cxl-pooled"))


def of(serving, **overrides):
    c = load_catalogue(overrides=overrides)
    parts = c.parts(SYSTEM)
    spent = energy.energy(parts, SYSTEM, Work({"bf16": 16e9}, 0.6e9), 4e4, c)
    return carbon.carbon(parts, SYSTEM, serving, spent, 4e4, c), spent


def test_electricity_at_full_use_is_energy_times_intensity():
    made, spent = of(Serving(utilisation=1.0))
    assert made.operational_g_per_mtok == pytest.approx(spent.j_per_token * 1e6 / 3.6e6 * 369)


def test_idle_hours_are_charged_to_the_tokens():
    assert (
        of(Serving(utilisation=0.5))[0].operational_g_per_mtok
        > of(Serving(utilisation=1.0))[0].operational_g_per_mtok
    )


def test_a_cleaner_grid():
    norway, _ = of(Serving(utilisation=1.0), **{"grid.g_per_kwh": 30})
    usa, _ = of(Serving(utilisation=1.0))
    assert usa.operational_g_per_mtok / norway.operational_g_per_mtok == pytest.approx(369 / 30)
    assert usa.embodied_kg == norway.embodied_kg


def test_embodied_by_part():
    made, _ = of(Serving())
    assert sum(made.by_part.values()) == pytest.approx(made.embodied_kg)
    assert made.by_part["dram"] == pytest.approx(2 * 1000 * 0.065), "65 g/GB in each of two nodes"
    assert made.by_part["cxl"] == pytest.approx(2000 * 0.065), "one pool"
    # an HGX H100 baseboard of 8 is 1,312 kg
    assert made.by_part["accelerators"] == pytest.approx(2 * 1312, rel=0.01)
