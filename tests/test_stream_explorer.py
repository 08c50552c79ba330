"""The stream explorer: queues by hand, and JavaScript = Python."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest

from dtsnn_lite.cost import ExitCheckCost, StepCost
from dtsnn_lite.exits import EntropyExit, replay
from dtsnn_lite.recording import shipped
from dtsnn_lite.widgets.live_explorer import one_of_each
from dtsnn_lite.widgets.quantities import ratio
from dtsnn_lite.widgets.stream_explorer import StreamExplorer, lane, stream_rows
from tests.test_widgets import AFFINE, CHIPS, RECORDINGS, needs_node

TEN = RECORDINGS[0].subset(np.arange(20, 30))


def test_a_queue_by_hand():
    served = lane(np.array([4.0, 1.0, 1.0, 2.0]), spacing_ns=2.0)
    assert served.starts.tolist() == [0, 4, 5, 6] and served.leaves.tolist() == [4, 5, 6, 8]
    assert served.delays_ns.tolist() == [4, 3, 2, 2] and served.a_digit_ns == 8 / 4


@pytest.mark.parametrize("seed", range(5))
def test_nobody_overtakes_and_the_lane_never_runs_two(seed):
    runs = np.random.default_rng(seed).uniform(0.1, 4, 50)
    served = lane(runs, spacing_ns=1.5)
    assert (served.starts >= served.arrives).all() and (served.starts[1:] >= served.leaves[:-1]).all()
    idle = served.starts[1:] > served.leaves[:-1]
    assert np.array_equal(served.starts[1:][idle], served.arrives[1:][idle]), "it idles only until the next one arrives"


def test_shorter_runs_never_make_anybody_wait_longer():
    runs = np.random.default_rng(7).uniform(1, 4, 50)
    assert (lane(runs / 2, 1.5).delays_ns <= lane(runs, 1.5).delays_ns).all()


def test_a_bar_that_never_stops_pays_the_checks_and_wins_nothing():
    rows = stream_rows(TEN, 0.0, 2.0, StepCost(1.0, 5.0, 0.0, 100.0), ExitCheckCost(1.0, 10.0))
    assert rows[0][1] == rows[0][2] and rows[1][3] == ratio(440 / 400)
    assert rows[3][3] == ratio((10 * 440 - 9 * 200) / (10 * 400 - 9 * 200)), "the last of ten has waited for nine, who came 200 ns apart"


@needs_node
def test_the_pages_stream_is_pythons_at_many_states(tmp_path):
    (tmp_path / "module.mjs").write_text(StreamExplorer._esm, "utf8")
    cases = []
    for seen in (TEN, RECORDINGS[1], RECORDINGS[3]):
        for costs in CHIPS.values():
            widget = StreamExplorer(seen, *costs)
            states = [{"theta": theta, "spacing": spacing} for theta in (0, 0.1, 0.35, 0.8, 1) for spacing in (0.5, 1.3, 4)]
            expected = [stream_rows(seen, **state, step=costs[0], check=costs[1]) for state in states]
            cases.append({"data": widget.data, "codes": list(widget.bytes), "states": states, "expected": expected})
    (tmp_path / "script.mjs").write_text(f"""
      import {{ stream, streamRows }} from "./module.mjs";
      const faults = {json.dumps(cases)}.flatMap(({{ data, codes, states, expected }}) => states.flatMap((state, n) => {{
        const found = streamRows(data, stream(data, codes, state));
        return JSON.stringify(found) === JSON.stringify(expected[n]) ? [] : [[state, found, expected[n]]];
      }}));
      console.log(JSON.stringify(faults.slice(0, 3)));""", "utf8")
    done = subprocess.run(["node", tmp_path / "script.mjs"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_the_first_page_tells_what_its_queue_does():
    ten = shipped("digits-test").subset(one_of_each(shipped("digits-test"), np.zeros((1000, 28, 28), np.uint8), theta=0.2).numbers)
    check_share = 1.01                                                          # a check takes far less of a timestep than this
    ours, theirs = lane(check_share * replay(ten, EntropyExit(0.2)).t_hat, 3.0), lane(np.full(10, 4.0), 3.0)
    assert (np.diff(theirs.delays_ns) > 0).all(), "the queue grows with every digit"
    assert (ours.starts[5:] == ours.arrives[5:]).any(), "it empties again"


def test_bad_input_to_the_stream_explorer_is_refused_with_a_reason():
    with pytest.raises(ValueError, match="spacing lies in"):
        StreamExplorer(TEN, *AFFINE, spacing=9.0)
    with pytest.raises(ValueError, match="theta lies in"):
        StreamExplorer(TEN, *AFFINE, theta=2.0)
    with pytest.raises(ValueError, match="a timestep takes time"):
        StreamExplorer(TEN, StepCost(0, 1, 0, 0), ExitCheckCost(1, 1))
