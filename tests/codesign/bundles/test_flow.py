"""Bundles of a space: enumerated, scored alone by real trainings, narrowed, and searched in groups."""

import xml.etree.ElementTree as ElementTree
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import optuna
import pytest
import yaml

import cost_models
import search_spaces
from codesign import results, search
from codesign.bundles.alone import Scored, alone
from codesign.bundles.features import SWITCHES, features
from codesign.bundles.narrowed import narrowed
from codesign.bundles.picture import picture
from codesign.bundles.structure import ENGRAM, bundle_of, bundles, label
from codesign.errors import InputError, StudyError
from codesign.proxy import fidelity
from codesign.search.group_pso import GroupSwarmSampler, step
from cost_models.design import GIB, Design, Host, System
from search_spaces import Space

SPACE = """
model:
  preset: moe-27b
  attention: {choices: [mha, mqa]}
  feed_forward: {choices: [dense, experts]}
  engram_rows: {choices: [0, 100000, 400000]}
  engram_layers: [1]
  engram_max_order: {choices: [2, 3], when: {model.engram_rows: {above: 0}}}
system: {accelerator: {choices: [h100-sxm, h200-sxm]}, accelerators: 1, host: {dram_gib: 256}}
serving: {concurrency: {choices: [1, 8, 32]}, tables: {tier: {choices: [hbm, dram]}}}
objectives: [tpot_s, usd_per_mtok]
"""


@pytest.fixture(scope="module")
def space() -> Space:
    return search_spaces.parse(SPACE, "s.yaml")


def test_bundles_are_every_structure_once(space: Space) -> None:
    found = bundles(space)
    assert len(found) == 2 * 2 * (1 + 2)
    assert all(bundle_of(space, params) == bundle for bundle, params in found.items())
    assert {params["model.engram_rows"] for params in found.values()} == {0, 400000}
    assert {label(bundle) for bundle in found} >= {
        "mqa, dense, no tables",
        "mha, experts, tables (max_order 3)",
    }


def test_a_size_does_not_make_another_bundle(space: Space) -> None:
    params = {"model.attention": "mha", "model.feed_forward": "experts", "model.engram_max_order": 2}
    small, large = (params | {"model.engram_rows": rows} for rows in (100000, 400000))
    assert bundle_of(space, small) == bundle_of(space, large)
    assert bundle_of(space, small) != bundle_of(space, params | {"model.engram_rows": 0})


@pytest.mark.slow
def test_each_is_trained_alone_and_the_beaten_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODESIGN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CODESIGN_STORE", str(tmp_path / "store"))
    tiny = replace(
        fidelity.load("demo"), vocab=512, hidden=32, layers=3, head_dim=8, sequence=64, batch=4, steps=12,
        validation_sequences=8, must_learn=-9.0,
    )  # fmt: skip
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(asdict(tiny)))
    words = "the fox jumps over lazy dogs and runs away from cats it meets".split()  # noqa: SIM905
    for number in range(6):
        (tmp_path / f"{number}.txt").write_text(
            " ".join(words[(i * i + number) % 17 % 13] for i in range(6000))
        )
    text = (
        SPACE.replace("[mha, mqa]", "[mha]")
        .replace("[2, 3]", "[2]")
        .replace("[tpot_s,", "[bits_per_byte, tpot_s,")
    )
    text += f"quality: {{fidelity: {tmp_path}/tiny.yaml, corpus: {tmp_path}}}\n"
    trained = search_spaces.parse(text, str(tmp_path / "s.yaml"))
    scored = alone(trained, cost_models.load_catalogue())
    assert len(scored) == 4
    assert all(0 < one.values["bits_per_byte"] < 9 for one in scored)
    assert len({one.values["bits_per_byte"] for one in scored}) == 4
    for one in scored:
        beaten = any(
            all(other.values[n] <= one.values[n] for n in one.values) and other.values != one.values
            for other in scored
        )
        assert one.kept is not beaten
    assert search_spaces.parse(narrowed(trained, scored), "n.yaml").quality == trained.quality


def test_a_space_that_trains_nothing_has_no_bundles_to_score(space: Space) -> None:
    with pytest.raises(InputError, match="the space needs `quality:`"):
        alone(space, cost_models.load_catalogue())


