"""Notes and small figures in a browser: beside their paragraphs where the window has a margin, in the text where it has none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, Page

from tests.browser.waits import TWO_FRAMES, laid_out, until
from tools.build_book import toc_entries

ROOT = Path(__file__).resolve().parents[2]
PAGES = toc_entries(yaml.safe_load((ROOT / "_toc.yml").read_text("utf8")))


def cells(name: str) -> list[dict[str, Any]]:
    path = ROOT / f"{name}.ipynb"
    return json.loads(path.read_text("utf8"))["cells"] if path.is_file() else []


def notes_in(name: str) -> int:
    """How many notes and small figures a page's source asks for."""
    written = sum("".join(cell["source"]).count(":::{margin}") for cell in cells(name))
    return written + sum("margin" in cell["metadata"].get("tags", []) for cell in cells(name))


WITH_NOTES = [name for name in PAGES if notes_in(name)]
WIDE_PX, NARROW_PX = (1280, 1440, 1920), (320, 360, 390, 768, 1199)
BEGINS_WITHIN_PX = 24
IN_MARGIN = "article :is(aside.margin, .cell_output.marginnote)"

# For each note: its box, its column, how far below the beginning of what it belongs to it begins, and what it meets.
PLACES = f"""() => {{
    const notes = [...document.querySelectorAll("{IN_MARGIN}")], box = (it) => it.getBoundingClientRect();
    const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    // What paints: whatever holds no other element. What scrolls is cut off by its own box.
    const scrolls = (it) => it.parentElement.closest("article .pst-scrollable-table-container, article pre, article .math, article .afm");
    const painted = [...document.querySelectorAll("article *, .bd-footer *, .prev-next-area")]
        .filter((it) => !it.firstElementChild && it.checkVisibility() && !it.closest(".math-spoken, svg *"))
        .map((it) => scrolls(it) ?? it);
    return notes.map((note) => {{
        const cell = note.closest(".cell"), column = box(note.closest("section"));
        const beside = cell ?? note.nextElementSibling, around = cell ?? note.closest("section");
        const others = [...new Set(painted), ...notes].filter((it) => !note.contains(it) && !it.contains(note) && it !== note);
        return {{
            words: note.innerText.slice(0, 30), left: box(note).left - column.right, right: innerWidth - box(note).right,
            inset: Math.min(box(note).left - column.left, column.right - box(note).right), below: box(note).top - box(beside).top,
            met: others.filter((it) => meet(box(note), box(it))).map((it) => it.outerHTML.slice(0, 80)),
            isCut: note.scrollWidth > note.clientWidth + 1,
        }};
    }});
}}"""
# A window whose line at `share` of its height is the top of a note, once the theme's observer has heard of it.
SCROLL = f"""async ([place, share]) => {{
    const note = document.querySelectorAll("{IN_MARGIN}")[place];
    scrollTo(0, scrollY + note.getBoundingClientRect().top - share * innerHeight);
    await {TWO_FRAMES};
    return note.getBoundingClientRect().top / innerHeight;
}}"""
# Whether what one sees at nine places of a note is the note.
IS_SEEN = f"""(place) => {{
    const note = document.querySelectorAll("{IN_MARGIN}")[place], {{ left, top, width, height }} = note.getBoundingClientRect();
    const at = (x, y) => document.elementFromPoint(left + x * width, Math.min(top + y * height, innerHeight - 2));
    return [0.02, 0.5, 0.98].every((x) => [0.02, 0.5, 0.98].every((y) => note.contains(at(x, y))));
}}"""
IS_FOLDED = "document.querySelector('.bd-sidebar-secondary').getBoundingClientRect().height < 60"


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Page]:
    page = laid_out(browser.new_page(reduced_motion="reduce"))
    yield page
    page.close()


def show(page: Page, book: Path, name: str, width_px: int, height_px: int = 800) -> None:
    page.set_viewport_size({"width": width_px, "height": height_px})
    page.goto((book / f"{name}.html").as_uri())


def places(page: Page, width_px: int) -> list[dict[str, Any]]:
    """Where the notes of the page that is shown stand in a window of this width."""
    page.set_viewport_size({"width": width_px, "height": 800})
    return [{**note, "window": width_px} for note in page.evaluate(PLACES)]


