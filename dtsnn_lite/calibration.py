"""Can a score be trusted? Temperature, reliability, and a threshold that keeps a promise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, exp, lgamma, log, log1p

import numpy as np

from dtsnn_lite.exits import (ConfidenceExit, EntropyExit, MarginExit, Rule, ThresholdPolicy, calibrate, check_threshold,
                              confidence, evidence, exit_curve, replay, softmax, trade_off)
from dtsnn_lite.guards import check_whole
from dtsnn_lite.recording import Recording

FEWEST_IMAGES = 50      # below this, one image moves the fit by more than two points


# --- temperature ----------------------------------------------------------------

def tempered(recording: Recording, temperature: float | np.ndarray) -> Recording:
    """The recording with f_t / temperature_t: other probabilities, the same predictions but where rounding to float32 makes a tie.

    temperature  one for all timesteps, or (T,)
    """
    temperature = np.asarray(temperature, dtype=np.float64)
    if temperature.shape not in ((), (recording.timesteps,)):
        raise ValueError(f"temperature is one number or one a timestep, ({recording.timesteps},); "
                         f"got shape {temperature.shape}: was it fitted for another T?")
    if not (np.isfinite(temperature).all() and (temperature > 0).all()):
        raise ValueError(f"a temperature is finite and above 0; got {temperature}")
    return replace(recording, f=recording.f / temperature.reshape(-1, 1, 1))


def accumulated(recording: Recording, gamma: float = 1.0) -> Recording:
    """The recording with the evidence z_t = f_t t^gamma in f_t's place, that is temperature t^-gamma; gamma = 1 is the sum.

    The predictions are those of the mean, but for ties by rounding; a threshold of one is no threshold of the other.
    """
    return replace(recording, f=evidence(recording.f, gamma))


def likelihood_slope(f: np.ndarray, labels: np.ndarray, b: float) -> float:
    """d/db of the mean of -log softmax(b f)_label:  mean( E_p[f] - f_label ),  p = softmax(b f).

    f (N, K) of one timestep, labels (N,)
    It rises with b (its own slope is the variance of f under p), so it crosses 0 once.
    """
    expected = (softmax(b * f) * f).sum(axis=1)
    return float((expected - f[np.arange(len(f)), labels]).mean())


def fit_temperature(calibration: Recording) -> np.ndarray:
    """The temperature of each timestep that makes the labels most likely, (T,)."""
    _check_split(calibration, "a temperature")
    return np.array([1 / _most_likely_scale(f.astype(np.float64), calibration.labels) for f in calibration.f])


def _most_likely_scale(f: np.ndarray, labels: np.ndarray) -> float:
    """b > 0 with likelihood_slope(b) = 0, by bisection of log b."""
    low, high = log(1e-4), log(1e4)
    if likelihood_slope(f, labels, exp(high)) <= 0:
        raise ValueError("every calibration image is right by far, so no temperature is too low: "
                         "calibrate on more, or harder, images")
    if likelihood_slope(f, labels, exp(low)) >= 0:
        raise ValueError("the labels are no likelier than by chance: do they belong to these images?")
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if likelihood_slope(f, labels, exp(middle)) < 0 else (low, middle)
    return exp((low + high) / 2)


def _check_split(calibration: Recording, what: str) -> None:
    if calibration.images < FEWEST_IMAGES:
        raise ValueError(f"{what} needs at least {FEWEST_IMAGES} calibration images; got {calibration.images}: "
                         "hold out more of the training set")
    if len(np.unique(calibration.labels)) < 2:
        raise ValueError(f"{what} needs calibration images of several classes; all {calibration.images} are of class "
                         f"{calibration.labels[0]}: shuffle before you split")


# --- every threshold rule ---------------------------------------------------------

@dataclass(frozen=True)
class ThresholdRule:
    """A threshold on a score of the evidence f_t t^gamma."""

    policy: type[ThresholdPolicy]
    gamma: float = 0.0


THRESHOLD_RULES = {policy.name + of: ThresholdRule(policy, gamma) for of, gamma in (("", 0.0), (" of the sum", 1.0))
                   for policy in (ConfidenceExit, EntropyExit, MarginExit)}


def fastest_as_accurate(recording: Recording, accuracy: float) -> tuple[str, ThresholdPolicy] | None:
    """The fastest threshold of any rule that is this accurate on the recording, with its rule; None if there is none.

    Read off the test split, it flatters the thresholds: they have seen what they are measured on. Read off a calibration
    split it is the greedy choice, the luckiest of thousands.
    """
    found: list[tuple[float, str, ThresholdPolicy]] = []
    for name, rule in THRESHOLD_RULES.items():
        curve = trade_off(recording, rule.policy, rule.gamma)
        good = np.flatnonzero(curve.accuracy >= accuracy - 1e-9)
        if good.size:
            found.append((curve.mean_timesteps[good[-1]], name, rule.policy(float(curve.thresholds[good[-1]]), rule.gamma)))
    return min(found, key=lambda each: each[0])[1:] if found else None


def fastest_calibrated(calibration: Recording, max_drop: float = 0.0) -> tuple[str, ThresholdPolicy]:
    """The fastest of the rules on the calibration split, each at its cautious threshold (see `calibrate`)."""
    chosen = {name: calibrate(calibration, rule.policy, max_drop=max_drop, gamma=rule.gamma) for name, rule in THRESHOLD_RULES.items()}
    name = min(chosen, key=lambda name: replay(calibration, chosen[name]).mean_timesteps)
    return name, chosen[name]


# --- reliability ----------------------------------------------------------------

@dataclass(frozen=True, eq=False)
class Reliability:
    """Of the images with about this confidence, how many are right? One entry a bin.

    edges (B+1,), confidence (B,), accuracy (B,), count (B,); an empty bin holds NaN
    """

    edges: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: the mean of |accuracy - confidence|, weighted by count."""
        full = self.count > 0
        gap = np.abs(self.accuracy[full] - self.confidence[full])
        return float((gap * self.count[full]).sum() / self.count.sum())


