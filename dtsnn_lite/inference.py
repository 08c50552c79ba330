"""The bridge: run a network on the torch shore, hand numpy arrays to the other."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dtsnn_lite.data import as_input, check_set
from dtsnn_lite.encoding import direct
from dtsnn_lite.exits import ExitPolicy, Run, check_policy
from dtsnn_lite.guards import check_whole
from dtsnn_lite.losses import running_mean
from dtsnn_lite.models import Current, SpikingNet, State
from dtsnn_lite.policy import PolicyNet, choose_steps
from dtsnn_lite.recording import Recording


@torch.no_grad()
def record(net: SpikingNet, images: Tensor, labels: Tensor, timesteps: int,
           batch: int = 100, about: dict | None = None) -> Recording:
    """Everything an exit can ask of a network: f_t(x) of all images and timesteps."""
    _check_set(net, images, labels, batch)
    net.eval()
    device = net.head.weight.device
    f, rates = [], []
    for x in images.split(batch):
        logits, spikes, _ = net.advance(net.checked(direct(x.to(device), timesteps)), net.empty_state())
        f.append(running_mean(logits.float()).cpu().numpy())
        rates.append(len(x) * np.stack([s.float().mean(dim=tuple(range(1, s.dim()))).cpu().numpy() for s in spikes], 1))
    return Recording(np.concatenate(f, axis=1), labels.cpu().numpy(), sum(rates) / len(images), about or {})


@torch.no_grad()
def dynamic_inference(net: SpikingNet, images: Tensor, labels: Tensor, policy: ExitPolicy,
                      timesteps: int, batch: int = 100) -> Run:
    """Really stop: after each timestep the images that are sure leave; the others wait for a full batch to go on.

    Equal to `replay(record(net, ...), policy)`, in about mean(T_hat) / T of the time.
    """
    _check_set(net, images, labels, batch)
    check_policy(policy)
    net.eval().checked(direct(images[:1], timesteps))
    done = Run(np.zeros(len(images), dtype=np.int64), np.zeros(len(images), dtype=np.int64),
               np.zeros(len(images), dtype=bool), timesteps)
    rooms: list[list[_Group]] = [[] for _ in range(timesteps)]       # rooms[t]: groups that ran t timesteps
    for start in range(0, len(images), batch):
        rooms[0].append(_enter(net, images[start:start + batch], start))
        _advance(net, rooms, policy, done, least=batch)
    _advance(net, rooms, policy, done, least=1)                       # the last ones go on in smaller batches
    return replace(done, correct=done.predictions == labels.cpu().numpy())


@dataclass(frozen=True)
class _Group:
    """Images between two timesteps: who they are, and all that the next step needs."""

    image: np.ndarray       # (n,) places in the set
    current: Tensor         # (n, C, H, W) the first layer's, the same at every timestep
    state: State
    total: Tensor           # (n, K) sum of the logits
    seen: np.ndarray        # (t, n, K) running means, what the exit policy sees

    def __len__(self) -> int:
        return len(self.image)


def _enter(net: SpikingNet, x: Tensor, start: int) -> _Group:
    """The first layer, once: direct coding shows it the same image at every timestep."""
    current = net.first_current(x.to(net.head.weight.device))
    total = torch.zeros(len(x), net.head.out_features, device=current.device)
    return _Group(np.arange(start, start + len(x)), current, net.empty_state(), total, np.zeros((0, *total.shape), np.float32))


def _advance(net: SpikingNet, rooms: list[list[_Group]], policy: ExitPolicy, done: Run, least: int) -> None:
    """One timestep for every room that holds at least `least` images, the earliest first."""
    for t, room in enumerate(rooms):
        if sum(map(len, room)) >= least:
            stay = _timestep(net, _together(room), policy, done)
            room.clear()
            if stay is not None:
                rooms[t + 1].append(stay)


def _timestep(net: SpikingNet, group: _Group, policy: ExitPolicy, done: Run) -> _Group | None:
    """Run one more timestep and write down who leaves; the group of those who stay."""
    t = len(group.seen) + 1
    logits, _, state = net.advance_from(group.current[None], group.state)
    total = group.total + logits[0].float()
    f_t = (total / t).cpu().numpy()
    if not np.isfinite(f_t).all():
        raise ValueError(f"the network returned NaN or infinity at timestep {t}")
    seen = np.concatenate([group.seen, f_t[None]])
    stays = ~policy.stop(seen, group.image) if t < done.timesteps else np.zeros(len(group), dtype=bool)
    done.t_hat[group.image[~stays]] = t
    done.predictions[group.image[~stays]] = f_t[~stays].argmax(axis=1)
    if not stays.any():
        return None
    index = torch.from_numpy(np.flatnonzero(stays)).to(total.device)
    return _Group(group.image[stays], group.current[index], keep(state, index), total[index], seen[:, stays])


def _together(room: list[_Group]) -> _Group:
    """Groups at the same timestep as one."""
    if len(room) == 1:
        return room[0]
    state = tuple(None if us[0] is None else torch.cat(us) for us in zip(*(group.state for group in room)))
    return _Group(np.concatenate([group.image for group in room]), torch.cat([group.current for group in room]), state,
                  torch.cat([group.total for group in room]), np.concatenate([group.seen for group in room], axis=1))


@torch.no_grad()
def grouped_inference(policy: PolicyNet, net: SpikingNet, images: Tensor, labels: Tensor, timesteps: int,
                      batch: int = 100) -> Run:
    """Choose first, then really run k steps: images are grouped by k, and no score is ever computed.

    images (N, C, H, W), labels (N,)
    """
    check_set(images, labels, net.head.out_features)
    t_hat = choose_steps(policy, images, timesteps)
    net.eval()
    answers = np.zeros(len(images), dtype=np.int64)
    for k in np.unique(t_hat):
        for index in torch.from_numpy(np.flatnonzero(t_hat == k)).split(batch):
            logits = net(direct(as_input(images[index]), int(k)))
            answers[index.numpy()] = logits.mean(dim=0).argmax(dim=1).cpu().numpy()
    return Run(t_hat, answers, answers == labels.cpu().numpy(), timesteps)


def folded(net: SpikingNet) -> SpikingNet:
    """A copy for inference with each batch norm folded into its convolution.

    The same numbers but for rounding: a current within rounding of the threshold may flip its spike.
    """
    if net.chip is not None:
        raise ValueError(f"the network runs on {net.chip.name}, whose crossbars hold the weights before batch norm")
    copied = copy.deepcopy(net).eval()
    for parent in list(copied.modules()):
        for name, child in parent.named_children():
            if isinstance(child, Current):
                setattr(parent, name, child.folded())
    return copied


def keep(state: State, index: Tensor) -> State:
    """The membrane potentials of the images that stay, in their memory order (index_select would lose channels_last)."""
    return tuple(u[index] for u in state)


def _check_set(net: SpikingNet, images: Tensor, labels: Tensor, batch: int) -> None:
    if not isinstance(net, SpikingNet):
        raise TypeError(f"a spiking network runs timesteps; got a {type(net).__name__} (conversion.convert makes one of an ANN)")
    check_whole("batch", batch)
    check_set(images, labels, net.head.out_features)
