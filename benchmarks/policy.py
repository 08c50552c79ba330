"""Does the learned policy save time as well as timesteps? Its grouped inference against thresholds and the static net.

python -m benchmarks.policy
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch

from dtsnn_lite.checkpoints import load_shipped
from dtsnn_lite.drift import hard_digits
from dtsnn_lite.encoding import direct
from dtsnn_lite.exits import ConfidenceExit, Run, trade_off
from dtsnn_lite.inference import dynamic_inference, record
from dtsnn_lite.policy import choose_steps, grouped_inference, shipped_policy

ROUNDS = 9


def interleaved(runs: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Median milliseconds of each run, A B A B ..., after one round to warm up."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            began = time.process_time()
            run()
            taken[name].append(1000 * (time.process_time() - began))
    return {name: median(times[1:]) for name, times in taken.items()}


@torch.no_grad()
def static(net, images: torch.Tensor, timesteps: int, batch: int = 100) -> None:
    for x in images.split(batch):
        net(direct(x, timesteps))


def main() -> None:
    torch.set_num_threads(1)
    net, policy, test = load_shipped("digits-hard"), shipped_policy(), hard_digits().test
    x, z = test.images, test.labels
    run: Run = grouped_inference(policy, net, x, z, 4)
    curve = trade_off(record(net, x, z, 4), ConfidenceExit)
    as_good = (curve.accuracy >= run.accuracy - 1e-9).nonzero()[0]
    rule = ConfidenceExit(float(curve.thresholds[as_good[-1]]))
    rival = dynamic_inference(net, x, z, rule, 4)
    ms = interleaved({
        "always 4 timesteps": lambda: static(net, x, 4),
        "always 1 timestep": lambda: static(net, x, 1),
        f"confidence, {100 * rival.accuracy:.1f} % at {rival.mean_timesteps:.2f} steps": lambda: dynamic_inference(net, x, z, rule, 4),
        f"policy, {100 * run.accuracy:.1f} % at {run.mean_timesteps:.2f} steps, look included": lambda: grouped_inference(policy, net, x, z, 4),
        "the look alone": lambda: choose_steps(policy, x, 4)})
    full = ms["always 4 timesteps"]
    print(f"{len(x)} hard digits, batches of 100, one thread\n\n{'':58}{'ms':>8}{'x always 4':>12}")
    for name, t in ms.items():
        print(f"{name:58}{t:8.1f}{t / full:12.2f}")


if __name__ == "__main__":
    main()
