"""The learned exit (SEENN-II): a reward, its exact expectation, and REINFORCE.

An action is a number of timesteps, 1..T. Everything a learner can be told stands in
`Recording.correct`, so the whole environment is one table of rewards (T, N).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dtsnn_lite.exits import entropy, softmax
from dtsnn_lite.files import POLICIES, save_arrays, saved_arrays
from dtsnn_lite.recording import Recording


def reward(correct: np.ndarray, price: float) -> np.ndarray:
    """What stopping at t is worth: 1 / 2^(t-1) if right, -price (the paper's beta) if wrong. (T, N) bool -> (T, N)  (li2023seenn)"""
    if not (np.isfinite(price) and price >= 0):
        raise ValueError(f"price is that of a wrong answer, 0 or more; got {price!r}")
    t = np.arange(1, len(correct) + 1)[:, None]
    return np.where(correct, 0.5 ** (t - 1), -float(price))


# --- one choice before the network runs ---------------------------------------------

def expected_reward(logits: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    """J = sum_t v_t r_t with v = softmax(logits): every action weighed, none sampled. (N, T), (T, N) -> (N,)"""
    return (softmax(_same_actions(logits, rewards)) * rewards.T).sum(axis=1)


def exact_gradient(logits: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    """dJ / dlogits_k = v_k (r_k - J), (N, T)."""
    v = softmax(_same_actions(logits, rewards))
    return v * (rewards.T - (v * rewards.T).sum(axis=1, keepdims=True))


def sampled_gradient(logits: np.ndarray, rewards: np.ndarray, dice: np.random.Generator,
                     baseline: np.ndarray | float = 0.0) -> np.ndarray:
    """REINFORCE: (r_a - b) d log v_a / dlogits = (r_a - b) (onehot(a) - v), one a ~ v an image, (N, T).

    Its mean over a is the exact gradient for every baseline b that does not look at a (williams1992reinforce).
    """
    v = softmax(_same_actions(logits, rewards))
    image = np.arange(len(v))
    action = (v.cumsum(axis=1) < dice.random((len(v), 1))).sum(axis=1).clip(max=v.shape[1] - 1)
    gain = rewards[action, image] - baseline
    return gain[:, None] * (np.eye(v.shape[1])[action] - v)


def hard_weight(correct: np.ndarray) -> np.ndarray:
    """The reweighting of the papers' code: 1 where step 1 is right, rate / (1 - rate) where it is not, (N,).

    rate = share right at step 1; the rare images that need more steps then weigh as much as the rest.
    """
    first = np.asarray(correct)[0]
    rate = first.mean()
    if rate in (0.0, 1.0):
        raise ValueError(f"step 1 is right on {100 * rate:g} % of the images: with no image of the other kind there is "
                         "nothing to learn; train the policy on images that the network has not seen, or on harder ones")
    return np.where(first, 1.0, rate / (1 - rate))


def _same_actions(logits: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    logits = np.asarray(logits, dtype=np.float64)
    if logits.ndim != 2 or logits.shape != rewards.T.shape:
        raise ValueError(f"the policy chooses among T = {logits.shape[-1]} timesteps for {len(logits)} images, the rewards "
                         f"are for T = {len(rewards)} and {rewards.shape[-1]}: make the policy for this network's T")
    return logits


# --- a choice at every step -----------------------------------------------------------

def features(recording_f: np.ndarray) -> np.ndarray:
    """What the stepwise exit looks at: x_t = (score, t / T, 1). f (T, N, K) -> (T, N, 3)"""
    E = entropy(recording_f)
    t = np.broadcast_to(np.arange(1, len(E) + 1)[:, None] / len(E), E.shape)
    return np.stack([E, t, np.ones_like(E)], axis=2)


def sigmoid(a: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-a), without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(a)))


def stop_probabilities(w: np.ndarray, x: np.ndarray) -> np.ndarray:
    """P(leave at t) = q_t prod_{s<t} (1 - q_s) with q_t = sigmoid(w . x_t) and q_T = 1. (T, N)"""
    q = _stop_chance(w, x)
    return q * np.concatenate([np.ones_like(q[:1]), (1 - q[:-1]).cumprod(axis=0)])


def _stop_chance(w: np.ndarray, x: np.ndarray) -> np.ndarray:
    q = sigmoid(x @ np.asarray(w, dtype=np.float64))
    q[-1] = 1.0
    return q


def stepwise_gradient(w: np.ndarray, x: np.ndarray, rewards: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean expected reward J and dJ/dw (3,), by hand, from the last step back.

    V_t = q_t r_t + (1 - q_t) V_{t+1},   V_T = r_T
    dV_t = q_t (1 - q_t) (r_t - V_{t+1}) x_t + (1 - q_t) dV_{t+1}
    """
    q = _stop_chance(w, x)
    value, slope = rewards[-1].astype(np.float64), np.zeros_like(x[0])
    for t in range(len(x) - 2, -1, -1):
        push = q[t] * (1 - q[t]) * (rewards[t] - value)
        slope = push[:, None] * x[t] + (1 - q[t])[:, None] * slope
        value = q[t] * rewards[t] + (1 - q[t]) * value
    return float(value.mean()), slope.mean(axis=0)


def stepwise_sample(w: np.ndarray, x: np.ndarray, rewards: np.ndarray, dice: np.random.Generator,
                    baseline: np.ndarray | float = 0.0) -> np.ndarray:
    """REINFORCE for the stepwise exit, (N, 3): one walk an image.

    d log P(leave at t) / dw = (1 - q_t) x_t [t < T]  -  sum_{s<t} q_s x_s
    """
    q = _stop_chance(w, x)
    leaves = (dice.random(q.shape) < q).argmax(axis=0)                        # 0-based; q_T = 1 always leaves
    image, before = np.arange(q.shape[1]), np.arange(len(q))[:, None] < leaves
    score = (1 - q[leaves, image])[:, None] * x[leaves, image] - ((q * before)[:, :, None] * x).sum(axis=0)
    return (rewards[leaves, image] - baseline)[:, None] * score


@dataclass(frozen=True)
class LogisticExit:
    """Stop when w . (E(f_t), t / T, 1) > 0: the threshold on the entropy falls or rises with t.

    w          (3,)
    timesteps  the T that w was learned for
    """

    w: tuple[float, float, float]
    timesteps: int

    def __post_init__(self) -> None:
        if len(self.w) != 3 or not np.isfinite(self.w).all():
            raise ValueError(f"w is three finite weights: of the entropy, of t / T, and alone; got {self.w}")

    def stop(self, f_seen: np.ndarray, image: np.ndarray) -> np.ndarray:
        t = len(f_seen)
        if t > self.timesteps:
            raise ValueError(f"this exit was learned for T = {self.timesteps}, the network runs on to {t}: learn it again")
        return self.w[0] * entropy(f_seen[-1]) + self.w[1] * t / self.timesteps + self.w[2] > 0


def learn_logistic(recording: Recording, price: float, steps: int = 400, lr: float = 8.0) -> LogisticExit:
    """The stepwise exit that climbs the exact gradient of the expected reward."""
    x, rewards = features(recording.f), reward(recording.correct, price)
    w = np.array([-5.0, 0.0, 1.0])                       # begins as: leave when the entropy is below 0.2
    for _ in range(steps):
        w = w + lr * stepwise_gradient(w, x, rewards)[1] / (1 + price)
    E, t, alone = w.tolist()
    return LogisticExit((E, t, alone), recording.timesteps)


# --- what learned policies did -------------------------------------------------------

@dataclass(frozen=True, eq=False)
class PolicySweep:
    """One policy a price of a wrong answer, run on one set of images.

    prices (M,), t_hat (M, N) chosen timesteps, correct (M, N) bool, timesteps = T
    """

    prices: np.ndarray
    t_hat: np.ndarray
    correct: np.ndarray
    timesteps: int

    def __post_init__(self) -> None:
        if not (self.t_hat.shape == self.correct.shape and len(self.prices) == len(self.t_hat)):
            raise ValueError(f"one row a price: {len(self.prices)} prices, t_hat {self.t_hat.shape}, correct {self.correct.shape}")
        if self.t_hat.min() < 1 or self.t_hat.max() > self.timesteps:
            raise ValueError(f"a policy for T = {self.timesteps} chooses 1 to {self.timesteps}; got {self.t_hat.max()}")

    @property
    def accuracy(self) -> np.ndarray:
        return self.correct.mean(axis=1)

    @property
    def mean_timesteps(self) -> np.ndarray:
        return self.t_hat.mean(axis=1)


def save_sweeps(path: str | Path, sweeps: Mapping[str, PolicySweep]) -> None:
    """Sweeps by name (exact, reinforce, joint, ...) in one .npz file, where prices go by the paper's letter; t_hat as bytes to T = 255."""
    arrays: dict[str, np.ndarray | int] = {}
    for name, sweep in sweeps.items():
        arrays |= {f"{name}/betas": sweep.prices, f"{name}/t_hat": sweep.t_hat.astype(np.min_scalar_type(sweep.timesteps)),
                   f"{name}/correct": np.packbits(sweep.correct, axis=1), f"{name}/timesteps": sweep.timesteps}
    save_arrays(path, **arrays)


def load_sweeps(path: str | Path) -> dict[str, PolicySweep]:
    """The sweeps in a file written by `save_sweeps`."""
    with saved_arrays(path, "file of sweeps", made_by="python -m dtsnn_lite train digits-policy") as z:
        names = dict.fromkeys(key.rsplit("/", 1)[0] for key in z.files)
        return {name: PolicySweep(z[f"{name}/betas"], z[f"{name}/t_hat"].astype(np.intp),
                                  np.unpackbits(z[f"{name}/correct"], axis=1, count=z[f"{name}/t_hat"].shape[1]).astype(bool),
                                  int(z[f"{name}/timesteps"])) for name in names}


def fastest_row(sweep: PolicySweep, accuracy: float) -> int:
    """The row of the fastest policy that is at least this accurate: how a price is chosen on a calibration split."""
    good = np.flatnonzero(sweep.accuracy >= accuracy - 1e-9)
    if not good.size:
        raise ValueError(f"no policy of this sweep is right on {100 * accuracy:.1f} %; the best on {100 * sweep.accuracy.max():.1f} %: "
                         "ask for less, or train at higher prices")
    return int(good[sweep.mean_timesteps[good].argmin()])


def shipped_sweeps(name: str = "digits-hard", split: str = "test") -> dict[str, PolicySweep]:
    """The policies that come with the package, on the images of the recording `<name>-<split>`, test or calibration."""
    path = POLICIES / f"{name}-{split}.npz"
    if not path.exists():
        raise FileNotFoundError(f"no shipped policies for {name!r}; there are {sorted(p.stem for p in POLICIES.glob('*.npz'))}")
    return load_sweeps(path)
