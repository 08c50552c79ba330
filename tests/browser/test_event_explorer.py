"""The event player in a real browser: still = live, the clock, the bar under a finger, and the copied lines."""

import contextlib
import io

import pytest

from dtsnn_lite.widgets.event_explorer import EventPlayer, player_rows
from tests.browser.test_explorers import assert_still_is_live, cells, field, stage
from tests.browser.waits import until
from tests.test_event_explorer import few, gestures, player


@pytest.mark.parametrize("state", [{}, {"clip": "3", "gamma": "0", "clock": 0}, {"clip": "2", "clock": 100, "width": "20"},
                                   {"clip": "2", "clock": 33, "width": "1", "chip": "two", "bar": 0.4}])
def test_the_still_player_is_the_live_one_and_as_tall(stage, state):
    assert_still_is_live(stage(player(**state), still=True))


def test_the_gestures_player_is_as_tall_before_it_lives(stage):
    assert_still_is_live(stage(EventPlayer({"gestures": gestures()}, clip="7"), still=True))


def test_controls_move_the_tables_as_python_says(stage):
    page = stage(EventPlayer({"few": few(0), "more": few(1, size=(3, 4))}))
    page.locator("#live0 details.fold > summary").first.click()
    for name, clips in (("more", few(1, size=(3, 4))), ("few", few(0))):
        field(page, "recording").select_option(name)
        for clip, gamma, bar, chip in (("1", "0", 0.3, "one"), ("3", "1", 2.5, "two"), ("2", "1", 12.0, "one")):
            for control, value in (("clip", clip), ("gamma", gamma), ("chip", chip)):
                field(page, control).select_option(value)
            field(page, "bar").fill(str(bar))
            found = cells(page, "live0")
            for row in player_rows(clips, int(clip) - 1, float(gamma), bar, chip):
                assert "\n".join(row) in "\n".join(found)


def test_another_score_brings_its_own_bar(stage):
    page = stage(player())
    assert field(page, "bar").input_value() == "3"
    field(page, "gamma").select_option("0")
    assert field(page, "bar").input_value() == "1", "calibrated to another threshold: they are not portable"
    page = stage(player(), hash="#events?v=1&gamma=0")
    assert field(page, "bar").input_value() == "1", "a link that names a score alone means the same"
    page = stage(player(), hash="#events?v=1&gamma=0&bar=0.7")
    assert field(page, "bar").input_value() == "0.7"


def test_what_comes_after_the_exit_is_grey(stage):
    shown = player(bar=0.0)                                              # so that the network leaves after its first window
    page = stage(shown)
    drawn = lambda kind: page.eval_on_selector_all(f"#live0 .events .{kind}", "all => all.map((each) => each.getAttribute('d')).join('')")
    time = page.get_by_role("slider", name="the clock")
    time.fill("5")
    assert drawn("on") + drawn("off") and not drawn("late") and "sure enough to leave" in page.text_content("#live0 .caption")
    assert page.locator("#live0 .curves .fall").count() == 1
    time.fill("100")
    assert drawn("late") and not drawn("on") + drawn("off") and "never sees" in page.text_content("#live0 .caption")
    time.fill("4")
    assert page.locator("#live0 .curves .fall").count() == 0 and page.text_content("#live0 .caption").startswith("16 ms: the first window")


def test_a_wider_picture_holds_more_events(stage):
    page = stage(player(clock=100, bar=12.0))
    page.locator("#live0 details.fold > summary").first.click()
    seen = []
    for width in ("1", "5", "10", "20"):
        field(page, "width").select_option(width)
        paths = page.eval_on_selector_all("#live0 .events path", "all => all.map((each) => each.getAttribute('d'))")
        seen.append(sum(path.count("M") for path in paths))
    assert seen == sorted(seen) and seen[-1] > seen[0]


def test_a_finger_drags_the_bar(stage):
    page = stage(player(bar=6.0))
    box = page.locator("#live0 .handle").bounding_box()
    x, y = box["x"] + 0.4 * box["width"], box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    assert float(field(page, "bar").input_value()) == pytest.approx(6.0, abs=0.11), "taken hold of, it stays"
    page.mouse.move(x, y - 30, steps=5)
    higher = float(field(page, "bar").input_value())
    assert higher < 5.5 and page.evaluate("MODELS[0].get('bar')") == higher
    page.mouse.move(x, y + 300)
    assert field(page, "bar").input_value() == "12"
    page.mouse.up()
    page.mouse.move(x, y)
    assert field(page, "bar").input_value() == "12", "let go of, it stays"


def test_a_bar_that_a_teacher_fixed_cannot_be_dragged(stage):
    page = stage(player(bar=6.0), hash="#events?v=1&bar=6&fix=bar")
    box = page.locator("#live0 .handle").bounding_box()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] - 30, steps=3)
    page.mouse.up()
    assert field(page, "bar").is_disabled() and page.evaluate("MODELS[0].get('bar')") == 6


def test_the_copied_lines_print_the_tables(stage):
    page = stage(EventPlayer({"gestures": gestures()}, clip="14"))
    for gamma, bar in (("1", 4.2), ("0", 1.4)):
        field(page, "gamma").select_option(gamma)
        field(page, "bar").fill(str(bar))
        page.get_by_role("button", name="Copy as Python").click()
        until(page, "copied.length")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(page.evaluate("copied.pop()"), {})
        rows = player_rows(gestures(), 13, float(gamma), bar, "one")
        assert printed.getvalue().splitlines() == [f"{name} {now}".replace("\u00b5", "u") for name, now, *_ in rows]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 1280])
def test_the_player_is_accessible_and_fits_the_window(stage, objections, theme, width):
    page = stage(EventPlayer({"gestures": gestures()}, clip="7", clock=80), theme=theme, width=width)
    assert objections(page) == []
