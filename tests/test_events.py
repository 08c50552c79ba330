"""A stream of events, and the frames that a network sees of it."""

import numpy as np
import pytest

from dtsnn_lite.events import MOST, Events, in_order, to_equal_frames, to_frames


def stream(seed: int = 0, number: int = 500, size: tuple[int, int] = (5, 7)) -> Events:
    dice = np.random.default_rng(seed)
    return Events(np.sort(dice.uniform(0, 1, number)), dice.integers(0, size[1], number), dice.integers(0, size[0], number),
                  dice.random(number) < 0.5, size)


SEEN = stream()


def test_frames_count_each_event_once_where_and_when_it_was():
    frames = to_frames(SEEN, 4, 1.0, most=MOST)
    slow = np.zeros((4, 2, 5, 7), int)
    for t, x, y, on in zip(SEEN.t_s, SEEN.x, SEEN.y, SEEN.on, strict=True):
        slow[int(t / 0.25), 0 if on else 1, y, x] += 1
    assert np.array_equal(frames, slow) and frames.dtype == np.uint8 and slow.max() > 1


def test_a_bit_says_whether_a_count_is_above_nothing():
    assert np.array_equal(to_frames(SEEN, 4, 1.0), np.minimum(to_frames(SEEN, 4, 1.0, most=MOST), 1))


def test_a_count_stops_at_its_most_instead_of_beginning_anew():
    often = Events(np.zeros(300), np.zeros(300), np.zeros(300), np.ones(300, bool), (1, 1))
    assert to_frames(often, 1, 1.0, most=MOST)[0, 0, 0, 0] == 255
    assert to_frames(often, 1, 1.0, most=7)[0, 0, 0, 0] == 7


def test_frames_hold_what_lies_in_their_time_and_nothing_else():
    edges = Events([-0.1, 0.0, 0.5, 1.0], [0, 1, 2, 3], [0, 0, 0, 0], [True] * 4, (1, 4))
    assert to_frames(edges, 2, 1.0)[:, 0, 0].tolist() == [[0, 1, 0, 0], [0, 0, 1, 0]]


@pytest.mark.parametrize("bins, seconds", [(3, 0.3), (7, 0.1), (49, 0.49)])
def test_an_event_just_before_the_end_stays_in_the_last_frame(bins, seconds):
    last = Events([np.nextafter(seconds, 0)], [0], [0], [True], (1, 1))
    assert np.flatnonzero(to_frames(last, bins, seconds)).tolist() == [2 * (bins - 1)]


def test_frames_of_equal_events_hold_equally_many_and_drop_the_rest():
    frames = to_equal_frames(SEEN, 4, 120, most=MOST)
    assert frames.sum(axis=(1, 2, 3)).tolist() == [120] * 4
    assert np.array_equal(frames[1], to_equal_frames(SEEN.chosen(slice(120, 240)), 1, 120, most=MOST)[0])
    assert to_equal_frames(SEEN, 6, 120, most=MOST).sum(axis=(1, 2, 3)).tolist() == [120] * 4 + [20, 0]


def test_a_window_is_what_happened_in_it_by_a_clock_that_starts_with_it():
    part = SEEN.between(0.25, 0.5)
    inside = (SEEN.t_s >= 0.25) & (SEEN.t_s < 0.5)
    assert np.array_equal(part.t_s, SEEN.t_s[inside] - 0.25) and np.array_equal(part.x, SEEN.x[inside])
    assert np.array_equal(to_frames(part, 1, 0.25, most=MOST)[0], to_frames(SEEN, 4, 1.0, most=MOST)[1])


def test_windows_side_by_side_hold_every_event_once():
    parts = list(SEEN.windows(0.3))
    assert len(parts) == 4 and sum(map(len, parts)) == len(SEEN)
    assert [len(part) for part in SEEN.windows(0.3, 0.15)][::2] == [len(part) for part in parts]


