"""The report of a selection: what is in it, and that names stay text."""

from dataclasses import replace
from html.parser import HTMLParser

import made

from dashboard import report
from dashboard.view import View

VIEW = View(x="usd_per_mtok", y="tpot_s", log=("x",), limits={"tpot_s": (None, 0.02)}, picks=(1, 3),
            change={"dram": 40.0}, only={"serving.tables.tier": ("dram", "hbm")})  # fmt: skip


def test_it_holds_the_front_that_is_left_and_nothing_else() -> None:
    designs = made.designs(300)
    page = report.page(designs, VIEW)
    left = designs.trials[designs.kept(VIEW) & designs.feasible & designs.front]
    assert 0 < len(left) < designs.front.sum()
    rows = page.split("<tbody>")[1].count("<tr")
    assert rows == len(left) and all(f"<td>#{trial}" in page for trial in left)
    for said in ("at most 20.0 ms", "tier: dram, hbm", "DRAM price 40 USD/GB", "#3 against #1"):
        assert said in page, said


def test_it_is_one_file_and_names_stay_text() -> None:
    named = replace(made.designs(100), study="<script>alert(1)</script>")
    page = report.page(named, VIEW)
    tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            assert not any(name in ("src", "href") for name, _ in attrs)

    Reader().feed(page)
    assert "script" not in tags and "circle" in tags and "table" in tags
