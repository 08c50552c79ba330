"""A whole chapter by keyboard alone, on a window as small as a phone's, from a folder, without network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.test_pages import PATIENCE_MS, STEP_MS, Visit, listen
from tests.browser.test_questions import ANSWERS, answered, kept, verdict
from tests.browser.waits import TWO_FRAMES, until

CHAPTER = "dtsnn"
CHECKS = next(path for path in ANSWERS if path.stem == CHAPTER)
MOST_STOPS = 400
REST_LOOKS = 20
WINDOW = {"width": 360, "height": 740}

# Where the focus is, and what is wrong with that.
FOCUS = """async () => {
  // What is far from the window stands still halfway (content-visibility), and so does what gets there meanwhile.
  const moving = document.getAnimations().filter((each) => each.effect.target.checkVisibility({ contentVisibilityAuto: true }));
  await Promise.race([Promise.all(moving.map((each) => each.finished)), new Promise((next) => setTimeout(next, 1000))]);
  const it = document.activeElement;
  if (!it || it === document.body) return null;
  const box = it.getBoundingClientRect(), style = getComputedStyle(it), faults = [];
  const middle = [box.left + box.width / 2, Math.min(innerHeight - 2, Math.max(2, box.top + Math.min(box.height / 2, 40)))];
  const above = document.elementFromPoint(...middle);
  if (!it.checkVisibility({ visibilityProperty: true, opacityProperty: true })) faults.push("hidden");
  if (box.bottom <= 0 || box.top >= innerHeight || box.right <= 0 || box.left >= innerWidth) faults.push("outside the window");
  if (above && !it.contains(above) && !above.contains(it) && !it.closest("label")?.contains(above)) faults.push("covered");
  if ((style.outlineStyle === "none" || style.outlineWidth === "0px") && style.boxShadow === "none") faults.push("without a frame");
  const words = it.ariaLabel || it.labels?.[0]?.innerText || it.innerText || it.title || it.textContent || "";
  return { tag: it.tagName.toLowerCase(), words: words.trim().slice(0, 60), faults, y: Math.round(box.top + scrollY) };
}"""


@pytest.fixture
def chapter(browser: Browser, book: Path) -> Iterator[Page]:
    """The chapter, open; afterwards nothing was logged and nothing asked of the network."""
    visit = Visit()
    context = browser.new_context(viewport=WINDOW, reduced_motion="reduce", offline=True, accept_downloads=True)
    context.grant_permissions(["clipboard-write"])
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    listen(page, visit)
    page.goto((book / "book" / f"{CHAPTER}.html").as_uri())
    yield page
    assert visit.errors == []
    assert [url for url in visit.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    context.close()


def focus(page: Page) -> dict | None:
    """Where the focus is once the page is at rest: a panel that still slides, a page that still scrolls, covers much."""
    for _ in range(REST_LOOKS):
        stop = page.evaluate(FOCUS)
        if not stop or not stop["faults"]:
            break
        page.wait_for_timeout(STEP_MS)
    return stop


def is_at(page: Page, selector: str) -> bool:
    return page.evaluate("selector => document.activeElement.matches(selector)", selector)


def tab_to(page: Page, selector: str) -> None:
    """Tab until the focus stands on `selector`; every stop on the way is in sight."""
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        stop = focus(page)
        assert stop, f"the focus left the page before {selector}"
        assert not stop["faults"], f"the focus is {stop['faults']} at {stop['tag']} {stop['words']!r}"
        if is_at(page, selector):
            return
    raise AssertionError(f"{selector} is never reached")


def test_every_stop_of_the_tab_key_is_in_sight_and_further_down(chapter):
    stops: list[dict] = []
    for _ in range(MOST_STOPS):
        chapter.keyboard.press("Tab")
        stop = focus(chapter)
        if stop is None:
            break
        stops.append(stop)
    assert 60 < len(stops) < MOST_STOPS, "one comes to the end"
    assert [stop for stop in stops if stop["faults"] or not stop["words"]] == []
    text = stops[[stop["words"] for stop in stops].index("Search Ctrl+K") + 2:]
    assert all(later["y"] > earlier["y"] - 60 for earlier, later in pairwise(text)), "the order is that of the text"


def test_the_skip_link_leads_past_the_buttons(chapter):
    chapter.keyboard.press("Tab")
    assert focus(chapter)["words"] == "Skip to main content"
    chapter.keyboard.press("Enter")
    chapter.keyboard.press("Tab")
    assert chapter.evaluate("document.querySelector('article').contains(document.activeElement)")


@pytest.mark.parametrize("button", [".primary-toggle", ".secondary-toggle", ".search-button"])
def test_a_panel_takes_the_focus_and_gives_it_back(chapter, button):
    tab_to(chapter, button)
    chapter.keyboard.press("Enter")
    until(chapter, "document.querySelector('dialog[open]')?.contains(document.activeElement)")
    chapter.keyboard.press("Escape")
    until(chapter, "button => document.activeElement.matches(button)", arg=button)


def test_the_button_for_the_colours_keeps_the_focus(chapter):
    tab_to(chapter, ".theme-switch-button")
    before = chapter.evaluate("document.documentElement.dataset.mode")
    chapter.keyboard.press("Enter")
    until(chapter, "before => document.documentElement.dataset.mode !== before", arg=before)
    chapter.evaluate(TWO_FRAMES)
    assert is_at(chapter, ".theme-switch-button")


def test_a_section_is_reached_from_the_contents(chapter):
    tab_to(chapter, ".secondary-toggle")
    chapter.keyboard.press("Enter")
    tab_to(chapter, "dialog a[href='#try-it']")
    chapter.keyboard.press("Enter")
    until(chapter, "!document.querySelector('dialog[open]')")
    assert 0 <= chapter.locator("#try-it h2").bounding_box()["y"] < WINDOW["height"]


def test_predictions_are_locked_and_revealed(chapter):
    for prediction in chapter.locator("form.question-predict").all():
        name = prediction.get_attribute("id")
        tab_to(chapter, f"#{name} input")
        chapter.keyboard.press("Enter")
        assert verdict(chapter, name) == "Predict something first: a guess is enough."
        for n in range(prediction.locator("input").count()):
            if n:
                tab_to(chapter, f"#{name} input")
            chapter.keyboard.type("3")
        chapter.keyboard.press("Enter")
        assert verdict(chapter, name).startswith("You predicted:")
        assert is_at(chapter, f"[data-reveals={name}] > summary"), "the focus stands on the reveal, which is open"
        assert chapter.locator(f"[data-reveals={name}]").get_attribute("open") is not None
    assert all(entry["role"] == "predict" for entry in kept(chapter).values())


def numbers(page: Page) -> str:
    return page.locator(".afm .numbers").first.inner_text()


def test_phrases_and_keys_move_the_explorer(chapter):
    tab_to(chapter, "a.dtsnn-phrase, a[href^='#exit?']")
    chapter.keyboard.press("Enter")
    until(chapter, "document.activeElement.matches('a[aria-current=true]')")
    chapter.evaluate(TWO_FRAMES)
    tab_to(chapter, ".afm select")
    seen = {numbers(chapter)}
    tab_to(chapter, ".afm [data-field=gamma] input")
    chapter.keyboard.press("PageUp")
    chapter.evaluate(TWO_FRAMES)
    seen.add(numbers(chapter))
    tab_to(chapter, ".afm [data-field=theta] input")
    for key in ("Home", "ArrowRight", "PageUp", "End"):
        chapter.keyboard.press(key)
        chapter.evaluate(TWO_FRAMES)
        seen.add(numbers(chapter))
    assert len(seen) >= 4
    until(chapter, "location.hash.includes('theta=1')")
    for words in ("Copy link", "Copy as Python", "Copy as table row"):
        tab_to(chapter, ".afm .tools button")
        assert focus(chapter)["words"] == words
        chapter.keyboard.press("Enter")
        until(chapter, "/Copied|Select/.test(document.querySelector('.afm .said').textContent)")
        assert is_at(chapter, ".afm .tools button"), "copying leaves the focus where it was"
    tab_to(chapter, ".afm .lesson summary")
    chapter.keyboard.press("Enter")
    tab_to(chapter, ".afm .lesson input[type=text]")
    chapter.keyboard.type("Where is the knee?")
    assert chapter.locator(".afm .question").inner_text() == "Where is the knee?"


def right_and_wrong(name: str) -> tuple[str, list[str]]:
    rows = [(given, right) for check, given, _, right in answered(CHECKS) if check == name]
    return next(given for given, right in rows if right), [given for given, right in rows if not right]


def give(page: Page, name: str, given: str) -> None:
    """An answer to the question in focus: typed, or walked to with the arrow keys."""
    kinds = page.locator(f"#{name} .question-options input")
    if not kinds.count():
        page.keyboard.press("Control+a")
        page.keyboard.type(given)
    else:
        page.keyboard.press("Space")
        while not page.evaluate("given => document.activeElement.value === given", given):
            page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")


def test_checks_take_wrong_answers_give_hints_and_take_right_ones(chapter):
    names = [form.get_attribute("id") for form in chapter.locator("form.question-check").all()]
    assert len(names) >= 3
    for name in names:
        right, wrong = right_and_wrong(name.removeprefix("check-"))
        tab_to(chapter, f"#{name} :is(input, [data-move])")
        give(chapter, name, wrong[0])
        assert verdict(chapter, name).startswith("Not yet.")
        assert is_at(chapter, f"#{name} *"), "after a wrong answer one is still in the question"
        tab_to(chapter, f"#{name} .question-hint summary")
        chapter.keyboard.press("Enter")
        assert chapter.locator(f"#{name} .question-hint p").first.is_visible()
        while not is_at(chapter, f"#{name} .question-options input, #{name} input[type=text]"):
            chapter.keyboard.press("Shift+Tab")
        give(chapter, name, right)
        assert verdict(chapter, name).startswith("Right.")
    tab_to(chapter, ".your-answers > summary")
    chapter.keyboard.press("Enter")
    for words, name in (("Save as Markdown", "my-answers.md"), ("Save as JSON", "my-answers.json")):
        tab_to(chapter, ".your-answers button")
        assert focus(chapter)["words"] == words
        with chapter.expect_download() as saved:
            chapter.keyboard.press("Enter")
        assert saved.value.suggested_filename == name
        assert len(re.findall("right", saved.value.path().read_text("utf8"))) >= len(names)
