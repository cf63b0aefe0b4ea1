"""Whatever is wrong outside of the program: one clear line, the agreed exit status, and nothing lost."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Codesign = Callable[..., subprocess.CompletedProcess[str]]


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The only line of a failure; progress before it does not count."""
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("codesign: ")]
    assert len(lines) == 1, done.stderr
    assert done.stderr.splitlines()[-1] == lines[0]
    return lines[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("engram_share", "engram_shares"), "space.yaml:3"),
        (("engram_share", "engram_shares"), "did you mean"),
        (("h200-sxm", "h2000-sxm"), "h200-sxm"),
        (
            ("engram_layers: {subsets: [[1], [1, 14]]}", "engram_layers: {subsets: [[1], [1, 140]]}"),
            "space.yaml:4",
        ),
        (("choices: [1, 2]", "choices: [1, -2]"), "space.yaml:7"),
        (("tiny.yaml", "tiniest.yaml"), "tiniest"),
        (("model:", "model: ["), "not valid YAML"),
        (("preset: moe-27b", "preset: moe-28b"), "moe-27b"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else value,
)
def test_a_space_that_is_wrong(
    codesign: Codesign, folder: Path, change: tuple[str, str], message: str
) -> None:
    text = (folder / "space.yaml").read_text(encoding="utf-8")
    (folder / "space.yaml").write_text(text.replace(*change), encoding="utf-8")
    assert message in one_line(codesign("search", "space.yaml", "--trials", "1"))
    assert not (folder / "codesign.db").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("accelerators", "acelerators"),
            "design.yaml:2:46: system.acelerators is not a known field; did you mean",
        ),
        (
            ("h100-sxm", "h101-sxm"),
            "design.yaml:2:23: system.accelerator: unknown accelerator 'h101-sxm'; did you mean",
        ),
        (("engram-27b", "engram-28b"), "did you mean engram-27b"),
        (("preset: engram-27b", "config: config.json"), "config.json: no such file"),
        (("tier: dram", "tier: drum"), "did you mean dram?"),
        (("tensor_parallel: 4", "tensor_parallel: many"), "serving.tensor_parallel must be a whole number"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_a_design_that_is_wrong(
    codesign: Codesign, folder: Path, change: tuple[str, str], message: str
) -> None:
    text = (folder / "design.yaml").read_text(encoding="utf-8")
    (folder / "design.yaml").write_text(text.replace(*change), encoding="utf-8")
    assert message in one_line(codesign("evaluate", "design.yaml"))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ('{"model_type": "llama", "hidden_size": 1e99}', "config.json:1:"),
        ('{"model_type": "llama", "num_hidden_layers": 99999999999}', "config.json"),
        ("not json at all: [", "not valid"),
        ("\x80\x04\x95", "config.json"),  # the first bytes of a pickle
        ("{}", "config.json"),
    ],
)
def test_a_config_that_is_wrong_or_hostile(
    codesign: Codesign, folder: Path, config: str, message: str
) -> None:
    (folder / "config.json").write_text(config, encoding="latin-1")
    (folder / "design.yaml").write_text("model: {config: config.json}\n", encoding="utf-8")
    assert message in one_line(codesign("evaluate", "design.yaml"))


def test_a_file_that_grows_when_read(codesign: Codesign, folder: Path) -> None:
    levels = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]\n" for i in range(1, 12))
    (folder / "design.yaml").write_text(f"l0: &l0 [x]\n{levels}", encoding="utf-8")
    assert "design.yaml" in one_line(codesign("evaluate", "design.yaml"))


def test_a_process_of_its_own_says_the_same(process: Codesign, folder: Path) -> None:
    assert "missing.yaml: no such file" in one_line(process("evaluate", "missing.yaml"))
    (folder / "space.yaml").write_text("model: {preset: moe-27b}\nsystems: {}\n", encoding="utf-8")
    assert "space.yaml:2" in one_line(process("search", "space.yaml"))
    assert process("search").returncode == 2


def test_files_that_are_missing(codesign: Codesign) -> None:
    assert "missing.yaml: no such file" in one_line(codesign("evaluate", "missing.yaml"))
    assert "missing.yaml" in one_line(codesign("search", "missing.yaml"))
    assert "missing.txt" in one_line(codesign("traffic", "missing.txt"))
    assert "codesign.db" in one_line(codesign("status", "none"))
    assert "codesign.db" in one_line(codesign("export", "none", "--knee", "--out", "plan"))


