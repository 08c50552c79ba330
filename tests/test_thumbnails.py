"""Thumbnails: means by hand, and those that ship are those of the hard digits."""

from __future__ import annotations

import numpy as np
import pytest

from dtsnn_lite.recording import shipped
from dtsnn_lite.thumbnails import shipped_thumbnails, thumbnails
from tools.thumbnails import made


def test_a_thumbnail_is_the_means_of_its_blocks_row_by_row():
    image = np.zeros((2, 1, 28, 28))
    image[1, 0, 0:4, 24:28] = 0.5       # the last block of the first row
    image[1, 0, 4, 0] = 1.6             # one of sixteen pixels of the first block of the second row
    small = thumbnails(image)
    assert small.shape == (2, 49) and not small[0].any()
    assert small[1, 6] == pytest.approx(0.5) and small[1, 7] == pytest.approx(1.6 / 16) and np.count_nonzero(small[1]) == 2


@pytest.mark.parametrize("shape", [(1, 3, 28, 28), (1, 1, 27, 28), (1, 1, 28, 30)])
def test_what_has_no_equal_blocks_is_refused(shape):
    with pytest.raises(ValueError, match=r"multiples of 7; got shape"):
        thumbnails(np.zeros(shape))


def test_the_shipped_thumbnails_are_those_of_the_hard_digits():
    for part, found in made().items():
        assert np.allclose(shipped_thumbnails(part), found, rtol=0, atol=1e-6)      # torch turns and adds up, a processor its own way


@pytest.mark.parametrize("part", ["calibration", "test"])
def test_there_is_a_thumbnail_for_each_recorded_image(part):
    assert shipped_thumbnails(part).shape == (shipped(f"digits-hard-{part}").images, 49)


def test_another_part_is_refused():
    with pytest.raises(KeyError, match="calibration and test; got 'train'"):
        shipped_thumbnails("train")
