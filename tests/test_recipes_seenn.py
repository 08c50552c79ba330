"""The shipped assets of SEENN are what their commands make: the converted network and the learned policies."""

import json

import numpy as np
import pytest
import torch

from dtsnn_lite.calibration import fit_temperature, tempered
from dtsnn_lite.checkpoints import card_of, load_net, load_shipped
from dtsnn_lite.conversion import QCFS, AnnConfig, convert
from dtsnn_lite.data import Split, Splits, digits
from dtsnn_lite.exits import ConfidenceExit, calibrate, replay
from dtsnn_lite.inference import record
from dtsnn_lite.recipes_seenn import ConversionRecipe, make_ann
from dtsnn_lite.recording import Recording, shipped
from dtsnn_lite.training import TrainConfig


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
    ann = load_net(tmp_path / "a" / "digits-ann.safetensors")
    again = record(convert(ann, (1, 28, 28)), few_digits().test.images, few_digits().test.labels, 6)
    np.testing.assert_allclose(again.f, a.f, atol=2e-3)             # float16 on disk


def test_the_shipped_recording_is_what_the_shipped_ann_says():
    ann, test = load_shipped("digits-ann"), digits().test
    seen = shipped("digits-converted-test")
    again = record(convert(ann, (1, 28, 28)), test.images[:100], test.labels[:100], seen.timesteps)
    assert (again.predictions == seen.predictions[:, :100]).mean() > 0.995
    assert (seen.labels == test.labels.numpy()).all()


def test_the_converted_network_rises_to_its_ann():
    seen, card = shipped("digits-converted-test"), card_of("digits-ann")
    with torch.no_grad():
        ann = load_shipped("digits-ann")
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
