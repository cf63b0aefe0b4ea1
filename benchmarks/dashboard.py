"""The page with many designs in a real Chromium: first view, interactions, what-ifs (needs the package playwright).

    python -m benchmarks.dashboard --designs 10000 100000 --json dashboard.json

The designs are real: the trained models of the recorded example on so many hardware combinations of its space, as
evenly as it goes, costed by the cost models. A first view is timed from the request on, an interaction by the page's
own clock, from its key or click to the frame that shows the answer. Wall times tell only on an idle machine; beside
them stand the CPU seconds of the server and of the browser's page (script, layout) and the bytes that the server
sent. Of several repeats the middle one is shown, and the slowest.
"""

import argparse
import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from werkzeug.serving import make_server

import cost_models
from benchmarks.dashboard_pictures import FLAGS
from codesign import results
from codesign.costing import Costing, with_figures
from cost_models.design import Design
from dashboard import data, recorded, whatif
from dashboard.app import build, quiet_handler
from dashboard.designs import Designs
from dashboard.view import View

START = "x=usd_per_mtok&y=tpot_s&log=x,y"
# The last key or click, by the page's clock: what an interaction is timed from.
CLOCK = "for (const kind of ['keydown', 'click']) addEventListener(kind, (e) => { window.began = e.timeStamp; }, true)"
FRONT = "document.querySelector('#front .js-plotly-plot')"


