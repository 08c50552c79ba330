"""Scenes whose motion is known exactly: what moves, how fast, and how far."""

from dataclasses import replace

import numpy as np
import pytest

from dtsnn_lite.camera import EventCamera
from dtsnn_lite.events import to_frames
from dtsnn_lite.gestures import GESTURES, LEFT, MIRRORED, RIGHT, ROD, SHOULDERS, _elbow, figure, gesture_frames, watch_gesture
from dtsnn_lite.scenes import SACCADE_S, SACCADES, Saccades, grid, saccade_frames, watch_digit, waves

SCENE = waves(3, size=(20, 26), speed=60, turn=1.5)
DIGIT = np.zeros((28, 28))
DIGIT[6:22, 13:16] = 1.0


# --- textures -------------------------------------------------------------------------

def test_the_displacement_is_the_integral_of_the_velocity():
    here, at, n = grid(SCENE.size), grid(SCENE.size), 400
    spin_zoom = np.array([[SCENE.zoom, -SCENE.spin], [SCENE.spin, SCENE.zoom]])
    for k in range(n):                                                           # midpoints, of the points that move
        half = at + (SCENE.v + (at - SCENE.v * (0.02 + 0.1 * k / n)) @ spin_zoom.T) * 0.05 / n
        at = at + (SCENE.v + (half - SCENE.v * (0.02 + 0.1 * (k + 0.5) / n)) @ spin_zoom.T) * 0.1 / n
    assert np.allclose(at - here, SCENE.flow(0.02, 0.12), atol=1e-5)
    assert np.allclose(SCENE.velocity(0.02), SCENE.v + (here - SCENE.v * 0.02) @ spin_zoom.T)


def test_brightness_is_carried_along():
    """dL/dt = -grad L . v, at every pixel."""
    t, h = 0.07, 1e-5
    change = (SCENE.log_intensity(t + h) - SCENE.log_intensity(t - h)) / (2 * h)
    assert np.allclose(change, -(SCENE.gradient(t) * SCENE.velocity(t)).sum(axis=-1), atol=1e-5)
    assert np.abs(change).max() > 1


def test_the_gradient_is_what_a_pixel_to_the_right_has_more():
    still = waves(4, size=(40, 40), speed=0.0, finest=20.0)
    right, down = np.gradient(still.log_intensity(0.0), axis=1), np.gradient(still.log_intensity(0.0), axis=0)
    true = still.gradient(0.0)[1:-1, 1:-1]
    assert np.allclose(true, np.stack([right, down], axis=-1)[1:-1, 1:-1], rtol=0.05, atol=2e-3)


def test_a_turn_is_clockwise_on_a_screen():
    turning = waves(0, size=(9, 9), speed=0.0)
    turning = type(turning)(turning.w, turning.h, turning.phase, np.zeros(2), spin=1.0, size=(9, 9))
    assert np.allclose(turning.flow(0, np.pi / 2)[4, 8], [-4, 4])               # the point at the right goes to below the middle


def test_events_are_sharpest_when_they_are_moved_back_by_the_true_velocity():
    scene = waves(5, speed=60)
    seen = EventCamera(threshold=0.15).watch(scene.log_intensity, np.linspace(0, 0.1, 201))

    def sharpness(v):
        x, y = seen.x - v[0] * seen.t_s, seen.y - v[1] * seen.t_s
        return np.histogram2d(y, x, bins=np.arange(-12, 45))[0].var()

    tries = [scene.v + (a, b) for a in range(-60, 61, 10) for b in range(-60, 61, 10)]
    best = max(tries, key=sharpness)
    assert np.hypot(*(best - scene.v)) < 15 < np.hypot(*scene.v)


def test_a_texture_has_the_contrast_that_was_asked_for():
    squares = [(waves(seed, contrast=0.3).log_intensity(0) ** 2).mean() for seed in range(60)]
    assert np.mean(squares) ** 0.5 == pytest.approx(0.3, rel=0.1)


# --- a digit under three saccades -------------------------------------------------------

SACCADE = Saccades(DIGIT)


def test_three_jumps_come_back_to_where_they_began():
    assert np.allclose([SACCADE.displacement(k * SACCADE_S) for k in range(4)], [(0, 0), (3.5, 7), (7, 0), (0, 0)])
    assert np.allclose(SACCADE.log_intensity(0.0), SACCADE.log_intensity(SACCADE.seconds))


