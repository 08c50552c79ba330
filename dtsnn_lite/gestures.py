"""The eleven gestures of DVS128 Gesture (amir2017gesture), acted by a figure in closed form.

A person faces the camera, so that the right hand is on the left of the picture. Places are in units of the shoulders' width, x to the
picture's right, y down, the middle between the shoulders at (0, 0). An arm is two rods and a hand; where the hand goes, the elbow
follows. It is a figure of six capsules, no human being: what a network learns of it must prove itself on real recordings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dtsnn_lite.camera import EventCamera
from dtsnn_lite.events import Events, to_frames
from dtsnn_lite.scenes import grid

GESTURES = ("hand clap", "right hand wave", "left hand wave", "right arm clockwise", "right arm counter-clockwise",
            "left arm clockwise", "left arm counter-clockwise", "arm roll", "air drums", "air guitar", "other")
_OTHER_SIDE = {"right": "left", "left": "right", "clockwise": "counter-clockwise", "counter-clockwise": "clockwise"}
MIRRORED = tuple(GESTURES.index(" ".join(_OTHER_SIDE.get(word, word) for word in name.split())) for name in GESTURES)   # seen in a mirror
RIGHT, LEFT = 0, 1                                       # a hand's row
SHOULDERS = np.array([[-0.5, 0.0], [0.5, 0.0]])
AT_REST = np.array([[-0.62, 1.35], [0.62, 1.35]])
ROD = 0.75                                               # length of an upper arm, and of a forearm
SECONDS = 1.5


@dataclass(frozen=True, eq=False)
class Free:
    """What the class `other` does with its hands: each on a path of its own, or one at rest."""

    lifted: np.ndarray      # (2,) 0 or 1
    middle: np.ndarray      # (2, 2)
    reach: np.ndarray       # (2, 2)
    rate: np.ndarray        # (2, 2) turns a turn of the gesture's clock
    phase: np.ndarray       # (2, 2)

    def paths(self, angle: np.ndarray, reach: float) -> np.ndarray:
        """(2 hands, 2, M) x and y at angles (M,)."""
        path = self.middle + reach * self.reach * np.sin(self.rate * angle[:, None, None] + self.phase)      # (M, 2, 2)
        return np.moveaxis(AT_REST + self.lifted[:, None] * (path - AT_REST), 0, -1)


@dataclass(frozen=True, eq=False)
class Figure:
    """One person on one occasion.

    gesture         0 to 10, as in GESTURES
    turns_hz        how often the movement comes round
    phase           rad at t = 0
    reach           how large it is made, 1 the usual
    shoulder_px     width of the shoulders
    place_px        (x, y) of the middle between them
    sway, sway_hz   how far the body rocks, in shoulders, and how often
    arm             radius of an arm, in shoulders
    skin, shirt     log intensity against a grey wall
    wall            (H, W) log intensity behind
    """

    gesture: int
    turns_hz: float
    phase: float
    reach: float
    shoulder_px: float
    place_px: tuple[float, float]
    sway: float
    sway_hz: float
    arm: float
    skin: float
    shirt: float
    wall: np.ndarray
    free: Free
    roll: int = 1           # which way the arms roll, 1 or -1

    def __post_init__(self) -> None:
        if self.gesture not in range(len(GESTURES)):
            raise ValueError(f"gesture is 0 to {len(GESTURES) - 1}; got {self.gesture}")

    def hands(self, t: np.ndarray) -> np.ndarray:
        """(M, 2, 2) places of the right and the left hand at times (M,) in seconds."""
        angle = 2 * np.pi * self.turns_hz * np.asarray(t) + self.phase
        places = np.broadcast_to(AT_REST, (len(angle), 2, 2)).copy()
        for side, place in _moved(self, angle).items():
            places[:, side] = np.stack(np.broadcast_arrays(*place), axis=-1)
        return places

    def log_intensity(self, t: float) -> np.ndarray:
        """(H, W) at one instant: `film` of it."""
        return self.film(np.array([t]))[0]

    def film(self, t: np.ndarray) -> np.ndarray:
        """(M, H, W) at times (M,): wall, trunk, head, then the arms before them, each edge one pixel soft."""
        t, at = np.asarray(t, dtype=np.float64), grid((self.wall.shape[0], self.wall.shape[1]))
        pictures = np.broadcast_to(self.wall.astype(np.float32), (len(t), *self.wall.shape)).copy()
        middle = np.array(self.place_px) + self.sway * self.shoulder_px * np.sin(2 * np.pi * self.sway_hz * t)[:, None] * (1.0, 0.0)
        raised = -1.0 if GESTURES[self.gesture].endswith("wave") else 1.0         # so that an elbow points outwards, up or down

        def paint(begin: np.ndarray, end: np.ndarray, radius: float, light: float) -> None:
            cover = _capsule(at, middle + self.shoulder_px * begin, middle + self.shoulder_px * end, radius * self.shoulder_px)
            pictures[:] += cover * (np.float32(light) - pictures)

        paint(np.array([0, 0.25]), np.array([0, 1.6]), 0.42, self.shirt)
        paint(np.array([0, -0.55]), np.array([0, -0.45]), 0.27, self.skin)
        for side, shoulder in enumerate(SHOULDERS):
            hand = self.hands(t)[:, side]
            elbow = _elbow(shoulder, hand, bend=raised if side == RIGHT else -raised)
            paint(shoulder, elbow, self.arm, 0.8 * self.shirt)
            paint(elbow, hand, 0.85 * self.arm, 0.9 * self.skin)
            paint(hand, hand, 1.45 * self.arm, self.skin)
        return pictures


def _moved(who: Figure, angle: np.ndarray) -> dict[int, tuple[Any, Any]]:
    """Where the hands that are not at rest are, x and y (M,), at angles (M,) of the gesture's clock."""
    sin, cos, reach = np.sin(angle), np.cos(angle), who.reach
    match GESTURES[who.gesture]:
        case "hand clap":
            apart = 0.08 + 0.75 * reach * (0.45 + 0.45 * cos)
            return {RIGHT: (-apart, 0.45), LEFT: (apart, 0.45)}
        case "right hand wave" | "left hand wave" as name:
            side, out = (RIGHT, -1) if name.startswith("right") else (LEFT, 1)
            return {side: (0.85 * out + 0.42 * reach * sin, -0.55 - 0.1 * np.cos(2 * angle))}
        case "arm roll":
            x, y = 0.32 * reach * cos, 0.32 * reach * who.roll * sin
            return {RIGHT: (x, 0.5 + y), LEFT: (-x, 0.5 - y)}
        case "air drums":
            return {RIGHT: (-0.45, 0.75 + 0.4 * reach * sin), LEFT: (0.45, 0.75 - 0.4 * reach * sin)}
        case "air guitar":
            return {RIGHT: (-0.1 + 0.1 * sin, 0.95 + 0.42 * reach * sin), LEFT: (0.95, 0.25 + 0.05 * np.sin(angle / 3))}
        case "other":
            return dict(enumerate(who.free.paths(angle, reach)))
        case name:                                       # "right arm clockwise" and its three like
            side, out = (RIGHT, -1) if name.startswith("right") else (LEFT, 1)
            turn = -1 if name.endswith("counter-clockwise") else 1
            return {side: (0.8 * out + 0.62 * reach * cos, 0.15 + 0.62 * reach * turn * sin)}


