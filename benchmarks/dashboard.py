"""How fast the dashboard is in a real browser: first view, brush, what-if, click, sort.

    python -m benchmarks.dashboard --designs 10000 --json dashboard.json

Designs are made by a formula (tests/dashboard/made.py) on the real server. Wall times tell only on an idle machine;
beside them stand the CPU seconds of the server and of the browser's page (script and layout), which hold on a
loaded one too. What-ifs of a real study are timed on the cost models themselves: `--study NAME --storage URL`.
"""

import argparse
import json
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

from werkzeug.serving import make_server

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "dashboard"))

import made

from dashboard.app import build, quiet_handler
from dashboard.data import Study
from dashboard.view import View

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


class Stopwatch:
    """Wall time, CPU of this process (the server) and of the page."""

    def __init__(self, page: Any) -> None:
        self.session = page.context.new_cdp_session(page)
        # processor time of the page's thread: an idle machine is not needed
        self.session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def now(self) -> tuple[float, float, float]:
        """Seconds: wall, CPU of the server, CPU of the page's thread."""
        metrics = {
            item["name"]: item["value"] for item in self.session.send("Performance.getMetrics")["metrics"]
        }
        return time.perf_counter(), time.process_time(), metrics["TaskDuration"]


def measure(count: int, repeats: int) -> dict[str, dict[str, float]]:
    """Median times of each action, in seconds."""
    from playwright.sync_api import sync_playwright

    server = make_server(
        "127.0.0.1", 0, build(made.MadeSource(count)).server, threaded=True, request_handler=quiet_handler()
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/?x=usd_per_mtok&y=tpot_s&log=x,y"
    found: dict[str, list[tuple[float, float, float]]] = {}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(120_000)
        for number in range(repeats + 1):
            page.goto("about:blank")
            watch = Stopwatch(page)
            start = watch.now()
            page.goto(address)
            page.wait_for_function("document.querySelectorAll('#front .js-plotly-plot .main-svg').length > 0")
            page.wait_for_function("document.querySelector('#verdict').textContent.length > 20")
            if number:  # the first visit warms the browser's cache of scripts, as every later one finds it
                found.setdefault("first view", []).append(_spent(start, watch.now()))
        page.wait_for_timeout(3000)
        for number in range(repeats):
            for name, act in _actions(number).items():
                start = watch.now()
                act(page)
                found.setdefault(name, []).append(_spent(start, watch.now()))
                page.wait_for_timeout(700)
        browser.close()
    server.shutdown()
    return {
        name: dict(
            zip(("wall_s", "server_cpu_s", "page_cpu_s"), map(_median, zip(*times, strict=True)), strict=True)
        )
        for name, times in found.items()
    }


def _actions(number: int) -> dict[str, Any]:
    """What a user does, each waiting for what it changes on the page."""

    def brush(page: Any) -> None:
        before = page.locator("#left-over").inner_text()
        handle = page.locator("[aria-label='Limit TPOT'] [role=slider]").last
        handle.focus()
        page.keyboard.press("PageDown")
        page.wait_for_function(f"document.querySelector('#left-over').textContent !== {before!r}")

    def click(page: Any) -> None:
        row = page.locator("#table .ag-center-cols-container .ag-row").nth(number % 5)
        trial = row.get_attribute("row-id")
        row.locator("[col-id=tpot_s]").click()
        page.wait_for_function(
            f"document.querySelector('#details h2').textContent.startsWith('Design #{trial}')"
        )

    def axis(page: Any) -> None:
        wanted = number % 2 == 0
        box = page.get_by_label("log x")
        box.uncheck() if wanted else box.check()
        kind = "linear" if wanted else "log"
        page.wait_for_function(
            f"document.querySelector('#front .js-plotly-plot')._fullLayout.xaxis.type === '{kind}'"
        )

    def sort(page: Any) -> None:
        head = page.locator("#table .ag-header-cell[col-id=usd_per_mtok] .ag-header-cell-label")
        row = "#table .ag-center-cols-container .ag-row[row-index='0']"
        first = f'document.querySelector("{row}").getAttribute("row-id")'
        before = page.evaluate(first)
        head.click()
        page.wait_for_function(f"{first} !== '{before}'")

    return {"brush": brush, "click": click, "axis": axis, "sort": sort}


def what_if(study: str, storage: str) -> dict[str, dict[str, float]]:
    """CPU seconds to cost a real study again."""
    source = Study(study, storage)
    start = time.process_time()
    designs = source.read()
    result = {f"read {len(designs):,} designs": {"server_cpu_s": time.process_time() - start}}
    for name, change in {"price": {"dram": 61.0}, "load": {"context": 6000.0}}.items():
        start = time.process_time()
        source.recost(designs, View(change=change))
        result[f"what-if {name}, {len(designs):,} designs"] = {"server_cpu_s": time.process_time() - start}
    return result


def _spent(start: tuple[float, ...], end: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(b - a for a, b in zip(start, end, strict=True))


def _median(values: tuple[float, ...]) -> float:
    return sorted(values)[len(values) // 2]


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--designs", type=int, nargs="+", default=[10_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--study")
    parser.add_argument("--storage")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {}
    for count in options.designs:
        results[str(count)] = measure(count, options.repeats)
    if options.storage and options.study:
        results["what-if"] = what_if(options.study, options.storage)
    for group, actions in results.items():
        print(f"{group}:")
        for name, times in actions.items():
            print(f"  {name:<34}" + "".join(f"{key} {value:7.3f}   " for key, value in times.items()))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
