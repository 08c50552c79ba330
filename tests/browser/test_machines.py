"""The machines that are drawn: their clocks, their switches, still = live, all sizes and themes."""

import contextlib
import io

import pytest

from dtsnn_lite.chip import hp_adc_65nm
from dtsnn_lite.circuits import layer_times_ns
from dtsnn_lite.components import Parts65nm
from dtsnn_lite.cost import exit_check_cost
from dtsnn_lite.networks import shipped_shapes
from dtsnn_lite.widgets.array_explorer import ArrayExplorer, array_rows, read_array, some_weights
from dtsnn_lite.widgets.lif_explorer import LIFExplorer
from dtsnn_lite.widgets.pipeline_explorer import ORDERS, PipelineExplorer, Stages, pipeline_rows
from dtsnn_lite.widgets.crossbar_explorer import CrossbarExplorer
from dtsnn_lite.widgets.design_explorer import DesignExplorer
from tests.browser.test_explorers import assert_still_is_live, cells, exit_explorer, field, stage
from tests.browser.test_policy_explorer import policy_explorer
from tests.browser.waits import BY_HAND, until
from tests.test_array_explorer import column_of, some_states
from tests.test_event_explorer import player

PRICES = Parts65nm()
NAMES = ("conv 1", "conv 2", "conv 3", "linear")
TIMES_NS = tuple(layer_times_ns(shipped_shapes("digits"), hp_adc_65nm, PRICES))
CHIPS = {"one": Stages(NAMES, (37402.0, 18800.0, 6259.0, 166.0), 112.0), "even": Stages(NAMES, (600.0,) * 4, 112.0),
         "a chip's": Stages(NAMES, TIMES_NS, exit_check_cost(hp_adc_65nm).latency_ns)}
EXITS = [1, 3, 1, 2]


def pipeline(**state) -> PipelineExplorer:
    return PipelineExplorer(CHIPS, EXITS, network="digits", **state)


MACHINES = [LIFExplorer, ArrayExplorer, pipeline, player]
LAST = {LIFExplorer: 90, ArrayExplorer: 4, pipeline: 60, player: 100}


@pytest.mark.parametrize("make, state", [
    (ArrayExplorer, {}), (ArrayExplorer, {"readout": "sa", "offset": -0.4, "reference": 0.5, "spikes": [], "clock": 3}),
    (ArrayExplorer, {"readout": "ternary", "clock": 1}), (pipeline, {}), (pipeline, {"order": "layer", "chip": "even", "clock": 60}),
    (pipeline, {"stopping": False, "order": "timestep", "clock": 0}),
])
def test_the_still_machine_is_the_live_one_and_as_tall(stage, make, state):
    assert_still_is_live(stage(make(**state), still=True))


@pytest.mark.parametrize("make", MACHINES)
def test_a_clock_stands_until_it_is_asked_to_run(stage, make):
    page = stage(make(clock=2), text=BY_HAND)
    time, caption = page.get_by_role("slider", name="the clock"), page.locator("#live0 .caption")
    picture = lambda: page.locator("#live0 .machine svg").first.inner_html()
    still = picture()
    page.evaluate("tick()")
    assert picture() == still and time.input_value() == "2"
    page.get_by_role("button", name="Step", exact=True).click()
    assert time.input_value() == "3" and picture() != still and page.evaluate("MODELS[0].get('clock')") == 3
    assert time.get_attribute("aria-valuetext") == caption.text_content()
    time.press("Home")
    assert time.input_value() == "0"
    page.get_by_role("button", name="Play").click()
    page.evaluate("tick(), tick()")
    assert time.input_value() == "2"
    assert page.evaluate("MODELS[0].get('clock')") == 0, "a running clock is nobody's state"
    page.get_by_role("button", name="Pause").click()
    stopped = time.input_value()
    page.evaluate("tick()")
    assert time.input_value() == stopped == str(page.evaluate("MODELS[0].get('clock')"))


@pytest.mark.parametrize("make", MACHINES)
def test_a_clock_runs_out_and_begins_again(stage, make):
    page = stage(make(clock=LAST[make] - 1))
    page.get_by_role("button", name="Play").click()
    until(page, "last => MODELS[0].get('clock') === last", arg=LAST[make])
    assert page.get_by_role("button", name="Play").is_visible()
    page.get_by_role("button", name="Step", exact=True).click()
    assert page.get_by_role("slider", name="the clock").input_value() == "1"
    page.get_by_role("button", name="Play").click()
    page.evaluate("CLEANUPS[0]()")
    page.wait_for_timeout(300)                   # no complaint: nothing draws into a page that it has left


def test_who_wants_no_motion_steps_and_drags(stage):
    page = stage(ArrayExplorer(clock=0))
    page.emulate_media(reduced_motion="reduce")
    assert page.get_by_role("button", name="Play").count() == 0 and page.get_by_role("button", name="Step", exact=True).is_visible()
    page.get_by_role("slider", name="the clock").press("End")
    assert page.evaluate("MODELS[0].get('clock')") == 4


def test_a_fixed_clock_cannot_be_moved(stage):
    page = stage(ArrayExplorer(), hash="#array?v=1&clock=2&fix=clock,spikes")
    assert page.get_by_role("slider", name="the clock").is_disabled() and page.get_by_label("spike on row 1", exact=True).is_disabled()


