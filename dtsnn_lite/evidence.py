"""How far looks add up: the pair (gamma, theta), the best that a rule on a score can do, and a case where all is known.

z_t = f_t t^gamma                                                     (`exits.evidence`)

Logits of independent looks are log-odds up to scale, so their sum is accumulated evidence, and for two classes a fixed
bar on it is Wald's sequential probability ratio test (wald1945sequential). On the sum's scale the bar goes as t^(1 - gamma):
it rises for the mean (gamma = 0), is flat for the sum (gamma = 1) and falls beyond. Calibration images choose it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log

import numpy as np

from dtsnn_lite.calibration import binomial_tail, risk_controlled
from dtsnn_lite.exits import Rule, ThresholdPolicy, calibrate, check_threshold, entropy, evidence, replay, trade_off
from dtsnn_lite.guards import check_whole
from dtsnn_lite.recording import Recording

GAMMAS = tuple(n / 4 for n in range(9))         # 0, 1/4, ..., 2


# --- the pair (gamma, theta) ------------------------------------------------------

def calibrate_pair(calibration: Recording, policy: type[Rule], max_drop: float | None = None, mean_timesteps: float | None = None,
                   gammas: tuple[float, ...] = GAMMAS) -> Rule:
    """The gamma and the threshold that a calibration recording asks for: `calibrate` at each gamma, and the best of them.

    max_drop        the pair that needs the fewest timesteps
    mean_timesteps  the pair that is most often right
    Of equals, the smallest gamma.

    >>> from dtsnn_lite.exits import EntropyExit
    >>> from dtsnn_lite.recording import shipped
    >>> calibrate_pair(shipped("digits-hard-calibration"), EntropyExit, max_drop=0.0).gamma
    1.25
    """
    found = [calibrate(calibration, policy, max_drop, mean_timesteps, gamma) for gamma in gammas]
    runs = [replay(calibration, each) for each in found]
    cost = [run.mean_timesteps if max_drop is not None else -run.accuracy for run in runs]
    return found[int(np.argmin(cost))]


def promised_pair(calibration: Recording, policy: type[Rule], epsilon: float, delta: float,
                  gammas: tuple[float, ...] = GAMMAS, seed: int = 0) -> Rule:
    """A pair with a promise: P(accuracy drop against full T <= epsilon) >= 1 - delta, as `risk_controlled` gives it.

    Half of the images, drawn by the seed, choose gamma; the threshold is tested on the other half, which that choice
    never saw.
    """
    order = np.random.default_rng(seed).permutation(calibration.images)
    first, second = (calibration.subset(np.sort(half)) for half in np.array_split(order, 2))
    gamma = calibrate_pair(first, policy, max_drop=epsilon, gammas=gammas).gamma
    return risk_controlled(second, policy, epsilon, delta, gamma=gamma)


# --- a bar of its own at every timestep ------------------------------------------------

@dataclass(frozen=True, eq=False)
class Foresight:
    """Stop at the first t whose score is below the bar of that timestep (above it, where a sure image scores high): a yardstick
    for a threshold, which has one bar for all t.

    score  the policy whose score is read, at this gamma
    bars   (T,) in the score's own unit; at the last one everybody stops
    """

    score: type[ThresholdPolicy]
    gamma: float
    bars: np.ndarray

    def stop(self, f_seen: np.ndarray, image: np.ndarray) -> np.ndarray:
        s = self.score.score(evidence(f_seen, self.gamma)[-1])
        return self.score.turned(s) < self.score.turned(self.bars[len(f_seen) - 1])


def foresight(calibration: Recording, score: type[ThresholdPolicy], price: float, gamma: float = 0.0) -> Foresight:
    """The bars that make   share of right answers - price x mean timesteps   large on a calibration recording.

    Backward induction, V_t(s) = max(P(right | s, t), E[V_{t+1} | s, t] - price), where the surer have less to win by waiting: its
    rule is then one bar a timestep. It begins at the best single threshold; from the last timestep to the first each bar is put
    where it is worth most, given all others, and again until none moves.

    price  what a timestep costs, in right answers an image: 0.01 pays one step for a hundredth of an answer
    """
    check_threshold(score)
    if not 0 <= price < 1:
        raise ValueError(f"price is what a timestep costs in right answers, 0 or more and below 1; got {price!r}")
    s, right = score.turned(score.score(evidence(calibration.f, gamma))), calibration.correct.astype(float)      # (T, N); low is sure
    curve = trade_off(calibration, score, gamma)
    bars = np.full(len(s), score.turned(curve.thresholds[(curve.accuracy - price * curve.mean_timesteps).argmax()]))
    bars[-1] = np.inf
    moved = True
    while moved:
        moved = False
        there = np.logical_and.accumulate(np.vstack([np.full(s.shape[1], True), s[:-1] >= bars[:-1, None]]))      # who gets to t
        value = right[-1]                                                         # of each image, as the bars behind t have it
        for t in range(len(s) - 2, -1, -1):
            later = value - price
            bar = _best_bar(s[t, there[t]], (right[t] - later)[there[t]], bars[t])
            moved, bars[t] = moved or bar != bars[t], bar
            value = np.where(s[t] < bar, right[t], later)
    return Foresight(score, gamma, score.turned(bars))


def _best_bar(s: np.ndarray, gain: np.ndarray, bar: float) -> float:
    """The bar below which the gains sum to most, midway between two scores; the present one where none is better."""
    order = s.argsort()
    sums, s = np.concatenate([[0.0], gain[order].cumsum()]), np.concatenate([[-np.inf], s[order], [np.inf]])
    best = np.where(s[:-1] < s[1:], sums, -np.inf).argmax()                       # equal scores stop together
    if sums[best] <= sums[s[1:-1].searchsorted(bar)] + 1e-9:
        return bar
    return float((s[best] + s[best + 1]) / 2)


# --- a coin: looks of which everything is known ---------------------------------------

@dataclass(frozen=True)
class Coin:
    """A coin that shows heads with probability p, or else tails with p; which of the two is the question.

    p  in (1/2, 1)

    Stopping when one side leads by `bar` is Wald's test: the log-odds have then climbed to bar x look. A lead moves by
    one, so that it meets the bar exactly and Wald's bounds are equations.
    """

    p: float

    def __post_init__(self) -> None:
        if not 0.5 < self.p < 1:
            raise ValueError(f"p is how often the coin shows its own side, in (1/2, 1); got {self.p!r}")

    @property
    def look(self) -> float:
        """What one toss adds to the log-odds, or takes away: log p / (1 - p)."""
        return log(self.p / (1 - self.p))

    def error(self, bar: int) -> float:
        """Share of wrong answers: 1 / (1 + e^(bar look))."""
        with np.errstate(over="ignore"):                # 1 / (1 + infinity) is the 0 that is meant
            return float(1 / (1 + np.exp(bar * self.look)))

    def mean_looks(self, bar: int) -> float:
        """Mean number of tosses: bar (1 - 2 error) / (2 p - 1), Wald's identity."""
        return bar * (1 - 2 * self.error(bar)) / (2 * self.p - 1)

    def bar_for(self, error: float) -> int:
        """The lowest bar with at most so many wrong answers: bar look >= log (1 - error) / error."""
        if not 0 < error <= 0.5:
            raise ValueError(f"error is a share of wrong answers, in (0, 1/2]; got {error!r}")
        return ceil(log((1 - error) / error) / self.look - 1e-9)

    def best_bar(self, price: float) -> int:
        """The bar with the least error + price x looks, both sides equally likely at first: no rule does better (wald1948optimum)."""
        if not 0 < price < 1:
            raise ValueError(f"price is what a look costs in wrong answers, in (0, 1); got {price!r}")
        bars = range(ceil(1 / price) + 1)
        return min(bars, key=lambda bar: self.error(bar) + price * self.mean_looks(bar))

    def fixed_error(self, looks: int) -> float:
        """Share of wrong answers of the majority of an odd, fixed number of tosses."""
        check_whole("looks", looks)
        if looks % 2 == 0:
            raise ValueError(f"a majority needs an odd number of looks; got {looks}")
        return float(binomial_tail(looks // 2, looks, self.p))

    def theta(self, bar: int) -> float:
        """The entropy threshold that stops at this bar: that of a lead between bar - 1 and bar."""
        z = (bar - 0.5) * self.look
        return float(entropy(np.array([z / 2, -z / 2])))

    def tossed(self, coins: int, looks: int, seed: int = 0) -> Recording:
        """Tosses as a network's opinions: one toss a timestep, logits +look/2 and -look/2; class 0 is heads."""
        check_whole("coins", coins)
        check_whole("looks", looks)
        dice = np.random.default_rng(seed)
        label = dice.integers(0, 2, coins)
        own = dice.random((looks, coins)) < self.p
        side = np.where(own, 1.0, -1.0) * np.where(label == 0, 1.0, -1.0)        # +1 is heads
        lead = side.cumsum(axis=0) / np.arange(1, looks + 1)[:, None] * self.look / 2
        return Recording(np.stack([lead, -lead], axis=2), label, np.zeros((looks, 1)), {"network": f"a coin, p = {self.p}"})
