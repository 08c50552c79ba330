"""The coding exercises of the first chapters: a right answer passes, the untouched stub and a near miss are told why."""

import numpy as np

from tests.exercises import judged


def line_from(timesteps, ratio):
    step = (ratio - 1) / (timesteps - 1)
    return 1 - step, step


def line_through_zero(timesteps, ratio):
    return 0.0, ratio / timesteps


def fixed_share(timesteps_saved):
    def solution(wanted_saving, timesteps=4):
        return (timesteps - 1 / (1 - wanted_saving)) / timesteps_saved(timesteps)
    return solution


def rate_code(most):
    def solution(image, timesteps, seed):
        return (most * np.random.default_rng(seed).random((timesteps, *image.shape)) < image).astype(float)
    return solution


def steps_to_fire(round_up):
    def solution(i, beta, v_th=1.0):
        left = 1 - v_th * (1 - beta) / i
        return round_up(np.log(left) / np.log(beta)) if left > 0 else np.inf
    return solution


def by_agreement(space, slack=1.0):
    def solution(recording, eps):
        replay, rule, best = space["replay"], space["EntropyExit"], 0.0
        for theta in np.unique(space["entropy"](recording.f)):
            if np.mean(replay(recording, rule(float(theta))).predictions != recording.predictions[-1]) <= eps:
                best = float(theta)
        return slack * best
    return solution


def patience(late=0):
    def solution(predictions, steps):
        t_hat = np.full(predictions.shape[1], len(predictions))
        for t in range(len(predictions), steps - 1, -1):
            t_hat[(predictions[t - steps:t] == predictions[t - 1]).all(axis=0)] = min(t + late, len(predictions))
        return t_hat
    return solution


def stop_on(add_up):
    def solution(logits, theta):
        e = add_up(logits)
        p = np.exp(e - e.max(axis=-1, keepdims=True))
        p /= p.sum(axis=-1, keepdims=True)
        sure = -(p * np.log(p + 1e-300)).sum(axis=-1) / np.log(p.shape[-1]) < theta
        sure[-1] = True
        return 1 + sure.argmax(axis=0)
    return solution


EXERCISES = [
    ("evidence", "check_sum", "stop_on_the_sum", lambda space: stop_on(lambda z: z.cumsum(axis=0)),
     lambda space: stop_on(lambda z: z.cumsum(axis=0) / np.arange(1, 5)[:, None, None])),
    ("why_timesteps", "check_line", "line_from", lambda space: line_from, lambda space: line_through_zero),
    ("why_timesteps", "check_share", "largest_fixed_share",
     lambda space: fixed_share(lambda T: T - 1), lambda space: fixed_share(lambda T: T)),
    ("lif", "check_rate", "rate_code", lambda space: rate_code(1.0), lambda space: rate_code(2.0)),
    ("lif", "check_steps", "steps_to_fire", lambda space: steps_to_fire(lambda n: np.floor(n) + 1),
     lambda space: steps_to_fire(np.floor)),
    ("dtsnn", "check_agreement", "calibrate_by_agreement", by_agreement, lambda space: by_agreement(space, slack=0.5)),
    ("dtsnn", "check_patience", "patience_step", lambda space: patience(), lambda space: patience(late=1)),
]


test_a_right_answer_passes_and_the_stub_and_a_near_miss_are_told_why = judged(EXERCISES)