@pytest.mark.parametrize("name", WITH_NOTES)
def test_in_a_wide_window_a_note_stands_beside_its_paragraph_and_meets_nothing(window, book, name):
    show(window, book, name, WIDE_PX[0])
    notes = [note for width_px in WIDE_PX for note in places(window, width_px)]
    assert len(notes) == len(WIDE_PX) * notes_in(name)
    for note in notes:
        assert note["left"] > 0 and note["right"] > 0, note
        assert abs(note["below"]) < BEGINS_WITHIN_PX, note
        assert note["met"] == [] and not note["isCut"], note


@pytest.mark.parametrize("name", WITH_NOTES)
def test_in_a_narrow_window_a_note_is_a_box_in_the_column(window, book, name):
    show(window, book, name, NARROW_PX[0])
    for width_px in NARROW_PX:
        notes = places(window, width_px)
        assert len(notes) == notes_in(name)
        assert [note for note in notes if note["inset"] < 0 or note["met"] or note["isCut"]] == []
        assert window.evaluate("document.documentElement.scrollWidth <= innerWidth"), width_px


@pytest.mark.parametrize("name", WITH_NOTES)
def test_the_contents_of_a_page_fold_before_they_lie_on_a_note(window, book, name):
    show(window, book, name, 1280, height_px=640)
    for place in range(notes_in(name)):
        for share in (0.68, 0.5, 0.2):
            if abs(window.evaluate(SCROLL, [place, share]) - share) < 0.01:         # a page's end comes before its last note's
                if share < 0.66:
                    until(window, IS_FOLDED)
                assert window.evaluate(IS_SEEN, place), (place, share)


def test_contents_that_are_folded_open_for_the_keyboard_and_the_reader_keeps_the_place(window, book):
    show(window, book, "book/why_timesteps", 1280)
    window.evaluate(SCROLL, [0, 0.3])
    until(window, IS_FOLDED)
    place = window.evaluate("scrollY")
    link = window.locator(".page-toc a").nth(3)
    link.focus()
    until(window, f"!({IS_FOLDED})")
    assert window.evaluate("scrollY") == place
    assert link.evaluate("it => getComputedStyle(it.closest('nav')).opacity") == "1"
    assert link.evaluate("""it => { const { left, top } = it.getBoundingClientRect();
        return it.contains(document.elementFromPoint(left + 3, top + 3)); }""")


def test_without_scripts_nothing_would_fold_so_the_notes_stand_in_the_text(browser, book):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto((book / "book/why_timesteps.html").as_uri())
    column = page.locator("article section > p").first.bounding_box()
    boxes = [note.bounding_box() for note in page.locator("aside.margin").all()]
    context.close()
    assert column and len(boxes) == notes_in("book/why_timesteps")
    assert [box for box in boxes if not box or box["x"] + box["width"] > column["x"] + column["width"] + 1] == []


@pytest.mark.parametrize("name", ["book/lif", "book/dtsnn"])
def test_on_paper_a_note_stands_in_the_text(window, book, name):
    show(window, book, name, 1280)
    window.emulate_media(media="print")
    try:
        assert [note for note in window.evaluate(PLACES) if note["inset"] < 0 or note["met"] or note["isCut"]] == []
    finally:
        window.emulate_media(media="screen")


@pytest.mark.parametrize("name", ["book/lif", "book/seenn1"])
def test_in_a_page_from_right_to_left_the_margin_is_on_the_left(window, book, name):
    show(window, book, name, 1440)
    window.evaluate("document.documentElement.dir = 'rtl'")
    for note in window.evaluate(PLACES):
        assert note["inset"] < 0 and note["left"] < 0 and note["met"] == [], note
    assert window.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("name", WITH_NOTES)
def test_a_note_has_a_name_that_one_sees_and_is_no_landmark(window, book, name):
    show(window, book, name, 1440)
    names = window.evaluate("""() => [...document.querySelectorAll("aside.margin")].map((note) =>
        [note.getAttribute("role"), note.querySelector(`#${note.getAttribute("aria-labelledby")}`)?.innerText])""")
    assert all(role == "note" and said for role, said in names) and len({said for _, said in names}) == len(names)


def test_a_note_is_said_by_the_speaker_and_on_no_slide(window, book):
    window.set_viewport_size({"width": 1280, "height": 800})
    window.goto((book / "book/seenn2.html").as_uri() + "?slides")
    until(window, "document.querySelector('.deck .slide')")
    assert window.locator(".deck aside.margin").count() == 0
    assert any("the leak of a neuron" in (notes.text_content() or "") for notes in window.locator(".deck .slide-notes").all())
