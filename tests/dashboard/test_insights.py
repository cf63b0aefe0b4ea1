"""What the insight cards claim."""

from collections.abc import Callable
from dataclasses import replace

import made
import numpy as np
import pytest

from dashboard.figures import insight, trained
from dashboard.view import View


def test_the_interval_of_the_best_share_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    x = np.repeat([0.0, 0.1, 0.2, 0.3, 0.45], 6)
    hits = 0
    for _ in range(400):
        curve = trained.parabola(x, 2.2 + 0.6 * (x - 0.25) ** 2 + rng.normal(0, 0.01, len(x)))
        assert curve is not None
        lowest = curve.lowest()
        hits += lowest is not None and abs(lowest[0] - 0.25) <= 1.96 * lowest[1]
    assert 0.90 <= hits / 400 <= 0.99


def test_the_best_share_is_said_of_these_proxies_beside_what_was_published() -> None:
    rng = np.random.default_rng(3)

    def said(loss: Callable[[np.ndarray], np.ndarray]) -> str:
        designs = made.designs(200)
        x = designs.table["model.engram_share"].to_numpy(float)
        table = designs.table.assign(bits_per_byte=loss(x) + rng.normal(0, 0.002, len(x)))
        return trained.share(replace(designs, table=table), View(), np.arange(200)).reading

    assert "do not reproduce it" in said(lambda x: 2.2 + (x - 0.38) ** 2)
    agreed = said(lambda x: 2.2 + (x - 0.23) ** 2)
    assert (
        agreed.startswith("Among these 200 proxies") and "(95 %: 0.2" in agreed and "reproduce" not in agreed
    )
    assert "no share is clearly better" in said(lambda x: 2.2 - 1e-9 * x)
    assert "the largest share tried is best" in said(lambda x: 2.2 - 0.1 * x)


def test_the_front_grows_with_trainings_not_with_the_designs_that_complete_them() -> None:
    designs = made.designs(300)
    table = designs.table.assign(
        completes=np.where(designs.trials % 3, designs.trials - designs.trials % 3, np.nan)
    )
    card = insight.progress(replace(designs, table=table), View())
    trainings = len(set((designs.trials[designs.feasible] // 3).tolist()))
    assert f"of the {trainings} trainings" in card.reading
    assert card.figure["data"][0]["x"][-1] == trainings and card.figure["data"][0]["y"][-1] == 100


def test_a_hill_has_no_lowest_point_and_few_points_no_curve() -> None:
    x = np.linspace(0, 1, 9)
    hill = trained.parabola(x, -((x - 0.5) ** 2))
    assert hill is not None and hill.lowest() is None
    assert trained.parabola(x[:4], x[:4]) is None


def test_a_parameter_that_decides_alone_explains_everything_and_noise_little() -> None:
    designs = made.designs(600)
    rng = np.random.default_rng(1)
    table = designs.table.assign(**{"tpot_s": np.where(designs.table["serving.tables.tier"] == "ssd", 2.0, 1.0),
                                    "model.engram_layers": rng.choice(["1", "1,8"], len(designs))})  # fmt: skip
    changed = made.Designs("made", table, designs.columns, designs.objectives)
    rows = np.arange(len(table))
    assert insight.explained(changed, rows, "serving.tables.tier", "tpot_s") == pytest.approx(1.0)
    assert insight.explained(changed, rows, "model.engram_layers", "tpot_s") < 0.05


def test_every_card_has_a_reading_and_a_figure() -> None:
    for designs in (made.designs(300), made.designs(3)):
        for card in insight.cards(designs, View()):
            assert card.reading.endswith(".")
            assert card.figure["data"] or card.figure["layout"]["annotations"]
