"""The comparator explorer in a real browser: still = live, the table is Python's, all sizes and themes."""

import pytest

from dtsnn_lite.widgets.comparator_explorer import ComparatorExplorer, comparator_rows
from tests.browser.test_explorers import assert_still_is_live, cells, field, stage
from tests.test_comparators import invented


@pytest.mark.parametrize("state", [{}, {"kind": "noise", "level": 3, "reference": 0.5, "layer": "4"}])
def test_the_still_comparator_is_the_live_one_and_as_tall(stage, state):
    assert_still_is_live(stage(ComparatorExplorer(invented(), **state), still=True))


def test_the_sliders_move_the_table_as_python_says(stage):
    page, study = stage(ComparatorExplorer(invented())), invented()
    for kind, level, reference, layer in (("offset", 0, 0.25, 2), ("noise", 3, 0.5, 3), ("offset", 2, 1.0, 4)):
        field(page, "kind").select_option(kind)
        field(page, "level").fill(str(level))
        field(page, "reference").fill(str(reference))
        field(page, "layer").select_option(str(layer))
        assert cells(page, "live0")[3:] == [cell for row in comparator_rows(study, kind, level, reference, layer) for cell in row]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_comparator_explorer_is_accessible_and_fits_the_window(stage, objections, theme, width):
    page = stage(ComparatorExplorer(invented()), theme=theme, width=width)
    assert objections(page) == []