@pytest.mark.parametrize("width_ms", [10, 50, 75, 100, 300])
def test_an_event_on_the_edge_of_two_windows_is_in_one_of_them(width_ms):
    """Five events a window, where decimals of seconds are rounded every way."""
    t = np.arange(5 * 40) * width_ms / 5 * 1000 * 1e-6
    regular = Events(t, np.arange(200), 0 * t, t >= 0, (1, 200))
    for stride_ms, often in ((width_ms, 1), (width_ms / 2, 2)):
        seen = np.bincount(np.concatenate([part.x for part in regular.windows(width_ms * 1e-3, stride_ms * 1e-3)]), minlength=200)
        assert (seen[5:] == often).all()


@pytest.mark.parametrize("bins, microseconds", [(20, 1_500_000), (20, 315_000), (10, 1_000_000), (3, 300_000), (7, 700_000)])
def test_an_event_on_the_edge_of_two_frames_is_in_the_later_one(bins, microseconds):
    t = np.arange(bins) * (microseconds // bins) * 1e-6
    frames = to_frames(Events(t, np.arange(bins), 0 * t, t >= 0, (1, bins)), bins, microseconds * 1e-6)
    assert np.array_equal(frames[:, 0, 0], np.eye(bins))


def test_a_mirror_exchanges_the_sides_and_a_negative_the_signs():
    frames = to_frames(SEEN, 3, 1.0, most=MOST)
    assert np.array_equal(to_frames(SEEN.mirrored(), 3, 1.0, most=MOST), frames[..., ::-1])
    assert np.array_equal(to_frames(SEEN.inverted(), 3, 1.0, most=MOST), frames[:, ::-1])
    assert np.array_equal(SEEN.inverted().sign, -SEEN.sign)


def test_events_in_order_are_the_same_events():
    order = np.random.default_rng(1).permutation(len(SEEN))
    again = in_order(SEEN.t_s[order], SEEN.x[order], SEEN.y[order], SEEN.on[order], SEEN.size)
    assert all(np.array_equal(getattr(again, what), getattr(SEEN, what)) for what in ("t_s", "x", "y", "on"))


def test_silence_is_a_stream_too():
    nothing = Events([], [], [], [], (3, 4))
    assert len(nothing) == 0 and to_frames(nothing, 5, 1.0).shape == (5, 2, 3, 4) and not to_frames(nothing, 5, 1.0).any()
    assert to_equal_frames(nothing, 2, 3).sum() == 0 and [len(part) for part in nothing.windows(1.0)] == [0]


@pytest.mark.parametrize("change, words", [
    ({"t_s": [0.2, 0.1]}, "in order"), ({"t_s": [0.1, np.nan]}, "finite"), ({"x": [0, 3]}, "swapped"), ({"y": [0, -1]}, "swapped"),
    ({"x": [0]}, "got 2, 1, 2 and 2"), ({"x": [0, 0.5]}, "int16 cannot"), ({"x": [0, 70_000]}, "int16 cannot"),
    ({"on": [1, -1]}, "bool cannot"), ({"t_s": [[0.1, 0.2]]}, "one an event"), ({"size": (0, 3)}, "side of the camera"),
    ({"size": (2, 3, 2)}, "height, width"),
])
def test_what_is_no_stream_of_events_is_refused(change, words):
    sound = {"t_s": [0.1, 0.2], "x": [0, 2], "y": [0, 1], "on": [True, False], "size": (2, 3)}
    Events(**sound)
    with pytest.raises(ValueError, match=words):
        Events(**{**sound, **change})


@pytest.mark.parametrize("call, words", [
    (lambda: to_frames(SEEN, 0, 1.0), "bins"), (lambda: to_frames(SEEN, 2, 0.0), "seconds"),
    (lambda: to_frames(SEEN, 2, 1.0, most=256), "most"),
    (lambda: to_equal_frames(SEEN, 2, 0), "events_each"), (lambda: SEEN.between(0.5, 0.5), "begins before"),
    (lambda: list(SEEN.windows(0.0)), "longer than 0"), (lambda: list(SEEN.windows(0.1, np.inf)), "finite"),
    (lambda: to_frames(SEEN, 2, np.inf), "finite"),
    (lambda: in_order([0.2, 0.1], [0, 1, 2], [0, 0], [True, True], (1, 3)), "got 2, 3, 2 and 2"),
    (lambda: in_order([0.2, 0.1, 0.3], [0, 1], [0, 0], [True, True], (1, 3)), "got 3, 2, 2 and 2"),
])
def test_what_is_no_frame_or_window_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