def _elbow(shoulder: np.ndarray, hand: np.ndarray, bend: float) -> np.ndarray:
    """(M, 2) the corner of a triangle of two rods between shoulder and hand, on the one side (1) of the line between or the other (-1).

    A hand too far away is held out straight.
    """
    line = hand - shoulder
    length = np.maximum(np.hypot(line[:, 0], line[:, 1]), 1e-6)[:, None]
    half, along = np.minimum(length, 2 * ROD - 1e-3) / 2, line / length
    return shoulder + half * along + bend * np.sqrt(ROD**2 - half**2) * np.stack([-along[:, 1], along[:, 0]], axis=1)


def _capsule(at: np.ndarray, begin: np.ndarray, end: np.ndarray, radius: float) -> np.ndarray:
    """(M, H, W) how much of each pixel a rod with round ends covers: 1 within the radius, 0 a pixel further out.

    The rod goes from begin to end, (M, 2) each; what stands still is drawn as often, which is simple and quick enough.
    """
    at, begin, end = at.astype(np.float32), begin.astype(np.float32), end.astype(np.float32)      # half the time of float64
    x, y = (at[..., axis] - begin[:, axis, None, None] for axis in (0, 1))
    dx, dy = (end - begin).T[:, :, None, None]
    share = np.clip((x * dx + y * dy) / np.maximum(dx**2 + dy**2, np.float32(1e-9)), 0, 1)
    return np.clip(np.float32(radius + 0.5) - np.sqrt((x - share * dx) ** 2 + (y - share * dy) ** 2), 0, 1)


def figure(gesture: int, seed: int, size: int = 32) -> Figure:
    """A person drawn by the seed: build, place, pace, light, clothes and wall."""
    dice = np.random.default_rng(seed)
    at = grid((size, size))
    stripes = zip(dice.normal(0, 4 * np.pi / size, (8, 2)), dice.uniform(0, 2 * np.pi, 8), strict=True)
    free = Free(lifted=np.ones(2) if dice.random() < 0.5 else dice.permutation([1.0, 0.0]),
                middle=dice.uniform((-0.3, 0.0), (0.3, 0.9), (2, 2)) + SHOULDERS, reach=dice.uniform(0.1, 0.6, (2, 2)),
                rate=dice.choice((0.5, 1.0, 1.5, 2.0), (2, 2)), phase=dice.uniform(0, 2 * np.pi, (2, 2)))
    light = 0.8 * dice.uniform(0.6, 1.4)
    return Figure(gesture, turns_hz=dice.uniform(0.9, 2.0), phase=dice.uniform(0, 2 * np.pi), reach=dice.uniform(0.7, 1.2),
                  shoulder_px=size * dice.uniform(0.26, 0.36),
                  place_px=(size * dice.uniform(-0.08, 0.08), size * dice.uniform(-0.2, -0.08)),
                  sway=dice.uniform(0, 0.03), sway_hz=dice.uniform(0.2, 0.6), arm=dice.uniform(0.12, 0.18),
                  skin=light * dice.uniform(0.35, 1.0) * dice.choice((-1, 1)), shirt=light * dice.uniform(-0.7, 0.7),
                  wall=light * 0.12 * np.sum([np.cos(at @ w + phase) for w, phase in stripes], axis=0), free=free,
                  roll=int(dice.choice((-1, 1))))


def watch_gesture(gesture: int, camera: EventCamera, seed: int, size: int = 32, seconds: float = SECONDS, instants: int = 151) -> Events:
    """A gesture as the camera sees it, acted by the person of this seed."""
    times = np.linspace(0, seconds, instants)
    return replace(camera, seed=seed).watch_film(figure(gesture, seed, size).film(times), times)


def gesture_frames(labels: np.ndarray, camera: EventCamera, first_seed: int, bins: int = 20, size: int = 32) -> np.ndarray:
    """Gestures (N,) as T frames of event bits: (N, T, 2, size, size) uint8; number n is acted by the person of seed first_seed + n."""
    return np.stack([to_frames(watch_gesture(int(label), camera, first_seed + n, size), bins, SECONDS) for n, label in enumerate(labels)])
