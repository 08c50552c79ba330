"""Every number that the book claims: its measured value, how it was made, and the test that holds it.

`python -m dtsnn_lite facts` prints them. A name stays once it is used in a page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from dtsnn_lite.calibration import fastest_as_accurate, fastest_calibrated
from dtsnn_lite.checkpoints import card_of, load_shipped, shipped_policy
from dtsnn_lite.chip import HPADC, adc_less_65nm, dtsnn_2023, hp_adc_65nm, spikesim_rram_64
from dtsnn_lite.cost import Bill, Once, chosen_cost, exit_check_cost, inference_cost, static_cost, three_ratios, timestep_cost
from dtsnn_lite.evidence import calibrate_pair
from dtsnn_lite.exits import (ConfidenceExit, EntropyExit, ExitPolicy, MarginExit, OracleExit, PatienceExit, Run, aet_by_counts, calibrate,
                              confidence, first_right, replay, run_of)
from dtsnn_lite.flow_recording import every_flow_seed, nearer
from dtsnn_lite.models import layer_shapes
from dtsnn_lite.networks import cifar10_small, resnet19, vgg9, vgg16
from dtsnn_lite.proofs.league import cheapest
from dtsnn_lite.proofs.papers import CIFAR10_SEEDS, SEENN_II_POINT, exit_shares
from dtsnn_lite.proofs.stages import stage_accuracies
from dtsnn_lite.recording import every_seed, shipped
from dtsnn_lite.reinforce import fastest_row, shipped_sweeps

PLACES = {"%": 1, "points": 1, "timesteps": 2, "images": 0, "answers": 0, "clips": 0, "weights": 0, "s": 0, "hours": 1, "threshold": 3,
          "gamma": 2}


@dataclass(frozen=True)
class Fact:
    """One number of the book.

    name   its name for good, dotted from the general to the particular
    value  measured now, from what ships
    unit   "%" counts in hundredths, "x" is a ratio, "threshold" is in the policy's own unit, "gamma" an exponent
    how    what was done to get it
    test   tests/test_<file>.py::test_<name>, the test that fails when it is no longer true
    """

    name: str
    value: float
    unit: str
    how: str
    test: str

    @property
    def text(self) -> str:
        """The value as a page prints it: '97.7 %', '1.07 timesteps', '0.11x'."""
        places = PLACES.get(self.unit, 2)
        tiny = 0 < abs(self.value) < 0.5 * 10 ** -places        # would print as zero, which it is not
        number = f"{self.value:.1g}" if tiny else f"{self.value:,.{places}f}"
        unit = self.unit.removesuffix("s") if number == "1" and len(self.unit) > 1 else self.unit
        return number + {"x": "x", "threshold": "", "gamma": ""}.get(unit, f" {unit}")


@lru_cache(maxsize=1)
def facts() -> tuple[Fact, ...]:
    """All facts, in the order of the book."""
    found = (*_prices(), *_published_edp(), *_digits_network(), *_exits("digits", "digits"), *_bills("digits", "digits"),
             *_losses(), *_digits_converted(), *_digits_one_bit(), *_hard_policy(), *_hard_pair(), *_cifar10_network(),
             *_exits("cifar10", CIFAR10_SEEDS[0]), *_bills("cifar10", CIFAR10_SEEDS[0]), *_cifar10_seeds(), *_two_networks(),
             *_papers_networks(), *_a_policy_that_waits(), *_gestures_on_chip(), *_gestures_first_layer(), *_flow_seeds(), *_flow_on_chip())
    names = [fact.name for fact in found]
    if len(set(names)) < len(names):
        raise ValueError(f"two facts share a name: {sorted({n for n in names if names.count(n) > 1})}")
    return found


def fact(name: str) -> Fact:
    """The fact of that name."""
    for one in facts():
        if one.name == name:
            return one
    raise KeyError(f"no fact {name!r}; `python -m dtsnn_lite facts` lists them")


# --- what a timestep costs ---------------------------------------------------------

def _prices() -> Iterator[Fact]:
    spikesim, dtsnn = timestep_cost(vgg9(), spikesim_rram_64), timestep_cost(vgg16(), dtsnn_2023)
    run = static_cost(5, spikesim)
    how = "SpikeSim's constants, VGG-9 on CIFAR-10, 5 timesteps"
    yield Fact("spikesim.vgg9.energy_uj", run.energy_pj[0] / 1e6, "uJ", how, "tests/test_cost.py::test_spikesims_vgg9_run_is_reproduced")
    yield Fact("spikesim.vgg9.delay_ms", run.latency_ns[0] / 1e6, "ms", how, "tests/test_cost.py::test_spikesims_vgg9_run_is_reproduced")
    one, test = dtsnn.fixed_pj + dtsnn.step_pj, "tests/test_cost.py::test_dtsnn_energy_is_affine_and_its_latency_proportional"
    how = "the line through E(1) = 1 and E(8) = 4.9 of DT-SNN's Fig. 1B"
    yield Fact("dtsnn.fixed_share", 100 * dtsnn.fixed_pj / one, "%", how, test)
    yield Fact("dtsnn.step_share", 100 * dtsnn.step_pj / one, "%", how, test)
    test = "tests/test_cost.py::test_the_first_convolutions_share_of_a_timestep_falls_with_the_size_of_the_network"
    for name, shapes in (("digits", layer_shapes(load_shipped("digits"))), ("cifar10", cifar10_small()), ("vgg16", vgg16())):
        held = timestep_cost(shapes, spikesim_rram_64, first_layer=Once())
        yield Fact(f"spikesim.{name}.first_layer_share", 100 * held.fixed_pj / (held.fixed_pj + held.step_pj), "%",
                   "SpikeSim's constants; the first convolution in the energy of one timestep", test)
    yield Fact("spikesim.vgg16.growth_once", static_cost(8, held).energy_pj[0] / static_cost(1, held).energy_pj[0], "x",
               "SpikeSim's constants, VGG-16, 8 timesteps over 1, the first convolution billed once",
               "tests/test_cost.py::test_a_first_layer_alone_cannot_be_the_fixed_part_of_dt_snns_line")


def _published_edp() -> Iterator[Fact]:
    """The papers' EDP reductions from the affine energy and the exit steps of our photographs at the papers' means."""
    step, seen = timestep_cost(vgg16(), dtsnn_2023), shipped(f"{CIFAR10_SEEDS[0]}-test")
    test = "tests/test_facts.py::test_the_papers_edp_reductions_follow_from_affine_energy_and_the_mean_of_products"
    for name, mean in (("vgg16", 1.46), ("resnet19", 1.27)):
        shares = exit_shares(seen, mean, gamma=1)
        t_hat = np.repeat(np.arange(1, 5), np.rint(seen.images * np.array(shares)).astype(int))
        bill = inference_cost(t_hat, step)
        how = (f"affine energy, exit shares {', '.join(f'{share:.3f}' for share in shares)} of the small net's photographs "
               f"(entropy of the sum, seed 0), mean {t_hat.mean():.2f} timesteps")
        for way, ratio in three_ratios(bill, t_hat, step, timesteps=4).items():
            yield Fact(f"dtsnn.{name}.edp_reduction.{way}", 100 * (1 - ratio), "%", _how(way, how, t_hat), test)


def _how(way: str, how: str, t_hat: np.ndarray) -> str:
    """The squared ratio knows neither the bill nor the histogram."""
    alone = f"(mean timesteps / T)^2, from the mean {t_hat.mean():.2f} alone: no bill, no histogram"
    return alone if way == "steps_squared" else how


# --- the digits --------------------------------------------------------------------

SEEDS = ("digits", "digits-seed1", "digits-seed2")
STATED = "tests/test_recipes.py::test_the_card_states_the_accuracy_of_the_shipped_recording"
THREE_SEEDS = "tests/test_recipes.py::test_the_digits_reach_97_percent_in_the_mean_of_three_seeds"
COMPARED = "tests/test_recipes.py::test_no_loss_alone_makes_the_first_timestep_honest_or_not"
REPLAYED = "tests/test_facts.py::test_each_exit_is_a_replay_at_its_calibrated_threshold"
BILLED = "tests/test_facts.py::test_the_bills_are_added_up_image_by_image"
FAIR = "tests/test_facts.py::test_fair_bills_are_added_up_histogram_by_histogram"


def _digits_network() -> Iterator[Fact]:
    card, seen = card_of("digits"), shipped("digits-test")
    yield Fact("digits.test_images", seen.images, "images", "test split, stratified, never trained on",
               "tests/test_data.py::test_every_split_of_the_digits_holds_every_class_equally_often")
    yield Fact("digits.weights", card["weights"], "weights", "parameters of the shipped net",
               "tests/test_models.py::test_the_digits_net_has_about_30_thousand_weights")
    yield Fact("digits.training_seconds", card["seconds"], "s", f"{card['command']} on a {card['device']}", STATED)
    for t, accuracy in enumerate(seen.accuracy, start=1):
        yield Fact(f"digits.accuracy_T{t}", 100 * accuracy, "%", f"static network, {t} timestep(s), test split", STATED)
    last = [100 * shipped(f"{name}-test").accuracy[-1] for name in SEEDS]
    yield Fact("digits.accuracy_T4_mean_of_3_seeds", np.mean(last), "%", "seeds 0, 1, 2, 4 timesteps, test split", THREE_SEEDS)
    yield Fact("digits.accuracy_T4_spread_of_3_seeds", max(last) - min(last), "points", "largest minus smallest", THREE_SEEDS)
    yield Fact("digits.spike_rate", 100 * seen.spike_rates.mean(), "%", "spikes a neuron and timestep, mean over layers",
               "tests/test_recipes.py::test_the_shipped_recording_is_what_the_shipped_weights_say")


# What the digits were trained on, by the loss: seeds 0, 1, 2 of one network, one schedule.
LOSSES = {"last": "digits-last", "prefix": "digits", "tet": "digits-tet"}


def _losses() -> Iterator[Fact]:
    said = {"last": "on f_T alone", "prefix": "on every prefix", "tet": "on each step alone (TET)"}
    for loss, network in LOSSES.items():
        tests = [shipped(f"{network}{seed}-test") for seed in ("", "-seed1", "-seed2")]
        how = f"trained {said[loss]}, mean of seeds 0, 1, 2, test split"
        for t in (1, 4):
            yield Fact(f"digits.loss.{loss}.accuracy_T{t}", 100 * np.mean([seen.accuracy[t - 1] for seen in tests]), "%",
                       f"{t} timestep(s), {how}", COMPARED)
        surplus = [confidence(seen.f[0]).mean() - seen.accuracy[0] for seen in tests]
        yield Fact(f"digits.loss.{loss}.surplus_T1", 100 * np.mean(surplus), "points",
                   f"mean confidence minus share right at t = 1, {how}", COMPARED)


def policies_of(network: str) -> dict[str, ExitPolicy]:
    """The exit rules of the book on a network; what is calibrated comes from its calibration split, no accuracy given up there.

    dtsnn reads the mean of the logits (gamma = 0), sum their sum (1), and pair's gamma is calibrated with its threshold.
    """
    calibration = shipped(f"{network}-calibration")
    return {"dtsnn": calibrate(calibration, EntropyExit, max_drop=0.0),
            "sum": calibrate(calibration, EntropyExit, max_drop=0.0, gamma=1),
            "pair": calibrate_pair(calibration, EntropyExit, max_drop=0.0),
            "seenn1": calibrate(calibration, ConfidenceExit, max_drop=0.0),
            "margin": calibrate(calibration, MarginExit, max_drop=0.0),
            "patience2": PatienceExit(2),
            "oracle": OracleExit(shipped(f"{network}-test").labels)}


def _exits(prefix: str, network: str) -> Iterator[Fact]:
    seen = shipped(f"{network}-test")
    for name, policy in policies_of(network).items():
        for threshold in ("theta", "alpha", "gap"):
            if hasattr(policy, threshold):
                yield Fact(f"{prefix}.{name}.{threshold}", getattr(policy, threshold), "threshold",
                           "calibrated on the calibration split, no accuracy given up", REPLAYED)
        if name == "pair" and isinstance(policy, EntropyExit):
            yield Fact(f"{prefix}.{name}.gamma", policy.gamma, "gamma",
                       "calibrated together with theta, no accuracy given up there", REPLAYED)
        yield from _run_facts(f"{prefix}.{name}", replay(seen, policy), 100 * seen.accuracy[-1])


def _run_facts(prefix: str, run: Run, static_percent: float) -> Iterator[Fact]:
    how = "test split, recording replayed"
    yield Fact(f"{prefix}.accuracy", 100 * run.accuracy, "%", how, REPLAYED)
    yield Fact(f"{prefix}.change", 100 * run.accuracy - static_percent, "points", "against all 4 timesteps", REPLAYED)
    yield Fact(f"{prefix}.mean_timesteps", run.mean_timesteps, "timesteps", how, REPLAYED)
    yield Fact(f"{prefix}.leave_first", 100 * run.histogram[0] / len(run.t_hat), "%", "images that leave at t = 1", REPLAYED)
    yield Fact(f"{prefix}.leave_last", 100 * run.histogram[-1] / len(run.t_hat), "%", "images that run all timesteps", REPLAYED)


def _bills(prefix: str, network: str) -> Iterator[Fact]:
    shapes = layer_shapes(load_shipped(network))
    run = replay(shipped(f"{network}-test"), policies_of(network)["dtsnn"])
    for name, chip in (("dtsnn_chip", dtsnn_2023), ("spikesim", spikesim_rram_64)):
        step, check = timestep_cost(shapes, chip), exit_check_cost(chip)
        bill, still = inference_cost(run.t_hat, step, check), static_cost(run.timesteps, step)
        how = f"{chip.name}; entropy exit, its check billed, against 4 timesteps"
        yield Fact(f"{prefix}.{name}.energy_ratio", bill.energy_pj.mean() / still.energy_pj[0], "x", how, BILLED)
        yield Fact(f"{prefix}.{name}.delay_ratio", bill.latency_ns.mean() / still.latency_ns[0], "x", how, BILLED)
        for way, ratio in three_ratios(bill, run.t_hat, step, run.timesteps).items():
            yield Fact(f"{prefix}.{name}.edp_ratio.{way}", ratio, "x", _how(way, how, run.t_hat), BILLED)
        yield Fact(f"{prefix}.{name}.check_share", 100 * check.energy_pj / (step.step_pj + check.energy_pj), "%",
                   "exit check in the energy of a timestep", BILLED)
    yield from _fair_bills(prefix, network)


def _fair_bills(prefix: str, network: str) -> Iterator[Fact]:
    """The exits on evidence, their static rivals, and the exits' bills with a first layer that is computed once."""
    shapes, T = layer_shapes(load_shipped(network)), shipped(f"{network}-test").timesteps
    runs = {name: replay(shipped(f"{network}-test"), policies_of(network)[name]) for name in ("dtsnn", "sum", "pair")}
    step, check = timestep_cost(shapes, dtsnn_2023), exit_check_cost(dtsnn_2023)
    for name in ("sum", "pair"):
        how = f"{dtsnn_2023.name}; entropy exit, its check billed, against {T} timesteps"
        yield from _kept(f"{prefix}.dtsnn_chip.{name}", inference_cost(runs[name].t_hat, step, check), static_cost(T, step), how)
    for t in range(1, T):
        how = f"{dtsnn_2023.name}; {t} timestep(s) for every image, no check, against {T}"
        yield from _kept(f"{prefix}.dtsnn_chip.always{t}", static_cost(t, step), static_cost(T, step), how)
    held, check = timestep_cost(shapes, spikesim_rram_64, first_layer=Once()), exit_check_cost(spikesim_rram_64)
    for name in ("dtsnn", "pair"):
        how = f"{spikesim_rram_64.name}, the first layer billed once; entropy exit, its check billed, against {T} timesteps"
        yield from _kept(f"{prefix}.spikesim.once.{name}", inference_cost(runs[name].t_hat, held, check), static_cost(T, held), how)


