"""When to stop: evidence and its scores, exit policies, and the exact trade-off curve.

A policy reads only the running means seen so far, so one object serves a
recording (`replay`) and a network that really stops (inference.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nextafter
from typing import ClassVar, Protocol, TypeVar

import numpy as np

from dtsnn_lite.guards import checked_steps
from dtsnn_lite.recording import Answers, Recording

# --- evidence: how do looks add up? --------------------------------------------

def evidence(f: np.ndarray, gamma: float) -> np.ndarray:
    """What an exit reads: z_t = f_t t^gamma, float64, (T, ..., K) -> the same shape.

    gamma = 0 is the running mean (DT-SNN, Eq. 1), gamma = 1 the sum of the logits (the papers' public code: what looks
    add up to if each is new). The answer does not depend on gamma; a threshold does, and how the bar moves with t.
    """
    t = np.arange(1.0, len(f) + 1).reshape(-1, *[1] * (np.ndim(f) - 1))
    return f * t ** gamma


# --- scores: how sure is z_t? ------------------------------------------------

def _below_best(f: np.ndarray) -> np.ndarray:
    """z = f - max f, float64, classes first: (..., K) -> (K, ...), so that sums over classes run along memory."""
    f = np.asarray(f)
    if f.ndim == 0 or f.shape[-1] < 2:
        raise ValueError(f"f is (..., classes) with 2 classes or more; got shape {f.shape}")
    z = np.array(np.moveaxis(f, -1, 0), dtype=np.float64, order="C")
    if not np.isfinite(z).all():
        raise ValueError("f holds NaN or infinity, about which no score is sure: the network diverged")
    z -= z.max(axis=0)
    return z


def softmax(f: np.ndarray) -> np.ndarray:
    """Class probabilities p_k = exp(f_k) / sum_j exp(f_j), float64, same shape as f."""
    e = np.exp(_below_best(f))
    return np.moveaxis(e / e.sum(axis=0), 0, -1)


def entropy(f: np.ndarray) -> np.ndarray:
    """Normalised entropy, in [0, 1]; 0 is certain, 1 is uniform. Shape (..., K) -> (...).

    E = -(1 / log K) sum_k p_k log p_k,  with log p_k = z_k - log S, z = f - max f
      = (log S - sum_k p_k z_k) / log K                              (DT-SNN)

    >>> entropy(np.array([[0.0, 0.0], [9.0, 0.0]])).round(3)        # nothing known; nearly sure
    array([1.   , 0.002])
    """
    z = _below_best(f)
    e = np.exp(z)
    s = e.sum(axis=0)
    z *= e
    h = np.log(s) - z.sum(axis=0) / s
    return np.clip(h / np.log(len(z)), 0.0, 1.0)


def confidence(f: np.ndarray) -> np.ndarray:
    """Largest class probability, in [1/K, 1]. Shape (..., K) -> (...). (SEENN-I)"""
    return 1.0 / np.exp(_below_best(f)).sum(axis=0)


def margin(f: np.ndarray) -> np.ndarray:
    """Gap between the two largest class probabilities, in [0, 1]. Shape (..., K) -> (...)."""
    top = np.partition(softmax(f), -2, axis=-1)
    return top[..., -1] - top[..., -2]


# --- policies ----------------------------------------------------------------

MOST_GAMMA = 8.0        # by then nearly everybody leaves at the second look

Values = TypeVar("Values", float, np.ndarray)


class ExitPolicy(Protocol):
    """Who leaves now: f_seen (t, n, K) of the images still running, their numbers (n,) -> bool (n,)."""

    def stop(self, f_seen: np.ndarray, image: np.ndarray) -> np.ndarray: ...


def check_policy(policy: object) -> None:
    """Refuses what cannot decide, such as a bare threshold or a class."""
    if isinstance(policy, type) or not hasattr(policy, "stop"):
        raise TypeError(f"a policy decides when to stop, as EntropyExit(theta=0.3) does; got {policy!r}")


def who_stops(policy: ExitPolicy, f_seen: np.ndarray, image: np.ndarray) -> np.ndarray:
    """What the policy says of the images that still run, (n,) bool; any other answer would pick images by their number."""
    stops = np.asarray(policy.stop(f_seen, image))
    if stops.dtype != bool or stops.shape != (len(image),):
        raise TypeError(f"stop says of each running image whether it leaves, bool of shape ({len(image)},); "
                        f"{type(policy).__name__}'s said {stops.dtype} of shape {stops.shape}")
    return stops


def check_threshold(policy: type) -> None:
    """Refuses a policy without a score, which no threshold can move."""
    if not hasattr(policy, "score"):
        raise TypeError(f"{getattr(policy, '__name__', policy)} has no threshold; its one point comes from replay")


def _in_range(name: str, value: float, low: float, high: float, hint: str) -> None:
    if not low <= value <= high:   # NaN fails too
        low = round(low, 9) + 0.0           # the float just below 0 is said as 0
        raise ValueError(f"{name} lies in [{low:g}, {high:g}] ({hint}); got {value!r}")


# --- policies with a threshold -------------------------------------------------

class ThresholdPolicy(ExitPolicy, Protocol):
    """Stop at the first t whose score is below the threshold, or above it where a sure image scores high.

    turned(score(z_t)) < turned(threshold),   z_t = f_t t^gamma

    gamma          how far looks add up, 0 or more (see `evidence`): the policy's second field
    score          how sure z_t is, (..., K) -> (...)
    falls          whether a sure image has a low score
    never, always  the ends of the legal range: every image runs to T, every image leaves at t = 1
    name, symbol   what the score and the threshold are called; `symbol` is also the policy's first field
    kind           of number the threshold is
    """

    gamma: float
    falls: ClassVar[bool]
    never: ClassVar[float]
    always: ClassVar[float]
    name: ClassVar[str]
    symbol: ClassVar[str]
    kind: ClassVar[str]

    def __init__(self, threshold: float, gamma: float = 0.0) -> None: ...

    @staticmethod
    def score(f: np.ndarray) -> np.ndarray: ...

    def __post_init__(self) -> None:
        low, high = sorted((self.never, self.always))
        _in_range(self.symbol, self.threshold, low, high, f"{self.kind}; {self.never:g} never stops early")
        _in_range("gamma", self.gamma, 0.0, MOST_GAMMA, "how far looks add up; 0 is the mean of the logits, 1 their sum")

    @property
    def threshold(self) -> float:
        return getattr(self, self.symbol)

    @classmethod
    def turned(cls, values: Values) -> Values:
        """Scores or thresholds, their sign changed where a sure image scores high: then low is sure under every rule."""
        return values if cls.falls else -values

    def stop(self, f_seen: np.ndarray, image: np.ndarray) -> np.ndarray:
        return self.turned(self.score(evidence(f_seen, self.gamma)[-1])) < self.turned(self.threshold)


@dataclass(frozen=True)
class EntropyExit(ThresholdPolicy):
    """Stop at the first t with E(z_t) < theta (DT-SNN).

    >>> from dtsnn_lite.recording import shipped
    >>> replay(shipped("digits-test"), EntropyExit(theta=0.1)).histogram
    array([901,  19,   6,  74])
    """

    theta: float
    gamma: float = 0.0
    score = staticmethod(entropy)
    falls, never, always = True, 0.0, nextafter(1.0, 2.0)
    name, symbol, kind = "entropy", "theta", "normalised entropy"


@dataclass(frozen=True)
class ConfidenceExit(ThresholdPolicy):
    """Stop at the first t with max softmax(z_t) > alpha (SEENN-I).

    >>> from dtsnn_lite.recording import shipped
    >>> replay(shipped("digits-test"), ConfidenceExit(alpha=0.9)).histogram
    array([922,  19,   4,  55])
    """

    alpha: float
    gamma: float = 0.0
    score = staticmethod(confidence)
    falls, never, always = False, 1.0, 0.0
    name, symbol, kind = "confidence", "alpha", "a probability"


@dataclass(frozen=True)
class MarginExit(ThresholdPolicy):
    """Stop at the first t where the best class leads the second by more than gap.

    >>> from dtsnn_lite.recording import shipped
    >>> replay(shipped("digits-test"), MarginExit(gap=0.9)).histogram
    array([904,  24,   6,  66])
    """

    gap: float
    gamma: float = 0.0
    score = staticmethod(margin)
    falls, never, always = False, 1.0, nextafter(0.0, -1.0)
    name, symbol, kind = "margin", "gap", "a difference of probabilities"


THRESHOLD_POLICIES: dict[str, type[ThresholdPolicy]] = {policy.name: policy for policy in (EntropyExit, ConfidenceExit, MarginExit)}


# --- policies without one ------------------------------------------------------

@dataclass(frozen=True)
class PatienceExit:
    """Stop when the same class has won `steps` timesteps in a row."""

    steps: int

    def __post_init__(self) -> None:
        if not isinstance(self.steps, (int, np.integer)) or self.steps < 1:
            raise ValueError(f"steps counts equal predictions in a row, 1 or more; got {self.steps!r}")

    def stop(self, f_seen: np.ndarray, image: np.ndarray) -> np.ndarray:
        if len(f_seen) < self.steps:
            return np.zeros(f_seen.shape[1], dtype=bool)
        last = f_seen[-self.steps:].argmax(axis=2)     # (steps, n)
        return (last == last[-1]).all(axis=0)


@dataclass(frozen=True)
class NeverExit:
    """Run all T timesteps: the static network."""

    def stop(self, f_seen: np.ndarray, image: np.ndarray) -> np.ndarray:
        return np.zeros(f_seen.shape[1], dtype=bool)


@dataclass(frozen=True, eq=False)
class OracleExit:
    """Stop at the first t that is right, at T if none is (SEENN's empirical AET): no rule answers more images right."""

    labels: np.ndarray

    def __post_init__(self) -> None:
        _one_an_image(self.labels, "label")

    def stop(self, f_seen: np.ndarray, image: np.ndarray) -> np.ndarray:
        return f_seen[-1].argmax(axis=1) == _of(self.labels, image, "label")


@dataclass(frozen=True, eq=False)
class ChosenSteps:
    """Stop at t_hat[image], a number of timesteps chosen before the network runs (SEENN-II)."""

    t_hat: np.ndarray

    def __post_init__(self) -> None:
        _one_an_image(checked_steps(self.t_hat), "chosen step")

    def stop(self, f_seen: np.ndarray, image: np.ndarray) -> np.ndarray:
        return len(f_seen) >= _of(self.t_hat, image, "chosen step")


def _one_an_image(values: np.ndarray, what: str) -> None:
    if np.ndim(values) != 1:
        raise ValueError(f"this policy holds one {what} an image, (N,); got shape {np.shape(values)}")


def _of(values: np.ndarray, image: np.ndarray, what: str) -> np.ndarray:
    """The values of some images; one must stand there for each."""
    values = np.asarray(values)
    if image.size and image.max() >= len(values):
        raise ValueError(f"image {image.max()} has no {what}: the policy was made for {len(values)} images")
    return values[image]


# --- a run -------------------------------------------------------------------

@dataclass(frozen=True, eq=False)
class Run:
    """What a policy did: per image the exit step, the answer, and whether it is right.

    t_hat (N,) in 1..T, predictions (N,), correct (N,) bool; timesteps = T
    """

    t_hat: np.ndarray
    predictions: np.ndarray
    correct: np.ndarray
    timesteps: int

    @property
    def accuracy(self) -> float:
        return float(self.correct.mean())

    @property
    def mean_timesteps(self) -> float:
        return float(self.t_hat.mean())

    @property
    def histogram(self) -> np.ndarray:
        """Images that leave at t = 1, ..., T, (T,) int."""
        return np.bincount(self.t_hat, minlength=self.timesteps + 1)[1:]


def run_of(t_hat: np.ndarray, recording: Recording | Answers) -> Run:
    """The run of a recording, or of answers alone, with given exit steps t_hat (N,)."""
    t_hat = checked_steps(t_hat, recording.images, recording.timesteps)
    at = (t_hat - 1, np.arange(recording.images))
    return Run(t_hat, recording.predictions[at], recording.correct[at], recording.timesteps)


def replay(recording: Recording, policy: ExitPolicy) -> Run:
    """T_hat(x): the first t at which the policy stops, else T.

    >>> from dtsnn_lite.recording import shipped
    >>> run = replay(shipped("digits-test"), EntropyExit(theta=0.1))
    >>> print(f"{run.accuracy:.1%} after {run.mean_timesteps:.2f} timesteps")
    97.8% after 1.25 timesteps
    """
    check_policy(policy)
    t_hat = np.full(recording.images, recording.timesteps)
    running = np.arange(recording.images)
    for t in range(1, recording.timesteps):
        if not running.size:
            break
        leaves = who_stops(policy, recording.f[:t, running], running)
        t_hat[running[leaves]] = t
        running = running[~leaves]
    return run_of(t_hat, recording)


# --- oracles: they read the labels ----------------------------------------------

def first_right(recording: Recording) -> np.ndarray:
    """First timestep that is right, T if none is, (N,): its mean is the empirical AET (SEENN); `aet_by_counts` is the other one.

    No rule is more accurate. One that gives some answers up can be faster, and so can one that wins as many
    but does not wait for the images that are never right.
    """
    right = recording.correct
    return np.where(right.any(axis=0), right.argmax(axis=0) + 1, recording.timesteps)


def aet_by_counts(recording: Recording) -> float:
    """The other AET of SEENN's code: [C_1 + sum_{t>=2} t (C_t - C_{t-1}) + (N - C_T) T] / N, with C_t images right at t.

    An image that loses its right answer at t takes t back and pays T: so it is never below the mean of `first_right`,
    and equal to it where nobody loses one.
    """
    right = recording.correct.sum(axis=1)
    T, N = recording.timesteps, recording.images
    return float((np.arange(1, T + 1) @ np.diff(right, prepend=0) + (N - right[-1]) * T) / N)


def right_from_then_on(recording: Recording) -> np.ndarray:
    """First timestep from which the answer stays right up to T, T if none, (N,): OCT (wu2025cutoff).

    It bounds no rule but those that wait until the answer is right for good.
    """
    wrong_after = ~recording.correct[::-1]                           # from T down to 1
    run = np.where(wrong_after.any(axis=0), wrong_after.argmax(axis=0), recording.timesteps)
    return np.where(run > 0, recording.timesteps - run + 1, recording.timesteps)


def best_possible(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """What no rule can beat: mean timesteps (T,) and accuracy (T,) if only those wait whom waiting makes right by t = 1, ..., T.

    Everybody else leaves at once. A right answer is bought where it costs fewest timesteps first, so every run of the
    recording lies on or below the line through these points.
    """
    first, solvable = first_right(recording), recording.correct.any(axis=0)
    won = [solvable & (first <= t) for t in range(1, recording.timesteps + 1)]
    return np.array([1 + ((first - 1) * w).mean() for w in won]), np.array([w.mean() for w in won])


# --- the exact trade-off curve -----------------------------------------------

@dataclass(frozen=True, eq=False)
class TradeOff:
    """Accuracy against mean timesteps over every threshold that makes a difference.

    thresholds (M,) in the policy's own unit, from never stopping early to always
    accuracy, mean_timesteps (M,)
    """

    thresholds: np.ndarray
    accuracy: np.ndarray
    mean_timesteps: np.ndarray


def exit_curve(score: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every breakpoint of `stop at the first t with score < theta`, in O(NT log NT).

    score, correct  (T, N); a low score is a sure one
    returns         breakpoints v (M,) rising; images right (M+1,) and total timesteps (M+1,)
                    after k = 0..M of the moves: theta decides k = #{v < theta}

    m[t, n] = min(score[:t+1, n]) falls with t; as theta rises past m[t, n], image n
    moves its exit from t+2 to t+1 (1-based), which changes `right` by c[t] - c[t+1].
    """
    T, N = score.shape
    m = score[:-1].copy()
    for t in range(1, T - 1):       # a loop over rows beats minimum.accumulate along them
        np.minimum(m[t - 1], m[t], out=m[t])
    v = np.sort(m, axis=None)
    flips = correct[:-1] != correct[1:]             # few: a move between two right answers changes nothing
    right = np.zeros(m.size + 1, dtype=np.int64)
    right[0] = correct[-1].sum()
    np.add.at(right, 1 + np.searchsorted(v, m[flips]), np.where(correct[:-1][flips], 1, -1))
    return v, right.cumsum(), N * T - np.arange(m.size + 1)


def trade_off(recording: Recording, policy: type[ThresholdPolicy], gamma: float = 0.0) -> TradeOff:
    """The exact curve of a threshold policy (EntropyExit, ConfidenceExit or MarginExit) on the evidence f_t t^gamma.

    >>> from dtsnn_lite.recording import shipped
    >>> curve = trade_off(shipped("digits-test"), EntropyExit)
    >>> curve.mean_timesteps[[0, -1]], curve.accuracy[[0, -1]]      # never early; always
    (array([4., 1.]), array([0.977, 0.969]))
    """
    check_threshold(policy)
    v, right, steps = exit_curve(policy.turned(policy.score(evidence(recording.f, gamma))), recording.correct)
    last = np.flatnonzero(np.append(v[1:] > v[:-1], True)) if v.size else np.array([], dtype=int)
    # just past breakpoint v: the next float; the first entry never stops early
    past = np.concatenate(([policy.never], policy.turned(np.nextafter(v[last], np.inf))))
    k = np.concatenate(([0], last + 1))
    return TradeOff(past, right[k] / recording.images, steps[k] / recording.images)


Rule = TypeVar("Rule", bound=ThresholdPolicy)


def calibrate(recording: Recording, policy: type[Rule], max_drop: float | None = None,
              mean_timesteps: float | None = None, gamma: float = 0.0) -> Rule:
    """The threshold that a calibration recording asks for, as a policy.

    max_drop        walk from the safe end and stop before the accuracy first falls further than this
                    below full T (0.01 = one point): a lucky rise later on is not trusted
    mean_timesteps  the best accuracy that needs at most this many timesteps on average
    gamma           of the evidence; evidence.py chooses it too

    >>> from dtsnn_lite.recording import shipped
    >>> policy = calibrate(shipped("digits-calibration"), EntropyExit, mean_timesteps=1.2)
    >>> print(f"{policy.theta:.2f}")
    0.27
    """
    curve = trade_off(recording, policy, gamma)
    if max_drop is not None and mean_timesteps is None:
        _in_range("max_drop", max_drop, 0.0, 1.0, "a fraction: 0.01 is one point")
        fallen = curve.accuracy < recording.accuracy[-1] - max_drop - 1e-12
        best = fallen.argmax() - 1 if fallen.any() else len(fallen) - 1     # the first entry is full T itself
    elif mean_timesteps is not None and max_drop is None:
        _in_range("mean_timesteps", mean_timesteps, 1.0, recording.timesteps, "between 1 and T")
        allowed = curve.mean_timesteps <= mean_timesteps + 1e-12
        best = np.flatnonzero(allowed)[curve.accuracy[allowed].argmax()]
    else:
        raise ValueError("ask for either max_drop or mean_timesteps")
    return policy(_midway(curve.thresholds, best, policy), gamma)


def _midway(thresholds: np.ndarray, best: int, policy: type[ThresholdPolicy]) -> float:
    """The middle of the interval of thresholds that act alike: it carries over best."""
    first = thresholds[best]
    if best == 0:
        last = first
    elif best + 1 < len(thresholds):
        last = np.nextafter(thresholds[best + 1], first)        # the next breakpoint itself still acts alike
    else:
        last = policy.always
    return float((first + last) / 2)
