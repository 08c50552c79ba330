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
# Boxes that scroll are found when they come near the window, and all of them before the focus goes on (focus.js).
TAB = "dispatchEvent(new KeyboardEvent('keydown', { key: 'Tab' }))"
# What the theme's own button sets; the button itself would be focused, and show a hint half a second later.
WEAR = "scheme => { Object.assign(document.documentElement.dataset, { mode: scheme, theme: scheme }); }"

# A clock or a film that goes on when the test calls tick(), and not by itself: a busy machine lets it run out between two looks.
BY_HAND = """<script>window.tick = () => {}; window.setInterval = (next) => { window.tick = next; return 1; };
window.clearInterval = () => { window.tick = () => {}; };</script>"""

# What is far from the window is laid out when it comes near (book.css); a test may want a page as if all of it had been read.
LAY_OUT = """addEventListener("DOMContentLoaded", () => document.head.insertAdjacentHTML("beforeend",
  "<style>article * { content-visibility: visible !important }</style>"))"""


def laid_out(page: Page) -> Page:
    """The same page, all of whose text will be laid out at once."""
    page.add_init_script(LAY_OUT)
    return page


def find_boxes(page: Page) -> None:
    """A page that knows of all its boxes that scroll, its focus where it was."""
    page.evaluate(TAB)


def until(page: Page, truth: str, arg: Any = None, timeout_ms: float | None = None) -> None:
    """A page of which `truth`, JavaScript, has become true; TimeoutError where it has not in time."""
    page.wait_for_function(truth, arg=arg, polling=LOOK_EVERY_MS, timeout=timeout_ms)


def wear(page: Page, scheme: str) -> None:
    """A page of the book in one colour scheme, "light" or "dark", by the system and by what the theme sets: the latter needs no frame."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.evaluate(WEAR, scheme)


def read_to_the_end(page: Page) -> None:
    """Scroll as a reader does, so that every widget comes alive, and return to the top."""
    page.evaluate(f"""async () => {{
        for (let y = 0; y < document.body.scrollHeight; y += innerHeight) {{
            scrollTo(0, y);
            await {TWO_FRAMES};
        }}
    }}""")
    until(page, "[...document.querySelectorAll('.afm')].every((box) => box.dataset.view)")
    page.evaluate("scrollTo(0, 0)")
