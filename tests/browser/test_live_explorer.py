"""The live explorer in a real browser: written by pen and by keyboard, moving and still, in all sizes and themes."""

import json

import numpy as np
import pytest

from dtsnn_lite.exits import EntropyExit, replay
from dtsnn_lite.recording import Recording
from dtsnn_lite.widgets.folded import folded
from dtsnn_lite.widgets.live_explorer import LiveExplorer
from tests.browser.test_chip_explorers import copied_in
from tests.browser.test_explorers import assert_still_is_live, cells, field, stage
from tests.browser.test_hardware_explorer import hardware_explorer
from tests.browser.waits import BY_HAND, until
from tests.test_live_explorer import CHIPS, T, given

TO_THE_END = "for (let n = 0; n < 100; n += 1) tick()"


def live_explorer(**state) -> LiveExplorer:
    return LiveExplorer(given(), CHIPS, **{"digit": "5", **state})


def heads(page) -> list[str]:
    """What stands above each column of the film."""
    return page.locator("#live0 .tick").all_text_contents()


def dots(page) -> int:
    return page.locator("#live0 .score:visible").count()


@pytest.mark.parametrize("state", [{}, {"digit": "3", "further": True}, {"digit": "own"},
                                   {"digit": "0", "theta": 0.9, "turn": 30.0, "gamma": "1"}])
def test_the_still_live_view_is_the_live_one_and_as_tall(stage, state):
    assert_still_is_live(stage(live_explorer(**state), still=True))


def test_a_given_digit_is_read_as_python_reads_it(stage):
    f, _ = folded("digits").run(given().images, T)
    run, page = replay(Recording(f, given().labels, np.zeros((T, 3))), EntropyExit(0.2)), stage(live_explorer())
    for digit in range(10):
        page.evaluate("digit => MODELS[0].set('digit', digit)", str(digit))
        assert cells(page, "live0")[5] == str(run.predictions[digit])
        assert heads(page)[run.t_hat[digit] - 1] == f"t = {run.t_hat[digit]}, stop" and dots(page) == run.t_hat[digit]


def test_bars_and_meters_are_as_long_as_what_they_show(stage):
    page, f = stage(live_explorer()), folded("digits").run(given().images, T)[0][:, 5]
    share = """all => all.map(fill => {
        const track = fill.parentElement, at = fill.getBoundingClientRect(), whole = track.getBoundingClientRect();
        return [at.height / track.clientHeight, at.width / whole.width, at.bottom - whole.top - track.clientHeight,
                at.left - whole.left]; })"""
    bars = page.locator("#live0 .opinions i").evaluate_all(share)
    exits = int(replay(Recording(f[:, None], np.array([5]), np.zeros((T, 3))), EntropyExit(0.2)).t_hat[0])
    p = np.exp(f) / np.exp(f).sum(axis=1, keepdims=True)
    tall = np.where(np.arange(T)[:, None] < exits, np.maximum(p, 0.02), 0)      # what the network never computed has no bar
    assert np.array(bars)[:, 0] == pytest.approx(tall.ravel(), abs=2e-3)
    assert np.array(bars)[tall.ravel() > 0, 2] == pytest.approx(0, abs=0.1), "each stands on its line"
    meters = np.array(page.locator("#live0 .meter i").evaluate_all(share))
    said = [float(words.split(" %")[0]) / 100 for words in page.locator("#live0 .amount").all_text_contents()]
    assert meters[:, 1] == pytest.approx(said, abs=0.006) and meters[:, 3] == pytest.approx(0, abs=0.1) and 0 < min(said) < 1


