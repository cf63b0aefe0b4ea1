"""Spaces with one side fixed, conditions, and what people are told: nothing of it needs code of its own."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import search_spaces
from codesign import results
from codesign.errors import StudyError
from codesign.search import study as studies

Run = Callable[..., dict[str, Any]]

FIXED_MODEL = """
model: {preset: engram-27b}
system: {accelerator: {choices: [h100-sxm, h200-sxm]}, accelerators: {choices: [1, 2, 4]}, host: {dram_gib: 256}}
serving: {concurrency: {choices: [1, 16]}, tables: {tier: {choices: [hbm, dram]}}}
quality: {fidelity: tiny.yaml}
"""

FIXED_HARDWARE = """
model:
  preset: moe-27b
  engram_share: {choices: [0.0, 0.15, 0.3]}
  engram_layers: {subsets: [[1], [1, 14]]}
system: {accelerator: h200-sxm, accelerators: 2, host: {dram_gib: 256}}
serving: {tensor_parallel: 2, concurrency: 16, tables: {tier: dram}}
quality: {fidelity: tiny.yaml}
"""

CONDITIONAL = """
model: {preset: engram-27b}
system: {accelerator: {choices: [h100-sxm, h200-sxm]}, accelerators: {choices: [1, 2]}, host: {dram_gib: 256}}
serving:
  concurrency: {choices: [1, 16]}
  tables:
    tier: {choices: [hbm, dram]}
    prefetch: {choices: [true, false], when: {serving.tables.tier: [dram]}}
"""


def test_a_fixed_model_is_trained_once_and_its_whole_hardware_front_recorded(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    space = search_spaces.parse(FIXED_MODEL, str(folder / "m.yaml"))
    assert space.model_parameters == ()
    summary = run(f"sqlite:///{tmp_path}/a.db", space=space, trials=20)
    table = results.Reader("s", f"sqlite:///{tmp_path}/a.db").read().table
    assert summary["trainings"] == 1 and table["bits_per_byte"].nunique() == 1
    assert summary["front"] and summary["hypervolume"] > 0


def test_fixed_hardware_leaves_a_search_over_models(run: Run, folder: Path, tmp_path: Path) -> None:
    space = search_spaces.parse(FIXED_HARDWARE, str(folder / "h.yaml"))
    assert space.hardware_parameters == ()
    summary = run(f"sqlite:///{tmp_path}/a.db", space=space, trials=20)
    table = results.Reader("s", f"sqlite:///{tmp_path}/a.db").read().table
    # share 0, and two shares with two sets of layers; no completions, since there is no other hardware
    assert summary["trainings"] == 5 == len(table)
    assert summary["front"]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_conditional_parameter_is_there_only_where_it_applies(
    run: Run, tmp_path: Path, sampler: str
) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    run(url, space=search_spaces.parse(CONDITIONAL, "c.yaml"), trials=8, sampler=sampler, completions=0)
    table = results.Reader("s", url).read().table
    complete = table[table["state"] == "COMPLETE"]
    assert set(complete["serving.tables.tier"]) == {"hbm", "dram"}
    in_dram = complete["serving.tables.tier"] == "dram"
    assert (complete["serving.tables.prefetch"].notna() == in_dram).all()


def test_read_only_storage_is_read_and_not_written(
    run: Run, searched: tuple[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    with (
        closing(sqlite3.connect(searched[0].removeprefix("sqlite:///"))) as there,
        closing(sqlite3.connect(path)) as here,
    ):
        there.backup(here)
        here.execute("PRAGMA journal_mode=DELETE")
    path.chmod(0o444)
    before = path.read_bytes()
    # a superuser may write all the same: let SQLite itself refuse
    monkeypatch.setattr(studies, "_check_sqlite", lambda *_: None)
    listen = studies._on_sqlite_connect

    def refuse(connection: Any, record: Any) -> None:
        listen(connection, record)
        connection.execute("PRAGMA query_only=ON")

    monkeypatch.setattr(studies, "_on_sqlite_connect", refuse)
    assert results.Reader("s", f"sqlite:///{path}").read().status()["trainings"] == 10
    with pytest.raises(StudyError, match="read-only"):
        run(f"sqlite:///{path}", trials=12, resume=True)
    assert path.read_bytes() == before
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_the_summary_names_the_knee_and_the_extremes(searched: tuple[str, dict[str, Any]]) -> None:
    storage, summary = searched
    table = results.Reader("s", storage).read().table
    assert summary["knee"] == table.index[table["knee"]][0]
    feasible = table[table["feasible"]]
    for name, best in summary["best"].items():
        assert best["value"] == feasible[name].min() == table.loc[best["trial"], name]


def test_the_hypervolume_curve_rises_to_the_hypervolume(searched: tuple[str, dict[str, Any]]) -> None:
    storage, summary = searched
    designs = results.Reader("s", storage).read()
    curve = designs.hypervolume_curve()
    assert [point["trainings"] for point in curve] == list(range(1, 11))
    volumes = [point["hypervolume"] for point in curve]
    assert np.all(np.diff(volumes) >= 0) and volumes[0] < volumes[-1]
    assert volumes[-1] == pytest.approx(summary["hypervolume"])
    assert [point["trainings"] for point in designs.hypervolume_curve(3)] == [1, 6, 10]


def test_progress_says_trainings_front_curve_best_and_time(
    run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(f"sqlite:///{tmp_path}/a.db", trials=4, progress=True)
    captured = capfd.readouterr()
    assert captured.out == ""
    last = captured.err.strip().splitlines()[-1]
    for part in (
        "4/4 proposed",
        "4 trained",
        "designs",
        "front ",
        "hypervolume ",
        "best ",
        "TPOT",
        "USD/Mtok",
    ):
        assert part in last, last
    run(f"sqlite:///{tmp_path}/b.db", trials=4, progress=False)
    assert capfd.readouterr().err == ""
