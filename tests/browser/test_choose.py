"""The task that the page is for: a budget, a latency, the best quality within both, why, and the files."""

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import optuna
import pytest
import small_study

CHOICE = "#choices button"


def opened(page: Any, address: str, query: str = "") -> None:
    page.goto(f"{address}/?{query}")
    page.wait_for_selector("#details-card h3")


def typed(page: Any, label: str, text: str) -> None:
    """Type the upper limit of a figure."""
    field = page.locator(f"[aria-label='Limit {label}'] input").last
    field.fill(text)
    field.press("Enter")


def test_a_design_within_a_budget_and_a_latency_is_found_and_exported_in_four_steps(
    page: Any, address: str
) -> None:
    opened(page, address)
    ends = {
        label: page.locator(f"[aria-label='Limit {label}'] input")
        .last.get_attribute("placeholder")
        .replace(",", "")
        for label in ("capital", "TPOT")
    }
    typed(page, "capital", f"{float(ends['capital']) * 0.8 / 1e3:.2f}k")
    page.wait_for_function("/max\\.capex_usd=/.test(location.search)")
    typed(page, "TPOT", f"{float(ends['TPOT']) * 0.8:.3f}")
    page.wait_for_function(
        "document.querySelector('#verdict').textContent.startsWith('Within your limits, take #')"
    )
    page.wait_for_function("/max\\.tpot_s=/.test(location.search)")
    button = page.locator(CHOICE, has_text="lowest bits per byte")
    trial = re.search(r"#(\d+)", button.inner_text())
    assert trial
    button.click()
    page.wait_for_selector(f"#details h2:has-text('Design #{trial[1]}')")
    page.wait_for_selector(f"{CHOICE}[aria-pressed=true]:has-text('#{trial[1]}')")
    capital = page.locator("#details tr", has_text="capital").locator("td").inner_text()
    assert float(re.sub(r"[^\d.]", "", capital)) <= float(ends["capital"]) * 0.8 * 1.01
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Export").click()
    with zipfile.ZipFile(io.BytesIO(Path(waiting.value.path()).read_bytes())) as archive:
        assert any(name.endswith("design.yaml") for name in archive.namelist())
    # an empty field lifts its limit
    typed(page, "capital", "")
    page.wait_for_function("!/capex_usd/.test(location.search)")


def test_a_what_if_is_typed_and_undone(page: Any, address: str) -> None:
    opened(page, address)
    field = page.locator("[aria-label='DRAM price'] input")
    field.fill("100")
    field.press("Enter")
    page.wait_for_function("/if\\.dram=100/.test(location.search)")
    page.wait_for_function("document.querySelector('#changed').textContent.startsWith('With this change')")
    field.fill("")
    field.press("Enter")
    page.wait_for_function("document.querySelector('#changed').textContent === ''")
    page.wait_for_function("!location.search.includes('if.dram')")


def test_several_studies_are_listed_and_the_address_names_the_one_that_is_shown(
    page: Any, serve: Any, tmp_path: Path
) -> None:
    storage = small_study.searched(tmp_path, trials=1)
    optuna.create_study(storage=storage, study_name="<b>other</b>")
    address = serve(None, storage)
    page.goto(f"{address}/")
    page.wait_for_selector("table.studies")
    assert "<b>other</b>" in page.locator("table.studies").inner_text()
    page.get_by_role("link", name=small_study.STUDY).click()
    page.wait_for_selector("#details-card h3")
    page.wait_for_function(f"/study={small_study.STUDY}/.test(location.search)")
    page.get_by_role("link", name="All studies").click()
    page.get_by_role("link", name="<b>other</b>").click()
    page.wait_for_selector("text=was not made by codesign")


@pytest.mark.parametrize("depth", ["none", "j_per_token"])
def test_a_limit_and_a_saved_selection_show_in_scatter_axes_and_table(
    page: Any, address: str, depth: str
) -> None:
    opened(page, address, f"x=usd_per_mtok&y=tpot_s&z={depth}")
    typed(page, "TPOT", str(median(page)))
    shown = (
        "document.querySelector('#front .js-plotly-plot').data.some(t => t.name === 'outside your limits')"
    )
    page.wait_for_function(shown)
    page.wait_for_function(greys(">"))
    count = table_rows(page)
    page.locator("#save-name").fill("fast")
    page.locator("#save").click()
    page.wait_for_selector("#saved button:has-text('fast')")
    page.locator("#reset").click()
    page.wait_for_function(f"!({shown})")
    page.wait_for_function(greys("==="))
    page.locator("#saved button", has_text="fast").first.click()
    page.wait_for_function(shown)
    page.wait_for_function(greys(">"))
    assert table_rows(page) == count


def median(page: Any) -> float:
    """A TPOT in the middle of the front, ms, between two designs: at one itself rounding would decide."""
    axes = "document.querySelector('#parallel .js-plotly-plot').data[0].dimensions"
    page.wait_for_function(
        f"document.querySelector('#parallel .js-plotly-plot')?.data?.length && {axes}.length"
    )
    found = page.evaluate(f"Array.from({axes}.find(d => d.label.startsWith('TPOT')).values)")
    values = sorted(set(found))
    return float(values[len(values) // 2 - 1] + values[len(values) // 2]) / 2


def greys(relation: str) -> str:
    """Whether the parallel axes have (>) or have no (===) lines outside of the limits."""
    return (
        "Array.from(document.querySelector('#parallel .js-plotly-plot').data[0].line.color)"
        f".filter(c => c === -1).length {relation} 0"
    )


def table_rows(page: Any) -> int:
    """How many rows the table has, after it has had time to ask again."""
    page.wait_for_timeout(1500)
    return int(page.evaluate("dash_ag_grid.getApi('table').getDisplayedRowCount()"))
