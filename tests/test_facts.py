"""Each number that the book claims is measured, and a test that exists holds it."""

import ast
import math
from pathlib import Path

import numpy as np
import pytest

from dtsnn_lite.checkpoints import load_shipped, shipped_policy
from dtsnn_lite.chip import dtsnn_2023, spikesim_rram_64
from dtsnn_lite.cost import Once, StepCost, exit_check_cost, inference_cost, three_ratios, timestep_cost
from dtsnn_lite.evidence import GAMMAS
from dtsnn_lite.exits import EntropyExit, calibrate, replay
from dtsnn_lite.mapping import macs
from dtsnn_lite.models import layer_shapes
from dtsnn_lite.proofs.facts import Fact, fact, facts, policies_of
from dtsnn_lite.proofs.papers import CIFAR10_SEEDS
from dtsnn_lite.proofs.stages import stage_accuracies
from dtsnn_lite.recording import shipped
from dtsnn_lite.reinforce import shipped_sweeps

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("one", facts(), ids=lambda one: one.name)
def test_every_fact_is_finite_and_names_a_test_that_exists(one):
    assert math.isfinite(one.value) and one.unit and one.how
    path, function = one.test.split("::")
    defined = {node.name for node in ast.walk(ast.parse((ROOT / path).read_text("utf8"))) if isinstance(node, ast.FunctionDef)}
    assert function in defined


def test_a_fact_is_found_by_its_name():
    assert fact("digits.accuracy_T4").text == "97.7 %"
    with pytest.raises(KeyError, match="no fact 'digits.accuracy'; `python -m dtsnn_lite facts` lists them"):
        fact("digits.accuracy")


@pytest.mark.parametrize("value, unit, text", [
    (97.74, "%", "97.7 %"), (1.066, "timesteps", "1.07 timesteps"), (0.114, "x", "0.11x"), (29178, "weights", "29,178 weights"),
    (0.3178, "threshold", "0.318"), (0.014, "%", "0.01 %"), (0.0, "%", "0.0 %"), (-0.1, "points", "-0.1 points"),
    (1, "answers", "1 answer"), (1, "points", "1.0 points")])
def test_a_fact_prints_with_its_unit_and_never_as_a_false_zero(value, unit, text):
    assert Fact("a", value, unit, "how", "test").text == text


def test_three_ratios_by_hand():
    step, t_hat = StepCost(fixed_pj=1, step_pj=1, fixed_ns=0, step_ns=1), np.array([1, 3])
    ratios = three_ratios(inference_cost(t_hat, step), t_hat, step, timesteps=3)
    assert ratios["mean_of_products"] == pytest.approx((2 * 1 + 4 * 3) / 2 / (4 * 3))
    assert ratios["product_of_means"] == pytest.approx((2 + 4) / 2 * (1 + 3) / 2 / (4 * 3))
    assert ratios["steps_squared"] == pytest.approx((2 / 3) ** 2)


@pytest.mark.parametrize("network, published", [("vgg16", 80), ("resnet19", 84)])
def test_the_papers_edp_reductions_follow_from_affine_energy_and_the_mean_of_products(network, published):
    ways = {way: fact(f"dtsnn.{network}.edp_reduction.{way}").value
            for way in ("mean_of_products", "product_of_means", "steps_squared")}
    assert ways["mean_of_products"] == pytest.approx(published, abs=2)
    assert ways["mean_of_products"] < ways["product_of_means"] < ways["steps_squared"]
    assert ways["steps_squared"] > published + 5                        # would overstate


NETWORKS = {"digits": "digits", "cifar10": CIFAR10_SEEDS[0]}


@pytest.mark.parametrize("prefix", NETWORKS)
@pytest.mark.parametrize("name", policies_of("digits"))
def test_each_exit_is_a_replay_at_its_calibrated_threshold(prefix, name):
    seen = shipped(f"{NETWORKS[prefix]}-test")
    run = replay(seen, policies_of(NETWORKS[prefix])[name])
    assert fact(f"{prefix}.{name}.accuracy").value == pytest.approx(100 * run.correct.mean())
    assert fact(f"{prefix}.{name}.mean_timesteps").value == pytest.approx(run.t_hat.mean())
    assert fact(f"{prefix}.{name}.leave_first").value == pytest.approx(100 * (run.t_hat == 1).mean())
    assert fact(f"{prefix}.{name}.change").value == pytest.approx(100 * (run.accuracy - seen.accuracy[-1]))


