"""Sets of events that are made where they are needed."""

import pytest
import torch

from dtsnn_lite.event_sets import BINS, acted, gesture_split
from dtsnn_lite.gestures import GESTURES


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


def test_there_is_no_other_split():
    with pytest.raises(ValueError, match="train, calibration, test"):
        gesture_split("validation", 1)
    with pytest.raises(ValueError, match="gestures is a whole number"):
        gesture_split("test", 0)
