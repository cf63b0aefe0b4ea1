"""A whole small search: what it returns, what it records, and that it can be gone on with."""

import multiprocessing
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import yaml

import cost_models
import search_spaces
from codesign import corpus, results
from codesign.errors import InputError, StudyError, TrainingError
from codesign.front import hypervolume, non_dominated
from codesign.proxy import noise
from codesign.proxy.store import Store
from codesign.search import study as studies
from codesign.search.progress import fitted
from codesign.search.scoring import score
from search_spaces import Space

Run = Callable[..., dict[str, Any]]
Searched = tuple[str, dict[str, Any]]


def test_the_summary_is_what_scripts_rely_on(searched: Searched) -> None:
    storage, summary = searched
    assert set(summary) >= {
        "study", "storage", "trainings", "trials", "feasible", "front", "hypervolume", "reference_point", "wall_s",
    }  # fmt: skip
    table = results.Reader("s", storage).read().table
    assert summary["trainings"] == 10
    assert summary["front"] == table.index[table["front"]].tolist()
    values = table.loc[
        table["feasible"], ["bits_per_byte", "tpot_s", "j_per_token", "usd_per_mtok"]
    ].to_numpy(float)
    assert summary["hypervolume"] == pytest.approx(hypervolume(values, np.array(summary["reference_point"])))


def test_each_trained_model_is_completed_with_its_whole_front(searched: Searched, space: Space) -> None:
    """No hardware of a trained model would add anything to the study's front."""
    storage, _ = searched
    designs = results.Reader("s", storage).read()
    table = designs.table
    catalogue = cost_models.load_catalogue()
    objectives = list(space.objectives)
    front = table.loc[table["front"], objectives].to_numpy(float)
    for number in table.index[table["trained"]]:
        scores = score(space, space.hardware(designs.design(number).model)[1], catalogue)
        possible = scores.minimised[scores.feasible]
        possible[:, 0] = table.loc[number, "bits_per_byte"]
        together = np.concatenate([possible, front * (1 - 1e-12)])
        assert not non_dominated(together)[: len(possible)].any()


def test_completions_say_whose_training_they_use(searched: Searched) -> None:
    table = results.Reader("s", searched[0]).read().table
    completions = table[table["completes"].notna()]
    assert len(completions) > 0
    origin = table.loc[completions["completes"].astype(int)]
    assert origin["trained"].all()
    assert (origin["model"].to_numpy() == completions["model"].to_numpy()).all()
    assert (origin["bits_per_byte"].to_numpy() == completions["bits_per_byte"].to_numpy()).all()


def test_an_existing_name_needs_resume(run: Run, searched: Searched) -> None:
    with pytest.raises(StudyError, match="already there; go on with --resume"):
        run(searched[0])


