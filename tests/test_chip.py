"""The chip as data: legal values, honest sources."""

from dataclasses import replace
from pathlib import Path

import pytest

from dtsnn_lite.chip import HPADC, Chip, Constant, SARADC, dtsnn_2023, hp_adc_65nm, spikesim_rram_64
from dtsnn_lite.components import constants


def test_a_chip_refuses_impossible_shapes_and_says_why():
    with pytest.raises(ValueError, match="rows is a whole number from 1 up; got 0"):
        Chip("none", rows=0)
    with pytest.raises(ValueError, match="cell_bits <= weight_bits"):
        Chip("wide cells", weight_bits=2, cell_bits=4)
    with pytest.raises(ValueError, match="1 to 16 bits; got 0"):
        HPADC(0)
    with pytest.raises(ValueError, match="1 to 16 bits; got 17"):
        SARADC(17)


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
