"""What one sees of an image at a glance: means over blocks of pixels. Those of the hard digits ship: a policy can look without torch."""

from __future__ import annotations

import numpy as np

from dtsnn_lite.files import ASSETS, saved_arrays

FILE = ASSETS / "digits-hard-thumbnails.npz"
SIDE = 7


def thumbnails(images: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Means over side x side equal blocks, row by row: (N, 1, H, W) -> (N, side^2).

    >>> thumbnails(np.arange(16.0).reshape(1, 1, 4, 4), side=2)
    array([[ 2.5,  4.5, 10.5, 12.5]])
    """
    _, channels, height, width = images.shape
    if channels != 1 or height % side or width % side:
        raise ValueError(f"grey images (N, 1, H, W) whose sides are multiples of {side}; got shape {images.shape}")
    return images.reshape(-1, side, height // side, side, width // side).mean(axis=(2, 4)).reshape(-1, side ** 2)


def shipped_thumbnails(part: str) -> np.ndarray:
    """Thumbnails of the hard digits, (N, 49) float32, in the order of their recordings; part: "calibration" or "test"."""
    with saved_arrays(FILE, "set of thumbnails", "python -m tools.thumbnails") as arrays:
        parts = {name: arrays[name] for name in arrays}
    if part not in parts:
        raise KeyError(f"there are thumbnails of the images for {' and '.join(parts)}; got {part!r}")
    return parts[part]
