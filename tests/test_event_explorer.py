"""The event player: its bytes by hand, what it ships against the package's own replay, and JavaScript = Python."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from dtsnn_lite.checkpoints import load_shipped
from dtsnn_lite.cost import ExitCheckCost, StepCost
from dtsnn_lite.encoding import events
from dtsnn_lite.event_sets import CAMERA, PEOPLE, gesture_split
from dtsnn_lite.events import Events, to_frames
from dtsnn_lite.exits import EntropyExit, calibrate, entropy, evidence, replay
from dtsnn_lite.gestures import GESTURES, SECONDS, watch_gesture
from dtsnn_lite.inference import record
from dtsnn_lite.recording import Recording, shipped
from dtsnn_lite.widgets.event_explorer import (BARS, GAMMAS, SLICES, THETAS, Clips, EventPlayer, bar_codes, exit_steps, gaps, near,
                                               player_rows, sliced, two_of_each)
from tests.test_widgets import needs_node

PRICES = {"one": (StepCost(1000.0, 40_000.0, 0.0, 112.0), ExitCheckCost(900.0, 10.0)),
          "two": (StepCost(0.0, 1.5, 0.0, 1.0), ExitCheckCost(0.2, 1.0))}
ENDS = SLICES * 20


@cache
def gestures() -> Clips:
    """The clips of the chapter: two of each gesture of the shipped test recording."""
    seen, held_out = shipped("gestures-test"), shipped("gestures-calibration")
    mean, total = (calibrate(held_out, EntropyExit, max_drop=0.0, gamma=gamma) for gamma in (0, 1))
    numbers = two_of_each(seen, total)
    films = [watch_gesture(int(seen.labels[n]), CAMERA, PEOPLE["test"] + int(n)) for n in numbers]
    return Clips(seen, numbers, films, GESTURES, SECONDS, (mean.theta, total.theta), PRICES)


@cache
def few(seed: int = 0, size: tuple[int, int] = (5, 7), T: int = 20) -> Clips:
    """Noise seen by a small camera that is no square."""
    dice, N, K = np.random.default_rng(seed), 40, 4
    f = dice.normal(0, 1, (T, N, K)).cumsum(axis=0) / np.arange(1, T + 1)[:, None, None] + 2 * np.eye(K)[np.arange(N) % K]
    seen = Recording(f, np.arange(N) % K, np.full((T, 2), 0.1))
    high, wide = size
    streams = [Events(np.sort(dice.uniform(0, 0.4, E)), dice.integers(0, wide, E), dice.integers(0, high, E), dice.random(E) < 0.5, size)
               for E in (90, 60, 75)]
    return Clips(seen, dice.permutation(N)[:3], streams, ("ash", "beech", "cedar", "dogwood"), 0.4, (0.1, 1e-3), PRICES)


def player(seed: int = 0, **state) -> EventPlayer:
    return EventPlayer({"few": few(seed)}, **state)


# --- what is sent ----------------------------------------------------------------------

def test_gaps_by_hand():
    assert gaps(np.array([1, 0, 0, 1])).tolist() == [0, 2] and gaps(np.zeros(900)).tolist() == []
    assert gaps(np.array([0] * 254 + [1])).tolist() == [254]
    assert gaps(np.array([0] * 255 + [1])).tolist() == [255, 0]
    assert gaps(np.array([0] * 511 + [1, 1])).tolist() == [255, 255, 1, 0]


def test_a_window_of_the_network_is_what_its_slices_hold():
    clips = gestures()
    windows = sliced(clips).reshape(len(clips.numbers), 20, SLICES, 2, 32, 32).max(axis=2)
    assert np.array_equal(windows, np.stack([to_frames(film, 20, SECONDS) for film in clips.events]))


def test_the_clips_are_the_shipped_recordings():
    clips = gestures()
    first = clips.numbers[clips.numbers < 11]
    assert first.tolist() == list(range(11)), "the first of each gesture"
    frames = gesture_split("test", 11).images
    assert np.array_equal(np.stack([to_frames(film, 20, SECONDS) for film in clips.events[::2]]), frames.numpy())
    films = torch.from_numpy(np.stack([to_frames(film, 20, SECONDS) for film in clips.events])).float()
    again = record(load_shipped("gestures"), films, clips.seen.labels[clips.numbers], timesteps=20, coding=events)
    assert np.allclose(again.f, clips.seen.f[:, clips.numbers], atol=1e-3), "what the shipped network says of these very events"
    assert np.array_equal(again.predictions, clips.seen.predictions[:, clips.numbers])


def test_two_of_each_by_hand():
    f = np.zeros((2, 7, 2))
    f[0, :, 0] = [9, 9, 1, 9, 9, 1, 9]                      # who is sure at once
    f[1, :, 0] = 9
    f[:, 5] = f[:, 5, ::-1]                                 # says class 1, as it should
    seen = Recording(f, np.array([0, 0, 0, 0, 1, 1, 1]), np.zeros((2, 1)))
    assert two_of_each(seen, EntropyExit(0.1)).tolist() == [0, 1, 4, 6], "class 0 has no error; of class 1 it is 4, the first, and 6"
    f[0, 1] = 0
    assert two_of_each(Recording(f, seen.labels, seen.spike_rates), EntropyExit(0.1)).tolist() == [0, 3, 4, 6], "1 and 2 wait"
    with pytest.raises(ValueError, match="class 1 has one"):
        two_of_each(seen.subset(np.array([0, 1, 4])), EntropyExit(0.1))


def test_the_clips_hold_right_and_wrong_answers_of_every_gesture():
    clips = gestures()
    assert np.array_equal(np.bincount(clips.seen.labels[clips.numbers]), np.full(11, 2))
    right = replay(clips.seen, EntropyExit(clips.thetas[1], gamma=1)).correct[clips.numbers]
    assert right[::2].any() and (~right[1::2]).sum() >= 5


@pytest.mark.parametrize("make", [gestures, few])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_the_exits_that_are_sent_are_those_of_the_replay_at_every_place_of_the_bar(make, gamma):
    seen = make().seen
    codes = bar_codes(seen, float(gamma))
    for place, theta in enumerate(THETAS):
        assert np.array_equal(exit_steps(codes, place), replay(seen, EntropyExit(theta, float(gamma))).t_hat), theta


def test_the_bar_begins_where_calibration_put_it():
    clips = gestures()
    for gamma, theta in zip(GAMMAS, clips.thetas, strict=True):
        assert abs(np.log10(theta) + near(theta)) <= 0.05
        assert EventPlayer({"gestures": clips}, gamma=gamma).bar == near(theta)


def test_the_clock_begins_where_the_network_leaves():
    clips = gestures()
    shown = EventPlayer({"gestures": clips}, clip="7")
    assert shown.clock == SLICES * replay(clips.seen, EntropyExit(10 ** -shown.bar, gamma=1)).t_hat[clips.numbers[6]] < ENDS


def test_a_second_set_is_played_with_a_bar_of_its_own():
    other = replace(few(3), thetas=(0.5, 1e-5), cost_models={"three": PRICES["one"]})
    shown = EventPlayer({"few": few(), "other": other}, recording="other")
    assert (shown.bar, shown.chip) == (5.0, "three") and [each["name"] for each in shown.data["sets"]] == ["few", "other"]
    with pytest.raises(ValueError, match="recording is one of 'few', 'other'"):
        EventPlayer({"few": few(), "other": other}, recording="third")


def test_the_players_clips_weigh_little():
    assert len(EventPlayer({"gestures": gestures()}).bytes) < 70_000


def test_the_rows_are_the_replays():
    clips, theta = few(), 10 ** -1.5
    run = replay(clips.seen, EntropyExit(theta, gamma=1))
    t, rows = int(run.t_hat[clips.numbers[2]]), player_rows(clips, 2, 1.0, 1.5, "one")
    assert rows[1][1:3] == [f"{20 * t:.0f} ms", "400 ms"] and rows[3][1] == f"{100 * run.accuracy:.1f} %"
    assert rows[2][1] == f"{(1000 + 40_000 * t + 900 * min(t, 20)) / 1e3:.0f} nJ" and rows[2][2] == "801 nJ"
    assert rows[4][1] == f"{20 * run.t_hat.mean():.0f} ms"


def test_the_chapter_tells_what_its_clips_do():
    clips = gestures()
    seen, (mean, total) = clips.seen, (replay(clips.seen, EntropyExit(10 ** -near(clips.thetas[gamma]), gamma)) for gamma in (0, 1))
    circle, hasty = clips.numbers[[6, 13]]
    assert GESTURES[seen.labels[circle]] == "right arm clockwise" and GESTURES[seen.predictions[0, circle]] == "right arm counter-clockwise"
    assert SLICES * total.t_hat[circle] == 60 and total.correct[circle]
    assert mean.t_hat[circle] == 20 and entropy(seen.f[-1, circle]) > 10 ** -near(clips.thetas[0])
    assert SLICES * total.t_hat[hasty] == 65 and not total.correct[hasty] and not seen.correct[-1, hasty]


# --- JavaScript = Python ------------------------------------------------------------------

def in_node(tmp_path, script: str, golden: object):
    (tmp_path / "module.mjs").write_text(EventPlayer._esm, "utf8")
    (tmp_path / "golden.json").write_text(json.dumps(golden), "utf8")
    (tmp_path / "script.mjs").write_text(f"""
      import {{ readFileSync }} from "node:fs";
      import {{ places, playerRows, small, unpacked }} from "./module.mjs";
      const golden = JSON.parse(readFileSync(new URL("golden.json", import.meta.url)));
      {script}""", "utf8")
    done = subprocess.run(["node", tmp_path / "script.mjs"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_node
def test_the_pages_rows_are_pythons_at_every_place_of_the_bar(tmp_path):
    cases = []
    for clips in (few(0), few(1, size=(3, 4)), gestures()):
        shown, some = EventPlayer({"set": clips}), range(len(clips.numbers))
        states = [{"clip": (7 * n) % len(some), "gamma": gamma, "bar": bar, "chip": chip}
                  for gamma in GAMMAS for chip in PRICES for n, bar in enumerate(BARS[::1 if len(some) < 9 else 4])]
        expected = [player_rows(clips, state["clip"], float(state["gamma"]), state["bar"], state["chip"]) for state in states]
        cases.append({"data": shown.data, "bytes": list(shown.bytes), "states": states, "expected": expected})
    assert in_node(tmp_path, """
      console.log(JSON.stringify(golden.flatMap(({ data, bytes, states, expected }) => {
        const set = unpacked(data.sets[0], data.slices, Uint8Array.from(bytes));
        return states.flatMap((state, n) => {
          const found = playerRows(set, state);
          return JSON.stringify(found) === JSON.stringify(expected[n]) ? [] : [[state, found, expected[n]]];
        });
      }).slice(0, 3)));""", cases) == []


@needs_node
def test_the_page_plays_every_event_in_its_slice(tmp_path):
    clips = [few(2), gestures()]
    shown = [EventPlayer({"set": each}) for each in clips]
    found = in_node(tmp_path, """
      console.log(JSON.stringify(golden.map(({ data, bytes }) => unpacked(data.sets[0], data.slices, Uint8Array.from(bytes)).spoke)));""",
                    [{"data": each.data, "bytes": list(each.bytes)} for each in shown])
    for each, spoke in zip(clips, found, strict=True):
        bits = sliced(each)
        assert [[np.flatnonzero(one).tolist() for one in film] for film in bits] == spoke


@needs_node
def test_the_opinions_that_the_page_draws_are_those_of_the_recording(tmp_path):
    clips = gestures()
    shown = EventPlayer({"set": clips})
    found = in_node(tmp_path, """
      const set = unpacked(golden.data.sets[0], golden.data.slices, Uint8Array.from(golden.bytes));
      console.log(JSON.stringify(set.labels.map((_, clip) => set.means(clip).map((f) => [...f]))));""",
                    {"data": shown.data, "bytes": list(shown.bytes)})
    assert np.array_equal(np.array(found, dtype=np.float32), np.moveaxis(clips.seen.f[:, clips.numbers], 1, 0))
    scores = entropy(evidence(clips.seen.f[:, clips.numbers], 1))
    assert (scores < 1e-9).any() and (scores > 0.1).any(), "drawn over many decades"


@needs_node
def test_a_small_number_has_one_digit_before_the_point(tmp_path):
    values = [9.96e-5, 9.94e-5, 1e-12, 9.999e-10, 6.31e-10, 9.94e-4, 0.000996, 0.0372, 1]
    power = {sign: chr(code) for sign, code in zip("-0123456789", (0x207b, 0x2070, 0xb9, 0xb2, 0xb3, *range(0x2074, 0x207a)), strict=True)}
    said = [f"{one:.1e}".split("e") for one in values[:6]]
    expected = [f"{digits} \u00d7 10{''.join(power[sign] for sign in str(int(exponent)))}" for digits, exponent in said]
    assert in_node(tmp_path, "console.log(JSON.stringify(golden.map(small)));", values) == [*expected, "0.0010", "0.037", "1.00"]


# --- bad input ------------------------------------------------------------------------------

def test_bad_input_to_the_player_is_refused_with_a_reason():
    clips = few()
    with pytest.raises(ValueError, match="3 numbers and 2 streams"):
        replace(clips, events=clips.events[:2])
    with pytest.raises(ValueError, match="each of the 4 classes has a name; got 1"):
        replace(clips, names=("ash",))
    with pytest.raises(ValueError, match="one camera saw all clips"):
        replace(clips, events=[*clips.events[:2], few(1, size=(3, 4)).events[0]])
    with pytest.raises(ValueError, match="cost_models is empty"):
        replace(clips, cost_models={})
    with pytest.raises(ValueError, match="no clips to play"):
        EventPlayer({})
    with pytest.raises(ValueError, match="equally many windows each"):
        EventPlayer({"a": clips, "b": few(3, T=5)})
    for wrong, words in (({"clip": "4"}, "clip is one of"), ({"gamma": "2"}, "gamma is one of"), ({"chip": "three"}, "chip is one of"),
                         ({"width": "7"}, "width is one of"), ({"clock": 101}, "clock lies in"), ({"bar": 13.0}, "theta lies in")):
        with pytest.raises(ValueError, match=words):
            player(**wrong)
