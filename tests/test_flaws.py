"""What is refused of flaws, and why; what is off by default."""

import pytest

from dtsnn_lite.chip import Flaws, PowerLawDrift, Wires


def test_resistances_are_ratios_to_an_on_cell():
    assert (Wires(3.0, 6.0, on_ohm=6000.0).row, Wires(3.0, 6.0, on_ohm=6000.0).column) == (3 / 6000, 6 / 6000)
    assert Wires(3.0, 6.0, on_ohm=3000.0).row == 3 / 3000


@pytest.mark.parametrize("wrong", [{"row_ohm": -1.0}, {"column_ohm": float("nan")}, {"on_ohm": 0.0}, {"column_ohm": float("inf")}], ids=str)
def test_bad_wires_are_refused(wrong):
    with pytest.raises(ValueError, match="0 ohm a cell or more"):
        Wires(**wrong)


@pytest.mark.parametrize("wrong, why", [({"exponent": -0.1}, "0 or more"), ({"spread": float("nan")}, "0 or more"),
                                        ({"seconds": 5.0}, "t0 = 20.0, t = 5.0"), ({"from_seconds": 0.0}, "t0 > 0")], ids=str)
def test_a_bad_drift_is_refused(wrong, why):
    with pytest.raises(ValueError, match=why):
        PowerLawDrift(**wrong)


def test_off_cells_that_do_not_conduct_cannot_vary():
    with pytest.raises(ValueError, match="off_variation = 0.5 needs a finite on_off"):
        Flaws(off_variation=0.5)
    assert Flaws(off_variation=0.5, on_off=10).off_variation == 0.5


@pytest.mark.parametrize("wrong", [{"cell_noise": -0.1}, {"cell_noise": float("inf")}, {"off_variation": -1.0, "on_off": 10.0}], ids=str)
def test_sizes_below_zero_or_without_end_are_refused(wrong):
    with pytest.raises(ValueError, match="flaws are"):
        Flaws(**wrong)


@pytest.mark.parametrize("wrong", [{"wires": 1.0}, {"drift": Wires()}], ids=str)
def test_wires_and_drift_are_objects(wrong):
    with pytest.raises(TypeError, match="is an object such as"):
        Flaws(**wrong)
