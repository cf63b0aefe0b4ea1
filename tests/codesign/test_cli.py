"""The command line: instant help, one document on stdout, one line for every failure, the agreed exit status."""

import errno
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from codesign import cli
from codesign.errors import StudyError
from codesign.verbs.answer import Answer, plain
from codesign.verbs.failure import one_line

ROOT = Path(__file__).parents[2]
DESIGN = """\
model: {preset: engram-27b}
system: {accelerator: h100-sxm, accelerators: 8, host: {dram_gib: 2048}}
serving: {tensor_parallel: 4, tables: {tier: dram}}
"""
SECTIONS = {
    "feasible", "violations", "parameters", "memory", "tables", "lookup", "latency", "breakdown", "energy", "cost",
    "carbon", "quality", "sources",
}  # fmt: skip


@pytest.fixture
def design(tmp_path: Path) -> str:
    path = tmp_path / "design.yaml"
    path.write_text(DESIGN, encoding="utf-8")
    return str(path)


def test_help_needs_no_heavy_import() -> None:
    code = (
        "import sys; from codesign.cli import build_parser; build_parser().format_help();"
        "print(sorted({'numpy', 'torch', 'optuna', 'pandas', 'yaml', 'dash', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_explains_itself_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([verb, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert f"codesign {verb}" in shown.partition("Example:")[2]
    assert "--json" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["search"],
        ["search", "demo", "--trials", "0"],
        ["search", "demo", "--trials", "many"],
        ["evaluate"],
        ["evaluate", "x.yaml", "--set", "nothing"],
        ["export", "s"],
        ["export", "s", "--out", "x", "--knee", "--trial", "3"],
        ["show", "s"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = cli.main(arguments)
    except SystemExit as ended:
        status = int(str(ended.code))
    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ""
    assert "usage: codesign" in captured.err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("codesign ")


def test_evaluate_prints_the_whole_document(design: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evaluate", design, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) >= SECTIONS
    assert set(document["parameters"]) == {"total", "active_per_token", "tables", "experts"}
    assert set(document["breakdown"][0]) >= {"operator", "layer_group", "flops", "bytes", "time_s", "bound"}


def test_several_designs_are_a_list_in_their_order(design: str, capsys: pytest.CaptureFixture[str]) -> None:
    other = Path(design).with_name("other.yaml")
    other.write_text(DESIGN.replace("accelerators: 8", "accelerators: 16"), encoding="utf-8")
    assert cli.main(["evaluate", str(other), design, "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first["cost"]["capex_usd"] > second["cost"]["capex_usd"]
    assert cli.main(["evaluate", str(other), design]) == 0
    assert "other.yaml: Feasible: " in capsys.readouterr().out


def test_evaluate_says_the_verdict_first_and_the_sources_last(
    design: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["evaluate", design]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Feasible: ")
    order = [lines.index(next(line for line in lines if line.startswith(start))) for start in (
        "Does it fit", "total parameters", "Where the time goes", "Where the energy goes", "Where the money goes",
        "Sources",
    )]  # fmt: skip
    assert order == sorted(order)
    assert any("routed experts" in line and "%" in line for line in lines)


def test_set_changes_a_price(design: str, capsys: pytest.CaptureFixture[str]) -> None:
    costs = []
    for price in ("4", "40"):
        assert cli.main(["evaluate", design, "--json", "--set", f"memory.dram.usd_per_gb={price}"]) == 0
        costs.append(json.loads(capsys.readouterr().out)["cost"]["capex_usd"])
    assert costs[1] - costs[0] == pytest.approx(36 * 2048 * 2**30 / 1e9)


def test_hardware_figures_have_their_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["hardware", "--json"]) == 0
    figures = list(leaves(json.loads(capsys.readouterr().out)))
    assert len(figures) > 300
    assert all(set(figure) >= {"value", "unit", "source", "confidence"} for figure in figures)


def leaves(node: object) -> list[dict[str, object]]:
    if not isinstance(node, dict):
        return []
    return (
        [node]
        if "value" in node and "unit" in node
        else [leaf for child in node.values() for leaf in leaves(child)]
    )


def test_a_failure_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evaluate", "missing.yaml"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "codesign: missing.yaml: no such file\n"


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    from codesign.verbs import spaces

    def broken(options: object) -> Answer:
        raise ZeroDivisionError

    monkeypatch.setattr(spaces, "run", broken)
    with pytest.raises(ZeroDivisionError):
        cli.main(["spaces"])


def test_what_a_library_prints_does_not_spoil_the_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from codesign.verbs import spaces

    def talkative(options: object) -> Answer:
        print("hello")
        return Answer({"a": float("nan")}, lambda: "")

    monkeypatch.setattr(spaces, "run", talkative)
    assert cli.main(["spaces", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"a": None}
    assert captured.err == "hello\n"


def test_ctrl_c_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from codesign.verbs import spaces

    def interrupted(options: object) -> Answer:
        raise KeyboardInterrupt

    monkeypatch.setattr(spaces, "run", interrupted)
    assert cli.main(["spaces"]) == 1
    assert capsys.readouterr().err.strip() == "codesign: interrupted; everything that had finished is kept"


def test_a_reader_that_leaves_is_no_failure(design: str) -> None:
    command = f"{sys.executable} -m codesign.cli hardware --json | head -c 10"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0
    assert done.stderr == ""


def chained(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (StudyError("two\nlines"), "two lines"),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out/x"),
            "out/x: no space left on the device; free some",
        ),
        (OSError(errno.EROFS, "read-only", "x"), "x: the file system is read-only; choose another folder"),
        (PermissionError(errno.EACCES, "denied", "x"), "x: permission denied; choose another folder"),
        (
            sqlite3.OperationalError("database is locked"),
            "storage: the database is locked by another process",
        ),
        (sqlite3.OperationalError("database or disk is full"), "storage: no space left for the database"),
        (
            sqlite3.OperationalError("attempt to write a readonly database"),
            "storage: the database is read-only",
        ),
        (sqlite3.DatabaseError("file is not a database"), "storage: the file is not an SQLite database"),
        (
            chained(RuntimeError("wrapped"), sqlite3.OperationalError("database is locked")),
            "storage: the database",
        ),
        (MemoryError(), "not enough memory"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_faults_of_the_machine_are_one_line(error: Exception, line: str) -> None:
    shown = one_line(error)
    assert shown is not None
    assert shown.startswith(line)
    assert "\n" not in shown


def test_everything_else_is_a_defect() -> None:
    assert one_line(KeyError("x")) is None
    assert one_line(OSError("no number")) is None


def test_storage_is_the_environments_or_a_file_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CODESIGN_STORAGE", raising=False)
    assert cli.build_parser().parse_args(["status", "s"]).storage == "sqlite:///codesign.db"
    monkeypatch.setenv("CODESIGN_STORAGE", "sqlite:///elsewhere.db")
    assert cli.build_parser().parse_args(["status", "s"]).storage == "sqlite:///elsewhere.db"
    assert cli.build_parser().parse_args(["status", "s", "--storage", "x"]).storage == "x"


def test_plain_data() -> None:
    import numpy as np

    value = {1: np.float64("inf"), "b": (np.int64(3), [np.array([1.5, np.nan])])}
    assert plain(value) == {"1": None, "b": [3, [[1.5, None]]]}
