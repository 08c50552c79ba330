"""The stream explorer in a real browser: still = live, all sizes and themes."""

import pytest

from dtsnn_lite.widgets.stream_explorer import StreamExplorer, stream_rows
from tests.browser.test_explorers import assert_still_is_live, cells, field, slide, stage
from tests.test_stream_explorer import TEN
from tests.test_widgets import AFFINE


@pytest.mark.parametrize("state", [{}, {"theta": 1.0, "spacing": 0.5}, {"theta": 0.0, "spacing": 4.0}])
def test_the_still_stream_is_the_live_one_and_as_tall(stage, state):
    assert_still_is_live(stage(StreamExplorer(TEN, *AFFINE, **state), still=True))


def test_the_sliders_move_the_table_as_python_says(stage):
    page = stage(StreamExplorer(TEN, *AFFINE))
    for theta, spacing in ((0.0, 0.5), (0.5, 1.5), (1.0, 4.0)):
        slide(page, theta)
        field(page, "spacing").fill(str(spacing))
        assert cells(page, "live0")[4:] == [cell for row in stream_rows(TEN, theta, spacing, *AFFINE) for cell in row]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_stream_explorer_is_accessible_and_fits_the_window(stage, objections, theme, width):
    page = stage(StreamExplorer(TEN, *AFFINE), theme=theme, width=width)
    assert objections(page) == []
