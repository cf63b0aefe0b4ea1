"""Click through the page as a user does."""

import contextlib
import io
import re
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import small_study


def opened(page: Any, address: str, query: str = "") -> Any:
    """The page after its first figures are drawn."""
    page.goto(f"{address}/?{query}")
    page.wait_for_selector("#front .main-svg", state="attached")
    page.wait_for_function("document.querySelector('#verdict').textContent.length > 20")
    page.wait_for_function("document.querySelector('#details h2') !== null")
    page.wait_for_selector("#table .ag-row")
    return page


def asked(page: Any) -> dict[str, str]:
    """What the address says."""
    return {key: values[0] for key, values in parse_qs(urlsplit(page.url).query).items()}


def until(page: Any, key: str, value: str | None = None) -> str:
    """Wait until the address says something of a key; what it says."""
    name = re.escape(key) + "=" + (re.escape(value) if value else "")
    page.wait_for_function(f"/[?&]{name}/.test(decodeURIComponent(location.search))")
    return asked(page)[key]


def test_first_look(page: Any, address: str, picture: Callable[[Any, str], None]) -> None:
    opened(page, address)
    assert page.locator("html").get_attribute("lang") == "en"
    assert re.match(r"Take #\d+ \(knee of the front", page.locator("#verdict").inner_text())
    assert "designs" in page.locator("#counts").inner_text()
    page.wait_for_selector("#details-card >> text=Memory map")
    page.wait_for_selector("#parallel .main-svg", state="attached")
    picture(page, "first-look-1280")


def test_choose_axes_colour_and_logarithms(page: Any, address: str) -> None:
    opened(page, address)
    choose(page, "axis-x", "cost")
    assert until(page, "x", "usd_per_mtok")
    page.wait_for_function(
        "document.querySelector('#front .js-plotly-plot').layout.xaxis.title.text.startsWith('cost')"
    )
    page.get_by_label("log x").check()
    page.wait_for_function("document.querySelector('#front .js-plotly-plot').layout.xaxis.type === 'log'")
    choose(page, "axis-z", "energy")
    page.wait_for_function(
        "document.querySelector('#front .js-plotly-plot').data.some(t => t.type === 'scatter3d')"
    )


def choose(page: Any, dropdown: str, label: str) -> None:
    """Take an entry of a dropdown."""
    page.locator(f"#{dropdown}").click()
    page.locator(".dash-dropdown-content").get_by_text(label, exact=True).click()


def points(page: Any) -> Any:
    """Trials of all points with where they are on the screen: {trial: [x, y]}."""
    return page.evaluate(
        """() => {
        const gd = document.querySelector('#front .js-plotly-plot'), box = gd.getBoundingClientRect(), found = {};
        const {xaxis, yaxis} = gd._fullLayout;
        gd._fullData.forEach(t => { if (t.customdata && t.visible === true) t.customdata.forEach((trial, n) => {
            found[trial] = [box.left + xaxis._offset + xaxis.d2p(t.x[n]), box.top + yaxis._offset + yaxis.d2p(t.y[n])];
        })});
        return found; }"""
    )


def test_click_a_point_to_see_why(page: Any, address: str, picture: Callable[[Any, str], None]) -> None:
    opened(page, address, "x=usd_per_mtok&y=tpot_s&log=x,y")
    page.wait_for_function("document.querySelector('#front .js-plotly-plot').layout.xaxis.type === 'log'")
    at = points(page)
    trial, place = max(at.items(), key=lambda item: item[1][0])
    page.mouse.move(place[0] - 30, place[1] - 30)
    page.mouse.move(*place, steps=4)
    page.wait_for_selector("#front .hoverlayer .hovertext")  # a click is on what the mouse is over
    page.mouse.down()
    page.mouse.up()
    clicked = until(page, "trial")
    page.wait_for_selector(f"#details h2:has-text('Design #{clicked}')")
    for place_of, title in (
        ("#details-card", "Memory map"), ("#details-card", "A decode step"),
        ("#reasons", "Where the money goes"), ("#reasons", "Roofline"),
    ):  # fmt: skip
        page.locator(f"{place_of} h3", has_text=title).wait_for()
    assert abs(at[clicked][0] - place[0]) < 12 or clicked == trial
    picture(page, "details-1280")