def test_the_narrowed_space_holds_the_kept_structures_only(space: Space) -> None:
    scored = [
        Scored(
            bundle,
            params,
            {"tpot_s": 1.0},
            kept=dict(bundle)["model.attention"] == "mqa" and dict(bundle)[ENGRAM],
        )
        for bundle, params in bundles(space).items()
    ]
    kept = search_spaces.parse(narrowed(space, scored), "n.yaml")
    assert {dict(bundle)["model.attention"] for bundle in bundles(kept)} == {"mqa"}
    assert {dict(bundle)[ENGRAM] for bundle in bundles(kept)} == {True}
    with pytest.raises(InputError, match="no bundle is feasible"):
        narrowed(space, [replace(one, kept=False) for one in scored])


def test_a_swarm_searches_and_no_particle_leaves_its_group(space: Space, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    search.run(space, "s", url, trials=30, sampler="group-pso", completions=0, progress=False)
    study = optuna.load_study(study_name="s", storage=url)
    groups: dict[int, set[object]] = {}
    for trial in study.trials:
        if "group_pso" in trial.system_attrs and trial.params:
            groups.setdefault(trial.system_attrs["group_pso"]["group"], set()).add(
                bundle_of(space, trial.params)
            )
    assert len(groups) == 12
    assert all(len(kinds) == 1 for kinds in groups.values())
    assert len({kind for kinds in groups.values() for kind in kinds}) == 12
    found = features("s", url)
    by_name = {row["feature"]: row for row in found["features"]}
    assert 0 < found["tried"] <= found["front"] == len(results.front(results.Reader("s", url).read()))
    assert by_name["KV cache in fp8"]["applies"] == found["tried"]
    assert all(row["pays"] <= row["feasible"] <= row["applies"] for row in found["features"])
    assert by_name["tables read when needed"]["pays"] == 0  # waiting for tables never pays
    with pytest.raises(StudyError):
        features("missing", url)


def test_a_particle_is_pulled_to_the_best_and_stays_inside() -> None:
    generator = np.random.default_rng(0)
    position, velocity = {"x": 0.0}, {"x": 0.0}
    best = leader = {"x": 0.7}
    places = []
    for _ in range(60):
        position, velocity = step(position, velocity, best, leader, generator)
        places.append(position["x"])
    assert all(0 <= x <= 1 for x in places)
    assert np.mean(places[-30:]) == pytest.approx(0.7, abs=0.1)


def test_the_same_seed_gives_the_same_swarm(space: Space) -> None:
    first, second = (GroupSwarmSampler(space, seed=3) for _ in range(2))
    studies = [optuna.create_study(sampler=sampler) for sampler in (first, second)]
    asked = []
    for study in studies:
        trial = study.ask()
        asked.append(study.sampler.sample_relative(study, trial._cached_frozen_trial, {}))
    assert asked[0] == asked[1]


def test_the_picture_shows_every_scored_bundle_and_marks_the_kept(space: Space) -> None:
    scored = [
        Scored(bundle, params, {"tpot_s": 0.01 + place, "usd_per_mtok": 3.0 - place / 9}, kept=place < 2)
        for place, (bundle, params) in enumerate(bundles(space).items())
    ]
    document = {"objectives": ["tpot_s", "usd_per_mtok"], "bundles": [one.document() for one in scored]}
    drawn = picture(document)
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert (drawn.count("<circle"), drawn.count('class="chosen"')) == (12, 2)


def test_what_the_host_computes_is_switched_only_where_there_is_something_to_move() -> None:
    switches = {switch.name: switch.apply for switch in SWITCHES}
    experts, attention = (switches[f"{what} on the host's processors"] for what in ("experts", "attention"))
    with_memory = System(host=Host(dram_bytes=64 * GIB))
    sparse = Design(cost_models.read_model("moe-27b"), with_memory)
    moved = experts(sparse)
    assert moved is not None and moved.serving.routed_experts_on == "host"
    assert experts(moved) is None
    assert attention(moved) == replace(moved, serving=replace(moved.serving, attention_on="host"))
    dense = replace(sparse, model=cost_models.read_model("dense-4b"))
    assert experts(dense) is None and attention(dense) is not None
    assert experts(replace(sparse, system=System())) is None
