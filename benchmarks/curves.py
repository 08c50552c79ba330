"""G6: the whole exact accuracy / mean-timesteps curve of 10,000 images, four timesteps, ten classes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.timing import Row, at_most, interleaved, peer
from dtsnn_lite.exits import EntropyExit, entropy, exit_curve, replay, trade_off
from dtsnn_lite.recording import Recording

IMAGES, TIMESTEPS, CLASSES, THRESHOLDS = 10_000, 4, 10, 200


def rows() -> Iterator[Row]:
    """Milliseconds; the peer is the same curve at 200 thresholds, replayed one by one."""
    seen = a_recording()
    score, correct = entropy(seen.f), seen.correct
    grid = np.linspace(0, 1, THRESHOLDS)
    seconds = interleaved({"entropies": lambda: exit_curve(score, correct), "logits": lambda: trade_off(seen, EntropyExit)}, 41)
    yield at_most("G6", "exact curve from entropies", 1e3 * seconds["entropies"], 1.0, " ms")
    yield at_most("G6", "exact curve from logits", 1e3 * seconds["logits"], 3.5, " ms")
    slow = interleaved({"replayed": lambda: [replay(seen, EntropyExit(theta)) for theta in grid[:10]]}, 3)["replayed"]
    yield peer("G6", f"  {THRESHOLDS} thresholds replayed one by one", 1e3 * slow * THRESHOLDS / 10, " ms")


def a_recording() -> Recording:
    """Logits that grow surer with time, as a trained network's."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, IMAGES)
    steps = rng.normal(size=(TIMESTEPS, IMAGES, CLASSES)) + 3 * np.eye(CLASSES)[labels]
    f = 2 * steps.cumsum(axis=0) / np.arange(1, TIMESTEPS + 1)[:, None, None]
    return Recording(f, labels, np.zeros((TIMESTEPS, 1)))
