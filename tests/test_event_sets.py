"""Sets of events that are made where they are needed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dtsnn_lite.checkpoints import card_of
from dtsnn_lite.comparison import Compared
from dtsnn_lite.data import Split, digit_places, digits
from dtsnn_lite.event_files import nmnist_files, read_nmnist
from dtsnn_lite.event_sets import (
    BINS, CAMERA, SACCADES_S, SIDE_BY_SIDE, acted, drawn_saccades, gesture_split, nmnist, saccade_events, wide_saccades,
)
from dtsnn_lite.events import to_frames
from dtsnn_lite.gestures import GESTURES, SECONDS
from dtsnn_lite.recording import shipped
from tests.tiny_nmnist import write_nmnist


def test_a_split_begins_the_same_however_long_it_is():
    long, short = gesture_split("test", 13), gesture_split("test", 3)
    assert torch.equal(long.images[:3], short.images) and long.labels.tolist() == [*range(11), 0, 1]
    assert long.images.shape == (13, BINS, 2, 32, 32) and set(long.images.unique().tolist()) == {0, 1}


def test_nobody_acts_in_two_splits():
    sets = acted(11, 11, 11)
    assert len({split.sha256() for split in (sets.train, sets.calibration, sets.test)}) == 3


def test_every_gesture_can_be_seen():
    seen = gesture_split("calibration", len(GESTURES)).images
    assert (seen.float().sum(dim=(1, 2, 3, 4)) > 200).all()


def test_where_nothing_moves_the_camera_speaks_by_its_noise_alone():
    still = [replace(CAMERA, noise_hz=noise_hz).watch(lambda t: np.zeros((32, 32)), np.linspace(0, SECONDS, 151))
             for noise_hz in (CAMERA.noise_hz, 0.0)]
    share = to_frames(still[0], BINS, SECONDS).mean()
    assert share == pytest.approx(CAMERA.noise_hz / 2 * SECONDS / BINS, rel=0.1) and not len(still[1]), "no level has leaked so far"
    quietest = gesture_split("calibration", 22).images.float().mean(dim=(1, 2, 3, 4)).min().item()
    assert quietest / 2 < share < quietest


def test_there_is_no_other_split():
    with pytest.raises(ValueError, match="train, calibration, test"):
        gesture_split("validation", 1)
    with pytest.raises(ValueError, match="gestures is a whole number"):
        gesture_split("test", 0)


# --- digits under saccades ---------------------------------------------------------------

PICTURES = digits().test.images[:3, 0].numpy()


def test_who_stands_beside_a_digit_changes_nothing_of_it():
    seen, beside = (wide_saccades(np.stack([PICTURES[0], other]), seed=5) for other in PICTURES[1:])
    assert np.array_equal(seen[0], beside[0]) and not np.array_equal(seen[1], beside[1])
    nobody = wide_saccades(np.stack([PICTURES[0], np.zeros((28, 28))]), seed=5)
    assert np.array_equal(nobody[0], seen[0]) and nobody[1].sum() < 0.25 * nobody[0].sum()       # noise is left


def test_a_stream_of_one_digit_makes_the_bits_of_its_set():
    twelve = digits().test.chosen(np.arange(12))
    seen, stream = drawn_saccades(twelve, first_camera=3), saccade_events(twelve, 11, first_camera=3)
    assert stream.size == (34, 34) and len(stream) > 500
    assert np.array_equal(to_frames(stream, BINS, SACCADES_S), seen.images[11].numpy())


def test_a_digit_is_where_its_saccades_have_brought_it():
    seen = wide_saccades(PICTURES[:1], seed=5)[0].astype(float)
    def middle(frames):
        return [(frames.sum(axis=(0, 1, axis)) * np.arange(34)).sum() / frames.sum() for axis in (2, 3)]        # of x, of y
    (right, down), (left, up) = middle(seen[4:7]), middle(seen[:2])                                    # the first jump: right and down
    assert right > left + 1 and down > up + 2


def test_each_ten_digits_have_a_camera_of_their_own():
    same = Split(digits().test.images[:1].expand(2 * SIDE_BY_SIDE, -1, -1, -1), [0] * (2 * SIDE_BY_SIDE))
    seen = drawn_saccades(same, first_camera=3)
    busy = seen.images.float().mean(dim=(1, 2, 3, 4)).reshape(2, SIDE_BY_SIDE)
    assert (busy.mean(1)[0] - busy.mean(1)[1]).abs() > 4 * busy.std(dim=1).max()
    assert np.array_equal(seen.images[SIDE_BY_SIDE:].numpy(), wide_saccades(same.images[:SIDE_BY_SIDE, 0].numpy(), seed=4))


# --- N-MNIST, from a folder -----------------------------------------------------------------

def test_a_real_recording_is_in_the_split_of_its_picture(tmp_path):
    write_nmnist(tmp_path, train=100, test=4)
    found, (_, calibration, held_out) = nmnist(tmp_path), digit_places()
    places = {500 * label + k: path for label in range(10)
              for k, (path, _) in enumerate(file for file in nmnist_files(tmp_path / "N-MNIST" / "Train") if file[1] == label)}
    for split, among in ((found.calibration, calibration), (found.test, held_out)):
        of_train = [to_frames(read_nmnist(path), BINS, 0.315) for place, path in sorted(places.items()) if place in among]
        assert np.array_equal(split.images[-len(of_train):].numpy(), np.stack(of_train))
        assert split.labels[-len(of_train):].tolist() == [place // 500 for place in sorted(places) if place in among]
    assert found.test.labels[:4].tolist() == [0, 1, 2, 3]
    assert len(found.train) + len(found.calibration) + len(found.test) == 104 and min(len(found.calibration), len(found.test) - 4) > 0


def test_a_choice_from_train_is_refused(tmp_path):
    write_nmnist(tmp_path, train=20, test=1, first=7)
    with pytest.raises(ValueError, match="numbers 1 to 20; here are 7 to 26"):
        nmnist(tmp_path)
    with pytest.raises(FileNotFoundError, match="set DTSNN_DATA"):
        nmnist(tmp_path / "elsewhere")


def test_on_the_same_pictures_the_step_to_real_recordings_costs_most_in_the_second_window():
    simulated, ours, real = (shipped(f"{name}-test") for name in ("digits-events", "digits-events-nmnist", "nmnist"))
    place, digit = digit_places()[2], real.labels[100:]
    recorded = [p for k in range(10) for p in sorted(place[place // 500 == k])[:(digit == k).sum()]]
    at = [place.tolist().index(p) for p in recorded]
    assert np.array_equal(simulated.labels[at], digit) and len(at) == 1000 - shipped("nmnist-calibration").images - 698
    here, there = simulated.correct[:, at], ours.correct[:, 100:]
    lost = here.mean(axis=1) - there.mean(axis=1)
    assert lost[0] < 0 and lost.argmax() == 1 and lost[1] == pytest.approx(0.5, abs=0.01) and lost[-1] == pytest.approx(0.05, abs=0.01)
    first, last = (Compared(int((there[t] & ~here[t]).sum()), int((here[t] & ~there[t]).sum())) for t in (0, -1))
    assert first.p > 0.05 and 0.025 < last.p < 0.05
    assert (card_of("digits-events")["phases"], card_of("nmnist")["phases"]) == ([[20, 12]], [[20, 40]])
