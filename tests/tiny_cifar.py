"""A CIFAR-10 of noise in its publisher's format: six files of 40 records, four a class."""

from pathlib import Path

import numpy as np

from dtsnn_lite.data import CIFAR_FOLDER, CIFAR_TEST, CIFAR_TRAIN, RECORD_BYTES

PER_FILE = 40


def records(seed: int) -> np.ndarray:
    """One file: a byte for the label, then three planes of pixels. (PER_FILE, RECORD_BYTES) uint8"""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(10), PER_FILE // 10)).astype(np.uint8)
    return np.concatenate([labels[:, None], rng.integers(0, 256, (PER_FILE, RECORD_BYTES - 1), dtype=np.uint8)], axis=1)


def write_cifar10(home: Path) -> Path:
    """The folder that DTSNN_DATA may name, with the files in it."""
    folder = home / CIFAR_FOLDER
    folder.mkdir(parents=True)
    for k, name in enumerate(CIFAR_TRAIN + CIFAR_TEST):
        records(k).tofile(folder / name)
    return home