def test_an_unknown_scenario_or_figure(codesign: Codesign) -> None:
    assert "scenario must be one of" in one_line(
        codesign("evaluate", "design.yaml", "--scenario", "tomorrow")
    )
    line = one_line(codesign("evaluate", "design.yaml", "--set", "memory.dram.usd_per_gib=3"))
    assert "memory.dram.usd_per_gib: no such figure" in line


def test_a_foreign_database(codesign: Codesign, folder: Path) -> None:
    with sqlite3.connect(folder / "foreign.db") as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()
    before = (folder / "foreign.db").read_bytes()
    for arguments in (("status", "s"), ("search", "space.yaml", "--trials", "1")):
        line = one_line(codesign(*arguments, "--storage", "sqlite:///foreign.db"))
        assert "foreign.db" in line
        assert "another program" in line
    assert (folder / "foreign.db").read_bytes() == before


def test_a_file_that_is_no_database(codesign: Codesign, folder: Path) -> None:
    (folder / "text.db").write_text("Dear diary, " * 100, encoding="utf-8")
    assert "text.db" in one_line(codesign("status", "s", "--storage", "sqlite:///text.db"))
    assert "--storage" in one_line(codesign("status", "s", "--storage", "text.db"))


def test_a_study_that_is_there_already(codesign: Codesign, folder: Path) -> None:
    assert codesign("search", "space.yaml", "--trials", "1", "--study", "s").returncode == 0
    line = one_line(codesign("search", "space.yaml", "--trials", "1", "--study", "s"))
    assert "--resume" in line
    assert "'t'" in one_line(codesign("show", "t", "--trial", "0"))
    assert "has no trial 999" in one_line(codesign("show", "s", "--trial", "999"))
    assert "objective" in one_line(codesign("export", "s", "--best", "beauty", "--out", "plan"))


def test_an_export_over_somebodys_files(codesign: Codesign, folder: Path) -> None:
    (folder / "plan").mkdir()
    (folder / "plan" / "thesis.tex").write_text("years of work", encoding="utf-8")
    assert "--force" in one_line(codesign("export", "design.yaml", "--out", "plan"))
    assert [path.name for path in (folder / "plan").iterdir()] == ["thesis.tex"]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A small file system of its own, with mount options; only root may mount."""
    places: list[Path] = []

    def mount(options: str) -> Path:
        place = tmp_path / f"mounted{len(places)}"
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"cannot mount a small file system here: {done.stderr.strip()}")
        places.append(place)
        return place

    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    yield mount
    for place in places:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk(codesign: Codesign, folder: Path, mounted: Callable[[str], Path]) -> None:
    full = mounted("size=16k")
    line = one_line(codesign("export", str(folder / "design.yaml"), "--out", str(full / "plan")))
    assert "no space left" in line
    assert list(full.iterdir()) == []
    storage = f"sqlite:///{full}/codesign.db"
    assert "space" in one_line(codesign("search", "space.yaml", "--trials", "1", "--storage", storage))


def test_a_disk_that_fills_during_a_search_loses_nothing(
    codesign: Codesign, folder: Path, mounted: Callable[[str], Path]
) -> None:
    small = mounted("size=700k")
    storage = f"sqlite:///{small}/codesign.db"
    arguments = ("search", "space.yaml", "--trials", "8", "--study", "s", "--storage", storage)
    line = one_line(codesign(*arguments))
    assert "space" in line
    subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
    done = codesign(*arguments, "--resume", "--json")
    assert done.returncode == 0, done.stderr


def test_a_read_only_folder(codesign: Codesign, folder: Path, mounted: Callable[[str], Path]) -> None:
    shut = mounted("size=1m,ro")
    assert "read-only" in one_line(
        codesign("export", str(folder / "design.yaml"), "--out", str(shut / "plan"))
    )
    line = one_line(
        codesign("search", "space.yaml", "--trials", "1", "--storage", f"sqlite:///{shut}/codesign.db")
    )
    assert "codesign.db" in line or "read-only" in line
