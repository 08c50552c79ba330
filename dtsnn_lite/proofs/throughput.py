"""What stopping saves on a clock: a trained network run for all timesteps, and one that really stops, alone and in batches."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from dtsnn_lite.data import Split, as_input
from dtsnn_lite.encoding import direct
from dtsnn_lite.exits import EntropyExit, calibrate
from dtsnn_lite.files import ASSETS, whole_file
from dtsnn_lite.inference import dynamic_inference, folded
from dtsnn_lite.losses import running_mean
from dtsnn_lite.models import SpikingNet
from dtsnn_lite.recording import Recording
from dtsnn_lite.training import channels_last

SCORES = {"mean": 0.0, "sum": 1.0}          # of the exit that loses nothing on the calibration images: its gamma


@dataclass(frozen=True)
class Timed:
    """Milliseconds an image, medians of interleaved runs, and the mean timesteps of these images."""

    static_ms: float
    dynamic_ms: float
    mean_timesteps: float
    images: int

    @property
    def ratio(self) -> float:
        """dynamic / static; the least that can be hoped for is mean timesteps / T."""
        return self.dynamic_ms / self.static_ms


def measure(net: SpikingNet, test: Split, calibration: Recording, batches: Mapping[int, int], rounds: int = 3) -> dict[str, Timed]:
    """Static against dynamic on the network's own device, by score and batch: "sum, batch 64".

    batches  batch -> how many test images are run so
    """
    timesteps, found = calibration.timesteps, dict[str, Timed]()
    fast = folded(net)
    channels_last(fast)
    for score, gamma in SCORES.items():
        policy = calibrate(calibration, EntropyExit, max_drop=0.0, gamma=gamma)
        for batch, images in batches.items():
            x, z = as_input(test.images[:images]), test.labels[:images]
            seconds = _interleaved({"static": partial(_static, fast, x, timesteps, batch),
                                    "dynamic": partial(dynamic_inference, fast, x, z, policy, timesteps, batch)}, rounds)
            run = dynamic_inference(fast, x, z, policy, timesteps, batch)
            each = {how: 1e3 * taken / len(x) for how, taken in seconds.items()}
            found[f"{score}, batch {batch}"] = Timed(each["static"], each["dynamic"], run.mean_timesteps, len(x))
    return found


@torch.no_grad()
def _static(net: SpikingNet, images: Tensor, timesteps: int, batch: int) -> None:
    """All timesteps of every image."""
    for x in images.split(batch):
        running_mean(net(direct(x.to(net.head.weight.device), timesteps)))[-1].argmax(dim=1).cpu()


def _interleaved(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each run, taken A B A B ...; the first round warms up and is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for counted in [False] + rounds * [True]:
        for name, run in runs.items():
            began = time.perf_counter()
            run()                                       # ends on the CPU, so that a GPU is done as well
            if counted:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def keep(found: Mapping[str, Timed], device: str, path: Path) -> dict:
    """Write a device's times into a JSON file beside those of others; all of it is returned."""
    known = json.loads(path.read_text()) if path.exists() else {}
    whole = {**known, device: {what: asdict(timed) for what, timed in found.items()}}
    with whole_file(path) as part:
        part.write_text(json.dumps(whole, indent=1, sort_keys=True) + "\n")
    return whole


def shipped_throughput(network: str) -> dict[str, dict[str, Timed]]:
    """The times that come with the package, by device: of `cifar10-vgg16`."""
    path = ASSETS / f"{network}-throughput.json"
    if not path.exists():
        raise FileNotFoundError(f"nobody timed {network!r}; there are {sorted(p.name for p in ASSETS.glob('*-throughput.json'))}")
    return {device: {what: Timed(**timed) for what, timed in found.items()} for device, found in json.loads(path.read_text()).items()}
