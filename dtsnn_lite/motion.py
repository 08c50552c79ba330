"""Motion without learning: the affine motion that, undone, makes a stream of events sharpest (contrast maximisation).

Events of one edge lie on a line through space and time. Moved back along the true motion they fall onto the edge again, and the
picture of their numbers has the largest variance.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, replace

import numpy as np

from dtsnn_lite.events import Events
from dtsnn_lite.scenes import grid

MARGIN = 8                  # pixels around the camera's picture, into which events may be moved
TURNED = 0.5                # radians by which the squares are turned in which events are counted
COS, SIN = math.cos(TURNED), math.sin(TURNED)
FIRST_STEP = (16.0, 16.0, 0.5, 0.5)      # of the search: pixels a second twice, then 1 / s twice


@dataclass(frozen=True)
class Affine:
    """x(t) = exp(A t) x(0) + v t from the picture's middle, A = [[zoom, -spin], [spin, zoom]]; v in pixels a second."""

    right: float = 0.0
    down: float = 0.0
    spin: float = 0.0
    zoom: float = 0.0

    def flow(self, size: tuple[int, int], seconds: float) -> np.ndarray:
        """(H, W, 2) pixels by which each point of the picture moves from now on."""
        x, y = np.moveaxis(grid(size), -1, 0)
        scale, cos, sin = np.exp(self.zoom * seconds), np.cos(self.spin * seconds), np.sin(self.spin * seconds)
        return np.stack([scale * (cos * x - sin * y) + self.right * seconds - x,
                         scale * (sin * x + cos * y) + self.down * seconds - y], axis=-1)

    def undone(self, x: np.ndarray, y: np.ndarray, t_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where what is at (x, y) at time t was at t = 0."""
        x, y = x - self.right * t_s, y - self.down * t_s
        scale, cos, sin = np.exp(-self.zoom * t_s), np.cos(self.spin * t_s), np.sin(self.spin * t_s)
        return scale * (cos * x + sin * y), scale * (cos * y - sin * x)


def sharpness(events: Events, motion: Affine, jitter: np.ndarray) -> float:
    """Variance over squares and sides of how many events fall there when the motion is undone.

    jitter  (2, E) up to half a pixel either way: where in its pixel an event was
    The squares are as large as pixels, but turned against them: on the pixels' own grid whatever stands still along an axis would
    keep to its columns or rows, and look sharper than all that moves.
    """
    height, width = events.size
    x, y = motion.undone(events.x - (width - 1) / 2 + jitter[0], events.y - (height - 1) / 2 + jitter[1], events.t_s)
    side = math.ceil(math.hypot(height, width)) + 2 * MARGIN
    column, row = (np.floor(at + side / 2).astype(int) for at in (COS * x - SIN * y, SIN * x + COS * y))
    inside = (column >= 0) & (column < side) & (row >= 0) & (row < side)
    places = (events.on[inside] * side + row[inside]) * side + column[inside]
    return float(np.bincount(places, minlength=2 * side * side).var())


def sharpest(*streams: Events, fastest: float = 64.0, turning: bool = True, seed: int = 0) -> Affine:
    """The motion of the sharpest picture: every speed on a grid up to `fastest` pixels a second a side, then ever smaller steps.

    streams  of one motion, each a picture of its own: recordings of many things by a camera that moves alike, or a single one
    turning  whether spin and zoom are looked for too, once the speed is roughly known
    """
    dice, step = np.random.default_rng(seed), np.array(FIRST_STEP)
    jittered = [(events, dice.uniform(-0.5, 0.5, (2, len(events)))) for events in streams]

    def total(motion: Affine) -> float:
        return sum(sharpness(events, motion, jitter) for events, jitter in jittered)

    speeds = np.arange(-fastest, fastest + step[0] / 2, step[0])
    best = max((Affine(float(right), float(down)) for right in speeds for down in speeds), key=total)
    for _ in range(5):
        step = step / 2
        for axis in range(4 if turning else 2):
            best = max((moved(best, axis, k * step[axis]) for k in (-2, -1, 0, 1, 2)), key=total)
    return best


def moved(motion: Affine, axis: int, by: float) -> Affine:
    """The motion with one of its four numbers changed."""
    numbers = list(astuple(motion))
    numbers[axis] += float(by)
    return replace(motion, right=numbers[0], down=numbers[1], spin=numbers[2], zoom=numbers[3])
