"""Of a style sheet the rules that some page can use."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "extensions"))

from stopwhensure.used_rules import used, words_of  # noqa: E402

PAGE = '<html data-theme="dark"><body class="chapter wide-drawing"><p id="first">text</p></body></html>'
SCRIPT = 'tip.classList.add("bs-" + name + "-auto", `made-${kind}`, `${kind}-box`); const step = n-1;'
WORDS = words_of([PAGE, SCRIPT])


@pytest.mark.parametrize("selector", [
    ".chapter", "#first", "p", "*", "p:first-child", 'html[data-theme="dark"] .chapter > p', ".chapter:not(.nowhere)",
    ".chapter :is(.nowhere, p)", '[class~="nowhere"]', ".bs-tooltip-auto", ".made-anything", ".round-box", "::selection", ":root"])
def test_what_a_page_or_its_script_can_ask_for_stays(selector):
    assert used(f"{selector} {{ color: red }}", WORDS) == f"{selector}{{color: red}}\n"


@pytest.mark.parametrize("selector", [".nowhere", "#nowhere", ".chapter .nowhere", "p.nowhere:hover", ".wide", ".col-1", ".unmade"])
def test_what_names_a_class_or_an_id_that_stands_nowhere_goes(selector):
    assert used(f"{selector} {{ color: red }}", WORDS) == ""


def test_of_several_selectors_those_that_can_match_stay():
    assert used(".nowhere, .chapter p, #nowhere { color: red }", WORDS) == ".chapter p{color: red}\n"
    assert used(".chapter:is(.nowhere, .other), .nowhere {}", WORDS) == ".chapter:is(.nowhere, .other){}\n"


def test_rules_in_rules_are_looked_at_and_what_is_left_of_nothing_goes():
    sheet = "@media print { .nowhere { x: 1 } .chapter { x: 2 } } @media screen { @supports (x: 1) { .nowhere { x: 3 } } }"
    assert used(sheet, WORDS) == "@media print {\n.chapter{x: 2}\n}\n"


def test_fonts_movements_layers_and_notes():
    sheet = "@font-face { font-family: A; src: url(a.woff) } @keyframes nowhere { from { x: 1 } } @layer base; /* a note */"
    made = used(sheet, WORDS)
    assert "@font-face" in made and "url(a.woff)" in made and "@keyframes nowhere" in made and "@layer base;" in made and "note" not in made


def test_a_name_is_read_without_its_escapes_and_one_that_is_no_word_stays():
    assert used(r".c\68 apter { x: 1 }", WORDS) == ".chapter{x: 1}\n" and used(r".n\6f where { x: 1 }", WORDS) == ""
    assert used(r".md\:wide { x: 1 }", WORDS) != ""
