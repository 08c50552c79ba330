"""The shipped networks of the stages, and what their cards and the table of seeds say."""

import numpy as np
import pytest
import torch

from dtsnn_lite.checkpoints import card_of, load_shipped
from dtsnn_lite.chip import HPADC, Ideal, SenseAmp
from dtsnn_lite.data import as_input, digits
from dtsnn_lite.inference import record
from dtsnn_lite.recording import shipped
from dtsnn_lite.stages import SHIPPED, stage_accuracies, start_from, ADC_LESS

READOUTS = {"4-bit": Ideal, "hp-adc": HPADC, "adc-less": SenseAmp}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_stage_lives_on_its_chip_and_its_recording_is_its_own(name):
    net, seen, test = load_shipped(f"digits-{name}"), shipped(f"digits-{name}-test"), digits().test
    assert isinstance(net.chip.readout, READOUTS[name])
    again = record(net, as_input(test.images[:40]), test.labels[:40], 4)
    assert np.allclose(again.f, seen.f[:, :40], atol=0.05)
    assert seen.accuracy[-1] == pytest.approx(card_of(f"digits-{name}")["accuracy"]["test"][-1], abs=0.005)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_table_of_stages_says_of_seed_0_what_its_recording_says(name):
    assert stage_accuracies()[name]["0"] == pytest.approx(shipped(f"digits-{name}-test").accuracy, abs=1e-9)


def test_training_for_one_bit_keeps_nearly_all_of_the_accuracy():
    found = stage_accuracies()
    for seed in found["adc-less"]:
        assert found["hp-adc"][seed][-1] - found["adc-less"][seed][-1] < 0.03
    assert min(a[-1] for a in found["hp-adc"].values()) > 0.96


def test_one_bit_without_training_is_a_guess():
    test, sample = digits().test, as_input(digits().train.images[:100])
    with torch.no_grad():
        naive = record(start_from(load_shipped("digits-4-bit"), ADC_LESS, sample), as_input(test.images[:100]), test.labels[:100], 2)
    assert naive.accuracy[-1] < 0.5 < shipped("digits-adc-less-test").accuracy[-1]
