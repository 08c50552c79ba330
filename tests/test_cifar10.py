"""CIFAR-10: the training command at a tiny scale, and what ships against its cards."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from dtsnn_lite import recipes
from dtsnn_lite.__main__ import main
from dtsnn_lite.checkpoints import load_net
from dtsnn_lite.data import as_input, cifar10
from dtsnn_lite.inference import record
from dtsnn_lite.recipes import RECIPES
from dtsnn_lite.recording import Recording


@pytest.fixture
def short(home, monkeypatch):
    """The shipped recipe on a CIFAR-10 of 240 images, an epoch for each of its phases."""
    recipe = RECIPES["cifar10-small"]
    phases = tuple((timesteps, 1) for timesteps, _ in recipe.training.phases)
    monkeypatch.setitem(recipes.RECIPES, "cifar10-small", replace(recipe, training=replace(recipe.training, phases=phases, batch=60)))
    monkeypatch.setenv("DTSNN_DATA", str(home))


def test_the_training_command_at_a_tiny_scale_stopped_and_continued(short, tmp_path, capsys):
    command = ["train", "cifar10-small", "--seed", "1", "--half", "--note", " (noise)", "--quiet", "--json"]
    made = {}
    for way, pieces in (("whole", [()]), ("stopped", [("--max-epochs", "1"), ()])):
        for piece in pieces:
            assert main([*command, "--out", str(tmp_path / way), *piece]) == 0
        made[way] = json.loads(capsys.readouterr().out.splitlines()[-1])
    weights = [(tmp_path / way / "cifar10-small-seed1.safetensors").read_bytes() for way in made]
    assert weights[0] == weights[1]                       # to the bit, bfloat16 convolutions and all
    card = made["stopped"]
    assert card["dataset"] == "CIFAR-10 (noise)" and len(card["loss"]) == len(card["training_accuracy"]) == 2
    assert card["command"] == "python -m dtsnn_lite train cifar10-small --seed 1 --half"
    net, test = load_net(tmp_path / "stopped/cifar10-small-seed1.safetensors"), cifar10().test
    seen = Recording.load(tmp_path / "stopped/cifar10-small-seed1-test.npz")
    assert card["accuracy"]["test"] == [round(float(a), 4) for a in seen.accuracy] and seen.images == 40
    assert record(net, as_input(test.images), test.labels, 4).f == pytest.approx(seen.f, abs=1e-3, rel=2e-3)
    assert np.isfinite(seen.f).all() and seen.spike_rates.shape == (4, net.layers)
