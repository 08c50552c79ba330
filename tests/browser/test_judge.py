"""Asking axe-core about one text of each kind finds what asking about every text finds."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.browser.judge import Judge

PALE = "rgb(240, 240, 240)"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>page</title>
<style>body { background: white; color: black } .dark { display: none }
.alarm { background: #700; color: white } .over { position: relative; z-index: 1; margin-top: -1.2em; height: 1.5em; background: #eee }
pre { overflow: auto; width: 100px; background: #f4f4f4; color: #222 }
@media (prefers-color-scheme: dark) { body { background: black; color: white } pre { background: #111; color: #ddd } .over { background: #222 }
  #dark-only { color: #222 } }</style>
<main><h1>Page</h1><p>Prose before.</p><p>Prose <span id="in-prose">in the middle</span> of it.</p><p>Prose <span>like it</span>.</p>
<pre tabindex="0"><span class="k">import</span> <span class="n">numpy</span> <span class="k">as</span> <span class="n" id="in-code">np</span>
<span class="n">far</span>.<span class="n">to</span>.<span class="n">the</span>.<span class="n">right</span>.<span class="n">of</span>.<span id="scrolled" class="n">it</span></pre>
<div class="alarm"><p>In red.</p><p><em id="in-red">also</em> and <em>again</em> in red.</p></div>
<div><p id="under">Laid over</p><div class="over"></div></div>
<p><span id="dark-only">Night</span> and <span>day</span>.</p><div style="opacity: .99"><p id="faint">Blended.</p></div>
<details open><summary>More</summary><p id="unfolded">inside</p></details><details><summary>Less</summary><p>hidden</p></details>
<label>Name <input id="field" value="typed"></label><p style="font-size: 30px">Large <b id="large">bold</b></p></main></html>"""
ASK_ALL = """async () => (await axe.run(document, { preload: false, elementRef: true, runOnly: ["color-contrast"] }))
    .violations.flatMap((rule) => rule.nodes).map(({ element }) => element.outerHTML.slice(0, 200))"""
PLACES = ["in-prose", "in-code", "scrolled", "in-red", "faint", "unfolded", "field", "large"]


@pytest.fixture
def page(browser, tmp_path: Path):
    context = browser.new_context(viewport={"width": 600, "height": 800}, color_scheme="light")
    page = context.new_page()
    (tmp_path / "page.html").write_text(PAGE, "utf8")
    page.goto((tmp_path / "page.html").as_uri())
    yield page
    context.close()


def all_wrong(page: Page) -> set[str]:
    """axe asked about every text."""
    page.evaluate(AXE_SCRIPT)
    return set(page.evaluate(ASK_ALL))


def found(page: Page, judge: Judge) -> set[str]:
    return {said.partition(": <")[2] and f"<{said.partition(': <')[2]}" for said in judge.contrast(page)}


def test_a_page_without_fault_is_passed_and_its_kinds_are_fewer_than_its_texts(page):
    judge = Judge()
    assert found(page, judge) == set() == all_wrong(page)
    assert 5 < len(judge.known) < page.locator("main :is(h1, p, span, em, b, summary, pre, label, input)").count()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_one_pale_text_anywhere_is_found(page, place, scheme):
    judge = Judge()
    assert judge.contrast(page) == [], "what is known before the fault does not hide it"
    page.emulate_media(color_scheme=scheme)
    assert [said for said in judge.contrast(page) if "dark-only" not in said] == []
    behind = "rgb(110, 0, 0)" if place == "in-red" else "rgb(250, 250, 250)" if scheme == "light" else "rgb(15, 15, 15)"
    page.evaluate("([place, colour]) => { document.getElementById(place).style.color = colour; }", [place, behind])
    assert any(f'id="{place}"' in said for said in found(page, judge)), all_wrong(page)


def test_what_is_pale_in_the_dark_alone_is_found_there_alone(page):
    judge = Judge()
    assert judge.contrast(page) == []
    page.emulate_media(color_scheme="dark")
    assert ["dark-only" in said for said in judge.contrast(page)] == [True]


@pytest.mark.parametrize("rule", ["#in-prose { background: #333 }", "#in-red { background: #fff; color: #eee }", "#faint { opacity: .2 }",
                                  ".over { z-index: -1; background: #111 }", "pre { background: #444 }", "#large { color: #999 }",
                                  "#in-code { text-shadow: none; -webkit-text-fill-color: #eee }"])
def test_whatever_makes_a_text_pale_is_found_as_by_asking_about_every_text(page, rule):
    judge = Judge()
    judge.contrast(page)
    page.add_style_tag(content=rule)
    wrong, said = all_wrong(page), found(page, judge)
    assert bool(wrong) == bool(said) and said <= wrong, (wrong, said)


def test_where_axe_cannot_judge_the_first_of_a_kind_it_is_asked_about_the_others(page):
    page.evaluate("""() => { for (const [i, it] of [...document.querySelectorAll("p > span")].entries()) {
        it.style.color = "rgb(240, 240, 240)"; if (!i) it.textContent = "x";   // a single letter: axe does not decide
    } }""")
    assert len(found(page, Judge())) == 1
