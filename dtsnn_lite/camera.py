"""An event camera: a scene in motion becomes events, by the pixel's own rule.

Each pixel keeps the log intensity L of its last event and speaks when L has moved by a threshold C:

L(t) - level >= C  ->  ON,  level + C        L(t) - level <= -C  ->  OFF,  level - C

(lichtsteiner2008dvs, rebecq2018esim). Between two instants at which the scene is looked at L runs straight, so that an event has a
time of its own, not that of a frame. What real cameras also do is left out: the arbiter that makes pixels queue, the delay of a
dim pixel, and a bandwidth that grows with the light.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from dtsnn_lite.events import Events, in_order
from dtsnn_lite.guards import check_whole

LEAST_THRESHOLD = 0.01      # of a pixel, whatever its mismatch: below, it would never be silent (v2e clamps here too)
Columns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]      # t_s, x, y, on


@dataclass(frozen=True)
class EventCamera:
    """The constants of an event pixel, the ideal one by default.

    threshold        C, in natural-log units: 0.2 is a change of 22 %
    mismatch         standard deviation of C over the pixels, ON and OFF each, drawn once for a seed
    refractory_s     dead time after an event; what changes meanwhile is lost, and the pixel starts anew from the level at its end
    noise_hz         events a pixel and second without a cause, Poisson, either side; they leave the level alone
    leak_hz          ON events a pixel and second because the level leaks away
    bandwidth_hz     first-order low pass of the photoreceptor

    >>> brighter = lambda t: np.full((1, 1), 0.5 * t)                     # log intensity, half a nat a second
    >>> EventCamera(threshold=0.2).watch(brighter, np.linspace(0, 1, 5)).t_s
    array([0.4, 0.8])
    """

    threshold: float = 0.2
    mismatch: float = 0.0
    refractory_s: float = 0.0
    noise_hz: float = 0.0
    leak_hz: float = 0.0
    bandwidth_hz: float = math.inf
    seed: int = 0

    def __post_init__(self) -> None:
        if not (LEAST_THRESHOLD <= self.threshold and math.isfinite(self.threshold)):
            raise ValueError(f"threshold is a change of log intensity, {LEAST_THRESHOLD} or more; got {self.threshold}")
        for what in ("mismatch", "refractory_s", "noise_hz", "leak_hz"):
            if not (getattr(self, what) >= 0 and math.isfinite(getattr(self, what))):
                raise ValueError(f"{what} is finite, 0 or more; got {getattr(self, what)}")
        if not self.bandwidth_hz > 0:
            raise ValueError(f"bandwidth_hz is above 0 (infinite: no low pass); got {self.bandwidth_hz}")
        check_whole("seed", self.seed, 0)

    def watch(self, log_intensity: Callable[[float], np.ndarray], instants_s: np.ndarray) -> Events:
        """The events of a scene.

        log_intensity  of an instant: (H, W), natural logarithm
        instants_s     rising; the first is the start, at which every pixel has just spoken
        """
        return self.watch_film((log_intensity(float(t)) for t in instants_s), instants_s)

    def watch_film(self, film: Iterable[np.ndarray], instants_s: np.ndarray) -> Events:
        """The events of a scene that is given at its instants: log intensities (H, W), one an instant."""
        instants = np.asarray(instants_s, dtype=np.float64)
        if instants.ndim != 1 or len(instants) < 2 or not ((np.diff(instants) > 0).all() and np.isfinite(instants).all()):
            raise ValueError("instants_s are two or more rising times, in seconds")
        dice = np.random.default_rng(self.seed)
        pictures = _pictures(film, len(instants))
        true, found = next(pictures), []
        bars = np.maximum(LEAST_THRESHOLD, self.threshold + self.mismatch * dice.standard_normal((2, *true.shape)))
        pixels = _Pixels(true, bars, self.refractory_s)
        for begin, end, now in zip(instants[:-1], instants[1:], pictures, strict=True):
            behind = self._photoreceptor(pixels.seen, true, now, end - begin)
            found += pixels.run(behind, begin, end, leak=self.leak_hz * bars[0] * (end - begin))
            true = now
        found.append(self._noise(dice, true.shape, instants[0], instants[-1]))
        t_s, x, y, on = (np.concatenate(column) for column in zip(*found, strict=True))
        return in_order(t_s, x, y, on, size=(true.shape[0], true.shape[1]))

    def _photoreceptor(self, seen: np.ndarray, then: np.ndarray, now: np.ndarray, dt: float) -> np.ndarray:
        """The low pass after dt, while the light runs straight from `then` to `now`:

        y(dt) = now - r tau + (y(0) - then + r tau) exp(-dt / tau),   r = (now - then) / dt,  tau = 1 / (2 pi bandwidth)
        """
        if math.isinf(self.bandwidth_hz):
            return now
        tau = 1 / (2 * math.pi * self.bandwidth_hz)
        lag = (now - then) / dt * tau
        return now - lag + (seen - then + lag) * math.exp(-dt / tau)

    def _noise(self, dice: np.random.Generator, shape: tuple[int, ...], begin: float, end: float) -> Columns:
        n = dice.poisson(self.noise_hz * (end - begin) * shape[0] * shape[1])
        return dice.uniform(begin, end, n), dice.integers(0, shape[1], n), dice.integers(0, shape[0], n), dice.random(n) < 0.5


def _pictures(film: Iterable[np.ndarray], instants: int) -> Iterator[np.ndarray]:
    """The pictures of a film, if they are one an instant, alike and finite."""
    shape: tuple[int, ...] = ()
    n = 0
    for n, given in enumerate(film, start=1):
        if n > instants:
            break
        picture = np.asarray(given, dtype=np.float64)
        shape = shape or picture.shape
        if picture.ndim != 2 or picture.shape != shape:
            raise ValueError(f"a scene is (H, W) log intensities, as many at every instant; got {picture.shape}, and {shape} at the first")
        if not np.isfinite(picture).all():
            raise ValueError(f"log intensities are finite; got {picture[~np.isfinite(picture)][0]} "
                             "(the logarithm of 0? even black reflects some light)")
        yield picture
    if n != instants:
        raise ValueError(f"a film has a picture for each of its {instants} instants; got {'more' if n > instants else n}")


# The defaults of v2e (hu2021v2e) as its code has them; its noise is dim where the light is bright, ours the same everywhere.
V2E = EventCamera(threshold=0.2, mismatch=0.03, bandwidth_hz=300.0, leak_hz=0.01, noise_hz=0.001)


class _Pixels:
    """What the pixels remember from one stretch of time to the next.

    seen          (H, W) log intensity behind the photoreceptor
    level         (H, W) that of each pixel's last event
    asleep_until  (H, W) the end of its dead time; -inf: awake
    """

    def __init__(self, seen: np.ndarray, bars: np.ndarray, refractory_s: float) -> None:
        self.seen, self.bars, self.refractory_s = seen, bars, refractory_s
        self.level = seen.copy()
        self.asleep_until = np.full(seen.shape, -math.inf)

    def run(self, after: np.ndarray, begin: float, end: float, leak: np.ndarray) -> list[Columns]:
        """The events while what is seen runs straight to `after`; a leaking level is a light that climbs by as much."""
        rate = (after + leak - self.seen) / (end - begin)
        start, found = np.full(after.shape, begin), []
        while True:
            woken = (self.asleep_until > -math.inf) & (self.asleep_until < end)
            start[woken] = np.maximum(self.asleep_until[woken], begin)
            self.level[woken] = self.seen[woken] + rate[woken] * (start[woken] - begin)
            self.asleep_until[woken] = -math.inf
            start[self.asleep_until > -math.inf] = end
            last = self.seen + rate * (end - begin)
            up = (last - self.level >= self.bars[0]) & (rate > 0) & (start < end)
            down = (self.level - last >= self.bars[1]) & (rate < 0) & (start < end)
            y, x = np.nonzero(up | down)
            if not len(y):
                break
            on = up[y, x]
            self.level[y, x] += np.where(on, self.bars[0, y, x], -self.bars[1, y, x])
            t = np.clip(begin + (self.level[y, x] - self.seen[y, x]) / rate[y, x], start[y, x], end)
            found.append((t, x, y, on))
            start[y, x] = t
            if self.refractory_s > 0:
                self.asleep_until[y, x] = t + self.refractory_s
        self.level -= leak                                          # the climb was the level's, not the light's
        self.seen = after
        return found
