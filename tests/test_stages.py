"""The shipped networks of the stages, and what their cards and the table of seeds say."""

import numpy as np
import pytest
import torch

from dtsnn_lite.checkpoints import card_of, load_shipped
from dtsnn_lite.chip import HPADC, Ideal, SenseAmp
from dtsnn_lite.data import as_input, digits
from dtsnn_lite.exits import entropy
from dtsnn_lite.inference import record
from dtsnn_lite.proofs.stages import ADC_LESS, SHIPPED, STAGES, stage_accuracies, start_from
from dtsnn_lite.recording import shipped
from dtsnn_lite.widgets.live_explorer import one_of_each

THREE_SEEDS = ("full", "4-bit", "hp-adc", "adc-less", "one-shot", "naive")
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


def test_training_for_one_bit_loses_at_most_a_point_with_any_of_three_seeds():
    found = stage_accuracies()
    for seed in ("0", "1", "2"):
        assert found["hp-adc"][seed][-1] > 0.96
        assert found["hp-adc"][seed][-1] - found["adc-less"][seed][-1] <= 0.01


def test_every_stage_was_trained_with_three_seeds_and_as_long_as_the_one_shot_way():
    found = {name: set(seeds) for name, seeds in stage_accuracies().items()}
    assert {name: seeds for name, seeds in found.items() if name in THREE_SEEDS} == dict.fromkeys(THREE_SEEDS, {"0", "1", "2"})
    assert set(found) <= {"full", *STAGES}
    epochs = lambda *names: sorted((t, sum(n for name in names for s, n in STAGES[name].training.phases if s == t)) for t in (1, 4))
    assert epochs("4-bit", "adc-less") == epochs("one-shot")


def test_one_bit_without_training_is_a_guess():
    test, sample = digits().test, as_input(digits().train.images[:100])
    with torch.no_grad():
        naive = record(start_from(load_shipped("digits-4-bit"), ADC_LESS, sample), as_input(test.images[:100]), test.labels[:100], 2)
    assert naive.accuracy[-1] < 0.5 < shipped("digits-adc-less-test").accuracy[-1]


def test_what_the_chapter_says_of_one_five_on_three_read_outs():
    """All read it as a five; at the explorer's threshold only the one-bit network never becomes sure of it."""
    test = digits().test
    n = int(one_of_each(shipped("digits-test"), (255 * test.images[:, 0]).round().byte().numpy(), theta=0.2).numbers[5])
    sure = {}
    for name in SHIPPED:
        said = record(load_shipped(f"digits-{name}"), as_input(test.images[n:n + 1]), test.labels[n:n + 1], 4)
        assert (said.predictions == 5).all()
        sure[name] = bool((entropy(said.f) < 0.2).any())
    assert sure == {"4-bit": True, "hp-adc": True, "adc-less": False}
