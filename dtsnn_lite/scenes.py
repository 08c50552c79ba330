"""Scenes in motion for the event camera: brightness, velocity and displacement in closed form, so that the truth is exact."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from dtsnn_lite.camera import EventCamera
from dtsnn_lite.events import Events, to_frames
from dtsnn_lite.guards import check_whole


def grid(size: tuple[int, int]) -> np.ndarray:
    """(H, W, 2) places (x, y) of the pixels, counted from the middle of the picture."""
    height, width = size
    return np.stack(np.meshgrid(np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2), axis=-1)


# --- a texture that moves, turns and grows ---------------------------------------------

@dataclass(frozen=True, eq=False)
class Waves:
    """A texture of plane waves carried by an affine motion, exact at every point and instant: nothing is resampled.

    L(x, t) = sum_k h_k cos(w_k . x0 + phase_k),     x(t) = exp(A t) x0 + v t,     A = [[zoom, -spin], [spin, zoom]]

    w       (n, 2) rad a pixel; h, phase (n,)
    v       (2,) pixels a second
    spin    rad a second, clockwise on a screen whose y points down
    zoom    growth a second
    """

    w: np.ndarray
    h: np.ndarray
    phase: np.ndarray
    v: np.ndarray
    spin: float = 0.0
    zoom: float = 0.0
    size: tuple[int, int] = (32, 32)

    def log_intensity(self, t: float) -> np.ndarray:
        """(H, W) natural logarithm."""
        return (self.h * np.cos(self._origin(t) @ self.w.T + self.phase)).sum(axis=-1)

    def gradient(self, t: float) -> np.ndarray:
        """(H, W, 2) of the log intensity, a pixel."""
        slope = -self.h * np.sin(self._origin(t) @ self.w.T + self.phase)
        return (slope @ self.w) @ self._growth(-t)

    def velocity(self, t: float) -> np.ndarray:
        """(H, W, 2) pixels a second of the point that is at each pixel: v + A (x - v t)."""
        a = np.array([[self.zoom, -self.spin], [self.spin, self.zoom]])
        return self.v + (grid(self.size) - self.v * t) @ a.T

    def flow(self, begin: float, end: float) -> np.ndarray:
        """(H, W, 2) pixels by which the point at each pixel has moved between two instants."""
        here = grid(self.size)
        return (here - self.v * begin) @ self._growth(end - begin).T + self.v * end - here

    def _origin(self, t: float) -> np.ndarray:
        """Where the point at each pixel was at t = 0."""
        return (grid(self.size) - self.v * t) @ self._growth(-t).T

    def _growth(self, t: float) -> np.ndarray:
        """exp(A t): a turn by spin t and a growth by e^(zoom t)."""
        cos, sin = math.cos(self.spin * t), math.sin(self.spin * t)
        return math.exp(self.zoom * t) * np.array([[cos, -sin], [sin, cos]])


def waves(seed: int, size: tuple[int, int] = (32, 32), speed: float = 40.0, turn: float = 0.0, number: int = 24,
          finest: float = 4.0, contrast: float = 0.45) -> Waves:
    """A random texture and motion.

    speed     up to so many pixels a second, every direction, areas of the disc alike
    turn      spin and zoom each within +-turn a second
    finest    shortest wavelength in pixels; the longest is the picture, and heights go as the wavelength, as in natural pictures
    contrast  root mean square of the log intensity
    """
    check_whole("number", number)
    dice = np.random.default_rng(seed)
    length = finest * (max(size) / finest) ** dice.uniform(0, 1, number)
    angle = dice.uniform(0, 2 * np.pi, number)
    h = length * dice.uniform(0.3, 1, number)
    course = dice.uniform(0, 2 * np.pi)
    v = speed * math.sqrt(dice.uniform(0.02, 1)) * np.array([math.cos(course), math.sin(course)])
    spin, zoom = turn * dice.uniform(-1, 1, 2)
    w = 2 * np.pi / length[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    h *= contrast / math.sqrt(0.5 * (h**2).sum())
    return Waves(w, h, dice.uniform(0, 2 * np.pi, number), v, float(spin), float(zoom), size)


FLOW_S = 0.1            # what a clip lasts
FLOW_BINS = 5
FLOW_SPEED, FLOW_TURN = 60.0, 1.5


def flow_scene(seed: int, size: tuple[int, int] = (32, 32)) -> Waves:
    """The texture and motion of one clip of the flow set."""
    return waves(seed, size, FLOW_SPEED, FLOW_TURN)


def flow_clip(seed: int, camera: EventCamera, instants: int = 21) -> Events:
    """A clip of the flow set as the camera sees it; the camera's own dice are the clip's too."""
    return replace(camera, seed=seed).watch(flow_scene(seed).log_intensity, np.linspace(0, FLOW_S, instants))


def flow_clips(seeds: Iterable[int], camera: EventCamera, most: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Clips as T = 5 frames of 20 ms, (N, 5, 2, 32, 32) uint8, and the pixels by which each point moves in them, (N, 2, 32, 32)."""
    seeds = list(seeds)
    frames = np.stack([to_frames(flow_clip(seed, camera), FLOW_BINS, FLOW_S, most) for seed in seeds])
    flow = np.stack([np.moveaxis(flow_scene(seed).flow(0, FLOW_S), -1, 0) for seed in seeds])
    return frames, flow.astype(np.float32)


