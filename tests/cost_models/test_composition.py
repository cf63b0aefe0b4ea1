"""Composition of experts: hit rates against simulation, what more memory does, and when a composition waits."""

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost_models import Design, Host, InputError, Serving, System, evaluate, read_design, read_model
from cost_models.answers import answers
from cost_models.composition import popularity
from cost_models.design import GIB, Composition

HOST = Host(dram_bytes=4096 * GIB, ssd_bytes=8192 * GIB, ssd_drives=4)


def _served(system: dict[str, Any] | None = None, **serving: Any) -> Design:
    machine: dict[str, Any] = {"accelerators": 8, "host": HOST} | (system or {})
    fields = {"tensor_parallel": 8, "concurrency": 1, "input_tokens": 512, "output_tokens": 64} | serving
    return Design(
        read_model("samba-coe"),
        System(**machine),
        Serving(**fields),
    )


@pytest.mark.parametrize(
    ("exponent", "together", "hot"), [(1.0, 1, 10), (0.0, 1, 10), (1.2, 8, 20), (0.8, 32, 5)]
)
def test_the_hit_rate_is_that_of_a_simulated_cache(exponent: float, together: int, hot: int) -> None:
    """Requests come `together` at a time; each expert among them is looked for once, those that are hot first."""
    count, generator = 60, np.random.default_rng(0)
    p = np.arange(1, count + 1) ** -exponent
    p /= p.sum()
    cache: OrderedDict[int, None] = OrderedDict()
    rounds, distinct, groups_hit, requests_hit = 6000 // together + 300, 0, 0, 0
    for _ in range(rounds):
        asked = generator.choice(count, together, p=p)
        wanted = generator.permutation(np.unique(asked)).tolist()
        for expert in sorted(wanted, key=lambda expert: expert not in cache):
            found = expert in cache
            cache[expert] = None
            cache.move_to_end(expert)
            if len(cache) > hot:
                cache.popitem(last=False)
            distinct += 1
            groups_hit += found
            requests_hit += int(found) * int((asked == expert).sum())
    known = popularity(count, exponent, together)
    assert known.distinct == pytest.approx(distinct / rounds, rel=0.03)
    assert np.interp(hot, known.hot, known.requests) == pytest.approx(
        requests_hit / rounds / together, abs=0.05
    )
    assert np.interp(hot, known.hot, known.groups) == pytest.approx(groups_hit / distinct, abs=0.08)


@given(
    experts=st.integers(1, 400), exponent=st.floats(0, 4), together=st.integers(1, 300), hot=st.floats(0, 400)
)
@settings(max_examples=100, deadline=None)
def test_hit_rates_are_shares_and_grow_with_the_hot_experts(
    experts: int, exponent: float, together: int, hot: float
) -> None:
    known = popularity(experts, exponent, together)
    assert known.distinct * (1 + 1e-9) >= 1 and known.distinct <= min(experts, together) * (1 + 1e-9)
    for curve in (known.hot, known.requests, known.groups):
        assert (np.diff(curve) >= -1e-12).all()
    rates = [float(np.interp(k, known.hot, known.requests)) for k in (hot, hot + 1)]
    assert -1e-12 <= rates[0] <= rates[1] + 1e-12 <= 1 + 1e-9


