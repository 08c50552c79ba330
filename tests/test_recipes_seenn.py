"""The shipped assets of SEENN are what their commands make: the converted network and the learned policies."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from dtsnn_lite.calibration import fastest_as_accurate, fastest_calibrated, fit_temperature, tempered
from dtsnn_lite.checkpoints import card_of, load_ann, load_policy, load_shipped, save_net, shipped_ann, shipped_policy
from dtsnn_lite.chip import spikesim_rram_64
from dtsnn_lite.comparison import compared, holm
from dtsnn_lite.conversion import QCFS, AnnConfig, QuantisedANN, convert
from dtsnn_lite.cost import chosen_cost, exit_check_cost, inference_cost, timestep_cost
from dtsnn_lite.data import Split, Splits, as_input, cifar10, digits
from dtsnn_lite.drift import HARD, hard_digits
from dtsnn_lite.exits import (ConfidenceExit, EntropyExit, best_possible, calibrate, first_right, replay, right_from_then_on, run_of,
                              trade_off)
from dtsnn_lite.inference import record
from dtsnn_lite.models import CIFAR_SMALL, build, layer_shapes
from dtsnn_lite.policy import Experience, choose_steps, experience
from dtsnn_lite.proofs import recipes_seenn
from dtsnn_lite.proofs.recipes_seenn import (CIFAR10_ANN, CIFAR10_POLICY, DIGITS_POLICY, RESNET19_HELD_OUT, VGG16_HELD_OUT, VGG16_POLICY,
                                             ConversionRecipe, make_ann, make_policies, sweep_of, train_policies)
from dtsnn_lite.recording import Recording, shipped
from dtsnn_lite.reinforce import PolicySweep, fastest_row, load_sweeps, save_sweeps, shipped_sweeps
from dtsnn_lite.training import TrainConfig, dice_of, one_epoch

OTHERS = {"digits-hard-seed1": 1, "digits-hard-seed2": 2}         # the same recipe from other seeds; recordings ship, weights do not
TRAININGS = ["exact", "exact, seed 1", "exact, seed 2", "reinforce"]


def few_digits() -> Splits:
    clean = digits()
    return Splits(*(Split(s.images[:80], s.labels[:80]) for s in (clean.train, clean.calibration, clean.test)))


TINY = ConversionRecipe(few_digits, AnnConfig(stages=((4,), (4,), (4,)), levels=4), TrainConfig(phases=((1, 2),), batch=16), 6)


def test_an_ann_is_remade_to_the_bit(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        card = make_ann(tmp_path / name, progress=False, recipe=TINY)
    a, b = (Recording.load(tmp_path / name / "digits-converted-test.npz") for name in ("a", "b"))
    assert (a.f == b.f).all() and a.f.shape == (6, 80, 10)
    assert card["loss"][1] < card["loss"][0]
    ann = load_ann(tmp_path / "a" / "digits-ann.safetensors")
    again = record(convert(ann, (1, 28, 28)), few_digits().test.images, few_digits().test.labels, 6)
    np.testing.assert_allclose(again.f, a.f, atol=2e-3)             # float16 on disk


def test_the_shipped_recording_is_what_the_shipped_ann_says():
    ann, test = shipped_ann("digits-ann"), digits().test
    seen = shipped("digits-converted-test")
    again = record(convert(ann, (1, 28, 28)), test.images[:100], test.labels[:100], seen.timesteps)
    assert (again.predictions == seen.predictions[:, :100]).mean() > 0.995
    assert (seen.labels == test.labels.numpy()).all()


def test_the_converted_network_rises_to_its_ann():
    seen, card = shipped("digits-converted-test"), card_of("digits-ann")
    with torch.no_grad():
        ann = shipped_ann("digits-ann")
        right = (ann(digits().test.images).argmax(1) == digits().test.labels).float().mean().item()
    assert right == pytest.approx(card["ann_accuracy"], abs=0.002)
    assert seen.accuracy[0] < 0.7 and abs(seen.accuracy[-1] - right) < 0.015
    levels = next(m.levels for m in ann if isinstance(m, QCFS))
    assert abs(seen.accuracy[levels - 1] - right) < 0.04


def test_one_threshold_on_the_mean_fails_the_converted_network_and_a_temperature_a_timestep_mends_it():
    seen, calibration = shipped("digits-converted-test"), shipped("digits-converted-calibration")
    plain = replay(seen, calibrate(calibration, ConfidenceExit, max_drop=0.005))
    temperature = fit_temperature(calibration)
    mended = replay(tempered(seen, temperature), calibrate(tempered(calibration, temperature), ConfidenceExit, max_drop=0.005))
    assert temperature[0] > 3 * temperature[-1]                     # the first step is the most overconfident
    assert mended.mean_timesteps < 0.5 * plain.mean_timesteps
    assert mended.accuracy > seen.accuracy[-1] - 0.015


def test_the_cards_name_their_commands():
    card = json.loads(json.dumps(card_of("digits-ann")))
    assert card["command"] == "python -m dtsnn_lite train digits-ann"


# --- policies ---------------------------------------------------------------------------

def test_a_sweep_is_remade_to_the_bit():
    net, splits = load_shipped("digits-hard"), hard_digits()
    few = Split(splits.train.images[:200], splits.train.labels[:200])
    test = Split(splits.test.images[:100], splits.test.labels[:100])
    sweeps = []
    for _ in range(2):
        seen = list(experience(net, few, 4, epochs=2, drift=HARD))
        answers = record(net, test.images, test.labels, 4)
        sweeps.append(sweep_of(train_policies(net.in_shape, seen, (5.0, 20.0)), (5.0, 20.0), answers, test))
    assert (sweeps[0].t_hat == sweeps[1].t_hat).all() and sweeps[0].t_hat.shape == (2, 100)


def test_the_policies_are_made_with_their_choices_on_both_splits(tmp_path):
    recipe = replace(DIGITS_POLICY, data=few_digits, epochs=1, prices=(5.0, 20.0), joint_prices=(5.0,))
    card = make_policies(tmp_path, progress=False, recipe=recipe)
    calibration, test = (load_sweeps(tmp_path / f"policies/digits-hard-{split}.npz") for split in ("calibration", "test"))
    assert set(calibration) == set(TRAININGS) and set(test) == {*TRAININGS, "joint"}
    assert all(sweep.t_hat.shape == (2, 80) for sweep in calibration.values()) and test["joint"].t_hat.shape == (1, 80)
    assert card["beta"] == 20.0 and list(card["sweeps"]["exact"]["betas"]) == [5.0, 20.0]


def test_what_cannot_ship_is_refused_before_any_training():
    with pytest.raises(ValueError, match="one of the prices .*got 7.0"):
        replace(DIGITS_POLICY, shipped_price=7.0)


def test_an_ann_is_taught_with_sound_images_only():
    split = Split(torch.full((4, 1, 28, 28), float("nan")), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match="NaN or infinity"):
        recipes_seenn.fit_ann(QuantisedANN(), split, TrainConfig(phases=((1, 1),)), progress=False)


def test_an_anns_interrupted_training_ends_with_the_bits_of_a_whole_one(tmp_path, monkeypatch):
    split, config = few_digits().train, TrainConfig(phases=((1, 2),), batch=20)

    def trained(checkpoint, stop_before=None):
        def one(answer, train, config, epoch, *rest):
            if epoch == stop_before:
                raise KeyboardInterrupt
            return one_epoch(answer, train, config, epoch, *rest)

        monkeypatch.setattr("dtsnn_lite.training.one_epoch", one)
        torch.manual_seed(0)
        ann = QuantisedANN(AnnConfig((1, 28, 28), ((4,), (4,)), 10))
        return ann, recipes_seenn.fit_ann(ann, split, config, progress=False, checkpoint=checkpoint)

    whole, history = trained(None)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "a.training", stop_before=1)
    again, resumed = trained(tmp_path / "a.training")
    assert resumed.loss == history.loss and len(history.loss) == 2
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_sweeps_come_back_from_their_file(tmp_path):
    sweep = shipped_sweeps()["exact"]
    save_sweeps(tmp_path / "s.npz", {"a": sweep, "b, seed 1": sweep})
    again = load_sweeps(tmp_path / "s.npz")
    assert list(again) == ["a", "b, seed 1"]
    assert (again["a"].t_hat == sweep.t_hat).all() and (again["a"].correct == sweep.correct).all()
    assert (again["a"].prices == sweep.prices).all() and again["a"].timesteps == sweep.timesteps
    (tmp_path / "s.npz").write_bytes((tmp_path / "s.npz").read_bytes()[:-9])
    with pytest.raises(ValueError, match="not a whole file of sweeps"):
        load_sweeps(tmp_path / "s.npz")
    with pytest.raises(FileNotFoundError, match="no shipped policies"):
        shipped_sweeps("nobody")
    with pytest.raises(ValueError, match="chooses 1 to 2"):
        PolicySweep(sweep.prices, sweep.t_hat, sweep.correct, timesteps=2)


@pytest.mark.parametrize("split", ["calibration", "test"])
def test_the_shipped_sweeps_agree_with_the_recording(split):
    seen = shipped(f"digits-hard-{split}")
    for name, sweep in shipped_sweeps(split=split).items():
        if name != "joint":                                         # there the network was trained too
            rows = [run_of(t_hat, seen).correct for t_hat in sweep.t_hat]
            assert np.mean(np.stack(rows) != sweep.correct) < 0.002, name


@pytest.mark.parametrize("split", ["calibration", "test"])
def test_the_shipped_policy_chooses_as_its_row_of_the_sweep(split):
    policy, images = shipped_policy(), getattr(hard_digits(), split).images
    sweep = shipped_sweeps(split=split)["exact"]
    row = list(sweep.prices).index(card_of("policies/digits-hard")["beta"])
    assert (choose_steps(policy, images, 4) == sweep.t_hat[row]).mean() > 0.99


@pytest.mark.parametrize("name", OTHERS)
def test_another_network_of_the_hard_digits_has_the_same_recipe_and_images_and_another_seed(name):
    card, first = card_of(name), card_of("digits-hard")
    assert card["command"] == f"python -m dtsnn_lite train digits-hard --seed {OTHERS[name]}"
    assert all(card[same] == first[same] for same in ("phases", "weights", "dataset"))
    for split in ("calibration", "test"):
        seen, other = shipped(f"{name}-{split}"), shipped(f"digits-hard-{split}")
        assert card["accuracy"][split] == [round(float(a), 4) for a in seen.accuracy]
        assert (seen.labels == other.labels).all() and (seen.predictions != other.predictions).any()


def test_no_exact_test_tells_the_policies_from_the_entropy_of_the_sum_nor_from_the_brightness_alone():
    """At equal timesteps on the calibration split, with all comparisons that the chapter makes."""
    calibration = shipped("digits-hard-calibration")
    held_ink, ink = (split.images.mean(dim=(1, 2, 3)).numpy() for split in (hard_digits().calibration, hard_digits().test))
    found = {"sum": [], "brightness": []}
    for network in ("digits-hard", *OTHERS):
        held, seen = (shipped(f"{network}-{split}") for split in ("calibration", "test"))
        curve = trade_off(held, EntropyExit, gamma=1)
        for training, sweep in shipped_sweeps(split="calibration").items():
            k = fastest_row(sweep, calibration.accuracy[-1])
            ours, mean = run_of(shipped_sweeps()[training].t_hat[k], seen), sweep.mean_timesteps[k]
            theta = float(curve.thresholds[np.flatnonzero(curve.mean_timesteps >= mean - 1e-9)[-1]])
            found["sum"].append(compared(ours, replay(seen, EntropyExit(theta, gamma=1))))
            found["brightness"].append(compared(ours, run_of(1 + (ink < np.quantile(held_ink, mean - 1)), seen)))
    assert min(holm([each.p for each in (*found["sum"], *found["brightness"])])) > 0.05
    assert all(each.won + each.lost < 10 for each in found["brightness"])
    assert all(each.won < each.lost for each in found["sum"][4:])            # on the networks that no policy was trained for


def test_a_price_is_chosen_as_the_fastest_that_is_accurate_enough():
    sweep = PolicySweep(np.array([1.0, 2.0, 3.0]), np.array([[1, 1], [1, 2], [2, 2]]), np.array([[1, 0], [1, 1], [1, 1]], dtype=bool), 2)
    assert [fastest_row(sweep, accuracy) for accuracy in (0.5, 0.6, 1.0)] == [0, 1, 1]
    sweep.correct[:] = [[1, 0], [1, 0], [1, 0]]
    with pytest.raises(ValueError, match="right on 60.0 %; the best on 50.0 %"):
        fastest_row(sweep, 0.6)


def test_a_higher_price_of_errors_buys_more_timesteps():
    for name in ("exact", "reinforce"):
        sweep = shipped_sweeps()[name]
        assert np.corrcoef(np.log(sweep.prices), sweep.mean_timesteps)[0, 1] > 0.7
        assert sweep.mean_timesteps[0] == 1.0 and sweep.mean_timesteps[-1] > 2


def energy_ratio(t_hat, rival) -> float:
    """A policy's energy, its look billed, over that of a threshold's run, its check billed."""
    step = timestep_cost(layer_shapes(load_shipped("digits-hard")), spikesim_rram_64)
    look, check = timestep_cost(layer_shapes(shipped_policy()), spikesim_rram_64), exit_check_cost(spikesim_rram_64)
    return chosen_cost(t_hat, step, look).energy_pj.mean() / inference_cost(rival.t_hat, step, check).energy_pj.mean()


@pytest.mark.parametrize("name", TRAININGS)
def test_with_its_own_cost_in_the_bill_a_policy_beats_the_strongest_threshold_in_a_middle_range_of_prices(name):
    seen, sweep = shipped("digits-hard-test"), shipped_sweeps()[name]
    rivals = [fastest_as_accurate(seen, accuracy) for accuracy in sweep.accuracy]
    ratios = [energy_ratio(t_hat, replay(seen, rival[1])) for t_hat, rival in zip(sweep.t_hat, rivals, strict=True) if rival]
    assert min(ratios) < 0.9 and ratios[0] > 1 and ratios[-1] > 1   # where errors are cheap or dear it looks in vain


@pytest.mark.parametrize("name", TRAININGS)
def test_chosen_on_the_calibration_split_a_policy_is_cheaper_than_a_cautious_threshold_and_dearer_than_a_greedy_one(name):
    calibration, seen, sweep = shipped("digits-hard-calibration"), shipped("digits-hard-test"), shipped_sweeps()[name]
    k = fastest_row(shipped_sweeps(split="calibration")[name], calibration.accuracy[-1])
    cautious = replay(seen, fastest_calibrated(calibration)[1])
    greedy = replay(seen, fastest_as_accurate(calibration, calibration.accuracy[-1])[1])
    assert energy_ratio(sweep.t_hat[k], cautious) < 0.9 and cautious.accuracy - sweep.accuracy[k] < 0.01
    assert energy_ratio(sweep.t_hat[k], greedy) > 1 and greedy.accuracy < sweep.accuracy[k]


def test_a_policy_lies_left_of_both_oracles_and_of_no_best_possible_run():
    seen, sweep = shipped("digits-hard-test"), shipped_sweeps()["exact"]
    k = list(sweep.prices).index(12.0)
    assert sweep.accuracy[k] == seen.accuracy[-1]
    assert sweep.mean_timesteps[k] < first_right(seen).mean() < right_from_then_on(seen).mean()
    timesteps, accuracy = best_possible(seen)
    assert (sweep.accuracy <= np.interp(sweep.mean_timesteps, timesteps, accuracy) + 1e-9).all()


# --- the same commands on CIFAR-10, at a tiny scale ------------------------------------------

def test_the_ann_of_cifar10_is_made_and_recorded_in_half_precision(home, tmp_path):
    training = replace(CIFAR10_ANN.training, phases=((1, 1),), batch=60)
    recipe = replace(CIFAR10_ANN, data=lambda: cifar10(home), timesteps=3, training=training)
    card = make_ann(tmp_path, progress=False, note=" (noise)", recipe=recipe)
    assert card["dataset"] == "CIFAR-10 (noise)" and card["command"] == "python -m dtsnn_lite train cifar10-ann"
    ann, test = load_ann(tmp_path / "cifar10-ann.safetensors"), cifar10(home).test
    seen = Recording.load(tmp_path / "cifar10-converted-test.npz")
    assert card["ann_accuracy"] == pytest.approx(recipes_seenn.ann_accuracy(ann, test), abs=1e-3)
    again = record(convert(ann, (3, 32, 32)), as_input(test.images), test.labels, 3)
    assert again.f == pytest.approx(seen.f, abs=1e-3, rel=2e-3)
    assert card["accuracy"]["test"] == [round(float(a), 4) for a in seen.accuracy]


def test_policies_of_a_network_whose_weights_do_not_ship_are_made_in_the_folder_of_its_training(home, tmp_path):
    net = build(CIFAR_SMALL).eval()
    recipe = replace(VGG16_POLICY, data=lambda: cifar10(home), epochs=1, rounds=1, prices=(VGG16_POLICY.shipped_price,))
    with pytest.raises(FileNotFoundError, match="cifar10-vgg16.safetensors"):
        make_policies(tmp_path, progress=False, recipe=recipe)
    save_net(net, tmp_path / "cifar10-vgg16.safetensors", {})
    card = make_policies(tmp_path, progress=False, recipe=recipe)
    sweeps = load_sweeps(tmp_path / "policies/cifar10-vgg16-test.npz")
    test = cifar10(home).test
    assert card["command"] == "python -m dtsnn_lite train cifar10-vgg16-policy --seed 0" and set(sweeps) == {"exact", "reweighted"}
    right = record(net, as_input(test.images), test.labels, 4).correct
    assert all((sweep.correct[0] == right[sweep.t_hat[0] - 1, np.arange(len(test))]).all() for sweep in sweeps.values())


HELD_OUT = replace(RESNET19_HELD_OUT, epochs=2, folds=2, prices=(RESNET19_HELD_OUT.shipped_price, 40.0))


@pytest.fixture
def recorded(home, monkeypatch) -> dict[str, Recording]:
    """Answers of a fresh network to photographs of noise, in place of the shipped recordings."""
    torch.manual_seed(0)
    net, splits = build(CIFAR_SMALL).eval(), cifar10(home)
    seen = {name: record(net, as_input(split.images), split.labels, 4)
            for name, split in {"calibration": splits.calibration, "test": splits.test}.items()}
    monkeypatch.setattr(recipes_seenn, "shipped", lambda name: seen[name.removeprefix("cifar10-resnet19-")])
    return seen


def test_policies_that_learn_from_recordings_are_judged_by_images_that_they_have_not_seen(home, tmp_path, recorded):
    recipe, images = replace(HELD_OUT, data=lambda: cifar10(home)), cifar10(home).calibration.images
    card = make_policies(tmp_path, progress=False, recipe=recipe)
    assert card["command"] == "python -m dtsnn_lite train cifar10-resnet19-held-out-policy --seed 0"
    held_out, test = (load_sweeps(tmp_path / f"policies/cifar10-resnet19-held-out-{name}.npz") for name in ("calibration", "test"))
    assert set(held_out) == set(test) == {"exact", "reweighted"}
    even = np.arange(len(images)) % 2 == 0
    for there, here in ((even, ~even), (~even, even)):
        right = torch.from_numpy(recorded["calibration"].correct[:, here])
        told = [Experience(recipe.augment(as_input(images[here]), dice_of(0, epoch)), right) for epoch in range(2)]
        learned = train_policies((3, 32, 32), told, recipe.prices, channels=recipe.channels)
        assert all((held_out["exact"].t_hat[k, there] == choose_steps(policy, images[there], 4)).all() for k, policy in enumerate(learned))
    policy = load_policy(tmp_path / "policies/cifar10-resnet19-held-out.safetensors")
    assert (test["exact"].t_hat[0] == choose_steps(policy, cifar10(home).test.images, 4)).all()
    assert (test["exact"].correct == recorded["test"].correct[test["exact"].t_hat - 1, np.arange(len(cifar10(home).test))]).all()


def test_recordings_of_other_images_teach_no_policy(home, tmp_path, recorded):
    recorded["test"] = replace(recorded["test"], labels=np.roll(recorded["test"].labels, 1))
    with pytest.raises(ValueError, match="the recordings of cifar10-resnet19 are of other images than these, or in another order"):
        make_policies(tmp_path, progress=False, recipe=replace(HELD_OUT, data=lambda: cifar10(home)))
    assert recipes_seenn.MAKERS[VGG16_HELD_OUT.command].keywords["recipe"] is VGG16_HELD_OUT


def test_the_policies_of_cifar10_look_at_photographs(home, tmp_path, monkeypatch):
    net = build(CIFAR_SMALL).eval()
    monkeypatch.setattr(recipes_seenn, "load_net", lambda path: net)
    recipe = replace(CIFAR10_POLICY, data=lambda: cifar10(home), epochs=1, rounds=2, prices=(4.0, CIFAR10_POLICY.shipped_price))
    card = make_policies(tmp_path, progress=False, note=" (noise)", recipe=recipe)
    sweep = load_sweeps(tmp_path / "policies/cifar10-small-test.npz")["exact"]
    policy = load_policy(tmp_path / "policies/cifar10-small.safetensors")
    assert (choose_steps(policy, cifar10(home).test.images, 4) == sweep.t_hat[1]).all() and (card["epochs"], card["rounds"]) == (1, 2)
    assert card["dataset"] == "CIFAR-10 (noise)"
    assert card["command"] == "python -m dtsnn_lite train cifar10-policy --seed 0"
    told = 2 * list(experience(net, cifar10(home).train, 4, 1, CIFAR10_POLICY.augment))
    (alone,) = train_policies(net.in_shape, told, (CIFAR10_POLICY.shipped_price,), channels=CIFAR10_POLICY.channels)
    assert all(torch.equal(a, b) for a, b in zip(alone.state_dict().values(), policy.state_dict().values(), strict=True))
