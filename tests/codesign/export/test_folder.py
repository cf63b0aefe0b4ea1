"""Writing a folder: whole or not at all, and never over somebody's files."""

from pathlib import Path

import pytest

from codesign.errors import ExportError
from codesign.export.folder import write_folder


def test_all_files_appear_and_scripts_may_run(tmp_path: Path) -> None:
    write_folder(tmp_path / "deep" / "plan", {"a.txt": "ä", "run.sh": "#!/bin/sh\n"})
    assert (tmp_path / "deep" / "plan" / "a.txt").read_text(encoding="utf-8") == "ä"
    assert (tmp_path / "deep" / "plan" / "run.sh").stat().st_mode & 0o111
    assert not (tmp_path / "deep" / "plan" / "a.txt").stat().st_mode & 0o111


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "plan").mkdir()
    write_folder(tmp_path / "plan", {"a": "1"})
    assert [path.name for path in (tmp_path / "plan").iterdir()] == ["a"]


def test_files_of_others_stay_without_force(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(ExportError, match="not empty; choose another folder, or replace it with --force"):
        write_folder(tmp_path, {"a": "1"})
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_force_replaces_the_whole_folder(tmp_path: Path) -> None:
    write_folder(tmp_path / "plan", {"old": "1"})
    write_folder(tmp_path / "plan", {"new": "2"}, force=True)
    assert [path.name for path in (tmp_path / "plan").iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]


@pytest.mark.parametrize("force", [False, True])
def test_a_file_is_not_a_folder(tmp_path: Path, force: bool) -> None:
    (tmp_path / "plan").write_text("x")
    with pytest.raises(ExportError, match="is a file"):
        write_folder(tmp_path / "plan", {"a": "1"}, force)


def test_force_does_not_remove_the_folder_one_works_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    with pytest.raises(ExportError, match="holds the working folder"):
        write_folder(tmp_path, {"a": "1"}, force=True)
    assert (tmp_path / "inside").is_dir()


def test_a_failure_leaves_the_old_folder_and_no_litter(tmp_path: Path) -> None:
    write_folder(tmp_path / "plan", {"old": "1"})
    with pytest.raises(OSError, match="No such file or directory"):
        write_folder(tmp_path / "plan", {"new": "2", "no/such/folder": "3"}, force=True)
    assert [path.name for path in (tmp_path / "plan").iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]