def test_stopping_when_sure_keeps_the_digits_accuracy_at_under_two_timesteps():
    for name in ("dtsnn", "seenn1", "margin"):
        assert fact(f"digits.{name}.change").value >= -1.0
        assert fact(f"digits.{name}.mean_timesteps").value < 1.5
    assert fact("digits.oracle.accuracy").value >= fact("digits.dtsnn.accuracy").value


def test_price_and_thresholds_of_the_hard_digits_are_chosen_on_the_calibration_split():
    calibration, sweep = shipped("digits-hard-calibration"), shipped_sweeps()["exact"]
    held_out = shipped_sweeps(split="calibration")["exact"]
    kept = [(held_out.mean_timesteps[k], k) for k in range(len(held_out.prices))
            if held_out.accuracy[k] >= calibration.accuracy[-1] - 1e-9]
    k = min(kept)[1]
    assert fact("hard.policy.accuracy").value == pytest.approx(100 * sweep.correct[k].mean())
    assert fact("hard.policy.mean_timesteps").value == pytest.approx(sweep.t_hat[k].mean())
    assert fact("hard.policy.mean_timesteps").value < fact("hard.threshold.mean_timesteps").value
    for name, chip in (("spikesim", spikesim_rram_64), ("dtsnn_chip", dtsnn_2023)):
        step, check = timestep_cost(layer_shapes(load_shipped("digits-hard")), chip), exit_check_cost(chip)
        look = timestep_cost(layer_shapes(shipped_policy()), chip)
        ours = look.fixed_pj + look.step_pj + step.fixed_pj + step.step_pj * sweep.t_hat[k].mean()
        for rival in ("threshold", "greedy_threshold"):
            theirs = step.fixed_pj + (step.step_pj + check.energy_pj) * fact(f"hard.{rival}.mean_timesteps").value
            assert fact(f"hard.{name}.energy_over_{rival}").value == pytest.approx(ours / theirs)


@pytest.mark.parametrize("name, chip", [("dtsnn_chip", dtsnn_2023), ("spikesim", spikesim_rram_64)])
def test_a_look_is_dearer_than_its_multiplications(name, chip):
    shapes, glance = layer_shapes(load_shipped("digits-hard")), layer_shapes(shipped_policy())
    step, look = timestep_cost(shapes, chip), timestep_cost(glance, chip)
    assert fact(f"hard.{name}.look_share").value == pytest.approx(100 * (look.fixed_pj + look.step_pj) / step.step_pj)
    assert fact(f"hard.{name}.look_share").value > 100 * macs(glance) / macs(shapes)


def test_one_bit_is_a_guess_until_it_is_trained_for():
    seen = shipped("digits-adc-less-test")
    assert fact("digits.one_bit.accuracy").value == pytest.approx(100 * np.mean(seen.f[-1].argmax(axis=1) == seen.labels))
    assert fact("digits.one_bit.accuracy").value == pytest.approx(100 * stage_accuracies()["adc-less"]["0"][-1])
    guess, wide = 100 / seen.classes, 3 * 100 * (0.1 * 0.9 / seen.images) ** 0.5
    assert abs(fact("digits.one_bit.untrained.accuracy").value - guess) < wide < fact("digits.one_bit.accuracy").value - guess


@pytest.mark.parametrize("prefix", NETWORKS)
@pytest.mark.parametrize("name, chip", [("dtsnn_chip", dtsnn_2023), ("spikesim", spikesim_rram_64)])
def test_the_bills_are_added_up_image_by_image(prefix, name, chip):
    network = NETWORKS[prefix]
    step, check = timestep_cost(layer_shapes(load_shipped(network)), chip), exit_check_cost(chip)
    energy, delay = [], []
    for t in replay(shipped(f"{network}-test"), policies_of(network)["dtsnn"]).t_hat:
        energy.append(step.fixed_pj + t * (step.step_pj + check.energy_pj))
        delay.append(step.fixed_ns + t * (step.step_ns + check.latency_ns))
    energy, delay = np.array(energy), np.array(delay)
    whole = step.fixed_pj + 4 * step.step_pj, step.fixed_ns + 4 * step.step_ns
    assert fact(f"{prefix}.{name}.energy_ratio").value == pytest.approx(energy.mean() / whole[0])
    assert fact(f"{prefix}.{name}.delay_ratio").value == pytest.approx(delay.mean() / whole[1])
    assert fact(f"{prefix}.{name}.edp_ratio.mean_of_products").value == pytest.approx((energy * delay).mean() / (whole[0] * whole[1]))
    assert fact(f"{prefix}.{name}.check_share").value == pytest.approx(100 * check.energy_pj / (step.step_pj + check.energy_pj))


