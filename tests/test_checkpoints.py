"""Weights come back as they were, and a damaged or planted file never runs."""

import json
import os
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dtsnn_lite.checkpoints import (ASSETS, card_of, card_path, chip_fields, chip_of, load_ann, load_net, load_shipped, save_ann, save_net,
                                    shipped_path, spiking_net)
from dtsnn_lite.chip import (SARADC, AffineSteps, Chip, ExitUnit, Flaws, Parts65nm, PECycle, Ternary, Wires, adc_less_65nm, at_zero,
                             dtsnn_2023, hp_adc_65nm, pcm_drift)
from dtsnn_lite.conversion import AnnConfig, QuantisedANN, convert
from dtsnn_lite.encoding import direct
from dtsnn_lite.inference import folded
from dtsnn_lite.models import ConvConfig, FlowConfig, ResNetConfig, build
from dtsnn_lite.neurons import LIF
from dtsnn_lite.policy import PolicyNet

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


@pytest.mark.parametrize("config", [ConvConfig([1, 8, 8], [[3], [4, 5]], 3), ResNetConfig([1, 8, 8], [[4, 1], [6, 1]], 3),
                                    FlowConfig([2, 8, 8], [4, 6])], ids=["conv", "resnet", "flow"])
def test_a_configuration_of_lists_is_saved_as_one_of_tuples(tmp_path, config):
    """As one that was read from JSON."""
    net = build(config).eval()
    save_net(net, tmp_path / "net.safetensors", {})
    x = torch.rand(2, 3, *config.in_shape)
    assert torch.equal(net(x), load_net(tmp_path / "net.safetensors")(x))


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


def test_two_files_have_two_cards(tmp_path):
    nets = {name: build(CONV) for name in ("a.v1", "a.v2", "a", "a.safetensors", "a.v1.safetensors")}
    for name, net in nets.items():
        save_net(net, tmp_path / name, {"name": name})
    assert len({card_path(tmp_path / name) for name in nets}) == len(nets)
    for name, net in nets.items():
        assert torch.equal(load_net(tmp_path / name).head.weight, net.head.weight)
        assert json.loads(card_path(tmp_path / name).read_text())["name"] == name
    assert card_path("a/digits.safetensors").name == "digits.json"


def test_an_ann_comes_back_as_an_ann_and_as_the_network_that_it_becomes(tmp_path):
    ann, path = QuantisedANN(AnnConfig((1, 8, 8), ((3,), (4,)), 3, levels=5)).eval(), tmp_path / "ann.safetensors"
    save_ann(ann, path, {})
    back, x = load_ann(path), torch.rand(2, 1, 8, 8)
    assert back.config == ann.config and not back.training and torch.equal(back(x), ann(x))
    assert torch.equal(spiking_net(path)(direct(x, 4)), convert(ann, (1, 8, 8))(direct(x, 4)))
    with pytest.raises(ValueError, match="ann.safetensors holds an ANN: load_ann reads it"):
        load_net(path)


def test_a_spiking_network_is_no_ann(saved):
    net, path = saved
    assert torch.equal(spiking_net(path).head.weight, net.head.weight)
    with pytest.raises(ValueError, match="net.safetensors holds a spiking network: load_net reads it"):
        load_ann(path)


# --- what no file could give back is refused, and nothing is written ----------------------

def an_ann_of_other_levels() -> QuantisedANN:
    ann = QuantisedANN(AnnConfig((1, 8, 8), ((3,),), 3))
    ann[2].levels = 7
    return ann


def a_net_of_other_neurons():
    net = build(CONV)
    net.lif = LIF(beta=0.9)
    return net


NOT_THE_ONE = "is not the one that its configuration describes"


@pytest.mark.parametrize("net, message", [
    (lambda: PolicyNet((1, 8, 8)), "a PolicyNet has no configuration .* save_policy"),
    (lambda: convert(QuantisedANN(AnnConfig((1, 8, 8), ((3,),), 3)), (1, 8, 8)), "a ConvertedNet has no .* as its ANN with save_ann"),
    (lambda: folded(build(CONV)), NOT_THE_ONE), (a_net_of_other_neurons, NOT_THE_ONE), (an_ann_of_other_levels, NOT_THE_ONE),
    (lambda: build(CONV).double(), "currents.0.0.weight is float64 and would come back as float32"),
])
def test_a_network_that_no_file_could_give_back_is_refused(tmp_path, net, message):
    made = net()
    with pytest.raises(ValueError, match=message):
        (save_ann if isinstance(made, QuantisedANN) else save_net)(made, tmp_path / "net.safetensors", {})
    assert not list(tmp_path.iterdir())


def test_a_float64_network_is_rounded_if_that_is_said(tmp_path):
    net = build(CONV).double()
    save_net(net, tmp_path / "net.safetensors", {}, torch.float32)
    assert torch.equal(load_net(tmp_path / "net.safetensors").head.weight, net.head.weight.float())


def test_saving_throws_no_dice(tmp_path):
    before = torch.get_rng_state()
    net = build(CONV)
    after = torch.get_rng_state()
    save_net(net, tmp_path / "net.safetensors", {})
    assert torch.equal(torch.get_rng_state(), after) and not torch.equal(before, after)