# --- a digit under three saccades -------------------------------------------------------

SACCADES = ((3.5, 7.0), (3.5, -7.0), (-7.0, 0.0))      # pixels right and down, one after another: a triangle (orchard2015nmnist)
SACCADE_S = 0.105


@dataclass(frozen=True, eq=False)
class Saccades:
    """A picture under N-MNIST's camera, which jumps three times and comes back.

    place(t) = sum of the jumps done + jump * rise(t into the present one / its moving time),   rise(u) = u - sin(2 pi u) / (2 pi)

    picture  (h, w) in [0, 1]
    moving   share of a jump's time in which the camera really moves; the peak speed is 2 jump / (moving * 0.105 s)
    dark     intensity of black, as a share of white: the contrast is log(1 / dark)
    """

    picture: np.ndarray
    size: tuple[int, int] = (34, 34)
    jumps: tuple[tuple[float, float], ...] = SACCADES
    moving: float = 1.0
    dark: float = 0.3
    padded: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.picture.ndim != 2 or self.picture.min() < 0 or self.picture.max() > 1:
            raise ValueError(f"picture is (H, W) in [0, 1]; got shape {self.picture.shape}, {self.picture.min()} to {self.picture.max()}")
        if not 0 < self.dark < 1:
            raise ValueError(f"dark is the intensity of black as a share of white, in (0, 1); got {self.dark}")
        if not 0 < self.moving <= 1:
            raise ValueError(f"moving is a share of a jump's time, in (0, 1]; got {self.moving}")
        object.__setattr__(self, "padded", np.pad(self.picture, 1))

    @property
    def seconds(self) -> float:
        return SACCADE_S * len(self.jumps)

    def displacement(self, t: float) -> np.ndarray:
        """(2,) pixels right and down by which the picture stands from where it began; the path is centred in the frame."""
        done, u = divmod(min(max(t / SACCADE_S, 0.0), float(len(self.jumps))), 1.0)
        jumps = np.array(self.jumps)
        begun = jumps[int(done)] * _rise(min(u / self.moving, 1.0)) if done < len(jumps) else 0.0
        return jumps[: int(done)].sum(axis=0) + begun

    def velocity(self, t: float) -> np.ndarray:
        """(2,) pixels a second: jump (1 - cos 2 pi u) / its moving time."""
        done, u = divmod(t / SACCADE_S, 1.0)
        if not 0 <= done < len(self.jumps) or u >= self.moving:
            return np.zeros(2)
        return np.array(self.jumps[int(done)]) * (1 - math.cos(2 * np.pi * u / self.moving)) / (self.moving * SACCADE_S)

    def log_intensity(self, t: float) -> np.ndarray:
        """(H, W): the picture between its pixels is bilinear; around it is black."""
        corners = np.cumsum([(0.0, 0.0), *self.jumps], axis=0)
        middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
        height, width = self.picture.shape
        at = grid(self.size) - (self.displacement(t) - middle) + ((width - 1) / 2, (height - 1) / 2)
        return np.log(self.dark + (1 - self.dark) * self._bilinear(at[..., 0], at[..., 1]))

    def _bilinear(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        height, width = self.picture.shape
        x, y = np.clip(x, -1, width) + 1, np.clip(y, -1, height) + 1           # the padded picture's own places
        left, top = np.minimum(x.astype(int), width), np.minimum(y.astype(int), height)
        right, below, p = x - left, y - top, self.padded
        return ((1 - below) * ((1 - right) * p[top, left] + right * p[top, left + 1])
                + below * ((1 - right) * p[top + 1, left] + right * p[top + 1, left + 1]))


def _rise(u: float) -> float:
    """From 0 to 1, at rest at both ends."""
    return u - math.sin(2 * np.pi * u) / (2 * np.pi)


def saccade_frames(pictures: np.ndarray, camera: EventCamera, bins: int = 20, instants: int = 64, most: int = 1) -> np.ndarray:
    """Pictures (N, h, w) as T frames of events each: (N, T, 2, 34, 34) uint8; picture n has the camera's seed + n."""
    return np.stack([to_frames(watch_digit(picture, camera, n, instants), bins, SACCADE_S * len(SACCADES), most)
                     for n, picture in enumerate(pictures)])


def watch_digit(picture: np.ndarray, camera: EventCamera, place: int = 0, instants: int = 64) -> Events:
    """A picture's three saccades as the camera sees them; what is random is drawn for its place in the set."""
    scene = Saccades(picture)
    return replace(camera, seed=camera.seed + place).watch(scene.log_intensity, np.linspace(0, scene.seconds, instants))
