"""Static against dynamic on a clock: what is timed is what is replayed, and what ships is in a reader's reach."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from dtsnn_lite.__main__ import main
from dtsnn_lite.checkpoints import load_shipped, save_net
from dtsnn_lite.data import digits
from dtsnn_lite.exits import EntropyExit, calibrate, replay
from dtsnn_lite.proofs.throughput import SCORES, Timed, keep, measure, shipped_throughput
from dtsnn_lite.recording import shipped


def test_what_is_timed_stops_when_its_replay_does():
    test, seen = digits().test, shipped("digits-test")
    found = measure(load_shipped("digits"), test, shipped("digits-calibration"), {1: 5, 8: 64}, rounds=1)
    assert list(found) == ["mean, batch 1", "mean, batch 8", "sum, batch 1", "sum, batch 8"]
    for score, gamma in SCORES.items():
        policy = calibrate(shipped("digits-calibration"), EntropyExit, max_drop=0.0, gamma=gamma)
        for batch, images in ((1, 5), (8, 64)):
            timed = found[f"{score}, batch {batch}"]
            assert timed.images == images and timed.static_ms > 0 and timed.dynamic_ms > 0
            assert timed.mean_timesteps == replay(seen, policy).t_hat[:images].mean()


def test_a_device_is_added_and_the_others_stay(tmp_path):
    one, other = Timed(4.0, 2.0, 1.5, 10), Timed(8.0, 6.0, 1.5, 10)
    keep({"sum, batch 1": one}, "a", tmp_path / "t.json")
    keep({"sum, batch 1": other}, "b", tmp_path / "t.json")
    assert keep({"sum, batch 1": replace(other, images=9)}, "b", tmp_path / "t.json") == json.loads((tmp_path / "t.json").read_text())
    assert set(json.loads((tmp_path / "t.json").read_text())) == {"a", "b"} and (one.ratio, other.ratio) == (0.5, 0.75)


def test_the_command_times_the_network_of_a_folder(tmp_path, capsys):
    save_net(load_shipped("digits"), tmp_path / "digits.safetensors", {})
    shipped("digits-calibration").save(tmp_path / "digits-calibration.npz")
    command = ["throughput", "digits", "--folder", str(tmp_path), "--images", "3", "64", "--rounds", "1", "--json"]
    assert main(command) == 0
    (found,) = json.loads(capsys.readouterr().out).values()
    assert found["sum, batch 64"]["images"] == 64 and (tmp_path / "digits-throughput.json").exists()


def test_the_shipped_times_are_of_the_rules_that_the_recordings_replay():
    seen, calibration = shipped("cifar10-vgg16-test"), shipped("cifar10-vgg16-calibration")
    times = shipped_throughput("cifar10-vgg16")
    assert {"NVIDIA H200", "CPU (x86_64)"} <= set(times)
    for found in times.values():
        for score, gamma in SCORES.items():
            run = replay(seen, calibrate(calibration, EntropyExit, max_drop=0.0, gamma=gamma))
            for batch in (1, 64):
                timed = found[f"{score}, batch {batch}"]
                assert timed.mean_timesteps == pytest.approx(run.t_hat[:timed.images].mean(), abs=0.01)
                assert 0.2 < timed.ratio < 1                        # stopping pays on each, an image at a time too


def test_a_network_that_nobody_timed_is_named():
    with pytest.raises(FileNotFoundError, match="nobody timed 'digits'; there are .*cifar10-vgg16"):
        shipped_throughput("digits")
