"""The explorers in another browser than the one that all other tests drive: Firefox, from a folder and from a server."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.build_book import toc_entries
from tools.firefox import PREFERENCES, firefox_path

ROOT = Path(__file__).resolve().parents[2]
PAGES = toc_entries(yaml.safe_load((ROOT / "_toc.yml").read_text("utf8")))
CHAPTERS = [name for name in PAGES if (ROOT / f"{name}.ipynb").is_file()]
SERVED = {"book/intro", "book/lif", "book/dtsnn"}       # from a server the host loads as it does from a folder: a few pages show it
# Each explorer is brought near, as by a reader, and is live then.
COME_ALIVE = """
    const [patienceMs, done] = arguments, end = performance.now() + patienceMs;
    (async () => {
        const boxes = [...document.querySelectorAll(".afm")];
        const pause = () => new Promise((go) => setTimeout(go, 50));
        for (const box of boxes) {
            box.scrollIntoView();
            while (box.dataset.view !== "live" && performance.now() < end) await pause();
        }
        done([boxes.length, boxes.filter((box) => box.dataset.view === "live").length, document.querySelectorAll(".afm-error").length]);
    })();
"""
# The first slider of the page that can be moved, and what its explorer says.
SLIDER = """return [...document.querySelectorAll(".afm input[type=range]")].find((it) => it.checkVisibility() && it.min !== it.max)"""
SAID = "return arguments[0].closest('.afm').textContent"
# The first cell with a button and a printed output in its page, and what its page says of it.
RUN_A_CELL = """
    const printing = (place) => place.checkVisibility() && place.closest(".cell").querySelector(".cell_output .stream");
    const place = [...document.querySelectorAll(".python-place[data-how=run]")].find(printing);
    place.querySelector("button").click();
    return [place];
"""
STATUS = "return arguments[0].querySelector('.python-said').textContent"
PATIENCE_S = 120        # Python starts in ten seconds and an explorer at once, on a busy machine in more
FAULTS = """
    const [folder] = arguments;
    const isError = (it) => it instanceof Ci.nsIScriptError && !(it.flags & Ci.nsIScriptError.warningFlag);
    const isFault = (it) => isError(it) && it.sourceName.includes(folder);
    const found = Services.console.getMessageArray().filter(isFault).map((it) => `${it.errorMessage} (${it.sourceName}:${it.lineNumber})`);
    Services.console.reset();
    return found;
"""


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Mozilla's own client of a Firefox without windows."""
    marionette = pytest.importorskip("marionette_driver.marionette")
    path = firefox_path()
    if path is None:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say("no Firefox: sudo apt-get install -y firefox-esr")
    log = tmp_path_factory.mktemp("firefox") / "log"        # the client removes an older log: never a device
    client = marionette.Marionette(bin=path, headless=True, prefs=PREFERENCES, gecko_log=str(log))
    client.start_session()
    client.timeout.script = 2 * PATIENCE_S
    client.set_window_rect(width=1280, height=800)
    yield client
    client.quit()


def faults(firefox: Any, folder: str) -> list[str]:
    """What the scripts of a folder have said to the console since the last look."""
    with firefox.using_context("chrome"):
        return firefox.execute_script(FAULTS, script_args=(folder,))


def addresses(book: Path, serve: Any, name: str) -> list[str]:
    here = [(book / f"{name}.html").as_uri()]
    return [*here, f"{serve(book)}/{name}.html"] if name in SERVED else here


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_explorers_of_a_chapter_live_and_obey_the_keyboard(firefox, book, serve, name):
    from marionette_driver.keys import Keys

    if '<div class="afm">' not in (book / f"{name}.html").read_text("utf8"):
        pytest.skip("a chapter without an explorer")
    for address in addresses(book, serve, name):
        firefox.navigate(address)
        there, live, broken = firefox.execute_async_script(COME_ALIVE, script_args=(1000 * PATIENCE_S,))
        assert (there > 0, live, broken) == (True, there, 0)
        slider = firefox.execute_script(SLIDER)
        before = firefox.execute_script(SAID, script_args=(slider,))
        slider.send_keys(Keys.ARROW_RIGHT * 3 + Keys.ARROW_LEFT)
        assert firefox.execute_script(SAID, script_args=(slider,)) != before
        assert faults(firefox, "/_static/") + faults(firefox, name) == []


def test_a_cell_runs_in_a_page_from_a_folder(firefox, book):
    firefox.navigate((book / "book/seenn1.html").as_uri())
    place, = firefox.execute_script(RUN_A_CELL)
    end = time.monotonic() + PATIENCE_S
    while not firefox.execute_script(STATUS, script_args=(place,)).startswith(("done", "ended", "Python")) and time.monotonic() < end:
        time.sleep(0.2)
    assert firefox.execute_script(STATUS, script_args=(place,)) == "done"
    shown, stored = firefox.execute_script("""
        const [place] = arguments;
        return [place.nextElementSibling, place.closest(".cell").querySelector(".cell_output .stream")].map((it) => it.innerText.trim());
    """, script_args=(place,))
    assert shown == stored and shown


def test_pages_fit_a_phone(firefox, book):
    firefox.set_window_rect(width=500, height=844)      # Firefox makes no window narrower; a frame in it is
    firefox.navigate((book / "book/intro.html").as_uri())
    narrow = firefox.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    firefox.set_window_rect(width=1280, height=800)
    assert narrow[0] <= narrow[1]


def test_the_network_cannot_be_reached(firefox):
    from marionette_driver.errors import UnknownException

    with pytest.raises(UnknownException, match="proxyConnectFailure"):
        firefox.navigate("http://example.org/")
