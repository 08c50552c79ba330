"""The drawings of the chapters in a browser: letters that can be read, on a phone too, in the colours of the theme."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, Page

from dtsnn_lite.figures import FAINT
from tests.browser.waits import TWO_FRAMES, find_boxes, laid_out, until
from tools.build_book import toc_entries

ROOT = Path(__file__).resolve().parents[2]
PAGES = toc_entries(yaml.safe_load((ROOT / "_toc.yml").read_text("utf8")))
CHAPTERS = [name for name in PAGES if (ROOT / f"{name}.ipynb").is_file()]
DRAWING = "article .cell_output > svg.drawing"
WIDTHS_PX = (390, 1280)
SMALLEST_LETTERS_PX = 11
TEXT_CONTRAST, LINE_CONTRAST = 4.5, 3.0         # WCAG 2.2, 1.4.3 and 1.4.11

LETTERS = f"""() => [...document.querySelectorAll("{DRAWING}")].flatMap((drawing, place) => {{
    const scale = drawing.getBoundingClientRect().width / drawing.viewBox.baseVal.width;
    return [...drawing.querySelectorAll("text")].map((text) =>
        [place, text.textContent, scale * parseFloat(getComputedStyle(text).fontSize)]);
}})"""
# Two texts of a drawing whose boxes lie on each other by more than the room around their letters.
LAID_OVER = f"""() => [...document.querySelectorAll("{DRAWING}")].flatMap((drawing, place) => {{
    const upright = [...drawing.querySelectorAll("text")].filter((text) => !/rotate/.test(text.getAttribute("transform") ?? ""));
    const box = (text) => {{ const at = text.getBoundingClientRect(), slack = at.height / 6;
        return [text.textContent, at.left + 1, at.right - 1, at.top + slack, at.bottom - slack]; }};
    const boxes = upright.map(box), pairs = boxes.flatMap((one, n) => boxes.slice(n + 1).map((two) => [one, two]));
    const meet = ([[, l, r, t, b], [, left, right, top, bottom]]) => l < right && left < r && t < bottom && top < b;
    return pairs.filter(meet).map(([one, two]) => [place, one[0], two[0]]);
}})"""
OUTSIDE = f"""() => [...document.querySelectorAll("{DRAWING}")].flatMap((drawing, place) => {{
    const paper = drawing.getBoundingClientRect();
    const isIn = ({{ left, right, top, bottom }}) => left > paper.left - 1 && right < paper.right + 1
        && top > paper.top - 1 && bottom < paper.bottom + 1;
    const letters = [...drawing.querySelectorAll("text")].filter((text) => !isIn(text.getBoundingClientRect()));
    return letters.map((text) => [place, text.textContent]);
}})"""
# For each drawing, the words of the caption in sight right below it, if there is one and it names the drawing.
CAPTIONS = """() => [...document.querySelectorAll("article .cell_output > :is(svg, img)")].map((drawing) => {
    const below = drawing.nextElementSibling, paper = drawing.getBoundingClientRect(), box = below?.getBoundingClientRect();
    const isCaption = below?.matches("p.drawing-caption") && below.checkVisibility() && box.top >= paper.bottom
        && box.left >= 0 && box.right <= innerWidth && below.scrollWidth <= below.clientWidth;
    const named = drawing.getAttribute("aria-labelledby") === below?.id || drawing.alt === below?.textContent;
    return isCaption && named ? below.innerText : "";
})"""
# What letters, lines and bars are painted with, each colour once, and the paper that they lie on.
PAINT = f"""() => {{
    const drawn = (parts, kind) => [...document.querySelectorAll(`{DRAWING} :is(${{parts}})`)].map((it) => getComputedStyle(it)[kind]);
    const once = (colours) => [...new Set(colours)].filter((colour) => colour.startsWith("rgb"));
    const paper = drawn("path:first-child", "fill")[0];
    return {{ paper, page: getComputedStyle(document.body).backgroundColor, text: once(drawn("text", "fill")),
        caption: getComputedStyle(document.querySelector(".drawing-caption")).color,
        lines: once([...drawn("path:not([stroke='{FAINT}']), use", "stroke"), ...drawn("path, use, pattern > rect", "fill")]) }};
}}"""


@pytest.fixture(scope="module", params=WIDTHS_PX)
def window(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    page = laid_out(browser.new_page(viewport={"width": request.param, "height": 844}))
    yield page
    page.close()


def luminance(colour: str) -> float:
    """WCAG's relative luminance of `rgb(r, g, b)`."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_letter_of_a_drawing_can_be_read_and_lies_on_no_other(window, book, name):
    window.goto((book / f"{name}.html").as_uri())
    letters = window.evaluate(LETTERS)
    assert [it for it in letters if it[2] < SMALLEST_LETTERS_PX - 0.01] == []
    assert window.evaluate(LAID_OVER) == []
    assert window.evaluate(OUTSIDE) == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_drawing_has_a_caption_in_sight(window, book, name):
    window.goto((book / f"{name}.html").as_uri())
    captions = window.evaluate(CAPTIONS)
    assert len(captions) == window.locator(".cell_output > :is(svg.drawing, img)").count()
    assert [words for words in captions if not words.endswith(".")] == []