def _kept(name: str, bill: Bill, still: Bill, how: str) -> Iterator[Fact]:
    """What a bill keeps of the static network's energy and, image by image, of its EDP."""
    yield Fact(f"{name}.energy_ratio", bill.energy_pj.mean() / still.energy_pj[0], "x", how, FAIR)
    yield Fact(f"{name}.edp_ratio", bill.edp_pj_ns.mean() / still.edp_pj_ns[0], "x", how, FAIR)


def _digits_converted() -> Iterator[Fact]:
    card, seen = card_of("digits-ann"), shipped("digits-converted-test")
    yield Fact("digits.ann.accuracy", 100 * card["ann_accuracy"], "%", f"{card['command']}, the network before its conversion",
               "tests/test_recipes_seenn.py::test_the_converted_network_rises_to_its_ann")
    for t in (1, seen.timesteps):
        yield Fact(f"digits.converted.accuracy_T{t}", 100 * seen.accuracy[t - 1], "%", f"converted network, {t} timestep(s), test split",
                   "tests/test_recipes_seenn.py::test_the_shipped_recording_is_what_the_shipped_ann_says")


def _digits_one_bit() -> Iterator[Fact]:
    """One bit a partial sum: put there untrained, and after the stages."""
    seen, test = shipped("digits-adc-less-test"), "tests/test_facts.py::test_one_bit_is_a_guess_until_it_is_trained_for"
    yield Fact("digits.one_bit.untrained.accuracy", 100 * stage_accuracies()["naive"]["0"][-1], "%",
               "4-bit weights, 1 bit a partial sum, calibrated only; seed 0, 4 timesteps, test split", test)
    yield Fact("digits.one_bit.accuracy", 100 * seen.accuracy[-1], "%", "trained in stages; seed 0, 4 timesteps, test split", test)


