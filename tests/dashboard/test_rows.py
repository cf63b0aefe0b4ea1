"""Rows of the table against pandas."""

import io

import made
import pandas as pd
import pytest

from dashboard import grid
from dashboard.view import View

DESIGNS = made.designs(500)
FREE = View()


def trials(request: dict[str, object], view: View = FREE) -> list[int]:
    """The trials of all rows in order."""
    return DESIGNS.trials[grid.ordered(DESIGNS, view, request)].tolist()


def test_the_front_stands_first_then_feasible_designs() -> None:
    table = DESIGNS.table.sort_values(["front", "feasible", "trial"], ascending=[False, False, True])
    assert trials({}) == table["trial"].tolist()


@pytest.mark.parametrize("way", ["asc", "desc"])
def test_sorting_by_a_number_and_by_a_name(way: str) -> None:
    sort = [{"colId": "serving.tables.tier", "sort": way}, {"colId": "tpot_s", "sort": way}]
    table = DESIGNS.table.sort_values(["serving.tables.tier", "tpot_s"], ascending=way == "asc")
    assert trials({"sortModel": sort}) == table["trial"].tolist()


@pytest.mark.parametrize(
    ("name", "rule", "expected"),
    [
        ("tpot_s", {"type": "lessThan", "filter": 10}, "tpot_s < 0.01"),
        ("tpot_s", {"type": "inRange", "filter": 10, "filterTo": 20}, "tpot_s >= 0.01 and tpot_s <= 0.02"),
        ("serving.tables.tier", {"type": "equals", "filter": "DRAM"}, "`serving.tables.tier` == 'dram'"),
        ("serving.tables.tier", {"type": "contains", "filter": "s"}, "`serving.tables.tier` == 'ssd'"),
        ("system.accelerators", {"operator": "OR", "conditions": [{"type": "equals", "filter": 1},
         {"type": "greaterThan", "filter": 7}]}, "`system.accelerators` in (1, 8)"),
    ],
)  # fmt: skip
def test_filters_are_in_the_units_shown(name: str, rule: dict[str, object], expected: str) -> None:
    assert sorted(trials({"filterModel": {name: rule}})) == sorted(DESIGNS.table.query(expected)["trial"])


def test_blocks_join_to_the_whole_and_limits_hold() -> None:
    view = View(limits={"tpot_s": (None, 0.02)})
    blocks = [grid.answer(DESIGNS, view, {"startRow": n, "endRow": n + 100}) for n in range(0, 500, 100)]
    rows = [row["trial"] for block in blocks for row in block["rowData"]]
    assert rows == trials({}, view)
    assert blocks[0]["rowCount"] == len(rows) == int((DESIGNS.table["tpot_s"] <= 0.02).sum())


def test_the_csv_holds_the_designs_within_the_limits_in_si() -> None:
    view = View(limits={"tpot_s": (None, 0.02)})
    table = pd.read_csv(io.StringIO(grid.csv(DESIGNS, view)))
    assert table["tpot_s"].to_numpy() == pytest.approx(
        DESIGNS.table.query("tpot_s <= 0.02")["tpot_s"].to_numpy()
    )


@pytest.mark.parametrize("end", ["low", "high"])
def test_a_design_at_the_very_limit_is_kept_by_limit_heading_and_link_alike(end: str) -> None:
    for own in DESIGNS.table["tpot_s"].iloc[:50]:
        asked = View().limit("tpot_s", *((own, None) if end == "low" else (None, own)))
        linked = View.parse(asked.query())
        heading = grid.filters(DESIGNS, linked, {})
        kept = sorted(DESIGNS.trials[DESIGNS.kept(linked)].tolist())
        assert (
            sorted(trials({"filterModel": heading}))
            == kept
            == sorted(trials({"filterModel": heading}, linked))
        )
        assert own in DESIGNS.table["tpot_s"][DESIGNS.kept(linked)].to_numpy()
