"""A bit-serial ANN on the same chip: counts and bits, its bill by hand, and where the two bills meet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dtsnn_lite.bit_serial import (EventMachine, ann_bill, bit_rates, bits_of, break_even_density, break_even_rate, break_even_steps,
                                   break_even_steps_of_edp, read_cost)
from dtsnn_lite.checkpoints import load_shipped
from dtsnn_lite.chip import HPADC, adc_less_65nm, hp_adc_65nm, spikesim_rram_64
from dtsnn_lite.circuits import layer_times_ns
from dtsnn_lite.cost import Bill, ExitCheckCost, Once, StepCost, inference_cost, static_cost, timestep_cost
from dtsnn_lite.exits import EntropyExit, calibrate, replay
from dtsnn_lite.models import layer_shapes
from dtsnn_lite.networks import cifar10_small
from dtsnn_lite.recording import shipped

SHAPES = cifar10_small()
CHIP = replace(hp_adc_65nm, first_readout=HPADC(5), neurons=True)
RATES = np.linspace(0.05, 0.4, 3 * (len(SHAPES) - 1)).reshape(3, -1)


@pytest.mark.parametrize("timesteps", range(1, 70))
def test_so_many_bits_tell_all_counts_apart_and_one_less_does_not(timesteps):
    bits = bits_of(timesteps)
    assert bits_of(np.int64(timesteps)) == bits                                  # a whole number of any kind
    assert 2 ** bits >= timesteps + 1 > 2 ** (bits - 1)


def test_the_ones_of_each_bit_are_counted():
    codes = np.random.default_rng(0).integers(0, 8, (50, 7))
    written = np.array([[int(one) for one in f"{code:03b}"] for code in codes.ravel()])
    np.testing.assert_allclose(bit_rates(codes, 3), written.mean(axis=0)[::-1])


def test_one_bit_of_a_spiking_network_is_its_spikes():
    spikes = np.random.default_rng(1).random((100, 4)) < 0.3
    assert bit_rates(spikes, 1)[0] == spikes.mean()


@pytest.mark.parametrize("codes", [np.array([8]), np.array([-1]), np.array([0.5]), np.array([])])
def test_what_is_no_code_of_so_many_bits_is_refused(codes):
    with pytest.raises(ValueError, match=r"whole numbers in \[0, 7\]"):
        bit_rates(codes, 3)


@pytest.mark.parametrize("chip", [spikesim_rram_64, hp_adc_65nm], ids=lambda chip: chip.name)
def test_an_ann_pays_as_a_spiking_network_of_as_many_steps_with_its_bits_for_spikes(chip):
    ann, spiking = ann_bill(SHAPES, chip, RATES), static_cost(3, timestep_cost(SHAPES, chip, RATES, Once()))
    assert ann.energy_pj[0] == pytest.approx(spiking.energy_pj[0]) and ann.latency_ns[0] == pytest.approx(spiking.latency_ns[0])


def test_an_activation_is_billed_once_and_a_potential_at_every_step():
    bare = replace(CHIP, neurons=False)
    updates_pj = timestep_cost(SHAPES, CHIP, RATES).parts["neurons"]
    assert updates_pj > 0
    assert ann_bill(SHAPES, CHIP, RATES).energy_pj[0] - ann_bill(SHAPES, bare, RATES).energy_pj[0] == pytest.approx(updates_pj)
    spiking = [static_cost(3, timestep_cost(SHAPES, chip, RATES, Once())).energy_pj[0] for chip in (CHIP, bare)]
    assert spiking[0] - spiking[1] == pytest.approx(3 * updates_pj)


def test_more_bits_and_fuller_bits_cost_more():
    assert ann_bill(SHAPES, CHIP, RATES[:2]).energy_pj[0] < ann_bill(SHAPES, CHIP, RATES).energy_pj[0]
    assert read_cost(SHAPES, CHIP, RATES).step_pj < read_cost(SHAPES, CHIP, 2 * RATES).step_pj


def test_at_break_even_the_two_bills_are_one():
    rival, check = ann_bill(SHAPES, CHIP, RATES), ExitCheckCost(66.0, 112.0)
    step = timestep_cost(SHAPES, CHIP, RATES[0], Once())
    t = break_even_steps(rival, step, check)
    assert step.fixed_pj + (step.step_pj + check.energy_pj) * t == pytest.approx(rival.energy_pj[0])
    t = break_even_steps_of_edp(rival, step, check)
    energy_pj, latency_ns = step.fixed_pj + (step.step_pj + check.energy_pj) * t, step.fixed_ns + (step.step_ns + check.latency_ns) * t
    assert energy_pj * latency_ns == pytest.approx(rival.edp_pj_ns[0])


def test_images_that_leave_apart_must_leave_earlier_to_break_even():
    step, t = StepCost(10.0, 5.0, 3.0, 2.0), 2.0
    alike, apart = (inference_cost(np.array(t_hat), step) for t_hat in ([2, 2], [1, 3]))
    rival = Bill(alike.energy_pj[:1], alike.latency_ns[:1])
    assert break_even_steps_of_edp(rival, step) == pytest.approx(t)
    assert break_even_steps(rival, step) == pytest.approx(t)
    assert apart.energy_pj.mean() == alike.energy_pj.mean() and apart.edp_pj_ns.mean() > alike.edp_pj_ns.mean()


def test_where_the_fixed_part_alone_costs_more_no_timestep_breaks_even():
    step, cheap = StepCost(10.0, 5.0, 3.0, 2.0), Bill(np.array([4.0]), np.array([2.0]))
    assert break_even_steps(cheap, step) == break_even_steps_of_edp(cheap, step) == 0.0


def test_a_step_that_takes_no_time_breaks_even_where_its_energy_does():
    step, rival = StepCost(10.0, 5.0, 3.0, 0.0), Bill(np.array([25.0]), np.array([3.0]))
    assert break_even_steps_of_edp(rival, step) == pytest.approx(break_even_steps(rival, step)) == pytest.approx(3.0)


def test_a_silent_network_has_no_spikes_to_give_up():
    with pytest.raises(ValueError, match="without spikes"):
        break_even_density(ann_bill(SHAPES, CHIP, RATES), SHAPES, CHIP, np.zeros(len(SHAPES) - 1), timesteps=4)


def test_at_the_break_even_density_the_static_network_costs_what_its_rival_does():
    rates, chip = np.full(len(SHAPES) - 1, 0.3), replace(CHIP, neurons=False)
    rival = ann_bill(SHAPES, chip, np.full((3, len(SHAPES) - 1), 0.25))
    factor = break_even_density(rival, SHAPES, chip, rates, timesteps=4)
    assert 0 < factor < 0.25 / 0.3                                  # four reads for three
    still = static_cost(4, timestep_cost(SHAPES, chip, factor * rates, Once()))
    assert still.energy_pj[0] == pytest.approx(rival.energy_pj[0], rel=1e-6)


def test_a_price_list_blind_to_spikes_has_no_density_that_helps():
    rates = np.full(len(SHAPES) - 1, 0.3)
    rival = ann_bill(SHAPES, spikesim_rram_64, np.full((3, len(SHAPES) - 1), 0.25))
    assert break_even_density(rival, SHAPES, spikesim_rram_64, rates, timesteps=4) == 0.0
    assert break_even_density(rival, SHAPES, spikesim_rram_64, rates, timesteps=3) == pytest.approx(1 / 0.3)


def test_where_only_addresses_are_moved_the_break_even_rate_is_bits_over_steps_and_address():
    assert break_even_rate(5, address_bits=10) == pytest.approx(3 / (5 * 10))
    assert break_even_rate(4, address_bits=10, zeros=0.5) == pytest.approx(0.5 * 3 / (4 * 10))


def test_where_only_sums_are_counted_spikes_win_at_any_density():
    machine = EventMachine()
    assert break_even_rate(5, 10, fan_out=float("inf")) == pytest.approx(machine.multiply_add.value / machine.add.value / 5) and (
        break_even_rate(5, 10, fan_out=float("inf")) > 1)
    between = [break_even_rate(5, 10, fan_out=m) for m in (0, 1, 10, 100, 1e9)]
    assert between == sorted(between) and between[-1] == pytest.approx(break_even_rate(5, 10, fan_out=float("inf")))


def test_an_impossible_machine_is_refused():
    for wrong in ({"address_bits": 0}, {"address_bits": 9, "zeros": 1.0}, {"address_bits": 9, "fan_out": -1},
                  {"address_bits": float("nan")}):
        with pytest.raises(ValueError, match="addresses have bits"):
            break_even_rate(5, **wrong)


def test_the_adc_less_chip_reads_bits_as_well():
    assert ann_bill(SHAPES, replace(adc_less_65nm, first_readout=HPADC(5)), RATES).energy_pj[0] > 0


@pytest.mark.parametrize("chip", [CHIP, spikesim_rram_64], ids=lambda chip: chip.name)
@pytest.mark.parametrize("name, twin", [("digits-test", "digits-twin-test"), ("digits-hard-test", "digits-hard-twin-test"),
                                        ("cifar10-small-test", "cifar10-twin-test")])
def test_a_lone_image_that_streams_loses_less_to_the_twin_and_on_photographs_nothing_of_its_edp(name, twin, chip):
    """Its T timesteps stream, one way and T - 1 intervals; a layer of the ANN needs all bits of the one before, b ways."""
    spiking, photographs = shipped(name), name.startswith("cifar10")
    shapes = SHAPES if photographs else layer_shapes(load_shipped("digits"))
    rates = spiking.spike_rates if photographs else spiking.densities[:, 1:]
    bits = np.array(shipped(twin).about["bit_rates"])
    chip = replace(chip, as_printed=False) if chip is CHIP else chip
    static, ann = static_cost(4, timestep_cost(shapes, chip, rates, Once())), ann_bill(shapes, chip, bits)
    layers_ns = np.array([timestep_cost([shape], chip).step_ns for shape in shapes] if chip is spikesim_rram_64
                         else layer_times_ns(shapes, chip, chip.charges))
    energy = static.energy_pj[0] / ann.energy_pj[0]
    lone = energy * (layers_ns.sum() + 3 * layers_ns.max()) / (len(bits) * layers_ns.sum())
    assert 1 < energy and lone < static.edp_pj_ns[0] / ann.edp_pj_ns[0]
    assert (lone < 1) == photographs


def test_where_only_sums_are_counted_spikes_win_at_any_rate_up_to_seven_timesteps():
    sums = [break_even_rate(timesteps, 10, fan_out=float("inf")) for timesteps in (5, 7, 8)]
    assert sums[1] > 1 > sums[2] and 0.5 * sums[0] < 1


@pytest.mark.parametrize("name", ["digits", "digits-hard"])
@pytest.mark.parametrize("gamma", [0, 1])
def test_the_average_timestep_charges_whoever_leaves_early_a_few_percent_too_much(name, gamma):
    seen, shapes, chip = shipped(f"{name}-test"), layer_shapes(load_shipped("digits")), replace(CHIP, as_printed=False)
    t_hat = replay(seen, calibrate(shipped(f"{name}-calibration"), EntropyExit, max_drop=0, gamma=gamma)).t_hat
    rates = seen.densities[:, 1:]
    step = timestep_cost(shapes, chip, rates, Once())
    own_pj = step.fixed_pj + np.cumsum([timestep_cost(shapes, chip, rates[[t]], Once()).step_pj for t in range(4)])
    assert 0.01 < inference_cost(t_hat, step).energy_pj.mean() / own_pj[t_hat - 1].mean() - 1 < 0.07
