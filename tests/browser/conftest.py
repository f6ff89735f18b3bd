"""A real headless Chromium before a real server on a real run; every page is watched for errors and stray requests."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import looked_at
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="the page's tests need: pip install 'tracegen[dev]'")
pytest.importorskip("starlette", reason="the page's tests need: pip install 'tracegen[view]'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOW = "the page's tests need a Chromium: apt-get install chromium, or `make test` as root, which does that"


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is generated, judged and curated."""
    if not CHROMIUM:
        pytest.skip(HOW)
    folder = tmp_path_factory.mktemp("looked_at")
    looked_at.generated_and_curated(looked_at.recipe(folder), folder / "run")
    return folder / "run"


@pytest.fixture(scope="session")
def server(run: Path) -> Iterator[looked_at.Server]:
    found = looked_at.Server(run)
    yield found
    found.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser; it ends with each file, for whoever has an event loop of their own finds Playwright's in the way."""
    if not CHROMIUM:
        pytest.skip(HOW)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address in a window of its own; at the end nothing has gone wrong in any, but for what is `expected`."""
    contexts, wrong = [], []

    def open_page(address: str, *, width: int = 1280, height: int = 800, expected: str = "\0", **how: Any) -> Any:
        contexts.append(chromium.new_context(viewport={"width": width, "height": height}, **how))
        page = contexts[-1].new_page()
        page.set_default_timeout(1000 * looked_at.PATIENCE)
        origin = "/".join(address.split("/")[:3])
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("console", lambda said: said.type == "error" and expected not in said.text and wrong.append(said.text))
        page.on("request", lambda asked: asked.url.startswith(origin) or wrong.append(f"asked: {asked.url}"))
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []
