"""The bill against the papers' printed and re-run numbers."""

from dataclasses import replace

import numpy as np
import pytest

from dtsnn_lite.chip import Chip, dtsnn_2023, spikesim_rram_64
from dtsnn_lite.cost import (ExitCheckCost, StepCost, exit_check_cost, inference_cost, pe_cycle_parts_pj,
                             static_cost, steps_squared_ratio, timestep_cost)
from dtsnn_lite.networks import resnet19, vgg9, vgg16


def exit_steps(shares: list[float], images: int = 10_000) -> np.ndarray:
    """Exit timesteps with the given shares at t = 1, 2, ..."""
    return np.repeat(np.arange(1, len(shares) + 1), np.round(np.array(shares) * images).astype(int))


def edp_reduction(t_hat: np.ndarray, step: StepCost) -> float:
    """1 - E[E D] / (E D of the static network at T = 4)."""
    return 1 - inference_cost(t_hat, step).edp_pj_ns.mean() / static_cost(4, step).edp_pj_ns.mean()


def test_one_pe_cycle_of_spikesim_costs_828_pj():
    parts = pe_cycle_parts_pj(spikesim_rram_64, spikesim_rram_64.charges)
    assert sum(parts.values()) == pytest.approx(828.486, rel=1e-5)
    shares = {part: energy / 828.486 for part, energy in parts.items()}
    assert shares["tile buffer"] == pytest.approx(0.479, abs=5e-4)
    assert shares["H-tree"] == pytest.approx(0.190, abs=5e-4)
    assert shares["adc"] == pytest.approx(0.157, abs=5e-4)
    assert shares["crossbar"] == pytest.approx(0.153, abs=5e-4)


def test_spikesims_vgg9_run_is_reproduced():
    step = timestep_cost(vgg9(), spikesim_rram_64)
    run = static_cost(5, step)
    assert run.energy_pj[0] == pytest.approx(15.907e6, rel=0.005)
    assert run.latency_ns[0] == pytest.approx(62.83e6, rel=0.005)


@pytest.mark.parametrize("network, energy_pj", [(vgg16, 7.85e6), (resnet19, 52.6e6)])
def test_a_timestep_of_the_papers_networks_costs_what_spikesim_charges(network, energy_pj):
    assert timestep_cost(network(), spikesim_rram_64).step_pj == pytest.approx(energy_pj, rel=0.005)


def test_spikesim_is_proportional_in_the_number_of_timesteps():
    step = timestep_cost(vgg9(), spikesim_rram_64)
    assert (step.fixed_pj, step.fixed_ns) == (0.0, 0.0)


def test_dtsnn_energy_is_affine_and_its_latency_proportional():
    step = timestep_cost(vgg16(), dtsnn_2023)
    one, eight = static_cost(1, step), static_cost(8, step)
    assert step.fixed_pj / one.energy_pj[0] == pytest.approx(0.443, abs=5e-4)
    assert step.step_pj / one.energy_pj[0] == pytest.approx(0.557, abs=5e-4)
    assert eight.energy_pj[0] / one.energy_pj[0] == pytest.approx(4.9)
    assert eight.latency_ns[0] / one.latency_ns[0] == pytest.approx(8)


def test_dtsnn_splits_a_timestep_in_45_25_and_30_percent():
    step = timestep_cost(vgg16(), dtsnn_2023)
    assert [energy / step.step_pj for energy in step.parts.values()] == pytest.approx([0.45, 0.25, 0.30])


@pytest.mark.parametrize("shares, reduction", [
    ([.73, .15, .05, .07], 0.80), ([.70, .19, .06, .05], 0.80), ([.85, .08, .02, .05], 0.84)])
def test_the_papers_edp_reductions_follow_from_affine_energy_and_a_mean_over_images(shares, reduction):
    step = timestep_cost(vgg16(), dtsnn_2023)
    assert edp_reduction(exit_steps(shares), step) == pytest.approx(reduction, abs=0.02)


def test_squaring_the_mean_timesteps_overstates_the_reduction():
    t_hat = exit_steps([.73, .15, .05, .07])
    assert 1 - steps_squared_ratio(t_hat, 4) > edp_reduction(t_hat, timestep_cost(vgg16(), dtsnn_2023)) + 0.05


def test_the_edp_of_means_is_never_more_than_the_mean_edp():
    bill = inference_cost(exit_steps([.5, .2, .1, .2]), timestep_cost(vgg9(), spikesim_rram_64))
    assert bill.edp_of_means_pj_ns < bill.edp_pj_ns.mean()
    same = inference_cost(np.full(7, 3), timestep_cost(vgg9(), spikesim_rram_64))
    assert same.edp_of_means_pj_ns == pytest.approx(same.edp_pj_ns.mean())


@pytest.mark.parametrize("chip", [spikesim_rram_64, dtsnn_2023])
def test_the_parts_add_up_to_a_timestep(chip):
    step = timestep_cost(vgg9(), chip)
    assert sum(step.parts.values()) == pytest.approx(step.step_pj)


def test_the_exit_check_grows_with_the_classes_and_is_small_beside_a_timestep():
    ten, hundred = (exit_check_cost(spikesim_rram_64, classes) for classes in (10, 100))
    assert ten.energy_pj == pytest.approx(2 * 10 * (2.5 + 0.8) + 0.1)
    assert ten.latency_ns == pytest.approx((10 * 2 + 8) * 4.0)
    assert hundred.energy_pj > 9 * ten.energy_pj
    assert ten.energy_pj < 1e-3 * timestep_cost(vgg9(), spikesim_rram_64).step_pj


def test_a_dynamic_run_pays_for_each_check_and_a_static_one_for_none():
    step = StepCost(fixed_pj=3.0, step_pj=5.0, fixed_ns=7.0, step_ns=11.0)
    bill = inference_cost(np.array([1, 3]), step, ExitCheckCost(0.25, 0.5))
    assert bill.energy_pj.tolist() == [3 + 5.25, 3 + 3 * 5.25]
    assert bill.latency_ns.tolist() == [7 + 11.5, 7 + 3 * 11.5]
    assert static_cost(3, step).energy_pj[0] == 3 + 3 * 5


def test_bad_bills_are_refused_with_the_reason():
    step = timestep_cost(vgg9(), spikesim_rram_64)
    with pytest.raises(ValueError, match="whole timesteps"):
        inference_cost(np.array([0, 1]), step)
    with pytest.raises(ValueError, match="at least one layer"):
        timestep_cost([], spikesim_rram_64)
    with pytest.raises(ValueError, match="no price list"):
        timestep_cost(vgg9(), Chip("computes only"))
    with pytest.raises(ValueError, match="at least 2 classes"):
        exit_check_cost(dtsnn_2023, classes=1)


def test_another_converter_moves_the_bill():
    doubled = replace(spikesim_rram_64.charges.adc, value=2 * spikesim_rram_64.charges.adc.value)
    dear = replace(spikesim_rram_64, charges=replace(spikesim_rram_64.charges, adc=doubled))
    gain = timestep_cost(vgg9(), dear).step_pj / timestep_cost(vgg9(), spikesim_rram_64).step_pj
    assert gain == pytest.approx(1 + 0.157, abs=1e-3)
