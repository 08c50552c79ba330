"""The bridge: run a network on the torch shore, hand numpy arrays to the other."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dtsnn_lite.crossbar_layers import crossbars, is_binary
from dtsnn_lite.data import Labels, as_input, as_labels, check_set
from dtsnn_lite.encoding import Coding, direct, is_constant
from dtsnn_lite.exits import ExitPolicy, Run, check_policy, who_stops
from dtsnn_lite.guards import check_whole
from dtsnn_lite.losses import running_mean
from dtsnn_lite.models import SpikingNet, State, evaluating
from dtsnn_lite.policy import PolicyNet, choose_steps
from dtsnn_lite.recording import Recording


@torch.no_grad()
def record(net: SpikingNet, images: Tensor, labels: Labels, timesteps: int,
           batch: int = 100, about: dict | None = None, coding: Coding = direct) -> Recording:
    """Everything an exit can ask of a network: f_t(x) of all images and timesteps; and what its layers fire and read, for the bill.

    images  (N, ...) items of the coding: images (C, H, W), or sequences (T, C, H, W) for `events`

    >>> from dtsnn_lite.checkpoints import load_shipped
    >>> images, labels = torch.zeros(3, 1, 28, 28), torch.tensor([0, 1, 2])
    >>> seen = record(load_shipped("digits"), images, labels, timesteps=4)
    >>> seen.f.shape
    (4, 3, 10)
    """
    truth = _checked_set(net, images, labels, batch)
    device, rows = net.head.weight.device, array_rows(net)
    f, rates, shares, grey = [], [], [], False
    with evaluating(net):
        for x, at in _batches(images, batch):
            x = net.checked(coding(x.to(device), timesteps, at))
            grey = grey or not is_binary(x[:1] if is_constant(x) else x)
            logits, spikes, read = _advance_noting(net, x, rows)
            f.append(running_mean(logits.float()).cpu().numpy())
            rates.append(len(at) * np.stack([s.float().mean(dim=tuple(range(1, s.dim()))).cpu().numpy() for s in spikes], 1))
            shares.append(len(at) * read)
    whole = np.sum(shares, axis=0) / len(images)
    densities, awake = _first_full(whole) if grey else whole
    return Recording(np.concatenate(f, axis=1), truth, np.sum(rates, axis=0) / len(images), about or {}, densities, awake, rows)


@torch.no_grad()
def input_shares(net: SpikingNet, x: Tensor, rows: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Densities (T, L) and awake shares (T, L) of what each layer reads of a coded batch x (T, B, C, H, W), from the first timestep.

    density = share of inputs that are not 0,   awake = share of reads, a tile at a position, that see any of them

    rows  of a tile, a layer's inputs in the crossbar's order, so many at a time; None: `array_rows`
    Layers as `models.layer_shapes` has them. Grey values are no spikes: a first layer that reads any counts as full, since every row
    conducts. Reads at the border see silent padding, which no bill counts: no share of awake reads is less than the density.

    >>> from dtsnn_lite.checkpoints import load_shipped
    >>> densities, awake = input_shares(load_shipped("digits"), torch.rand(3, 2, 1, 28, 28))
    >>> densities.shape, awake.shape
    ((3, 4), (3, 4))
    """
    with evaluating(net):
        shares = _advance_noting(net, net.checked(x), rows or array_rows(net))[2]
    densities, awake = _first_full(shares) if not is_binary(x) else shares
    return densities, awake


def array_rows(net: SpikingNet) -> int:
    """Rows of the arrays on which a network is read: its chip's, 64 where it has none."""
    return net.chip.rows if net.chip else 64


def _first_full(shares: np.ndarray) -> np.ndarray:
    """Densities and awake shares (2, T, L) of a network whose input is grey."""
    return np.concatenate([np.ones_like(shares[:, :, :1]), shares[:, :, 1:]], axis=2)


def _advance_noting(net: SpikingNet, x: Tensor, rows: int) -> tuple[Tensor, list[Tensor], np.ndarray]:
    """Logits and spikes of a batch, and what its layers read: densities and awake shares, (2, T, L)."""
    notes: list[Tensor] = []
    with ExitStack() as hooks:
        for layer in net.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                hooks.enter_context(layer.register_forward_pre_hook(partial(_note, notes, len(x), len(x[0]), rows)))
        logits, spikes, _ = net.advance(x, net.empty_state())
    return logits, spikes, torch.stack(notes, dim=-1).cpu().numpy()


