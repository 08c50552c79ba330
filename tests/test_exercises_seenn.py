"""The coding exercises of the SEENN chapters: a right answer passes, the untouched stub and a near miss are told why."""

import numpy as np

from tests.exercises import judged


def stop_on(add_up):
    def solution(logits, theta):
        e = add_up(logits)
        p = np.exp(e - e.max(axis=-1, keepdims=True))
        p /= p.sum(axis=-1, keepdims=True)
        sure = -(p * np.log(p + 1e-300)).sum(axis=-1) / np.log(p.shape[-1]) < theta
        sure[-1] = True
        return 1 + sure.argmax(axis=0)
    return solution


def best(discount):
    def solution(p, price):
        t = np.arange(len(p))[:, None]
        return (p * discount ** t - price * (1 - p)).argmax(axis=0) + 1
    return solution


def by_ink(of_the_brightest):
    def solution(ink, mean_timesteps):
        cut = np.quantile(ink, 1 - (mean_timesteps - 1) if of_the_brightest else mean_timesteps - 1)
        return np.where(ink > cut if of_the_brightest else ink < cut, 2, 1)
    return solution


def from_zero(start):
    def solution(x, lam, T):
        u, count = np.full_like(x, start * lam), np.zeros_like(x)
        for _ in range(T):
            u += x
            s = u > lam
            u -= lam * s
            count += s
        return lam * count / T
    return solution


def wait(space, offset=0):
    class Rule:
        def __init__(self, first, alpha):
            self.first, self.alpha = first + offset, alpha

        def stop(self, f_seen, image):
            return (space["confidence"](f_seen[-1]) > self.alpha) & (len(f_seen) >= self.first)
    return Rule


def two_heads(t):
    return lambda a, b: ((a.f[t] + b.f[t]).argmax(axis=1) == a.labels).mean()


def lost_and_won(last):
    def solution(run, recording):
        at_last = recording.correct[last]
        return np.stack([np.bincount(recording.labels[who], minlength=recording.classes)
                         for who in (at_last & ~run.correct, ~at_last & run.correct)], axis=1)
    return solution


EXERCISES = [
    ("evidence", "check_sum", "stop_on_the_sum", lambda space: stop_on(lambda z: z.cumsum(axis=0)),
     lambda space: stop_on(lambda z: z.cumsum(axis=0) / np.arange(1, 5)[:, None, None])),
    ("seenn2", "check_best", "best_action", lambda space: best(0.5), lambda space: best(2.0)),
    ("seenn2", "check_ink", "by_ink", lambda space: by_ink(False), lambda space: by_ink(True)),
    ("conversion", "check_from_zero", "mean_output_from_zero", lambda space: from_zero(0.0), lambda space: from_zero(0.5)),
    ("cifar10", "check_two_heads", "two_heads", lambda space: two_heads(0), lambda space: two_heads(1)),
    ("cifar10", "check_lost_and_won", "lost_and_won", lambda space: lost_and_won(-1), lambda space: lost_and_won(0)),
    ("conversion", "check_wait", "WaitThenConfidence", lambda space: wait(space), lambda space: wait(space, offset=1)),
]


test_a_right_answer_passes_and_the_stub_and_a_near_miss_are_told_why = judged(EXERCISES)
