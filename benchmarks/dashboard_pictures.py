"""Pictures of the page for the documentation, taken in a real Chromium (needs the package playwright).

python -m benchmarks.dashboard_pictures docs/pictures [STUDY STORAGE]      # without a study: the recorded example
"""

import shutil
import sys
import threading
from pathlib import Path

from werkzeug.serving import make_server

from dashboard.app import create_app, quiet_handler

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
# name -> (query, width, height)
VIEWS = {
    "dashboard": ("x=usd_per_mtok&y=tpot_s&log=x,y&theme=light", 1920, 1080),
    "dashboard-dark": ("x=usd_per_mtok&y=bits_per_byte&log=x&theme=dark", 1280, 900),
    "dashboard-what-if": ("x=usd_per_mtok&y=tpot_s&log=x,y&if.dram=90&theme=light", 1280, 900),
    "dashboard-flip": ("page=flip&flip_x=dram&flip_y=context&theme=light", 1280, 900),
    "dashboard-insight": ("page=insight&theme=light", 1280, 900),
}


def take(folder: Path, study: str | None, storage: str) -> None:
    """Save every view of a study as a PNG."""
    from playwright.sync_api import sync_playwright

    app = create_app(study, storage)
    server = make_server("127.0.0.1", 0, app.server, threaded=True, request_handler=quiet_handler())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name, (query, width, height) in VIEWS.items():
            page = browser.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(120_000)
            page.goto(f"http://127.0.0.1:{server.server_port}/?{query}")
            page.wait_for_function("document.querySelector('#verdict')?.textContent.length > 20")
            ready = {"flip": "#flip-words", "insight": "#insight-cards"}.get(
                query[5:].split("&")[0], "#details"
            )
            page.wait_for_function(f"document.querySelector('{ready}').textContent.length > 20")
            if ready == "#flip-words":  # all models are in
                page.wait_for_function(f"!document.querySelector('{ready}').textContent.includes('follow')")
            page.wait_for_function(
                "[...document.querySelectorAll('.dash-graph')].every("
                "(graph) => graph.offsetParent === null || graph.querySelector('.main-svg'))"
            )
            page.wait_for_timeout(3_000)  # fonts, and what follows the first drawing
            page.screenshot(path=folder / f"{name}.png")
            page.close()
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    from dashboard import recorded

    target = Path(sys.argv[1])
    take(target, *(sys.argv[2:4] if len(sys.argv) > 3 else (None, recorded.storage())))
