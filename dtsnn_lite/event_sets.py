"""Sets of events, made where they are needed: gestures that a figure acts, and the package's digits under three saccades."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from dtsnn_lite.camera import EventCamera
from dtsnn_lite.data import Split, Splits, digits
from dtsnn_lite.gestures import GESTURES, gesture_frames
from dtsnn_lite.guards import check_whole
from dtsnn_lite.scenes import saccade_frames

BINS = 20
# A camera between the ideal and a noisy one; bandwidth, mismatch and dead time are of the size that data sheets of such cameras have.
CAMERA = EventCamera(threshold=0.18, mismatch=0.03, refractory_s=1e-3, noise_hz=0.2, leak_hz=0.1, bandwidth_hz=200.0)
PEOPLE = {"train": 0, "calibration": 1_000_000, "test": 2_000_000}      # first seeds: nobody acts in two splits


def gesture_split(name: str, gestures: int) -> Split:
    """Gestures of new people, all classes alike: bits (N, T = 20, 2, 32, 32) of 75 ms each, labels 0 to 10.

    name  "train", "calibration" or "test"; the first gestures of a split do not depend on how many there are
    """
    if name not in PEOPLE:
        raise ValueError(f"a split is one of {', '.join(PEOPLE)}; got {name!r}")
    check_whole("gestures", gestures)
    labels = np.arange(gestures) % len(GESTURES)
    return Split(torch.from_numpy(gesture_frames(labels, CAMERA, PEOPLE[name], BINS)), torch.from_numpy(labels))


def acted(train: int, calibration: int, test: int) -> Splits:
    """So many gestures a split; about 0.07 s each to make."""
    return Splits(gesture_split("train", train), gesture_split("calibration", calibration), gesture_split("test", test))


@lru_cache(maxsize=1)
def acted_gestures() -> Splits:
    """The set that the book's gesture network was trained and tested on: 3,300 / 440 / 880, which takes five minutes to make."""
    return acted(3300, 440, 880)


@lru_cache(maxsize=1)
def saccade_digits() -> Splits:
    """`data.digits` seen by an event camera in three saccades: bits (N, T = 20, 2, 34, 34) of 15.75 ms each; three minutes to make."""
    sets = digits()
    first = np.cumsum([0, len(sets.train), len(sets.calibration)])
    frames = [saccade_frames(split.images[:, 0].numpy(), EventCamera(threshold=0.25, mismatch=0.03, noise_hz=0.2, seed=int(at)), BINS)
              for at, split in zip(first, (sets.train, sets.calibration, sets.test), strict=True)]
    return Splits(*(Split(torch.from_numpy(seen), split.labels)
                    for seen, split in zip(frames, (sets.train, sets.calibration, sets.test), strict=True)))
