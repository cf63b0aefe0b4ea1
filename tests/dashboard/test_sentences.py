"""Sentences say what the table says."""

from dataclasses import replace

import made
import numpy as np
import pytest

from dashboard import consequences, words
from dashboard.columns import significant
from dashboard.designs import Designs
from dashboard.view import View


def test_the_verdict_names_the_knee_with_its_figures_and_what_is_left() -> None:
    designs = made.designs(300)
    row = designs.row(designs.knee)
    text = words.verdict(designs, View())
    assert text.startswith(f"Take #{designs.knee} (knee of the front")
    assert designs.columns["tpot_s"].text(designs.table["tpot_s"].iloc[row]) in text


def test_beyond_the_knee_the_verdict_takes_a_design_within_the_limits() -> None:
    designs = made.designs(300)
    row = designs.row(designs.knee)
    below = float(designs.table["usd_per_mtok"].iloc[row]) * 0.8
    view = View(limits={"usd_per_mtok": (None, below)})
    text = words.verdict(designs, view)
    assert text.startswith("Within your limits, take #")
    trial = int(text.split("#")[1].split(" ")[0])
    assert trial == designs.opened(view)
    assert designs.table["usd_per_mtok"].iloc[designs.row(trial)] <= below
    assert designs.front[designs.row(trial)]


def test_limits_that_leave_nothing_name_the_one_to_lift() -> None:
    designs = made.designs(300)
    view = View(limits={"tpot_s": (None, 1e-9), "bits_per_byte": (None, 9.0)})
    text = words.verdict(designs, view)
    assert text.startswith("No feasible design is within your limits")
    assert f"without the limit on TPOT there would be {int(designs.feasible.sum())}" in text


def test_an_infeasible_study_says_which_constraint_and_by_how_much() -> None:
    designs = made.designs(40)
    table = designs.table.assign(
        feasible=False, front=False, knee=False, **{"violation.hbm": 2.0**30, "violation.tpot_s": -1.0}
    )
    text = words.verdict(replace(designs, table=table), View())
    assert text == "No design of 40 is feasible: 40 break the HBM limit (nearest by 1.00 GiB)."


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [(0.01, 0.0082, "18% lower TPOT"), (0.01, 0.012, "20% higher TPOT"), (0.01, 0.05, "5.00 times the TPOT"),
     (0.01, 0.01, "equal TPOT")],
)  # fmt: skip
def test_differences_in_words(one: float, two: float, expected: str) -> None:
    designs = made.designs(40)
    values = designs.table["tpot_s"].to_numpy().copy()
    values[:2] = one, two
    designs = replace(designs, table=designs.table.assign(tpot_s=values))
    assert words.difference(designs, "tpot_s", 0, 1) == expected


def test_a_difference_of_losses_within_two_standard_errors_is_noise() -> None:
    designs = made.designs(40)
    values = designs.table["bits_per_byte"].to_numpy().copy()
    values[:3] = 2.2, 2.21, 2.3  # standard error 0.008 each, so of the difference 0.0113
    designs = replace(designs, table=designs.table.assign(bits_per_byte=values))
    assert words.difference(designs, "bits_per_byte", 0, 1) == "0.010 bits per byte worse, within the noise"
    assert words.difference(designs, "bits_per_byte", 2, 0) == "0.10 bits per byte better"


def test_a_change_counts_who_joins_and_who_leaves() -> None:
    before = made.designs(200)
    front = before.front.copy()
    gone, came = np.flatnonzero(front)[0], np.flatnonzero(~front)[0]
    front[[gone, came]] = False, True
    after = replace(before, table=before.table.assign(front=front))
    assert consequences.changed(before, after).startswith(
        "With this change 1 design joins the front and 1 leaves it"
    )


def test_a_change_of_price_says_where_the_cheapest_design_changes_its_tier() -> None:
    designs = made.designs(40)
    tiers, good = np.array(["dram", "hbm"] * 20), np.full(40, 2.2)

    def at(price: float) -> Designs:
        usd = np.where(tiers == "dram", 0.5 + 0.0125 * price, 1.0)  # equal at 40 USD/GB
        table = designs.table.assign(**{"serving.tables.tier": tiers, "bits_per_byte": good, "usd_per_mtok": usd,
                                        "feasible": True})  # fmt: skip
        return replace(designs, table=table)

    expected = "has tables in DRAM below 40 USD/GB, tables in HBM above 40 USD/GB."
    assert consequences.switch(at(20), at(100), View(change={"dram": 100.0}), 20).endswith(expected)
    assert consequences.switch(at(100), at(20), View(change={"dram": 20.0}), 100).endswith(expected)
    assert consequences.switch(at(20), at(30), View(change={"dram": 30.0}), 20) == ""
    assert consequences.switch(at(20), at(100), View(change={"context": 100.0}), 20) == ""


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1234567, "1,230,000"), (0.01234, "0.0123"), (9.996, "10.0"), (-3.14159, "-3.14"),
     (5e-9, "5.00e-09")],
)  # fmt: skip
def test_three_significant_digits(value: float, text: str) -> None:
    assert significant(value) == text
