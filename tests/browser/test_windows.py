"""Who moves a control sees what it does: its explorer's controls, sentence and main picture stand in one window, words in their picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.waits import until

BOOK = Path(__file__).resolve().parents[2] / "book"
WINDOWS = {"phone": (390, 844), "laptop": (1280, 800)}
DRAWS = ("Explorer(", "EventPlayer(", "FlowViewer(")
PATIENCE_MS = 120_000

# Scrolls until the highest of them touches the page's header, and says what of each is out of sight, in pixels.
OUT_OF_SIGHT = """(box) => {
  const root = box.querySelector(".dtsnn"), header = document.querySelector(".bd-header-article").getBoundingClientRect();
  const found = { picture: ".board, .watching, .panel", controls: ":scope > .controls", clock: ".clock", sentence: ":scope > .sentence" };
  const parts = Object.entries(found).map(([name, where]) => [name, root.querySelector(where)]).filter(([, part]) => part);
  const top = () => Math.min(...parts.map(([, part]) => part.getBoundingClientRect().top));
  scrollTo({ top: scrollY + top() - header.height - 1, behavior: "instant" });
  return Object.fromEntries(parts.map(([name, part]) => {
    const { top, bottom, height } = part.getBoundingClientRect();
    return [name, height > 0 ? Math.max(0, Math.ceil(header.height - top), Math.ceil(bottom - innerHeight)) : "not there"];
  }));
}"""

# Words of a picture that reach out of it to the left or to the right, by more than half of a last tick's number.
OUT_OF_ITS_PICTURE = """(box) => [...box.querySelectorAll("svg[role=img]")].flatMap((picture) => {
  const { left, right } = picture.getBoundingClientRect();
  return [...picture.querySelectorAll("text")].filter((words) => {
    const its = words.getBoundingClientRect();
    return its.width > 0 && (its.left < left - 4 || its.right > right + 4);
  }).map((words) => words.textContent);
})"""


def draws(path: Path) -> bool:
    """Whether a notebook shows an explorer."""
    cells = [cell for cell in json.loads(path.read_text("utf8"))["cells"] if cell["cell_type"] == "code"]
    return any(word in "".join(cell["source"]) for cell in cells for word in DRAWS)


@pytest.mark.parametrize("name", [path.stem for path in sorted(BOOK.glob("*.ipynb")) if draws(path)])
def test_a_control_its_sentence_and_its_picture_stand_in_one_window(browser: Browser, book: Path, name: str) -> None:
    context = browser.new_context(reduced_motion="reduce", offline=True)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto((book / "book" / f"{name}.html").as_uri())
    boxes = page.locator(".afm").all()
    assert boxes, f"{name} shows no explorer"
    for window, (width, height) in WINDOWS.items():
        page.set_viewport_size({"width": width, "height": height})
        for box in boxes:
            box.scroll_into_view_if_needed()
            until(page, "box => box.dataset.view", arg=box.element_handle())
            found, title = box.evaluate(OUT_OF_SIGHT), box.locator(".dtsnn").first.get_attribute("aria-label")
            assert {"picture", "controls", "sentence"} <= set(found) and set(found.values()) == {0}, (window, title, found)
            assert box.evaluate(OUT_OF_ITS_PICTURE) == [], (window, title)
    context.close()