def test_the_pair_of_the_hard_digits_is_chosen_on_the_calibration_split():
    calibration, seen = shipped("digits-hard-calibration"), shipped("digits-hard-test")
    rules = [calibrate(calibration, EntropyExit, max_drop=0.0, gamma=gamma) for gamma in GAMMAS]
    pair = min(rules, key=lambda rule: replay(calibration, rule).mean_timesteps)
    run = replay(seen, pair)
    assert fact("hard.pair.accuracy").value == pytest.approx(100 * run.accuracy)
    assert fact("hard.pair.change").value == pytest.approx(100 * (run.accuracy - seen.accuracy[-1]))
    assert fact("hard.pair.mean_timesteps").value == pytest.approx(run.mean_timesteps)
    assert fact("hard.pair.leave_first").value == pytest.approx(100 * (run.t_hat == 1).mean())
    step, check = timestep_cost(layer_shapes(load_shipped("digits-hard")), dtsnn_2023), exit_check_cost(dtsnn_2023)
    edp = [(step.fixed_pj + t * (step.step_pj + check.energy_pj)) * (step.fixed_ns + t * (step.step_ns + check.latency_ns))
           for t in run.t_hat]
    for name, T in (("edp_ratio", 4), ("edp_over_always_2", 2)):
        still = (step.fixed_pj + T * step.step_pj) * (step.fixed_ns + T * step.step_ns)
        assert fact(f"hard.pair.dtsnn_chip.{name}").value == pytest.approx(np.mean(edp) / still)


@pytest.mark.parametrize("prefix", NETWORKS)
def test_fair_bills_are_added_up_histogram_by_histogram(prefix):
    network = NETWORKS[prefix]
    seen, shapes, t = shipped(f"{network}-test"), layer_shapes(load_shipped(network)), np.arange(1, 5)
    every = timestep_cost(shapes, dtsnn_2023)
    first = timestep_cost(shapes[:1], spikesim_rram_64).step_pj
    once = StepCost(first, timestep_cost(shapes[1:], spikesim_rram_64).step_pj, 0.0, timestep_cost(shapes, spikesim_rram_64).step_ns)
    assert timestep_cost(shapes, spikesim_rram_64, first_layer=Once()).step_pj == pytest.approx(once.step_pj)
    for name, rule, chip, step in (("dtsnn_chip.sum", "sum", dtsnn_2023, every), ("dtsnn_chip.pair", "pair", dtsnn_2023, every),
                                   ("spikesim.once.dtsnn", "dtsnn", spikesim_rram_64, once),
                                   ("spikesim.once.pair", "pair", spikesim_rram_64, once)):
        check = exit_check_cost(chip)
        shares = replay(seen, policies_of(network)[rule]).histogram / seen.images
        energy, delay = step.fixed_pj + (step.step_pj + check.energy_pj) * t, (step.step_ns + check.latency_ns) * t
        whole = step.fixed_pj + 4 * step.step_pj, 4 * step.step_ns
        assert fact(f"{prefix}.{name}.energy_ratio").value == pytest.approx(shares @ energy / whole[0])
        assert fact(f"{prefix}.{name}.edp_ratio").value == pytest.approx(shares @ (energy * delay) / (whole[0] * whole[1]))
    for k in (1, 2, 3):
        energy = (every.fixed_pj + k * every.step_pj) / (every.fixed_pj + 4 * every.step_pj)
        assert fact(f"{prefix}.dtsnn_chip.always{k}.energy_ratio").value == pytest.approx(energy)
        assert fact(f"{prefix}.dtsnn_chip.always{k}.edp_ratio").value == pytest.approx(energy * k / 4)
