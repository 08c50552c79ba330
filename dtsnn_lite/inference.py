"""The bridge: run a network on the torch shore, hand numpy arrays to the other."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor

from dtsnn_lite.encoding import direct
from dtsnn_lite.exits import ExitPolicy, Run
from dtsnn_lite.losses import running_mean
from dtsnn_lite.models import Current, SpikingNet, State
from dtsnn_lite.recording import Recording


@torch.no_grad()
def record(net: SpikingNet, images: Tensor, labels: Tensor, timesteps: int,
           batch: int = 100, about: dict | None = None) -> Recording:
    """Everything an exit can ask of a network: f_t(x) of all images and timesteps."""
    _check_set(images, labels, batch)
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
    """Really stop: after each timestep the images that are sure leave the batch.

    Equal to `replay(record(net, ...), policy)`, in about mean(T_hat) / T of the time.
    """
    _check_set(images, labels, batch)
    net.eval()
    t_hat, answers = np.zeros(len(images), dtype=np.int64), np.zeros(len(images), dtype=np.int64)
    for start in range(0, len(images), batch):
        _run_batch(net, images[start:start + batch], start, policy, timesteps, t_hat, answers)
    return Run(t_hat, answers, answers == labels.cpu().numpy(), timesteps)


def _run_batch(net: SpikingNet, x: Tensor, start: int, policy: ExitPolicy, timesteps: int,
               t_hat: np.ndarray, answers: np.ndarray) -> None:
    net.checked(direct(x, timesteps))
    current = net.first_current(x.to(net.head.weight.device))   # constant input: once for all timesteps
    state = net.empty_state()
    image = np.arange(start, start + len(x))
    total, seen = 0.0, np.zeros((0, len(x), net.head.out_features), dtype=np.float32)
    for t in range(1, timesteps + 1):
        logits, _, state = net.advance_from(current[None], state)
        total = total + logits[0].float()
        f_t = (total / t).cpu().numpy()
        if not np.isfinite(f_t).all():
            raise ValueError(f"the network returned NaN or infinity at timestep {t}")
        seen = np.concatenate([seen, f_t[None]])
        leaves = policy.stop(seen, image) if t < timesteps else np.ones(len(image), dtype=bool)
        t_hat[image[leaves]] = t
        answers[image[leaves]] = f_t[leaves].argmax(axis=1)
        if leaves.all():
            return
        if leaves.any():
            stay = ~leaves
            image, seen = image[stay], seen[:, stay]
            index = torch.from_numpy(np.flatnonzero(stay)).to(current.device)
            current, total = current[index], total[index]
            state = keep(state, index)


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


def _check_set(images: Tensor, labels: Tensor, batch: int) -> None:
    if len(images) == 0:
        raise ValueError("the split is empty: there is no image to run")
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images but {len(labels)} labels")
    if batch < 1:
        raise ValueError(f"batch is a number of images, 1 or more; got {batch}")
    if not torch.isfinite(images).all():        # a NaN current never fires, so the logits would look sound
        raise ValueError("the images hold NaN or infinity")
