"""Studies at the edge: nothing yet, one design, nothing feasible, one objective. Every part of the page is made."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import made
import numpy as np
import pytest

from dashboard import controls, details, drawings, grid, layout, phase, report, words
from dashboard.columns import describe
from dashboard.designs import Designs
from dashboard.desk import Desk
from dashboard.figures import flip, insight, parallel
from dashboard.view import View


def few(count: int) -> Designs:
    return made.designs(max(1, count)) if count else replace(made.designs(5), table=made.table(5).iloc[:0])


def infeasible() -> Designs:
    designs = made.designs(40)
    table = designs.table.assign(feasible=False, front=False, knee=False)
    table["violation.hbm"] = np.abs(table["violation.hbm"])
    return replace(designs, table=table)


def one_objective() -> Designs:
    designs = made.designs(60)
    best = designs.table["bits_per_byte"].where(designs.feasible).idxmin()
    table = designs.table.assign(front=False, knee=False)
    table.loc[best, ["front", "knee"]] = True
    columns = {name: column if name == "bits_per_byte" else replace(column, role="figure")
               if column.role == "objective" else column for name, column in designs.columns.items()}  # fmt: skip
    return replace(designs, table=table, columns=columns, objectives=("bits_per_byte",))


CASES: dict[str, tuple[Callable[[], Designs], str]] = {
    "none": (lambda: few(0), "No trial has finished yet"),
    "one": (lambda: few(1), "Take #0"),
    "infeasible": (infeasible, "No design of 40 is feasible: 40 break the HBM limit"),
    "one objective": (one_objective, "Take #"),
}


def test_thirty_objectives_leave_a_page_that_can_be_read() -> None:
    designs = made.designs(60)
    goals = {f"goal_{n}_s": designs.table["tpot_s"] * (n + 1) for n in range(26)}
    table = designs.table.assign(**goals)
    columns = designs.columns | {name: describe(name, table[name], "objective") for name in goals}
    many = replace(designs, table=table, columns=columns, objectives=(*designs.objectives, *goals))
    assert len(controls.choices(many, View())) <= 2 + controls.MOST_FIRST
    assert len(parallel.dimensions(many)) == parallel.MOST_AXES
    assert "goal 9" not in words.verdict(many, View())
    assert any("takes too long" in card.reading for card in insight.cards(many, View()))  # and not a hang


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("page", ["trade-off", "flip", "insight"])
def test_every_part_of_the_page_is_made(case: str, page: str) -> None:
    make, said = CASES[case]
    source = made.MadeSource(5)
    source.value = make()
    desk = Desk(source)
    view = desk.complete(View(page=page, limits={"tpot_s": (None, 0.5)}))
    designs = desk.designs(view)
    content: dict[str, Any] = {
        **drawings.sentences(desk, designs, view),
        **drawings.panels(desk, designs, view, {"details", "comparison", "saved"}),
    }
    assert said in str(content["verdict"]) or "Within your limits" in str(content["verdict"])
    shown = layout.page(designs, view, source.catalogue(view), drawings.figure(desk, designs, view), content,
                        drawings.tokens(designs, view, {}), controls.limited(designs),
                        drawings.near(desk, designs, view))  # fmt: skip
    assert "Traceback" not in str(shown)
    assert parallel.draw(designs, view)["layout"]
    assert set(drawings.reasons(desk, designs, view)[1]) == set(details.FURTHER)
    assert all(card.reading for card in insight.cards(designs, view))
    phases = phase.named(phase.Screening(view, source.fields(), source.field).go_on(), designs, view.flip_of)
    assert flip.draw(phases, view, phase.history())["layout"] and phase.reading(phases, designs, view)
    assert grid.answer(designs, view, {"startRow": 0, "endRow": 9})["rowCount"] == int(
        designs.kept(view).sum()
    )
    assert "</html>" in report.page(designs, view)
    assert controls.values(designs, view, source.catalogue(view), controls.limited(designs))
