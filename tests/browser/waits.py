"""Waiting in a browser, by the clock: a machine with much to do may draw no frame for long, and has once drawn none ever again.

What Playwright waits for it looks at when a frame is drawn, if nothing else is said; and a page hears that the system has
turned dark when its next frame is drawn.
"""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

LOOK_EVERY_MS = 100
# For page.evaluate: two frames, after which all that was changed is painted; where none is drawn for a second, the test goes on.
TWO_FRAMES = "new Promise((next) => { requestAnimationFrame(() => requestAnimationFrame(next)); setTimeout(next, 1000); })"
# The theme's own button, which goes round automatic, light and dark, as often as it takes.
WEAR = """scheme => {
    const page = document.documentElement, button = document.querySelector(".theme-switch-button");
    for (let n = 0; n < 3 && page.dataset.mode !== scheme; n += 1) button.click();
    return page.dataset.theme;
}"""


def until(page: Page, truth: str, arg: Any = None, timeout_ms: float | None = None) -> None:
    """A page of which `truth`, JavaScript, has become true; TimeoutError where it has not in time."""
    page.wait_for_function(truth, arg=arg, polling=LOOK_EVERY_MS, timeout=timeout_ms)


def wear(page: Page, scheme: str) -> None:
    """A page of the book in one colour scheme, "light" or "dark", by the system and by the reader's choice: the latter needs no frame."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    worn = page.evaluate(WEAR, scheme)
    assert worn == scheme, f"the button for the colours leaves the page {worn}, not {scheme}"
