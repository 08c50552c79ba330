"""From an item to T inputs: direct (constant current), rate (Bernoulli spikes), events as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from dtsnn_lite.guards import check_whole


class Coding(Protocol):
    """How the items of a batch become T inputs: (B, ...) -> (T, B, C, H, W).

    at  (B,) the items' places in their set, None: 0, 1, ..., B - 1. What is random is drawn for a place,
        so that an item's inputs are its own, whatever batch it comes in and however often it is asked for.
    The first t inputs of T do not depend on T.
    """

    def __call__(self, items: Tensor, timesteps: int, at: Tensor | None = None, /) -> Tensor: ...


def direct(images: Tensor, timesteps: int, at: Tensor | None = None) -> Tensor:
    """The image itself as a constant input current: (B, C, H, W) -> (T, B, C, H, W), a view.

    The stride over T is 0, by which a model knows that its first convolution need run only once.
    """
    _check_images(images, timesteps)
    return images.unsqueeze(0).expand(timesteps, *images.shape)


@dataclass(frozen=True)
class Rate:
    """Bernoulli spikes with probability equal to the intensity: (B, C, H, W) in [0, 1] -> (T, B, C, H, W).

    s_t(pixel) = 1[r < pixel],   r uniform in [0, 1), drawn anew for every seed, place, timestep and pixel
    """

    seed: int = 0

    def __post_init__(self) -> None:
        check_whole("seed", self.seed, 0)

    def __call__(self, images: Tensor, timesteps: int, at: Tensor | None = None) -> Tensor:
        _check_images(images, timesteps)
        if not (images.min() >= 0 and images.max() <= 1):      # NaN fails too
            raise ValueError("rate coding reads intensities as probabilities, in [0, 1]; scale the images first")
        places = range(len(images)) if at is None else at.tolist()
        spikes = [self._uniform(n, timesteps, image) < image for n, image in zip(places, images, strict=True)]
        return torch.stack(spikes, dim=1).to(images.dtype)

    def _uniform(self, place: int, timesteps: int, image: Tensor) -> Tensor:
        """(T, C, H, W) in [0, 1), the same on every device."""
        dice = np.random.default_rng((self.seed, place))
        return torch.from_numpy(dice.random((timesteps, *image.shape), dtype=np.float32)).to(image.device)


def events(sequences: Tensor, timesteps: int, at: Tensor | None = None) -> Tensor:
    """The first T of each item's own T' >= T inputs: (B, T', C, H, W) -> (T, B, C, H, W), a view."""
    check_whole("timesteps", timesteps)
    if sequences.dim() != 5 or 0 in sequences.shape:
        raise ValueError(f"sequences are (B, T, C, H, W), none of them 0; got shape {tuple(sequences.shape)}")
    if timesteps > sequences.shape[1]:
        raise ValueError(f"these sequences are {sequences.shape[1]} timesteps long; got timesteps = {timesteps}")
    _check_floating(sequences)
    return sequences[:, :timesteps].transpose(0, 1)


def is_constant(x: Tensor) -> bool:
    """Whether x (T, ...) repeats one input, as `direct` makes it."""
    return x.shape[0] == 1 or x.stride(0) == 0


def _check_images(images: Tensor, timesteps: int) -> None:
    check_whole("timesteps", timesteps)
    if images.dim() != 4 or 0 in images.shape:
        raise ValueError(f"images are (B, C, H, W), none of them 0; got shape {tuple(images.shape)}")
    _check_floating(images)


def _check_floating(x: Tensor) -> None:
    if not x.is_floating_point():
        raise TypeError(f"images are floating point, in [0, 1] before any normalising; got {x.dtype}")