def test_a_brush_moves_sliders_table_and_counts_and_double_click_lifts_it(page: Any, address: str) -> None:
    opened(page, address, "x=usd_per_mtok&y=tpot_s&log=x,y")
    before = page.locator("#left-over").inner_text()
    box = page.locator("#front .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.5, steps=5)
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] - 5, steps=5)
    page.mouse.up()
    highest = float(until(page, "max.usd_per_mtok"))
    page.wait_for_function(f"document.querySelector('#left-over').textContent !== {before!r}")
    assert page.locator("#verdict").inner_text().startswith("Within your limits, take #")
    page.wait_for_function(
        "[...document.querySelectorAll('.limit')].some("
        "l => l.textContent.startsWith('cost') && [...l.querySelectorAll('input')].some(i => i.value))"
    )
    page.wait_for_timeout(500)
    costs = page.locator("#table .ag-center-cols-container [col-id='usd_per_mtok']").all_inner_texts()
    assert costs and all(float(cost.replace(",", "")) <= highest * 1.01 for cost in costs)
    page.mouse.dblclick(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.1)
    page.wait_for_function(f"document.querySelector('#left-over').textContent === {before!r}")
    page.wait_for_function("!location.search.includes('max.usd_per_mtok')")


def test_sliders_work_by_keyboard(page: Any, address: str) -> None:
    opened(page, address)
    handle = page.locator("[aria-label='Limit TPOT'] [role=slider]").last
    handle.focus()
    for _ in range(20):
        page.keyboard.press("PageDown")
    until(page, "max.tpot_s")
    page.wait_for_function(
        "document.querySelector('[aria-label=\\'Limit TPOT\\'] .entry > :last-child input').value"
    )


def test_what_if_redraws_with_a_ghost_and_says_what_changed(
    page: Any, address: str, picture: Callable[[Any, str], None]
) -> None:
    opened(page, address, "x=usd_per_mtok&y=tpot_s")
    page.locator("[aria-label='DRAM price'] [role=slider]").focus()
    for _ in range(8):
        page.keyboard.press("PageUp")
    assert float(until(page, "if.dram")) > 22
    page.wait_for_function("document.querySelector('#changed').textContent.startsWith('With this change')")
    page.wait_for_function(
        "document.querySelector('#front .js-plotly-plot').data.some(t => t.name === 'before the change')"
    )
    picture(page, "what-if-1280")
    page.locator("#reset").click()
    page.wait_for_function("document.querySelector('#changed').textContent === ''")
    page.wait_for_function("!location.search.includes('if.dram')")


def test_compare_two_designs_in_words(page: Any, address: str, picture: Callable[[Any, str], None]) -> None:
    opened(page, address)
    cells = page.locator("#table [col-id=pick].ag-cell")
    cells.nth(0).click()
    page.wait_for_selector("#comparison >> text=Pick another one")
    cells.nth(1).click()
    page.wait_for_selector("#comparison >> text=B against A:")
    assert len(until(page, "pick").split(",")) == 2
    picture(page, "compare-1280")
    page.locator("#comparison button[aria-label^=Drop]").first.click()
    page.wait_for_selector("#comparison >> text=Pick another one")


def test_a_filter_of_the_table_is_a_limit_everywhere_and_back(page: Any, address: str) -> None:
    opened(page, address, "x=usd_per_mtok&y=tpot_s&log=x,y")
    before = page.locator("#left-over").inner_text()
    costs = "#table .ag-center-cols-container [col-id='usd_per_mtok']"
    middle = sorted(float(text.replace(",", "")) for text in page.locator(costs).all_inner_texts())[3]
    model = f"{{usd_per_mtok: {{filterType: 'number', type: 'lessThanOrEqual', filter: {middle}}}}}"
    page.evaluate(f"dash_ag_grid.getApi('table').setFilterModel({model})")
    assert float(until(page, "max.usd_per_mtok")) == pytest.approx(middle)
    page.wait_for_function(f"document.querySelector('#left-over').textContent !== {before!r}")
    page.wait_for_function(
        "document.querySelector('#parallel .js-plotly-plot').data[0].dimensions.some(d => d.constraintrange)"
    )
    page.wait_for_function(
        "document.querySelector('#front .js-plotly-plot').data.some(t => t.name === 'outside your limits')"
    )
    # and back: a limit of the sliders stands in the table's headings, until it is lifted
    handle = page.locator("[aria-label='Limit TPOT'] [role=slider]").last
    handle.focus()
    page.keyboard.press("PageDown")
    page.wait_for_function("'tpot_s' in dash_ag_grid.getApi('table').getFilterModel()")
    page.locator("#reset").click()
    page.wait_for_function("Object.keys(dash_ag_grid.getApi('table').getFilterModel()).length === 0")
    page.wait_for_function(f"document.querySelector('#left-over').textContent === {before!r}")


