"""The chip's explorers in a real browser: static = live, all sizes and themes, no complaint, no request."""

import pytest

from dtsnn_lite.widgets.crossbar_explorer import CrossbarExplorer
from dtsnn_lite.widgets.design_explorer import DesignExplorer
from tests.browser.test_explorers import SAME, cells, field, stage  # noqa: F401

STATES = [{}, {"readout": "sa", "rows": "16", "density": 0.6, "input": 7, "column": 3}, {"readout": "ideal", "rows": "128"}]


@pytest.mark.parametrize("state", STATES)
def test_the_static_crossbar_draws_and_prints_what_the_live_one_does(stage, state):  # noqa: F811
    page = stage(CrossbarExplorer(**state))
    assert cells(page, "static0") == cells(page, "live0")
    still, live = page.evaluate(SAME)
    assert still == live
    page.wait_for_function("document.querySelector('#live0 output').textContent")
    assert page.locator("#static0 .sentence").text_content() == page.locator("#live0 .sentence").text_content()


def test_every_read_out_can_be_chosen_and_prints_numbers(stage):  # noqa: F811
    page = stage(CrossbarExplorer())
    for value in ("ideal", "6", "2", "ternary", "sa"):
        field(page, "readout").select_option(value)
        assert not any("NaN" in cell for cell in cells(page, "live0"))
    for value in ("0.05", "1"):
        field(page, "density").fill(value)
        assert not any("NaN" in cell for cell in cells(page, "live0"))


@pytest.mark.parametrize("state", [{}, {"converter": "flash6", "rows": "128", "mux": "8", "theta": 0.3, "leakage": True}])
def test_the_static_design_draws_and_prints_what_the_live_one_does(stage, state):  # noqa: F811
    page = stage(DesignExplorer(**state))
    assert cells(page, "static0") == cells(page, "live0")
    still, live = page.evaluate(SAME)
    assert still == live
    page.wait_for_function("document.querySelector('#live0 output').textContent")
    assert page.locator("#static0 .sentence").text_content() == page.locator("#live0 .sentence").text_content()


def test_a_new_converter_brings_its_own_sharing_of_columns(stage):  # noqa: F811
    page = stage(DesignExplorer())
    field(page, "converter").select_option("flash5")
    assert page.evaluate("MODELS[0].get('mux')") == "8"
    for value in ("0", "1"):
        field(page, "theta").fill(value)
        assert not any("NaN" in cell for cell in cells(page, "live0"))
