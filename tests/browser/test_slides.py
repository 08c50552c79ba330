"""A chapter as slides: made from its page, in order, each fits its window, and all that moves still does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, Page

from tools.build_book import toc_entries

ROOT = Path(__file__).resolve().parents[2]
PAGES = toc_entries(yaml.safe_load((ROOT / "_toc.yml").read_text("utf8")))
CHAPTERS = [name for name in PAGES if (ROOT / f"{name}.ipynb").is_file()]
SHOWN = ".deck .slide:not([hidden])"
DRAWN = "const DRAWN = ':is(.cell_output > svg.drawing, .cell_output img:not(.afm img))';"
# The page without the sections that slides leave out.
COUNTS = f"() => {{ {DRAWN}" + """
    const left = new Set(["exercises", "sources", "what-next"]);
    const kept = (node) => !left.has(node.closest("section[id]")?.id);
    const count = (query) => [...document.querySelectorAll(`article ${query}`)].filter(kept).length;
    return {explorers: count(".afm"), drawings: count(DRAWN), equations: count("section > div.math")};
}"""
IN_DECK = f"() => {{ {DRAWN}" + """
    const count = (query) => document.querySelectorAll(`.deck ${query}`).length;
    const [explorers, drawings] = [count(".slide-shown .afm"), count(`.slide-shown ${DRAWN}`)];
    return {explorers, drawings, equations: count(".slide-points > div.math")};
}"""
# Slides whose words or drawings do not fit; an explorer or a long table may scroll.
TOO_TALL = """async () => {
    const found = [];
    for (const slide of document.querySelectorAll(".deck .slide")) {
        const now = document.querySelector(".deck .slide:not([hidden])");
        if (now.scrollHeight > now.clientHeight + 1 && !now.querySelector(".afm, table")) found.push(now.querySelector("h2").textContent);
        dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"}));
    }
    return found;
}"""


@pytest.fixture(scope="module")
def lectern(browser: Browser) -> Iterator[Page]:
    """A projector's window, whose faults are collected in `page.faults`."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    yield page
    page.close()


def slides(page: Page, book: Path, name: str, place: str = "") -> None:
    page.goto(f"{(book / f'{name}.html').as_uri()}?slides{place}")
    page.wait_for_selector(SHOWN)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_is_a_deck_that_shows_all_it_has(lectern, book, name):
    lectern.goto((book / f"{name}.html").as_uri())
    wanted = lectern.evaluate(COUNTS)
    slides(lectern, book, name)
    assert lectern.evaluate(IN_DECK) == wanted
    assert lectern.locator(".deck .slide").count() >= 5
    assert lectern.evaluate(TOO_TALL) == []
    assert lectern.faults == []


def first_sentence(name: str, heading: str) -> str:
    """The first line of the text under a heading of a notebook."""
    cells = json.loads((ROOT / f"{name}.ipynb").read_text("utf8"))["cells"]
    text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return text.split(f"## {heading}\n", 1)[1].strip().splitlines()[0]


def test_a_point_is_the_first_sentence_of_its_paragraph(lectern, book):
    slides(lectern, book, "book/lif")
    slide = lectern.locator(".deck .slide", has=lectern.locator("h2", has_text="From input to rate")).first
    assert slide.locator(".slide-points > *").first.text_content() == first_sentence("book/lif", "From input to rate")


def test_the_keyboard_leads_through_and_out(lectern, book):
    slides(lectern, book, "book/dtsnn", "=2")
    count = lectern.locator(".deck-count")
    last = lectern.locator(".deck .slide").count()
    assert count.text_content() == f"2 of {last}"
    lectern.keyboard.press("ArrowRight")
    assert count.text_content() == f"3 of {last}"
    lectern.keyboard.press("ArrowLeft")
    lectern.keyboard.press("ArrowLeft")
    lectern.keyboard.press("ArrowLeft")
    assert count.text_content() == f"1 of {last}"
    lectern.keyboard.press("End")
    assert count.text_content() == f"{last} of {last}"
    lectern.keyboard.press("Escape")
    lectern.wait_for_url(lambda address: "?slides" not in address)
    assert lectern.locator("article h1").is_visible()


def test_an_explorer_lives_on_its_slide_and_keeps_its_keys(lectern, book):
    slides(lectern, book, "book/lif")
    place = lectern.evaluate("[...document.querySelectorAll('.deck .slide')].findIndex((slide) => slide.querySelector('.afm'))")
    slides(lectern, book, "book/lif", f"={place + 1}")
    slider = lectern.locator(f"{SHOWN} .afm input[type=range]").first
    slider.focus()
    before = slider.input_value()
    lectern.keyboard.press("ArrowLeft")                 # a clock stands at its end
    assert slider.input_value() != before
    assert lectern.locator(".deck-count").text_content().startswith(f"{place + 1} of")


def test_the_notes_are_the_whole_text(lectern, book):
    slides(lectern, book, "book/lif")
    slide = lectern.locator(".deck .slide", has=lectern.locator("h2", has_text="From input to rate")).first
    assert not slide.locator(".slide-notes").is_visible()
    assert "The sum never exceeds" in slide.locator(".slide-notes").text_content()
    lectern.get_by_role("button", name="Notes").click()
    assert lectern.locator(f"{SHOWN} .slide-notes").get_attribute("hidden") is None


def test_paper_gets_every_slide(lectern, book):
    slides(lectern, book, "book/dtsnn")
    lectern.emulate_media(media="print")
    try:
        assert lectern.evaluate("[...document.querySelectorAll('.deck .slide')].every((slide) => slide.checkVisibility())")
        assert not lectern.locator(".deck-bar").is_visible()
    finally:
        lectern.emulate_media(media="screen")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_slide_is_accessible_and_fits_a_phone(browser, book, objections, scheme):
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    try:
        slides(page, book, "book/lif", "=4")
        assert objections(page) == []
    finally:
        page.close()


def test_only_chapters_carry_the_button(book):
    carry = {name for name in PAGES if 'href="?slides"' in (book / f"{name}.html").read_text("utf8")}
    assert carry == set(CHAPTERS)