def _hard_policy() -> Iterator[Fact]:
    """The learned policy and its rivals, chosen on the calibration split with nothing lost there."""
    calibration, seen, sweep = shipped("digits-hard-calibration"), shipped("digits-hard-test"), shipped_sweeps()["exact"]
    test = "tests/test_facts.py::test_price_and_thresholds_of_the_hard_digits_are_chosen_on_the_calibration_split"
    k = fastest_row(shipped_sweeps(split="calibration")["exact"], calibration.accuracy[-1])
    cautious, greedy = fastest_calibrated(calibration), fastest_as_accurate(calibration, calibration.accuracy[-1])
    if cautious is None or greedy is None:
        raise ValueError("no threshold on the hard digits is as accurate as all timesteps on the calibration split")
    rivals = {"threshold": replay(seen, cautious[1]), "greedy_threshold": replay(seen, greedy[1])}
    said = {"policy": f"policy of beta = {sweep.prices[k]:g}", "threshold": f"cautious threshold on the {cautious[0]}",
            "greedy_threshold": f"fastest threshold that loses nothing there, on the {greedy[0]}"}
    for what, run in {"policy": run_of(sweep.t_hat[k], seen), **rivals}.items():
        how = f"{said[what]}, chosen on the calibration split, no accuracy given up there; hard digits, test split"
        yield Fact(f"hard.{what}.accuracy", 100 * run.accuracy, "%", how, test)
        yield Fact(f"hard.{what}.mean_timesteps", run.mean_timesteps, "timesteps", how, test)
    for where, chip in (("spikesim", spikesim_rram_64), ("dtsnn_chip", dtsnn_2023)):
        step, look = (timestep_cost(layer_shapes(net), chip) for net in (load_shipped("digits-hard"), shipped_policy()))
        yield Fact(f"hard.{where}.look_share", 100 * (look.fixed_pj + look.step_pj) / step.step_pj, "%",
                   f"{chip.name}; energy of one look of the policy, of one timestep of the network",
                   "tests/test_facts.py::test_a_look_is_dearer_than_its_multiplications")
        ours = chosen_cost(sweep.t_hat[k], step, look)
        for what, rival in rivals.items():
            theirs = inference_cost(rival.t_hat, step, exit_check_cost(chip))
            yield Fact(f"hard.{where}.energy_over_{what}", ours.energy_pj.mean() / theirs.energy_pj.mean(), "x",
                       f"{chip.name}; that policy, its look billed, over that threshold, its check billed", test)


