"""G3 and G4: the wall clock of really stopping, on the shipped digits network and its test images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from benchmarks.timing import Row, at_least, at_most, interleaved
from dtsnn_lite.checkpoints import load_shipped
from dtsnn_lite.data import Split, digits
from dtsnn_lite.encoding import direct
from dtsnn_lite.exits import EntropyExit, calibrate, entropy, replay
from dtsnn_lite.inference import dynamic_inference, record
from dtsnn_lite.losses import running_mean
from dtsnn_lite.models import SpikingNet
from dtsnn_lite.neurons import lif_loop
from dtsnn_lite.recording import shipped

TIMESTEPS, BATCHES, ALONE = 4, (100, 250), 50


def rows() -> Iterator[Row]:
    """Dynamic against ideal (mean T / T of the best static run), against run-all-then-pick, and one by one."""
    net, test = load_shipped("digits").to(memory_format=torch.channels_last), digits().test
    policy = calibrate(shipped("digits-calibration"), EntropyExit, max_drop=0.0)
    run = replay(record(net, test.images, test.labels, TIMESTEPS), policy)
    same = np.array_equal(dynamic_inference(net, test.images, test.labels, policy, TIMESTEPS).predictions, run.predictions)
    yield Row("G3", "predictions equal to running all T", "yes" if same else "no", "yes", same)
    share = run.mean_timesteps / TIMESTEPS
    runs = {f"static {b}": lambda b=b: static(net, test, b) for b in BATCHES}
    runs |= {f"dynamic {b}": lambda b=b: dynamic_inference(net, test.images, test.labels, policy, TIMESTEPS, b) for b in BATCHES}
    runs |= {"papers": lambda: run_all_then_pick(net, test, policy.theta, BATCHES[0])}
    seconds = interleaved(runs, 9)
    best = min(seconds[f"static {b}"] for b in BATCHES)
    for b in BATCHES:
        yield at_most("G3", f"dynamic, batch {b} / ideal ({run.mean_timesteps:.2f} of {TIMESTEPS} steps)",
                      seconds[f"dynamic {b}"] / (share * best), 1.10)
    yield at_least("G4", f"run all T, then pick, batch {BATCHES[0]} / ours", seconds["papers"] / seconds[f"dynamic {BATCHES[0]}"], 5)
    few = Split(test.images[:ALONE], test.labels[:ALONE])
    alone = interleaved({"ours": lambda: dynamic_inference(net, few.images, few.labels, policy, TIMESTEPS, 1),
                         "papers": lambda: stop_one_by_one(net, few, policy.theta)}, 9)
    yield at_least("G4", "early stop one image at a time, eager / ours", alone["papers"] / alone["ours"], 2)


@torch.no_grad()
def static(net: SpikingNet, split: Split, batch: int) -> None:
    """All T timesteps of every image, as fast as we can."""
    for x in split.images.split(batch):
        running_mean(net(direct(x, TIMESTEPS)))[-1].argmax(dim=1)


# --- how the papers' programs do it, written anew: no batch gets smaller, neurons step eagerly ------------

def eager(net: SpikingNet) -> SpikingNet:
    """The same net whose neurons are a plain loop."""
    net.fire = lambda current, u: lif_loop(current, net.lif, u)
    return net


@torch.no_grad()
def run_all_then_pick(net: SpikingNet, split: Split, theta: float, batch: int) -> list[int]:
    """Every timestep of every image, then a loop over images that picks the first sure one."""
    slow, picked = eager(load_shipped("digits")), []
    for x in split.images.split(batch):
        f = running_mean(slow(direct(x, TIMESTEPS).contiguous()))
        score = torch.from_numpy(entropy(f.numpy()))
        for n in range(len(x)):
            t = 0
            while t < TIMESTEPS - 1 and not score[t, n] < theta:
                t += 1
            picked.append(f[t, n].argmax().item())
    return picked


@torch.no_grad()
def stop_one_by_one(net: SpikingNet, split: Split, theta: float) -> list[int]:
    """One image at a time, each step from the image on, until it is sure."""
    slow, picked = eager(load_shipped("digits")), []
    for x in split.images.split(1):
        total, state = torch.zeros(1, 10), None
        for t in range(1, TIMESTEPS + 1):
            logits, state = slow.step(x, state or tuple(potentials(slow, x)))
            total += logits
            if entropy((total / t).numpy())[0] < theta:
                break
        picked.append(total.argmax().item())
    return picked


def potentials(net: SpikingNet, x: Tensor) -> Iterator[Tensor | None]:
    """An empty state."""
    return iter(net.empty_state())
