"""The stages at a tiny scale, on images and on events: trained, gone on with, recorded, shipped."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from dtsnn_lite.__main__ import main
from dtsnn_lite.checkpoints import card_of, load_net, load_shipped
from dtsnn_lite.chip import HPADC, Ideal, SenseAmp, adc_less_65nm, hp_adc_65nm
from dtsnn_lite.circuits import layer_times_ns
from dtsnn_lite.comparison import compared, exact_interval
from dtsnn_lite.cost import exit_check_cost, inference_cost, static_cost, timestep_cost
from dtsnn_lite.crossbar_layers import crossbars
from dtsnn_lite.data import Split, Splits, as_input, cifar10
from dtsnn_lite.encoding import direct, events
from dtsnn_lite.event_sets import gesture_split
from dtsnn_lite.exits import EntropyExit, calibrate, replay, run_of
from dtsnn_lite.floorplan import leakage_uw
from dtsnn_lite.inference import record
from dtsnn_lite.models import CIFAR_SMALL, ConvConfig, layer_shapes
from dtsnn_lite.proofs import stages
from dtsnn_lite.proofs.facts import fact
from dtsnn_lite.proofs.recipes import RECIPES, Recipe
from dtsnn_lite.recording import Answers, Recording, every_seed, shipped
from dtsnn_lite.training import TrainConfig

TIMESTEPS = 3


def lines_that_move() -> Splits:
    """A line of events that walks to the right or to the left."""
    labels = np.arange(24) % 2
    frames = np.zeros((24, TIMESTEPS, 2, 8, 8), np.uint8)
    for n, label in enumerate(labels):
        for t in range(TIMESTEPS):
            frames[n, t, label, :, (n + (1 if label else -1) * t) % 8] = 1
    part = Split(torch.from_numpy(frames), torch.from_numpy(labels))
    return Splits(part, part, part)


@pytest.fixture
def tiny(monkeypatch):
    """The gestures' ladder with short trainings of a small network on lines that move."""
    short = TrainConfig(phases=((TIMESTEPS, 1),), batch=8, lr=0.05)
    recipe = Recipe("lines", lines_that_move, ConvConfig((2, 8, 8), ((4,), (6,)), classes=2), short, TIMESTEPS, events)
    monkeypatch.setitem(RECIPES, "gestures", recipe)
    ladder = stages.LADDERS["gestures"]
    small = {name: replace(stage, training=stage.training and short) for name, stage in ladder.stages.items()}
    monkeypatch.setitem(stages.LADDERS, "gestures", replace(ladder, stages=small))
    torch.manual_seed(0)
    whole = stages.build(recipe.net).eval()
    monkeypatch.setattr(stages, "load_shipped", lambda name: whole)
    return recipe


