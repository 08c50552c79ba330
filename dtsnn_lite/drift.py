"""Images that drift away from those a network was trained on: turned, dimmed, shifted, noisy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dtsnn_lite.data import Split, Splits, as_input, digits


@dataclass(frozen=True)
class Drift:
    """A random change of each image: x -> clip(contrast * turned(x) + noise, 0, 1).

    degrees   turned by an angle drawn from [-degrees, degrees]
    shift     moved by up to this many pixels each way
    contrast  multiplied by a number drawn from [contrast, 1]; 1 leaves the brightness alone
    noise     standard deviation of Gaussian noise on every pixel
    """

    degrees: float = 0.0
    shift: float = 0.0
    contrast: float = 1.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.degrees, self.shift, self.contrast, self.noise))):
            raise ValueError(f"a drift is made of finite numbers; got {self}")
        if not 0.0 < self.contrast <= 1.0:
            raise ValueError(f"contrast is the lowest factor, in (0, 1]; got {self.contrast}")
        if min(self.degrees, self.shift, self.noise) < 0:
            raise ValueError(f"degrees, shift and noise are 0 or more; got {self}")

    def __call__(self, x: Tensor, dice: torch.Generator) -> Tensor:
        """(B, C, H, W) in [0, 1] -> the same shape; all randomness comes from `dice`."""
        B = len(x)
        draw = torch.rand(4, B, generator=dice).to(x.device)
        turned = _moved(x, (2 * draw[0] - 1) * self.degrees, (2 * draw[1:3] - 1) * self.shift)
        factor = self.contrast + (1 - self.contrast) * draw[3]
        noise = self.noise * torch.randn(x.shape, generator=dice).to(x.device) if self.noise else 0.0
        return (turned * factor[:, None, None, None] + noise).clamp(0, 1)


def _moved(x: Tensor, degrees: Tensor, shift: Tensor) -> Tensor:
    """Each image turned by its angle and moved by its (dy, dx) pixels, bilinear, 0 outside.

    The grid counts each axis from -1 to 1, however many pixels that are: a turn of pixels weighs sin by the ratio of the sides.
    """
    a = degrees * (math.pi / 180)
    cos, sin = torch.cos(a), torch.sin(a)
    height, width = x.shape[2:]
    dy, dx = shift[0] * 2 / height, shift[1] * 2 / width
    grid = F.affine_grid(torch.stack([torch.stack([cos, -sin * (height / width), dx], 1),
                                      torch.stack([sin * (width / height), cos, dy], 1)], 1),
                         list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def drifted(split: Split, drift: Drift, seed: int = 0) -> Split:
    """The same labels with every image changed once, always alike."""
    return Split(drift(as_input(split.images), torch.Generator().manual_seed(seed)), split.labels)


HARD = Drift(degrees=30, shift=2, contrast=0.1, noise=0.1)


def hard_digits() -> Splits:
    """The digits with calibration and test images drifted once; training images drift anew in every epoch."""
    clean = digits()
    return Splits(clean.train, drifted(clean.calibration, HARD, seed=1), drifted(clean.test, HARD, seed=2))
