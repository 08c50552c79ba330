"""The notebooks' drawings with a palette: fewer bytes, the same picture."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageChops
from stopwhensure.pictures import lighten

ROOT = Path(__file__).resolve().parents[1]


def drawing(path: Path, **options: object) -> Path:
    """A curve beside a grey image, as a chapter draws them."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(6, 3))
    left.plot(np.arange(10) ** 2, label="accuracy (%)")
    left.legend()
    right.imshow(np.random.default_rng(0).random((28, 28)), cmap="gray")
    fig.savefig(path, **options)
    plt.close(fig)
    return path


def test_a_drawing_keeps_its_look_in_half_the_bytes(tmp_path):
    path = drawing(tmp_path / "a.png")
    before, size = Image.open(path).convert("RGB"), path.stat().st_size
    lighten(path)
    after = Image.open(path).convert("RGB")
    assert path.stat().st_size < size / 2
    assert after.getpixel((1, 1)) == (255, 255, 255), "paper stays white"
    assert max(high for _, high in ImageChops.difference(before, after).getextrema()) <= 8


def test_a_drawing_with_a_palette_stays_as_it_is(tmp_path):
    path = drawing(tmp_path / "a.png")
    lighten(path)
    once = path.read_bytes()
    lighten(path)
    assert path.read_bytes() == once


def test_a_drawing_without_paper_stays_as_it_is(tmp_path):
    path = drawing(tmp_path / "a.png", transparent=True)
    whole = path.read_bytes()
    lighten(path)
    assert path.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [path]
