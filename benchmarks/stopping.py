"""G3 and G4: the wall clock of really stopping, on the shipped digits network and its test images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from benchmarks.timing import Row, at_least, at_most, interleaved, peer
from dtsnn_lite.checkpoints import load_shipped
from dtsnn_lite.data import Split, digits
from dtsnn_lite.encoding import direct
from dtsnn_lite.exits import ChosenSteps, EntropyExit, calibrate, entropy, replay
from dtsnn_lite.inference import dynamic_inference, folded, record
from dtsnn_lite.losses import running_mean
from dtsnn_lite.models import CIFAR_SMALL, SpikingNet, build
from dtsnn_lite.neurons import lif_loop
from dtsnn_lite.recording import shipped

TIMESTEPS, BATCHES, ALONE, SETS = 4, (100, 250), 50, 4
PUBLISHED = (70, 19, 6, 5)      # exits of a hundred images with mean 1.46, as DT-SNN's VGG-16 has


def rows() -> Iterator[Row]:
    """Dynamic against ideal (mean T / T of the best static run), against run-all-then-pick, and one by one."""
    yield from on_digits()
    yield from on_published_exits()


def fast(net: SpikingNet) -> SpikingNet:
    """A net as one would deploy it on a CPU."""
    return folded(net).to(memory_format=torch.channels_last)


def on_digits() -> Iterator[Row]:
    """The shipped network, its calibrated threshold, its 1,000 test images."""
    net, test = fast(load_shipped("digits")), digits().test
    policy = calibrate(shipped("digits-calibration"), EntropyExit, max_drop=0.0)
    run = replay(record(net, test.images, test.labels, TIMESTEPS), policy)
    same = np.array_equal(dynamic_inference(net, test.images, test.labels, policy, TIMESTEPS).predictions, run.predictions)
    yield Row("G3", "predictions equal to running all T", "yes" if same else "no", "yes", same)
    runs = {f"static {b}": lambda b=b: static(net, test.images, b) for b in BATCHES}
    runs |= {f"dynamic {b}": lambda b=b: dynamic_inference(net, test.images, test.labels, policy, TIMESTEPS, b) for b in BATCHES}
    slow = eager(load_shipped("digits"))
    runs["one step"] = lambda: static(net, test.images, BATCHES[0], timesteps=1)
    seconds = interleaved(runs | {"papers": lambda: run_all_then_pick(slow, test, policy.theta, BATCHES[0])}, 9)
    yield from ratios("digits", seconds, run.mean_timesteps)
    yield peer("G3", "  one static step / a quarter of four: the first convolution is never skipped",
               TIMESTEPS * seconds["one step"] / min(seconds[f"static {b}"] for b in BATCHES))
    yield at_least("G4", f"run all T, then pick, batch {BATCHES[0]} / ours", seconds["papers"] / seconds[f"dynamic {BATCHES[0]}"], 5)
    few = Split(test.images[:ALONE], test.labels[:ALONE])
    alone = interleaved({"ours": lambda: dynamic_inference(net, few.images, few.labels, policy, TIMESTEPS, 1),
                         "papers": lambda: stop_one_by_one(slow, few, policy.theta)}, 9)
    yield at_least("G4", "early stop one image at a time / ours", alone["papers"] / alone["ours"], 2)


def on_published_exits() -> Iterator[Row]:
    """A CIFAR-sized network with random weights whose images leave as the paper's do."""
    torch.manual_seed(0)
    net, batch = fast(build(CIFAR_SMALL).eval()), sum(PUBLISHED)
    images, labels = torch.rand(SETS * batch, 3, 32, 32), torch.zeros(SETS * batch, dtype=torch.int64)
    policy = ChosenSteps(np.random.default_rng(0).permutation(np.tile(np.repeat(np.arange(1, 5), PUBLISHED), SETS)))
    seconds = interleaved({f"static {batch}": lambda: static(net, images, batch), "static 25": lambda: static(net, images, 25),
                           f"dynamic {batch}": lambda: dynamic_inference(net, images, labels, policy, TIMESTEPS, batch)}, 7)
    yield from ratios("CIFAR net", seconds, policy.t_hat.mean())


def ratios(name: str, seconds: dict[str, float], mean_timesteps: float) -> Iterator[Row]:
    """Each dynamic run over mean T / T of the best static one."""
    ideal = mean_timesteps / TIMESTEPS * min(s for run, s in seconds.items() if run.startswith("static"))
    for run in (run for run in seconds if run.startswith("dynamic")):
        yield at_most("G3", f"{name}, {run.replace('dynamic', 'batch')}: dynamic / ideal at {mean_timesteps:.2f} of {TIMESTEPS} steps",
                      seconds[run] / ideal, 1.10)


@torch.no_grad()
def static(net: SpikingNet, images: Tensor, batch: int, timesteps: int = TIMESTEPS) -> None:
    """All timesteps of every image, as fast as we can."""
    for x in images.split(batch):
        running_mean(net(direct(x, timesteps)))[-1].argmax(dim=1)


# --- how the papers' programs do it, written anew: no batch gets smaller, neurons step eagerly ------------

def eager(net: SpikingNet) -> SpikingNet:
    """The same net whose neurons are a plain loop over the timesteps."""
    net.fire = lambda current, u: lif_loop(current, net.lif, u)
    return net


@torch.no_grad()
def run_all_then_pick(net: SpikingNet, split: Split, theta: float, batch: int) -> list[int]:
    """Every timestep of every image, then a loop over images that picks the first sure one."""
    picked = []
    for x in split.images.split(batch):
        f = running_mean(net(direct(x, TIMESTEPS)))
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
    picked = []
    for x in split.images.split(1):
        total, state = torch.zeros(1, net.head.out_features), None
        for t in range(1, TIMESTEPS + 1):
            logits, state = net.step(x, state)
            total += logits
            if entropy((total / t).numpy())[0] < theta:
                break
        picked.append(total.argmax().item())
    return picked
