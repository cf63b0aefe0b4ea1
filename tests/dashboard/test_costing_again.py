"""What-ifs over a real study give what the cost models give for each design alone."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from small_study import STUDY

import cost_models
from codesign import results
from codesign.costing import exact
from codesign.errors import StudyError
from dashboard import phase, whatif
from dashboard.data import Study
from dashboard.view import View
from search_spaces import Parameter

COSTS = (
    "tpot_s",
    "ttft_s",
    "j_per_token",
    "usd_per_mtok",
    "capex_usd",
    "operational_g_per_mtok",
    "embodied_kg",
)


@pytest.fixture(scope="module")
def study(storage: str) -> Study:
    source = Study(STUDY, storage)
    source.read()
    return source


def test_the_table_is_the_study(study: Study, storage: str) -> None:
    designs, record = study.read(), results.Reader("small", storage).read()
    kept = record.table[record.table["state"].isin(["COMPLETE", "PRUNED"])]
    assert designs.trials.tolist() == kept["trial"].tolist()
    for name in record.objectives:
        np.testing.assert_array_equal(
            designs.table[name][designs.feasible], kept[name].to_numpy()[designs.feasible]
        )
    assert designs.front.tolist() == kept["front"].tolist()
    assert designs.knee == int(kept["trial"][kept["knee"]].iloc[0])


@pytest.mark.parametrize(
    "change",
    [{"dram": 80.0}, {"electricity": 0.4, "grid": 20.0}, {"utilisation": 0.2}, {"context": 20000.0},
     {"load": 3.0, "dram": 5.0, "ssd": 1.0}, {"slo": 4.0}],
    ids=str,
)  # fmt: skip
def test_a_what_if_equals_each_design_evaluated_alone(study: Study, change: dict[str, float]) -> None:
    designs = study.read()
    asked = study.recost(designs, View(change=change))
    catalogue = cost_models.load_catalogue(None, whatif.overrides(change))
    for row in range(0, len(designs), 7):
        trial = int(designs.trials[row])
        design = whatif.altered(change)(study._now().record.design(trial))
        alone = cost_models.evaluate(design, catalogue)
        for name in COSTS:
            figure = cost_models.OBJECTIVES[name].figure
            assert asked.table[name].iloc[row] == pytest.approx(float(np.asarray(alone[figure])), rel=1e-9), (
                name
            )
        if designs.table["state"].iloc[row] == "COMPLETE":
            assert asked.feasible[row] == alone.feasible


def test_a_price_scenario_replaces_the_prices_and_nothing_else(study: Study) -> None:
    designs = study.read()
    cheap = study.recost(designs, View(scenario="pre_shortage"))
    dear = study.recost(designs, View(scenario="dram_5x"))
    host = designs.table["system.host.dram_gib"].to_numpy(float) > 0
    assert (cheap.table["capex_usd"][host] < dear.table["capex_usd"][host]).all()
    np.testing.assert_allclose(cheap.table["tpot_s"], dear.table["tpot_s"])


def test_the_ghost_is_the_study_at_its_own_prices(study: Study) -> None:
    designs = study.read()
    ghost = study.recost(designs, View(change={"dram": 90.0})).ghost
    assert ghost is not None and designs.drift < 1e-9
    for name in designs.objectives:
        np.testing.assert_allclose(ghost.table[name][designs.feasible], designs.table[name][designs.feasible])
    assert ghost.knee == designs.knee


def test_the_loss_is_never_touched(study: Study) -> None:
    designs = study.read()
    asked = study.recost(designs, View(change={"context": 9000.0, "dram": 3.0}))
    np.testing.assert_array_equal(asked.table["bits_per_byte"], designs.table["bits_per_byte"])


def test_the_document_of_a_what_if_agrees_with_the_table(study: Study) -> None:
    view = View(change={"dram": 80.0, "context": 5000.0})
    asked = study.recost(study.read(), view)
    trial = asked.knee
    assert trial is not None
    document = study.document(trial, view)
    assert document["cost"]["usd_per_mtok"] == pytest.approx(
        asked.table["usd_per_mtok"].iloc[asked.row(trial)]
    )
    assert document["quality"]["bits_per_byte"] == asked.table["bits_per_byte"].iloc[asked.row(trial)]


@pytest.mark.parametrize("axes", [("dram", "load"), ("electricity", "utilisation"), ("slo", "ssd")], ids=str)
def test_every_cell_of_the_phase_diagram_is_won_by_the_cheapest_of_all_hardware(
    study: Study, axes: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phase, "SCREENING_S", 600)
    designs = study.read()
    phases = phase.Screening(View(flip_x=axes[0], flip_y=axes[1]), study.fields(), study.field).go_on()
    space, good = study._now().record.space, phase.good_enough(designs)
    models = {repr(model): model for model in map(space.model, (study._now().record.params(int(trial))
                                                                for trial in designs.trials[good]))}  # fmt: skip
    assert phases.models == phases.all_models == len(models)
    last = len(phases.x) - 1
    for i, j in ((0, 0), (last // 2, last - 3), (last, 3)):
        change = {axes[0]: float(phases.x[j]), axes[1]: float(phases.y[i])}
        catalogue = cost_models.load_catalogue(None, whatif.overrides(change))
        costs = []
        for model in models.values():
            alone = cost_models.evaluate(whatif.altered(change)(space.hardware(model)[1]), catalogue)
            costs += alone["cost.usd_per_mtok"][alone.feasible].tolist()
        winner = int(phases.winners[i, j])
        assert (winner == -1) == (not costs)
        if costs:
            here = study.field(phases.table).costs(View(change=change))
            assert here[winner] == pytest.approx(min(costs))


def test_models_looked_at_one_after_another_give_what_all_at_once_give(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def screening() -> phase.Screening:
        return phase.Screening(View(flip_x="dram", flip_y="load"), study.fields(), study.field)

    monkeypatch.setattr(phase, "SCREENING_S", 600)
    once = screening().go_on()
    monkeypatch.setattr(phase, "SCREENING_S", 0)
    several, said = screening(), []
    while (found := several.go_on()).left:
        said.append(
            phase.reading(phase.named(found, study.read(), "serving.tables.tier"), study.read(), several.view)
        )
    assert len(said) == once.all_models - 1 and all("the others follow" in text for text in said)
    assert several.go_on() is found and found.screened == once.screened
    for there, here in zip(once.winners.ravel(), found.winners.ravel(), strict=True):
        assert (there < 0) == (here < 0)
        if there >= 0:
            parameters = [name for name in once.table if name.startswith(("model.", "system.", "serving."))]
            pd.testing.assert_series_equal(once.table.loc[there, parameters], found.table.loc[here, parameters],
                                           check_names=False)  # fmt: skip


def test_winners_that_the_study_has_are_called_by_their_trial(study: Study) -> None:
    designs = study.read()
    phases = phase.Screening(View(flip_x="dram", flip_y="context"), study.fields(), study.field).go_on()
    called = phase.named(phases, designs, "serving.tables.tier")
    for row, trial in called.trials.items():
        params = study._now().record.params(trial)
        assert called.table["serving.concurrency"].iloc[row] == params["serving.concurrency"]
    assert set(called.names) == {int(row) for row in phases.winners.ravel() if row >= 0}


def test_nothing_new_is_the_same_value(study: Study) -> None:
    study.read()
    assert study.read() is study.read()


def test_the_first_read_costs_nothing_and_the_second_fills_what_no_trial_recorded(storage: str) -> None:
    source = Study(STUDY, storage)
    first = source.read()
    assert "figures" not in vars(source._now())
    second = source.read()
    for name in COSTS:
        finite = np.isfinite(first.table[name])
        assert finite[first.table["state"] == "COMPLETE"].all()
        np.testing.assert_allclose(second.table[name][finite], first.table[name][finite])
        assert np.isfinite(second.table[name]).all()
    assert source.read() is second


def test_a_missing_study_is_one_line_that_helps(storage: str, tmp_path: object) -> None:
    with pytest.raises(StudyError, match="no study 'other'; it holds small"):
        Study("other", storage).read()
    with pytest.raises(StudyError, match="no such database"):
        Study(STUDY, f"sqlite:///{tmp_path}/none.db").read()


def test_published_models_are_costed_on_the_knees_system(study: Study) -> None:
    names = {reference.name: reference.figures for reference in study.references(View())}
    knee = study._now().record.design(study.read().knee or 0)
    for name, figures in names.items():
        alone = cost_models.evaluate(replace(knee, model=cost_models.read_model(name)))
        assert figures["tpot_s"] == pytest.approx(float(alone["latency.tpot_s"]))
        assert "bits_per_byte" not in figures


def test_values_come_back_as_the_space_has_them() -> None:
    heads = Parameter("model.engram_heads", "categorical", (4, 8))
    assert exact(heads, pd.Series([4, None, 8])).tolist() == [4, None, 8]
    assert [type(value) for value in exact(heads, pd.Series([4, None, 8]))] == [int, type(None), int]
    prefetch = Parameter("serving.tables.prefetch", "categorical", (True, False))
    assert exact(prefetch, pd.Series([True, None, False], dtype=object)).tolist() == [True, None, False]
    assert exact(Parameter("model.engram_rows", "int", low=1, high=9), pd.Series([2.0, np.nan])).tolist() == [
        2,
        None,
    ]
