"""The command line: what it prints is what the package computes, and bad input costs one line."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import dtsnn_lite.__main__
from dtsnn_lite import event_sets
from dtsnn_lite.__main__ import main
from dtsnn_lite.checkpoints import load_net, load_shipped
from dtsnn_lite.chip import hp_adc_65nm
from dtsnn_lite.cost import timestep_cost
from dtsnn_lite.data import Split, Splits, digits
from dtsnn_lite.exits import ConfidenceExit, EntropyExit, replay, trade_off
from dtsnn_lite.models import ConvConfig, layer_shapes
from dtsnn_lite.proofs import recipes
from dtsnn_lite.proofs.facts import facts
from dtsnn_lite.proofs.recipes_seenn import MAKERS
from dtsnn_lite.proofs.recipes_twin import TWINS
from dtsnn_lite.reads import as_fired
from dtsnn_lite.recording import Recording, shipped
from dtsnn_lite.training import TrainConfig
from tests.tiny_nmnist import write_nmnist


def said(capsys, *argv: str) -> dict | list:
    """What a command prints as JSON."""
    assert main([*argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def few_digits() -> Splits:
    return Splits(*(Split(s.images[::25], s.labels[::25]) for s in (digits().train, digits().calibration, digits().test)))


@pytest.fixture
def tiny(monkeypatch):
    """A recipe that trains in a second."""
    recipe = recipes.Recipe("a few digits", few_digits, ConvConfig(stages=((2,), (3,))), TrainConfig(phases=((2, 2),), batch=25))
    monkeypatch.setitem(recipes.RECIPES, "tiny", recipe)
    return recipe


# --- the commands ----------------------------------------------------------------------------

def test_facts_lists_every_fact(capsys):
    listed = said(capsys, "facts")
    assert [one["name"] for one in listed] == [one.name for one in facts()]
    assert [one["value"] for one in listed] == pytest.approx([one.value for one in facts()])
    assert all(set(one) == {"name", "value", "unit", "how", "test", "text"} for one in listed)


def test_facts_can_be_searched(capsys):
    listed = said(capsys, "facts", "digits.dtsnn.")
    assert listed and all(one["name"].startswith("digits.dtsnn.") for one in listed)


def test_facts_are_printed_one_a_line(capsys):
    assert main(["facts"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(facts())
    assert any("digits.accuracy_T4 " in line and "97.7 %" in line for line in printed)


def test_curve_prints_breakpoints_of_the_exact_curve(capsys):
    curve = trade_off(shipped("digits-test"), ConfidenceExit)
    whole = said(capsys, "curve", "digits-test", "--score", "confidence", "--points", "0")
    assert whole["thresholds"] == curve.thresholds.tolist()
    assert whole["accuracy"] == curve.accuracy.tolist()
    few = said(capsys, "curve", "digits-test", "--score", "confidence", "--points", "5")
    assert len(few["accuracy"]) == 5 and few["breakpoints"] == len(curve.thresholds)
    assert (few["mean_timesteps"][0], few["mean_timesteps"][-1]) == (4, 1)


def test_cost_prints_the_bill_of_a_run(capsys):
    bill = said(capsys, "cost", "digits-test", "--threshold", "0.3", "--chip", "spikesim_rram_64")
    run = replay(shipped("digits-test"), EntropyExit(0.3))
    assert bill["mean_timesteps"] == run.mean_timesteps
    assert bill["histogram"] == run.histogram.tolist()
    assert bill["energy_pj"] / bill["static_energy_pj"] == pytest.approx(run.mean_timesteps / 4, rel=0.01)   # proportional
    assert sum(bill["parts_pj"].values()) == pytest.approx(bill["step_pj"])


@pytest.mark.parametrize("name", ["digits-test", "vgg16"])
def test_a_first_layer_is_billed_once_where_that_is_asked_for(capsys, name):
    every, once = (said(capsys, "cost", name, "--chip", "spikesim_rram_64", *option) for option in ((), ("--first-layer-once",)))
    assert every["fixed_pj"] == 0 < once["fixed_pj"] == pytest.approx(every["step_pj"] - once["step_pj"])
    assert once["energy_pj"] == pytest.approx(every["energy_pj"] - 3 * once["fixed_pj"])


def test_without_a_threshold_cost_is_the_static_network(capsys):
    bill = said(capsys, "cost", "digits-test")
    assert bill["energy_pj"] == pytest.approx(bill["static_energy_pj"])
    assert bill["edp_ratio"]["mean_of_products"] == pytest.approx(1)


@pytest.mark.parametrize("chip", ["dtsnn_2023", "spikesim_rram_64", "hp_adc_65nm", "adc_less_65nm"])
def test_every_chip_has_its_price(capsys, chip):
    assert said(capsys, "cost", "digits-test", "--threshold", "0.3", "--chip", chip)["edp_ratio"]["mean_of_products"] < 0.5


def test_record_runs_a_shipped_network_again(capsys, tmp_path):
    result = said(capsys, "record", "digits", "--split", "calibration", "--out", str(tmp_path))
    again, seen = Recording.load(result["file"]), shipped("digits-calibration")
    assert np.array_equal(again.labels, seen.labels)
    assert again.accuracy == pytest.approx(seen.accuracy, abs=2 / 500)
    assert again.about["split"] == "calibration"
    assert again.densities == pytest.approx(seen.densities, abs=1e-3) and again.awake == pytest.approx(seen.awake, abs=1e-3)
    assert result["densities"] == pytest.approx(again.densities.mean(axis=0).tolist()) and again.rows == seen.rows == 64


@pytest.mark.parametrize("name", ["digits-4-bit", "digits-ann"])
def test_record_finds_the_data_of_a_network_and_converts_an_ann(capsys, tmp_path, name):
    result = said(capsys, "record", name, "--split", "calibration", "--timesteps", "8", "--out", str(tmp_path))
    assert result["images"] == 500 and result["accuracy"][-1] > 0.9


def test_a_recording_is_billed_by_what_its_layers_read(capsys, tmp_path):
    seen = shipped("digits-test")
    bill = said(capsys, "cost", "digits-test", "--chip", "hp_adc_65nm")
    shapes, chip = layer_shapes(load_shipped("digits")), replace(hp_adc_65nm, timesteps=4)
    assert bill["step_pj"] == pytest.approx(timestep_cost(shapes, chip, seen.reads).step_pj)
    replace(seen, densities=None, awake=None).save(tmp_path / "old.npz")
    fired = said(capsys, "cost", str(tmp_path / "old.npz"), "--chip", "hp_adc_65nm")
    assert fired["step_pj"] == pytest.approx(timestep_cost(shapes, chip, as_fired(seen.spike_rates)).step_pj)
    assert fired["parts_pj"]["converters"] < bill["parts_pj"]["converters"]                # the pools fill what is read


def test_a_converted_networks_recording_is_billed_for_its_own_timesteps(capsys):
    bill, longer = (said(capsys, "cost", name, "--chip", "hp_adc_65nm") for name in ("digits-test", "digits-converted-test"))
    wires = [one["parts_pj"]["buffers and wires"] for one in (bill, longer)]
    assert len(longer["histogram"]) == 16 and wires[1] > wires[0]           # wider accumulators, longer wires


def test_train_ships_what_record_and_curve_can_read(capsys, tmp_path, tiny):
    card = said(capsys, "train", "tiny", "--out", str(tmp_path), "--quiet", "--note", " (25 times fewer)")
    assert card["dataset"] == "a few digits (25 times fewer)"
    assert sum(p.numel() for p in load_net(tmp_path / "tiny.safetensors").parameters()) == card["weights"]
    again = said(capsys, "record", str(tmp_path / "tiny.safetensors"), "--out", str(tmp_path / "again"))
    first = Recording.load(tmp_path / "tiny-test.npz")
    assert Recording.load(again["file"]).f == pytest.approx(first.f, abs=2e-3, rel=1e-3)
    assert said(capsys, "curve", str(tmp_path / "tiny-test.npz"))["static_accuracy"] == first.accuracy.tolist()


def test_a_network_is_tested_on_the_real_recordings_of_a_users_folder(capsys, tmp_path, monkeypatch):
    write_nmnist(tmp_path, train=100, test=10)
    monkeypatch.setenv("DTSNN_DATA", str(tmp_path))
    event_sets.nmnist.cache_clear()
    short = replace(recipes.RECIPES["nmnist"], net=ConvConfig((2, 34, 34), ((2,),)), training=TrainConfig(phases=((4, 1),)), timesteps=4)
    monkeypatch.setitem(recipes.RECIPES, "nmnist", short)
    card = said(capsys, "train", "nmnist", "--out", str(tmp_path), "--quiet", "--half")
    seen = Recording.load(tmp_path / "nmnist-test.npz")
    assert card["dataset"] == "N-MNIST" and (seen.timesteps, seen.classes) == (4, 10) and len(card["accuracy"]["test"]) == 4
    again = said(capsys, "record", str(tmp_path / "nmnist.safetensors"), "--out", str(tmp_path / "again"))
    assert Recording.load(again["file"]).f == pytest.approx(seen.f, abs=2e-3, rel=1e-3)
    for suffix in (".safetensors", ".json"):
        shutil.copy(tmp_path / f"nmnist{suffix}", tmp_path / f"elsewhere{suffix}")
    other = said(capsys, "record", str(tmp_path / "elsewhere.safetensors"), "--recipe", "nmnist", "--out", str(tmp_path))
    assert Path(other["file"]).name == "elsewhere-nmnist-test.npz" and (other["images"], other["timesteps"]) == (seen.images, 4)
    event_sets.nmnist.cache_clear()


def test_training_in_pieces_ships_the_same_weights(capsys, tmp_path, tiny):
    said(capsys, "train", "tiny", "--out", str(tmp_path / "a"), "--quiet")
    part = said(capsys, "train", "tiny", "--out", str(tmp_path / "b"), "--quiet", "--max-epochs", "1")
    assert part == {"epochs": 1, "of": 2, "continue": "the same command with a larger --max-epochs, or none"}
    said(capsys, "train", "tiny", "--out", str(tmp_path / "b"), "--quiet")
    assert (tmp_path / "a/tiny.safetensors").read_bytes() == (tmp_path / "b/tiny.safetensors").read_bytes()


def test_another_seed_ships_under_its_own_name(capsys, tmp_path, tiny):
    card = said(capsys, "train", "tiny", "--seed", "4", "--out", str(tmp_path), "--quiet", "--half")
    assert (tmp_path / "tiny-seed4.safetensors").exists()
    assert card["command"] == "python -m dtsnn_lite train tiny --seed 4 --half"


# --- bad input ----------------------------------------------------------------------------------

@pytest.mark.parametrize("argv, message", [
    (["train", "nope"], "error: no recipe 'nope'; there are ['cifar10-ann', "),
    (["record", "nope"], "error: no shipped network 'nope'; there are ["),
    (["record", "nope.safetensors"], "error: no checkpoint at nope.safetensors; `python -m dtsnn_lite train` makes one"),
    (["record", "digits", "--timesteps", "0"], "error: timesteps is a whole number, 1 to 1000000; got 0"),
    (["record", "digits", "--timesteps", "1000000000"], "error: timesteps is a whole number, 1 to 1000000; got 1000000000"),
    (["train", "digits", "--seed", "1" + 20 * "0"], "error: seed is a whole number, 0 to 4294967295; got 1"),
    (["train", "digits", "--device", "foo"], "error: no device 'foo' here"),
    (["stages", "--device", "foo"], "error: no device 'foo' here"),
    (["train", "cifar10-small"], "error: no CIFAR-10 at "),
    (["train", "digits-ann", "--half", "--max-epochs", "3"], "error: there is no use for --half and --max-epochs: digits-ann is made on"),
    (["facts", "nosuchfact"], "error: no fact has 'nosuchfact' in its name"),
    (["curve", "digits-designs"], "error: no shipped recording 'digits-designs'; there are ["),
    (["cost", "digits-test", "--timesteps", "7", "--density", "3"],
     "error: there is no use for --timesteps and --density: a recording has its own"),
    (["cost", "vgg9", "--threshold", ".1"], "error: there is no use for --threshold: a paper's network has no images"),
    (["cost", "vgg9", "--density", "3"], "error: a density is a share of spikes"),
    (["cost", "digits-test", "--score", "margin"], "error: there is no use for --score: without --threshold the network never stops"),
    (["curve", "nope"], "error: no shipped recording 'nope'; there are ["),
    (["curve", "nope.npz"], "error: no recording at nope.npz"),
    (["curve", "digits-test", "--points", "-3"], "error: points"),
    (["cost", "digits-test", "--threshold", "1.5"], "error: theta lies in [0, 1]"),
    (["cost", "digits-test", "--threshold", "nan"], "error: theta lies in [0, 1]"),
    (["cost", "digits-test", "--first-layer-once"], "error: DT-SNN, 64 x 64 RRAM, as published charges a whole network along one line"),
    (["cost", "digits-test", "--net", "nope"], "error: no shipped network 'nope'"),
])
def test_a_wrong_word_costs_one_line(capsys, tmp_path, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert err.startswith(message) and err.count("\n") == 1 and out == "" and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("about, says", [({}, "does not say which network made it: give --net"), ({"network": 5}, "no shipped network '5'"),
                                         ({"network": "digits"}, "the recording has 9 spiking layers and 10 classes, digits has 3"),
                                         (["digits"], "is not a whole recording (about is a dict")])
def test_a_recording_of_another_or_an_unknown_network_costs_one_line(capsys, tmp_path, about, says):
    np.savez(tmp_path / "a.npz", f=np.zeros((1, 2, 10)), labels=np.array([0, 1]), spike_rates=np.zeros((1, 9)), about=json.dumps(about))
    assert main(["cost", str(tmp_path / "a.npz")]) == 2
    out, err = capsys.readouterr()
    assert says in err and err.count("\n") == 1 and out == ""


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: not enough memory")])
def test_what_does_not_fit_costs_one_line(capsys, monkeypatch, error):
    def full(*_, **__):
        raise error

    monkeypatch.setattr("dtsnn_lite.inference.record", full)
    assert main(["record", "digits"]) == 2
    assert capsys.readouterr().err.startswith("error: this does not fit into memory")


def test_a_download_that_fails_costs_one_line(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("DTSNN_DATA", str(tmp_path / "home"))
    monkeypatch.setattr("dtsnn_lite.data.download_cifar10.__defaults__", (None, (tmp_path / "none.gz").as_uri(), "no sum"))
    assert main(["download", "cifar10"]) == 2
    assert "error: " in capsys.readouterr().err
    assert list((tmp_path / "home").iterdir()) == []


def test_a_seed_without_shipped_weights_is_billed_on_the_same_network(capsys):
    assert said(capsys, "cost", "digits-seed1-test")["static_energy_pj"] == pytest.approx(
        said(capsys, "cost", "digits-test")["static_energy_pj"])


def test_an_interrupted_command_says_how_to_go_on(capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(recipes, "recipe_of", interrupt)
    assert main(["train", "digits"]) == 130
    assert capsys.readouterr().err == ("stopped; the training of a spiking network goes on from its last whole epoch with the same "
                                       "command, that of an ANN or a policy starts anew\n")


def test_help_names_every_command():
    out = subprocess.run([sys.executable, "-m", "dtsnn_lite", "--help"], capture_output=True, text=True, check=True).stdout
    for command in ("train", "stages", "flow", "record", "curve", "cost", "sweep", "facts", "download"):
        assert command in out
    listed = out.partition("{")[2].partition("}")[0]
    assert " ".join(listed.split(",")) == " ".join(dtsnn_lite.__main__.__doc__.split("\n\n")[1].replace("|", " ").split())


def test_help_names_everything_that_can_be_trained(capsys, tiny):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    listed = capsys.readouterr().out.split("names:\n")[1].split()
    assert set(listed) == {*recipes.RECIPES, *MAKERS, *TWINS} and "tiny" in listed and len(listed) == len(set(listed))


def test_the_command_line_starts_without_torch():
    code = "import sys, dtsnn_lite.__main__; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