def test_a_point_of_the_3d_view_opens_its_design(page: Any, address: str) -> None:
    opened(page, address, "x=usd_per_mtok&y=tpot_s&z=j_per_token")
    graph = "document.querySelector('#front .js-plotly-plot')"
    page.wait_for_function(f"{graph}.data.some(t => t.type === 'scatter3d' && t.customdata)")
    # where a point lies on the screen is the graphics card's business: the event is Plotly's own
    trial = page.evaluate(
        f"""() => {{ const gd = {graph}, n = gd.data.findIndex(t => t.type === 'scatter3d' && t.customdata),
        trial = gd.data[n].customdata[0];
        gd.emit('plotly_click', {{points: [{{data: gd.data[n], fullData: gd._fullData[n], curveNumber: n,
            pointNumber: 0, customdata: trial, x: 0, y: 0, z: 0}}]}}); return trial; }}"""
    )
    assert until(page, "trial", str(trial))
    page.wait_for_selector(f"#details h2:has-text('Design #{trial}')")
    # what a brush is in two dimensions: a slider for each axis, and the box that they keep
    page.locator("[aria-label='Box depth'] [role=slider]").last.focus()
    page.keyboard.press("PageDown")
    until(page, "max.j_per_token")
    page.wait_for_function(f"{graph}.data.some(t => t.name === 'your limits')")


def test_a_link_shows_the_same_picture(page: Any, address: str) -> None:
    query = "x=usd_per_mtok&y=j_per_token&log=x&max.tpot_s=0.01&theme=dark&if.dram=60&trial=3&pick=3,1"
    opened(page, address, query)
    page.wait_for_function("document.querySelector('#changed').textContent.startsWith('With this change')")
    verdict, left = page.locator("#verdict").inner_text(), page.locator("#left-over").inner_text()
    said = asked(page)
    assert {**said, **{k: v[0] for k, v in parse_qs(query).items()}} == said
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    opened(page, address, urlsplit(page.url).query)
    page.wait_for_function("document.querySelector('#changed').textContent.startsWith('With this change')")
    assert (page.locator("#verdict").inner_text(), page.locator("#left-over").inner_text()) == (verdict, left)
    assert page.locator("#details h2").inner_text().startswith("Design #3")


def alone_and_offline(browser: Any, said: str, path: Path) -> None:
    """Open a page from the disk without a network: it asks for nothing and says nothing wrong."""
    path.write_text(said)
    context = browser.new_context(viewport={"width": 1150, "height": 900}, offline=True)
    page, asked, errors = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: errors.append(message.text))
    page.goto(path.as_uri())
    assert asked == [path.as_uri()] and errors == []
    drawn = page.locator("svg circle").first.bounding_box()
    assert drawn and drawn["width"] > 2 and page.locator("table tbody tr").count() > 1
    context.close()


def test_export_report_and_table_arrive_as_files(page: Any, address: str, tmp_path: Path) -> None:
    opened(page, address)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Export").click()
    with zipfile.ZipFile(io.BytesIO(Path(waiting.value.path()).read_bytes())) as archive:
        names = {name.split("/")[-1] for name in archive.namelist()}
    assert {"design.yaml", "serve.sh", "placement.yaml", "bill_of_materials.csv", "report.html"} <= names
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Report", exact=True).click()
    assert "<html" in Path(waiting.value.path()).read_text().lower()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save table as CSV").click()
    assert Path(waiting.value.path()).read_text().startswith("trial,state,")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Report of these designs").click()
    said = Path(waiting.value.path()).read_text()
    assert "<svg" in said and page.locator("#verdict").inner_text()[:40] in said
    alone_and_offline(page.context.browser, said, tmp_path / "report.html")
    for kind in ("SVG", "PNG"):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=f"Picture as {kind}").click()
        assert waiting.value.suggested_filename == f"codesign-trade-off.{kind.lower()}"
        with page.expect_download() as waiting:
            page.get_by_role("button", name=f"Save Memory map as {kind}").click()
        assert waiting.value.suggested_filename == f"codesign-memory-map.{kind.lower()}"


