"""The host of anywidgets on a static page, with widgets small enough to see through."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from playwright.sync_api import Route
from stopwhensure import live_widgets

from tests.browser.waits import TWO_FRAMES, until

VIEW_TYPE = "application/vnd.jupyter.widget-view+json"

COUNTER = """
function render({ model, el }) {
  const button = document.createElement("button");
  const show = () => { button.textContent = `count ${model.get("count")}`; };
  button.addEventListener("click", () => { model.set("count", model.get("count") + 1); model.save_changes(); });
  model.on("change:count", show);
  el.append(button);
  show();
  return () => { model.off("change:count", show); document.title = "cleaned up"; };
}
export default { render };
"""
BYTES = """
export default {
  initialize({ model }) { model.set("greeting", "prepared"); },
  render({ model, el }) {
    const view = model.get("data").raw;
    const copy = view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
    el.textContent = `${model.get("greeting")} ${[...new Int16Array(copy)].join(" ")}`;
  },
};
"""
BROKEN = "export default { render() { throw new Error('the recording is damaged'); } };"


def model(esm: str, **state: object) -> dict:
    """A record as Jupyter embeds it."""
    return {"model_module": "anywidget", "state": {"_esm": esm, **state}}


def box(model_id: str) -> str:
    view = json.dumps({"model_id": model_id})
    still = f'<div class="afm-still"><svg role="img" aria-label="still {model_id}"></svg><p>still {model_id}</p></div>'
    return f'<div class="afm" id="{model_id}">{still}<script type="{VIEW_TYPE}">{view}</script></div>'


def write_page(folder: Path, models: dict[str, dict], body: str) -> Path:
    """A page two folders deep, as the extension would leave it."""
    address, version = live_widgets.written(live_widgets.beside(models), folder, "a/b/page")
    page = folder / "a" / "b" / "page.html"
    page.parent.mkdir(parents=True)
    page.write_text(
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>page</title><link rel="icon" href="data:,"><body>'
        f'{live_widgets.call(f"../../{address}", version)}{body}'
    )
    return page


@pytest.fixture
def tab(browser):
    """An empty page whose errors are kept in `tab.errors`."""
    context = browser.new_context()
    page = context.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
    yield page
    context.close()


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_a_widget_comes_alive_in_place_of_its_still_view(tab, serve, tmp_path, scheme):
    page = write_page(tmp_path, {"one": model(COUNTER, count=3)}, box("one"))
    tab.goto(page.as_uri() if scheme == "file" else f"{serve(tmp_path)}/a/b/page.html")
    button = tab.get_by_role("button", name="count 3")
    button.press("Enter")
    assert tab.locator("#one").inner_text() == "count 4"
    assert tab.errors == []


def test_binary_traits_arrive_as_in_jupyter(tab, tmp_path):
    raw = (-2).to_bytes(2, "little", signed=True) + (300).to_bytes(2, "little")
    record = model(BYTES, data={})
    record["buffers"] = [{"path": ["data", "raw"], "encoding": "base64", "data": base64.b64encode(raw).decode()}]
    tab.goto(write_page(tmp_path, {"one": record}, box("one")).as_uri())
    tab.get_by_text("prepared -2 300").wait_for()


FOLDS = """
export default { render({ el }) {
  for (const name of ["more", "lesson"]) {
    const fold = document.createElement("details");
    fold.innerHTML = `<summary>live ${name}</summary><p>inside</p>`;
    el.append(fold);
  }
} };
"""


def test_a_fold_stays_open_and_keeps_the_focus_when_the_live_view_comes(tab, tmp_path):
    still = "".join(f"<details><summary>still {name}</summary><p>inside</p></details>" for name in ("more", "lesson"))
    place = box("one").replace("<p>still one</p>", still)
    tab.goto(write_page(tmp_path, {"one": model(FOLDS)}, f'<div style="height: 6000px"></div>{place}').as_uri())
    tab.evaluate("""() => {
        const fold = document.querySelectorAll("details")[1];
        fold.open = true;
        fold.querySelector("summary").focus({ preventScroll: true });
    }""")
    tab.locator("#one").scroll_into_view_if_needed()
    tab.locator("#one[data-view=live]").wait_for()
    assert tab.locator("details").evaluate_all("all => all.map((fold) => fold.open)") == [False, True]
    assert tab.evaluate("document.activeElement.textContent") == "live lesson"


def test_two_views_share_one_model(tab, tmp_path):
    body = box("one") + box("one").replace('id="one"', 'id="other"')
    tab.goto(write_page(tmp_path, {"one": model(COUNTER, count=0)}, body).as_uri())
    tab.locator("#one button").click()
    assert tab.locator("#other button").inner_text() == "count 1"


def test_a_widget_far_below_waits_until_the_reader_comes_near(tab, tmp_path):
    body = f'<div style="height: 6000px"></div>{box("one")}'
    tab.goto(write_page(tmp_path, {"one": model(COUNTER, count=0)}, body).as_uri())
    tab.wait_for_timeout(200)
    assert tab.locator("#one").get_attribute("data-view") is None
    tab.locator("#one").scroll_into_view_if_needed()
    tab.locator("#one[data-view=live]").wait_for()


@pytest.mark.parametrize("when", ["loading", "following a link"])
def test_a_link_to_a_state_wakes_every_widget(tab, tmp_path, when):
    body = f'<a href="#one?v=1&amp;count=5">at five</a><div style="height: 6000px"></div>{box("one")}'
    page = write_page(tmp_path, {"one": model(COUNTER, count=0)}, body).as_uri()
    tab.goto(page + ("#one?v=1&count=5" if when == "loading" else ""))
    if when == "following a link":
        tab.get_by_role("link").click()
    tab.locator("#one[data-view=live]").wait_for()


def test_leaving_the_page_cleans_up(tab, tmp_path):
    tab.goto(write_page(tmp_path, {"one": model(COUNTER, count=0)}, box("one")).as_uri())
    tab.locator("#one[data-view=live]").wait_for()
    tab.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    assert tab.title() == "page", "a page kept for the way back keeps its views"
    tab.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: false }))")
    assert tab.title() == "cleaned up"


def test_a_widget_that_fails_says_so_and_leaves_the_still_view(tab, tmp_path):
    models = {"bad": model(BROKEN), "good": model(COUNTER, count=1)}
    tab.goto(write_page(tmp_path, models, box("bad") + box("good")).as_uri())
    assert "the recording is damaged" in tab.get_by_role("alert").inner_text()
    assert tab.locator("#bad svg").is_visible()
    tab.get_by_role("button", name="count 1").wait_for()
    assert len(tab.errors) == 1


def test_widgets_that_do_not_arrive_say_so_and_keep_their_still_views(tab, tmp_path):
    page = write_page(tmp_path, {"one": model(COUNTER, count=0), "two": model(COUNTER, count=0)}, box("one") + box("two"))
    (tmp_path / "_static/widgets/a/b/page.js").unlink()
    tab.goto(page.as_uri())
    tab.get_by_role("alert").nth(1).wait_for()
    assert all("Load the page again" in told for told in tab.get_by_role("alert").all_inner_texts())
    assert tab.locator("#one svg").is_visible() and tab.locator("#two svg").is_visible()


def test_widgets_that_do_not_arrive_say_so_in_boxes_that_arrive_later_too(tab, tmp_path, serve):
    write_page(tmp_path, {"one": model(COUNTER, count=0)}, f'<p>words</p><script src="late.js"></script>{box("one")}')
    (tmp_path / "_static/widgets/a/b/page.js").unlink()
    late: list[Route] = []
    tab.route("**/late.js", lambda route: late.append(route))
    tab.goto(f"{serve(tmp_path)}/a/b/page.html", wait_until="commit")
    until(tab, "() => performance.getEntriesByType('resource').some((it) => it.name.includes('page.js'))")
    assert tab.locator("#one").count() == 0
    late[0].fulfill(body="")
    tab.get_by_role("alert").wait_for()
    assert tab.locator("#one").get_attribute("data-view") == "failed"


# A browser in which the test says when the first words are seen, or that tells nothing of it.
PAINTED_LATER = """window.PerformanceObserver = class {
  static supportedEntryTypes = ["paint"];
  constructor(told) {
    window.paint = () => told({ getEntriesByName: (name) => (name === "first-contentful-paint" ? [{ name }] : []) }, this);
  }
  observe({ type }) { window.observed = type; }
  disconnect() {}
}"""
TELLS_NOTHING_OF_PAINT = "window.PerformanceObserver = { supportedEntryTypes: ['resource'] }"
NO_LONG_WAITS = "const later = setTimeout; window.setTimeout = (act, ms, ...more) => (ms >= 1000 ? 0 : later(act, ms, ...more))"


@pytest.mark.parametrize("paints", [PAINTED_LATER, TELLS_NOTHING_OF_PAINT, "delete window.PerformanceObserver"])
def test_a_page_that_paints_nothing_asks_for_its_widgets_too(tab, tmp_path, paints):
    tab.add_init_script(f"window.requestAnimationFrame = () => 0; {paints}")
    tab.goto(write_page(tmp_path, {"one": model(COUNTER, count=3)}, box("one")).as_uri())
    tab.get_by_role("button", name="count 3").wait_for()


def test_widgets_are_asked_for_when_the_first_words_are_seen_and_not_before(tab, tmp_path):
    """A frame that was computed may be held back: only the browser knows when it is seen."""
    tab.add_init_script(f"{PAINTED_LATER}; {NO_LONG_WAITS}")
    tab.goto(write_page(tmp_path, {"one": model(COUNTER, count=3)}, box("one")).as_uri())
    tab.evaluate(TWO_FRAMES)
    assert tab.evaluate("[observed, document.querySelectorAll('script[src]').length]") == ["paint", 0]
    tab.evaluate("paint()")
    tab.get_by_role("button", name="count 3").wait_for()


def test_a_browser_that_tells_nothing_of_paint_asks_after_its_first_frame(tab, tmp_path):
    tab.add_init_script(f"{TELLS_NOTHING_OF_PAINT}; {NO_LONG_WAITS}")
    tab.goto(write_page(tmp_path, {"one": model(COUNTER, count=3)}, box("one")).as_uri())
    tab.get_by_role("button", name="count 3").wait_for()


def test_without_scripts_the_still_view_stays(browser, tmp_path):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(write_page(tmp_path, {"one": model(COUNTER, count=0)}, box("one")).as_uri())
    assert page.get_by_text("still one").is_visible()
    context.close()