def test_the_command_makes_the_stages_of_events_goes_on_and_ships(tiny, tmp_path, capsys, monkeypatch):
    command = ["stages", "gestures", "--seed", "1", "--out", str(tmp_path / "made"), "--quiet", "--json"]
    assert main([*command, "--only", "4-bit"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"4-bit"}
    trained = []
    run_stage = stages.run_stage
    monkeypatch.setattr(stages, "run_stage", lambda stage, *a, **k: trained.append(stage.chip.name) or run_stage(stage, *a, **k))
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == list(stages.EVENT_STAGES) and len(trained) == 3
    net = load_net(tmp_path / "made" / "gestures-adc-less-seed1.safetensors")
    test = tiny.data().test
    again = record(net, as_input(test.images), test.labels, TIMESTEPS, coding=events)
    kept = Recording.load(tmp_path / "made" / "gestures-adc-less-seed1-test.npz")
    assert np.allclose(again.f, kept.f, atol=1e-2) and np.array_equal(again.densities, kept.densities)
    monkeypatch.setattr(stages, "LADDERS", {"gestures": replace(stages.LADDERS["gestures"], whole=())})
    (tmp_path / "out").mkdir()
    assert main([*command, "--ship", str(tmp_path / "out")]) == 0 and len(trained) == 3
    shipped = json.loads(capsys.readouterr().out)
    for name in stages.EVENT_STAGES:
        stem = f"gestures-{name}-seed1"
        answers, card = Answers.load(tmp_path / "out" / f"{stem}-answers.npz"), json.loads((tmp_path / "out" / f"{stem}.json").read_text())
        assert answers.accuracy.round(4).tolist() == shipped[stem] == card["accuracy"]["test"] == found[name]
        assert card["command"] == "python -m dtsnn_lite stages gestures --seed 1" and "sha256" not in card


def test_a_network_that_is_not_shared_is_made_from_each_seed_and_goes_on_too(tiny, tmp_path, monkeypatch):
    ladder = replace(stages.LADDERS["gestures"], shared=False)
    found = stages.make_stages(1, tmp_path, progress=False, only=("full",), ladder=ladder)
    assert list(found) == ["full"] and (tmp_path / "gestures-full-seed1.training").exists()
    card = json.loads((tmp_path / "gestures-full-seed1.json").read_text())
    assert card["phases"] == [list(phase) for phase in tiny.training.phases]
    monkeypatch.setattr(stages, "make", lambda *_, **__: pytest.fail("trained twice"))
    assert stages.make_stages(1, tmp_path, progress=False, only=("full",), ladder=ladder) == found


def test_every_layer_of_the_events_stages_lies_on_one_kind_of_read_out(tiny, tmp_path):
    stages.make_stages(1, tmp_path, progress=False, only=("4-bit", "adc-less"), ladder=stages.LADDERS["gestures"])
    for name, readout in (("4-bit", Ideal), ("adc-less", SenseAmp)):
        net = load_net(tmp_path / f"gestures-{name}-seed1.safetensors")
        layers = crossbars(net)
        assert len(layers) == 3 and all(isinstance(layer.chip.readout, readout) and layer.chip.gated for layer in layers)
    silent = layers[0](torch.zeros(1, 2, 8, 8))
    assert torch.equal(silent, torch.zeros_like(silent)), "a tile without a spike reads 0"


def test_the_stages_of_photographs_are_made_of_a_readers_own_copy_and_ship(home, tmp_path, monkeypatch, capsys):
    short, ladder = TrainConfig(phases=((1, 1), (2, 1)), batch=60, lr=0.05), stages.LADDERS["cifar10-small"]
    monkeypatch.setenv("DTSNN_DATA", str(home))
    monkeypatch.setitem(RECIPES, "cifar10-small", replace(RECIPES["cifar10-small"], net=replace(CIFAR_SMALL, stages=((4,), (6,)))))
    small = {name: replace(stage, training=stage.training and short) for name, stage in ladder.stages.items()}
    monkeypatch.setitem(stages.LADDERS, "cifar10-small", replace(ladder, stages=small))
    torch.manual_seed(0)
    whole = stages.build(ladder.recipe.net).eval()
    monkeypatch.setattr(stages, "load_shipped", lambda name: whole)
    (tmp_path / "out").mkdir()
    command = ["stages", "cifar10-small", "--out", str(tmp_path / "made"), "--ship", str(tmp_path / "out"), "--quiet", "--json",
               "--note", " (tiny)"]
    assert main(command) == 0
    assert set(json.loads(capsys.readouterr().out)) == {f"cifar10-small-{name}-seed0" for name in stages.PHOTO_STAGES}
    for name in ladder.whole:
        net, test = load_net(tmp_path / "made" / f"cifar10-small-{name}-seed0.safetensors"), cifar10(home).test
        seen = Recording.load(tmp_path / "out" / f"cifar10-small-{name}-test.npz")
        again = record(net, as_input(test.images), test.labels, 4)
        assert seen.about["dataset"] == "CIFAR-10 (tiny)"
        assert np.allclose(again.f, seen.f, atol=2e-3) and np.array_equal(again.densities, seen.densities)
    for card in (tmp_path / "out").glob("*.json"):
        assert json.loads(card.read_text())["dataset"] == Answers.load(f"{card.with_suffix('')}-answers.npz").about["dataset"]
    assert not list((tmp_path / "out").glob("*.safetensors")), "recordings ship, weights do not: the command remakes them"
    one_bit = crossbars(load_net(tmp_path / "made" / "cifar10-small-adc-less-seed0.safetensors"))
    assert [type(layer.chip.readout) for layer in one_bit] == [HPADC, *[SenseAmp] * (len(one_bit) - 1)]
    assert all(layer.chip.readout.reference == 0.5 for layer in one_bit[1:]) and not any(layer.chip.gated for layer in one_bit)


def test_scales_are_fitted_on_what_the_coding_makes_of_the_items():
    part = lines_that_move().train
    net = stages.build(ConvConfig((2, 8, 8), ((4,), (6,)), classes=2)).eval()
    moved = stages.start_from(net, stages.EVENT_STAGES["adc-less"].chip, as_input(part.images), TIMESTEPS, events)
    assert all(bool((layer.scale > 0).all()) for layer in crossbars(moved))
    with pytest.raises(ValueError, match="images are"):
        stages.start_from(net, stages.EVENT_STAGES["adc-less"].chip, as_input(part.images), TIMESTEPS, direct)


@pytest.mark.parametrize("words, said", [
    (("stages", "nmnist"), "there are no stages of 'nmnist'; there are those of ['cifar10-small', 'digits', 'flow', 'gestures']"),
    (("stages", "gestures", "--only", "adc-les"), "gestures has no stage 'adc-les' to make; there are ['4-bit', 'hp-adc'")])
def test_a_ladder_or_a_stage_that_is_not_there_is_refused_by_name(words, said, tmp_path, capsys):
    assert main([*words, "--out", str(tmp_path / "made")]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "made").exists()


# --- what ships ---------------------------------------------------------------------

STAGES = tuple(stages.EVENT_STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_answers_that_ship_are_of_the_test_gestures_and_state_what_their_cards_do(stage):
    seeds = every_seed(f"gestures-{stage}")
    assert [one.about["seed"] for one in seeds] == sorted({one.about["seed"] for one in seeds}) and seeds[0].about["seed"] == 0
    for one in seeds:
        card = card_of(f"gestures-{stage}-seed{one.about['seed']}")
        assert card["accuracy"]["test"] == pytest.approx(one.accuracy, abs=5e-5) and "+" not in card["versions"]["dtsnn_lite"]
        assert card["phases"] == [list(phase) for phase in stages.LADDERS["gestures"].phases(stage)]
        assert np.array_equal(one.labels, shipped("gestures-test").labels) and one.timesteps == 20


def test_the_shipped_network_of_one_bit_says_what_its_recording_and_its_answers_say():
    seen, few, net = shipped("gestures-adc-less-test"), gesture_split("test", 30), load_shipped("gestures-adc-less")
    assert all(isinstance(layer.chip.readout, SenseAmp) and layer.chip.gated for layer in crossbars(net))
    said = record(net, as_input(few.images), few.labels, 20, coding=events)
    close = np.isclose(said.f, seen.f[:, :30], rtol=2e-3, atol=2e-2).all(axis=2)
    assert close.mean() >= 0.97
    assert np.array_equal(seen.predictions, every_seed("gestures-adc-less")[0].predictions)


def test_one_bit_without_training_is_a_guess_and_with_it_no_guess():
    naive, trained = every_seed("gestures-naive")[0].accuracy[-1], every_seed("gestures-adc-less")[0].accuracy[-1]
    assert naive < 2 / 11 and trained > 0.5


def test_the_facts_of_the_stages_are_counted_gesture_by_gesture():
    labels = shipped("gestures-test").labels
    for stage in ("4-bit", "hp-adc", "adc-less"):
        for t in (4, 20):
            answers = [one.predictions[t - 1] for one in every_seed(f"gestures-{stage}")]
            right = 100 * np.mean([[p == z for p, z in zip(said, labels, strict=True)] for said in answers])
            name = f"gestures.{stage.replace('-', '_')}"
            assert fact(f"{name}.accuracy_T{t}").value == pytest.approx(right)
            assert fact(f"{name}.change_T{t}").value == pytest.approx(right - fact(f"gestures.accuracy_T{t}").value)
    one, other = (every_seed(f"gestures-{stage}")[0] for stage in ("4-bit", "hp-adc"))
    changed = sum(int(a != b) for a, b in zip(one.predictions.flat, other.predictions.flat, strict=True))
    assert fact("gestures.hp_adc.changed").value == changed < 0.001 * one.predictions.size


def test_a_first_layer_with_converters_sets_the_pace_of_the_whole_chip():
    shapes = layer_shapes(load_shipped("gestures"))
    hp_adc, adc_less = (replace(chip, as_printed=False) for chip in (hp_adc_65nm, adc_less_65nm))
    slowest = [max(layer_times_ns(shapes, chip, chip.charges)) for chip in (hp_adc, adc_less, replace(adc_less, first_readout=HPADC(5)))]
    assert slowest[2] == pytest.approx(slowest[0]) and slowest[0] > 10 * slowest[1]
    assert fact("gestures.adc_less.latency_gain").value == pytest.approx(slowest[0] / slowest[1], rel=0.01)
    assert fact("gestures.hp_adc_first.latency_gain").value == pytest.approx(1, rel=0.01)
    assert fact("gestures.adc_less.energy_gain").value > fact("gestures.hp_adc_first.energy_gain").value > 1
    asleep = 1 - every_seed("gestures-adc-less")[0].awake[:, 0]
    assert fact("gestures.first_layer.asleep").value == pytest.approx(100 * asleep.mean(), abs=1e-4)


def test_what_the_chapter_says_of_chips_that_wait():
    """Left on between windows a chip leaks many times what it computes, the ADC-less one most; scale factors take back four tenths."""
    shapes, T = layer_shapes(load_shipped("gestures")), 20
    chips = [replace(chip, as_printed=False, scales=True) for chip in (hp_adc_65nm, adc_less_65nm)]
    run = replay(shipped("gestures-test"), calibrate(shipped("gestures-calibration"), EntropyExit, max_drop=0.0, gamma=1))
    reads, waits_ms = shipped("gestures-test").reads, 75 * run.mean_timesteps
    computes = [inference_cost(run.t_hat, timestep_cost(shapes, chip, reads), exit_check_cost(chip, 11)).energy_pj.mean() for chip in chips]
    leaks = [1e3 * leakage_uw(shapes, chip, chip.charges) * waits_ms for chip in chips]                    # uW x ms, in pJ
    assert all(leak > 8 * energy for leak, energy in zip(leaks, computes, strict=True)) and leaks[1] == pytest.approx(3 * leaks[0], rel=0.1)
    assert computes[1] < computes[0] and leaks[0] + computes[0] < leaks[1] + computes[1]
    own = [every_seed(f"gestures-{stage}")[0].reads for stage in ("hp-adc", "adc-less")]
    still, billed = (static_cost(T, timestep_cost(shapes, chip, seen)).energy_pj[0] for chip, seen in zip(chips, own, strict=True))
    bare = static_cost(T, timestep_cost(shapes, replace(chips[1], scales=False), own[1])).energy_pj[0]
    assert (billed - bare) / (still - bare) == pytest.approx(0.4, abs=0.02) and still / bare == pytest.approx(
        fact("gestures.adc_less.energy_gain").value)


def test_where_a_conversion_may_take_several_cycles_only_a_first_layer_without_converters_gains():
    shapes = layer_shapes(load_shipped("gestures"))
    chips = [replace(chip, as_printed=False, several_cycles=True, timesteps=20)
             for chip in (hp_adc_65nm, adc_less_65nm, replace(adc_less_65nm, first_readout=HPADC(5)))]
    slowest = [max(layer_times_ns(shapes, chip, chip.charges)) for chip in chips]
    assert slowest[2] == pytest.approx(slowest[0], rel=0.01) and 2 < slowest[0] / slowest[1] < 5


def test_a_start_of_one_bit_gives_the_gestures_a_few_answers():
    assert all(len(np.unique(one.predictions[-1])) <= 3 for one in every_seed("gestures-naive"))


PHOTOS = ("4-bit", "hp-adc", "hp-adc-trained", "one-shot", "naive")


@pytest.mark.parametrize("stage", PHOTOS)
def test_answers_that_ship_are_of_the_test_photographs_and_state_what_their_cards_do(stage):
    seeds, card = every_seed(f"cifar10-small-{stage}"), card_of(f"cifar10-small-{stage}-seed0")
    assert len(seeds) == 1 and np.array_equal(seeds[0].labels, shipped("cifar10-small-test").labels)
    assert card["accuracy"]["test"] == pytest.approx(seeds[0].accuracy, abs=5e-5) and "+" not in card["versions"]["dtsnn_lite"]
    assert card["phases"] == [list(phase) for phase in stages.LADDERS["cifar10-small"].phases(stage)]
    assert card["dataset"] == seeds[0].about["dataset"] == "CIFAR-10 (JPEG re-encoding)"


@pytest.mark.parametrize("stage", stages.LADDERS["cifar10-small"].whole)
def test_the_recordings_of_photographs_on_chips_are_their_answers_and_their_cards(stage):
    for split in ("calibration", "test"):
        seen = shipped(f"cifar10-small-{stage}-{split}")
        assert seen.accuracy == pytest.approx(card_of(f"cifar10-small-{stage}-seed0")["accuracy"][split], abs=5e-5)
        assert np.array_equal(seen.labels, shipped(f"cifar10-small-{split}").labels) and seen.reads is not None
    assert np.array_equal(seen.predictions, every_seed(f"cifar10-small-{stage}")[0].predictions)


def test_what_the_chapter_says_of_photographs_on_the_chips():
    """Four bits and converters each cost more than luck, training of an epoch wins nothing back, one bit learns and is far behind, and
    the exit loses nothing that a test could see, but waits longer."""
    full, seen = shipped("cifar10-small-test"), {stage: every_seed(f"cifar10-small-{stage}")[0] for stage in PHOTOS}
    last = {name: run_of(np.full(full.images, 4), each) for name, each in {"full": full, **seen}.items()}
    for stage, start, points in (("4-bit", "full", 1), ("hp-adc", "4-bit", 2)):
        assert compared(last[stage], last[start]).p < 0.001 and 0 < last[start].accuracy - last[stage].accuracy < points / 100
    low, high = exact_interval(int(last["naive"].correct.sum()), full.images)
    assert seen["naive"].accuracy[-1] < 0.2 and low < high < 0.2
    first = {name: run_of(np.full(full.images, 1), seen[name]) for name in ("hp-adc", "hp-adc-trained", "one-shot")}
    assert compared(first["hp-adc-trained"], first["hp-adc"]).p > 0.5
    assert compared(last["hp-adc-trained"], last["hp-adc"]).p < 0.001
    assert 0.009 < last["hp-adc"].accuracy - last["hp-adc-trained"].accuracy < 0.012                # "a point worse"
    assert 0.4 < last["one-shot"].accuracy < 0.5 and 0.01 < last["one-shot"].accuracy - first["one-shot"].accuracy < 0.02
    stops = {}
    rules = {name: calibrate(shipped(f"cifar10-small{name}-calibration"), EntropyExit, max_drop=0.0, gamma=1)
             for name in ("", "-hp-adc", "-one-shot")}
    for name in ("-hp-adc", "-one-shot"):
        for whose in ("", name):
            run = replay(shipped(f"cifar10-small{name}-test"), rules[whose])
            assert compared(run, last[name[1:]]).p > 0.2
            stops[name, whose] = run.mean_timesteps
    without = replay(full, rules[""]).mean_timesteps
    assert without < stops["-hp-adc", ""] < without + 0.2 < without + 0.6 < stops["-hp-adc", "-hp-adc"]
    assert min(stops["-one-shot", whose] for whose in ("", "-one-shot")) > 3
    held = shipped("cifar10-small-hp-adc-calibration")
    assert 10 <= held.correct[-1].sum() - replay(held, rules[""]).correct.sum() <= 14                # "a dozen of those"