@pytest.mark.parametrize("moving", [1.0, 0.5])
def test_the_picture_stands_where_its_velocity_has_brought_it(moving):
    scene = Saccades(DIGIT, moving=moving)
    times = np.linspace(0, scene.seconds, 6001)
    speed = np.array([scene.velocity(t) for t in times])
    walked = np.concatenate([np.zeros((1, 2)), np.cumsum((speed[1:] + speed[:-1]) / 2 * np.diff(times)[:, None], axis=0)])
    assert np.allclose(walked, [scene.displacement(t) for t in times], atol=1e-3)
    peaks = [np.abs(speed[(times > k * SACCADE_S) & (times < (k + 1) * SACCADE_S)]).max(axis=0) for k in range(3)]
    assert np.allclose(peaks, 2 * np.abs(SACCADES) / (moving * SACCADE_S), rtol=1e-3)


def test_a_picture_that_stands_on_whole_pixels_is_itself():
    whole = Saccades(DIGIT, size=(34, 34), jumps=((2.0, 4.0), (-2.0, -4.0)), dark=0.25)
    seen = np.exp(whole.log_intensity(0.0))                                      # the path is centred: begins (-1, -2) from the middle
    assert np.allclose(seen[1:29, 2:30], 0.25 + 0.75 * DIGIT) and np.allclose(seen[30:], 0.25)


def test_the_picture_never_leaves_the_frame():
    full = Saccades(np.ones((28, 28)), dark=0.5)
    light = [((np.exp(full.log_intensity(t)) - 0.5) / 0.5).sum() for t in np.linspace(0, full.seconds, 30)]
    assert np.allclose(light, 28 * 28, rtol=0.04)       # at the frame's edge the path is half a pixel too wide


def test_all_edges_of_a_bright_bar_speak_and_on_leads_the_way():
    seen = watch_digit(DIGIT, EventCamera(threshold=0.25))
    first = seen.between(0.0, SACCADE_S)                                         # the bar goes right and down
    assert first.x[first.on].mean() > first.x[~first.on].mean() + 0.5
    assert np.array_equal(to_frames(seen, 20, 0.315), saccade_frames(DIGIT[None], EventCamera(threshold=0.25))[0])


def test_a_digit_has_noise_of_its_own_whatever_batch_it_comes_in():
    camera = EventCamera(threshold=0.25, noise_hz=5.0)
    both = saccade_frames(np.stack([DIGIT, DIGIT]), camera)
    assert not np.array_equal(both[0], both[1])
    assert np.array_equal(both[1], to_frames(watch_digit(DIGIT, camera, place=1), 20, 0.315))


@pytest.mark.parametrize("change, words", [({"picture": DIGIT + 1}, "in \\[0, 1\\]"), ({"dark": 0.0}, "dark"), ({"moving": 0.0}, "moving")])
def test_what_is_no_picture_in_motion_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        Saccades(**{"picture": DIGIT, **change})


# --- gestures ---------------------------------------------------------------------------

TIMES = np.linspace(0, 1.5, 60)


def path(gesture: int, seed: int = 0) -> np.ndarray:
    """(t, 2, 2) places of both hands."""
    return figure(gesture, seed).hands(TIMES)


def turning(at: np.ndarray) -> float:
    """Signed area that a hand's path sweeps around its middle: positive is clockwise on a screen."""
    x, y = (at - at.mean(axis=0)).T
    return float((x[:-1] * np.diff(y) - y[:-1] * np.diff(x)).sum())


@pytest.mark.parametrize("gesture", range(len(GESTURES)))
def test_each_gesture_moves_what_its_name_says(gesture):
    moved = np.ptp(path(gesture), axis=0).max(axis=1)                            # how far the right and the left hand went
    match GESTURES[gesture]:
        case name if name.startswith("right"):
            assert moved[RIGHT] > 0.3 and moved[LEFT] == 0
        case name if name.startswith("left"):
            assert moved[LEFT] > 0.3 and moved[RIGHT] == 0
        case "other":
            assert moved.max() > 0.1
        case _:
            assert moved.min() > 0.1 - 1e-9 or GESTURES[gesture] == "air guitar"


