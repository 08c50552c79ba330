"""From an image to T inputs: direct (constant current), rate (Bernoulli spikes), events as they are."""

from __future__ import annotations

import torch
from snntorch import spikegen
from torch import Tensor

from dtsnn_lite.guards import check_whole


def direct(images: Tensor, timesteps: int) -> Tensor:
    """The image itself as a constant input current: (B, C, H, W) -> (T, B, C, H, W), a view.

    The stride over T is 0, by which a model knows that its first convolution need run only once.
    """
    _check(images, timesteps)
    return images.unsqueeze(0).expand(timesteps, *images.shape)


def rate(images: Tensor, timesteps: int, seed: int = 0) -> Tensor:
    """Bernoulli spikes with probability equal to the intensity: (B, C, H, W) in [0, 1] -> (T, B, C, H, W)."""
    _check(images, timesteps)
    if not (images.min() >= 0 and images.max() <= 1):      # NaN fails too
        raise ValueError("rate coding reads intensities as probabilities, in [0, 1]; scale the images first")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return spikegen.rate(images, num_steps=timesteps)


def is_constant(x: Tensor) -> bool:
    """Whether x (T, ...) repeats one input, as `direct` makes it."""
    return x.shape[0] == 1 or x.stride(0) == 0


def _check(images: Tensor, timesteps: int) -> None:
    check_whole("timesteps", timesteps)
    if images.dim() != 4 or 0 in images.shape:
        raise ValueError(f"images are (B, C, H, W), none of them 0; got shape {tuple(images.shape)}")
    if not images.is_floating_point():
        raise TypeError(f"images are floating point, in [0, 1] before any normalising; got {images.dtype}")
