"""The coding exercises of the SEENN chapters: a right answer passes, the untouched stub and a near miss are told why."""

import numpy as np
import pytest

from tests.exercises import chapter, judged


def pulse(space, alpha_sign=1):
    class Rule:
        def __init__(self, alpha):
            self.alpha = alpha

        def stop(self, f_seen, image):
            sure = alpha_sign * space["confidence"](f_seen[-1]) > alpha_sign * self.alpha
            last = f_seen[-2:].argmax(axis=2)
            return sure | ((len(f_seen) > 1) & (last == last[-1]).all(axis=0))
    return Rule


def promise(space, slack=0):
    def solution(recording, epsilon, delta):
        ladder, replay, rule = space["ladder"], space["replay"], space["ConfidenceExit"]
        wrong = np.array([(~replay(recording, rule(float(a))).correct).sum() for a in ladder])
        fails = np.flatnonzero(space["binomial_tail"](wrong, recording.images, epsilon) > delta)
        return ladder[(fails[0] if fails.size else len(ladder)) - 1 - slack]
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


def nearest_rival(edp, edp_of, accuracy_of):
    return accuracy_of[np.abs(edp_of - edp).argmin()]


def lost_and_won(last):
    def solution(run, recording):
        at_last = recording.correct[last]
        return np.stack([np.bincount(recording.labels[who], minlength=recording.classes)
                         for who in (at_last & ~run.correct, ~at_last & run.correct)], axis=1)
    return solution


EXERCISES = [
    ("seenn1", "check_pulse", "PatienceOrConfidence", lambda space: pulse(space), lambda space: pulse(space, -1)),
    ("seenn1", "check_promise", "promise_accuracy", lambda space: promise(space), lambda space: promise(space, slack=3)),
    ("seenn2", "check_best", "best_action", lambda space: best(0.5), lambda space: best(2.0)),
    ("seenn2", "check_ink", "by_ink", lambda space: by_ink(False), lambda space: by_ink(True)),
    ("conversion", "check_from_zero", "mean_output_from_zero", lambda space: from_zero(0.0), lambda space: from_zero(0.5)),
    ("cifar10", "check_coin_rival", "coin_rival", lambda space: np.interp, lambda space: nearest_rival),
    ("cifar10", "check_lost_and_won", "lost_and_won", lambda space: lost_and_won(-1), lambda space: lost_and_won(0)),
    ("conversion", "check_wait", "WaitThenConfidence", lambda space: wait(space), lambda space: wait(space, offset=1)),
]


test_a_right_answer_passes_and_the_stub_and_a_near_miss_are_told_why = judged(EXERCISES)


# --- what else readers of the photographs' chapter might write ------------------------------------

def by_timesteps(edp, edp_of, accuracy_of):
    """The coin's share from timesteps instead of EDP: EDP grows with T squared, or nearly."""
    t = np.arange(1, len(edp_of) + 1)
    return np.interp(np.sqrt(edp / edp_of[-1]) * t[-1], t, accuracy_of)


COINS = {"by timesteps": by_timesteps,
         "the cheaper neighbour": lambda edp, edp_of, a: a[max(0, np.searchsorted(edp_of, edp, side="right") - 1)],
         "the dearer neighbour": lambda edp, edp_of, a: a[min(len(a) - 1, np.searchsorted(edp_of, edp))],
         "between the first and the last": lambda edp, edp_of, a: np.interp(edp, edp_of[[0, -1]], a[[0, -1]]),
         "all of them": lambda edp, edp_of, a: np.interp([edp], edp_of, a),
         "in percent": lambda edp, edp_of, a: 100 * np.interp(edp, edp_of, a)}
def by_answer(run, seen):
    last = seen.correct[-1]
    return np.stack([np.bincount(run.predictions[who], minlength=10) for who in (last & ~run.correct, ~last & run.correct)], axis=1)


COUNTS = {"won first": lambda run, seen: lost_and_won(-1)(run, seen)[:, ::-1],
          "all classes in one": lambda run, seen: np.tile(lost_and_won(-1)(run, seen).sum(axis=0), (10, 1)),
          "right and wrong": lambda run, seen: np.stack(
              [np.bincount(seen.labels[who], minlength=10) for who in (run.correct, ~run.correct)], axis=1),
          "the answers' classes": by_answer,
          "one column": lambda run, seen: lost_and_won(-1)(run, seen)[:, 0]}


@pytest.mark.parametrize("wrong", COINS)
def test_other_coins_are_told_why(wrong):
    assert chapter("cifar10")["check_coin_rival"](COINS[wrong]).startswith("not yet: ")


@pytest.mark.parametrize("wrong", COUNTS)
def test_other_counts_of_lost_and_won_are_told_why(wrong):
    assert chapter("cifar10")["check_lost_and_won"](COUNTS[wrong]).startswith("not yet: ")
