"""The catalogue: reading, units, scenarios, overrides, hypothetical parts, user files, arrays as scalars."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost_models import bill, cost, yamlfile
from cost_models.catalogue import figures, hypothetical, load_catalogue, names
from cost_models.design import Design, Host, System
from cost_models.errors import InputError

GIB = 2**30
TB = 1e12


def parts(**fields):
    return load_catalogue().parts(System(**fields))


def test_h100_in_si():
    a = parts().accelerator
    assert a.peak_flops == {"bf16": 989e12, "fp8": 1978e12, "fp4": 1978e12}
    assert a.memory_bytes == 80 * GIB
    assert a.memory_bandwidth == 3.35e12
    assert a.host_link_bandwidth == pytest.approx(55.6e9)
    # kernels reading pinned memory, less what address translation costs
    assert a.zero_copy_bandwidth == pytest.approx(0.8 * 35.2e9)
    assert a.price_usd == (25000 + 40000) / 2
    assert a.fitted and not a.is_cpu


def test_core_energy_and_device_memory_stay_within_the_board():
    """Cores at peak, memory at full speed and idle make about the TDP: memory is not counted twice."""
    catalogue = load_catalogue()
    for name in ("a100-80-sxm", "h100-sxm", "h200-sxm", "b200-sxm", "mi300x", "mi355x"):
        a = catalogue.parts(System(accelerator=name)).accelerator
        board = (
            a.peak_flops["bf16"] * a.compute_j_per_flop["bf16"]
            + a.memory_bandwidth * a.memory_j_per_byte
            + a.idle_w
        )
        assert 0.6 * a.tdp_w < board < 1.1 * a.tdp_w, name


def test_every_default_tier_of_a_host_exists():
    tiers = parts(host=Host(dram_bytes=TB, cxl_bytes=TB, ssd_bytes=TB, remote_bytes=TB)).tiers
    assert [tiers[k].name for k in ("dram", "cxl", "ssd", "remote")] == [
        "ddr5-rdimm", "cxl-direct", "nvme-tlc-gen5", "rdma-400g",
    ]  # fmt: skip
    assert tiers["hbm"].capacity_bytes == 8 * 80 * GIB
    assert tiers["dram"].usd_per_byte == pytest.approx(22e-9)


def test_drives_and_modules_scale_with_capacity():
    small = parts(host=Host(ssd_bytes=7e12, cxl_bytes=200e9)).tiers
    large = parts(host=Host(ssd_bytes=30e12, cxl_bytes=1e12)).tiers
    assert (small["ssd"].units, large["ssd"].units) == (1, 4)
    assert large["ssd"].reads_per_s == 4 * small["ssd"].reads_per_s == pytest.approx(4 * 3.3e6)
    assert (small["cxl"].units, large["cxl"].units) == (1, 4)
    assert large["cxl"].fixed_usd == 4 * 200
    given_drives = parts(host=Host(ssd_bytes=7e12, ssd_drives=8)).tiers["ssd"]
    assert given_drives.bandwidth == pytest.approx(8 * 14e9)


def test_a_tier_that_is_not_fitted_costs_nothing_and_keeps_finite_rates():
    tier = parts().tiers["cxl"]
    assert tier.capacity_bytes == tier.fixed_usd == tier.fixed_w == 0
    assert 0 < tier.bandwidth < math.inf


def test_pool_is_shared_by_its_nodes():
    tier = parts(accelerators=32, nodes=4, host=Host(cxl_bytes=4e12, cxl_tier="cxl-pooled")).tiers["cxl"]
    assert tier.nodes_sharing == 4
    assert tier.fixed_usd == 16 * 200 + 7400
    assert tier.bandwidth == pytest.approx(52e9), "one port of the switch bounds a node"


def test_more_hbm_makes_a_faster_dearer_part_and_the_sold_amount_is_the_sold_part():
    sold, same, more = parts(), parts(hbm_bytes=80 * GIB), parts(hbm_bytes=160 * GIB)
    assert dataclasses.asdict(same.accelerator) == dataclasses.asdict(sold.accelerator)
    assert more.accelerator.memory_bandwidth == pytest.approx(2 * 3.35e12)
    assert more.accelerator.price_usd == pytest.approx(32500 + 80 * GIB * 12.5e-9 * 4)
    assert more.accelerator.tdp_w > sold.accelerator.tdp_w
    assert not more.accelerator.fitted, "efficiencies were fitted on the part as sold"


def test_a_processor_brings_no_second_host_and_pays_for_its_memory():
    small = parts(accelerator="generic-epyc-9755", accelerators=2, hbm_bytes=256e9)
    large = parts(accelerator="generic-epyc-9755", accelerators=2, hbm_bytes=512e9)
    assert small.node.cpu_price_usd == 0
    assert small.accelerator.memory_bandwidth == large.accelerator.memory_bandwidth
    assert large.accelerator.price_usd - small.accelerator.price_usd == pytest.approx(256 * 22)
    assert small.accelerator.is_cpu and small.accelerator.unified_memory


def test_a_processor_computes_in_the_memory_of_its_host():
    catalogue = load_catalogue()
    system = System(accelerator="generic-epyc-9755", accelerators=2, host=Host(dram_bytes=512e9))
    p = catalogue.parts(system)
    assert p.accelerator.memory_bytes == 256e9
    assert sum(cost.capex(p, system).values()) - p.node.chassis_usd == pytest.approx(2 * 12984 + 512 * 22)
    # the largest amount where none is stated, paid with the part
    assert parts(accelerator="generic-epyc-9755").accelerator.memory_bytes == 3072 * GIB


def test_scenarios_change_memory_prices_only():
    cheap, dear = load_catalogue("pre_shortage"), load_catalogue("dram_5x")
    assert cheap.parts(System()).tiers["dram"].usd_per_byte == pytest.approx(4e-9)
    assert dear.parts(System()).tiers["dram"].usd_per_byte == pytest.approx(110e-9)
    assert cheap.parts(System()).accelerator == dear.parts(System()).accelerator
    assert load_catalogue("pre-shortage").scenario == "pre_shortage"
    with pytest.raises(InputError, match=r"scenario must be one of pre_shortage, .*got 'dram_6x'"):
        load_catalogue("dram_6x")


@pytest.mark.parametrize(
    ("path", "value", "read"),
    [
        ("memory.dram.usd_per_gb", 8, lambda p: p.tiers["dram"].usd_per_byte * 1e9),
        ("memory.cxl.latency_ns", 400, lambda p: p.tiers["cxl"].latency_s * 1e9),
        ("memory.ssd.usd_per_gb", "0.9", lambda p: p.tiers["ssd"].usd_per_byte * 1e9),
        ("memory.remote.latency_us", 9, lambda p: p.tiers["remote"].latency_s * 1e6),
        ("accelerator.h100-sxm.price_usd", 20000, lambda p: p.accelerator.price_usd),
        ("accelerator.h100-sxm.price", 20000, lambda p: p.accelerator.price_usd),
        (
            "accelerator.h100-sxm.memory_bandwidth_tb_per_s",
            5,
            lambda p: p.accelerator.memory_bandwidth / 1e12,
        ),
        ("accelerator.h100-sxm.tdp", 500, lambda p: p.accelerator.tdp_w),
    ],
)
def test_overrides_reach_the_parts(path, value, read):
    catalogue = load_catalogue(overrides={path: value})
    assert read(catalogue.parts(System(host=Host(cxl_bytes=TB, ssd_bytes=TB)))) == pytest.approx(float(value))


def test_cxl_follows_the_dram_price_unless_set_itself():
    follows = load_catalogue(overrides={"memory.dram.usd_per_gb": 8})
    own = load_catalogue(overrides={"memory.dram.usd_per_gb": 8, "memory.cxl.usd_per_gb": 3})
    assert follows.tier_row("cxl", "cxl-direct")["price"] == pytest.approx(8e-9)
    assert own.tier_row("cxl", "cxl-direct")["price"] == pytest.approx(3e-9)


def test_overrides_of_other_figures():
    catalogue = load_catalogue(
        overrides={"electricity.usd_per_kwh": 0.2, "facility.pue": 1.1, "economics.utilisation": 0.5,
                   "grid.g_per_kwh": 50}
    )  # fmt: skip
    assert catalogue.value("electricity", "price") * 3.6e6 == pytest.approx(0.2)
    assert catalogue.value("facility", "pue") == 1.1
    assert catalogue.value("economics", "utilisation") == 0.5
    assert catalogue.value("grid", "intensity") * 3.6e9 == pytest.approx(50)
    assert load_catalogue().value("facility", "pue") == 1.25, "an override stays in its own catalogue"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("memory.dram.usd_per_gbb", 3, r"no such figure; did you mean memory\.dram\.usd_per_gb"),
        ("accelerator.h100-sxn.price_usd", 3, r"no such figure; did you mean accelerator\.h100-sxm"),
        ("memory.dram.usd_per_gb", -1, r"must be finite and >= 0, got -1"),
        ("memory.dram.usd_per_gb", float("nan"), r"must be finite and >= 0, got nan"),
        ("memory.dram.usd_per_gb", "cheap", r"must be a number, got 'cheap'"),
        ("facility.pue_w", 3, r"pue is in ratio, which W does not measure"),
        ("facility.pue", 0.9, r"must be at least 1"),
        ("economics.utilisation", 0, r"must be > 0"),
        ("economics.utilisation", 1.2, r"must be at most 1"),
        ("accelerator.h100-sxm.memory_bandwidth", 0, r"must be > 0"),
    ],
)
def test_overrides_that_may_not_be(path, value, message):
    with pytest.raises(InputError, match=message):
        load_catalogue(overrides={path: value})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "tdp: {value: 1, unit: Wat, source: s, confidence: estimate}",
            r"x\.yaml:1:23: tdp\.unit must be a known unit such as .*W",
        ),
        (
            "tdp: {value: -1, unit: W, source: s, confidence: estimate}",
            r"x\.yaml:1:14: tdp\.value must be finite",
        ),
        ("tdp: {value: .nan, unit: W, source: s, confidence: estimate}", r"tdp\.value must be finite"),
        (
            "tdp: {value: '3', unit: W, source: s, confidence: estimate}",
            r"tdp\.value must be a number or null",
        ),
        (
            "tdp: {value: 1, unit: W, source: '', confidence: estimate}",
            r"x\.yaml:1:6: tdp must name its source",
        ),
        ("tdp: {value: 1, unit: W, source: s, confidence: sure}", r"tdp\.confidence must be one of"),
        ("tdp: {value: 1, unit: W, source: s, confidence: estimate, why: x}", r"tdp\.why is not a key"),
        ("tdp: 700", r"x\.yaml:1:6: tdp must be \{value, unit, source, confidence\}"),
    ],
)
def test_a_bad_figure_names_its_place(line, message):
    with pytest.raises(InputError, match=message):
        figures.tree(yamlfile.parse(line, "x.yaml"))


MINE = """
accelerator:
  based_on: h100-sxm
  memory_bandwidth: {value: 2.9, unit: TB/s, source: codesign calibrate, confidence: measured}
