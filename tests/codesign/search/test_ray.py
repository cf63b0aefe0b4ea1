"""A real Ray cluster of two nodes on this machine: trainings are spread, processes and nodes die, nothing is lost.

Needs the extra `ray`; `make test-ray` installs it and runs this file.
"""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import cost_models
import search_spaces
from codesign import results
from codesign.front import hypervolume
from codesign.proxy import fidelity
from codesign.search.executors import Training
from codesign.search.on_ray import OnRay

ray = pytest.importorskip("ray", reason="no Ray here: make test-ray")

Run = Callable[..., dict[str, Any]]
TRIALS = 10


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes of two logical processors each; the nodes have a store of their own."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.setenv("CODESIGN_STORE", str(tmp_path / "of-the-nodes"))
    node = {"num_cpus": 2, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        cluster.add_node(num_cpus=2, object_store_memory=100 * 2**20)
        cluster.wait_for_nodes()
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_a_search_on_two_nodes(run: Run, cluster: Any, tmp_path: Path) -> None:
    url, store = f"sqlite:///{tmp_path}/a.db", tmp_path / "store"
    summary = run(url, trials=TRIALS, executor="ray", store=str(store))
    assert summary["trainings"] == TRIALS
    table = results.Reader("s", url).read().table
    # what was trained on a node is in this machine's store too, and is what a training here would have given
    assert len(list(store.glob("*.json"))) == TRIALS
    assert run(url, study="here", trials=TRIALS, store=str(store))["hypervolume"] > 0
    assert table["trained"].sum() == TRIALS and not (table["state"] == "RUNNING").any()


def test_a_killed_training_a_removed_node_and_a_restarted_database_lose_nothing(
    run: Run, cluster: Any, server: Any, folder: Path, tmp_path: Path
) -> None:
    """All 13 models of the space are trained, so the front must be that of a run without faults."""
    recipe = yaml.safe_load((folder / "tiny.yaml").read_text())
    (folder / "seconds.yaml").write_text(
        yaml.safe_dump(
            recipe | {"name": "seconds", "batch": 8, "sequence": 64, "steps": 30, "must_learn": -5.0}
        )
    )
    text = (folder / "space.yaml").read_text().replace("tiny.yaml", "seconds.yaml")
    (folder / "seconds-space.yaml").write_text(text)
    arguments = [
        "search",
        str(folder / "seconds-space.yaml"),
        "--study",
        "s",
        "--trials",
        "50",
        "--storage",
        server.url,
    ]
    command = [
        sys.executable,
        "-m",
        "codesign.cli",
        *arguments,
        "--executor",
        "ray",
        "--workers",
        "4",
        "--json",
    ]
    store = tmp_path / "store"
    driver = subprocess.Popen(
        command,
        env=os.environ | {"CODESIGN_STORE": str(store)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        wait_for(lambda: len(trainings_of(tmp_path)) == 4, driver)
        wait_for(lambda: len(list(store.glob("*.json"))) >= 2, driver)
        victim = trainings_of(tmp_path)[0]
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: len(list(store.glob("*.json"))) >= 4, driver)
        cluster.remove_node(cluster.list_all_nodes()[1], allow_graceful=False)
        server.control("restart", "-m", "fast")
        out, errors = driver.communicate(timeout=500)
        assert driver.returncode == 0, errors.decode()
    finally:
        driver.kill()
    summary = json.loads(out)
    table = results.Reader("s", server.url).read().table
    complete = table[table["state"] == "COMPLETE"]
    proposed = complete[complete["completes"].isna()]
    assert not (table["state"] == "RUNNING").any()
    assert (
        summary["trainings"]
        == len(proposed)
        == proposed["model"].nunique()
        == proposed["trained"].sum()
        == 13
    )
    names = [p.name for p in search_spaces.load(folder / "seconds-space.yaml").parameters]
    assert not complete[complete["completes"].notna()][names].astype(str).duplicated().any()
    # without faults, on this machine alone
    url = f"sqlite:///{tmp_path}/faultless.db"
    run(url, space=search_spaces.load(folder / "seconds-space.yaml"), trials=50, store=str(store))
    reference = np.array(summary["reference_point"])
    volumes = []
    for found in (table, results.Reader("s", url).read().table):
        front = found[found["front"]]
        values = front[["bits_per_byte", "tpot_s", "j_per_token", "usd_per_mtok"]].to_numpy(float)
        volumes.append(hypervolume(values, reference))
    assert volumes[0] == pytest.approx(volumes[1], rel=1e-9)


def test_a_gpu_is_asked_for_where_the_recipe_may_use_one(tmp_path: Path, folder: Path) -> None:
    """Two logical GPUs make room for two trainings at once; one that is told to use the CPU asks for none."""
    ray.init(num_cpus=8, num_gpus=2, include_dashboard=False, object_store_memory=100 * 2**20)
    try:
        auto = Training(cost_models.read_model("moe-27b"), fidelity.load(folder / "tiny.yaml"), 0, None)
        on_cpu = dataclasses.replace(auto, fidelity=dataclasses.replace(auto.fidelity, device="cpu"))
        cluster = OnRay(None, str(tmp_path))
        assert cluster.slots == 2
        assert (cluster.gpus_of(auto), cluster.gpus_of(on_cpu)) == (1.0, 0.0)
    finally:
        ray.shutdown()


def trainings_of(folder: Path) -> list[int]:
    """Processes that train for this test's cluster: its nodes have a store in the test's folder."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            trains = process.name.isdigit() and (process / "cmdline").read_bytes().startswith(b"ray::_train")
            if trains and str(folder / "of-the-nodes").encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
    return found


def wait_for(condition: Callable[[], bool], driver: "subprocess.Popen[bytes]") -> None:
    """Until it holds; a search that has ended by then never met its fault."""
    while not condition():
        assert driver.poll() is None, driver.communicate()[1].decode()
        time.sleep(0.05)
