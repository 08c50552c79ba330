"""The pipeline explorer: by hand, against a simulation that moves one thing at a time, and JavaScript = Python."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest

from dtsnn_lite.widgets.pipeline_explorer import ORDERS, PipelineExplorer, Stages, passes, pipeline_rows, timing
from tests.test_widgets import needs_node

TWO = Stages(("a", "b"), (3.0, 1.0), 0.5)
CHIPS = {"two": TWO, "other": Stages(("a", "b"), (1.0, 4.0), 0.0)}


def some_cases(count: int) -> list[tuple[Stages, list[int], int, str, bool]]:
    """Whole numbers, so that a tie is one."""
    dice, cases = np.random.default_rng(0), []
    for _ in range(count):
        layers, T = int(dice.integers(1, 6)), int(dice.integers(1, 6))
        stages = Stages(tuple("abcdef"[:layers]), tuple(dice.integers(1, 9, layers).astype(float).tolist()), float(dice.integers(0, 4)))
        exits = dice.integers(1, T + 1, dice.integers(1, 7)).tolist()
        cases.append((stages, exits, T, str(dice.choice(list(ORDERS))), bool(dice.integers(2))))
    return cases


def simulated(stages: Stages, exits: list[int], timesteps: int, order: str, stopping: bool) -> list[tuple[float, int, int, int, float]]:
    """The same pipeline as a clock of whole ticks that moves what can move: (start, layer, image, step, end), sorted.

    A layer is a worker with a queue in front of it; the first one also asks who may enter.
    """
    L, lengths = len(stages.times_ns), [t if stopping and order != "layer" else timesteps for t in exits]
    packs = [1 if order == "layer" else length for length in lengths]      # what enters, of each image
    size = timesteps if order == "layer" else 1
    queues: list[list[tuple[int, int]]] = [[] for _ in range(L)]
    working: list[tuple[int, int, float] | None] = [None] * L
    ready, sent, left = [0.0] * len(exits), [0] * len(exits), [0] * len(exits)      # when the next may enter; how many entered and left
    held: list[tuple[float, int]] = []                                     # looks at the score: when it is over, of which image
    log, now = [], 0.0
    while sum(left) < sum(packs):
        for layer, busy in enumerate(working):
            if busy and busy[2] == now:
                image, step, _ = busy
                working[layer] = None
                if layer + 1 < L:
                    queues[layer + 1].append((image, step))
                else:
                    left[image] += 1
                    held.append((now + stages.check_ns, image))
                if layer == 0 and not stopping:
                    ready[image] = now
        for over, image in [each for each in held if each[0] <= now]:
            held.remove((over, image))
            if stopping:
                ready[image] = over
        if working[0] is None:
            may = [image for image, length in enumerate(packs) if sent[image] < length and ready[image] <= now]
            if order != "stream":                                          # only the first one that is not through
                first = next((image for image, length in enumerate(packs) if sent[image] < length), 0)
                there = any(left[image] < packs[image] for image in range(first)) or any(image < first for _, image in held)
                may = [first] if first in may and not (order == "timestep" and stopping and there) else []
            if may:
                queues[0].append((may[0], sent[may[0]]))
                sent[may[0]] += 1
                ready[may[0]] = np.inf
                if order == "layer":
                    ready[may[0]] = 0.0
        for layer, queue in enumerate(queues):
            if queue and working[layer] is None:
                image, step = queue.pop(0)
                end = now + size * stages.times_ns[layer]
                working[layer] = image, step, end
                log.append((now, layer, image, step + 1, end))
        now += 1.0
    return sorted(log)


def test_two_layers_by_hand():
    a, b, c = passes(TWO, [2, 1], 2, "timestep", True)
    assert (a.starts, a.ends) == ((0, 3), (3, 4)), "the first step of the first image"
    assert (b.starts, b.ends) == ((4.5, 7.5), (7.5, 8.5)), "its second waits until the score was looked at"
    assert (c.image, c.starts, c.ends) == (1, (9, 12), (12, 13)), "one image at a time"
    streamed = passes(TWO, [2, 1], 2, "stream", True)
    assert [(each.image, each.step, each.starts) for each in streamed] == [(0, 1, (0, 3)), (1, 1, (3, 6)), (0, 2, (6, 9))]
    first, _ = passes(TWO, [2, 1], 2, "layer", True)
    assert (first.steps, first.starts, first.ends) == (2, (0, 6), (6, 8))


def test_the_passes_are_those_of_a_simulation_in_a_thousand_random_cases():
    for stages, exits, T, order, stopping in some_cases(1000):
        ours = sorted((start, layer, each.image, each.step, end) for each in passes(stages, exits, T, order, stopping)
                      for layer, (start, end) in enumerate(zip(each.starts, each.ends, strict=True)))
        assert ours == simulated(stages, exits, T, order, stopping), (stages, exits, T, order, stopping)


def test_a_full_pipeline_gives_a_timestep_an_interval():
    found = timing(TWO, [4, 4, 4], 4, "timestep", False)
    assert found.total_ns == TWO.way_ns + 11 * TWO.interval_ns


def test_an_exit_saves_nothing_layer_first_and_a_share_of_the_stream():
    for stages, exits, T, _, _ in some_cases(100):
        assert all(row[3] in ("", "1.00\u00d7") for row in pipeline_rows(stages, exits, T, "layer"))
        now, then = (timing(stages, exits, T, "stream", stopping) for stopping in (True, False))
        assert now.steps == sum(exits) and then.steps == T * len(exits)


def test_no_order_beats_its_slowest_layer():
    for stages, exits, T, order, stopping in some_cases(200):
        found = timing(stages, exits, T, order, stopping)
        assert found.busy <= 1 and found.total_ns >= found.steps * stages.interval_ns and min(found.delays_ns) >= stages.way_ns


def test_in_an_even_pipeline_a_lone_image_loses_by_stopping():
    even = Stages(("a", "b", "c", "d"), (1.0,) * 4, 0.0)
    now, then = (timing(even, [3, 3], 4, "timestep", stopping).total_ns for stopping in (True, False))
    assert (now, then) == (2 * 3 * 4, 4 + 7), "it waits for the way through, and always-4 for an interval only"


@needs_node
def test_javascripts_pipeline_is_pythons_at_many_states(tmp_path):
    (tmp_path / "module.mjs").write_text(PipelineExplorer._esm, "utf8")
    dice, cases = np.random.default_rng(1), []
    for stages, exits, T, order, stopping in some_cases(300):
        stages = Stages(stages.names, tuple((np.array(stages.times_ns) * dice.uniform(0.1, 2000)).tolist()), float(dice.uniform(0, 300)))
        widget = PipelineExplorer({"one": stages}, exits, T)
        done = [[each.image, each.step, each.steps, each.starts, each.ends] for each in passes(stages, exits, T, order, stopping)]
        cases.append([widget.data, order, stopping, done, pipeline_rows(stages, exits, T, order)])
    (tmp_path / "script.mjs").write_text(f"""
      import {{ passes, pipelineRows }} from "./module.mjs";
      const faults = {json.dumps(cases)}.flatMap(([data, order, stopping, done, rows]) => {{
        const [chip] = data.chips, passed = passes(data, chip, order, stopping);
        const each = ({{ image, step, steps, starts, ends }}) => [image, step, steps, starts, ends];
        const found = [passed.map(each), pipelineRows(data, chip, order)];
        return JSON.stringify(found) === JSON.stringify([done, rows]) ? [] : [[data, order, found, done, rows]];
      }});
      console.log(JSON.stringify(faults.slice(0, 3)));""", "utf8")
    done = subprocess.run(["node", tmp_path / "script.mjs"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("wrong, words", [
    (lambda: PipelineExplorer({}, [1]), "chips is empty"),
    (lambda: PipelineExplorer(CHIPS, [5]), "t_hat lies in 1 to T"),
    (lambda: PipelineExplorer(CHIPS, [1] * 7), "one to six images"),
    (lambda: PipelineExplorer(CHIPS, [1], order="dice"), "order is one of"),
    (lambda: PipelineExplorer(CHIPS, [1], chip="third"), "chip is one of"),
    (lambda: PipelineExplorer(CHIPS, [1], clock=61), "clock lies in"),
    (lambda: PipelineExplorer({**CHIPS, "third": Stages(("c",), (1.0,), 0.0)}, [1]), "same names"),
    (lambda: Stages(("a",), (0.0,), 0.0), "time above 0"),
])
def test_bad_input_to_the_pipeline_explorer_is_refused_with_a_reason(wrong, words):
    with pytest.raises(ValueError, match=words):
        wrong()
