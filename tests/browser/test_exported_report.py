"""report.html as a reader opens it: from the disk, without a network, on a screen or a telephone."""

from pathlib import Path
from typing import Any

import pytest

import cost_models
from codesign import export
from codesign.export.specification import Specification
from cost_models.design import Design, Host, Serving, System, TablePlacement


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    design = Design(
        cost_models.read_model("engram-27b"),
        System("h100-sxm", 8, host=Host(dram_bytes=2.0**41)),
        Serving(tensor_parallel=4, tables=TablePlacement("dram")),
    )
    quality = {"bits_per_byte": 2.305, "standard_error": 0.003, "fidelity": "demo"}
    front = [
        {"trial": trial, "params": {}, "objectives": {"bits_per_byte": loss, "usd_per_mtok": price}}
        for trial, loss, price in ((3, 2.305, 4.0), (5, 2.31, 2.0), (8, 2.29, 30.0))
    ]
    out = tmp_path_factory.mktemp("export") / "plan"
    export.write(
        Specification(design, quality, origin="trial 3 of study s", trial=3, front=front), out, weights="none"
    )
    return out / "report.html"


@pytest.mark.parametrize("width", [1150, 390])
def test_it_reads_without_a_network_and_fits_the_screen(browser: Any, report: Path, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(report.as_uri())
    assert asked == [report.as_uri()]
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("section").count() >= 10
    drawn = page.locator("svg circle.chosen").bounding_box()
    assert drawn and drawn["width"] > 5
    page.locator("summary").click()
    assert page.locator("details table").is_visible()
    context.close()