def _hard_pair() -> Iterator[Fact]:
    """The pair (gamma, theta) that the calibration split of the hard digits asks for, and its bill."""
    seen, pair = shipped("digits-hard-test"), calibrate_pair(shipped("digits-hard-calibration"), EntropyExit, max_drop=0.0)
    run, test = replay(seen, pair), "tests/test_facts.py::test_the_pair_of_the_hard_digits_is_chosen_on_the_calibration_split"
    how = (f"entropy, gamma = {pair.gamma:g}, theta = {pair.theta:.3f}, chosen on the calibration split, nothing lost there; "
           "hard digits, test split")
    yield Fact("hard.pair.accuracy", 100 * run.accuracy, "%", how, test)
    yield Fact("hard.pair.change", 100 * (run.accuracy - seen.accuracy[-1]), "points", f"{how}, against all 4 timesteps", test)
    yield Fact("hard.pair.mean_timesteps", run.mean_timesteps, "timesteps", how, test)
    yield Fact("hard.pair.leave_first", 100 * run.histogram[0] / seen.images, "%", f"images that leave at t = 1; {how}", test)
    step, check = timestep_cost(layer_shapes(load_shipped("digits-hard")), dtsnn_2023), exit_check_cost(dtsnn_2023)
    edp = inference_cost(run.t_hat, step, check).edp_pj_ns.mean()
    yield Fact("hard.pair.dtsnn_chip.edp_ratio", edp / static_cost(4, step).edp_pj_ns[0], "x",
               f"{dtsnn_2023.name}, image by image, the check billed, against 4 timesteps; {how}", test)
    yield Fact("hard.pair.dtsnn_chip.edp_over_always_2", edp / static_cost(2, step).edp_pj_ns[0], "x",
               f"the same against always 2 timesteps, which has no check; {how}", test)


