"""Lookups: published times and slow-downs, and the laws of reads, windows and stalls."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cost_models
from cost_models import Design, Engram, Host, Serving, System, TablePlacement, lookup, traffic
from cost_models.design import GIB

V41 = cost_models.read_model("deepseek-v4.1-flash")
CATALOGUE = cost_models.load_catalogue()
TIERS = ("hbm", "dram", "cxl", "ssd", "remote")


def design(
    tier: str = "dram", accelerator: str = "b200-sxm", placement: Any = None, **serving: Any
) -> Design:
    host = Host(
        dram_bytes=1024 * GIB, cxl_bytes=512 * GIB, ssd_bytes=4096 * GIB, ssd_drives=2, remote_bytes=512 * GIB
    )
    tables = TablePlacement(tier=tier, **(placement or {}))
    return Design(
        V41,
        System(accelerator=accelerator, accelerators=8, host=host),
        Serving(**({"tensor_parallel": 8, "concurrency": 16, "tables": tables} | serving)),
    )


def rows(of: Design, catalogue: cost_models.Catalogue = CATALOGUE) -> lookup.Lookup:
    return cost_models.evaluate(of, catalogue).result().lookup


@pytest.mark.parametrize(("tokens", "published_us"), [(1, 3.70), (2, 4.25)])
def test_a_lookup_from_pinned_host_memory_takes_as_long_as_measured(tokens: int, published_us: float) -> None:
    # vllm #57893, GB300: one layer's lookup; within a factor of 2
    of = design("dram", "gb200", phase="decode", concurrency=tokens)
    one_layer = rows(of).decode.time_s / 2
    assert 0.5 < one_layer * 1e6 / published_us < 2


def test_offloading_a_100b_table_costs_as_little_as_measured() -> None:
    # arXiv 2601.07372: 9031.62 -> 8858.28 token/s on an H800, dense 4B backbone, table in host memory
    table = Engram(layer_ids=(1,), max_order=3, heads=8, head_dim=2048, vocab_size=3_000_000)
    model = replace(cost_models.read_model("dense-4b"), engram=table)
    system = System(accelerator="h800", accelerators=1, host=Host(dram_bytes=512 * GIB))

    def rate(tier: str) -> float:
        serving = Serving(
            input_tokens=562, output_tokens=562, concurrency=64, tables=TablePlacement(tier=tier)
        )
        return float(
            cost_models.evaluate(Design(model, system, serving), CATALOGUE)["latency.output_tokens_per_s"]
        )

    slowdown = 1 - rate("dram") / rate("hbm")
    assert slowdown == pytest.approx(1 - 8858.28 / 9031.62, abs=0.02)


def test_a_model_without_tables_reads_nothing() -> None:
    found = rows(replace(design(), model=cost_models.read_model("dense-4b")))
    assert found.reads_per_token == 0 and found.decode.stall_s == 0 and found.prefill.tier_bytes == {}


def test_unique_reads_are_those_of_the_profile() -> None:
    found = rows(design(concurrency=64))
    profile = traffic.Profile.load("bundled-text")
    each = [float(profile.unique_fraction(n, 16_000_200, 64, 64)) for n in (2, 3, 4)]
    assert found.decode.unique_fraction == pytest.approx(np.mean(each), abs=0.003)
    assert found.prefill.unique_fraction < found.decode.unique_fraction < 1


def test_physical_bytes_are_whole_pages() -> None:
    disk = rows(design("ssd")).decode
    assert disk.tier_bytes["ssd"] == disk.tier_reads["ssd"] * 4096
    assert disk.tier_reads["ssd"] == pytest.approx(48 * disk.unique_fraction)
    memory = rows(design("dram")).decode
    assert memory.tier_bytes["dram"] == memory.tier_reads["dram"] * 320  # 264 B in 64 B lines


def test_a_blocked_n_gram_is_one_read_of_a_disk() -> None:
    assert V41.engram is not None
    engram = replace(V41.engram, head_dim=128, scale_bytes_per_row=0, hash_layout="blocked")
    blocked = replace(design("ssd", concurrency=256), model=replace(V41, engram=engram))
    apart = replace(blocked, model=replace(V41, engram=replace(engram, hash_layout="independent")))
    ours, theirs = rows(blocked).decode, rows(apart).decode
    assert theirs.tier_reads["ssd"] / ours.tier_reads["ssd"] == pytest.approx(8, rel=0.01)
    assert ours.time_s < theirs.time_s


def test_without_prefetch_everything_is_waited_for() -> None:
    for tier in TIERS:
        hidden, waited = (rows(design(tier, placement={"prefetch": on})) for on in (True, False))
        assert waited.decode.stall_s >= waited.decode.time_s > 0
        assert hidden.decode.stall_s <= waited.decode.stall_s
        assert hidden.prefill.stall_s <= waited.prefill.stall_s


def test_a_small_window_stalls_and_a_large_one_hides() -> None:
    of = design("dram", phase="decode")
    result = cost_models.evaluate(of, CATALOGUE).result()
    steps = result.steps

    def stall(window: float) -> float:
        shifted = replace(steps, decode_window_s=np.array([window, window]))
        return float(lookup.lookup(of, result.parts, shifted).decode.stall_s)

    time = float(result.lookup.decode.time_s)
    assert stall(0.0) == pytest.approx(time)
    assert stall(0.75 * time) == pytest.approx(0.25 * time)
    assert stall(time) == pytest.approx(0, abs=1e-12)


def test_the_rank_with_the_highest_orders_reads_most_in_prefill() -> None:
    found = rows(design(input_tokens=8192))
    assert found.prefill.rank_balance > found.decode.rank_balance >= 1
    assert rows(design(tensor_parallel=1, data_parallel=8)).prefill.rank_balance == 1
    # 24 columns on 8 ranks: the last rank has three columns of 4-grams
    unique = np.array([0.2, 0.6, 1.0])
    assert lookup._busiest(unique, 8, 8) == pytest.approx(3.0)
    assert lookup._busiest(unique, 8, 2) == pytest.approx(8 * 1.0 + 4 * 0.6)


def test_a_cache_serves_more_the_larger_it_is() -> None:
    def hit(gib: float, tier: str = "dram") -> float:
        placement = {"cache_tier": tier, "cache_bytes": gib * GIB}
        return float(rows(design("ssd", placement=placement, concurrency=64)).decode.hit_rate)

    rates = [hit(gib) for gib in (1, 8, 64, 512)]
    assert rates == sorted(rates) and rates[0] > 0 and rates[-1] == pytest.approx(1)
    assert hit(8, "hbm") > hit(8, "dram")  # every one of the eight accelerators has its own part
    assert rows(design("ssd")).decode.hit_rate == 0


def test_cached_rates_follow_the_profile() -> None:
    placement = {"cache_tier": "dram", "cache_bytes": 10.0 * GIB}
    found = rows(design("ssd", placement=placement, concurrency=64)).decode
    profile = traffic.Profile.load("bundled-text")
    tables = [(n, 16_000_200.0, 16) for n in (2, 3, 4)]
    miss = profile.miss_ratio(tables, 10 * GIB / 264, 64)
    unique = [float(profile.unique_fraction(n, 16_000_200, 64, 64)) for n in (2, 3, 4)]
    expected = np.minimum(miss, unique).sum() / sum(unique)
    assert 1 - found.hit_rate == pytest.approx(expected, abs=0.01)


@settings(max_examples=40, deadline=None)
@given(
    tier=st.sampled_from(TIERS), factor=st.floats(1.0, 50.0), concurrency=st.integers(1, 1024),
    figure=st.sampled_from(["bandwidth", "reads_per_s", "latency_s"]), prefetch=st.booleans(),
)  # fmt: skip
def test_a_faster_tier_is_never_slower(
    tier: str, factor: float, concurrency: int, figure: str, prefetch: bool
) -> None:
    of = design(tier, concurrency=concurrency, placement={"prefetch": prefetch})
    result = cost_models.evaluate(of, CATALOGUE).result()
    old = result.parts.tiers[tier]
    value = getattr(old, figure)
    faster = replace(old, **{figure: value / factor if figure == "latency_s" else value * factor})
    parts = replace(result.parts, tiers={**result.parts.tiers, tier: faster})
    now = lookup.lookup(of, parts, result.steps)
    assert now.decode.time_s <= result.lookup.decode.time_s
    assert now.prefill.stall_s <= result.lookup.prefill.stall_s


@settings(max_examples=30, deadline=None)
@given(
    tier=st.sampled_from(TIERS),
    concurrency=st.integers(1, 512),
    dtype=st.sampled_from(["bf16", "fp8", "nvfp4"]),
)
def test_wider_rows_and_more_tokens_never_take_less_time(tier: str, concurrency: int, dtype: str) -> None:
    of = replace(
        design(tier, concurrency=concurrency, phase="decode"), model=replace(V41, tables_dtype=dtype)
    )
    one = rows(of)
    wider = rows(replace(of, model=replace(V41, tables_dtype="fp32")))
    assert wider.decode.time_s >= one.decode.time_s and wider.prefill.time_s >= one.prefill.time_s
    more = rows(replace(of, serving=replace(of.serving, concurrency=2 * concurrency)))
    assert more.decode.time_s >= one.decode.time_s


def test_staged_prompts_stall_no_prefill_but_decoding_as_before() -> None:
    slow = {"tier": "ssd", "input_tokens": 16384}
    asked, staged = (rows(design(**slow, placement={"staged": on})) for on in (False, True))
    assert asked.prefill.stall_s > staged.prefill.stall_s
    assert staged.prefill.stall_s == pytest.approx(2 * 0.25e-3)  # two chunks that a host thread serves
    assert staged.decode.stall_s == asked.decode.stall_s


def test_a_blocked_layout_reads_records_from_the_first_token_on() -> None:
    """Engram-27B reads 2 layers x 2 orders x 8 heads = 32 rows a token, which lie in 4 blocks."""
    model = cost_models.read_model("engram-27b")
    assert model.engram is not None
    for layout, reads in (("independent", 32), ("blocked", 4)):
        one = replace(model, engram=replace(model.engram, hash_layout=layout))
        of = replace(design("ssd", concurrency=1), model=one)
        assert rows(of).decode.tier_reads["ssd"] == pytest.approx(reads, rel=1e-9)
        document = cost_models.evaluate(of, CATALOGUE).document()
        assert document["lookup"]["decode"]["reads"] == {"ssd": pytest.approx(reads, rel=1e-9)}


def test_the_policy_of_a_cache_counts_in_one_design_and_in_arrays() -> None:
    cache: dict[str, Any] = {"cache_tier": "dram", "cache_bytes": 0.2 * GIB}
    each = [
        float(rows(design("ssd", concurrency=64, placement=cache | {"cache_policy": policy})).decode.hit_rate)
        for policy in ("lru", "s3-fifo")
    ]
    assert each[1] > each[0] + 0.02
    policies = np.array(["s3-fifo", "lru"])
    several = design("ssd", concurrency=64, placement=cache | {"cache_policy": policies})
    both = cost_models.evaluate(several, CATALOGUE)["lookup.hit_rate"]
    np.testing.assert_allclose(both, each[::-1], rtol=1e-9)
    with pytest.raises(cost_models.errors.InputError, match=r"must be one of lru, s3-fifo, got 'clock'"):
        rows(design("ssd", placement=cache | {"cache_policy": "clock"}))
