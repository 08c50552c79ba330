"""The quantised twins: the same layers as their spiking networks, bits that are counted right, remade by one command."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from dtsnn_lite.__main__ import trained_names
from dtsnn_lite.checkpoints import card_of, load_ann, shipped_ann
from dtsnn_lite.conversion import QCFS, AnnConfig, QuantisedANN, convert
from dtsnn_lite.data import Split, Splits, digits
from dtsnn_lite.files import ASSETS
from dtsnn_lite.models import CIFAR_SMALL, DIGITS, ConvConfig, build
from dtsnn_lite.proofs.recipes import RECIPES
from dtsnn_lite.proofs.recipes_twin import TWINS, TwinRecipe, begin_with, make_twin, one_answer, record_twin
from dtsnn_lite.recording import Recording, shipped

SHIPPED = sorted(path.stem.removesuffix("-test") for path in ASSETS.glob("*-twin*-test.npz"))


def few_digits(images: int = 80) -> Splits:
    clean = digits()
    return Splits(*(Split(s.images[:images], s.labels[:images]) for s in (clean.train, clean.calibration, clean.test)))


@pytest.fixture
def tiny(monkeypatch) -> TwinRecipe:
    """A twin that trains in a second."""
    like = replace(RECIPES["digits"], net=ConvConfig(stages=((4,), (4,), (4,))), data=few_digits)
    monkeypatch.setitem(RECIPES, "tiny", like)
    return TwinRecipe("tiny", 2, one_answer(2, replace(like.training, batch=16), 0.1), afresh=True)


def test_a_twin_is_remade_to_the_bit(tmp_path, tiny):
    cards = [make_twin(tiny, tmp_path / name, progress=False) for name in ("a", "b")]
    a, b = (Recording.load(tmp_path / name / "tiny-twin-2-bit-test.npz") for name in ("a", "b"))
    assert (a.f == b.f).all() and a.f.shape == (1, 80, 10) and a.about == b.about
    assert cards[0]["loss"] == cards[1]["loss"] and cards[0]["loss"][1] < cards[0]["loss"][0]
    assert cards[0]["command"] == "python -m dtsnn_lite train tiny-twin-2-bit"
    ann = load_ann(tmp_path / "a" / "tiny-twin-2-bit.safetensors")
    again = record_twin(ann, few_digits().test, {})
    assert (again.predictions == a.predictions).all() and ann.config.levels == 3
    np.testing.assert_allclose(again.about["bit_rates"], a.about["bit_rates"], atol=1e-4)


def test_another_seed_is_another_twin_with_its_own_name(tmp_path, tiny):
    cards = [make_twin(tiny, tmp_path, seed, progress=False) for seed in (0, 1)]
    assert cards[1]["network"] == "tiny-twin-2-bit-seed1" and cards[1]["command"].endswith(" --seed 1")
    assert cards[0]["loss"] != cards[1]["loss"]
    assert json.loads((tmp_path / "tiny-twin-2-bit-seed1.json").read_text())["config"]["max_pools"] is True


@pytest.mark.parametrize("config", [DIGITS, CIFAR_SMALL], ids=["spikes pooled", "currents pooled"])
def test_with_very_many_levels_a_twin_is_its_network_as_an_ann(config):
    torch.manual_seed(3)
    net = build(config).eval()
    ann = QuantisedANN(AnnConfig(config.in_shape, config.stages, config.classes, levels=2 ** 14 - 1, max_pools=True)).eval()
    begin_with(ann, net)
    for layer in ann:
        if isinstance(layer, QCFS):
            layer.lam.data.fill_(3.0)                               # as_ann clips there
    x = torch.rand(3, *config.in_shape)
    with torch.no_grad():
        torch.testing.assert_close(ann(x), net.as_ann(x)[0], atol=5e-3, rtol=0)


@pytest.mark.parametrize("name", sorted(TWINS))
def test_a_twin_has_the_weights_of_its_network_and_a_threshold_a_layer_more(name):
    recipe = TWINS[name]
    net, ann = build(RECIPES[recipe.network].net), recipe.fresh()
    assert sum(p.numel() for p in ann.parameters()) == sum(p.numel() for p in net.parameters()) + net.layers
    assert {m.levels for m in ann if isinstance(m, QCFS)} == {2 ** recipe.bits - 1}
    assert name in trained_names()


def test_a_twin_becomes_no_spiking_network():
    with pytest.raises(ValueError, match="MaxPool2d has no spiking twin"):
        convert(TWINS["digits-twin"].fresh(), (1, 28, 28))


def test_only_a_plain_stack_of_convolutions_has_a_twin():
    with pytest.raises(TypeError, match="cifar10-resnet19 is a ResNetConfig"):
        replace(TWINS["digits-twin"], network="cifar10-resnet19").fresh()


def test_the_bits_of_a_recording_are_those_that_the_next_layer_reads():
    torch.manual_seed(5)
    ann = QuantisedANN(AnnConfig((1, 8, 8), ((2,), (3, 2)), 4, levels=7, max_pools=True)).eval()
    images = torch.rand(6, 1, 8, 8)
    seen = record_twin(ann, Split(images, torch.zeros(6, dtype=torch.int64)), {}, batch=4)
    read = []
    with torch.no_grad():
        x = images
        for layer, following in zip(list(ann), list(ann)[1:], strict=False):
            x = layer(x)
            if isinstance(following, (nn.Conv2d, nn.Flatten)):      # what a layer with weights gets
                lam = [m for m in list(ann)[:list(ann).index(layer) + 1] if isinstance(m, QCFS)][-1].lam
                read.append((x / lam * 7).round().long())
    for layer, codes in enumerate(read):
        for bit in range(3):
            ones = (codes // 2 ** bit % 2 == 1).double().mean().item()
            assert seen.about["bit_rates"][bit][layer] == pytest.approx(ones, abs=1e-5)
        assert 0 <= codes.min() and codes.max() <= 7
    assert seen.spike_rates[0] == pytest.approx(np.mean(seen.about["bit_rates"], axis=0), abs=1e-5)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_twin_is_as_accurate_as_its_network_within_half_a_point(name):
    seed = name[name.index("-seed"):] if "-seed" in name else ""
    recipe, twin = TWINS[name.removesuffix(seed)], shipped(f"{name}-test")
    spiking = shipped(f"{recipe.network}{seed}-test")
    assert (twin.labels == spiking.labels).all()
    assert card_of(name)["accuracy"]["test"] == [pytest.approx(twin.accuracy[0], abs=1e-4)]
    assert np.shape(twin.about["bit_rates"]) == (recipe.bits, spiking.spike_rates.shape[1])
    if recipe.bits == 3:
        assert twin.accuracy[0] > spiking.accuracy[-1] - 0.005


def test_the_shipped_recording_is_what_the_shipped_twin_says():
    test = digits().test
    again = record_twin(shipped_ann("digits-twin"), Split(test.images[:100], test.labels[:100]), {})
    assert (again.predictions == shipped("digits-twin-test").predictions[:, :100]).all()
