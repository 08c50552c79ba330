"""The chip as data: legal values, honest sources."""

from dataclasses import replace
from pathlib import Path

import pytest

from dtsnn_lite.chip import HPADC, SARADC, Chip, Constant, LayerShape, Parts65nm, dtsnn_2023, hp_adc_65nm, spikesim_rram_64
from dtsnn_lite.components import constants


def test_a_chip_refuses_impossible_shapes_and_says_why():
    with pytest.raises(ValueError, match="cell_bits <= weight_bits"):
        Chip("wide cells", weight_bits=2, cell_bits=4)
    for converter, bits in ((HPADC, 0), (SARADC, 17), (HPADC, 2.5)):
        with pytest.raises(ValueError, match=f"bits is a whole number, 1 to 16; got {bits}"):
            converter(bits)


@pytest.mark.parametrize("what, value, says", [
    ("rows", 0, "1 or more"), ("rows", 64.5, "1 or more"), ("cols", float("nan"), "1 or more"), ("weight_bits", 1, "2 to 16"),
    ("weight_bits", 2.5, "2 to 16"), ("weight_bits", 1000, "2 to 16"), ("mux", 128, "1 to 64"), ("timesteps", 0, "1 or more")])
def test_what_a_chip_counts_is_a_whole_number(what, value, says):
    with pytest.raises(ValueError, match=f"{what} is a whole number, {says}; got {value}"):
        Chip("odd", **{what: value})


@pytest.mark.parametrize("what, value, says", [
    ("readout", "hp", r"HPADC\(5\); got 'hp'"), ("readout", None, r"HPADC\(5\); got None"), ("readout", HPADC, "got <class"),
    ("first_readout", 5, "or None; got 5"), ("flaws", None, r"Flaws\(\); got None"), ("charges", Parts65nm, "got <class"),
    ("exit_unit", None, r"ExitUnit\(\); got None")])
def test_the_parts_of_a_chip_are_objects_of_their_kind(what, value, says):
    with pytest.raises(TypeError, match=f"{what} is an object such as .*{says}"):
        Chip("odd", **{what: value})


@pytest.mark.parametrize("what, value", [("in_channels", -3), ("out_channels", 0), ("kernel", 1.5), ("out_height", 0), ("stride", 0)])
def test_a_layer_has_whole_sizes(what, value):
    with pytest.raises(ValueError, match=f"{what} of conv is a whole number, 1 or more; got {value}"):
        replace(LayerShape("conv", 3, 8, 3, 4, 4, 8, 8, 2), **{what: value})


def test_a_layer_that_skips_pixels_says_its_stride():
    with pytest.raises(ValueError, match="conv makes 4 x 4 of 9 x 9, fewer than a kernel of 3 makes without padding: is its stride 1,"):
        LayerShape("conv", 3, 8, 3, 4, 4, 9, 9)
    strided = LayerShape("conv", 3, 8, 3, 4, 4, 9, 9, 2)
    assert strided.unpadded(9) == 4                       # at 0, 2, 4 and 6
    assert strided.unpadded(2) == 0


def test_a_constant_lies_in_its_own_range():
    assert Constant(2.0, "pJ", "here", "estimate", 1.0, 3.0).range == (1.0, 3.0)
    assert Constant(2.0, "pJ", "here", "code").range == (2.0, 2.0)
    with pytest.raises(ValueError, match="own range"):
        Constant(4.0, "pJ", "here", "estimate", 1.0, 3.0)


def test_another_chip_is_one_changed_word():
    small = replace(spikesim_rram_64, rows=32, cols=32)
    assert (small.rows, small.charges) == (32, spikesim_rram_64.charges)


@pytest.mark.parametrize("table", [spikesim_rram_64.charges, dtsnn_2023.charges, dtsnn_2023.exit_unit,
                                   hp_adc_65nm.charges])
def test_every_constant_has_a_unit_a_source_and_an_honest_tag(table):
    for name, constant in constants(table):
        assert constant.unit and constant.source, name
        if constant.tag == "estimate":
            assert constant.range[0] < constant.value < constant.range[1], f"{name}: an estimate has a range"


@pytest.mark.parametrize("table", [spikesim_rram_64.charges, dtsnn_2023.charges, dtsnn_2023.exit_unit,
                                   hp_adc_65nm.charges])
def test_every_source_of_a_constant_stands_in_the_bibliography(table):
    entries = (Path(__file__).parents[1] / "references.bib").read_text("utf8")
    for name, constant in constants(table):
        assert f"{{{constant.source}," in entries, name


def test_the_shares_of_dtsnn_add_up_to_one():
    prices = dtsnn_2023.charges
    shares = (prices.digital_peripherals, prices.crossbar_and_adc, prices.network_and_neurons)
    assert sum(share.value for share in shares) == pytest.approx(1.0)
