"""dtsnn_lite/assets/digits-hard-thumbnails.npz, made from the hard digits themselves: python -m tools.thumbnails"""

from __future__ import annotations

import numpy as np

from dtsnn_lite.drift import hard_digits
from dtsnn_lite.files import save_arrays
from dtsnn_lite.thumbnails import FILE, thumbnails


def made() -> dict[str, np.ndarray]:
    """Thumbnails of the images that are recorded."""
    splits = hard_digits()
    return {"calibration": thumbnails(splits.calibration.images.numpy()), "test": thumbnails(splits.test.images.numpy())}


if __name__ == "__main__":
    save_arrays(FILE, **made())
    print(FILE)
