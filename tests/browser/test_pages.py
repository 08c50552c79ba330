"""Every page of the built book, as readers meet it: wide and narrow, light and dark, with and without scripts,
from a server and from a folder, with the network cut."""

from __future__ import annotations

import functools
import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from playwright.sync_api import Browser, Locator, Page

from tests.browser.judge import Judge
from tests.browser.waits import TWO_FRAMES, find_boxes, read_to_the_end, until, wear
from tools.build_book import toc_entries

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*toc_entries(yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))), "search"]
WIDTHS_PX = (360, 1280)
NARROWEST_PX = 320  # WCAG 2.2, 1.4.10: a page is read without scrolling in two directions
PAGE_KB = 600
LAYOUT_SHIFT = 0.02
PATIENCE_MS = 120_000  # a busy machine is slow, and no test here is about that
STEP_MS, SOON_STEPS = 50, 60
PACKED = {".woff", ".woff2", ".png", ".jpg"}

SUM_THE_SHIFTS = """
window.layoutShift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.layoutShift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


@dataclass
class Visit:
    """What one visit to a page showed."""

    errors: list[str] = field(default_factory=list)
    requests: set[str] = field(default_factory=set)
    violations: dict[str, list[str]] = field(default_factory=dict)  # colour scheme -> what axe-core found
    too_wide_px: int = 0
    layout_shift: float = 0.0
    widgets: list[str | None] = field(default_factory=list)  # how each stands: live, failed or not begun


def listen(page: Page, visit: Visit) -> None:
    """Keep what goes wrong, and what is asked for."""
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.on("console", lambda message: visit.errors.append(message.text) if message.type == "error" else None)
    page.on("requestfailed", lambda request: visit.errors.append(f"failed: {request.url}"))
    page.on("request", lambda request: visit.requests.add(request.url))


def violations(page: Page, scheme: str, judge: Judge) -> list[str]:
    """What axe-core objects to, in one colour scheme; only colours differ between the schemes."""
    wear(page, scheme)
    return (judge.structure(page) if scheme == "light" else []) + judge.contrast(page)


@pytest.fixture(scope="package")
def look(browser: Browser, book: Path, serve: Callable[[Path], str], judge: Judge) -> Callable[..., Visit]:
    """look(page, width_px, from_folder): one visit, made once for all the tests that ask about it."""
    home = serve(book)

    @functools.cache
    def visit_page(name: str, width_px: int, from_folder: bool) -> Visit:
        visit = Visit()
        context = browser.new_context(viewport={"width": width_px, "height": 800}, reduced_motion="reduce")
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.add_init_script(SUM_THE_SHIFTS)
        listen(page, visit)
        page.goto((book / f"{name}.html").as_uri() if from_folder else f"{home}/{name}.html")
        read_to_the_end(page)
        find_boxes(page)
        visit.layout_shift = page.evaluate("window.layoutShift")
        visit.too_wide_px = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        visit.widgets = page.locator(".afm").evaluate_all("boxes => boxes.map((box) => box.dataset.view)")
        if not from_folder:
            visit.violations = {scheme: violations(page, scheme, judge) for scheme in ("light", "dark")}
        context.close()
        return visit

    return lambda name, width_px, from_folder=False: visit_page(name, width_px, from_folder)


def local(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in {"file", "data", "blob"} or parts.hostname == "127.0.0.1"


def transferred_bytes(path: Path) -> int:
    """The size of a file as a server sends it."""
    return path.stat().st_size if path.suffix in PACKED else len(gzip.compress(path.read_bytes(), 6))


everywhere = pytest.mark.parametrize("width_px", WIDTHS_PX)
either_way = pytest.mark.parametrize(("width_px", "from_folder"), [(WIDTHS_PX[0], False), (NARROWEST_PX, True)], ids=["server", "folder"])
every_page = pytest.mark.parametrize("name", PAGES)


@every_page
@everywhere
def test_axe_finds_nothing_to_object_to(look, name, width_px):
    found = look(name, width_px).violations
    assert found == {"light": [], "dark": []}


@every_page
@everywhere
def test_a_page_logs_no_error_from_a_server(look, name, width_px):
    assert look(name, width_px).errors == []


@every_page
def test_a_page_logs_no_error_from_a_folder(look, name):
    assert look(name, NARROWEST_PX, from_folder=True).errors == []


@every_page
@either_way
def test_a_page_asks_nothing_of_the_network(look, name, width_px, from_folder):
    assert [url for url in look(name, width_px, from_folder).requests if not local(url)] == []


@every_page
@either_way
def test_every_explorer_comes_alive(look, name, width_px, from_folder):
    assert set(look(name, width_px, from_folder).widgets) <= {"live"}


@every_page
@everywhere
def test_a_page_never_scrolls_sideways(look, name, width_px):
    assert look(name, width_px).too_wide_px <= 0


@every_page
def test_a_page_never_scrolls_sideways_in_the_narrowest_window(look, name):
    assert look(name, NARROWEST_PX, from_folder=True).too_wide_px <= 0


@every_page
@everywhere
def test_a_page_hardly_moves_while_it_loads(look, name, width_px):
    assert look(name, width_px).layout_shift < LAYOUT_SHIFT


@every_page
def test_a_page_is_light(look, book, name):
    paths = {unquote(urlsplit(url).path).lstrip("/") for url in look(name, WIDTHS_PX[1]).requests if url.startswith("http")}
    sizes = {path: transferred_bytes(book / path) for path in paths if (book / path).is_file()}
    total = sum(sizes.values())
    assert total <= PAGE_KB * 1000, sorted(sizes.items(), key=lambda item: -item[1])[:6]


@every_page
def test_no_page_waits_for_an_index_that_nobody_reads(look, name):
    asked = {urlsplit(url).path.rpartition("/")[2] for url in look(name, WIDTHS_PX[1]).requests}
    assert asked and not asked & {"searchindex.js", "searchtools.js", "language_data.js"}


@every_page
def test_without_scripts_every_explorer_shows_a_picture_and_a_table(browser, book, name):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((book / f"{name}.html").as_uri())
    for box in page.locator(".afm").all():
        assert box.locator("svg[role=img]").first.is_visible()
        assert box.locator("table").first.is_visible()
    context.close()


# --- the explorers, by keyboard alone --------------------------------------------------

CONTROLS = "input:not([type=hidden]), select, button"


def shown(box: Locator) -> str:
    """What a reader sees of an explorer: its words and pictures, and which controls are there to use."""
    return box.evaluate("""(box) => JSON.stringify([
        box.innerText,
        [...box.querySelectorAll("svg")].map((picture) => picture.innerHTML),
        [...box.querySelectorAll("input, select, button")].map((it) => [it.disabled, it.checkVisibility()]),
    ])""")


def changes(page: Page, box: Locator, act: Callable[[], None]) -> bool:
    """Whether what the explorer shows differs soon after an action."""
    before = shown(box)
    act()
    for _ in range(SOON_STEPS):
        if shown(box) != before:
            return True
        page.wait_for_timeout(STEP_MS)
    return False


def drive(page: Page, box: Locator, control: Locator) -> None:
    """One control through all it can do."""
    kind = control.evaluate("it => it.tagName === 'INPUT' ? it.type : it.tagName.toLowerCase()")
    name = control.evaluate("it => it.labels?.[0]?.textContent.trim() || it.ariaLabel || it.textContent.trim()")
    control.focus()
    if kind == "range":
        start = control.input_value()
        control.press("Home")
        assert changes(page, box, lambda: control.press("End")), f"{name}: nothing changes from min to max"
        assert changes(page, box, lambda: control.press("Home")), f"{name}: nothing changes from max to min"
        control.evaluate("(it, value) => { it.value = value; it.dispatchEvent(new Event('input', { bubbles: true })); }", start)
        back_and_forth = ("ArrowRight", "ArrowLeft") if start != control.get_attribute("max") else ("ArrowLeft", "ArrowRight")
        for key in back_and_forth:
            control.press(key)
        assert control.input_value() == start, f"{name}: the arrow keys do not take steps"
    elif kind == "select":
        options = control.locator("option").count()
        control.press("Home")
        moved = [changes(page, box, lambda: control.press("ArrowDown")) for _ in range(options - 1)]
        assert any(moved) or options == 1, f"{name}: no option changes anything"
        control.press("Home")
    elif kind in {"checkbox", "radio"}:
        was = control.is_checked()
        changed = changes(page, box, lambda: control.press("Space"))
        assert changed or (kind == "radio" and was), f"{name}: nothing changes"
        if kind == "checkbox":
            control.press("Space")
    elif kind == "button":
        control.press("Enter")
    elif kind == "number":
        control.press("ArrowUp")
        control.press("ArrowDown")
    else:
        assert changes(page, box, lambda: control.fill("a word")), f"{name}: what one types goes nowhere"
        control.fill("")


@every_page
def test_every_control_of_every_explorer_answers_the_keyboard(browser, book, name):
    if 'class="afm"' not in (book / f"{name}.html").read_text("utf8"):
        return
    visit = Visit()
    context = browser.new_context(viewport={"width": WIDTHS_PX[0], "height": 800}, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    listen(page, visit)
    page.goto((book / f"{name}.html").as_uri())
    read_to_the_end(page)
    for box in page.locator(".afm").all():
        folds = box.locator("details:not([open]) > summary")
        while folds.count():
            folds.first.press("Enter")
        assert box.locator(CONTROLS).count(), "an explorer has something to move"
        for number in range(box.locator(CONTROLS).count()):
            control = box.locator(CONTROLS).nth(number)
            if control.is_visible() and control.is_enabled():
                drive(page, box, control)
        shows = box.inner_text()
        assert "NaN" not in shows and "undefined" not in shows
    assert visit.errors == []
    context.close()
