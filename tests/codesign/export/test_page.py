"""report.html: complete, self-contained, and safe whatever a name holds."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

import cost_models
from codesign.export.alternatives import nearest
from codesign.export.charts import Part, Point, Swing, scatter, share_bars, tornado, unbeaten
from codesign.export.expected import doubt, expected_errors
from codesign.export.files import files
from codesign.export.sensitivity import load, prices
from codesign.export.specification import Specification
from cost_models.design import Design, Host, Limits, Serving, System, TablePlacement

VOID = {"meta"}


@pytest.fixture(scope="module")
def specification() -> Specification:
    design = Design(
        cost_models.read_model("engram-27b"),
        System("h100-sxm", 8, host=Host(dram_bytes=2.0**41)),
        Serving(tensor_parallel=4, tables=TablePlacement("dram")),
    )
    quality = {"bits_per_byte": 1.91, "standard_error": 0.007, "fidelity": "demo"}
    specification = Specification(design, quality, origin="trial 3 of study s", trial=3)
    document = specification.document()
    own = {"bits_per_byte": 1.91, "usd_per_mtok": document["cost"]["usd_per_mtok"]}
    cheaper = {"bits_per_byte": 1.92, "usd_per_mtok": 0.9 * own["usd_per_mtok"]}
    dearer = {"bits_per_byte": 1.80, "usd_per_mtok": 3 * own["usd_per_mtok"]}
    front = [
        {
            "trial": trial,
            "params": {"serving.tensor_parallel": trial},
            "objectives": objectives,
            "constraints": {},
            "knee": trial == 3,
        }
        for trial, objectives in ((3, own), (5, cheaper), (8, dearer))
    ]
    return replace(specification, front=front)


@pytest.fixture(scope="module")
def page(specification: Specification) -> str:
    return files(specification)["report.html"]


class Balance(HTMLParser):
    """Fails where a tag is closed that is not the last one opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass  # <line .../> of an SVG

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, (tag, self.getpos())


def test_it_is_one_well_formed_page_without_a_network(page: str) -> None:
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    assert len(page) < 5_000_000
    assert not re.findall(r"<(?:script|link|img|iframe)\b|\bsrc=|@import|url\(", page)


def test_it_says_everything_that_a_board_asks(page: str) -> None:
    for title in (
        "The choice", "The front, and where this design stands", "The nearest alternatives", "Where the time goes",
        "Where the memory goes", "Where the energy goes", "Where the money goes", "If prices or load are other",
        "How far the figures can be trusted", "Sources",
    ):  # fmt: skip
        assert f"<h2>{title}" in page
    assert "1.910 &plusmn; 0.007" in page
    assert "Trial 5: 10 % better cost per million output tokens" in page
    assert "bits per byte +0.0100" in page
    assert "It has tensor parallel 5 (here 3)." in page
    assert 'class="front"' in page


def test_a_served_time_is_no_surer_than_its_measurements(page: str, specification: Specification) -> None:
    served = next(row for row in expected_errors() if row.quantity == "latency.tpot_s")
    assert doubt(0.01, "latency.tpot_s") == served.median > 0.01
    assert doubt(0.9, "latency.tpot_s") == 0.9
    assert doubt(None, "capex") is None
    tile = page.partition("<span>time per output token")[0].rpartition('class="tile"')[2]
    stated = specification.document()["latency"]["served_error"]  # no engine is named
    assert f"&plusmn; {100 * max(served.median, stated):.0f} %" in tile


def test_a_finished_model_has_no_front(specification: Specification) -> None:
    page = files(replace(specification, front=[], trial=None, quality=None))["report.html"]
    assert "<h2>The front" not in page
    assert "No quality was measured" in page


def test_a_broken_limit_is_the_first_thing_said(specification: Specification) -> None:
    design = replace(specification.design, limits=Limits(tpot_s=1e-4))
    page = files(replace(specification, design=design))["report.html"]
    assert re.search(r'class="verdict"><p>Not feasible: breaks tpot_s by \d', page)


