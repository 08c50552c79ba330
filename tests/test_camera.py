"""The laws of an event camera: what its pixels may say of a scene, and what not."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from dtsnn_lite.camera import LEAST_THRESHOLD, V2E, EventCamera
from dtsnn_lite.events import Events
from dtsnn_lite.scenes import waves

SCENE = waves(1, size=(24, 24), speed=60, turn=1.0)
C = 0.15
CAMERA = EventCamera(threshold=C)


def instants(number: int, end: float = 0.2) -> np.ndarray:
    return np.linspace(0, end, number)


def counted(seen: Events, signed: bool = False) -> np.ndarray:
    """(H, W) events of each pixel, or ON less OFF."""
    total = np.zeros(seen.size)
    np.add.at(total, (seen.y, seen.x), seen.sign if signed else 1)
    return total


def rising(slope: float, size: tuple[int, int] = (2, 2)) -> Callable[[float], np.ndarray]:
    return lambda t: np.full(size, slope * t)


SEEN = CAMERA.watch(SCENE.log_intensity, instants(401))


def by_pixel(seen: Events) -> list[np.ndarray]:
    """Place, side and time of each event, pixel by pixel."""
    order = np.lexsort((seen.t_s, seen.x, seen.y))
    return [seen.x[order], seen.y[order], seen.on[order], seen.t_s[order]]


def same(one: Events, other: Events, scale: float = 1.0) -> bool:
    """The same events, whose times are `scale` times as late."""
    (*what, early), (*again, late) = by_pixel(one), by_pixel(other)
    return len(one) == len(other) and all(map(np.array_equal, what, again)) and np.allclose(early * scale, late, atol=1e-9)


@pytest.mark.parametrize("t", [0.03, 0.1, 0.2])
def test_the_sum_of_a_pixels_events_never_lags_by_a_threshold(t):
    off = SCENE.log_intensity(t) - SCENE.log_intensity(0) - C * counted(SEEN.between(-1, np.nextafter(t, 1)), signed=True)
    assert np.abs(off).max() < 1.01 * C         # a hundredth: between two instants the light is taken as straight
    assert np.abs(off).max() > 0.9 * C          # and a camera that sleeps would pass the line above on a still scene only


def test_a_ramp_gives_an_event_each_threshold_at_its_exact_time():
    seen = EventCamera(threshold=0.25).watch(rising(3.0), instants(7, 1.0))
    one = seen.chosen((seen.x == 0) & (seen.y == 0))
    assert one.on.all() and np.allclose(one.t_s, 0.25 * np.arange(1, 13) / 3.0, atol=1e-12)


def test_ten_times_the_light_changes_nothing():
    assert same(SEEN, CAMERA.watch(lambda t: SCENE.log_intensity(t) + np.log(10), instants(401)))


def test_half_the_speed_is_the_same_events_at_twice_the_time():
    assert same(SEEN, CAMERA.watch(lambda t: SCENE.log_intensity(t / 2), instants(401, 0.4)), scale=2.0)


def test_a_negative_exchanges_on_and_off():
    assert same(SEEN.inverted(), CAMERA.watch(lambda t: -SCENE.log_intensity(t), instants(401)))


def test_a_pixel_speaks_as_often_as_its_light_has_climbed_and_fallen_by_the_threshold():
    fine = EventCamera(threshold=0.02).watch(SCENE.log_intensity, instants(401))
    steps = np.diff([SCENE.log_intensity(t) for t in instants(401)], axis=0)
    due = np.abs(steps).sum(axis=0) / 0.02
    assert 0.95 < (due * counted(fine)).sum() / (due * due).sum() <= 1.0         # what turns back within a threshold is lost
    assert np.corrcoef(due.ravel(), counted(fine).ravel())[0, 1] > 0.98


def test_a_still_scene_is_silent():
    assert len(CAMERA.watch(lambda t: SCENE.log_intensity(0.0), instants(50))) == 0


def test_noise_is_poisson_of_either_side():
    seen = EventCamera(noise_hz=2.0).watch(lambda t: np.zeros((32, 32)), instants(50, 10.0))
    each = counted(seen)
    assert each.mean() == pytest.approx(20, abs=4 * (20 / 1024) ** 0.5)          # four standard errors
    assert each.var() / each.mean() == pytest.approx(1, abs=4 * (2 / 1024) ** 0.5)
    assert seen.on.mean() == pytest.approx(0.5, abs=4 * 0.5 / len(seen) ** 0.5)
    assert seen.t_s.min() < 0.1 and seen.t_s.max() > 9.9


def test_a_leak_gives_on_events_at_its_rate():
    seen = EventCamera(leak_hz=0.5).watch(lambda t: np.zeros((2, 2)), instants(7, 10.0))
    one = seen.chosen((seen.x == 1) & (seen.y == 0))
    assert seen.on.all() and np.allclose(one.t_s, [2, 4, 6, 8, 10])


def test_a_leak_and_a_dead_time_add_up():
    seen = EventCamera(leak_hz=0.5, refractory_s=1.0).watch(lambda t: np.zeros((1, 1)), instants(23, 10.0))
    assert np.allclose(seen.t_s, [2, 5, 8])                                     # two seconds to climb, one asleep


def test_a_climb_a_leak_and_a_dead_time_add_up_whichever_way_the_light_goes():
    """By hand: C is climbed at the slope and the leak together, or against each other, then asleep."""
    camera = EventCamera(threshold=0.2, leak_hz=0.5, refractory_s=0.05)
    for slope, climb in ((1.3, 0.2 / (1.3 + 0.5 * 0.2)), (-1.3, 0.2 / (1.3 - 0.5 * 0.2))):
        seen = camera.watch(rising(slope, (1, 1)), instants(8, 1.0))
        assert np.allclose(seen.t_s, (climb + 0.05) * np.arange(1, len(seen) + 1) - 0.05)
        assert len(seen) == int((1 + 0.05) / (climb + 0.05)) and (seen.on == (slope > 0)).all()


def test_mismatch_is_found_again_in_the_counts():
    seen = EventCamera(threshold=0.2, mismatch=0.02, seed=3).watch(rising(20.0, (64, 64)), instants(50, 1.0))
    bars = 20 / counted(seen)
    assert bars.std() == pytest.approx(0.02, abs=0.002) and bars.mean() == pytest.approx(0.2, abs=0.003)


def test_no_threshold_is_so_small_that_a_pixel_never_rests():
    seen = EventCamera(threshold=0.02, mismatch=0.1).watch(rising(1.0, (16, 16)), instants(3, 1.0))
    assert counted(seen).max() <= 1 / LEAST_THRESHOLD


def test_two_events_of_a_pixel_are_a_dead_time_apart_and_none_is_saved_up():
    seen = EventCamera(threshold=0.02, refractory_s=2e-3).watch(SCENE.log_intensity, instants(401))
    key = seen.y.astype(int) * 24 + seen.x
    order = np.lexsort((seen.t_s, key))
    gaps = np.diff(seen.t_s[order])[np.diff(key[order]) == 0]
    assert gaps.min() >= 2e-3 - 1e-12
    ramp = EventCamera(threshold=0.25, refractory_s=0.05).watch(rising(3.0, (1, 1)), instants(11, 1.0))
    assert np.allclose(ramp.t_s, (0.25 / 3 + 0.05) * np.arange(1, 8) - 0.05)     # by hand: climb, sleep, climb from there


def test_finer_instants_change_little():
    coarse, fine = (len(CAMERA.watch(SCENE.log_intensity, instants(n))) for n in (101, 801))
    assert abs(coarse / fine - 1) < 0.01 and abs(len(SEEN) / fine - 1) < 0.005


def test_a_low_pass_follows_a_ramp_one_time_constant_late():
    tau = 1 / (2 * np.pi * 4.0)
    sharp, dull = (EventCamera(threshold=0.1, bandwidth_hz=f).watch(rising(2.0, (1, 1)), instants(4001, 2.0)) for f in (np.inf, 4.0))
    late = dull.t_s - sharp.t_s[: len(dull)]
    assert late[-1] == pytest.approx(tau, rel=1e-3) and late[0] < 0.9 * tau
    level = 2.0 * (dull.t_s - tau * (1 - np.exp(-dull.t_s / tau)))              # the filter's answer to a ramp, in closed form
    assert np.allclose(level, 0.1 * np.arange(1, len(dull) + 1), atol=1e-5)


def test_a_low_pass_does_not_depend_on_how_finely_a_ramp_is_cut():
    ends = [EventCamera(threshold=0.1, bandwidth_hz=4.0)._photoreceptor(np.zeros(1), np.zeros(1), np.full(1, 2.0), 1.0)]
    seen = np.zeros(1)
    for k in range(10):
        seen = EventCamera(bandwidth_hz=4.0)._photoreceptor(seen, np.full(1, 0.2 * k), np.full(1, 0.2 * (k + 1)), 0.1)
    assert seen == pytest.approx(ends[0], abs=1e-12)


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    camera = replace(V2E, noise_hz=1.0, refractory_s=1e-3, seed=4)
    one, two, other = (c.watch(SCENE.log_intensity, instants(101)) for c in (camera, camera, replace(camera, seed=5)))
    assert all(np.array_equal(getattr(one, what), getattr(two, what)) for what in ("t_s", "x", "y", "on"))
    assert len(one) != len(other) or not np.array_equal(one.t_s, other.t_s)


@pytest.mark.parametrize("constants, words", [
    ({"threshold": 0.0}, "threshold"), ({"threshold": np.nan}, "threshold"), ({"mismatch": -1}, "mismatch"),
    ({"refractory_s": np.inf}, "refractory_s"),
    ({"noise_hz": -0.1}, "noise_hz"), ({"leak_hz": np.nan}, "leak_hz"), ({"bandwidth_hz": 0}, "bandwidth_hz"), ({"seed": -1}, "seed"),
])
def test_what_is_no_camera_is_refused(constants, words):
    with pytest.raises(ValueError, match=words):
        EventCamera(**constants)


@pytest.mark.parametrize("film, words", [
    ([np.full((2, 2), -np.inf)] * 3, "got -inf"), ([np.full((2, 2), np.nan)] * 3, "got nan"),
    ([np.zeros((2, 2)), np.full((2, 2), np.inf)], "got inf"), ([0.0] * 3, "got \\(\\)"), ([np.zeros(3)] * 3, "\\(H, W\\)"),
    ([np.zeros((1, 2, 2))] * 3, "\\(H, W\\)"), ([np.zeros((2, 2)), np.zeros((1, 1))], "got \\(1, 1\\), and \\(2, 2\\)"),
    ([], "3 instants; got 0"), ([np.zeros((2, 2))] * 2, "3 instants; got 2"), (itertools.repeat(np.zeros((2, 2))), "got more"),
])
def test_what_is_no_film_is_refused(film, words):
    with pytest.raises(ValueError, match=words):
        CAMERA.watch_film(film, instants(3))


@pytest.mark.parametrize("times", [[0.0], [0.0, 0.0], [1.0, 0.5], [[0.0, 1.0]], [0.0, np.inf]])
def test_what_are_no_instants_is_refused(times):
    with pytest.raises(ValueError, match="rising"):
        CAMERA.watch(SCENE.log_intensity, np.array(times))
