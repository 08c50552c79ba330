"""The flow viewer in a real browser: still = live, the finger and the keys say the same, all sizes and themes."""

import pytest

from dtsnn_lite.widgets.flow_explorer import flow_rows
from tests.browser.test_explorers import assert_still_is_live, cells, field, stage
from tests.test_flow_explorer import viewer


@pytest.mark.parametrize("state", [{}, {"clip": 2, "t": 1}])
def test_the_still_viewer_is_the_live_one_and_as_tall(stage, state):
    assert_still_is_live(stage(viewer(**state), still=True))


def test_the_sliders_move_the_tables_as_python_says(stage):
    shown = viewer()
    page = stage(shown)
    for clip, t, x, y in ((1, 1, 0, 0), (2, 2, 5, 3), (2, 3, 2, 5)):
        page.locator("details.fold > summary").first.click() if page.locator("details.fold:not(.lesson)[open]").count() == 0 else None
        for name, value in (("clip", clip), ("t", t), ("x", x), ("y", y)):
            field(page, name).fill(str(value))
        found = cells(page, "live0")
        for row in flow_rows(shown.data, shown.bytes, clip - 1, t, x, y):
            assert all(cell in found for cell in row)


def test_a_finger_on_the_picture_moves_the_cursor(stage):
    shown = viewer()
    page = stage(shown)
    box = page.locator(".pointed").bounding_box()
    page.mouse.move(box["x"] + 0.95 * box["width"], box["y"] + 0.05 * box["height"])
    page.mouse.down()
    found = cells(page, "live0")
    assert all(cell in found for cell in flow_rows(shown.data, shown.bytes, 0, 3, 5, 0)[-1])


def test_the_cursor_stays_where_a_teacher_fixed_it(stage):
    page = stage(viewer(), hash="#flow?v=1&x=2&y=3&fix=x,y")
    page.locator(".pointed").hover()
    page.mouse.down()
    assert page.evaluate("['x', 'y'].map(name => MODELS[0].get(name))") == [2, 3]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_viewer_is_accessible_and_fits_the_window(stage, objections, theme, width):
    page = stage(viewer(), theme=theme, width=width)
    assert objections(page) == []
