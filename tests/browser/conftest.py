"""One Chromium, the built book, and a server for it; nothing outside this machine can be reached."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.judge import Judge
from tools.chromium import ARGUMENTS, chromium_path

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium without a way out; closed before the notebooks run, since both drive event loops."""
    path = chromium_path()
    if path is None:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say("no Chromium: sudo apt-get install -y chromium-headless-shell")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def judge() -> Judge:
    """axe-core, who need not be asked twice about the contrast of one kind of text."""
    return Judge()


@pytest.fixture
def objections(judge: Judge) -> Callable[[Page], list[str]]:
    """What axe-core objects to on a page with all its folds open, and the window if it is too narrow for the page."""

    def found(page: Page) -> list[str]:
        for fold in page.locator("#live0 summary").all():
            fold.click()
        said = judge.structure(page) + judge.contrast(page)
        fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        return said if fits else [*said, "wider than the window"]

    return found


@pytest.fixture(scope="package")
def book() -> Path:
    """The folder of built pages, up to date; `make test` has just built it and says so."""
    if os.environ.get("STOP_WHEN_SURE_BOOK") != "built":
        subprocess.run([sys.executable, ROOT / "tools" / "build_book.py"], check=True, stdout=subprocess.DEVNULL)
    return ROOT / "_build" / "html"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that logs nothing."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="package")
def serve() -> Iterator:
    """serve(folder): its address on this machine."""
    servers = []

    def start(folder: Path) -> str:
        handler = functools.partial(Quiet, directory=str(folder))
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
