"""The read door: one table, read in increments, whose numbers are exactly those of `evaluate`."""

from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

import cost_models
import search_spaces
from codesign import results, search
from codesign.errors import StudyError
from codesign.search import study as studies
from codesign.search.scoring import LEFT_OUT

SPACE = """
model: {preset: engram-27b}
system:
  accelerator: {choices: [h100-sxm, h200-sxm]}
  accelerators: {choices: [1, 2, 4]}
  host: {dram_gib: {choices: [64, 128]}}
serving:
  tensor_parallel: {choices: [1, 2]}
  concurrency: {choices: [1, 16, 64]}
  tables: {tier: {choices: [hbm, dram]}}
objectives: [tpot_s, output_tokens_per_s, usd_per_mtok]
constraints: {tpot_s: 0.05}
"""


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('results')}/a.db"
    search.run(search_spaces.parse(SPACE, "s.yaml"), "s", url, trials=2, progress=False)
    return url


@pytest.fixture(scope="module")
def designs(storage: str) -> results.Designs:
    return results.Reader("s", storage).read()


def test_one_row_a_trial_with_all_columns(designs: results.Designs, storage: str) -> None:
    trials = optuna.load_study(study_name="s", storage=storage).trials
    table = designs.table
    assert table["trial"].tolist() == [t.number for t in trials]
    for trial in trials:
        row = table.loc[trial.number]
        assert [row[name] for name in designs.objectives] == trial.values
        assert {name: row[name] for name in trial.params} == trial.params
        assert {n: row[f"violation.{n}"] for n in trial.constraints} == trial.constraints
    assert table["knee"].sum() == 1
    assert table.loc[table["knee"], "front"].all()


def test_evaluating_a_trial_s_design_gives_its_numbers_to_the_last_digit(designs: results.Designs) -> None:
    for number in designs.table["trial"]:
        evaluation = cost_models.evaluate(designs.design(number), designs.catalogue())
        recorded = designs.trial(number).values
        assert [float(evaluation[cost_models.OBJECTIVES[n].figure]) for n in designs.objectives] == recorded
        assert results.design("s", designs.storage, int(number)) == designs.design(number)


def test_what_completions_leave_out_comes_back(designs: results.Designs) -> None:
    table = designs.table
    number = int(table["trial"][table["completes"].notna()].iloc[0])
    stored = designs.trial(number).user_attrs["evaluation"]
    assert not set(LEFT_OUT) & set(stored)
    document = designs.evaluation(number)
    assert document == cost_models.evaluate(designs.design(number)).document()
    assert {k: v for k, v in document.items() if k not in LEFT_OUT} == stored


def test_reading_again_is_free_and_new_trials_appear(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    space = search_spaces.parse(SPACE, "s.yaml")
    search.run(space, "s", url, trials=1, completions=3, progress=False)
    reader = results.Reader("s", url)
    first = reader.read()
    assert reader.read() is first
    study = studies.load(url, "s")
    running = study.ask()
    second = reader.read()
    assert second.table["state"].iloc[-1] == "RUNNING" and second.status()["running"] == 1
    assert reader.read() is second
    study.tell(running, state=TrialState.FAIL)
    third = reader.read()
    assert third.table["state"].iloc[-1] == "FAIL"
    assert third.status()["failed"] == 1 and third.status()["running"] == 0
    assert third.status()["front_size"] == first.status()["front_size"]
    fresh = results.Reader("s", url).read().table
    assert fresh.equals(third.table)


def test_front_sorted_marked_and_complete(designs: results.Designs) -> None:
    front = results.front(designs)
    assert {row["trial"] for row in front} == set(designs.table["trial"][designs.table["front"]])
    assert [row["objectives"]["tpot_s"] for row in front] == sorted(r["objectives"]["tpot_s"] for r in front)
    assert sum(row["knee"] for row in front) == 1
    text = results.front_table(front, most=5)
    assert "knee" in text and "best USD/Mtok" in text and "members of the front" in text
    assert "TPOT, ms" in text and "output tokens/s" in text


def test_another_price_changes_money_and_nothing_else(designs: results.Designs) -> None:
    path = next(p for p in ("electricity.usd_per_kwh",))
    dear = {row["trial"]: row for row in results.front(designs, overrides={path: 3.0})}
    table = designs.table.set_index("trial")
    assert dear
    for number, row in dear.items():
        assert row["objectives"]["tpot_s"] == table.loc[number, "tpot_s"]
        assert row["objectives"]["usd_per_mtok"] > table.loc[number, "usd_per_mtok"]


def test_best_and_show(designs: results.Designs) -> None:
    number = results.best(designs, "output_tokens_per_s")
    assert designs.table.loc[number, "output_tokens_per_s"] == designs.table["output_tokens_per_s"].max()
    document = results.show(designs, number)
    assert document["state"] == "COMPLETE" and document["evaluation"]["breakdown"]
    assert str(number) in results.show_text(document)
    with pytest.raises(StudyError, match="no trial 999"):
        results.show(designs, 999)
    with pytest.raises(StudyError, match="did you mean tpot_s"):
        results.best(designs, "tpot")


def test_objectives_may_be_maximised(designs: results.Designs) -> None:
    table = designs.table[designs.table["feasible"]]
    values = table[list(designs.objectives)].to_numpy(float) * [1, -1, 1]
    better = [((values <= v).all(axis=1) & (values < v).any(axis=1)).any() for v in values]
    assert (np.array(better) == ~table["front"].to_numpy()).all()