def test_resume_goes_on_up_to_so_many_in_all(run: Run, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/a.db"
    first = run(storage, trials=3)
    assert first["trainings"] == 3
    assert run(storage, trials=3, resume=True)["trials"] == first["trials"]
    second = run(storage, trials=5, resume=True)
    assert second["trainings"] == 5
    assert second["reference_point"] == first["reference_point"]
    assert second["hypervolume"] >= first["hypervolume"]


def test_resume_with_another_space_is_refused(run: Run, searched: Searched, folder: Path) -> None:
    text = (folder / "space.yaml").read_text().replace("0.45", "0.5")
    other = search_spaces.parse(text, str(folder / "space.yaml"))
    with pytest.raises(StudyError, match="another space"):
        run(searched[0], space=other, resume=True)
    commented = search_spaces.parse(
        "# a comment\n" + (folder / "space.yaml").read_text(), str(folder / "s.yaml")
    )
    assert run(searched[0], space=commented, trials=10, resume=True)["trainings"] == 10


def test_a_space_runs_out_of_models(run: Run, tmp_path: Path) -> None:
    assert run(f"sqlite:///{tmp_path}/a.db", trials=50)["trainings"] == 13


def test_the_same_seed_searches_alike(run: Run, tmp_path: Path) -> None:
    def trace(name: str, seed: int) -> list[dict[str, Any]]:
        storage = f"sqlite:///{tmp_path}/{name}.db"
        run(storage, trials=4, seed=seed)
        return [t.params for t in optuna.load_study(study_name="s", storage=storage).trials]

    assert trace("a", 1) == trace("b", 1)
    assert trace("c", 2) != trace("a2", 1)


def test_nothing_feasible_says_why(run: Run, folder: Path, tmp_path: Path) -> None:
    text = (folder / "space.yaml").read_text() + "constraints: {tpot_s: 0.000001}\n"
    space = search_spaces.parse(text, str(folder / "space.yaml"))
    with pytest.raises(
        StudyError, match=r"no design of \d+ is feasible: \d+ break tpot_s .by 0.00\d+ at least"
    ):
        run(f"sqlite:///{tmp_path}/a.db", space=space, trials=3)


def test_a_quality_limit_is_a_constraint(run: Run, folder: Path, tmp_path: Path) -> None:
    text = (folder / "space.yaml").read_text() + "constraints: {bits_per_byte: 0.5}\n"
    space = search_spaces.parse(text, str(folder / "space.yaml"))
    with pytest.raises(StudyError, match="break bits_per_byte"):
        run(f"sqlite:///{tmp_path}/a.db", space=space, trials=2)


def test_a_finished_model_needs_no_training(run: Run, tmp_path: Path) -> None:
    space = search_spaces.parse(
        "model: {preset: engram-27b}\nobjectives: [output_tokens_per_s, usd_per_mtok]\n"
        "system: {accelerator: {choices: [h100-sxm, h200-sxm, b200-sxm]}, accelerators: {choices: [1, 2, 4]}}\n"
        "serving: {concurrency: {choices: [1, 16, 64]}, tensor_parallel: {choices: [1, 2]}}\n",
        "finished.yaml",
    )
    summary = run(f"sqlite:///{tmp_path}/a.db", space=space, trials=20)
    scores = score(space, space.hardware(space.base)[1], cost_models.load_catalogue())
    front = np.unique(
        scores.minimised[scores.feasible][non_dominated(scores.minimised[scores.feasible])], axis=0
    )
    assert summary["trainings"] == 0
    assert len(summary["front"]) == len(front)


def test_unknown_sampler_and_fidelity_are_said_before_anything_is_written(run: Run, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/a.db"
    with pytest.raises(InputError, match="did you mean nsga3 or nsga2"):
        run(storage, sampler="nsga")
    text = "model: {preset: moe-27b}\nsystem: {accelerator: h200-sxm}\nquality: {fidelity: demmo}"
    with pytest.raises(InputError, match="demmo"):
        run(storage, space=search_spaces.parse(text, "s.yaml"))
    assert not (tmp_path / "a.db").exists()


def test_a_model_that_no_proxy_can_stand_for_is_passed_over(
    run: Run, space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from codesign import proxy
    from codesign.proxy import belief

    judge = belief.judge

    def picky(model: cost_models.Model, **options: Any) -> Any:
        if model.engram is None:
            raise InputError("no proxy of it")
        return judge(model, **options)

    monkeypatch.setattr(proxy, "judge", picky, raising=False)
    storage = f"sqlite:///{tmp_path}/a.db"
    assert run(storage, trials=50)["trainings"] == 12
    table = results.Reader("s", storage).read().table
    assert (table["state"] == "PRUNED").sum() == 1


def test_two_processes_share_one_study(run: Run, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/a.db"
    summary = run(storage, trials=8, workers=2)
    assert summary["trainings"] == 8
    workers = {t.user_attrs.get("worker") for t in optuna.load_study(study_name="s", storage=storage).trials}
    assert len(workers - {None}) == 2


def test_workers_of_a_search_that_is_refused_end_with_it(run: Run, searched: Searched) -> None:
    with pytest.raises(StudyError, match="already there"):
        run(searched[0], workers=2)
    assert not multiprocessing.active_children()


def test_a_worker_that_dies_before_it_has_a_task_is_replaced(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = studies.create

    def meanwhile(*arguments: Any) -> optuna.Study:
        multiprocessing.active_children()[0].kill()
        return create(*arguments)

    monkeypatch.setattr(studies, "create", meanwhile)
    assert run(f"sqlite:///{tmp_path}/a.db", trials=5, workers=2)["trainings"] == 5


def test_another_quality_is_the_study_s_own(run: Run, space: Space, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/q.db"
    prior = space.with_quality(mode="prior")
    run(storage, trials=3, space=prior)
    study = studies.load(storage, "s")
    assert studies.space_of(study, storage) == prior != space
    weights = {
        t.user_attrs["quality"]["belief"]["prior_weight"] for t in study.trials if "quality" in t.user_attrs
    }
    assert weights == {1.0}
    with pytest.raises(StudyError, match="--quality"):
        run(storage, trials=4, resume=True)


def test_too_little_text_ends_a_search_at_once(run: Run, space: Space, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for number in range(60):
        (tmp_path / "a" / f"{number}.txt").write_text(f"a short document, number {number}\n")
    with pytest.raises(TrainingError, match="the text has"):
        run(f"sqlite:///{tmp_path}/q.db", space=space.with_quality(corpus=str(tmp_path / "a")))
    with pytest.raises(InputError, match="no such text"):
        run(f"sqlite:///{tmp_path}/r.db", space=space.with_quality(corpus=str(tmp_path / "b")))
    assert not (tmp_path / "r.db").exists()


@pytest.mark.parametrize(
    ("quality", "said"),
    [
        ("{fidelity: demoo}", "quality.fidelity: fidelity, .*'demoo'; did you mean demo?"),
        ("{fidelity: [demo, shrt]}", "quality.fidelity: .*'shrt'; did you mean short?"),
        ("{fidelity: demo, corpus: nowhere.txt}", "quality.corpus: .*no such text"),
    ],
)
def test_a_misspelt_name_of_the_quality_is_said_with_its_line(
    run: Run, tmp_path: Path, quality: str, said: str
) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(
        "model: {preset: engram-27b}\nsystem: {accelerator: h100-sxm}\n"
        f"objectives: [bits_per_byte, tpot_s]\nquality: {quality}\n"
    )
    with pytest.raises(InputError, match=rf"space\.yaml:4:\d+: {said}"):
        run(f"sqlite:///{tmp_path}/q.db", space=search_spaces.load(file))


def test_own_text_gets_its_own_noise(run: Run, space: Space, folder: Path, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.mkdir()
    for number, document in enumerate(islice(corpus.iter_documents(), 12)):
        (text / f"{number}.txt").write_text(document)
    recipe = yaml.safe_load((folder / "tiny.yaml").read_text())
    learns = tmp_path / "learns.yaml"
    learns.write_text(yaml.safe_dump(recipe | {"vocab": 512, "sequence": 64, "batch": 4, "steps": 40}))
    storage = f"sqlite:///{tmp_path}/n.db"
    run(storage, trials=3, space=space.with_quality(corpus=str(text), fidelity=str(learns)))
    found = noise.find(Store(folder / "store"), learns, str(text))
    assert found is not None and found.seeds == 3 and found.standard_error > 0
    trials = studies.load(storage, "s").trials
    errors = {t.user_attrs["quality"]["standard_error"] for t in trials if "quality" in t.user_attrs}
    assert errors == {found.standard_error}


def test_what_ended_early_says_why(run: Run, searched: Searched, tmp_path: Path) -> None:
    storage, summary = searched
    assert summary["note"] is None
    assert "and the study has 10" in run(storage, trials=4, resume=True)["note"]
    assert "the space has no other model" in run(f"sqlite:///{tmp_path}/a.db", trials=50)["note"]


def test_a_line_is_cut_between_its_parts_only() -> None:
    text = "5/9 proposed, 5 trained, best 3.0433 bits/byte"
    assert fitted(text, 80) == text
    assert fitted(text, 40) == "5/9 proposed, 5 trained…"
    assert all(len(fitted(text, width)) <= width for width in range(14, 60))