@given(
    gib=st.floats(16, 512), more=st.floats(0, 256), exponent=st.floats(0, 3), together=st.integers(1, 64),
    tensor=st.sampled_from([1, 2, 8]), prefetch=st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_more_accelerator_memory_never_lowers_the_hit_rate(
    gib: float, more: float, exponent: float, together: int, tensor: int, prefetch: bool
) -> None:
    serving = {
        "concurrency": together, "composition_popularity": exponent, "tensor_parallel": tensor,
        "composition_prefetch": prefetch,
    }  # fmt: skip
    small, large = (evaluate(_served({"hbm_bytes": size * GIB}, **serving)) for size in (gib, gib + more))
    assert 0 <= small["composition.hit_rate"] <= large["composition.hit_rate"] + 1e-9 <= 1 + 2e-9
    assert small["composition.hot_experts"] <= large["composition.hot_experts"]
    assert 1 <= small["composition.hot_experts"] <= 150


def test_arrays_agree_with_scalars() -> None:
    tiers = np.array(["dram", "hbm", "ssd", "dram", "cxl", "dram"])
    fields = {
        "composition_tier": tiers,
        "composition_popularity": np.array([1.0, 1.0, 0.5, 0.0, 1.0, 1.0]),
        "composition_hot": np.array([0, 0, 3, 5, 0, 0]),
        "composition_links": np.array([0, 1, 0, 1, 0, 0]),
        "composition_prefetch": np.array([False, False, True, True, True, False]),
        "concurrency": np.array([1, 4, 16, 16, 1, 0]),
        "tensor_parallel": np.array([8, 8, 4, 1, 2, 8]),
    }
    names = {
        "accelerator": np.array(["h100-sxm", "sn40l", "a100-80-sxm", "h100-sxm", "mi355x", "apple-m3-ultra"])
    }
    many = evaluate(_served(names, **fields))
    for i in range(len(tiers)):
        one = evaluate(
            _served(
                {"accelerator": str(names["accelerator"][i])}, **{k: v[i].item() for k, v in fields.items()}
            )
        )
        assert one.columns.keys() == many.columns.keys()
        for figure, value in one.columns.items():
            assert np.asarray(many[figure])[i] == pytest.approx(value, rel=1e-9, abs=1e-12), (i, figure)


def test_figures_add_up() -> None:
    """Energy and money to their parts, memory to what lies in it, a prompt's time to its rows."""
    for phase in ("", "prefill", "decode"):
        document = evaluate(_served(phase=phase, concurrency=4)).document()
        for section, total in (("energy", "j_per_token"), ("cost", "usd_per_mtok")):
            assert sum(document[section]["by_part"].values()) == pytest.approx(document[section][total])
        key = "prefill_s" if phase == "prefill" else "decode_step_s"
        assert sum(row["time_s"] for row in document["breakdown"]) == pytest.approx(document["latency"][key])
        held = document["memory"]
        parts = ("weights", "tables", "cache", "activations", "reserve")
        taken = sum(held[f"{name}_bytes"] for name in parts) + held["kv_bytes_available"]
        assert taken == pytest.approx(held["capacity_bytes"])
        assert held["host"]["dram_bytes"] == document["composition"]["host_bytes"]


def test_one_expert_without_a_router_is_the_model_itself() -> None:
    composed = _served(concurrency=8)
    alone = replace(composed.model, composition=Composition(1, 0.0))
    plain = evaluate(replace(composed, model=replace(composed.model, composition=None)))
    one = evaluate(replace(composed, model=alone))
    assert one["composition.hit_rate"] == 1.0 and one["composition.wait_s"] == 0.0
    for figure in ("latency.ttft_s", "latency.tpot_s", "energy.j_per_token", "cost.usd_per_mtok"):
        assert one[figure] == pytest.approx(plain[figure])


def test_all_experts_in_accelerator_memory_never_wait() -> None:
    few = replace(_served().model, composition=Composition(20))
    found = evaluate(replace(_served(composition_tier="hbm"), model=few))
    assert found.feasible
    assert (found["composition.hit_rate"], found["composition.switch_s"]) == (1.0, 0.0)
    assert found["composition.hot_experts"] == 20
    assert evaluate(_served(composition_tier="hbm")).violations["hbm"] > 0


def test_one_link_loads_as_slowly_as_published_and_all_links_do_not() -> None:
    every, one = (evaluate(_served(composition_links=links))["composition.switch_s"] for links in (0, 1))
    assert one / every == pytest.approx(8, rel=0.02)


def test_loading_ahead_hides_behind_answers_where_requests_queue() -> None:
    for together, hides in ((1, False), (16, True)):
        late, early = (
            evaluate(_served(concurrency=together, composition_prefetch=ahead, composition_popularity=0.0))
            for ahead in (False, True)
        )
        gain = early["latency.output_tokens_per_s"] / late["latency.output_tokens_per_s"]
        assert (gain > 1.05) if hides else (gain <= 1.0)


def test_requests_of_different_experts_share_no_step() -> None:
    """The price of a composition: with 32 in flight a dense model of the expert's size answers several times more."""
    busy = _served(concurrency=32)
    dense = evaluate(replace(busy, model=replace(busy.model, composition=None)))
    composed = evaluate(busy)
    assert composed["latency.ttft_s"] > 2
    assert dense["latency.output_tokens_per_s"] > 4 * composed["latency.output_tokens_per_s"]


def test_what_is_loaded_takes_energy() -> None:
    loaded, kept = (evaluate(_served(composition_popularity=exponent)).document() for exponent in (0.0, 10.0))
    assert loaded["energy"]["by_part"]["dram"] > 100 * kept["energy"]["by_part"]["dram"] > 0
    assert loaded["energy"]["by_part"]["compute"] == pytest.approx(kept["energy"]["by_part"]["compute"])


def test_the_answer_names_switch_hit_rate_hot_experts_and_who_waits() -> None:
    sentence = next(a.sentence for a in answers(evaluate(_served())) if "expert" in a.question)
    for words in ("44 of 150 experts", "30.3 ms", "69 % of requests", "31 %"):
        assert words in sentence, sentence


def test_in_a_design_file(tmp_path: Path) -> None:
    path = tmp_path / "design.yaml"
    path.write_text("model: {preset: llama-3.1-8b, composition: {experts: 30}}\n", encoding="utf-8")
    assert read_design(path).model.composition == Composition(30, 1.0)
    path.write_text("model: {preset: engram-27b, composition: {experts: 30}}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"design.yaml:1:.*composition needs experts without Engram tables"):
        read_design(path)
    path.write_text("model: {preset: llama-3.1-8b, composition: {expert: 30}}\n", encoding="utf-8")
    with pytest.raises(InputError, match="did you mean experts"):
        read_design(path)
