"""A trial of a study, exported: the figures that the study recorded come back to the last digit."""

import json
from pathlib import Path

import pytest

import search_spaces
from codesign import cli, export, results, search
from codesign.errors import StudyError
from codesign.export.files import design_text
from codesign.verbs.answer import plain

SPACE = """\
model: {preset: engram-27b}
system:
  accelerator: {choices: [a100-80-sxm, h200-sxm]}
  accelerators: {choices: [2, 4]}
  host: {dram_gib: {choices: [128, 512]}, ssd_gib: {choices: [0, 1024]}, ssd_drives: 2}
serving:
  tensor_parallel: {choices: [1, 2]}
  concurrency: {choices: [1, 16, 64]}
  tables: {tier: {choices: [hbm, dram, ssd]}, prefetch: {choices: [true, false]}}
objectives: [tpot_s, usd_per_mtok, j_per_token]
constraints: {tpot_s: 0.1}
"""
PRICES = {"memory.dram.usd_per_gb": 9.5}


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("study")
    (folder / "space.yaml").write_text(SPACE, encoding="utf-8")
    url = f"sqlite:///{folder}/codesign.db"
    space = search_spaces.load(folder / "space.yaml")
    search.run(space, study="s", storage=url, trials=2, overrides=PRICES, progress=False)
    return url


def test_every_trial_comes_back_to_the_last_digit(storage: str, tmp_path: Path) -> None:
    designs = results.Reader("s", storage).read()
    trials = [int(trial) for trial in designs.table[designs.table["state"] == "COMPLETE"]["trial"]]
    assert len(trials) >= 5
    for trial in trials:
        specification = export.from_study("s", storage, trial=trial)
        (tmp_path / "design.yaml").write_text(design_text(specification), encoding="utf-8")
        assert export.from_design(tmp_path / "design.yaml").document() == designs.evaluation(trial)


def test_the_command_line_gives_the_same(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        cli.main(["export", "s", "--best", "usd_per_mtok", "--out", "plan", "--storage", storage, "--json"])
        == 0
    )
    trial = json.loads(capsys.readouterr().out)["trial"]
    assert cli.main(["evaluate", "plan/design.yaml", "--json"]) == 0
    evaluated = json.loads(capsys.readouterr().out)
    assert evaluated == plain(results.Reader("s", storage).read().evaluation(trial))
    assert cli.main(["show", "s", "--trial", str(trial), "--json", "--storage", storage]) == 0
    assert json.loads(capsys.readouterr().out)["evaluation"] == evaluated
    assert "<h2>The front" in (tmp_path / "plan" / "report.html").read_text(encoding="utf-8")


def test_the_knee_is_the_one_of_the_front(storage: str) -> None:
    front = results.front(results.Reader("s", storage).read())
    (knee,) = [entry["trial"] for entry in front if entry["knee"]]
    assert export.from_study("s", storage).trial == knee
    assert export.from_study("s", storage).overrides == PRICES


def test_other_prices_choose_anew(storage: str) -> None:
    dear = export.from_study("s", storage, overrides={"memory.dram.usd_per_gb": 500})
    assert dear.overrides == {"memory.dram.usd_per_gb": 500}
    capital = {entry["trial"]: entry["objectives"]["usd_per_mtok"] for entry in dear.front}
    usual = {
        entry["trial"]: entry["objectives"]["usd_per_mtok"] for entry in export.from_study("s", storage).front
    }
    both = set(capital) & set(usual)
    assert both
    assert all(capital[trial] > usual[trial] for trial in both)


def test_what_is_not_there(storage: str) -> None:
    with pytest.raises(StudyError, match="no trial 99999"):
        export.from_study("s", storage, trial=99999)
    with pytest.raises(StudyError, match="objective"):
        export.from_study("s", storage, best="beauty")
