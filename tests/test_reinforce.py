"""The learned exits: rewards by hand, exact gradients by difference, sampled gradients by their mean."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from dtsnn_lite.drift import hard_digits
from dtsnn_lite.exits import EntropyExit, first_right, replay, run_of, trade_off
from dtsnn_lite.recording import Recording, shipped
from dtsnn_lite.reinforce import (LogisticExit, PolicySweep, exact_gradient, expected_reward, fastest_row, features, hard_weight,
                                  learn_logistic, load_sweeps, reward, sampled_gradient, save_sweeps, shipped_sweeps,
                                  stepwise_gradient, stepwise_sample, stop_probabilities)

T, N = 4, 5


def a_table(seed=0, price=0.7):
    """Policy logits (N, T) and rewards (T, N)."""
    dice = np.random.default_rng(seed)
    return dice.normal(size=(N, T)), reward(dice.random((T, N)) < 0.6, price)


class Loaded:
    """Dice that always show the numbers that they were given."""

    def __init__(self, shows):
        self.shows = shows

    def random(self, shape):
        return np.broadcast_to(self.shows, shape)


def difference(function, at, h=1e-6):
    """The central difference of a scalar function of an array."""
    slope = np.zeros_like(at)
    for i in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[i] = h
        slope[i] = (function(at + step) - function(at - step)) / (2 * h)
    return slope


def test_a_right_answer_halves_with_every_step_and_a_wrong_one_costs_its_price():
    right = np.array([[True, False], [True, False], [False, True]])
    assert reward(right, price=3.0).tolist() == [[1.0, -3.0], [1 / 2, -3.0], [-3.0, 1 / 4]]


def test_the_best_certain_choice_is_the_first_right_step():
    dice = np.random.default_rng(2)
    seen = Recording(dice.normal(size=(T, 50, 3)), dice.integers(0, 3, 50), np.zeros((T, 1)))
    solvable = seen.correct.any(axis=0)
    best = reward(seen.correct, price=0.5).argmax(axis=0) + 1
    assert (best == first_right(seen))[solvable].all()


def test_the_expectation_is_the_sum_over_all_actions():
    logits, rewards = a_table()
    v = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    by_loop = [sum(v[n, t] * rewards[t, n] for t in range(T)) for n in range(N)]
    np.testing.assert_allclose(expected_reward(logits, rewards), by_loop)


def test_the_exact_gradient_is_the_finite_difference():
    logits, rewards = a_table()
    found = difference(lambda z: expected_reward(z, rewards).sum(), logits)
    np.testing.assert_allclose(exact_gradient(logits, rewards), found, atol=1e-8)


@pytest.mark.parametrize("baseline", [0.0, 5.0])
def test_every_action_weighed_by_its_chance_is_the_exact_gradient(baseline):
    logits, rewards = a_table()
    v = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    middle = v.cumsum(axis=1) - v / 2                                   # dice that show this choose this action
    total = sum(v[:, [a]] * sampled_gradient(logits, rewards, Loaded(middle[:, [a]]), baseline) for a in range(T))
    np.testing.assert_allclose(total, exact_gradient(logits, rewards), atol=1e-12)


def test_the_highest_roll_chooses_the_last_action_though_rounded_chances_add_up_to_less():
    equal, rewards = np.zeros((1, 7)), np.arange(7.0)[:, None]         # in floats, seven sevenths are less than the roll
    assert np.full(7, 1 / 7).sum() < np.nextafter(1.0, 0.0)
    last = 6.0 * (np.eye(7)[[6]] - 1 / 7)
    np.testing.assert_allclose(sampled_gradient(equal, rewards, Loaded(np.nextafter(1.0, 0.0))), last)


@pytest.mark.parametrize("baseline", ["none", "expected reward", "far off"])
def test_the_mean_of_the_sampled_gradient_is_the_exact_gradient(baseline):
    logits, rewards = a_table()
    b = {"none": 0.0, "expected reward": expected_reward(logits, rewards), "far off": 5.0}[baseline]
    dice = np.random.default_rng(3)
    samples = np.stack([sampled_gradient(logits, rewards, dice, b) for _ in range(20_000)])
    error = samples.std(axis=0) / np.sqrt(len(samples))
    assert (np.abs(samples.mean(axis=0) - exact_gradient(logits, rewards)) < 5 * error + 1e-12).all()


def test_a_good_baseline_quietens_the_samples():
    logits, rewards = a_table()
    spread = []
    for b in (0.0, expected_reward(logits, rewards), 5.0):
        dice = np.random.default_rng(4)
        spread.append(np.stack([sampled_gradient(logits, rewards, dice, b) for _ in range(4000)]).var(axis=0).sum())
    assert spread[1] < spread[0] < spread[2]


def test_images_that_step_1_gets_wrong_weigh_as_much_as_the_rest():
    correct = np.array([[1, 1, 1, 0], [1, 1, 1, 1]], dtype=bool)
    weight = hard_weight(correct)
    assert weight.tolist() == [1, 1, 1, 3]
    assert weight[correct[0]].sum() == weight[~correct[0]].sum()


def test_many_hard_images_weigh_less_than_the_few_easy_ones():
    assert hard_weight(np.array([[1, 0, 0, 0, 0]], dtype=bool)).tolist() == [1] + [0.2 / 0.8] * 4


@pytest.mark.parametrize("right, share", [(True, "100 %"), (False, "is right on 0 %")])
def test_a_network_that_always_or_never_errs_teaches_a_policy_nothing(right, share):
    with pytest.raises(ValueError, match=f"{share} of the images.*has not seen"):
        hard_weight(np.full((T, N), right))


def test_a_policy_for_another_number_of_timesteps_is_refused():
    logits, rewards = a_table()
    with pytest.raises(ValueError, match="among T = 3 timesteps.*for T = 4"):
        expected_reward(logits[:, :3], rewards)
    with pytest.raises(ValueError, match="the policy chooses among"):
        expected_reward(logits[0], rewards[:, 0])


@pytest.mark.parametrize("price", [-1.0, float("nan"), float("inf")])
def test_an_impossible_price_is_refused(price):
    with pytest.raises(ValueError, match="price is that of a wrong answer"):
        reward(np.ones((T, N), dtype=bool), price)


# --- the stepwise exit --------------------------------------------------------------------

def a_walk(seed=0):
    dice = np.random.default_rng(seed)
    x = features(dice.normal(size=(T, N, 3)))
    return np.array([-2.0, 0.8, 0.5]), x, reward(dice.random((T, N)) < 0.6, 0.7)


def test_every_image_leaves_exactly_once():
    w, x, _ = a_walk()
    P = stop_probabilities(w, x)
    np.testing.assert_allclose(P.sum(axis=0), 1.0)
    q1 = 1 / (1 + np.exp(-x[0] @ w))
    q2 = 1 / (1 + np.exp(-x[1] @ w))
    np.testing.assert_allclose(P[1], (1 - q1) * q2)


def test_the_value_is_the_reward_weighted_by_the_chance_of_leaving():
    w, x, rewards = a_walk()
    assert stepwise_gradient(w, x, rewards)[0] == pytest.approx((stop_probabilities(w, x) * rewards).sum(axis=0).mean())


def test_the_gradient_by_hand_is_the_finite_difference():
    w, x, rewards = a_walk()
    found = difference(lambda w: stepwise_gradient(w, x, rewards)[0], w)
    np.testing.assert_allclose(stepwise_gradient(w, x, rewards)[1], found, atol=1e-8)


@pytest.mark.parametrize("baseline", [0.0, 0.4])
def test_every_walk_weighed_by_its_chance_is_the_gradient_by_hand(baseline):
    w, x, rewards = a_walk()
    chance, total = stop_probabilities(w, x), 0.0
    for leaves in range(T):
        shows = np.full((T, 1), 0.999)                                  # higher than any chance to leave but the last
        shows[leaves] = 0.0
        total = total + chance[leaves][:, None] * stepwise_sample(w, x, rewards, Loaded(shows), baseline)
    np.testing.assert_allclose(total.mean(axis=0), stepwise_gradient(w, x, rewards)[1], atol=1e-12)


@pytest.mark.parametrize("baseline", [0.0, 0.4])
def test_the_mean_of_the_sampled_walks_is_the_gradient_by_hand(baseline):
    w, x, rewards = a_walk()
    dice = np.random.default_rng(5)
    samples = np.stack([stepwise_sample(w, x, rewards, dice, baseline).mean(axis=0) for _ in range(20_000)])
    error = samples.std(axis=0) / np.sqrt(len(samples))
    assert (np.abs(samples.mean(axis=0) - stepwise_gradient(w, x, rewards)[1]) < 5 * error).all()


def test_a_chance_of_zero_is_never_taken_even_at_the_lowest_roll():
    _, x, rewards = a_walk()
    never = np.array([0.0, 0.0, -1e4])
    walks = stepwise_sample(never, x, rewards, Loaded(0.0))
    np.testing.assert_allclose(walks, 0.0, atol=1e-12)                  # q = 0 before T, 1 at T: nothing to learn from
    assert stop_probabilities(never, x).tolist() == [[0.0] * N] * (T - 1) + [[1.0] * N]


def test_with_one_timestep_there_is_nothing_to_choose():
    w, x, rewards = a_walk()
    value, slope = stepwise_gradient(w, x[:1], rewards[:1])
    assert value == pytest.approx(rewards[0].mean()) and slope.tolist() == [0.0] * 3


def test_a_logistic_exit_that_looks_at_time_alone_leaves_at_a_fixed_step():
    seen = shipped("digits-test")
    for step in (1, 2, 3, 4):
        later_than = (step - 0.5) / seen.timesteps
        assert set(replay(seen, LogisticExit((0.0, 1.0, -later_than), seen.timesteps)).t_hat) == {step}


def test_a_logistic_exit_that_ignores_time_is_an_entropy_threshold():
    seen = shipped("digits-test")
    theta = 0.07
    assert (replay(seen, LogisticExit((-10.0, 0.0, 10 * theta), seen.timesteps)).t_hat
            == replay(seen, EntropyExit(theta)).t_hat).all()


def test_learning_raises_the_reward_and_stays_near_the_thresholds():
    seen = shipped("digits-calibration")
    x, rewards = features(seen.f), reward(seen.correct, 5.0)
    learned = learn_logistic(seen, price=5.0)
    start = stepwise_gradient(np.array([-5.0, 0.0, 1.0]), x, rewards)[0]
    assert stepwise_gradient(np.array(learned.w), x, rewards)[0] > start
    run, curve = replay(seen, learned), trade_off(seen, EntropyExit)
    rival = curve.accuracy[curve.mean_timesteps <= run.mean_timesteps + 0.02].max()
    assert run.accuracy >= rival - 0.01


def test_learning_begins_where_the_entropy_is_below_a_fifth():
    seen = shipped("digits-test")
    assert (replay(seen, learn_logistic(seen, price=1.0, steps=0)).t_hat == replay(seen, EntropyExit(0.2)).t_hat).all()


def test_one_step_of_learning_follows_the_gradient_and_a_dearer_mistake_does_not_lengthen_it():
    seen = shipped("digits-calibration")
    start = learn_logistic(seen, price=5.0, steps=0).w
    slope = stepwise_gradient(np.array(start), features(seen.f), reward(seen.correct, 5.0))[1]
    np.testing.assert_allclose(learn_logistic(seen, price=5.0, steps=1, lr=2.0).w, start + 2.0 * slope / (1 + 5.0))


def test_what_the_chapter_says_of_the_learned_stepwise_exit():
    calibration, seen = (shipped(f"digits-hard-{split}") for split in ("calibration", "test"))
    mean, of_the_sum = (trade_off(seen, EntropyExit, gamma=gamma) for gamma in (0, 1))
    for price in (5.0, 20.0, 40.0):
        run = replay(seen, learn_logistic(calibration, price))
        best, better = (curve.accuracy[curve.mean_timesteps <= run.mean_timesteps + 1e-9].max() for curve in (mean, of_the_sum))
        assert run.accuracy == pytest.approx(best, abs=0.003) and better > best
        assert (run.t_hat > 1).mean() < 0.1


def test_the_stepwise_exit_refuses_another_number_of_timesteps():
    seen = shipped("digits-test")
    with pytest.raises(ValueError, match="learned for T = 2"):
        replay(seen, LogisticExit((-10.0, 0.0, 0.0), 2))
    with pytest.raises(ValueError, match="three finite weights"):
        LogisticExit((1.0, 2.0), 4)


def test_an_oracle_in_expectation_is_the_aet():
    seen = shipped("digits-test")
    sure = 50.0 * np.eye(seen.timesteps)[first_right(seen) - 1]
    J = expected_reward(sure, reward(seen.correct, 0.0)).mean()
    run = run_of(first_right(seen), seen)
    assert J == pytest.approx((run.correct * 0.5 ** (run.t_hat - 1.0)).mean())


# --- sweeps -------------------------------------------------------------------------------

def test_the_fastest_row_is_the_fastest_of_those_that_are_accurate_enough_wherever_it_stands():
    t_hat = np.array([[4, 4], [1, 1], [2, 2], [3, 3]])
    correct = np.array([[1, 1], [0, 0], [1, 0], [1, 1]], dtype=bool)
    sweep = PolicySweep(np.array([9.0, 1.0, 2.0, 4.0]), t_hat, correct, timesteps=4)
    assert [fastest_row(sweep, accuracy) for accuracy in (1.0, 0.5, 0.0)] == [3, 2, 1]


def test_what_policies_did_cannot_be_changed_afterwards():
    sweep = PolicySweep(np.array([1.0]), np.array([[1, 2]]), np.array([[True, False]]), timesteps=2)
    with pytest.raises(FrozenInstanceError):
        sweep.timesteps = 3


@pytest.mark.parametrize("split", ["test", "calibration"])
def test_shipped_policies_are_of_the_images_of_the_recording_they_are_named_after(split):
    seen = shipped(f"digits-hard-{split}")
    for name, sweep in shipped_sweeps("digits-hard", split).items():
        if name.startswith("joint"):                                    # its network has moved on from the recorded one
            continue
        for t_hat, correct in zip(sweep.t_hat, sweep.correct, strict=True):
            assert (run_of(t_hat, seen).correct == correct).all()


def test_policies_collapse_at_a_price_at_which_a_second_step_would_pay_for_the_dimmest():
    seen, ink = shipped("digits-hard-test"), hard_digits().test.images.mean(dim=(1, 2, 3)).numpy()
    first, second, *_ = reward(seen.correct, 5.0)
    assert np.where(ink < np.quantile(ink, 1 / 6), second, first).mean() > first.mean() + 0.03
    sweeps = shipped_sweeps("digits-hard")
    for sweep in sweeps.values():
        assert (sweep.t_hat[sweep.prices <= 5] == 1).all()
    exact = [sweep for name, sweep in sweeps.items() if name.startswith("exact")]
    sampled = sweeps["reinforce"]
    fewer = sampled.mean_timesteps < np.min([sweep.mean_timesteps for sweep in exact], axis=0)
    assert fewer[np.isin(sampled.prices, (8, 10, 12))].all() and not fewer[sampled.prices == 15].any()


def test_policies_that_do_not_ship_are_refused_with_those_that_do():
    with pytest.raises(FileNotFoundError, match="no shipped policies for 'digits'; there are .*'digits-hard-test'"):
        shipped_sweeps("digits")


def test_an_accuracy_that_no_policy_reaches_is_refused_with_the_best_there_is():
    sweep = PolicySweep(np.array([9.0, 1.0]), np.array([[1, 2], [1, 1]]), np.array([[1, 0], [0, 0]], dtype=bool), timesteps=2)
    with pytest.raises(ValueError, match=r"right on 75\.0 %; the best on 50\.0 %"):
        fastest_row(sweep, 0.75)


def test_sweeps_come_back_from_their_file_as_they_were(tmp_path):
    correct = np.random.default_rng(0).random((3, 11)) < 0.5            # 11 images: not a whole number of bytes
    sweep = PolicySweep(np.array([1.0, 2.0, 4.0]), np.arange(33).reshape(3, 11) % 4 + 1, correct, timesteps=4)
    save_sweeps(tmp_path / "a.npz", {"exact": sweep, "exact/seed 1": sweep})
    for name, back in load_sweeps(tmp_path / "a.npz").items():
        assert name in ("exact", "exact/seed 1") and back.timesteps == 4
        for part in ("prices", "t_hat", "correct"):
            assert np.array_equal(getattr(back, part), getattr(sweep, part))
    assert len(load_sweeps(tmp_path / "a.npz")) == 2


def test_more_timesteps_than_a_byte_counts_come_back_from_the_file(tmp_path):
    sweep = PolicySweep(np.array([1.0]), np.array([[300, 2, 256]]), np.array([[True, False, True]]), timesteps=400)
    save_sweeps(tmp_path / "long.npz", {"exact": sweep})
    assert load_sweeps(tmp_path / "long.npz")["exact"].t_hat.tolist() == [[300, 2, 256]]