@pytest.mark.parametrize("seed", range(4))
def test_the_arms_turn_the_way_that_their_names_say(seed):
    for gesture, name in enumerate(GESTURES):
        if "clockwise" in name:
            side = RIGHT if name.startswith("right") else LEFT
            assert (turning(path(gesture, seed)[:, side]) > 0) == (not name.endswith("counter-clockwise"))


def test_arms_roll_either_way():
    ways = {np.sign(turning(path(GESTURES.index("arm roll"), seed)[:, RIGHT])) for seed in range(12)}
    assert ways == {-1, 1}


@pytest.mark.parametrize("gesture", range(len(GESTURES) - 1))
def test_in_a_mirror_a_gesture_is_the_one_of_the_other_side(gesture):
    assert MIRRORED[MIRRORED[gesture]] == gesture
    mirrored = path(gesture, 1)[:, ::-1] * (-1, 1)
    other = path(MIRRORED[gesture], 1)
    assert np.array_equal(np.ptp(mirrored, axis=0) > 0.05, np.ptp(other, axis=0) > 0.05) or GESTURES[gesture] == "air guitar"
    if "arm clockwise" in GESTURES[gesture] or "counter" in GESTURES[gesture]:
        for side in (RIGHT, LEFT):
            assert np.sign(turning(mirrored[:, side])) == np.sign(turning(other[:, side]))


def test_frames_of_gestures_are_those_of_their_people():
    camera = EventCamera(threshold=0.2)
    frames = gesture_frames(np.array([0, 4]), camera, first_seed=10)
    assert frames.shape == (2, 20, 2, 32, 32)
    assert np.array_equal(frames[1], to_frames(watch_gesture(4, camera, 11), 20, 1.5))


def test_an_arm_is_two_rods_wherever_the_hand_is_in_reach():
    for hand in np.random.default_rng(0).uniform(-1, 1, (50, 2)):
        elbow = _elbow(SHOULDERS[LEFT], hand[None], -1.0)[0]
        if np.hypot(*(hand - SHOULDERS[LEFT])) < 2 * ROD - 0.01:
            assert np.allclose([np.hypot(*(elbow - SHOULDERS[LEFT])), np.hypot(*(hand - elbow))], ROD)


def test_a_film_is_its_pictures():
    who, times = figure(8, seed=3), np.array([0.0, 0.4, 1.1])
    assert np.array_equal(who.film(times), [who.log_intensity(t) for t in times]) and np.ptp(who.film(times), axis=0).max() > 0.1


def test_a_person_is_one_of_the_seed_and_another_is_another():
    one, again, other = (watch_gesture(3, EventCamera(threshold=0.2), seed, seconds=0.3, instants=31) for seed in (7, 7, 8))
    assert np.array_equal(one.t_s, again.t_s) and len(one) > 20 and len(one) != len(other)


def test_only_what_moves_is_seen():
    still = replace(figure(GESTURES.index("right hand wave"), seed=2, size=48), sway=0.0)
    seen = EventCamera(threshold=0.2).watch(still.log_intensity, np.linspace(0, 1.5, 151))
    assert len(seen) > 500 and (seen.x < 24 + still.place_px[0]).mean() > 0.98    # the hand that waves is on the picture's left


def test_one_window_cannot_tell_a_light_arm_from_a_dark_one_that_turns_the_other_way():
    """The film of the one is the other's in negative and backwards: a window's bits are alike, but for what is left in a level."""
    t, alike = np.linspace(0, 0.075, 31), []
    for seed in range(10):
        one = replace(figure(GESTURES.index("right arm clockwise"), seed), sway=0.0)
        two = replace(one, gesture=GESTURES.index("right arm counter-clockwise"), phase=-(one.phase + 2 * np.pi * one.turns_hz * 0.075),
                      skin=-one.skin, shirt=-one.shirt, wall=-one.wall)
        assert np.allclose(one.film(t), -two.film(0.075 - t), atol=1e-4)
        bits = [to_frames(EventCamera(threshold=0.18).watch_film(film, t), 1, 0.08) for film in (one.film(t), two.film(t))]
        alike.append((bits[0] & bits[1]).sum() / (bits[0] | bits[1]).sum())
    assert np.mean(alike) > 0.9


def test_a_gesture_that_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="0 to 10"):
        figure(11, 0)
