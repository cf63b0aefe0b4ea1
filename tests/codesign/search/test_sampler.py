"""The default sampler: what it expects to gain, what it proposes, and when it has nothing left."""

import numpy as np
import optuna
import pytest

import cost_models
from codesign.front import hypervolume
from codesign.search.landscape import Landscape, covering
from codesign.search.sampler import CompletionSampler
from codesign.search.trials import Observation
from search_spaces import Space


@pytest.fixture(scope="module")
def sampler(space: Space) -> CompletionSampler:
    return CompletionSampler(space, cost_models.load_catalogue(), seed=0, startup=3)


def _observation(
    sampler: CompletionSampler, share: float, loss: float | None, layers: str = "1"
) -> Observation:
    params = {"model.engram_share": share, "model.engram_layers": layers, "model.engram_heads": 8}
    made = sampler.landscape.candidate(params)
    assert made is not None
    return Observation(params, made.key, loss, 0.01)


def test_the_gain_is_that_in_hypervolume(sampler: CompletionSampler) -> None:
    """Of losses so many deviations above their means, against exact hypervolumes over the same box."""
    landscape = sampler.landscape
    seen = [
        _observation(sampler, 0.15, 2.31),
        _observation(sampler, 0.3, 2.30),
        _observation(sampler, 0.45, 2.33),
    ]
    sampler._losses.fit([sampler._trainings(seen, 0)])
    candidate = landscape.candidate(
        {"model.engram_share": 0.3, "model.engram_layers": "1,14", "model.engram_heads": 4}
    )
    assert candidate is not None
    known = [sampler._candidate_of(o) for o in seen]
    losses, _ = sampler._predict(np.array([c.features for c in known]))
    mean, deviation = sampler._predict(candidate.features[None])
    reference = 2.33 + 0.1 * 0.03

    def volume(members: list[tuple[float, np.ndarray]]) -> float:
        """Share of the box dominated, times loss: each point of the box has its own column of losses."""
        best = np.full(len(landscape.points), reference)
        for loss, covers in members:
            best = np.where(covers, np.minimum(best, loss), best)
        return float((reference - best).mean())

    before = [(loss, c.covers) for loss, c in zip(losses, known, strict=True)]
    for draw in (-2.0, 0.0, 0.5):
        loss = mean[0] + draw * deviation[0]
        gain = volume([*before, (loss, candidate.covers)]) - volume(before)
        assert sampler.gain([candidate], seen, draw)[0] == pytest.approx(gain, abs=1e-12)
    assert sampler.gain([candidate], seen, -2.0)[0] > 0


def test_covered_share_of_the_box_is_its_hypervolume(space: Space) -> None:
    landscape = Landscape(space, cost_models.load_catalogue())
    low, high = landscape.points.min(axis=0), landscape.points.max(axis=0)
    front = np.stack([low + 0.3 * (high - low), low + [0.1, 0.6, 0.5] * (high - low)])
    exact = hypervolume((front - low) / (high - low), np.ones(3))
    assert covering(front, landscape.points).mean() == pytest.approx(exact, abs=0.02)


def test_better_losses_are_proposed_once_it_has_learned(sampler: CompletionSampler) -> None:
    seen = [
        _observation(sampler, share, 2.3 - 0.2 * share, layers)
        for share in (0.15, 0.3)
        for layers in ("1", "1,14")
    ]
    chosen = sampler.propose(seen)
    assert chosen is not None
    assert chosen[0].params["model.engram_share"] == 0.45
    assert chosen[0].key not in {o.key for o in seen}


def test_a_model_in_training_is_not_proposed_again(sampler: CompletionSampler) -> None:
    seen = [_observation(sampler, s, 2.3 - 0.2 * s) for s in (0.15, 0.3, 0.45)]
    first = sampler.propose(seen)
    assert first is not None
    second = sampler.propose([*seen, Observation(first[0].params, first[0].key)])
    assert second is not None and second[0].key != first[0].key


def test_the_same_seed_proposes_the_same(space: Space) -> None:
    catalogue = cost_models.load_catalogue()
    one, two = (CompletionSampler(space, catalogue, seed=5).propose([]) for _ in range(2))
    assert one is not None and two is not None and one[0].params == two[0].params


def test_every_model_is_proposed_once_then_none(space: Space) -> None:
    sampler = CompletionSampler(space, cost_models.load_catalogue(), seed=1, startup=3)
    seen: list[Observation] = []
    while (chosen := sampler.propose(seen)) is not None and len(seen) < 30:
        seen.append(Observation(chosen[0].params, chosen[0].key, 2.3, 0.01))
    # share 0 is one model whatever the rest; the other three shares x 2 sets of layers x 2 numbers of heads
    assert len(seen) == len({o.key for o in seen}) == 13


def test_it_drives_an_ordinary_study(space: Space) -> None:
    study = optuna.create_study(
        directions=["minimize"] * 4, sampler=CompletionSampler(space, cost_models.load_catalogue(), seed=0)
    )
    trial = study.ask()
    from codesign.search.distributions import suggest

    params = suggest(trial, space)
    design = space.design(params)
    evaluation = cost_models.evaluate(design)
    assert evaluation.feasible


def test_it_gives_short_trainings_first_and_long_ones_to_what_is_worth_it(space: Space) -> None:
    """Two fidelities that agree: the best model is trained at length, and most of the others are not."""
    both = space.with_quality(shorter=("short.yaml",))
    sampler = CompletionSampler(both, cost_models.load_catalogue(), seed=0, startup=5)
    seen: list[Observation] = []

    def loss(params: dict[str, object]) -> float:
        return 2.3 - 0.2 * float(str(params["model.engram_share"]))

    for _ in range(12):
        chosen = sampler.propose(seen)
        assert chosen is not None
        made, fidelity = chosen
        assert (made.key, fidelity) not in {(o.key, o.fidelity) for o in seen}
        offset, seconds = ((0.4, 1.0), (0.0, 10.0))[fidelity]
        seen.append(
            Observation(
                made.params, made.key, loss(made.params) + offset, 0.002, fidelity=fidelity, seconds=seconds
            )
        )
    assert [o.fidelity for o in seen[:5]] == [0] * 5
    long = [o for o in seen if o.fidelity == 1]
    assert {o.key for o in long[:4]} == {o.key for o in seen[:4]}
    # share 0.45 is best by far, and one of its models was trained at length without all 13 being so
    assert any(o.params["model.engram_share"] == 0.45 for o in long)
    mean, _ = sampler._predict(np.array([sampler._candidate_of(o).features for o in seen]))
    assert mean == pytest.approx([loss(o.params) for o in seen], abs=0.02)


def test_a_model_refused_at_length_is_left_alone(space: Space) -> None:
    both = space.with_quality(shorter=("short.yaml",))
    sampler = CompletionSampler(both, cost_models.load_catalogue(), seed=0, startup=3)
    seen: list[Observation] = []
    for _ in range(10):
        chosen = sampler.propose(seen)
        assert chosen is not None
        made, fidelity = chosen
        assert made.key not in {o.key for o in seen if o.refused}
        no_proxy = fidelity == 1 and made.params["model.engram_layers"] == "1"
        loss = None if no_proxy else 2.3
        seen.append(Observation(made.params, made.key, loss, 0.01, refused=no_proxy, fidelity=fidelity))
    assert any(o.refused for o in seen)
