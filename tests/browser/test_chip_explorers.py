"""The chip's explorers in a real browser: still = live, all sizes and themes, no complaint, no request."""

import contextlib
import io
import random
import re

import pytest

from dtsnn_lite.widgets.crossbar_explorer import READOUTS, CrossbarExplorer
from dtsnn_lite.widgets.design_explorer import DesignExplorer
from dtsnn_lite.widgets.lif_explorer import LIFExplorer
from tests.browser.test_explorers import assert_still_is_live, field, stage
from tests.browser.test_policy_explorer import policy_explorer
from tests.browser.waits import until
from tests.test_chip_explorers import invented_designs, some_states

STATES = [{}, {"readout": "sa", "rows": "16", "density": 0.6, "input": 7, "column": 3}, {"readout": "ideal", "rows": "128"}]


@pytest.mark.parametrize("state", STATES)
def test_the_still_crossbar_is_the_live_one_and_as_tall(stage, state):
    assert_still_is_live(stage(CrossbarExplorer(**state), still=True))


NUMBER = re.compile(r"\u2212?\d[\d.]*( \S+){0,2}")


def assert_prints_numbers(page, rows: int, columns: int) -> None:
    """Each cell beside the heads of a table's rows is a number."""
    values = page.locator("#live0 .numbers tbody td").all_text_contents()
    assert len(values) == rows * columns
    assert [value for value in values if not NUMBER.fullmatch(value.removeprefix("+").removesuffix("\u00d7"))] == []


def test_every_read_out_can_be_chosen_and_prints_numbers(stage):
    page = stage(CrossbarExplorer())
    assert field(page, "readout").locator("option").evaluate_all("all => all.map(it => it.value)") == list(READOUTS)
    for value in READOUTS:
        field(page, "readout").select_option(value)
        assert_prints_numbers(page, 5, 1)
    for value in ("0.05", "1"):
        field(page, "density").fill(value)
        assert_prints_numbers(page, 5, 1)


@pytest.mark.parametrize("state", [{}, {"converter": "flash6", "rows": "128", "mux": "8", "theta": 0.3, "several": True, "leakage": True}])
def test_the_still_design_is_the_live_one_and_as_tall(stage, state):
    assert_still_is_live(stage(DesignExplorer(**state), still=True))


def test_a_new_converter_brings_its_own_sharing_of_columns(stage):
    page = stage(DesignExplorer())
    field(page, "converter").select_option("flash5")
    assert page.evaluate("MODELS[0].get('mux')") == "8"
    for value in ("0", "1"):
        field(page, "theta").fill(value)
        assert_prints_numbers(page, 6, 3)


MARKS = "all => all.map((each) => each.textContent)"
PLACE = "dot => [+dot.getAttribute('cx'), +dot.getAttribute('cy')]"


def test_the_axes_of_the_designs_stand_still_and_a_ghost_stays_where_the_chip_was(stage):
    page = stage(DesignExplorer())
    ticks, own = page.locator("#live0 .panel:first-child .tick"), page.locator("#live0 .panel:first-child .dot.now")
    marks, before = ticks.evaluate_all(MARKS), own.evaluate(PLACE)
    assert page.locator("#live0 .ghost").count() == 0, "nothing has moved yet"
    # a pause, and then no time at all: a busy machine takes longer over one stroke than the pause that would end it
    page.evaluate("{ const later_ms = performance.now() + 700; performance.now = () => later_ms; }")
    seen = [before]
    for theta in ("0.1", "0.3", "0.8"):          # one stroke: the ghost stays where it began
        field(page, "theta").fill(theta)
        assert ticks.evaluate_all(MARKS) == marks
        seen.append(own.evaluate(PLACE))
        assert page.locator("#live0 circle.ghost").evaluate(PLACE) == before
    across = [x for x, _ in seen]
    assert across == sorted(across, reverse=True) and across[0] > across[-1], "less EDP is further left"
    field(page, "spikes").evaluate("e => { e.value = e.max; e.dispatchEvent(new Event('input')); }")
    assert ticks.evaluate_all(MARKS) == marks


def test_every_dot_of_the_designs_lies_within_the_axes(stage):
    page, axis = stage(DesignExplorer()), "#live0 .panel:first-child svg line.base"
    left, right = page.locator(axis).first.evaluate("line => [+line.getAttribute('x1'), +line.getAttribute('x2')]")
    for spikes in (0.25, 4):
        for theta in (0, 1):
            for several in (False, True):
                for mux in ("1", "8"):
                    for converter, rows in (("flash6", "128"), ("sar5", "32"), ("sa", "128")):
                        state = {"converter": converter, "rows": rows, "mux": mux, "several": several, "leakage": spikes > 1,
                                 "spikes": spikes, "theta": theta}
                        page.evaluate("state => Object.entries(state).forEach(([name, value]) => MODELS[0].set(name, value))", state)
                        places = page.locator("#live0 .panel:first-child circle.dot").evaluate_all(f"all => all.map({PLACE})")
                        assert len(places) == 15 and all(left <= x <= right for x, _ in places), state


