"""The flow viewer: its bytes by hand, and JavaScript = Python."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from dtsnn_lite.flow_recording import FlowRecording
from dtsnn_lite.widgets.flow_explorer import FlowViewer, blocks, flow_rows
from tests.test_widgets import needs_node

T, M, SIDE = 3, 2, 12


def recorded(seed: int = 0, clips: int = 5) -> FlowRecording:
    dice = np.random.default_rng(seed)
    error = dice.gamma(2, 1, (T, clips))
    one = np.ones((T, 1)) / 2
    return FlowRecording(error, error, error, dice.gamma(2, 2, clips), dice.normal(0, 4, (T, M, 2, SIDE, SIDE)), one, one)


def viewer(seed: int = 0, **state) -> FlowViewer:
    dice, seen = np.random.default_rng(seed + 100), recorded(seed)
    frames, flow = dice.random((M, T, 2, SIDE, SIDE)) < 0.2, dice.normal(0, 5, (M, 2, SIDE, SIDE))
    return FlowViewer(seen, frames, flow, {"zero flow": seen.zero[:M], "another": seen.error[0, :M]}, **state)


def test_a_block_is_the_mean_of_four_pixels_in_eighths():
    flow = np.zeros((2, 4, 4))
    flow[0, :2, :2] = [[1, 2], [3, 4]]
    flow[1, 2, 2] = -1
    assert blocks(flow)[0].tolist() == [[20, 0], [0, 0]] and blocks(flow)[1].tolist() == [[0, 0], [0, -2]]
    assert blocks(np.full((2, 2, 2), 99.0)).tolist() == [[[127]], [[127]]]


def test_the_rows_are_the_recordings_errors_and_the_fields_under_the_cursor():
    shown, seen = viewer(), recorded()
    rows = flow_rows(shown.data, shown.bytes, clip=1, t=2, x=3, y=4)
    assert rows[:2] == [["the network so far", f"{seen.error[1, 1]:.2f}"], ["zero flow", f"{seen.zero[1]:.2f}"]]
    mean = seen.fields[1, 1, :, 8:10, 6:8].astype(float).mean(axis=(1, 2))
    assert [float(cell.replace("\u2212", "-")) for cell in rows[-2][1:]] == pytest.approx(mean, abs=1 / 16 + 0.006)


def test_a_viewer_ships_little():
    seen = recorded()
    fields = np.zeros((5, 8, 2, 32, 32))
    wide = replace(seen, error=np.ones((5, 8)), everywhere=np.ones((5, 8)), moved=np.ones((5, 8)), zero=np.ones(8), fields=fields,
                   densities=np.ones((5, 1)), awake=np.ones((5, 1)))
    shown = FlowViewer(wide, np.zeros((8, 5, 2, 32, 32)), np.zeros((8, 2, 32, 32)), {})
    assert len(shown.bytes) == 8 * (6 * 2 * 16 * 16 + 5 * 2 * 32 * 32 // 8) < 36_000


@needs_node
def test_the_pages_rows_are_pythons_at_every_state(tmp_path):
    (tmp_path / "module.mjs").write_text(FlowViewer._esm, "utf8")
    cases = []
    for seed in (0, 1, 2):
        shown = viewer(seed)
        states = [{"clip": clip, "t": t, "x": x, "y": y} for clip in range(M) for t in range(1, T + 1) for x in range(6) for y in (0, 2, 5)]
        cases.append({"data": shown.data, "bytes": list(shown.bytes), "states": states,
                      "expected": [flow_rows(shown.data, shown.bytes, **state) for state in states]})
    (tmp_path / "script.mjs").write_text(f"""
      import {{ flowRows, unpacked }} from "./module.mjs";
      const faults = {json.dumps(cases)}.flatMap(({{ data, bytes, states, expected }}) => states.flatMap((state, n) => {{
        const found = flowRows(data, unpacked(data, new Uint8Array(bytes)), state);
        return JSON.stringify(found) === JSON.stringify(expected[n]) ? [] : [[state, found, expected[n]]];
      }}));
      console.log(JSON.stringify(faults.slice(0, 3)));""", "utf8")
    done = subprocess.run(["node", tmp_path / "script.mjs"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


@needs_node
def test_the_page_sees_the_events_where_they_are(tmp_path):
    (tmp_path / "module.mjs").write_text(FlowViewer._esm, "utf8")
    shown = viewer(5)
    frames = np.random.default_rng(105).random((M, T, 2, SIDE, SIDE)) < 0.2
    (tmp_path / "script.mjs").write_text(f"""
      import {{ unpacked }} from "./module.mjs";
      const data = {json.dumps(shown.data)}, of = unpacked(data, new Uint8Array({json.dumps(list(shown.bytes))})), found = [];
      for (let m = 0; m < {M}; m++) for (let t = 0; t < {T}; t++) for (let s = 0; s < 2; s++)
        for (let y = 0; y < {SIDE}; y++) for (let x = 0; x < {SIDE}; x++) found.push(of.spoke(m, t, s, x, y));
      console.log(JSON.stringify(found));""", "utf8")
    done = subprocess.run(["node", tmp_path / "script.mjs"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == frames.astype(int).ravel().tolist()


def test_bad_input_to_the_viewer_is_refused_with_a_reason():
    seen = recorded()
    with pytest.raises(ValueError, match="keeps 2 clips"):
        FlowViewer(seen, np.zeros((3, T, 2, SIDE, SIDE)), np.zeros((2, 2, SIDE, SIDE)), {})
    with pytest.raises(ValueError, match="clip lies in 1 to 2 and t in 1 to 3; got 3 and 3"):
        viewer(clip=3)
    with pytest.raises(ValueError, match="one clip or more"):
        FlowViewer(replace(seen, fields=np.zeros((T, 0, 2, SIDE, SIDE))), np.zeros((0, T, 2, SIDE, SIDE)), np.zeros((0, 2, SIDE, SIDE)), {})
