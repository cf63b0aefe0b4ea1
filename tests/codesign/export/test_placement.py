"""placement.yaml: every byte has a place, and the places add up to what the memory model says."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cost_models
from codesign.export.placement import placement
from cost_models import tables
from cost_models.design import GIB, Design, Host, Serving, System


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_parts_add_up(designs: st.SearchStrategy[Design], data: st.DataObject) -> None:
    design = data.draw(designs)
    result = cost_models.evaluate(design).result()
    where = placement(design, result.memory, result.parts)
    own = where["per_accelerator"]
    parts = sum(size for name, size in own.items() if name != "capacity")
    if result.memory.violations["hbm"] <= 0:
        assert parts == pytest.approx(own["capacity"], rel=1e-12)
    else:  # what does not fit leaves no room for a KV cache
        assert own["kv_cache"] == 0
        assert parts > own["capacity"]
    if design.serving.pipeline_parallel == 1:
        held = sum(group["bytes"] / group["split_over"] for group in where["weights"])
        assert held == pytest.approx(own["weights"], rel=1e-12)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_tables_lie_one_behind_the_other(designs: st.SearchStrategy[Design], data: st.DataObject) -> None:
    design = data.draw(designs)
    result = cost_models.evaluate(design).result()
    held = placement(design, result.memory, result.parts)["tables"]
    if design.model.engram is None:
        assert held is None
        return
    end = 0.0
    for table in held["table"]:
        assert table["offset_bytes"] == pytest.approx(end, rel=1e-12)
        assert table["bytes"] == pytest.approx(table["rows"] * held["row"]["bytes"])
        end = table["offset_bytes"] + table["bytes"]
    assert end == pytest.approx(tables.table_bytes(design.model))
    assert len(held["table"]) == tables.reads_per_token(design.model)


def test_blocks_of_the_blocked_layout_hold_every_head() -> None:
    """Engram-27B: 3 rows of 160 B of each of 8 heads in a block, padded to 4 KiB."""
    model = cost_models.read_model("engram-27b")
    assert model.engram is not None
    design = Design(replace(model, engram=replace(model.engram, hash_layout="blocked")))
    result = cost_models.evaluate(design).result()
    held = placement(design, result.memory, result.parts)["tables"]
    assert held["page"]["layout"] == "blocked"
    assert held["block"] == {"slots_per_head": 3, "stride_bytes": 4096}
    offsets = [table["offset_bytes"] for table in held["table"]]
    assert [at - offsets[0] for at in offsets[:8]] == [head * 3 * 160 for head in range(8)]
    assert all(at % 4096 == 0 for at in offsets[::8])
    last = held["table"][-8]
    assert last["offset_bytes"] + last["rows"] / 3 * 4096 == held["bytes_of_one_copy"]


def test_every_expert_of_a_composition_is_listed() -> None:
    system = System(accelerators=8, host=Host(dram_bytes=2048 * GIB))
    design = Design(cost_models.read_model("samba-coe"), system, Serving(tensor_parallel=8, concurrency=1))
    result = cost_models.evaluate(design).result()
    assert result.composition is not None
    listed = placement(design, result.memory, result.parts)["experts"]
    assert [one["hot"] for one in listed["models"]] == [i < listed["hot"] for i in range(150)]
    assert 0 < listed["hot"] == result.composition.hot_experts < 150
    whole = sum(one["bytes"] for one in listed["models"] if one["tier"] == "dram")
    assert whole == result.memory.host_tables["dram"]
    assert listed["router"]["bytes"] == listed["models"][0]["bytes"]


def test_experts_and_cache_on_the_host_have_their_place_there() -> None:
    model = replace(cost_models.read_model("deepseek-v3"), weights_dtype="int4", experts_dtype="nvfp4")
    serving = Serving(concurrency=4, routed_experts_on="host", attention_on="host")
    design = Design(model, System("rtx-4090", 1, host=Host(dram_bytes=1024 * GIB)), serving)
    result = cost_models.evaluate(design).result()
    where = placement(design, result.memory, result.parts)
    (experts,) = [group for group in where["weights"] if group["tier"] == "dram"]
    assert (experts["group"], experts["split_over"], experts["copies"]) == ("routed experts", 1, 1)
    held = sum(group["bytes"] for group in where["weights"] if group["tier"] == "hbm")
    assert held == pytest.approx(where["per_accelerator"]["weights"], rel=1e-12)
    cache = 4 * float(result.memory.kv_bytes_per_token) * (serving.input_tokens + serving.output_tokens)
    assert where["per_accelerator"]["kv_cache"] == 0
    assert where["per_node"]["dram"] == pytest.approx(experts["bytes"] + cache)
