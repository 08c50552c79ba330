"""How the quantised twins are made: an ANN of a spiking network's shapes whose activations have a few bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dtsnn_lite.bit_serial import bit_rates
from dtsnn_lite.checkpoints import load_shipped, save_ann
from dtsnn_lite.conversion import QCFS, AnnConfig, QuantisedANN
from dtsnn_lite.data import Split, Splits, as_input
from dtsnn_lite.files import ASSETS
from dtsnn_lite.models import ConvConfig, SpikingNet, evaluating
from dtsnn_lite.proofs.cards import card, device_of, four_places, rounded, versions
from dtsnn_lite.proofs.recipes import DIGITS_TRAINING, RECIPES
from dtsnn_lite.proofs.recipes_seenn import fit_ann
from dtsnn_lite.recording import Recording
from dtsnn_lite.training import TrainConfig


@dataclass(frozen=True)
class TwinRecipe:
    """The quantised twin of a spiking network: its shapes, images and augmentation, activations of `bits` bits.

    network   the recipe of the spiking network
    training  one answer an image: cross entropy
    afresh    begin with fresh weights; else with those that ship for the spiking network (of seed 0, where the seed's own do not)
    dtype     torch.float16 halves the files
    """

    network: str
    bits: int
    training: TrainConfig
    afresh: bool = False
    dtype: torch.dtype | None = None

    @property
    def name(self) -> str:
        return f"{self.network.removesuffix('-small')}-twin" + (f"-{self.bits}-bit" if self.bits != 3 else "")

    def fresh(self) -> QuantisedANN:
        """The ANN with fresh weights: 2^b - 1 levels above 0, the largest value of each pool."""
        config = RECIPES[self.network].net
        if not isinstance(config, ConvConfig):
            raise TypeError(f"a twin has the shapes of a plain stack of convolutions; {self.network} is a {type(config).__name__}")
        return QuantisedANN(AnnConfig(config.in_shape, config.stages, config.classes, 2 ** self.bits - 1, max_pools=True))


def one_answer(epochs: int, like: TrainConfig, lr: float = 0.03) -> TrainConfig:
    """A spiking network's training, but for an ANN: one timestep, one leg, a short warmup, in float32.

    A processor without bfloat16 units takes eight times as long in that format.
    """
    return replace(like, phases=((1, epochs),), legs=(), lr=lr, warmup=0.2, half=False)


# Few epochs: quantisation-aware training goes on from a trained network, and an ANN that trained longer would only be a stronger rival.
TWINS = {recipe.name: recipe for recipe in (
    *(TwinRecipe("digits", bits, one_answer(2, DIGITS_TRAINING)) for bits in (1, 2, 3)),
    *(TwinRecipe("digits-hard", bits, one_answer(3, RECIPES["digits-hard"].training)) for bits in (1, 2, 3)),
    TwinRecipe("cifar10-small", 3, one_answer(3, RECIPES["cifar10-small"].training), dtype=torch.float16))}


@torch.no_grad()
def begin_with(ann: QuantisedANN, net: SpikingNet) -> None:
    """A spiking network's weights and norms, layer by layer, in an ANN of the same shapes."""
    layers = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)
    ours, theirs = ([m for m in one.modules() if isinstance(m, layers)] for one in (ann, net))
    for mine, other in zip(ours, theirs, strict=True):
        mine.load_state_dict(other.state_dict())


@torch.no_grad()
def record_twin(ann: QuantisedANN, split: Split, about: dict, batch: int = 250) -> Recording:
    """What an ANN says, and how full its bits are: one timestep, f (1, N, K).

    spike_rates         share of ones among all bits that leave a layer, as the next one reads them
    about["bit_rates"]  (b, L): the same for each bit, the lowest first
    """
    bits = ann.config.levels.bit_length()
    logits, rates = [], []
    with evaluating(ann):
        for images in split.images.split(batch):
            x = as_input(images)
            read: list[Tensor] = []
            for layer in ann:
                x = layer(x)
                if isinstance(layer, QCFS):
                    read.append(torch.round(x / layer.lam * layer.levels))
                elif isinstance(layer, nn.MaxPool2d):
                    read[-1] = layer(read[-1])
            logits.append(x.float())
            rates.append(len(images) * np.stack([bit_rates(codes.numpy(), bits) for codes in read], axis=1))
    each = np.sum(rates, axis=0) / len(split)
    about = {**about, "bits": bits, "bit_rates": np.round(each, 5).tolist()}
    return Recording(torch.cat(logits)[None].numpy(), split.labels.numpy(), each.mean(axis=0)[None], about)


def make_twin(recipe: TwinRecipe, folder: Path, seed: int = 0, progress: bool = True, note: str = "",
              splits: Splits | None = None) -> dict:
    """{name}.{safetensors,json} and {name}-test.npz; the card is returned."""
    made_with, like = versions(), RECIPES[recipe.network]
    torch.manual_seed(seed)
    ann, splits = recipe.fresh(), splits or like.data()
    suffix, option = (f"-seed{seed}", f" --seed {seed}") if seed else ("", "")
    start = _start(recipe, suffix)
    if start:
        begin_with(ann, load_shipped(start))
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{recipe.name}{suffix}"
    history = fit_ann(ann, splits.train, replace(recipe.training, seed=seed), progress, folder / f"{name}.training")
    rounded(ann, recipe.dtype)
    about = {"network": name, "dataset": like.dataset + note, "seed": seed}
    seen = record_twin(ann, splits.test, {**about, "split": "test"})
    seen.save(folder / f"{name}-test.npz")
    how = {**about, "begins_with": start, "command": f"python -m dtsnn_lite train {recipe.name}{option}", "phases": recipe.training.phases}
    found = {"loss": four_places(history.loss), "accuracy": {"test": four_places(seen.accuracy)}}
    made = card(how, sum(history.seconds), device_of(ann), made_with, found)
    return save_ann(ann, folder / f"{name}.safetensors", made, recipe.dtype)


def _start(recipe: TwinRecipe, suffix: str) -> str | None:
    """The shipped network whose weights a twin begins with."""
    own = f"{recipe.network}{suffix}"
    return None if recipe.afresh else own if (ASSETS / f"{own}.safetensors").exists() else recipe.network


MAKERS: dict[str, Callable[..., dict]] = {name: partial(make_twin, recipe) for name, recipe in TWINS.items()}
