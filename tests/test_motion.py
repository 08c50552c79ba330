"""Motion without learning: what is undone, what is found, and what each of the four numbers means."""

import numpy as np
import pytest

from dtsnn_lite.camera import EventCamera
from dtsnn_lite.events import Events, in_order
from dtsnn_lite.motion import Affine, moved, sharpest, sharpness
from dtsnn_lite.scenes import grid, waves

MOTION = Affine(right=30.0, down=-12.0, spin=1.1, zoom=-0.7)


def watched(scene):
    return EventCamera(threshold=0.15).watch(scene.log_intensity, np.linspace(0, 0.1, 21))


def test_a_motion_flows_as_the_scene_of_the_same_four_numbers():
    scene = waves(0, size=(18, 24), speed=60, turn=1.5)
    same = Affine(*scene.v, scene.spin, scene.zoom)
    assert np.allclose(same.flow((18, 24), 0.1), scene.flow(0, 0.1))


def test_what_flows_is_brought_back_when_the_motion_is_undone():
    here, t = grid((9, 11)), 0.08
    there = here + MOTION.flow((9, 11), t)
    x, y = MOTION.undone(there[..., 0], there[..., 1], np.full((9, 11), t))
    assert np.allclose(np.stack([x, y], axis=-1), here)


def test_a_growth_of_one_a_second_takes_a_point_e_times_as_far_from_the_middle():
    assert np.allclose(Affine(zoom=1.0).flow((3, 3), 1.0)[1, 2], [np.e - 1, 0])
    assert np.allclose(Affine(spin=1.0).flow((3, 3), np.pi / 2)[1, 2], [-1, 1])        # clockwise, y points down


def test_events_that_fall_together_are_sharper_than_events_apart():
    """An edge at 200 pixels a second: five events in five squares, or all of them in one."""
    seen = Events(np.arange(5) / 100, 2 * np.arange(5) + 1, np.full(5, 3), np.ones(5, bool), size=(8, 10))
    none = np.zeros((2, 5))
    squares = 2 * (13 + 16) ** 2                                     # the diagonal in whole pixels, a margin of 8, and two sides
    assert sharpness(seen, Affine(), none) == pytest.approx(5 / squares - (5 / squares) ** 2)
    assert sharpness(seen, Affine(right=200.0), none) == pytest.approx(25 / squares - (5 / squares) ** 2)


def dots(seed: int, right: float, down: float, size: int = 40, seconds: float = 0.05) -> Events:
    """Dots that move alike, each with an event where it comes into the next row of pixels."""
    dice = np.random.default_rng(seed)
    x, y = dice.uniform(3, 36, 150)[:, None], dice.uniform(3, 30, 150)[:, None]
    rows = np.floor(y) + np.arange(1, 12)
    t_s = (rows - y) / down
    columns, seen = np.floor(x + right * t_s), t_s < seconds
    return in_order(t_s[seen], columns[seen].astype(int), rows[seen].astype(int), np.ones(seen.sum(), bool), (size, size))


def test_the_grid_of_the_pixels_draws_no_motion_towards_standing_still():
    """Dots that fall fast and drift slowly: their drift is sharper than none, though the pixels' columns would keep what does not drift."""
    sharper = []
    for seed in range(12):
        seen = dots(seed, right=16.0, down=100.0)
        jitter = np.random.default_rng(0).uniform(-0.5, 0.5, (2, len(seen)))
        sharper.append(sharpness(seen, Affine(16.0, 100.0), jitter) - sharpness(seen, Affine(0.0, 100.0), jitter))
    assert np.mean(sharper) > 0, sharper


def test_recordings_of_one_motion_are_sharpened_together_but_in_pictures_of_their_own():
    streams = [dots(seed, right=16.0, down=100.0) for seed in range(6)]
    found = sharpest(*streams, fastest=128.0, turning=False)
    assert np.hypot(found.right - 16, found.down - 100) < 0.15 * np.hypot(16, 100)
    laid_over = in_order(*(np.concatenate([getattr(one, name) for one in streams]) for name in ("t_s", "x", "y", "on")), (40, 40))
    assert found != sharpest(laid_over, fastest=128.0, turning=False)
    assert sharpest(streams[0], turning=False) == sharpest(*streams[:1], turning=False)


def test_the_sharpest_motion_is_near_the_true_one():
    """One picture may mislead, as a grating does along its stripes; of five the median is off by a third of the speed at most."""
    off = []
    for seed in range(3, 8):
        scene = waves(seed, speed=60)
        found = sharpest(watched(scene), turning=False)
        assert (found.spin, found.zoom) == (0, 0)
        off.append(np.hypot(found.right - scene.v[0], found.down - scene.v[1]) / np.hypot(*scene.v))
    assert np.median(off) < 0.33, off


def test_what_is_found_is_as_sharp_as_the_truth_or_sharper():
    """The search may stop in a better place than the truth, for few events and random jitter, but in hardly a worse one."""
    for seed in (4, 6):
        scene = waves(seed, speed=30, turn=3.0)
        seen = watched(scene)
        jitter = np.random.default_rng(0).uniform(-0.5, 0.5, (2, len(seen)))
        true = sharpness(seen, Affine(*scene.v, scene.spin, scene.zoom), jitter)
        assert sharpness(seen, sharpest(seen), jitter) > 0.98 * true > 1.05 * sharpness(seen, Affine(), jitter)


def test_one_number_is_changed_and_no_other():
    assert moved(MOTION, 2, 0.5) == Affine(30.0, -12.0, 1.6, -0.7)