# --- CIFAR-10 ------------------------------------------------------------------------

OF_SEED_0 = "tests/test_cifar10.py::test_the_facts_are_those_of_the_first_seed"


def _cifar10_network() -> Iterator[Fact]:
    card, seen = card_of(CIFAR10_SEEDS[0]), shipped(f"{CIFAR10_SEEDS[0]}-test")
    splits = "tests/test_cifar10.py::test_the_splits_are_the_publishers"
    yield Fact("cifar10.test_images", seen.images, "images", "test split of the publisher", splits)
    yield Fact("cifar10.calibration_images", shipped(f"{CIFAR10_SEEDS[0]}-calibration").images, "images",
               "of the training split, stratified, no weight was trained on them", splits)
    yield Fact("cifar10.weights", card["weights"], "weights", "parameters of the shipped net",
               "tests/test_cifar10.py::test_the_weights_are_counted")
    how = f"{card['dataset']}, {card['command']}; {card['threads']} thread(s), {card['device']}"
    yield Fact("cifar10.training_hours", card["seconds"] / 3600, "hours", how, OF_SEED_0)
    for t, accuracy in enumerate(seen.accuracy, start=1):
        how = f"{card['dataset']}, static network, {t} timestep(s), test split"
        yield Fact(f"cifar10.accuracy_T{t}", 100 * accuracy, "%", how, OF_SEED_0)
    yield Fact("cifar10.spike_rate", 100 * seen.spike_rates.mean(), "%", "spikes a neuron and timestep, mean over layers and timesteps",
               OF_SEED_0)


