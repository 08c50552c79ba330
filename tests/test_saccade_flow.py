"""What the flow network says of real recordings: windows, measured motion and files, at a tiny scale and on simulated recordings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dtsnn_lite import __main__ as command
from dtsnn_lite.events import Events
from dtsnn_lite.flow import endpoint_error, flows, shipped_flow_net
from dtsnn_lite.flow_recording import FlowRecording
from dtsnn_lite.proofs import saccade_flow
from dtsnn_lite.proofs.saccade_flow import (WINDOWS_S, _clips, alone, mean_arrows, saccades, shared_motion, simulated_saccades,
                                            true_motion)


@pytest.fixture(scope="module")
def streams() -> list[Events]:
    return simulated_saccades(8)


def packed(events: Events) -> bytes:
    """A file of N-MNIST: 5 bytes an event."""
    time = np.round(1e6 * events.t_s).astype(int)
    rows = np.stack([events.x, events.y, (events.on.astype(int) << 7) | (time >> 16), (time >> 8) & 255, time & 255], axis=1)
    return rows.astype(np.uint8).tobytes()


@pytest.fixture(scope="module")
def home(streams, tmp_path_factory) -> Path:
    """A user's N-MNIST: five recordings of Train and three of Test."""
    folder = tmp_path_factory.mktemp("data")
    for n, stream in enumerate(streams):
        split, number = ("Train", n + 1) if n < 5 else ("Test", n - 4)
        (folder / "N-MNIST" / split / str(n)).mkdir(parents=True)
        (folder / "N-MNIST" / split / str(n) / f"{number:05d}.bin").write_bytes(packed(stream))
    return folder


@pytest.mark.parametrize("window", WINDOWS_S)
def test_the_motion_of_simulated_recordings_is_found_to_a_sixth(streams, window):
    found, true = np.array(shared_motion(streams, window)), np.array(true_motion(window))
    assert np.hypot(*(found - true)) < np.hypot(*true) / 6, (found, true)


def test_the_middle_of_a_jump_is_most_of_it():
    jumps = [np.hypot(*jump) for jump in saccade_flow.SACCADES]
    assert all(0.6 < np.hypot(*true_motion(window)) / jump < 0.8 for window, jump in zip(WINDOWS_S, jumps, strict=True))


def test_a_clip_is_the_windows_events_in_equal_bins_without_the_rim(streams):
    clips = _clips(streams, WINDOWS_S[1], (2.0, -5.0))
    assert clips.frames.shape == (8, 5, 2, 32, 32) and (clips.flow[:, 0] == 2).all() and (clips.flow[:, 1] == -5).all()
    begin, end = WINDOWS_S[1]
    by_hand = np.zeros((5, 2, 34, 34), np.uint8)
    for t, x, y, on in zip(streams[3].t_s, streams[3].x, streams[3].y, streams[3].on, strict=True):
        if begin <= t < end:
            by_hand[int((t - begin) / (end - begin) * 5), 0 if on else 1, y, x] = 1
    assert (clips.frames[3].numpy() == by_hand[..., 1:33, 1:33]).mean() > 0.9999       # an event on the border of two bins may round


def test_a_mean_arrow_is_that_of_the_pixels_that_spoke(streams):
    net, clips = shipped_flow_net(), _clips(streams[:2], WINDOWS_S[0], (2.6, 5.2))
    f = flows(net, clips.frames, 5)
    by_hand = [[f[t, n][:, clips.spoken[n]].mean(dim=1).tolist() for n in range(2)] for t in range(5)]
    assert mean_arrows(net, clips.frames, clips.spoken) == pytest.approx(np.array(by_hand), abs=1e-4)


def test_who_sees_one_recording_is_as_far_off_as_his_own_motion(streams):
    window, motion = WINDOWS_S[2], true_motion(WINDOWS_S[2])
    by_hand = [np.hypot(*(np.array(shared_motion([stream], window)) - motion)) for stream in streams[:3]]
    assert alone(streams[:3], window, motion) == pytest.approx(by_hand)


def test_one_command_asks_about_a_users_recordings(home, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DTSNN_DATA", str(home))
    monkeypatch.setattr(saccade_flow, "ASKED", 4)
    monkeypatch.setattr(saccade_flow, "SIMULATED", 2)
    assert command.main(["flow", "--saccades", "--out", str(tmp_path), "--json"]) == 0
    made, told = json.loads((tmp_path / "saccades.json").read_text()), json.loads(capsys.readouterr().out)
    assert made["recordings"] == {"measured": 3, "asked": 4, "simulated": 2} and made["windows"] == told["windows"]
    net, asked = shipped_flow_net(), saccade_flow.first_recordings(home / "N-MNIST" / "Train", 4)
    for n, window in enumerate(WINDOWS_S):
        seen = FlowRecording.load(tmp_path / f"flow-saccade-{n + 1}-test.npz")
        clips = _clips(asked, window, tuple(made["windows"][n]["measured"]))
        error = endpoint_error(flows(net, clips.frames, 5), clips.flow, clips.spoken)
        assert np.allclose(seen.error, error.numpy(), atol=0.01) and seen.fields.shape[1] == 0
        assert seen.zero == pytest.approx(np.hypot(*made["windows"][n]["measured"]), abs=0.01)


def test_without_the_recordings_one_is_told_where_they_belong(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DTSNN_DATA", str(tmp_path))
    assert command.main(["flow", "--saccades", "--out", str(tmp_path)]) == 2
    assert "N-MNIST" in capsys.readouterr().err


def test_what_ships_is_whole():
    shipped = saccades()
    assert [(each.window.begin_s, each.window.end_s) for each in shipped] == [*WINDOWS_S]
    for each in shipped:
        assert each.seen.error.shape == each.arrow.shape == (5, len(each.alone)) and len(each.alone) >= 100
        assert each.seen.zero == pytest.approx(np.hypot(*each.window.measured), abs=0.01)
        assert each.window.true == pytest.approx(true_motion((each.window.begin_s, each.window.end_s)))
        assert (each.arrow <= each.seen.error + 0.02).all(), "a mean arrow is no farther off than the arrows on average"


def test_how_far_the_chapter_trusts_what_was_measured():
    """Simulated motion is found to little more than a tenth; real motion lies a tenth to a quarter of its length beside the jumps."""
    for each, jump in zip(saccades(), np.array(saccade_flow.SACCADES), strict=True):
        x, y = each.window.measured
        beside = abs(x * jump[1] - y * jump[0]) / np.hypot(*jump) / np.hypot(x, y)
        simulated, true = np.array(each.window.simulated), np.array(each.window.true)
        assert np.hypot(*(simulated - true)) < 0.12 * np.hypot(*true) and 0.1 < beside < 0.25
        assert each.alone.mean() < 1 and 0.24 < (each.alone >= 1).mean() < 0.4


def test_pixels_that_did_not_speak_do_not_count(streams):
    clips = _clips(streams[:2], WINDOWS_S[0], (1.0, 1.0))
    assert torch.equal(clips.spoken, clips.frames.amax(dim=(1, 2)) > 0) and 0 < clips.spoken.float().mean() < 0.7