@pytest.mark.parametrize("readout", ["sa", "adc", "ternary"])
def test_no_reading_is_told_where_no_row_carries_a_spike(stage, readout):
    page = stage(ArrayExplorer(spikes=[], readout=readout, clock=3))
    assert page.locator("#live0 .caption").text_content() == "No row carries a spike, so no column is read."
    page.get_by_label("spike on row 2", exact=True).click()
    assert page.locator("#live0 .caption").text_content().startswith({"sa": "Each comp", "adc": "An ADC", "ternary": "Two comp"}[readout])


def test_the_rows_are_switched_by_click_and_by_keyboard(stage):
    page = stage(ArrayExplorer(spikes=[], readout="ideal"))
    page.get_by_label("spike on row 2", exact=True).click()
    for key in ("ArrowDown", "Space", "End", "Enter"):
        page.keyboard.press(key)
    assert page.evaluate("MODELS[0].get('spikes')") == [1, 2, 7]
    assert page.locator("#live0 .board [tabindex='0']").count() == 1
    page.get_by_role("button", name="Copy link").click()
    again = stage(ArrayExplorer(), hash="#" + page.evaluate("copied[0]").split("#")[1])
    assert cells(again, "live0") == cells(page, "live0")


def printed(code: str) -> list[str]:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, "copied", "exec"), {})
    return output.getvalue().splitlines()


def test_the_copied_python_of_the_array_prints_its_table(stage):
    page = stage(ArrayExplorer())
    for state in some_states(8, seed=3):
        page.evaluate("state => Object.entries(state).forEach(([name, value]) => MODELS[0].set(name, value))", state)
        page.get_by_text("Copy as Python").click()
        until(page, "copied.length > 0")
        rows = array_rows(read_array(some_weights(), state["spikes"], column_of(state)))
        assert printed(page.evaluate("copied.pop()")) == [" ".join(row) for row in rows]
        assert cells(page, "live0")[3:] == [cell for row in rows for cell in row]


def test_the_copied_python_of_the_pipeline_prints_its_table(stage):
    page = stage(pipeline())
    for chip, stages in CHIPS.items():
        for order in ORDERS:
            field(page, "chip").select_option(chip)
            field(page, "order").select_option(order)
            page.get_by_text("Copy as Python").click()
            until(page, "copied.length > 0")
            rows = pipeline_rows(stages, EXITS, 4, order)
            code = page.evaluate("copied.pop()")
            assert printed(code) == [" ".join(row) for row in rows] and ("chip = hp_adc_65nm\n" in code) == (chip == "a chip's")
            assert cells(page, "live0")[4:] == [cell for row in rows for cell in row]


def test_a_read_out_brings_its_own_control(stage):
    page = stage(ArrayExplorer())
    for readout, on in (("adc", (True, False)), ("sa", (False, True)), ("ternary", (False, False)), ("ideal", (False, False))):
        field(page, "readout").select_option(readout)
        assert (field(page, "bits").is_enabled(), field(page, "reference").is_enabled()) == on


@pytest.mark.parametrize("make", [*MACHINES, exit_explorer, policy_explorer, DesignExplorer, CrossbarExplorer])
def test_controls_sentence_and_main_picture_stand_in_one_window(stage, make):
    page = stage(make())
    for width, height in ((390, 844), (1280, 800)):
        page.set_viewport_size({"width": width, "height": height})
        column = "46rem" if width > 700 else "auto"
        page.evaluate("column => { document.querySelector('main').style.width = column; }", column)
        boxes = page.evaluate("""['.controls', '.sentence', '.machine, .panel'].map((each) => document.querySelector(`#live0 ${each}`))
            .map((each) => each.getBoundingClientRect()).map(({ top, bottom }) => [top, bottom])""")
        assert max(bottom for _, bottom in boxes) - min(top for top, _ in boxes) <= height - 64, "64 px are the book's own head"


@pytest.mark.parametrize("make, link", [(ArrayExplorer, "#array?v=1&readout=sa"), (DesignExplorer, "#design?v=1&theta=0.3"),
                                        (exit_explorer, "#exit?v=1&theta=0.6")])
def test_a_phrase_brings_the_picture_into_view(stage, make, link):
    text = f'<p style="margin-top: 80vh"><a id="phrase" href="{link}">a phrase</a></p>'
    page = stage(make(), text=text, width=390)
    page.set_viewport_size({"width": 390, "height": 844})
    box = """() => {
        const { top, bottom } = document.querySelector('#live0 :is(.board, .panel)').getBoundingClientRect();
        return top >= 0 && bottom <= innerHeight;
    }"""
    assert not page.evaluate(box)
    page.click("#phrase")
    until(page, box)
    there = page.evaluate("scrollY")
    page.evaluate("link => document.querySelector(`a[href='${link}']`).click()", link)
    assert page.evaluate("scrollY") == there, "what is seen already stays where it is"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("make", [ArrayExplorer, pipeline])
def test_a_machine_is_accessible_and_fits_the_window(stage, objections, make, theme):
    page = stage(make(), theme=theme, width=320)
    assert objections(page) == []
    page.set_viewport_size({"width": 1280, "height": 900})
    assert objections(page) == []
