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
    write_folder(tmp_path / "plan", {"design.yaml": "1", "sub/old": "1"})
    write_folder(tmp_path / "plan", {"design.yaml": "2"}, force=True)
    assert [path.name for path in (tmp_path / "plan").iterdir()] == ["design.yaml"]
    assert (tmp_path / "plan" / "design.yaml").read_text() == "2"
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]


@pytest.mark.parametrize("force", [False, True])
def test_a_file_is_not_a_folder(tmp_path: Path, force: bool) -> None:
    (tmp_path / "plan").write_text("x")
    with pytest.raises(ExportError, match="is a file"):
        write_folder(tmp_path / "plan", {"a": "1"}, force)


def test_force_removes_no_folder_that_no_export_wrote(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_text("dear")
    with pytest.raises(ExportError, match="no export wrote it"):
        write_folder(tmp_path / "photos", {"design.yaml": "1"}, force=True)
    assert (tmp_path / "photos" / "one.jpg").read_text() == "dear"


def test_a_link_leads_to_the_same_refusals_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_text("dear")
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    for force in (False, True):
        with pytest.raises(ExportError, match=r"not empty|no export wrote it"):
            write_folder(tmp_path / "link", {"design.yaml": "1"}, force)
    (tmp_path / "disk").mkdir()
    (tmp_path / "plan").symlink_to(tmp_path / "disk")
    write_folder(tmp_path / "plan", {"design.yaml": "1"})
    assert (tmp_path / "plan").is_symlink()
    assert (tmp_path / "disk" / "design.yaml").read_text() == "1"


def test_a_link_inside_an_earlier_export_is_removed_and_what_it_points_to_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("dear")
    write_folder(tmp_path / "plan", {"design.yaml": "1"})
    (tmp_path / "plan" / "report.html").symlink_to(tmp_path / "mine")
    write_folder(tmp_path / "plan", {"design.yaml": "2", "report.html": "new"}, force=True)
    assert (tmp_path / "mine").read_text() == "dear"
    assert not (tmp_path / "plan" / "report.html").is_symlink()


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out", "a\\..\\out"])
def test_no_name_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="leads out of the exported folder"):
        write_folder(tmp_path / "plan", {name: "1"})
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_copied_not_linked(tmp_path: Path) -> None:
    (tmp_path / "stored").write_bytes(b"\0weights")
    write_folder(tmp_path / "plan", {"pytorch/weights": tmp_path / "stored"})
    copy = tmp_path / "plan" / "pytorch" / "weights"
    assert copy.read_bytes() == b"\0weights"
    assert not copy.is_symlink()
    assert copy.stat().st_nlink == 1


def test_force_does_not_remove_the_folder_one_works_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "design.yaml").touch()
    monkeypatch.chdir(tmp_path / "inside")
    with pytest.raises(ExportError, match="holds the working folder"):
        write_folder(tmp_path, {"a": "1"}, force=True)
    assert (tmp_path / "inside").is_dir()


def test_a_failure_leaves_the_old_folder_and_no_litter(tmp_path: Path) -> None:
    write_folder(tmp_path / "plan", {"design.yaml": "1"})
    with pytest.raises(OSError, match="File name too long"):
        write_folder(tmp_path / "plan", {"new": "2", "n" * 300: "3"}, force=True)
    assert [path.name for path in (tmp_path / "plan").iterdir()] == ["design.yaml"]
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]
