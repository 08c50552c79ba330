"""Asking axe-core about one text of each kind finds exactly what asking about every text finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page

from tests.browser.judge import Judge
from tests.browser.waits import wear

PALE = "rgb(240, 240, 240)"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>page</title>
<style>body { background: white; color: black } .dark { display: none }
.alarm { background: #700; color: white }
.over { position: relative; z-index: 1; margin-top: -1.5em; height: 1.5em; background: #eee } #under { margin: 0 }
pre { overflow: auto; width: 100px; background: #f4f4f4; color: #222 } .coal { background: #333; color: white } .veil { opacity: .9 }
@media (prefers-color-scheme: dark) {
  body { background: black; color: white } pre { background: #111; color: #ddd } .over { background: #222 } #dark-only { color: #222 }
}</style>
<main><h1>Page</h1><p>Prose before.</p><p>Prose <span id="in-prose">in the middle</span> of it.</p><p>Prose <span>like it</span>.</p>
<pre tabindex="0"><span>import</span> <span>numpy</span> <span>as</span> <span id="in-code">np</span>
<span>far</span>.<span>to</span>.<span>the</span>.<span>right</span>.<span id="scrolled">it</span><span id="last">...</span></pre>
<div class="alarm"><p>In red.</p><p><em id="in-red">also</em> and <em>again</em> in red.</p></div>
<div><p id="under">Laid over</p><div class="over"></div></div>
<p><span id="dark-only">Night</span> and <span>day</span>.</p><div style="opacity: .99"><p id="faint">Blended.</p></div>
<div class="coal"><div class="veil"><p id="in-veil">A veil on coal</p></div></div>
<div class="veil"><div class="coal"><p id="in-coal">is not coal behind a veil.</p></div></div>
<details open><summary>More</summary><p id="unfolded">inside</p></details><details><summary>Less</summary><p>hidden</p></details>
<label>Name <input id="field" value="typed"></label><p style="font-size: 30px">Large <b id="large">bold</b></p></main></html>"""
ASK_ALL = """async within => (await axe.run(within ?? document, { preload: false, elementRef: true, runOnly: ["color-contrast"] }))
    .violations.flatMap((rule) => rule.nodes).map(({ element }) => element.outerHTML.slice(0, 200))"""
PLACES = ["in-prose", "in-code", "scrolled", "in-red", "faint", "unfolded", "field", "large"]
UNDECIDED = "last"  # a part of a pixel beyond the whole pixels that its scroller says it can scroll: axe does not judge it


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 600, "height": 800}, color_scheme="light")
    page = context.new_page()
    (tmp_path / "page.html").write_text(PAGE, "utf8")
    page.goto((tmp_path / "page.html").as_uri())
    yield page
    context.close()


def all_wrong(page: Page, within: str | None = None) -> set[str]:
    """axe asked about every text, of the page or of one element."""
    page.evaluate(AXE_SCRIPT)
    return set(page.evaluate(ASK_ALL, within))


def found(page: Page, judge: Judge) -> set[str]:
    """The judge's objections as the texts that they name."""
    return {said[said.index(": <") + 2:] for said in judge.contrast(page)}


def test_a_page_without_fault_is_passed_and_its_kinds_are_fewer_than_its_texts(page):
    judge = Judge()
    assert found(page, judge) == set() == all_wrong(page)
    assert 5 < len(judge.known) < page.locator("main :is(h1, p, span, em, b, summary, pre, label, input)").count()


def make_pale(page: Page, place: str, scheme: str) -> None:
    on_white = scheme == "light" or place == "field"            # the browser's own field, white in both schemes
    pale = "rgb(110, 0, 0)" if place == "in-red" else "rgb(250, 250, 250)" if on_white else "rgb(15, 15, 15)"
    page.evaluate("([place, colour]) => { document.getElementById(place).style.color = colour; }", [place, pale])


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_one_pale_text_anywhere_is_found(page, place, scheme):
    page.emulate_media(color_scheme=scheme)
    judge = Judge()
    before = found(page, judge)
    make_pale(page, place, scheme)
    wrong = all_wrong(page)
    assert [f'id="{place}"' in text for text in wrong - before] == [True]
    assert found(page, judge) == wrong, "what is known from before the fault does not hide it"


def test_of_a_text_that_axe_does_not_judge_nothing_is_said(page):
    make_pale(page, UNDECIDED, "light")
    assert found(page, Judge()) == set() == all_wrong(page)


def test_a_veil_before_a_background_is_not_one_behind_it(page):
    page.add_style_tag(content=".veil { opacity: .6 }")
    wrong = found(page, Judge())
    assert wrong == all_wrong(page) and ['id="in-coal"' in text for text in wrong] == [True]


def test_what_is_pale_in_the_dark_alone_is_found_there_alone(page):
    judge = Judge()
    assert judge.contrast(page) == []
    page.emulate_media(color_scheme="dark")
    assert ["dark-only" in said for said in judge.contrast(page)] == [True]


@pytest.mark.parametrize("rule", [
    "#in-prose { background: #333 }", "#in-red { background: #fff; color: #eee }", "#faint { opacity: .2 }", "pre { background: #444 }",
    ".over { z-index: -1; background: #111 }", "#under { position: relative; z-index: 2 } .over { background: #111 }",
    "#large { color: #999 }", "#in-code { text-shadow: none; -webkit-text-fill-color: #eee }",
])
def test_whatever_makes_a_text_pale_is_found_as_by_asking_about_every_text(page, rule):
    judge = Judge()
    judge.contrast(page)
    page.add_style_tag(content=rule)
    assert set() != found(page, judge) <= all_wrong(page)


def test_where_axe_cannot_judge_the_first_of_a_kind_it_is_asked_about_the_others(page):
    page.evaluate("""() => { for (const [i, it] of [...document.querySelectorAll("p > span")].entries()) {
        it.style.color = "rgb(240, 240, 240)"; if (!i) it.textContent = "x";   // a single letter: axe does not decide
    } }""")
    assert len(found(page, Judge())) == 1


@pytest.mark.parametrize("place", [".afm .value", ".afm output"])
def test_what_is_pale_in_an_explorer_of_the_book_is_found_in_the_dark_alone(browser, book, place):
    context = browser.new_context(viewport={"width": 360, "height": 800}, reduced_motion="reduce", color_scheme="light")
    page = context.new_page()
    page.goto((book / "book/lif.html").as_uri())
    page.locator(".afm").first.scroll_into_view_if_needed()
    page.wait_for_selector(".afm[data-view=live]")
    page.locator(place).first.evaluate("it => { it.id = 'tampered'; }")
    page.add_style_tag(content="[data-theme=dark] #tampered { background: #222; color: #333 }")
    judge = Judge()
    assert judge.contrast(page) == []
    wear(page, "dark")
    assert found(page, judge) == all_wrong(page, "#tampered") != set()
    context.close()