def _cifar10_seeds() -> Iterator[Fact]:
    """The same from another seed, its threshold from its own calibration images."""
    tests = [shipped(f"{name}-test") for name in CIFAR10_SEEDS]
    rules, pair = policies_of(CIFAR10_SEEDS[1]), calibrate_pair(shipped(f"{CIFAR10_SEEDS[1]}-calibration"), EntropyExit, max_drop=0.0)
    test = "tests/test_cifar10.py::test_two_seeds_tell_the_same_story"
    last = [100 * seen.accuracy[-1] for seen in tests]
    yield Fact("cifar10.accuracy_T4_mean_of_2_seeds", np.mean(last), "%", "seeds 0 and 1, 4 timesteps, test split", test)
    ways = {way: [card_of(name.replace("small", f"small-{way}")) for name in CIFAR10_SEEDS]
            for way in ("currents", "or", "short", "spikes")}
    ways["restart"] = [card_of(name) for name in CIFAR10_SEEDS]
    ends = {way: 100 * float(np.mean([_in_half_precision(card)[-1] for card in cards])) for way, cards in ways.items()}
    where = "mean of seeds 0 and 1, 4 timesteps, test split, all weights rounded to float16"
    yield Fact("cifar10.ann_start.gain", ends["short"] - ends["spikes"], "points",
               f"22 epochs as an ANN, 8 at T = 2 and 8 at T = 4 against 28 at T = 1 and 10 at T = 4, {where}",
               "tests/test_cifar10.py::test_starting_as_an_ann_is_compared_with_as_many_epochs_of_spikes")
    compared = "tests/test_cifar10.py::test_each_training_is_compared_with_the_one_before"
    said = {"longer": ("or", "short", "46, 16 and 10 epochs with a square erased against 22, 8 and 8 without"),
            "currents": ("currents", "or", "max-pools of currents, 46, 5 and 14 epochs, against max-pools of spikes, 46, 16 and 10"),
            "restart": ("restart", "currents", "46, 5 and 30 epochs, the learning rate raised once more, against 46, 5 and 14")}
    for what, (ours, before, how) in said.items():
        yield Fact(f"cifar10.{what}.gain", ends[ours] - ends[before], "points", f"{how}, {where}", compared)
        hours = np.divide(*(sum(card["seconds"] for card in ways[way]) for way in (ours, before)))
        yield Fact(f"cifar10.{what}.hours_ratio", hours, "x", "the same two trainings, both seeds, one thread", compared)
    for name, seed in zip(CIFAR10_SEEDS, ("", "seed1."), strict=True):
        card, halves = card_of(name), card_of(name)["half_precision"]
        how = f"seed {card['seed']}, weights rounded to float16 against the float32 that ship, 4 timesteps, test split"
        rounds = "tests/test_cifar10.py::test_half_precision_is_not_shipped_where_it_changes_answers"
        yield Fact(f"cifar10.{seed}half_precision.changed", 100 * halves["changed"], "%", f"answers that change, {how}", rounds)
        for what in ("lost", "won"):
            yield Fact(f"cifar10.{seed}half_precision.{what}", halves[what], "images", how, rounds)
        change = 100 * (halves["accuracy"][-1] - card["accuracy"]["test"][-1])
        yield Fact(f"cifar10.{seed}half_precision.change", change, "points", how, rounds)
    yield Fact("cifar10.seed1.accuracy_T4", last[1], "%", "seed 1, static network, 4 timesteps, test split", test)
    yield Fact("cifar10.seed1.pair.gamma", pair.gamma, "gamma", "seed 1, calibrated together with theta", test)
    for rule in ("dtsnn", "sum", "pair"):
        run = replay(tests[1], rules[rule])
        yield Fact(f"cifar10.seed1.{rule}.change", 100 * run.accuracy - last[1], "points",
                   "seed 1, its own threshold, against all 4 timesteps", test)
        yield Fact(f"cifar10.seed1.{rule}.mean_timesteps", run.mean_timesteps, "timesteps", "seed 1, its own threshold, test split", test)
    counted = "tests/test_exits.py::test_the_aet_by_counts_by_hand_and_beside_the_empirical_one"
    for name, aet, how in (("empirical", first_right(tests[0]).mean(), "mean of the first right timestep, T if none, seed 0"),
                           ("by_counts", aet_by_counts(tests[0]), "from the numbers of images right at each t, seed 0")):
        yield Fact(f"cifar10.aet.{name}", aet, "timesteps", how, counted)


def _two_networks() -> Iterator[Fact]:
    """Both seeds' networks for one step each: their logits averaged, side by side on two chips."""
    first, second = (shipped(f"{name}-test") for name in CIFAR10_SEEDS)
    right = (first.f[0] + second.f[0]).argmax(axis=1) == first.labels
    test = "tests/test_cifar10.py::test_two_networks_for_one_step_each_are_billed_twice"
    step = timestep_cost(cifar10_small(), dtsnn_2023)
    one, four = static_cost(1, step), static_cost(4, step)
    how = "seeds 0 and 1, logits averaged at T = 1, test split"
    yield Fact("cifar10.two_networks.accuracy", 100 * right.mean(), "%", how, test)
    bill = f"{dtsnn_2023.name}; two of them, one timestep each, against one with 4"
    yield Fact("cifar10.two_networks.energy_ratio", 2 * one.energy_pj[0] / four.energy_pj[0], "x", bill, test)
    yield Fact("cifar10.two_networks.edp_ratio", 2 * one.edp_pj_ns[0] / four.edp_pj_ns[0], "x", f"{bill}, at the same time", test)


