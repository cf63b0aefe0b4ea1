"""A real Chromium before the real server over a real study. Errors on the page fail the test that met them."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "dashboard"))  # small_study

import small_study

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
PICTURES = Path(os.environ.get("CODESIGN_PICTURES", "build/pictures"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder; skip them where there is no Chromium."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if not Path(CHROMIUM).exists():
                item.add_marker(pytest.mark.skip(reason="no Chromium: `make system` installs Debian's"))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the study lies."""
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="session")
def storage(folder: Path) -> str:
    """The storage of a finished search over 5 models."""
    return small_study.searched(folder, trials=5)


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str | None, str], str]]:
    """Start `dashboard.serve` in a process of its own on a free port; its address."""
    running: list[subprocess.Popen[bytes]] = []
    logs = tmp_path_factory.mktemp("servers")

    def start(study: str | None, storage: str) -> str:
        code = f"import dashboard; dashboard.serve({study!r}, {storage!r}, port=0)"
        log = logs / f"{len(running)}.txt"
        with log.open("wb") as out:
            running.append(subprocess.Popen([sys.executable, "-c", code], stderr=out))
        for _ in range(600):
            if found := re.search(r"http://127\.0\.0\.1:\d+", said := log.read_text()):
                assert "this machine only" in said
                return found[0]
            time.sleep(0.1)
        raise AssertionError(f"the server said no address: {log.read_text()}")

    yield start
    for process in running:
        process.terminate()
        process.wait(timeout=10)
    said = "".join(log.read_text() for log in logs.iterdir())
    assert "Traceback" not in said, said


@pytest.fixture(scope="session")
def address(serve: Callable[[str | None, str], str], storage: str) -> str:
    """The address of the page over the finished study."""
    return serve(None, storage)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """A page of 1280 x 800; console errors, script errors and requests off this machine fail the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    tab = context.new_page()
    troubles: list[str] = []
    tab.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: troubles.append(str(error)))
    tab.on(
        "request", lambda request: None if _local(request.url) else troubles.append(f"asked {request.url}")
    )
    tab.set_default_timeout(90_000)  # patience: CI machines are shared
    yield tab
    context.close()
    assert not troubles


def _local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "blob:", "about:"))


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Callable[[Any, str], None]:
    """Save a screenshot under a name, outside of the repository's files."""

    def save(page: Any, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png", full_page=True)

    return save
