"""The hardware explorer in a real browser: three networks side by side, one neuron of each, in all sizes and themes."""

import numpy as np
import pytest

from dtsnn_lite.widgets.folded import pooled
from dtsnn_lite.widgets.hardware_explorer import LAYER, NETWORKS, HardwareExplorer, hardware_rows
from dtsnn_lite.widgets.on_arrays import on_arrays, patches
from tests.browser.test_explorers import assert_still_is_live, cells, stage
from tests.browser.waits import until
from tests.test_hardware_explorer import COSTS
from tests.test_live_explorer import T, given


def hardware_explorer(**state) -> HardwareExplorer:
    return HardwareExplorer(given(), COSTS, **{"digit": "5", **state})


@pytest.mark.parametrize("state", [{}, {"digit": "3", "t": 4, "map": 32, "row": 1, "column": 14}, {"digit": "own", "theta": 0.9}])
def test_the_still_hardware_view_is_the_live_one_and_as_tall(stage, state):
    assert_still_is_live(stage(hardware_explorer(**state), still=True))


def test_every_digit_is_read_as_python_reads_it(stage):
    page, f = stage(hardware_explorer()), {name: on_arrays(asset).run(given().images, T)[0] for name, asset in NETWORKS.items()}
    for digit in range(10):
        page.locator("#live0 .thumb").nth(digit).click()
        rows = hardware_rows({name: means[:, digit] for name, means in f.items()}, 0.2, COSTS)
        assert cells(page, "live0")[4:] == [cell for row in rows for cell in row]


def test_the_partial_sums_of_the_neuron_that_is_picked_are_pythons(stage):
    page = stage(hardware_explorer(t=2, map=9, row=5, column=6))
    texts = "all => all.map(grid => [...grid.querySelectorAll('b')].map(each => each.textContent))"
    shown = page.locator("#live0 .sums").evaluate_all(texts)
    for name, found in zip(NETWORKS, shown, strict=True):
        net = on_arrays(NETWORKS[name])
        _, spikes = net.run(given().images[5:6], 2)
        sums = net.layers[LAYER].partial_sums(patches(pooled(spikes[LAYER - 1][1])))[:, 4 * 14 + 5, :, 8]
        assert [int(each.replace("\u2212", "-")) for each in found] == sums.ravel().astype(int).tolist()


def test_a_click_on_a_map_picks_the_neuron_under_it(stage):
    page = stage(hardware_explorer())
    maps = page.locator("#live0 .read-out .maps").nth(1)
    box = maps.bounding_box()
    maps.click(position={"x": box["width"] * (2 * 14 + 3.5) / 112, "y": box["height"] * (1 * 14 + 9.5) / 56})
    assert page.evaluate("['map', 'row', 'column'].map(name => MODELS[0].get(name))") == [8 + 3, 10, 4]


def test_time_moves_the_opinions_and_the_spikes(stage):
    page = stage(hardware_explorer(digit="3"))
    labels = lambda: page.locator("#live0 .read-out canvas").evaluate_all("all => all.map(each => each.ariaLabel)")
    before = labels()
    page.locator("#live0 [data-field=t] input").press("End")
    assert all("timestep 4" in label for label in labels()) and len(set(before) | set(labels())) == 6


def test_a_written_digit_goes_through_all_three(stage):
    page = stage(hardware_explorer())
    box = page.locator("#live0 .sheet").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 30, steps=12)
    page.mouse.up()
    until(page, "document.querySelector('#live0 output').textContent.startsWith('Your digit is read as')")
    assert np.all(page.locator("#live0 .read-out .answer").evaluate_all("all => all.map(each => each.textContent === '1')"))


def test_an_empty_sheet_is_not_called_a_digit(stage):
    page = stage(hardware_explorer(), hash="#hardware?v=1&digit=own")
    until(page, "document.querySelector('#live0 output').textContent.startsWith('The empty sheet is read as')")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_hardware_explorer_is_accessible_and_fits_the_window(stage, objections, theme, width):
    page = stage(hardware_explorer(), theme=theme, width=width)
    assert objections(page) == []