def _in_half_precision(card: dict) -> list[float]:
    """Test accuracy a timestep of a network whose weights were rounded to float16: before it was recorded, or once more afterwards."""
    return card["half_precision"]["accuracy"] if "half_precision" in card else card["accuracy"]["test"]


PAPERS_NETWORKS = {"vgg16": vgg16, "resnet19": resnet19}


def _papers_networks() -> Iterator[Fact]:
    """VGG-16 and ResNet-19 on the photographs: their training, their answers, and the exits that lose nothing on calibration images."""
    test = "tests/test_cifar10.py::test_the_facts_of_the_papers_networks_are_what_ships"
    for name, shapes in PAPERS_NETWORKS.items():
        card, seen = card_of(f"cifar10-{name}"), shipped(f"cifar10-{name}-test")
        step, check, prefix = timestep_cost(shapes(), dtsnn_2023), exit_check_cost(dtsnn_2023), f"cifar10.{name}"
        yield Fact(f"{prefix}.weights", card["weights"], "weights", "parameters, none of which ship", test)
        how = f"{card['dataset']}, {card['command']}; {card['device']}, which the two networks shared"
        yield Fact(f"{prefix}.training_seconds", card["seconds"], "s", how, test)
        for t, accuracy in enumerate(seen.accuracy, start=1):
            how = f"{card['dataset']}, static network, {t} timestep(s), test split"
            yield Fact(f"{prefix}.accuracy_T{t}", 100 * accuracy, "%", how, test)
        oracle = replay(seen, OracleExit(seen.labels))
        yield Fact(f"{prefix}.oracle.accuracy", 100 * oracle.accuracy, "%", "test split, stopped at the first right answer, if any", test)
        walked = "entropy exit, no accuracy given up on the calibration split; test split"
        held_out = shipped(f"cifar10-{name}-calibration")
        chosen = {rule: (walked, policies_of(f"cifar10-{name}")[rule]) for rule in ("dtsnn", "sum", "pair")}
        least = cheapest(held_out, held_out.accuracy[-1])
        assert least is not None                                                  # all timesteps lose nothing
        chosen["anywhere"] = ("entropy exit on the mean, the least waiting of all thresholds that give up no accuracy on the calibration "
                              "split, whatever those before it give up; test split", least)
        for rule, (how, policy) in chosen.items():
            run = replay(seen, policy)
            yield Fact(f"{prefix}.{rule}.mean_timesteps", run.mean_timesteps, "timesteps", how, test)
            change = 100 * (run.accuracy - seen.accuracy[-1])
            yield Fact(f"{prefix}.{rule}.change", change, "points", f"{how}, against all 4 timesteps", test)
            ratio = inference_cost(run.t_hat, step, check).edp_pj_ns.mean() / static_cost(4, step).edp_pj_ns[0]
            yield Fact(f"{prefix}.{rule}.edp_saved", 100 * (1 - ratio), "%",
                       f"{dtsnn_2023.name}; {how}, image by image, its check billed, against 4 timesteps", test)


def _a_policy_that_waits() -> Iterator[Fact]:
    """Of ResNet-19's policies within SEENN-II's mean on held-out photographs, the one that does not send everybody to one step."""
    held_out, sweep = (shipped_sweeps("cifar10-resnet19-held-out", split)["exact"] for split in ("calibration", "test"))
    (row,) = np.flatnonzero((held_out.mean_timesteps <= SEENN_II_POINT[0]) & (sweep.t_hat > 1).any(axis=1))
    run = run_of(sweep.t_hat[row], shipped("cifar10-resnet19-test"))
    test = "tests/test_papers.py::test_the_policies_of_both_networks_are_measured_and_none_waits"
    how = f"policy at price {sweep.prices[row]:g}, learned from recorded answers to held-out photographs; test split"
    yield Fact("cifar10.resnet19.seenn2.waits.accuracy", 100 * run.accuracy, "%", how, test)
    yield Fact("cifar10.resnet19.seenn2.waits.mean_timesteps", run.mean_timesteps, "timesteps", how, test)


# --- gestures on a chip ----------------------------------------------------------------