def _note(notes: list[Tensor], timesteps: int, batch: int, rows: int, layer: nn.Conv2d | nn.Linear, inputs: tuple[Tensor]) -> None:
    """A forward hook: density (T,) and awake share (T,) of what a layer reads; what does not change it reads once."""
    on = (inputs[0] != 0).float()
    over_time = isinstance(layer, nn.Conv2d) or on.dim() == 2               # else timesteps stand on an axis of their own, (T, B, ...)
    steps = 1 if over_time and len(on) == batch else timesteps
    density = on.reshape(steps, -1).mean(dim=1)
    awake = (_spikes_in_tiles(layer, on, rows) > 0).reshape(steps, -1).float().mean(dim=1)
    notes.append(torch.stack([density, awake.maximum(density)]).expand(2, timesteps))


def _spikes_in_tiles(layer: nn.Conv2d | nn.Linear, on: Tensor, rows: int) -> Tensor:
    """How many rows of each tile conduct, at each position: the layer itself with a tile's indicator as its weights."""
    inputs = layer.weight[0].numel()
    tiles = nn.functional.one_hot(torch.arange(inputs, device=on.device) // rows).T.to(on)         # (tiles, rows of the layer)
    if isinstance(layer, nn.Linear):
        return nn.functional.linear(on, tiles)
    kernels = tiles.unflatten(1, layer.weight.shape[1:]).repeat(layer.groups, 1, 1, 1)
    return nn.functional.conv2d(on, kernels, None, layer.stride, layer.padding, layer.dilation, layer.groups)


@torch.no_grad()
def dynamic_inference(net: SpikingNet, images: Tensor, labels: Labels, policy: ExitPolicy,
                      timesteps: int, batch: int = 100, coding: Coding = direct) -> Run:
    """Really stop: after each timestep the images that are sure leave; the others wait for a full batch to go on.

    Equal to `replay(record(net, ...), policy)`, in about mean(T_hat) / T of the time.

    >>> from dtsnn_lite.checkpoints import load_shipped
    >>> from dtsnn_lite.exits import EntropyExit
    >>> images, labels = torch.zeros(3, 1, 28, 28), torch.tensor([0, 1, 2])
    >>> dynamic_inference(load_shipped("digits"), images, labels, EntropyExit(theta=0.5), timesteps=4).t_hat
    array([2, 2, 2])
    """
    truth = _checked_set(net, images, labels, batch)
    check_policy(policy)
    check_whole("timesteps", timesteps)
    done = Run(np.zeros(len(images), dtype=np.int64), np.zeros(len(images), dtype=np.int64),
               np.zeros(len(images), dtype=bool), timesteps)
    rooms: list[list[_Group]] = [[] for _ in range(timesteps)]       # rooms[t]: groups that ran t timesteps
    with evaluating(net):
        for x, at in _batches(images, batch):
            rooms[0].append(_enter(net, coding(x.to(net.head.weight.device), timesteps, at), at))
            _advance(net, rooms, policy, done, least=batch)
        _advance(net, rooms, policy, done, least=1)                   # the last ones go on in smaller batches
    return replace(done, correct=done.predictions == truth)


@dataclass(frozen=True)
class _Group:
    """Images between two timesteps: who they are, and all that the next step needs."""

    image: np.ndarray       # (n,) places in the set
    constant: bool          # whether the input is the same at every timestep
    given: Tensor           # (n, C', H', W') the first layer's current, where it is; where not, the inputs (n, T, C, H, W)
    state: State
    total: Tensor           # (n, K) sum of the logits
    seen: np.ndarray        # (t, n, K) running means, what the exit policy sees

    def __len__(self) -> int:
        return len(self.image)

    def current(self, net: SpikingNet, t: int) -> Tensor:
        """The first layer's at timestep t, from 1: (n, C', H', W')."""
        return self.given if self.constant else net.first_current(self.given[:, t - 1])


def _enter(net: SpikingNet, x: Tensor, at: Tensor) -> _Group:
    """The first layer, once, if every timestep shows it the same input: x (T, n, C, H, W)."""
    constant = is_constant(net.checked(x))
    given = net.first_current(x[0]) if constant else x.transpose(0, 1)
    total = torch.zeros(len(at), net.head.out_features, device=x.device)
    return _Group(at.numpy(), constant, given, net.empty_state(), total, np.zeros((0, *total.shape), np.float32))


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
    logits, _, state = net.advance_from(group.current(net, t)[None], group.state)
    total = group.total + logits[0].float()
    f_t = (total / t).cpu().numpy()
    if not np.isfinite(f_t).all():
        raise ValueError(f"the network returned NaN or infinity at timestep {t}")
    seen = np.concatenate([group.seen, f_t[None]])
    stays = ~who_stops(policy, seen, group.image) if t < done.timesteps else np.zeros(len(group), dtype=bool)
    done.t_hat[group.image[~stays]] = t
    done.predictions[group.image[~stays]] = f_t[~stays].argmax(axis=1)
    if not stays.any():
        return None
    index = torch.from_numpy(np.flatnonzero(stays)).to(total.device)
    return replace(group, image=group.image[stays], given=group.given[index], state=keep(state, index), total=total[index],
                   seen=seen[:, stays])


def _together(room: list[_Group]) -> _Group:
    """Groups at the same timestep as one."""
    if len(room) == 1:
        return room[0]
    state = tuple(torch.cat(us) if isinstance(us[0], Tensor) else us[0] for us in zip(*(group.state for group in room), strict=True))
    return replace(room[0], image=np.concatenate([group.image for group in room]), given=torch.cat([group.given for group in room]),
                   state=state, total=torch.cat([group.total for group in room]),
                   seen=np.concatenate([group.seen for group in room], axis=1))


@torch.no_grad()
def grouped_inference(policy: PolicyNet, net: SpikingNet, images: Tensor, labels: Labels, timesteps: int,
                      batch: int = 100, coding: Coding = direct) -> Run:
    """Choose first, then really run k steps: images are grouped by k, and no score is ever computed.

    images (N, C, H, W), labels (N,); the policy looks at the image itself, `coding` is the network's
    """
    truth = _checked_set(net, images, labels, batch)
    t_hat = choose_steps(policy, images, timesteps)
    answers = np.zeros(len(images), dtype=np.int64)
    with evaluating(net):
        for k in np.unique(t_hat):
            for at in torch.from_numpy(np.flatnonzero(t_hat == k)).split(batch):
                logits = net(coding(as_input(images[at].to(net.head.weight.device)), int(k), at))
                answers[at.numpy()] = logits.mean(dim=0).argmax(dim=1).cpu().numpy()
    return Run(t_hat, answers, answers == truth, timesteps)


def folded(net: SpikingNet) -> SpikingNet:
    """A copy for inference with each batch norm folded into the convolution before it.

    W' = W g / sqrt(var + eps),   b' = shift + (b - mean) g / sqrt(var + eps)     (g and shift: batch norm's weight and bias)

    The same numbers but for rounding: a current within rounding of the threshold may flip its spike.
    """
    if on_chip := crossbars(net):
        raise ValueError(f"the network runs on {on_chip[0].chip.name}, whose crossbars hold the weights before batch norm")
    copied = copy.deepcopy(net).eval()
    for parent in list(copied.modules()):
        for name, child in parent.named_children():
            match list(child.children()):
                case [nn.Conv2d() as conv, nn.BatchNorm2d(track_running_stats=True) as norm] if isinstance(child, nn.Sequential):
                    setattr(parent, name, fuse_conv_bn_eval(conv, norm))
    if left := [name for name, module in copied.named_modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]:
        raise ValueError(f"{left[0]} cannot be folded: a batch norm becomes part of a convolution with which it stands alone in a "
                         "Sequential, as in a Current, and it needs its running statistics")
    return copied


def keep(state: State, index: Tensor) -> State:
    """The membrane potentials of the images that stay, in their memory order (index_select would lose channels_last)."""
    return tuple(u[index] if isinstance(u, Tensor) else u for u in state)


def _batches(images: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The images, batch by batch, and their places in the set."""
    return zip(images.split(batch), torch.arange(len(images)).split(batch), strict=True)


def _checked_set(net: SpikingNet, images: Tensor, labels: Labels, batch: int) -> np.ndarray:
    """The labels (N,), if this network can run the images."""
    if not isinstance(net, SpikingNet):
        raise TypeError(f"a spiking network runs timesteps; got a {type(net).__name__} (conversion.convert makes one of an ANN)")
    check_whole("batch", batch)
    check_set(images, labels, net.head.out_features)
    return as_labels(labels).cpu().numpy()
