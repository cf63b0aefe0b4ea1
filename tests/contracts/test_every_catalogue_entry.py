"""Every entry of the catalogue can be used, and every figure says where it comes from."""

import dataclasses
import math

import numpy as np
import pytest

from cost_models.catalogue import Figure, load_catalogue
from cost_models.catalogue.figures import CONFIDENCES
from cost_models.catalogue.units import UNITS
from cost_models.design import Host, System

CATALOGUE = load_catalogue()
FIGURES = dict(CATALOGUE.figures())


def test_every_figure_has_source_and_confidence():
    for name, figure in FIGURES.items():
        assert figure.source.strip(), name
        assert figure.confidence in CONFIDENCES, name
        assert figure.place, name
        if figure.source.startswith("http"):
            assert " " not in figure.source.split("(")[0].strip(), name


def test_a_figure_without_a_source_does_not_call_itself_verified():
    for name, figure in FIGURES.items():
        if figure.source in ("estimate", "not found", "own calculation from figures in this catalogue"):
            assert figure.confidence in ("estimate",), name
        if figure.source == "recalled, not looked up":
            assert figure.confidence == "memory", name


@pytest.mark.parametrize("section", ["accelerator", "memory", "scenario"])
def test_a_figure_measures_the_same_in_every_entry(section):
    dimensions = {}
    for name, figure in FIGURES.items():
        if name.startswith(f"{section}.") and figure.unit != "text":
            dimensions.setdefault(name.split(".")[-1], set()).add(UNITS[figure.unit][1])
    assert {key: found for key, found in dimensions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("name", CATALOGUE.accelerators())
def test_accelerator(name):
    p = CATALOGUE.parts(System(accelerator=name, accelerators=4, host=Host(dram_bytes=1e12)))
    a = p.accelerator
    for field in dataclasses.fields(a):
        value = getattr(a, field.name)
        for number in value.values() if isinstance(value, dict) else [value]:
            if isinstance(number, float):
                assert math.isfinite(number) and number >= 0, field.name
    assert a.memory_bytes > 0 and a.memory_bandwidth > 1e11 and a.host_link_bandwidth > 1e9
    assert a.peak_flops["bf16"] <= a.peak_flops["fp8"] <= a.peak_flops["fp4"]
    assert 0 < a.idle_w < a.tdp_w
    assert a.price_usd > 0 and a.embodied_kg > 0 and a.scale_up_group >= 1
    # a link is slower than the memory at its end, a kernel no faster than a copy engine
    assert a.host_link_bandwidth <= a.memory_bandwidth
    assert a.zero_copy_bandwidth <= a.host_link_bandwidth
    filled = CATALOGUE.row(name).filled
    entry = CATALOGUE.entry("accelerator", name)
    for key in filled:
        figure = entry.get(key)
        assert not isinstance(figure, Figure) or figure.value is None, f"{key} has a figure and was filled"


@pytest.mark.parametrize("name", CATALOGUE.tiers())
def test_tier(name):
    slot = str(CATALOGUE.entry("memory", name)["tier"])
    host = Host(**{f"{slot}_bytes": 4e12, f"{slot}_tier": name})
    tier = CATALOGUE.parts(System(host=host)).tiers[slot]
    assert tier.name == name
    for field in dataclasses.fields(tier):
        value = getattr(tier, field.name)
        if isinstance(value, float) and field.name != "reads_per_s":
            assert np.isfinite(value) and value >= 0, field.name
    assert 1e-8 < tier.latency_s < 1e-3
    assert 1e9 < tier.bandwidth < 1e14
    assert tier.reads_per_s > 1e5
    assert 0 < tier.usd_per_byte < 1e-6
    assert tier.page_bytes >= 32


def test_tiers_keep_their_order():
    """Nearer memory is quicker and dearer than farther memory; an error of units would break this."""
    host = Host(dram_bytes=1e12, cxl_bytes=1e12, ssd_bytes=1e13, remote_bytes=1e12)
    t = CATALOGUE.parts(System(host=host)).tiers
    assert t["dram"].latency_s < t["cxl"].latency_s < t["remote"].latency_s < t["ssd"].latency_s
    assert t["hbm"].bandwidth > t["dram"].bandwidth > t["cxl"].bandwidth
    assert t["ssd"].usd_per_byte < t["cxl"].usd_per_byte


@pytest.mark.parametrize("name", CATALOGUE.scenarios())
def test_scenario(name):
    prices = load_catalogue(name).scenarios()[name]
    assert prices["qlc"] <= prices["tlc"] < prices["dram"]