def test_the_drawings_of_the_book_are_found(book):
    found = {name: (book / f"{name}.html").read_text("utf8").count('<svg class="drawing') for name in CHAPTERS}
    assert sum(found.values()) >= 50 and found["book/dtsnn"] >= 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["book/dtsnn", "book/edp_scaling", "book/schedules"])
def test_a_drawing_has_the_colours_of_the_theme_and_keeps_its_contrast(browser, book, name, scheme):
    page = browser.new_page(color_scheme=scheme)
    page.goto((book / f"{name}.html").as_uri())
    until(page, "scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
    painted: dict[str, Any] = page.evaluate(PAINT)
    page.close()
    paper = painted["paper"]
    assert paper == painted["page"] and (luminance(paper) > 0.9) == (scheme == "light")
    letters = [painted["caption"], *painted["text"]]
    assert painted["text"] and all(contrast(colour, paper) >= TEXT_CONTRAST for colour in letters)
    if scheme == "dark":        # on white, styles, markers and hatches say what pale colours do not
        data = [colour for colour in painted["lines"] if colour != paper and max(map(int, re.findall(r"\d+", colour)[:3])) > 90]
        assert len(data) > 2 and all(contrast(colour, paper) >= LINE_CONTRAST for colour in data)


def test_no_two_elements_of_a_page_share_a_name(book):
    for name in CHAPTERS:
        elements = re.sub(r"<(script|template)\b.*?</\1>", "", (book / f"{name}.html").read_text("utf8"), flags=re.S)
        names = re.findall(r'\sid="([^"]+)"', elements)
        assert len(names) == len(set(names)), name


def test_a_drawing_follows_the_switch_of_the_theme_and_prints_on_white(browser, book):
    page = browser.new_page(color_scheme="light")
    page.goto((book / "book/dtsnn.html").as_uri())
    ink = f"getComputedStyle(document.querySelector('{DRAWING} text')).fill"
    assert luminance(page.evaluate(ink)) < 0.1
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert luminance(page.evaluate(ink)) > 0.5
    page.emulate_media(media="print")
    until(page, "document.documentElement.dataset.theme === 'light'")
    assert luminance(page.evaluate(ink)) < 0.1
    page.close()


def test_without_scripts_a_drawing_is_there(browser, book):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((book / "book/dtsnn.html").as_uri())
    assert page.locator(DRAWING).count() >= 5 and all(drawing.is_visible() for drawing in page.locator(DRAWING).all())
    context.close()


def test_a_wide_drawing_keeps_its_size_on_a_phone_and_scrolls_by_keyboard(browser, book):
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto((book / "book/seenn1.html").as_uri())
    box = page.locator(".cell_output:has(> .wide-drawing)").first
    assert box.locator("svg").bounding_box()["width"] > 500
    assert box.evaluate("(it) => it.scrollWidth - it.clientWidth") > 150
    find_boxes(page)
    box.focus()
    page.keyboard.press("ArrowRight")
    until(page, "() => document.querySelector('.cell_output:has(> .wide-drawing)').scrollLeft > 0")
    caption = box.locator(".drawing-caption").bounding_box()
    assert caption["x"] >= 0 and caption["x"] + caption["width"] <= 360, "its caption stays in sight"
    page.set_viewport_size({"width": 1280, "height": 740})
    page.evaluate(TWO_FRAMES)
    find_boxes(page)
    assert box.get_attribute("tabindex") is None
    assert box.evaluate("(it) => it.scrollWidth <= it.clientWidth")
    context.close()
