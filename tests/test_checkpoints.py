"""Weights come back as they were, and a damaged or planted file never runs."""

import json
import os
import pickle

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dtsnn_lite.checkpoints import ASSETS, card_of, load_net, load_shipped, save_net
from dtsnn_lite.encoding import direct
from dtsnn_lite.models import ConvConfig, ResNetConfig, build
from dtsnn_lite.neurons import LIF

LOW = LIF(beta=0.25, v_th=0.5, hard_reset=False, alpha=3.0)
CONV, RES = ConvConfig((1, 8, 8), ((3,), (4, 5)), 3, LOW), ResNetConfig((1, 8, 8), ((4, 1), (6, 1)), 3, LOW)


class Bomb:
    """Unpickling this writes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.fixture
def saved(tmp_path):
    """A saved net and its file."""
    net = build(CONV).eval()
    path = tmp_path / "net.safetensors"
    save_net(net, path, {"seed": 7})
    return net, path


@pytest.mark.parametrize("config", [CONV, RES], ids=["conv", "resnet"])
def test_a_net_comes_back_with_its_configuration_and_every_bit(tmp_path, config):
    net = build(config).eval()
    save_net(net, tmp_path / "net.safetensors", {})
    back = load_net(tmp_path / "net.safetensors")
    assert back.config == config
    assert not back.training
    assert all(torch.equal(v, back.state_dict()[k]) for k, v in net.state_dict().items())
    x = direct(torch.rand(2, 1, 8, 8), 3)
    assert torch.equal(net(x), back(x))


def test_half_precision_weights_are_rounded_and_load_as_float32(tmp_path):
    net = build(CONV).eval()
    save_net(net, tmp_path / "full.safetensors", {})
    save_net(net, tmp_path / "half.safetensors", {}, torch.float16)
    back = load_net(tmp_path / "half.safetensors")
    assert torch.equal(back.head.weight, net.head.weight.half().float())
    assert (tmp_path / "half.safetensors").stat().st_size < (tmp_path / "full.safetensors").stat().st_size


def test_a_channels_last_net_is_saved_like_any_other(tmp_path):
    net = build(CONV).eval().to(memory_format=torch.channels_last)
    save_net(net, tmp_path / "net.safetensors", {})
    assert torch.equal(load_net(tmp_path / "net.safetensors").currents[1][0].weight, net.currents[1][0].weight)


def test_the_card_says_what_the_file_is(saved):
    net, path = saved
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["seed"] == 7
    assert card["weights"] == sum(p.numel() for p in net.parameters())
    assert card["config"]["lif"]["beta"] == 0.25


# --- damage -----------------------------------------------------------------------------

@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_truncated_checkpoint_is_refused(saved, keep):
    path = saved[1]
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="is not a whole checkpoint .* make it again or fetch it again"):
        load_net(path)


def test_a_flipped_bit_in_the_weights_is_refused(saved):
    path = saved[1]
    raw = bytearray(path.read_bytes())
    raw[-9] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="its sha256 is not the one on net.json"):
        load_net(path)


def test_a_pickle_in_the_place_of_a_checkpoint_never_runs(tmp_path):
    path, mark = tmp_path / "net.safetensors", tmp_path / "the bomb went off"
    path.write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(ValueError, match="is not a whole checkpoint"):
        load_net(path)
    torch.save({"weights": Bomb(mark)}, path)
    with pytest.raises(ValueError, match="is not a whole checkpoint"):
        load_net(path)
    assert not mark.exists()


@pytest.mark.parametrize("config", [{"kind": "os.system"}, {}, {"kind": "ConvConfig", "stages": [[3]], "lif": {"beta": 7}}])
def test_a_configuration_that_describes_no_net_is_refused(saved, config):
    path = saved[1]
    save_file(load_file(path), path, metadata={"config": json.dumps(config)})
    with pytest.raises(ValueError, match="is not a whole checkpoint"):
        load_net(path)


@pytest.mark.parametrize("change", ["shape", "missing"])
def test_weights_that_do_not_fit_their_configuration_are_refused(saved, change):
    path = saved[1]
    path.with_suffix(".json").unlink()
    tensors = load_file(path)
    if change == "shape":
        tensors["head.weight"] = torch.zeros(2, 2)
    else:
        del tensors["head.weight"]
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(ValueError, match="(?s)is not a whole checkpoint .*head.weight"):
        load_net(path)


def test_weights_of_a_training_that_diverged_are_refused(tmp_path):
    net = build(CONV)
    net.currents[0][0].weight.data[1] = float("nan")
    save_net(net, tmp_path / "net.safetensors", {})
    with pytest.raises(ValueError, match="currents.0.0.weight holds NaN or infinity: the training diverged"):
        load_net(tmp_path / "net.safetensors")


@pytest.mark.parametrize("card, fails", [({"accuracy": np.float32(0.9)}, TypeError), ({}, OSError)])
def test_a_save_that_fails_leaves_the_old_weights_and_their_card(saved, monkeypatch, card, fails):
    def full(*_):
        raise OSError("no space left on device")

    net, path = saved
    before = path.read_bytes(), path.with_suffix(".json").read_bytes()
    if fails is OSError:
        monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(fails):
        save_net(build(CONV), path, card)
    assert (path.read_bytes(), path.with_suffix(".json").read_bytes()) == before
    assert sorted(p.name for p in path.parent.iterdir()) == ["net.json", "net.safetensors"]
    assert torch.equal(load_net(path).head.weight, net.head.weight)


def test_a_kill_between_weights_and_card_leaves_weights_that_load(saved, monkeypatch):
    path, net = saved[1], build(CONV)
    replaced = os.replace

    def killed(part, target):
        replaced(part, target)
        raise KeyboardInterrupt

    monkeypatch.setattr("dtsnn_lite.files.os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save_net(net, path, {})
    assert torch.equal(load_net(path).head.weight, net.head.weight)


def test_a_missing_checkpoint_names_the_command_that_makes_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m dtsnn_lite train"):
        load_net(tmp_path / "none.safetensors")


# --- what ships -----------------------------------------------------------------------------

def test_an_unknown_shipped_net_is_answered_with_the_known_ones():
    with pytest.raises(FileNotFoundError, match=r"no shipped network 'digit'; there are .*'digits'"):
        load_shipped("digit")


@pytest.mark.parametrize("name", sorted(p.stem for p in ASSETS.glob("*.safetensors")))
def test_every_shipped_net_loads_and_has_a_card_that_can_remake_it(name):
    if "command" not in card_of(name):
        pytest.skip("made by another file's recipe")
    net, card = load_shipped(name), card_of(name)
    assert card["weights"] == sum(p.numel() for p in net.parameters())
    assert card["command"].startswith(("python -m dtsnn_lite train ", "python -m dtsnn_lite stages "))
    assert {"accuracy", "dataset", "seed", "versions", "sha256", "seconds"} <= set(card)
