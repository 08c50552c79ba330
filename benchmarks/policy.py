"""SEENN-II: does a learned policy save time as well as timesteps? The shipped policy on the hard digits, its look included."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.stopping import TIMESTEPS, fast, static
from benchmarks.timing import Row, interleaved, peer
from dtsnn_lite.checkpoints import load_shipped, shipped_policy
from dtsnn_lite.drift import hard_digits
from dtsnn_lite.exits import ConfidenceExit, calibrate
from dtsnn_lite.inference import dynamic_inference, grouped_inference
from dtsnn_lite.policy import choose_steps
from dtsnn_lite.recording import shipped

BATCH = 100


def rows() -> Iterator[Row]:
    """Each way of choosing timesteps over the static network's time for all of them."""
    net, policy, test = fast(load_shipped("digits-hard")), shipped_policy(), hard_digits().test
    rule = calibrate(shipped("digits-hard-calibration"), ConfidenceExit, max_drop=0.0)
    chosen = grouped_inference(policy, net, test.images, test.labels, TIMESTEPS, BATCH)
    left = dynamic_inference(net, test.images, test.labels, rule, TIMESTEPS, BATCH)
    seconds = interleaved({
        "static": lambda: static(net, test.images, BATCH),
        f"policy, {100 * chosen.accuracy:.1f} % right at {chosen.mean_timesteps:.2f} steps, its look included":
            lambda: grouped_inference(policy, net, test.images, test.labels, TIMESTEPS, BATCH),
        f"confidence, {100 * left.accuracy:.1f} % right at {left.mean_timesteps:.2f} steps":
            lambda: dynamic_inference(net, test.images, test.labels, rule, TIMESTEPS, BATCH),
        "the look alone": lambda: choose_steps(policy, test.images, TIMESTEPS)}, 9)
    full = seconds.pop("static")
    for name, taken in seconds.items():
        yield peer("", f"{name} / always {TIMESTEPS}", taken / full)