@pytest.mark.parametrize("card, taken", [({"weights": 1}, "weights"), ({"config": {}, "sha256": ""}, "config and sha256")])
def test_what_the_file_says_itself_is_not_noted_on_the_card(tmp_path, card, taken):
    with pytest.raises(ValueError, match=f"the file itself says the card's {taken}"):
        save_net(build(CONV), tmp_path / "net.safetensors", card)
    assert not list(tmp_path.iterdir())


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


def test_weights_of_a_training_that_diverged_are_neither_saved_nor_loaded(saved):
    net, path = saved
    kept = path.read_bytes()
    net.currents[0][0].weight.data[1] = float("nan")
    with pytest.raises(ValueError, match="currents.0.0.weight holds NaN or infinity: the training diverged"):
        save_net(net, path, {})
    assert path.read_bytes() == kept
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    path.with_suffix(".json").unlink()
    save_file(net.state_dict(), path, metadata=metadata)
    with pytest.raises(ValueError, match="currents.0.0.weight holds NaN or infinity: the training diverged"):
        load_net(path)


def test_weights_beyond_float16_are_refused_rather_than_made_infinite(tmp_path):
    net = build(CONV)
    net.head.weight.data[0] = 1e6
    with pytest.raises(ValueError, match="head.weight holds NaN or infinity: .* float16 is too narrow"):
        save_net(net, tmp_path / "net.safetensors", {}, torch.float16)


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


# --- chips ------------------------------------------------------------------------------

def dearer(prices, name):
    """A price list with one constant doubled, and its range."""
    was = getattr(prices, name)
    high = None if was.high is None else 2 * was.high
    return replace(prices, **{name: replace(was, value=2 * was.value, high=high)})


UNUSUAL = {
    "flaws": replace(hp_adc_65nm, flaws=Flaws(stuck=0.3, on_off=20.0, seed=4)),
    "wires and drift": replace(hp_adc_65nm, flaws=Flaws(cell_noise=0.1, on_off=10.0, off_variation=0.4, wires=Wires(0.5, 1.0),
                                                        drift=replace(pcm_drift, seconds=3600.0))),
    "a price": replace(hp_adc_65nm, charges=dearer(Parts65nm(), "wire")),
    "the exit unit": replace(adc_less_65nm, exit_unit=dearer(ExitUnit(), "cycle")),
    "a price of a scale": replace(dtsnn_2023, charges=replace(AffineSteps(), scale=dearer(PECycle(), "adc"))),
    "as built": replace(adc_less_65nm, as_printed=False, several_cycles=True, image_bits=8, membranes=True),
    "no prices": Chip("computes only", readout=Ternary(), first_readout=SARADC(4)),
}


@pytest.mark.parametrize("chip", [*UNUSUAL.values(), hp_adc_65nm, dtsnn_2023], ids=[*UNUSUAL, "HP-ADC", "DT-SNN"])
def test_a_saved_chip_comes_back_with_its_flaws_and_prices(tmp_path, chip):
    net = build(CONV, chip).eval()
    save_net(net, tmp_path / "net.safetensors", {})
    back = load_net(tmp_path / "net.safetensors")
    assert back.chip == chip
    x = direct(torch.rand(2, 1, 8, 8), 3)
    assert torch.equal(net(x), back(x))


def test_a_usual_chip_is_written_as_the_shipped_ones_are():
    for name in ("digits-4-bit", "digits-hp-adc", "digits-adc-less"):
        assert chip_fields(load_shipped(name).chip) == card_of(name)["config"]["chip"]


def test_a_file_that_knows_of_no_reference_and_no_gate_means_an_ideal_comparison_of_every_tile():
    saved = chip_fields(adc_less_65nm)
    assert chip_of(saved) == adc_less_65nm
    older = {**saved, "readout": {"kind": "SenseAmp"}}
    del older["gated"]
    assert chip_of(older) == replace(adc_less_65nm, readout=at_zero, gated=False)


def test_a_price_list_that_no_file_can_name_is_refused_at_saving(tmp_path):
    class Barter(PECycle):
        """Another list."""

    with pytest.raises(ValueError, match=r"one of the price lists \[.*'PECycle'.*\]; got Barter"):
        save_net(build(CONV, replace(hp_adc_65nm, charges=Barter())), tmp_path / "net.safetensors", {})
    assert not list(tmp_path.iterdir())


# --- what ships -----------------------------------------------------------------------------

def test_an_unknown_shipped_net_is_answered_with_the_known_ones():
    with pytest.raises(FileNotFoundError, match=r"no shipped network 'digit'; there are .*'digits'"):
        load_shipped("digit")


@pytest.mark.parametrize("name", sorted(p.stem for p in ASSETS.glob("*.safetensors")))
def test_every_shipped_net_loads_and_has_a_card_that_can_remake_it(name):
    if "command" not in card_of(name):
        pytest.skip("made by another file's recipe")
    card = card_of(name)
    net = (load_ann if card["config"]["kind"] == "AnnConfig" else load_net)(shipped_path(name))
    assert card["weights"] == sum(p.numel() for p in net.parameters())
    assert card["command"].startswith(("python -m dtsnn_lite train ", "python -m dtsnn_lite stages "))
    assert {"accuracy", "dataset", "seed", "versions", "sha256", "seconds"} <= set(card)
