"""Storages that are missing, foreign, locked or full: one clear line each, and nothing of others' is touched."""

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

import search_spaces
from codesign import results
from codesign.errors import StudyError
from codesign.search import study as studies

Run = Callable[..., dict[str, Any]]


def _error(act: Callable[[], object]) -> str:
    with pytest.raises(StudyError) as caught:
        act()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_missing_database_is_not_made_by_reading(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/gone.db", f"journal:///{tmp_path}/gone.log"):
        assert "no such" in _error(lambda url=url: results.Reader("s", url))  # type: ignore[misc]
    assert list(tmp_path.iterdir()) == []


def test_a_missing_study_names_those_there(searched: tuple[str, Any]) -> None:
    message = _error(lambda: results.Reader("t", searched[0]))
    assert "no study 't'" in message and "holds s" in message


def test_a_folder_that_is_not_there(run: Run, tmp_path: Path) -> None:
    assert "folder does not exist" in _error(lambda: run(f"sqlite:///{tmp_path}/a/b.db"))


def test_another_program_s_database_is_left_alone(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bank.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE accounts (owner TEXT)")
    connection.close()
    before = path.read_bytes()
    assert "another program" in _error(lambda: run(f"sqlite:///{path}"))
    assert path.read_bytes() == before


@pytest.mark.parametrize("scheme", ["sqlite", "journal"])
def test_a_file_that_is_no_database(run: Run, tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam,\n" * 100)
    message = _error(lambda: run(f"{scheme}:///{path}"))
    assert "not a" in message and "--storage" in message
    assert path.read_text().startswith("Dear Sir")


def test_a_folder_as_database(run: Run, tmp_path: Path) -> None:
    assert "is a folder" in _error(lambda: run(f"sqlite:///{tmp_path}"))


def test_an_ordinary_optuna_study_of_someone_else(run: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/other.db"
    study = optuna.create_study(study_name="s", storage=url)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert "not made by codesign" in _error(lambda: results.Reader("s", url))
    assert "not made by codesign" in _error(lambda: run(url, resume=True))
    # beside it there is room
    assert run(url, study="ours", trials=2)["trainings"] == 2


def test_a_locked_database(
    run: Run, searched: tuple[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "BUSY_SECONDS", 0.2)
    path = tmp_path / "a.db"
    run(f"sqlite:///{path}", trials=2)
    connection = sqlite3.connect(path)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        assert "locked by another program" in _error(lambda: run(f"sqlite:///{path}", study="t", trials=2))
        # readers do not wait for writers
        assert results.Reader("s", f"sqlite:///{path}").read().status()["trainings"] == 2
    finally:
        connection.close()


@pytest.mark.parametrize("url", ["codesign.db", "nonsense://x/y", "postgresql://u:secret@127.0.0.1:1/db"])
def test_urls_that_lead_nowhere(run: Run, url: str) -> None:
    message = _error(lambda: run(url))
    assert "secret" not in message
    assert "--storage" in message or "no server" in message or "not a storage" in message


def test_a_full_disk_loses_nothing(run: Run, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk needs the right to mount one")
    try:
        url = f"sqlite:///{disk}/a.db"
        message = _error(lambda: run(url, trials=10))
        assert "no space left" in message
        subprocess.run(["mount", "-o", "remount,size=40m", str(disk)], check=True)
        summary = run(url, trials=10, resume=True)
        assert summary["trainings"] == 10
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def test_a_creator_killed_at_birth_leaves_a_name_that_can_be_used(run: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    optuna.create_study(study_name="s", storage=url, directions=["minimize"] * 4)
    assert run(url, trials=2)["trainings"] == 2


def test_a_study_is_not_resumed_with_another_state_of_its_recipe(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    for name in ("tiny.yaml", "space.yaml"):
        shutil.copy(folder / name, tmp_path)
    space, url = search_spaces.load(tmp_path / "space.yaml"), f"sqlite:///{tmp_path}/a.db"
    run(url, trials=1, space=space)
    recipe = yaml.safe_load((tmp_path / "tiny.yaml").read_text())
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(recipe | {"steps": recipe["steps"] + 1}))
    assert "another state of the recipe tiny.yaml" in _error(
        lambda: run(url, trials=2, space=space, resume=True)
    )
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(recipe | {"about": "the same, in other words"}))
    assert run(url, trials=2, space=space, resume=True)["trainings"] == 2


def test_a_torn_journal_goes_on(run: Run, tmp_path: Path) -> None:
    url = f"journal:///{tmp_path}/a.log"
    first = run(url, trials=3)
    with (tmp_path / "a.log").open("ab") as file:
        file.write(b'{"op_code": 5, "trial_id"')
    assert results.Reader("s", url).read().status()["trainings"] == 3
    second = run(url, trials=5, resume=True)
    assert second["trainings"] == 5 and second["trials"] >= first["trials"]


def test_optuna_itself_opens_and_draws_the_study(searched: tuple[str, Any]) -> None:
    from optuna import visualization

    storage, summary = searched
    study = optuna.load_study(study_name="s", storage=storage)
    space = search_spaces.restore(
        {"text": study.user_attrs["space"], "file": "s.yaml", "base": study.user_attrs["base_model"]}
    )
    assert study.metric_names == list(space.objectives)
    assert {t.number for t in study.best_trials} == set(summary["front"])
    assert visualization.plot_pareto_front(
        study, targets=lambda t: t.values[:2], target_names=["a", "b"]
    ).data
    history = visualization.plot_hypervolume_history(study, summary["reference_point"])
    assert max(history.data[0].y) == pytest.approx(summary["hypervolume"])
    assert visualization.plot_parallel_coordinate(study, target=lambda t: t.values[1]).data
    importances = optuna.importance.get_param_importances(study, target=lambda t: t.values[1])
    assert all(name.startswith(("model.", "system.", "serving.")) for name in importances)
    for trial in study.best_trials:
        assert trial.user_attrs["evaluation"]["feasible"] is True
        assert trial.constraints and max(trial.constraints.values()) <= 0
