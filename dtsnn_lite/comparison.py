"""Is one rule better than another? Counted image by image, tested exactly, and no comparison left out of the count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dtsnn_lite.calibration import binomial_tail
from dtsnn_lite.exits import Run, run_of
from dtsnn_lite.guards import check_whole
from dtsnn_lite.recording import Answers, Recording


@dataclass(frozen=True)
class Compared:
    """On how many images only the one rule, on how many only the other is right.

    won, lost  whole numbers, 0 or more; an image on which both are right, or both wrong, says nothing

    >>> print(Compared(won=2, lost=8))
    2 won, 8 lost (p = 0.11)
    """

    won: int
    lost: int

    def __post_init__(self) -> None:
        if not all(isinstance(count, int | np.integer) and count >= 0 for count in (self.won, self.lost)):
            raise ValueError(f"won and lost count images, 0 or more; got {self.won} and {self.lost}")

    @property
    def p(self) -> float:
        """The exact sign test: how often as many fair coins fall at least as unevenly, to either side.

        p = min(1, 2 P(X <= min(won, lost))),  X ~ Binomial(won + lost, 1/2)
        """
        return min(1.0, 2 * float(binomial_tail(min(self.won, self.lost), self.won + self.lost, 0.5)))

    def __str__(self) -> str:
        chance = f"= {self.p:.2g}" if self.p else "< 1e-300"          # a float ends there, chance does not
        return f"{self.won} won, {self.lost} lost (p {chance})"


def compared(run: Run, other: Run) -> Compared:
    """The images that `run` wins from and loses to `other`; both are runs of the same images."""
    if run.correct.shape != other.correct.shape:
        raise ValueError(f"the runs are of {run.correct.size} and {other.correct.size} images: compare them on the same ones")
    return Compared(int((run.correct & ~other.correct).sum()), int((other.correct & ~run.correct).sum()))


def exact_interval(right: int, images: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share (clopper1934): every p under which as many right answers, or as few, are no surprise.

    P(X >= right | low) = (1 - level) / 2 = P(X <= right | high),   X ~ Binomial(images, p)

    >>> low, high = exact_interval(97, 100)
    >>> print(f"{100 * low:.1f} to {100 * high:.1f} %")
    91.5 to 99.4 %
    """
    check_whole("images", images)
    check_whole("right", right, 0, images)
    if not 0 < level < 1:
        raise ValueError(f"level is the chance that the interval holds the share, in (0, 1); got {level!r}")
    tail = (1 - level) / 2
    return 1 - _most_likely(images - right, images, tail), _most_likely(right, images, tail)


def _most_likely(right: int, images: int, tail: float) -> float:
    """The p under which at most `right` of the images are right with probability `tail`, by bisection; 1 where all are."""
    low, high = right / images, 1.0
    while right < images and high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if binomial_tail(right, images, middle) > tail else (low, middle)
    return high


def holm(p: Sequence[float]) -> np.ndarray:
    """p-values corrected for how many there are, (m,) in their own order (holm1979sequential).

    p~_(i) = max_{j <= i} min(1, (m - j + 1) p_(j)),  p_(1) the smallest

    Call those below a level real, and the chance that any of them is luck stays below it, however they depend on each other.

    >>> holm([0.01, 0.04, 0.03]).round(2)
    array([0.03, 0.06, 0.06])
    """
    plain = np.asarray(p, dtype=float)
    if plain.ndim != 1 or not ((plain >= 0) & (plain <= 1)).all():          # NaN fails too
        raise ValueError(f"p-values are chances, a row of numbers in [0, 1]; got {p}")
    order = plain.argsort(kind="stable")
    corrected = np.empty_like(plain)
    corrected[order] = np.maximum.accumulate(np.minimum(1.0, np.arange(len(plain), 0, -1) * plain[order]))
    return corrected


def fixed_as_good(run: Run, recording: Recording, level: float = 0.05) -> np.ndarray:
    """The fixed numbers of timesteps that the sign test does not tell from a run of the recording, rising; (M,) in 1..T.

    An interval in place of "the first t that is as accurate", which one image can move far where the curve is flat.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is the chance of telling two equals apart, in (0, 1); got {level!r}")
    always = (run_of(np.full(recording.images, t), recording) for t in range(1, recording.timesteps + 1))
    return 1 + np.flatnonzero([compared(run, each).p > level for each in always])


def by_chance(stops: np.ndarray, recording: Recording | Answers) -> tuple[float, float]:
    """Accuracy of dice that send as many images to each number of timesteps, and how far they scatter (its standard deviation).

    stops  whole numbers of timesteps, 1..T, one an image (M,)

    Dice are the average over all orders of `stops` (hoeffding1951combinatorial): with c_ti = 1 where image i is right after t,
    mean = mean_j c_(t_j).,   variance = sum_ij (c_(t_j)i - c_(t_j). - c_.i + c_..)^2 / (M^2 (M - 1))

    >>> from dtsnn_lite.recording import shipped
    >>> seen = shipped("digits-test")
    >>> by_chance(np.full(seen.images, 2), seen) == (seen.accuracy[1], 0.0)
    True
    """
    run = run_of(stops, recording)
    images, shares = run.correct.size, np.bincount(run.t_hat, minlength=recording.timesteps + 1)[1:] / run.correct.size
    right = recording.correct.astype(float)                                             # (T, M)
    apart = right - right.mean(axis=1, keepdims=True)
    apart = apart - shares @ apart
    return float(shares @ right.mean(axis=1)), float(np.sqrt(shares @ (apart ** 2).sum(axis=1) / images / max(1, images - 1)))
