"""A database that another process holds: waited for, and then said in one line."""

import sqlite3
from pathlib import Path

import pytest

from codesign import cli
from codesign.search import study


def test_a_locked_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(study, "BUSY_SECONDS", 0.2)
    monkeypatch.chdir(tmp_path)
    connection = sqlite3.connect(tmp_path / "codesign.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        assert cli.main(["search", "deepseek-v4.1-flash", "--trials", "1", "--study", "s"]) == 1
        assert cli.main(["status", "s"]) == 1
    finally:
        connection.close()
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("codesign: ")]
    assert len(lines) == 2
    assert all("locked" in line for line in lines)
