"""Waiting without frames: what is waited for is seen and what is worn is put on, though nothing is ever drawn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, TimeoutError

from tests.browser.waits import TWO_FRAMES, until, wear

FOLDER = Path(__file__).parent
# A page that waits for its next frame for ever, and is told of no change of the system.
NO_FRAMES = """
window.requestAnimationFrame = () => 0;
MediaQueryList.prototype.addEventListener = () => {};
Object.defineProperty(MediaQueryList.prototype, "onchange", { set() {} });
"""


@pytest.fixture
def frozen(browser: Browser) -> Iterator[Page]:
    """A page of the book that draws nothing more."""
    context = browser.new_context(color_scheme="light", reduced_motion="reduce")
    page = context.new_page()
    page.add_init_script(NO_FRAMES)
    yield page
    context.close()


def theme(page: Page) -> str | None:
    return page.locator("html").get_attribute("data-theme")


def test_what_becomes_true_is_seen_though_no_frame_is_drawn(frozen):
    frozen.goto("about:blank")
    frozen.evaluate("setTimeout(() => { window.done = true; }, 300)")
    until(frozen, "window.done")
    until(frozen, "wanted => window.done === wanted", arg=True)


def test_what_never_becomes_true_ends_in_time(frozen):
    frozen.goto("about:blank")
    with pytest.raises(TimeoutError):
        until(frozen, "window.done", timeout_ms=300)


def test_two_frames_are_not_waited_for_for_ever(frozen):
    frozen.goto("about:blank")
    frozen.evaluate(TWO_FRAMES)


def test_a_page_wears_each_scheme_though_no_frame_is_drawn(frozen, book):
    frozen.goto((book / "book" / "notation.html").as_uri())
    for scheme in ("light", "dark", "dark", "light"):
        wear(frozen, scheme)
        assert theme(frozen) == scheme
        assert frozen.evaluate("scheme => matchMedia(`(prefers-color-scheme: ${scheme})`).matches", scheme)


def test_no_other_file_here_waits_for_a_frame():
    by_frames = re.compile(r"\.wait_for" r"_function\(|Promise.*requestAnimation" r"Frame")
    waiting = [file.name for file in FOLDER.glob("*.py") if by_frames.search(file.read_text("utf8"))]
    assert waiting == ["waits.py"]
