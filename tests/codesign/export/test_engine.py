"""serve.sh: valid shell with documented flags only, and words where an engine has no flag."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cost_models
from codesign.export.engine import not_supported, serve_script, sglang_flags, vllm_flags
from cost_models.design import Design, Host, Serving, System, TablePlacement

# docs.vllm.ai (engine arguments), docs.sglang.io (server arguments)
DOCUMENTED = {
    "--tensor-parallel-size", "--pipeline-parallel-size", "--data-parallel-size", "--enable-expert-parallel",
    "--max-model-len", "--max-num-seqs", "--max-num-batched-tokens", "--kv-cache-dtype", "--engram-config",
    "--speculative-config", "--port", "--model-path", "--tp-size", "--pp-size", "--dp-size", "--ep-size",
    "--enable-dp-attention", "--context-length", "--max-running-requests", "--chunked-prefill-size",
    "--nnodes", "--node-rank", "--dist-init-addr", "--enable-sleep-mode",
}  # fmt: skip
ENGRAM_KEYS = {
    "cpu_offload", "embedding_across_dp", "dp_shared_memory", "use_thp", "placement", "replication", "lookup",
}  # fmt: skip


@pytest.fixture
def flash() -> Design:
    """The released model with tables: 8 accelerators, its tables in host memory."""
    return Design(
        cost_models.read_model("deepseek-v4.1-flash"),
        System("b200-sxm", 8, host=Host(dram_bytes=2**40)),
        Serving(tensor_parallel=4, data_parallel=2, expert_parallel=8, tables=TablePlacement("dram")),
    )


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_design_gives_valid_shell_with_documented_flags(
    designs: st.SearchStrategy[Design], data: st.DataObject
) -> None:
    script = serve_script(data.draw(designs))
    assert subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True).stderr == ""
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", script)) <= DOCUMENTED
    for text in re.findall(r"--engram-config '(.*)'", script):
        assert set(json.loads(text)) <= ENGRAM_KEYS


def test_parallel_degrees_and_tables_reach_both_engines(flash: Design) -> None:
    assert vllm_flags(flash)[:3] == [
        "--tensor-parallel-size 4",
        "--data-parallel-size 2",
        "--enable-expert-parallel",
    ]
    assert """--engram-config '{"cpu_offload": true, "dp_shared_memory": true}'""" in vllm_flags(flash)
    assert sglang_flags(flash)[:4] == ["--tp-size 8", "--dp-size 2", "--enable-dp-attention", "--ep-size 8"]
    assert """--engram-config '{"placement": "cpu", "replication": "per_node"}'""" in sglang_flags(flash)
    assert not_supported(flash) == []


@pytest.mark.parametrize("tier", ["cxl", "ssd", "remote"])
def test_a_tier_without_an_engine_is_said_and_nothing_starts(
    flash: Design, tier: str, tmp_path: Path
) -> None:
    design = replace(flash, serving=replace(flash.serving, tables=TablePlacement(tier)))
    script = tmp_path / "serve.sh"
    script.write_text(serve_script(design))
    done = subprocess.run(["bash", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert "have no flag for it" in done.stderr
    assert "Nothing was started" in done.stderr


def test_the_command_that_runs_is_the_one_that_is_shown(flash: Design, tmp_path: Path) -> None:
    (tmp_path / "vllm").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "vllm").chmod(0o755)
    (tmp_path / "serve.sh").write_text(serve_script(flash))
    done = subprocess.run(
        ["bash", tmp_path / "serve.sh"],
        capture_output=True,
        text=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "MODEL": "a folder"},
    )
    assert done.stdout.splitlines()[:4] == ["serve", "a folder", "--tensor-parallel-size", "4"]
    assert '{"cpu_offload": true, "dp_shared_memory": true}' in done.stdout.splitlines()


def test_a_name_cannot_leave_its_comment(flash: Design) -> None:
    script = serve_script(replace(flash, model=replace(flash.model, name="x\ntouch /tmp/owned\n")))
    assert "\ntouch" not in script


def test_tables_that_no_engine_loads_get_no_flag(flash: Design) -> None:
    design = replace(flash, model=replace(flash.model, family="engram"))
    assert "--engram-config" not in serve_script(design)
    assert "needs a plugin" in serve_script(design)


def test_a_step_has_room_for_a_token_of_every_sequence(flash: Design) -> None:
    design = replace(flash, serving=replace(flash.serving, concurrency=9000, prefill_chunk=2048))
    assert "--max-num-batched-tokens 9000" in vllm_flags(design)
