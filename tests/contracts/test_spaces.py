"""What holds for every shipped space."""

from typing import Any

import numpy as np
import optuna
import pytest

import cost_models
import search_spaces
from codesign.proxy import fidelity
from codesign.search.distributions import distributions, random_value
from codesign.search.landscape import features
from cost_models.architecture import parameters
from cost_models.errors import InputError
from search_spaces.blocks import with_blocks

NAMES = search_spaces.names()


def _models(space: search_spaces.Space, count: int) -> list[tuple[dict[str, Any], cost_models.Model]]:
    generator = np.random.default_rng(0)
    found = []
    while len(found) < count:
        params = space.applicable({p.name: random_value(p, generator) for p in space.model_parameters})
        try:
            found.append((params, space.model(params)))
        except InputError:
            continue  # a combination without room for tables
    return found


@pytest.mark.parametrize("name", NAMES)
def test_most_random_values_make_a_model_at_the_budget(name: str) -> None:
    space = search_spaces.load(name)
    for params, model in _models(space, 12):
        own = {key.removeprefix("model."): value for key, value in params.items()}
        base = parameters(with_blocks(space.base, own))
        count = parameters(model)
        if "model.engram_share" in params:
            total = params.get("model.total_parameters", base.total)
            assert count.total == pytest.approx(total, rel=0.01)
            assert count.active_per_token == pytest.approx(base.active_per_token, rel=0.02)
        if "model.engram_rows" in params:
            assert count.total - count.tables == pytest.approx(base.total - base.tables, rel=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_hardware_is_enumerable_and_partly_feasible(name: str) -> None:
    space = search_spaces.load(name)
    _, model = _models(space, 1)[0]
    values, design = space.hardware(model)
    evaluation = cost_models.evaluate(design)
    assert 100 < len(evaluation) <= 1_000_000
    assert 0 < np.asarray(evaluation.feasible).mean() < 1
    for objective in space.objectives:
        if objective != "bits_per_byte":
            figures = np.asarray(cost_models.OBJECTIVES[objective].value(evaluation))
            assert (figures[np.asarray(evaluation.feasible)] > 0).all()
    assert set(values) <= {p.name for p in space.hardware_parameters}


@pytest.mark.parametrize("name", NAMES)
def test_every_value_is_one_that_optuna_can_store(name: str) -> None:
    space = search_spaces.load(name)
    params, model = _models(space, 1)[0]
    values, _ = space.hardware(model)
    generator = np.random.default_rng(1)
    for index in generator.integers(0, len(next(iter(values.values()))), 20):
        row = params | space.at(values, int(index))
        trial = optuna.create_trial(
            params=row, distributions=distributions(space, row), values=[0.0] * len(space.objectives)
        )
        assert trial.params == row
        assert space.applicable(row) == row


@pytest.mark.parametrize("name", NAMES)
def test_features_tell_models_apart(name: str) -> None:
    space = search_spaces.load(name)
    found: dict[tuple[float, ...], dict[str, Any]] = {}
    for params, _ in _models(space, 12):
        vector = features(space, params)
        assert np.isfinite(vector).all() and (vector >= 0).all() and (vector <= 1).all()
        assert found.setdefault(tuple(vector), params) == params


@pytest.mark.parametrize("name", NAMES)
def test_its_fidelity_exists(name: str) -> None:
    quality = search_spaces.load(name).quality
    assert quality is None or fidelity.load(quality.fidelity).name == quality.fidelity