def test_every_dot_of_the_designs_says_who_it_is_to_a_pointer_and_to_the_keys(stage):
    page = stage(DesignExplorer())
    picture, tag = page.locator("#live0 .panel:first-child svg"), page.locator("#live0 .panel:first-child svg text").last
    assert tag.get_attribute("visibility") == "hidden"
    page.locator("#live0 .panel:first-child .dot.now").hover(force=True)
    assert tag.text_content().startswith("sense amplifier (ADC-less), 64 rows: ") and tag.get_attribute("visibility") == "visible"
    picture.focus()
    names = set()
    for key in ["ArrowLeft"] * 15 + ["ArrowRight"] * 15:
        page.keyboard.press(key)
        names.add(tag.text_content())
        assert tag.text_content() in picture.get_attribute("aria-label")
    assert len(names) == 15
    page.keyboard.press("Tab")
    assert tag.get_attribute("visibility") == "hidden"


def printed(code: str) -> list[str]:
    """What copied lines print."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, "copied", "exec"), {})
    return output.getvalue().splitlines()


def copied_in(page, state: dict) -> tuple[list[str], list[str]]:
    """What the copied Python prints in a state, and the rows of the table, each as one line."""
    page.evaluate("state => Object.entries(state).forEach(([name, value]) => MODELS[0].set(name, value))", state)
    page.get_by_text("Copy as Python").click()
    until(page, "copied.length > 0")
    rows = page.eval_on_selector_all("#live0 tbody tr", "rows => rows.map(r => [...r.children].map(c => c.textContent).join(' '))")
    return printed(page.evaluate("copied.pop()")), rows


def test_the_copied_python_of_the_crossbar_explorer_prints_its_table(stage):
    page, dice = stage(CrossbarExplorer()), random.Random(4)
    for _ in range(10):
        lines, rows = copied_in(page, {
            "readout": dice.choice(["ideal", "6", "4", "2", "ternary", "sa"]), "rows": dice.choice(["16", "32", "64", "128"]),
            "density": dice.randint(1, 20) / 20, "input": dice.randint(1, 32), "column": dice.randint(1, 16)})
        assert lines == rows


def test_the_copied_python_of_the_design_explorer_prints_its_table(stage):
    page = stage(DesignExplorer())
    for state in some_states(10):
        lines, rows = copied_in(page, state)
        assert lines == rows


def test_a_copied_design_names_what_its_reader_changed(stage):
    page = stage(DesignExplorer(converter="flash5", mux="8"))
    for state, said in (({}, "chip = REFERENCE\n"), ({"theta": 0.3}, 'chip = {**REFERENCE, "theta": 0.3}\n')):
        page.evaluate("state => Object.entries(state).forEach(([name, value]) => MODELS[0].set(name, value))", state)
        page.get_by_text("Copy as Python").click()
        until(page, "copied.length > 0")
        assert said in page.evaluate("copied.pop()")


def test_designs_that_no_line_can_make_have_nothing_to_copy(stage):
    assert stage(DesignExplorer(invented_designs())).get_by_text("Copy as Python").count() == 0


@pytest.mark.parametrize("state", [{}, {"theta": 0.25, "leakage": True}])
def test_the_bars_of_a_chip_add_up_to_its_energy(stage, state):
    page = stage(DesignExplorer(**state))
    places = "bars => bars.map(bar => [+bar.getAttribute('x'), +bar.getAttribute('height')])"
    heights = page.eval_on_selector_all("#live0 .panel:has(.bar) .bar", places)
    left = min(x for x, _ in heights)
    ours, theirs = sum(h for x, h in heights if x == left), sum(h for x, h in heights if x > left)
    ratio = page.locator("#live0 .numbers tbody tr:nth-child(3) td").last.text_content()
    assert abs(ours / theirs - float(ratio.strip("\u00d7"))) < 0.01


EXPLORERS = [CrossbarExplorer, DesignExplorer, LIFExplorer, policy_explorer]


HOSTILE = ["NaN", "1e308", "-5", "99999999999999999999", "0x10", "", "__proto__", "constructor", "<img src=x onerror=alert(1)>",
           "%3Cscript%3Ealert(1)%3C/script%3E", "%E0%A4%A", "%00", "\u202e", "1.2.3", "-1.5", "true", "1,2", "javascript:alert(1)"]


@pytest.mark.parametrize("make", EXPLORERS)
def test_hostile_links_leave_every_control_within_its_range(stage, make):
    page, dice = stage(make()), random.Random(6)
    page.on("dialog", lambda dialog: pytest.fail("a link ran a script"))
    key = page.evaluate("MODELS[0].get('hash_key')")
    fields = page.locator("#live0 [data-field]").evaluate_all("all => all.map(each => each.dataset.field)")
    names = [*fields, "spikes", "__proto__", "hide", "fix", "q"]
    for _ in range(80):
        query = "&".join(f"{dice.choice(names)}={dice.choice(HOSTILE)}" for _ in range(dice.randint(1, 6)))
        page.evaluate("hash => { location.hash = hash; dispatchEvent(new HashChangeEvent('hashchange')); }", f"#{key}?v=1&{query}")
        out = page.locator("#live0 input[type=range]").evaluate_all(
            "all => all.filter(it => !(+it.min <= +it.value && +it.value <= +it.max) || it.ariaValueText.includes('NaN')).length")
        empty = page.locator("#live0 select").evaluate_all("all => all.filter(it => it.selectedIndex < 0).length")
        assert (out, empty) == (0, 0), query
    assert "NaN" not in page.locator("#live0").inner_text()
    assert page.locator("#live0 :is(img, script, iframe, object, [onerror], [onload])").count() == 0