memory:
  dram:
    based_on: ddr5-rdimm
    latency: {value: 95, unit: ns, source: codesign calibrate, confidence: measured}
  ssd:
    based_on: nvme-tlc-gen4
    reads_per_s: {value: 90000, unit: IOPS, source: codesign calibrate, confidence: measured}
"""


def test_a_users_hardware_file_stands_in_for_a_name(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(MINE)
    host = Host(dram_tier=str(file), ssd_tier=str(file), dram_bytes=TB, ssd_bytes=TB)
    p = parts(accelerator=str(file), host=host)
    assert p.accelerator.memory_bandwidth == 2.9e12
    assert p.accelerator.price_usd == 32500
    assert p.tiers["dram"].latency_s == pytest.approx(95e-9)
    assert p.tiers["ssd"].reads_per_s == pytest.approx(90000)
    rows = bill.bill_of_materials(Design(model=None, system=System(str(file), host=host)), load_catalogue())
    assert sum(row["total_usd"] for row in rows) > 8 * 32500


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "  memory_bandwidth",
            "  memory_bandwith",
            r"mine\.yaml:4:20: accelerator\.memory_bandwith is not a figure",
        ),
        ("based_on: h100-sxm", "based_on: h100-sxn", r"accelerator\.based_on must be a name of .* h100-sxm"),
        ("2.9", "-2.9", r"mine\.yaml:4:29: accelerator\.memory_bandwidth\.value must be finite and >= 0"),
        ("TB/s", "TB", r"mine\.yaml:4:40: accelerator\.memory_bandwidth\.unit must be in TB/s, got TB"),
    ],
)
def test_a_users_hardware_file_that_is_wrong(tmp_path, old, new, message):
    file = tmp_path / "mine.yaml"
    file.write_text(MINE.replace(old, new))
    with pytest.raises(InputError, match=message):
        parts(accelerator=str(file))


def test_a_hardware_file_has_what_it_is_used_for(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(MINE)
    with pytest.raises(InputError, match=r"mine\.yaml:6:3: memory has no cxl memory"):
        parts(host=Host(cxl_tier=str(file)))
    file.write_text(MINE[MINE.index("memory:") :])
    with pytest.raises(InputError, match=r"has no section accelerator"):
        parts(accelerator=str(file))


def test_names_that_are_not_there():
    with pytest.raises(InputError, match=r"unknown accelerator 'h100-sxn'; did you mean h100-sxm"):
        parts(accelerator="h100-sxn")
    with pytest.raises(InputError, match=r"unknown memory tier 'ddr6'"):
        parts(host=Host(dram_tier="ddr6"))
    with pytest.raises(InputError, match=r"dram_tier must be a dram tier, got 'cxl-direct' \(cxl\)"):
        parts(host=Host(dram_tier="cxl-direct"))
    with pytest.raises(InputError, match=r"nothere\.yaml: no such file"):
        parts(accelerator="nothere.yaml")


@given(st.lists(st.sampled_from(["h100-sxm", "b200-sxm", "h200-sxm", "mi300x"]), min_size=1, max_size=30))
def test_distinct_names_and_their_indices(chosen):
    found, index = names.distinct(np.array(chosen))
    assert sorted(found) == sorted(set(chosen))
    assert [found[i] for i in (index if index is not None else [0] * len(chosen))] == chosen


def test_arrays_give_what_scalars_give():
    catalogue = load_catalogue()
    rng = np.random.default_rng(0)
    n = 40
    accelerators = rng.choice(catalogue.accelerators(), n)
    hosts = {
        "dram_bytes": rng.choice([0.0, TB], n), "cxl_bytes": rng.choice([0.0, TB, 3.1e12], n),
        "ssd_bytes": rng.choice([0.0, 9e12], n), "ssd_drives": rng.choice([0, 2], n),
        "dram_tier": rng.choice(["ddr5-rdimm", "mrdimm-8800"], n),
        "cxl_tier": rng.choice(["cxl-direct", "cxl-pooled"], n), "remote_bytes": rng.choice([0.0, TB], n),
    }  # fmt: skip
    amounts = rng.choice([40 * GIB, 80 * GIB], n)
    counts, nodes = rng.choice([4, 8], n), rng.choice([1, 2], n)
    many = catalogue.parts(System(accelerators, counts, nodes, Host(**hosts), amounts))
    for i in range(n):
        host = Host(**{key: value[i].item() for key, value in hosts.items()})
        one = catalogue.parts(System(str(accelerators[i]), counts[i], nodes[i], host, amounts[i]))
        _same(many, one, i)


def _same(many, one, i):
    for record in dataclasses.fields(one):
        a, b = getattr(many, record.name), getattr(one, record.name)
        if record.name == "sources":
            continue
        if dataclasses.is_dataclass(b):
            _same(a, b, i)
        elif isinstance(b, dict):
            for key, value in b.items():
                if dataclasses.is_dataclass(value):
                    _same(a[key], value, i)
                else:
                    assert (a[key][i] if np.ndim(a[key]) else a[key]) == value, (record.name, key)
        elif np.ndim(a):
            assert a[i] == b, record.name
        else:
            assert a == b, record.name


def test_die_cost_as_published():
    """GA100, 826 mm2 at 7 nm: 62.3 dies a wafer, 35.4 % good, 423 dollars each."""
    assert hypothetical.die_cost_usd(826.0, 9346.0, 0.0015) == pytest.approx(423, abs=1)
    assert hypothetical.die_cost_usd(np.array([478.0]), 9346.0, 0.0015)[0] == pytest.approx(151, abs=1)


def test_twice_the_peak_takes_a_larger_die_and_more_power():
    sold, more = parts().accelerator, parts(peak_scale=2.0).accelerator
    assert more.peak_flops == {kind: 2 * peak for kind, peak in sold.peak_flops.items()}
    silicon = [hypothetical.silicon_usd(a, 858.0, 16988.0, 0.002) for a in (814 * 1.5, 814)]
    assert more.price_usd - sold.price_usd == pytest.approx(4 * (silicon[0] - silicon[1]))
    assert more.tdp_w - sold.tdp_w == pytest.approx(350)
    assert more.memory_bandwidth == sold.memory_bandwidth


def test_bandwidth_and_links_may_be_varied_alone():
    sold, fast = parts().accelerator, parts(bandwidth_scale=1.5, scale_up_scale=2.0).accelerator
    assert fast.memory_bandwidth == pytest.approx(1.5 * 3.35e12)
    assert fast.memory_bytes == sold.memory_bytes
    assert fast.price_usd == pytest.approx(sold.price_usd + 0.5 * 80 * GIB * 12.5e-9 * 4), (
        "half as many stacks more"
    )
    assert fast.scale_up_bandwidth == 900e9
    taller = parts(hbm_bytes=160 * GIB, bandwidth_scale=0.5).accelerator
    assert taller.memory_bandwidth == pytest.approx(3.35e12)


def test_a_small_node_has_one_processor_and_a_full_one_two():
    one, full = parts(accelerators=1), parts(accelerators=8)
    assert (one.node.cpu_w, full.node.cpu_w) == (500, 1000)
    assert full.tiers["dram"].bandwidth == pytest.approx(2 * one.tiers["dram"].bandwidth)
    assert parts(accelerator="ampereone-a192", accelerators=1).tiers["dram"].units == 0
    host = Host(dram_bytes=TB)
    assert parts(accelerator="ampereone-a192", accelerators=1, host=host).tiers["dram"].units == 8


def test_sources_name_what_is_fitted():
    assert parts(host=Host(dram_bytes=TB)).sources == (
        "accelerator.h100-sxm", "accelerator.generic-epyc-9755", "memory.ddr5-rdimm", "scenario.nov_2026_default",
    )  # fmt: skip


PART = """name: Mine
kind: gpu
memory_type: hbm3
memory: {value: 80, unit: GiB, source: x, confidence: vendor}
memory_bandwidth: {value: 2, unit: TB/s, source: x, confidence: vendor}
peak_bf16: {value: 500, unit: TFLOP/s, source: x, confidence: vendor}
"""


@pytest.mark.parametrize(
    ("line", "other", "message"),
    [
        (
            "kind: gpu",
            "kind: gpuu",
            r"part\.yaml:2:7: kind must be one of asic, cpu, gpu, unified, got 'gpuu'",
        ),
        ("memory_type: hbm3\n", "", r"part\.yaml:1:1: memory_type is missing; give it, or .* as based_on"),
        ("hbm3", "hbm9", r"part\.yaml:3:14: memory_type must be one of ddr5, .*, got 'hbm9'"),
        (
            ", confidence: vendor",
            "",
            r"part\.yaml:4:9: memory must name its confidence \(verified, .*\), got None",
        ),
    ],
)
def test_a_hardware_file_with_a_slip_names_its_place(tmp_path, line, other, message):
    file = tmp_path / "part.yaml"
    file.write_text(PART)
    assert load_catalogue().parts(System(accelerator=str(file))).accelerator.memory_bytes == 80 * 2**30
    slip = tmp_path / "slip" / "part.yaml"
    slip.parent.mkdir()
    slip.write_text(PART.replace(line, other, 1))
    with pytest.raises(InputError, match=message):
        load_catalogue().parts(System(accelerator=str(slip)))


def test_a_part_that_is_its_own_host_names_no_other_processor() -> None:
    for name, others in (("ampereone-a192", 0), ("apple-m3-ultra", 0), ("h100-sxm", 1)):
        sources = load_catalogue().parts(System(accelerator=name)).sources
        assert sum(source.startswith("accelerator.") for source in sources) == 1 + others