def binned(sure: np.ndarray, correct: np.ndarray, bins: int = 10) -> Reliability:
    """Confidences (N,) in [0, 1] and right answers (N,) in bins of equal width."""
    check_whole("bins", bins)
    sure = np.asarray(sure)
    if not ((sure >= 0) & (sure <= 1)).all():           # NaN fails too
        raise ValueError(f"a confidence is a probability, in [0, 1]; got {sure.min()} to {sure.max()}")
    which = np.minimum((sure * bins).astype(int), bins - 1)
    count = np.bincount(which, minlength=bins)
    share = np.where(count > 0, count, np.nan)
    return Reliability(np.linspace(0, 1, bins + 1), np.bincount(which, sure, bins) / share,
                       np.bincount(which, correct, bins) / share, count)


def reliability(recording: Recording, t: int, bins: int = 10) -> Reliability:
    """The reliability diagram of timestep t (1-based)."""
    if not 1 <= t <= recording.timesteps:
        raise ValueError(f"t is a timestep, 1 to {recording.timesteps}; got {t}")
    return binned(confidence(recording.f[t - 1]), recording.correct[t - 1], bins)


# --- a threshold with a promise ---------------------------------------------------

def binomial_tail(k: np.ndarray | int, n: int, p: float) -> np.ndarray:
    """P(X <= k) for X ~ Binomial(n, p): how surprising so few losses are when each has probability p. k in 0..n"""
    losses = np.asarray(k)
    if not np.issubdtype(losses.dtype, np.integer) or losses.size and not 0 <= losses.min() <= losses.max() <= n:
        raise ValueError(f"k counts losses among n = {n} images, 0 to {n}; got {k}")
    i = np.arange(n + 1)
    log_factorial = np.array([lgamma(x + 1) for x in i])
    log_pmf = log_factorial[n] - log_factorial - log_factorial[::-1] + i * log(p) + (n - i) * log1p(-p)
    return np.minimum(np.exp(log_pmf).cumsum(), 1.0)[losses]


def lost_images(recording: Recording, policy: type[ThresholdPolicy], thresholds: np.ndarray, gamma: float = 0.0) -> np.ndarray:
    """How many images each threshold loses: right at T, wrong where they leave. (M,) int

    accuracy(T) - accuracy(threshold) = (lost - won) / N <= lost / N
    """
    check_threshold(policy)
    lost = recording.correct[-1] & ~recording.correct               # (T, N)
    v, kept, _ = exit_curve(policy.turned(policy.score(evidence(recording.f, gamma))), ~lost)
    return recording.images - kept[np.searchsorted(v, policy.turned(np.asarray(thresholds)), side="left")]


def threshold_ladder(policy: type[ThresholdPolicy], rungs: int = 201) -> np.ndarray:
    """Thresholds (rungs,) from never stopping early to always, fixed before any image is seen; close where sure."""
    check_threshold(policy)
    check_whole("rungs", rungs)
    return np.abs(policy.never - np.linspace(0, 1, rungs) ** 2)


def risk_controlled(calibration: Recording, policy: type[Rule], epsilon: float, delta: float,
                    thresholds: np.ndarray | None = None, gamma: float = 0.0) -> Rule:
    """The fastest threshold with a promise: P(accuracy drop against full T <= epsilon) >= 1 - delta.

    Learn then Test (angelopoulos2021learn), fixed-sequence: climb the ladder from the safest threshold and
    stop before the first with P(Binomial(n, epsilon) <= lost) > delta. The probability is over the calibration
    split; it holds for images drawn as those were, and for none that drifted since.

    thresholds  (M,), the safest first; `threshold_ladder` where nothing is given
    gamma       of the evidence, fixed before these images were seen

    >>> from dtsnn_lite.exits import EntropyExit
    >>> from dtsnn_lite.recording import shipped
    >>> policy = risk_controlled(shipped("digits-hard-calibration"), EntropyExit, epsilon=0.02, delta=0.05)
    >>> print(f"{policy.theta:.2f}")
    0.58
    """
    check_threshold(policy)
    _check_promise(calibration, epsilon, delta)
    ladder = threshold_ladder(policy) if thresholds is None else np.asarray(thresholds)
    lost = lost_images(calibration, policy, ladder, gamma)
    fails = np.flatnonzero(binomial_tail(lost, calibration.images, epsilon) > delta)
    last = (fails[0] if fails.size else len(ladder)) - 1
    return policy(float(ladder[last]) if last >= 0 else policy.never, gamma)


def _check_promise(calibration: Recording, epsilon: float, delta: float) -> None:
    for name, value in (("epsilon", epsilon), ("delta", delta)):
        if not 0.0 < value < 1.0:
            raise ValueError(f"{name} lies in (0, 1), both ends excluded; got {value!r} "
                             "(epsilon = 0.01 is one point of accuracy, delta = 0.1 is one broken promise in ten)")
    _check_split(calibration, "a promise")
    needed = ceil(log(delta) / log1p(-epsilon))
    if calibration.images < needed:
        raise ValueError(f"{calibration.images} images cannot prove a drop of at most {epsilon:g} with delta = {delta:g}: "
                         f"even without one loss it takes {needed}; calibrate on more, or promise less")