def test_a_digit_written_with_the_mouse_is_read_and_the_film_plays(stage):
    page = stage(live_explorer(), text=BY_HAND)
    box = page.locator("#live0 .sheet").bounding_box()
    at = lambda x, y: (box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.mouse.move(*at(0.5, 0.2))
    page.mouse.down()
    for step in range(1, 13):
        page.mouse.move(*at(0.5, 0.2 + 0.05 * step))
    until(page, "MODELS[0].get('digit') === 'own'")
    page.mouse.up()
    until(page, "document.querySelector('#live0 .play').textContent === 'Pause'")
    page.evaluate(TO_THE_END)
    assert page.locator("#live0 .play").text_content() == "Play"
    assert page.locator("#live0 .answer").text_content() == "1"
    until(page, "document.querySelector('#live0 output').textContent.startsWith('Your digit is read as 1; sure at timestep 1')")
    until(page, "location.hash.includes('digit=own')")


def test_a_digit_is_written_by_keyboard_alone(stage):
    page = stage(live_explorer())
    page.emulate_media(reduced_motion="reduce")
    pad = page.locator("#live0 .sheet")
    pad.focus()
    for key in (*["ArrowUp"] * 8, "Space", *["ArrowDown"] * 16, "Space"):
        page.keyboard.press(key)
    assert page.locator("#live0 .where").text_content() == "column 14, row 22, pen up"
    until(page, "document.querySelector('#live0 .answer').textContent === '1'")
    page.keyboard.press("Delete")
    until(page, "!document.querySelector('#live0 .here').hidden")


@pytest.mark.parametrize("make", [live_explorer, hardware_explorer])
def test_who_copies_a_link_is_told_that_it_does_not_carry_the_drawing(stage, make):
    page = stage(make())
    page.emulate_media(reduced_motion="reduce")
    copied = lambda: (page.get_by_role("button", name="Copy link").click(), page.locator("#live0 .tools .said").text_content())[1]
    assert copied() == "Copied."
    page.locator("#live0 .sheet").click(position={"x": 30, "y": 30})
    until(page, "MODELS[0].get('digit') === 'own'")
    assert copied() == "Copied, without your drawing."


def test_a_drawing_is_gone_when_a_given_digit_is_chosen_and_a_new_one_begins_blank(stage):
    page = stage(live_explorer())
    page.emulate_media(reduced_motion="reduce")
    box = page.locator("#live0 .sheet").bounding_box()
    inked = """document.querySelector('#live0 .sheet canvas').getContext('2d').getImageData(0, 0, 112, 112)
        .data.filter((value, i) => i % 4 === 3 && value).length"""
    page.mouse.click(box["x"] + 30, box["y"] + 30)
    until(page, "MODELS[0].get('digit') === 'own'")
    first = page.evaluate(inked)
    page.locator("#live0 .thumb").nth(8).click()
    assert page.evaluate("MODELS[0].get('digit')") == "8" and page.evaluate(inked) > first
    page.mouse.click(box["x"] + 90, box["y"] + 90)
    until(page, "MODELS[0].get('digit') === 'own'")
    assert 0 < page.evaluate(inked) < 1.5 * first


def test_time_goes_on_by_step_and_stops_where_the_network_stopped(stage):
    page = stage(live_explorer())
    step = page.locator("#live0").get_by_role("button", name="Step", exact=True)
    step.click()
    assert dots(page) == 1 and heads(page)[1] == "t = 2"
    step.click()
    assert dots(page) == 2 and heads(page)[1] == "t = 2, stop"
    assert page.locator("#live0 .unrun").inner_text() == "2 steps never computed"
    page.locator("#live0 .tick").nth(3).click()
    assert dots(page) == 4 and page.evaluate("MODELS[0].get('further')") is True


def test_the_next_steps_are_shown_on_request_and_cost_nothing_in_the_bill(stage):
    page = stage(live_explorer())
    before = cells(page, "live0")
    page.get_by_role("button", name="What would the next steps have said?").click()
    assert dots(page) == 4 and cells(page, "live0") == before and page.locator("#live0 .unrun").is_hidden()
    until(page, "document.querySelector('#live0 output').textContent.endsWith('The next steps would have said the same.')")


def test_it_plays_once_by_itself_and_not_where_motion_is_unwelcome(stage):
    page = stage(live_explorer(plays=True), text=BY_HAND)
    until(page, "document.querySelector('#live0 .play').textContent === 'Pause'")
    assert dots(page) < 2
    page.evaluate(TO_THE_END)
    assert page.locator("#live0 .play").text_content() == "Play"
    assert dots(page) == 2
    page.emulate_media(reduced_motion="reduce")
    page.evaluate("""() => {
        const el = document.getElementById("live0"), watched = { subtree: true, childList: true, attributes: true };
        CLEANUPS[0]();
        MODULE[0].default.render({ model: MODELS[0], el });
        window.changes = 0;
        new MutationObserver(() => { window.changes += 1; }).observe(el, watched);
    }""")
    page.wait_for_timeout(2000)
    assert page.evaluate("window.changes") == 0 and dots(page) == 2 and page.locator("#live0 .play").is_hidden()


def test_playing_never_changes_the_height(stage):
    page = stage(live_explorer(), width=390)
    page.evaluate("""() => { window.heights = new Set(); const note = () => {
        window.heights.add(document.querySelector('#live0 .live').offsetHeight); requestAnimationFrame(note); }; note(); }""")
    page.locator("#live0 .play").click()
    until(page, "document.querySelector('#live0 .play').textContent === 'Play'", timeout_ms=60_000)
    assert page.evaluate("window.heights.size") == 1


def test_a_map_names_itself_to_the_mouse_and_to_the_keyboard(stage):
    page = stage(live_explorer())
    _, spikes = folded("digits").run(given().images[5:6], T)
    page.locator("#live0 .maps").first.hover(position={"x": 3, "y": 3})
    count = int(spikes[0][0, 0, :, :, 0].sum())
    said = lambda: page.locator("#live0 .hint").text_content()
    assert said() == f"Layer 1, map 1 of 16, t = 1: {count} of 784 neurons fire ({100 * count / 784:.0f} %)."
    page.locator("#live0 .film").focus()
    for key in ("ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    assert said().startswith(f"Layer 2, map 2 of 32, t = 1: {int(spikes[1][0, 0, :, :, 1].sum())} of 196")


def test_a_link_sets_the_digit_and_hostile_ones_do_no_harm(stage):
    page = stage(live_explorer(), hash="#live?v=1&digit=7&theta=0.05&further=1&turn=20")
    assert page.evaluate("['digit', 'theta', 'further', 'turn'].map(name => MODELS[0].get(name))") == ["7", 0.05, True, 20]
    for query in ("digit=99", "digit=<img src=x>", "digit=__proto__", "turn=1e9&dim=-4&right=NaN", "gamma=7", "further=maybe"):
        page.evaluate("hash => { location.hash = hash; dispatchEvent(new HashChangeEvent('hashchange')); }", f"#live?v=1&{query}")
        digit, turn, dim, gamma = page.evaluate("['digit', 'turn', 'dim', 'gamma'].map(name => MODELS[0].get(name))")
        assert digit in [*map(str, range(10)), "own"] and -60 <= turn <= 60 and 0 <= dim <= 0.9 and gamma in ("0", "1"), query
    assert page.locator("#live0 img").count() == 0 and "NaN" not in page.locator("#live0").inner_text()


def test_the_copied_python_of_the_live_explorer_prints_its_table(stage):
    page = stage(live_explorer())
    for state in ({"digit": "0"}, {"digit": "3", "theta": 0.1, "gamma": "1", "chip": "proportional"},
                  {"digit": "8", "turn": 25, "dim": 0.4, "right": -3}):
        lines, rows = copied_in(page, state)
        assert [line.strip() for line in lines] == [row.strip() for row in rows], json.dumps(state)


def test_a_bar_that_is_dragged_while_it_plays_ends_the_film_at_the_new_exit(stage):
    page = stage(live_explorer(digit="3"))
    page.locator("#live0 .play").click()
    until(page, "document.querySelectorAll('#live0 .score:not([hidden])').length === 2", timeout_ms=60_000)
    field(page, "theta").fill("1")
    assert heads(page)[0] == "t = 1, stop" and dots(page) == 1 and page.locator("#live0 .play").text_content() == "Play"


def test_a_class_can_neither_write_nor_ask_on_where_a_teacher_fixed_it(stage):
    page = stage(live_explorer(), hash="#live?v=1&digit=5&fix=digit,further")
    assert page.get_by_role("button", name="What would the next steps have said?").is_disabled()
    assert page.locator("#live0 .thumb").first.is_disabled() and page.get_by_role("button", name="Write your own").is_disabled()
    page.locator("#live0 .sheet").click()
    page.locator("#live0 .sheet").press("Space")
    page.wait_for_timeout(200)
    assert page.evaluate("MODELS[0].get('digit')") == "5"


def test_no_column_after_the_exit_opens_where_a_teacher_fixed_that(stage):
    page = stage(live_explorer(), hash="#live?v=1&digit=5&fix=further")
    exit = dots(page)
    page.locator("#live0 .tick").nth(3).click()
    assert page.evaluate("MODELS[0].get('further')") is False and dots(page) == exit < 4
    assert page.locator("#live0 .unrun").is_visible()


def test_a_film_that_is_paused_goes_on_from_there(stage):
    page = stage(live_explorer(digit="3"), text=BY_HAND)
    play, shown = page.locator("#live0 .play"), lambda: (dots(page), page.locator("#live0 .film").inner_html())
    play.click()
    page.evaluate("for (let n = 0; n < 12; n += 1) tick()")
    before = shown()
    assert play.text_content() == "Pause" and 0 < before[0] < 4
    play.click()
    assert play.text_content() == "Play" and shown() == before
    play.click()
    assert play.text_content() == "Pause" and shown() == before
    page.evaluate(TO_THE_END)
    assert play.text_content() == "Play" and dots(page) == 4
    play.click()
    assert dots(page) == 0, "a film that is over begins again"


def test_an_empty_sheet_is_not_called_a_digit(stage):
    page = stage(live_explorer(), hash="#live?v=1&digit=own")      # a link cannot carry what was written
    until(page, "document.querySelector('#live0 output').textContent.startsWith('The empty sheet is read as')")


def test_there_is_nothing_to_ask_after_the_last_step(stage):
    page = stage(live_explorer(digit="3"))
    later = page.get_by_role("button", name="What would the next steps have said?")
    assert later.get_attribute("aria-disabled") == "true"
    later.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("MODELS[0].get('further')") is False
    page.evaluate("MODELS[0].set('theta', 1)")
    page.keyboard.press("Enter")
    assert page.evaluate("MODELS[0].get('further')") is True


def test_turning_and_dimming_reach_the_network(stage):
    page = stage(live_explorer())
    before = page.locator("#live0 .maps").first.get_attribute("aria-label")
    page.get_by_text("More controls").click()
    field(page, "dim").fill("0.9")
    assert page.locator("#live0 .maps").first.get_attribute("aria-label") != before


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_live_explorer_is_accessible_and_fits_the_window(stage, objections, theme, width):
    page = stage(live_explorer(), theme=theme, width=width)
    assert objections(page) == []
