"""The image policy of SEENN-II: a small network that looks once and chooses how long the SNN runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dtsnn_lite.data import Split, as_input, check_images, check_set
from dtsnn_lite.encoding import direct
from dtsnn_lite.guards import check_rate, check_whole
from dtsnn_lite.losses import running_mean
from dtsnn_lite.models import Current, SpikingNet, State, evaluating, over_time
from dtsnn_lite.neurons import LIF
from dtsnn_lite.training import Augmentation, descend, dice_of, finite, learning, set_lr, shuffled, training_batch


class PolicyNet(SpikingNet):
    """Two spiking convolutions and a linear layer, run for one timestep: image -> one logit an action.

    The first convolution strides by 4 and the second by 2, so that few positions are read;
    hidden activations are bits, so that the SNN's own crossbars and price list serve it.
    """

    def __init__(self, in_shape: tuple[int, int, int] = (1, 28, 28), timesteps: int = 4,
                 channels: tuple[int, int] = (16, 32)) -> None:
        super().__init__()
        check_whole("timesteps", timesteps)
        first, second = channels
        self.in_shape, self.timesteps, self.lif, self.layers = in_shape, timesteps, LIF(), 2
        self.look = nn.Sequential(nn.Conv2d(in_shape[0], first, 4, stride=4, bias=False), nn.BatchNorm2d(first))
        self.think = Current(first, second, stride=2)
        self.head = nn.Linear(second * _halved(in_shape[1] // 4) * _halved(in_shape[2] // 4), timesteps)

    def first_current(self, x: Tensor) -> Tensor:
        return self.look(x)

    def advance_from(self, current: Tensor, state: State) -> tuple[Tensor, list[Tensor], State]:
        a, u1 = self.fire(current, state[0])
        b, u2 = self.fire(over_time(self.think, a), state[1])
        return self.head(b.flatten(2)), [a, b], (u1, u2)


def _halved(size: int) -> int:
    return (size + 1) // 2


def action_logits(policy: PolicyNet, images: Tensor) -> Tensor:
    """What the policy says of each image: (N, C, H, W) -> (N, T)."""
    return policy(direct(images, 1))[0]


@torch.no_grad()
def choose_steps(policy: PolicyNet, images: Tensor, timesteps: int, batch: int = 250) -> np.ndarray:
    """The most probable number of timesteps of each image: (N, C, H, W) -> (N,) in 1..T."""
    check_images(images)
    device = policy.head.weight.device
    if policy.timesteps != timesteps:
        raise ValueError(f"this policy chooses among T = {policy.timesteps} timesteps, the network runs {timesteps}: "
                         "train a policy for this T")
    with evaluating(policy):
        return np.concatenate([action_logits(policy, as_input(x.to(device))).argmax(1).cpu().numpy() + 1 for x in images.split(batch)])


# --- losses: minus the expected reward ------------------------------------------------

def rewards_of(correct: Tensor, price: float) -> Tensor:
    """1 / 2^(t-1) if right, -price if wrong, as in reinforce.py. (T, B) bool -> (T, B)"""
    value = 0.5 ** torch.arange(len(correct), device=correct.device, dtype=torch.float32)[:, None]
    return torch.where(correct, value, torch.full_like(value, -price))


def expectation_loss(logits: Tensor, rewards: Tensor) -> Tensor:
    """-mean_n sum_t v_t r_t, every action weighed: (B, T), (T, B) -> ()"""
    return -(logits.softmax(dim=1) * rewards.T).sum(dim=1).mean()


def reinforce_loss(logits: Tensor, rewards: Tensor, dice: torch.Generator) -> Tensor:
    """A sampled loss whose gradient is REINFORCE's, with the policy's own expectation as baseline."""
    v = logits.detach().softmax(dim=1)
    action = torch.multinomial(v, 1, generator=dice)                     # (B, 1)
    gain = rewards.T.gather(1, action) - (v * rewards.T).sum(dim=1, keepdim=True)
    return -(gain * logits.log_softmax(dim=1).gather(1, action)).mean()


# --- training --------------------------------------------------------------------------

@dataclass(frozen=True)
class PolicyTraining:
    """How a policy is trained, by Adam with a falling learning rate.

    price    of a wrong answer, the paper's beta
    sampled  True: REINFORCE; False: the exact expectation
    net_lr   learning rate of the SNN when it learns too
    """

    price: float = 20.0
    sampled: bool = False
    epochs: int = 12
    batch: int = 64
    lr: float = 2e-3
    net_lr: float = 3e-4
    seed: int = 0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.price) and self.price >= 0):
            raise ValueError(f"price is that of a wrong answer, 0 or more; got {self.price!r}")
        for what in ("epochs", "batch"):
            check_whole(what, getattr(self, what))
        for what in ("lr", "net_lr"):
            check_rate(what, getattr(self, what))


@dataclass(frozen=True, eq=False)
class Experience:
    """What the frozen SNN said to one epoch of images: images (N, C, H, W), correct (T, N) bool.

    weight  (N,), how much each image counts (reinforce.hard_weight, say); None: all alike
    """

    images: Tensor
    correct: Tensor
    weight: Tensor | None = None

    def __post_init__(self) -> None:
        check_images(self.images)
        if self.correct.dim() != 2 or self.correct.shape[1] != len(self.images):
            raise ValueError(f"correct is (timesteps, images={len(self.images)}); got shape {tuple(self.correct.shape)}")
        if self.weight is not None and self.weight.shape != (len(self.images),):
            raise ValueError(f"weight is (images={len(self.images)},); got shape {tuple(self.weight.shape)}")


@torch.no_grad()
def experience(net: SpikingNet, train: Split, timesteps: int, epochs: int,
               drift: Augmentation | None = None, seed: int = 0) -> Iterator[Experience]:
    """One Experience an epoch. The SNN is frozen, so its answers are a data set like any other.

    drift  changes the images anew in every epoch: a network that knows its training images by
           heart is always right on them and teaches the policy nothing
    """
    check_set(train.images, train.labels, net.head.out_features)
    device = net.head.weight.device
    for epoch in range(epochs):
        images = as_input(train.images)
        images = drift(images, dice_of(seed, epoch)) if drift else images
        with evaluating(net):
            said = [running_mean(net(direct(x.to(device), timesteps))).argmax(dim=2).cpu() for x in images.split(250)]
        yield Experience(images, torch.cat(said, dim=1) == train.labels)


def fit_policy(policy: PolicyNet, epochs: Iterable[Experience], config: PolicyTraining) -> list[float]:
    """Train the policy in place, the SNN frozen: the mean reward of each epoch, of which there are `config.epochs` at most."""
    optimizer = torch.optim.Adam(policy.parameters(), config.lr)
    history, dice = [], torch.Generator().manual_seed(config.seed)
    for epoch, seen in enumerate(epochs):
        if len(seen.correct) != policy.timesteps:
            raise ValueError(f"the policy chooses among T = {policy.timesteps} timesteps, the network ran {len(seen.correct)}: "
                             "make the policy for this T")
        if epoch == config.epochs:
            raise ValueError(f"the learning rate falls to 0 over epochs = {config.epochs}, and here are more: say how many there are")
        set_lr(optimizer, config.lr * 0.5 * (1 + math.cos(math.pi * epoch / config.epochs)))
        rewards, gained = rewards_of(seen.correct, config.price), 0.0
        weighed = rewards if seen.weight is None else seen.weight * rewards
        with learning(policy):
            for index in shuffled(len(seen.images), config.batch, dice):
                logits, w, r = action_logits(policy, seen.images[index]), weighed[:, index], rewards[:, index]
                descend(optimizer, reinforce_loss(logits, w, dice) if config.sampled else expectation_loss(logits, w))
                gained -= expectation_loss(logits.detach(), r).item() * len(index)
        history.append(finite(gained / len(seen.images), epoch))
    return history


def fit_jointly(policy: PolicyNet, net: SpikingNet, train: Split, config: PolicyTraining,
                drift: Augmentation | None = None) -> list[float]:
    """Train policy and SNN in place: each f_t learns as much as the policy uses it. The mean reward of each epoch.

    loss = -J + sum_t v_t CE(f_t, z),   v held fixed in the second term
    """
    check_set(train.images, train.labels, net.head.out_features)
    optimizer = torch.optim.Adam([{"params": policy.parameters(), "lr": config.lr},
                                  {"params": net.parameters(), "lr": config.net_lr}])
    history = []
    for epoch in range(config.epochs):
        dice, gained = dice_of(config.seed, epoch), []
        with learning(policy, net):
            for index in shuffled(len(train), config.batch, dice):
                x, z = training_batch(train, index, drift, dice, net.head.weight.device)
                f, logits = running_mean(net(direct(x, policy.timesteps))), action_logits(policy, x)
                J = -expectation_loss(logits, rewards_of(f.argmax(dim=2) == z, config.price))
                descend(optimizer, _used_loss(f, z, logits) - J)
                gained.append(J.item())
        history.append(finite(float(np.mean(gained)), epoch))
    return history


def _used_loss(f: Tensor, z: Tensor, logits: Tensor) -> Tensor:
    """Cross entropy of every f_t, weighed by how often the policy stops there."""
    each = F.cross_entropy(f.flatten(0, 1), z.repeat(len(f)), reduction="none").unflatten(0, f.shape[:2])
    return (logits.detach().softmax(dim=1).T * each).sum(dim=0).mean()