@pytest.mark.parametrize("name", ["flip", "insight"])
def test_the_other_pages(page: Any, address: str, name: str, picture: Callable[[Any, str], None]) -> None:
    opened(page, address)
    page.locator("#page-choice label", has_text={"flip": "flips", "insight": "Insight"}[name]).click()
    if name == "flip":
        page.wait_for_function("document.querySelector('#flip-words').textContent.length > 20")
        page.wait_for_function(
            "document.querySelector('#flip .js-plotly-plot').data.some(t => t.type === 'heatmap')"
        )
    else:
        page.wait_for_function("document.querySelectorAll('#insight-cards h2').length >= 5")
        page.wait_for_selector("#insight-cards .card:last-child .main-svg")
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Save Which goals pull together? as SVG").click()
        assert waiting.value.suggested_filename == "codesign-which-goals-pull-together.svg"
        assert Path(waiting.value.path()).read_text().startswith("<svg")
    assert until(page, "page", name)
    page.wait_for_timeout(300)
    picture(page, f"{name}-1280")


def test_a_search_that_runs_shows_its_designs_without_a_reload(page: Any, serve: Any, tmp_path: Path) -> None:
    storage = small_study.searched(tmp_path, trials=2)
    opened(page, serve(small_study.STUDY, storage), "x=usd_per_mtok&y=tpot_s&log=x,y&min.tpot_s=0.0001")
    ends = "document.querySelector('#front .js-plotly-plot').layout.xaxis.range"
    at_first = page.evaluate(ends)
    page.locator("#front").hover()
    page.locator("#front .modebar-btn[data-title='Zoom in']").click()
    page.wait_for_function(f"{ends}[0] > {at_first[0]}")
    zoomed = page.evaluate(ends)
    before = page.locator("#counts").inner_text()
    small_study.searched(tmp_path, trials=4, resume=True)
    page.wait_for_function(f"document.querySelector('#counts').textContent !== {before!r}")
    page.wait_for_timeout(1500)
    assert page.evaluate(ends) == zoomed
    assert "min.tpot_s" in asked(page)


def test_themes_at_both_widths(page: Any, address: str, picture: Callable[[Any, str], None]) -> None:
    for width, height in ((1280, 800), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        for theme in ("light", "dark"):
            opened(page, address, f"x=usd_per_mtok&y=tpot_s&log=x,y&theme={theme}")
            page.wait_for_selector("#reasons >> text=Roofline")
            page.wait_for_timeout(500)
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            picture(page, f"page-{theme}-{width}")


def test_every_control_has_a_name(page: Any, address: str) -> None:
    opened(page, address)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, [role=slider], a')].filter(e => {
            if (e.closest('.ag-root-wrapper, .modebar, .js-plotly-plot') || e.offsetParent === null) return false;
            const label = e.getAttribute('aria-label') || e.title || e.textContent || e.placeholder
                || (e.labels && [...e.labels].map(l => l.textContent).join(''))
                || (e.closest('[aria-label]') || {getAttribute: () => ''}).getAttribute('aria-label');
            return !label || !label.trim();
        }).map(e => e.outerHTML.slice(0, 160))"""
    )
    assert nameless == []


@pytest.mark.parametrize("what", ["missing", "foreign", "broken", "locked"])
def test_a_study_that_cannot_be_read_gives_a_page_that_says_so(
    page: Any, serve: Any, tmp_path: Path, what: str
) -> None:
    path = tmp_path / "x.db"
    if what == "foreign":
        path.write_bytes(b"this is not a database " * 100)
    elif what == "broken":
        path.write_bytes(
            Path(small_study.searched(tmp_path, trials=1).removeprefix("sqlite:///")).read_bytes()[:9000]
        )
    if what == "locked":
        # a plain database: one with a write-ahead log can be read while it is written
        searched = small_study.searched(tmp_path, trials=1).removeprefix("sqlite:///")
        with contextlib.closing(sqlite3.connect(searched)) as source:
            source.execute("VACUUM INTO ?", (str(path),))
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
    page.goto(serve(None, f"sqlite:///{path}") + "/")
    page.wait_for_selector("text=This study cannot be shown")
    text = page.locator("main").inner_text()
    assert "x.db" in text and "Traceback" not in text
    if what == "locked":
        assert "locked by another program" in text
        holder.rollback()
        page.reload()
        page.wait_for_selector("#front .main-svg", state="attached")
