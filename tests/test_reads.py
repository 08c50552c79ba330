"""What the layers read is a share a timestep and layer, and says when it does not know how often a tile is awake."""

from dataclasses import replace

import numpy as np
import pytest

from dtsnn_lite.chip import adc_less_65nm, hp_adc_65nm
from dtsnn_lite.cost import timestep_cost
from dtsnn_lite.networks import conv, dvsnet
from dtsnn_lite.reads import Reads, as_fired, input_densities
from dtsnn_lite.recording import shipped

FULL, TENTH = np.full(12, 0.4), np.full(12, 0.1)


def test_densities_of_one_layer_less_price_the_image_as_the_first_input():
    assert input_densities(np.array([[.1, .2], [.3, .4]]), 3).tolist() == [[1, .1, .2], [1, .3, .4]]
    assert input_densities(np.array([.1, .2]), 2).tolist() == [[.1, .2]]
    assert input_densities(None, 3).tolist() == [[0.5, 0.5, 0.5]]
    assert input_densities(np.array([0.0, 1 + 5e-7]), 2).tolist() == [[0.0, 1.0]]           # a mean of ones may round up
    for rates in ([0.5, 1.5], [-0.1, 0.5], [0.5, 1 + 2e-6]):
        with pytest.raises(ValueError, match="share of spikes"):
            input_densities(np.array(rates), 2)
    for shape in ((0, 3), (1, 2, 3), (1, 3, 2), (4,), (1,)):
        with pytest.raises(ValueError, match=r"what is read are 3 densities \(or 2\) a timestep; got"):
            input_densities(np.full(shape, 0.1), 3)
    with pytest.raises(ValueError, match="12 densities"):
        timestep_cost(dvsnet(), hp_adc_65nm, np.full(5, 0.1))


def test_a_bill_takes_the_awake_shares_on_arrays_of_their_rows_only():
    seen = Reads(TENTH, awake=FULL, rows=32)
    for rows, known in ((32, True), (64, False)):
        chip = replace(adc_less_65nm, rows=rows, cols=rows)
        apart, measured = (timestep_cost(dvsnet(), chip, reads).parts["converters"] for reads in (TENTH, seen))
        assert (measured < 0.8 * apart) if known else (measured == apart)
    assert seen.awake_on(64) is None and np.array_equal(seen.awake_on(32), FULL)


def test_densities_alone_are_billed_as_rows_that_spike_independently():
    whole_tiles = [conv("first", 64, 8, 6), conv("second", 128, 4, 6)]                      # a tile that is not full has fewer rows
    by_hand = Reads(np.array([0.02, 0.1]), awake=1 - (1 - np.array([0.02, 0.1])) ** 64)
    a, b, half = (timestep_cost(whole_tiles, hp_adc_65nm, reads).step_pj for reads in (np.array([0.02, 0.1]), by_hand, None))
    assert a == pytest.approx(b, rel=1e-12) and a < half


def test_spikes_as_they_are_fired_stand_in_for_what_nobody_measured():
    fired = as_fired(np.array([[0.1, 0.2], [0.3, 0.4]]))
    assert fired.awake is None and input_densities(fired.densities, 3).tolist() == [[1, .1, .2], [1, .3, .4]]
    seen = shipped("digits-test")
    bare = replace(seen, densities=None, awake=None)
    assert np.allclose(bare.reads.densities, seen.spike_rates) and bare.reads.awake is None


@pytest.mark.parametrize("wrong, message", [
    (dict(densities=np.full(3, 1.1)), "share of spikes"),
    (dict(densities=np.array([0.1, np.nan])), "share of spikes"),
    (dict(densities=np.full(3, 0.1), awake=np.full(3, 1.1)), "share of spikes"),
    (dict(densities=np.full(3, 0.1), awake=np.full(3, 0.05)), "awake at least as often as one of its rows spikes"),
    (dict(densities=np.full(3, 0.1), awake=np.full(2, 0.5)), r"got shares \(2,\) beside densities \(3,\)"),
    (dict(densities=np.full(3, 0.1), rows=0), "rows is a whole number, 1 or more; got 0"),
])
def test_what_no_layer_can_read_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Reads(**wrong)


def test_nobody_else_writes_what_was_read():
    given = np.full(3, 0.1)
    seen = Reads(given)
    given[0] = 0.9
    assert seen.densities[0] == 0.1
    with pytest.raises(ValueError, match="read-only"):
        seen.densities[0] = 0