class Many(data.Study):
    """The recorded example's models on so many hardware combinations, all as if they were trials."""

    def __init__(self, count: int) -> None:
        super().__init__("example", recorded.storage())
        record = results.Reader(self.study, self.storage).read()
        space, table = record.space, record.table
        models = table[table["trained"]].drop_duplicates("model")
        each = -(-count // len(models))
        parts = []
        for model in models.to_dict("records"):
            params = {p.name: record.params(int(model["trial"]))[p.name] for p in space.model_parameters
                      if p.name in record.params(int(model["trial"]))}  # fmt: skip
            values, designs = space.hardware(space.model(params))
            # feasible ones first: they are what a search records, and what the page has most to do with
            feasible = cost_models.evaluate(designs, record.catalogue()).feasible
            order = np.argsort(~feasible, kind="stable")
            most = min(len(order), max(each, int(feasible.sum())))  # beyond these, each comes several times
            rows = order[np.linspace(0, most - 1, each).astype(int)]
            known = {p.name: model[p.name] for p in space.model_parameters}
            quality = {name: model[name] for name in ("bits_per_byte", "standard_error")}
            parts.append(pd.DataFrame({n: v[rows] for n, v in values.items()}).assign(
                **known, **quality, completes=model["trial"]))  # fmt: skip
        many = pd.concat(parts, ignore_index=True)[:count]
        many = many.assign(trial=np.arange(len(many)), state="COMPLETE", model="", trained=False)
        costing = Costing(space, many)
        figures = costing.costed(record.catalogue())
        many = with_figures(many, figures)
        shown = data._designs(record, many, costing, figures, 1)
        self._state = data._State(record, shown, costing, settled=True)

    def read(self) -> Designs:
        """The designs, always the same."""
        return self._now().designs

    def design(self, trial: int, view: View) -> Design:
        """The design of a row."""
        state = self._now()
        row = state.designs.table.iloc[trial]
        names = [p.name for p in state.record.space.parameters]
        return whatif.altered(view.change)(
            state.record.space.design({n: _plain(row[n]) for n in names if _plain(row[n]) is not None})
        )

    def document(self, trial: int, view: View) -> dict[str, Any]:
        """The evaluation of a row."""
        quality = self._now().record.quality(self._trained(trial))
        return cost_models.evaluate(self.design(trial, view), self.catalogue(view)).document(quality=quality)

    def parts(self, trial: int, view: View) -> dict[str, Any]:
        """What the trial whose training a row has says of itself."""
        return super().parts(self._trained(trial), view)

    def _trained(self, trial: int) -> int:
        return int(self._now().designs.table["completes"].iloc[trial])


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    if value is None or value != value:
        return None
    return int(value) if isinstance(value, float) and value == int(value) else value


class Stopwatch:
    """Wall time, CPU of this process (the server) and of the page, bytes sent."""

    def __init__(self, page: Any) -> None:
        self.session = page.context.new_cdp_session(page)
        # processor time of the page's thread: an idle machine is not needed
        self.session.send("Performance.enable", {"timeDomain": "threadTicks"})
        self.session.send("Network.enable")
        self.sent = 0
        self.session.on("Network.loadingFinished", self._count)

    def _count(self, event: dict[str, Any]) -> None:
        self.sent += int(event["encodedDataLength"])

    def now(self) -> dict[str, float]:
        """Seconds and bytes so far."""
        metrics = {
            item["name"]: item["value"] for item in self.session.send("Performance.getMetrics")["metrics"]
        }
        return {"wall_s": time.perf_counter(), "server_cpu_s": time.process_time(),
                "page_cpu_s": metrics["TaskDuration"], "sent_kb": self.sent / 1e3}  # fmt: skip


def measure(count: int, repeats: int) -> dict[str, dict[str, float]]:
    """The middle of each figure for each action."""
    from playwright.sync_api import sync_playwright

    server = make_server(
        "127.0.0.1", 0, build(Many(count)).server, threaded=True, request_handler=quiet_handler()
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/?{START}"
    found: dict[str, list[dict[str, float]]] = {}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(240_000)
        page.add_init_script(CLOCK)
        for number in range(repeats + 1):
            page.goto("about:blank")
            watch = Stopwatch(page)
            start = watch.now()
            page.goto(address)
            page.wait_for_function("document.querySelectorAll('#front .js-plotly-plot .main-svg').length > 0")
            page.wait_for_function("document.querySelector('#verdict').textContent.length > 20")
            if number:  # the first visit warms the browser's cache of scripts, as every later one finds it
                found.setdefault("first view", []).append(_spent(start, watch.now()))
            page.wait_for_selector("#reasons h3")
            page.wait_for_selector("#parallel .main-svg", state="attached")
            page.wait_for_selector("#table .ag-row")
            if number:
                found.setdefault("first view, all of the page", []).append(_spent(start, watch.now()))
            page.wait_for_timeout(1500)
        page.evaluate(f"window.drawings = 0; {FRONT}.on('plotly_afterplot', () => window.drawings += 1)")
        for number in range(repeats):
            for name, act in ACTIONS.items():
                start = watch.now()
                _done(page, act(page, number))
                spent = _spent(start, watch.now())
                spent["wall_s"] = page.evaluate("window.ended - window.began") / 1e3
                found.setdefault(name, []).append(spent)
                page.wait_for_timeout(1500)
        browser.close()
    server.shutdown()
    return {
        name: {key: float(np.median([one[key] for one in times])) for key in times[0]}
        | {"slowest_s": max(one["wall_s"] for one in times)}
        for name, times in found.items()
    }


def _done(page: Any, shown: str) -> None:
    """Wait until the page shows the answer; looked at in every frame."""
    page.wait_for_function(f"({shown}) && (window.ended = performance.now())")


def _drawings(page: Any) -> int:
    """How often the trade-off has been drawn so far."""
    return int(page.evaluate("window.drawings"))


def _limit(page: Any, number: int) -> str:
    """Done when the sentence counts anew and the picture is drawn. Of each action: the condition in the page."""
    before, drawings = page.locator("#left-over").inner_text(), _drawings(page)
    handle = page.locator("[aria-label='Limit TPOT'] [role=slider]").last
    handle.focus()
    page.keyboard.press("PageDown")
    return f"document.querySelector('#left-over').textContent !== {before!r} && window.drawings > {drawings}"


def _click(page: Any, number: int) -> str:
    """Done when the panel is that of the design and its step is drawn."""
    row = page.locator("#table .ag-center-cols-container .ag-row").nth(number % 5)
    trial = row.get_attribute("row-id")
    row.locator("[col-id=tpot_s]").click()
    return (
        f"document.querySelector('#details h2').textContent.startsWith('Design #{trial}')"
        " && !document.querySelector('#details-card .dash-graph--pending')"
    )


def _axis(page: Any, number: int) -> str:
    """Done when the axis is drawn."""
    wanted, drawings = number % 2 == 0, _drawings(page)
    box = page.get_by_label("log x")
    box.uncheck() if wanted else box.check()
    kind = "linear" if wanted else "log"
    return f"{FRONT}._fullLayout.xaxis.type === '{kind}' && window.drawings > {drawings}"


def _sort(page: Any, number: int) -> str:
    head = page.locator("#table .ag-header-cell[col-id=usd_per_mtok] .ag-header-cell-label")
    row = "#table .ag-center-cols-container .ag-row[row-index='0']"
    first = f'document.querySelector("{row}").getAttribute("row-id")'
    before = page.evaluate(first)
    head.click()
    return f"{first} !== '{before}'"


def _what_if(label: str, values: tuple[int, ...]) -> Callable[[Any, int], str]:
    """A price or a load typed; done when the sentence says so and both fronts are drawn."""

    def act(page: Any, number: int) -> str:
        before, drawings = page.locator("#changed").inner_text(), _drawings(page)
        field = page.locator(f"[aria-label='{label}'] input")
        field.fill(str(values[number % len(values)]))
        field.press("Enter")
        return (
            f"document.querySelector('#changed').textContent !== {before!r} && window.drawings > {drawings}"
            f" && {FRONT}.data.some(t => t.name === 'before the change')"
        )

    return act


ACTIONS: dict[str, Callable[[Any, int], str]] = {
    "limit": _limit,
    "click a design": _click,
    "axis": _axis,
    "sort": _sort,
    "what if, a price": _what_if("DRAM price", (61, 70, 80, 90, 100)),
    "what if, a load": _what_if("prompt length", (6000, 7000, 9000, 11000, 13000)),
}


def _spent(start: dict[str, float], end: dict[str, float]) -> dict[str, float]:
    return {name: end[name] - start[name] for name in start}


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--designs", type=int, nargs="+", default=[10_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: dict[str, Any] = {}
    for count in options.designs:
        found[str(count)] = measure(count, options.repeats)
        print(f"{count:,} designs:")
        for name, figures in found[str(count)].items():
            print(f"  {name:<28}" + "".join(f"{key} {value:8.3f}   " for key, value in figures.items()))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
