"""The page for those who do not use a mouse, or do not see it: axe-core's rules, and a path by keyboard alone.

axe-core (npm) is fetched by `make system`, or named by CODESIGN_AXE=.../axe.min.js; without it the rules are skipped.
The keyboard needs nothing.
"""

import os
from pathlib import Path
from typing import Any

import pytest

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
# Inside of other people's components: the grid's and Plotly's own elements.
NOT_OURS = [[".ag-root-wrapper"], [".js-plotly-plot"]]


def axe() -> Path | None:
    """Where axe-core lies, if anywhere."""
    named = os.environ.get("CODESIGN_AXE", "node_modules/axe-core/axe.min.js")
    return Path(named) if Path(named).is_file() else None


def shown(page: Any, address: str, query: str) -> None:
    page.goto(f"{address}/?{query}")
    page.wait_for_selector("#details-card >> text=Memory map", state="attached")  # insight has it folded away
    page.wait_for_function("document.querySelector('#verdict').textContent.length > 20")
    page.wait_for_load_state("networkidle")
    # handles of sliders get their names, and stand-ins of lists leave the tab order, once they are drawn
    page.wait_for_selector("[role=slider]", state="attached")
    page.wait_for_function(
        "[...document.querySelectorAll('[role=slider]')].every(e => e.getAttribute('aria-label'))"
        " && [...document.querySelectorAll('.dash-dropdown-focus-target')].every(e => e.tabIndex < 0)"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["trade-off", "flip", "insight"])
def test_no_rule_of_wcag_aa_is_broken(page: Any, address: str, theme: str, name: str) -> None:
    script = axe()
    if script is None:
        pytest.skip("no axe-core: `make system` fetches it from npm")
    shown(page, address, f"theme={theme}&page={name}&pick=1,3")
    if name == "insight":
        page.wait_for_function("document.querySelectorAll('#insight-cards h2').length >= 5")
    page.evaluate(script.read_text())
    found = page.evaluate(
        "([rules, exclude]) => axe.run({exclude}, {runOnly: rules}).then(r => r.violations)",
        [RULES, NOT_OURS],
    )
    said = [f"{one['id']}: {node['html'][:140]} {node['failureSummary'][:200]}"
            for one in found for node in one["nodes"][:3]]  # fmt: skip
    assert not said, "\n".join(said)


def test_a_design_is_opened_compared_and_limited_by_keyboard_alone(page: Any, address: str) -> None:
    shown(page, address, "")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the trade-off"
    order = []
    for _ in range(90):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate(
                "() => { const e = document.activeElement; return e.id || e.textContent.trim().slice(0, 30)"
                " || (e.closest('[aria-label]') || e).getAttribute('aria-label') || e.tagName; }"
            )
        )
    for name in ("copy-link", "theme-button", "reset", "scenario", "axis-x", "axis-colour"):
        assert name in order
    page.locator("#theme-button").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) != "none"
    compare = page.locator("#details button", has_text="Compare")
    compare.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#comparison >> text=Pick another one")
    page.locator("[aria-label='Limit cost'] [role=slider]").last.focus()
    page.keyboard.press("PageDown")
    page.wait_for_function("/max\\.usd_per_mtok=/.test(location.search)")