def _gestures_on_chip() -> Iterator[Fact]:
    """What the stages of events leave right, mean of the seeds that ship, and how often converters answer as an ideal read-out does."""
    test, full = "tests/test_stages_events.py::test_the_facts_of_the_stages_are_counted_gesture_by_gesture", shipped("gestures-test")
    for t in (4, full.timesteps):
        yield Fact(f"gestures.accuracy_T{t}", 100 * full.accuracy[t - 1], "%", f"full precision, {t} windows of 75 ms, test split", test)
        for stage in ("4-bit", "hp-adc", "adc-less"):
            seeds, name = every_seed(f"gestures-{stage}"), f"gestures.{stage.replace('-', '_')}"
            right = 100 * np.mean([one.accuracy[t - 1] for one in seeds])
            how = f"{t} windows of 75 ms, seeds {', '.join(str(one.about['seed']) for one in seeds)}, test split"
            yield Fact(f"{name}.accuracy_T{t}", right, "%", how, test)
            yield Fact(f"{name}.change_T{t}", right - 100 * full.accuracy[t - 1], "points", f"{how}, against full precision", test)
    ideal, read = every_seed("gestures-4-bit")[0], every_seed("gestures-hp-adc")[0]
    yield Fact("gestures.hp_adc.changed", (ideal.predictions != read.predictions).sum(), "answers",
               f"of {read.predictions.size:,} answers of seed 0, how many 5-bit converters change", test)


def _gestures_first_layer() -> Iterator[Fact]:
    """The ADC-less chip against HP-ADC, each billed with what its own network reads, with and without converters in the first layer."""
    test = "tests/test_stages_events.py::test_a_first_layer_with_converters_sets_the_pace_of_the_whole_chip"
    shapes, T = layer_shapes(load_shipped("gestures")), 20
    hp_adc, adc_less = (replace(chip, as_printed=False) for chip in (hp_adc_65nm, adc_less_65nm))
    one_bit = every_seed("gestures-adc-less")[0]
    yield Fact("gestures.first_layer.asleep", 100 * (1 - one_bit.awake[:, 0].mean()), "%",
               "reads of the first layer's tiles in which no row spikes, test split", test)
    still = static_cost(T, timestep_cost(shapes, hp_adc, every_seed("gestures-hp-adc")[0].reads))
    for name, chip in (("adc_less", adc_less), ("hp_adc_first", replace(adc_less, first_readout=HPADC(5)))):
        bill = static_cost(T, timestep_cost(shapes, chip, one_bit.reads))
        how = f"{T} timesteps of the gesture network as built, scale factors not billed; HP-ADC over ADC-less"
        how += ", its first layer with 5-bit converters" if name == "hp_adc_first" else ""
        yield Fact(f"gestures.{name}.energy_gain", still.energy_pj[0] / bill.energy_pj[0], "x", how, test)
        yield Fact(f"gestures.{name}.latency_gain", still.latency_ns[0] / bill.latency_ns[0], "x", how, test)


# --- flow, and flow on a chip ------------------------------------------------------------

def _flow_seeds() -> Iterator[Fact]:
    """How far three trainings of one network end from the truth, and from each other."""
    test = "tests/test_stages_flow.py::test_the_facts_of_flow_are_counted_clip_by_clip"
    seeds = every_flow_seed("flow")
    last = [float(one.error[-1].mean()) for one in seeds]
    how = f"AEE after 5 bins, pixels that spoke, seeds {', '.join(str(one.about['seed']) for one in seeds)}, test clips"
    yield Fact("flow.aee", float(np.mean(last)), "px", f"{how}, their mean", test)
    yield Fact("flow.aee_spread", float(np.std(last, ddof=1)), "px", f"{how}, their standard deviation", test)
    yield Fact("flow.aee_best", min(last), "px", f"{how}, the least", test)
    yield Fact("flow.aee_worst", max(last), "px", f"{how}, the largest", test)


def _flow_on_chip() -> Iterator[Fact]:
    """What the stages of flow are off, mean of the seeds that ship, beside the network from which they start."""
    test, full = "tests/test_stages_flow.py::test_the_facts_of_flow_are_counted_clip_by_clip", every_flow_seed("flow")[0]
    for stage in ("4-bit", "hp-adc", "adc-less", "adc-less-long", "naive"):
        seeds, name = every_flow_seed(f"flow-{stage}"), f"flow.{stage.replace('-', '_')}"
        how = f"{full.timesteps} bins, seeds {', '.join(str(one.about['seed']) for one in seeds)}, test clips"
        aee = float(np.mean([one.error[-1].mean() for one in seeds]))
        yield Fact(f"{name}.aee", aee, "px", how, test)
        yield Fact(f"{name}.change", aee - float(full.error[-1].mean()), "px", f"{how}, against full precision", test)
        counts = [nearer(one.error[-1], full.error[-1]) for one in seeds]
        yield Fact(f"{name}.farther", float(np.mean([one.lost for one in counts])), "clips",
                   f"{how}, of {full.clips}, mean of those farther from the truth than full precision", test)