def test_text_from_outside_is_escaped(specification: Specification) -> None:
    model = replace(specification.design.model, name="<script>alert(1)</script>")
    page = files(replace(specification, design=replace(specification.design, model=model), origin="<b>x"))
    assert "<script" not in page["report.html"]
    assert "&lt;b&gt;x" in page["report.html"]


def test_prices_move_the_cost_the_right_way(specification: Specification) -> None:
    swings = {swing.label.split(",")[0]: swing for swing in prices(specification)}
    for name in ("DRAM price", "Accelerator price", "Electricity price", "Cost of capital"):
        assert swings[name].low < 0 < swings[name].high
    assert swings["Hours in use"].low > 0 > swings["Hours in use"].high


def test_more_load_is_slower_for_one_and_cheaper_for_all(specification: Specification) -> None:
    rows = load(specification)
    assert [row["concurrency"] for row in rows] == [2, 4, 8, 16, 32]
    assert [row["tpot_s"] for row in rows] == sorted(row["tpot_s"] for row in rows)
    assert rows[-1]["usd_per_mtok"] < rows[0]["usd_per_mtok"]


def test_expected_errors_are_those_of_held_out_cases() -> None:
    rows = {row.quantity: row for row in expected_errors()}
    assert rows["latency.decode_step_s"].cases >= 20
    assert rows["latency.decode_step_s"].label == "time of a decode step"
    assert rows["latency.decode_step_s"].names == ()
    assert len(rows["energy.peak_w"].names) == rows["energy.peak_w"].cases
    assert 0 < rows["latency.decode_step_s"].mean <= rows["latency.decode_step_s"].worst < 1


def test_alternatives_are_designs_that_gain_something() -> None:
    base = {"bits_per_byte": 2.0, "usd_per_mtok": 4.0}
    front = [
        {"trial": 1, "objectives": base},
        {"trial": 2, "objectives": {"bits_per_byte": 2.01, "usd_per_mtok": 3.0}},
        {"trial": 3, "objectives": {"bits_per_byte": 1.99, "usd_per_mtok": 4.0}},  # gains less than 2 %
        {"trial": 4, "objectives": {"bits_per_byte": 1.5, "usd_per_mtok": 4.0}},
    ]
    found = dict(nearest(base, 1, front))
    assert set(found) == {2, 4}
    assert "25 % better cost" in found[2] and "at bits per byte +0.0100" in found[2]
    assert found[4].endswith("at no loss")


def test_the_line_joins_what_nothing_beats() -> None:
    points = [
        Point(1, 5, "a"),
        Point(2, 5, "worse x"),
        Point(2, 3, "b"),
        Point(3, 4, "beaten"),
        Point(1, 6, ""),
    ]
    assert [point.label for point in unbeaten(points, (-1, -1))] == ["a", "b"]
    assert [point.label for point in unbeaten(points, (1, -1))] == ["beaten", "b"]


def test_figures_draw_what_they_are_given() -> None:
    drawing = scatter([Point(1, 1, "a"), Point(1000, 2, "b & c", chosen=True)], "x", "y")
    assert drawing.count("<circle") == 2
    assert "b &amp; c" in drawing
    assert drawing.count('class="chosen"') == 1
    assert scatter([Point(float("nan"), 1, "a")], "x", "y").startswith("<p>No design")
    assert "75.0 %" in share_bars([Part("most", 3, "3 s"), Part("none", 0, "0 s"), Part("rest", 1, "1 s")])
    assert "none" not in share_bars([Part("most", 3, "3 s"), Part("none", 0, "0 s")])
    assert tornado([Swing("a", -0.5, 0.25)]).count("left:0.00%;width:75.00%") == 1


def test_a_quality_of_published_laws_says_so(specification: Specification, page: str) -> None:
    belief = {"prior_weight": 0.75, "proxy_weight": 0.25, "statements": ["share 0.24: arXiv 2601.07372"]}
    told = files(replace(specification, belief=belief))["report.html"]
    assert "rests to 75 % on published laws and to 25 % on the training" in told
    assert "share 0.24: arXiv 2601.07372" in told and "published laws" not in page
