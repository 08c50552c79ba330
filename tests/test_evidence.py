"""How looks add up: the mean, the sum and between, the pair (gamma, theta), and coins of which everything is known."""

from itertools import product
from statistics import NormalDist

import numpy as np
import pytest
import torch

from dtsnn_lite.comparison import compared, holm
from dtsnn_lite.evidence import GAMMAS, Coin, Foresight, calibrate_pair, foresight, promised_pair
from dtsnn_lite.exits import (ConfidenceExit, EntropyExit, MarginExit, NeverExit, best_possible, calibrate, entropy, evidence, replay,
                              softmax, trade_off)
from dtsnn_lite.inference import dynamic_inference, record
from dtsnn_lite.models import SpikingConvNet
from dtsnn_lite.recording import Recording, shipped

POLICIES = (EntropyExit, ConfidenceExit, MarginExit)
CIFAR = "cifar10-small"


def authors_loop(logits: np.ndarray, labels: np.ndarray, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """Exit steps and right answers as the papers' public program finds them: sum the outputs, softmax, entropy, image by image."""
    steps, right = [], []
    for image, label in zip(logits.transpose(1, 0, 2), labels, strict=True):
        total = np.zeros(logits.shape[2])
        for t, output in enumerate(image, start=1):
            total = total + output
            p = np.exp(total - total.max()) / np.exp(total - total.max()).sum()
            if t == len(image) or -(p * np.log(p + 1e-30)).sum() / np.log(len(p)) < theta:
                break
        steps.append(t)
        right.append(total.argmax() == label)
    return np.array(steps), np.array(right)


def steps_of(seen: Recording) -> np.ndarray:
    """The logits of each timestep, (T, N, K), from their running means."""
    return np.diff(evidence(seen.f, 1.0), axis=0, prepend=0)


# --- evidence ----------------------------------------------------------------------------

def test_evidence_by_hand():
    f = np.array([[[1.0, 0.0]], [[2.0, 1.0]], [[3.0, -1.0]]])
    assert evidence(f, 0).tolist() == f.tolist()
    assert evidence(f, 1).tolist() == [[[1, 0]], [[2 * 2, 2 * 1]], [[3 * 3, 3 * -1]]]
    np.testing.assert_allclose(evidence(f, 0.5)[1], 2 ** 0.5 * f[1])


@pytest.mark.parametrize("theta", [0.02, 0.1, 0.4])
def test_gamma_one_is_the_authors_evaluation_loop(theta):
    seen = shipped("digits-hard-test")
    run = replay(seen, EntropyExit(theta, gamma=1))
    steps, right = authors_loop(steps_of(seen), seen.labels, theta)
    assert (run.t_hat == steps).all() and (run.correct == right).all()
    assert len(np.unique(steps)) > 1


@pytest.mark.parametrize("policy", POLICIES)
def test_gamma_zero_is_the_papers_equation(policy):
    seen = shipped("digits-hard-test")
    assert policy(0.3) == policy(0.3, gamma=0)
    now = policy.turned(policy.score(seen.f)) < policy.turned(0.3)
    now[-1] = True
    assert (replay(seen, policy(0.3)).t_hat == now.argmax(axis=0) + 1).all()


@pytest.mark.parametrize(("policy", "gamma"), list(product(POLICIES, (0.0, 0.7, 1.0, 2.0))))
def test_the_curve_says_what_a_replay_does_at_every_gamma(policy, gamma):
    seen = shipped("digits-hard-test")
    curve = trade_off(seen, policy, gamma)
    for k in np.linspace(0, len(curve.thresholds) - 1, 7).astype(int):
        run = replay(seen, policy(float(curve.thresholds[k]), gamma))
        assert (run.accuracy, run.mean_timesteps) == pytest.approx((curve.accuracy[k], curve.mean_timesteps[k]))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 1.5])
def test_a_network_that_really_stops_reads_the_same_evidence(gamma):
    net = SpikingConvNet().eval()
    images, labels = torch.rand(40, 1, 28, 28, generator=torch.Generator().manual_seed(1)), torch.arange(40) % 10
    seen = record(net, images, labels, 4)
    middle = float(np.median(EntropyExit.score(evidence(seen.f, gamma))[1]))
    run, live = replay(seen, EntropyExit(middle, gamma)), dynamic_inference(net, images, labels, EntropyExit(middle, gamma), 4)
    assert (run.t_hat == live.t_hat).all() and 1 < run.mean_timesteps < 4


def test_answers_do_not_depend_on_gamma_and_thresholds_do():
    seen = shipped("digits-hard-test")
    assert (evidence(seen.f, 1.5).argmax(axis=2) == seen.predictions).all()
    assert replay(seen, EntropyExit(0.1, 1.5)).mean_timesteps < replay(seen, EntropyExit(0.1)).mean_timesteps


@pytest.mark.parametrize("gamma", [-0.1, float("nan"), 9.0])
def test_a_gamma_without_meaning_is_refused(gamma):
    with pytest.raises(ValueError, match="how far looks add up"):
        EntropyExit(0.3, gamma)


# --- the pair ----------------------------------------------------------------------------

def test_the_pair_is_the_best_of_each_gammas_own_threshold():
    calibration = shipped("digits-hard-calibration")
    pair = calibrate_pair(calibration, EntropyExit, max_drop=0.01)
    each = {gamma: calibrate(calibration, EntropyExit, max_drop=0.01, gamma=gamma) for gamma in GAMMAS}
    assert pair == each[pair.gamma]
    assert replay(calibration, pair).mean_timesteps == min(replay(calibration, one).mean_timesteps for one in each.values())
    most = calibrate_pair(calibration, EntropyExit, mean_timesteps=1.3)
    found = [replay(calibration, calibrate(calibration, EntropyExit, mean_timesteps=1.3, gamma=gamma)).accuracy for gamma in GAMMAS]
    assert replay(calibration, most).accuracy == max(found) and most.gamma == GAMMAS[int(np.argmax(found))]


@pytest.mark.parametrize("network", [CIFAR, f"{CIFAR}-seed1", "digits-hard"])
def test_evidence_that_adds_up_needs_fewer_timesteps_on_every_network(network):
    calibration, test = shipped(f"{network}-calibration"), shipped(f"{network}-test")
    mean = replay(test, calibrate(calibration, EntropyExit, max_drop=0.0))
    pair = calibrate_pair(calibration, EntropyExit, max_drop=0.0)
    run = replay(test, pair)
    assert 1.0 <= pair.gamma <= 1.75
    assert run.mean_timesteps - 1 < 0.7 * (mean.mean_timesteps - 1)                 # of the steps beyond the first
    won, lost = (run.correct & ~mean.correct).sum(), (mean.correct & ~run.correct).sum()
    assert lost - won < 2.5 * (won + lost) ** 0.5                                   # and the answers differ by chance


def test_a_promised_pair_is_tested_on_images_that_did_not_choose_its_gamma():
    calibration = shipped(f"{CIFAR}-calibration")
    policy = promised_pair(calibration, EntropyExit, epsilon=0.01, delta=0.05)
    test = shipped(f"{CIFAR}-test")
    run = replay(test, policy)
    assert policy.gamma > 0 and test.accuracy[-1] - run.accuracy <= 0.01
    # Answers of the second half cannot change gamma: labels that are all wrong there leave only "never".
    order = np.random.default_rng(0).permutation(calibration.images)
    second = np.array_split(order, 2)[1]
    labels = calibration.labels.copy()
    early_wrong = calibration.predictions[0] != calibration.predictions[-1]
    labels[second] = np.where(early_wrong[second], calibration.predictions[-1][second], labels[second])
    harder = promised_pair(Recording(calibration.f, labels, calibration.spike_rates), EntropyExit, epsilon=0.01, delta=0.05)
    assert harder.gamma == policy.gamma and harder.theta <= policy.theta


# --- foresight ---------------------------------------------------------------------------

def test_foresight_by_hand():
    # Two kinds of images: A (sure at once, right), B (unsure, wrong at t = 1, right at t = 2).
    sure, torn, late = [4.0, 0.0], [0.1, 0.0], [0.0, 3.0]
    f = np.array([[sure] * 3 + [torn] * 3, [sure] * 3 + [late] * 3])
    seen = Recording(f, np.array([0, 0, 0, 1, 1, 1]), np.zeros((2, 1)))
    assert replay(seen, foresight(seen, EntropyExit, price=0.5)).t_hat.tolist() == [1, 1, 1, 2, 2, 2]
    assert replay(seen, foresight(seen, EntropyExit, price=0.999)).t_hat.tolist() == [1, 1, 1, 2, 2, 2]
    wrong = Recording(f, np.array([0, 0, 0, 0, 0, 1]), np.zeros((2, 1)))              # waiting loses two of three
    assert replay(wrong, foresight(wrong, EntropyExit, price=0.0)).t_hat.tolist() == [1] * 6


@pytest.mark.parametrize("score", [EntropyExit, ConfidenceExit])
@pytest.mark.parametrize(("price", "gamma"), [*product((0.01, 0.05), (0.0, 1.0))])
def test_foresight_on_its_own_images_lies_between_the_best_threshold_and_the_oracle(score, price, gamma):
    seen = shipped(f"{CIFAR}-calibration")
    rule = foresight(seen, score, price, gamma)
    run, curve = replay(seen, rule), trade_off(seen, score, gamma)
    worth = run.accuracy - price * run.mean_timesteps
    assert worth >= (curve.accuracy - price * curve.mean_timesteps).max() - 1e-12
    steps, accuracy = best_possible(seen)
    assert run.accuracy <= np.interp(run.mean_timesteps, steps, accuracy) + 1e-9
    for t in range(seen.timesteps - 1):                                              # no bar alone can be put to a better place
        for bar in np.quantile(score.score(evidence(seen.f, gamma))[t], np.linspace(0, 1, 101)):
            bars = rule.bars.copy()
            bars[t] = bar
            other = replay(seen, Foresight(score, gamma, bars))
            assert other.accuracy - price * other.mean_timesteps <= worth + 1e-12


@pytest.mark.parametrize("seed", range(20))
def test_the_bars_of_foresight_are_the_best_of_all_on_few_images(seed):
    """Two bars before the last look, all pairs tried; coordinates may stop short of the best pair, and never below one bar for all."""
    dice = np.random.default_rng(seed)
    seen = Recording(dice.normal(size=(3, 12, 3)), dice.integers(0, 3, 12), np.zeros((3, 1)))
    s, price = EntropyExit.score(seen.f), 0.05

    def worth(bars: list[float]) -> float:
        run = replay(seen, Foresight(EntropyExit, 0.0, np.array([*bars, np.inf])))
        return run.accuracy - price * run.mean_timesteps

    cuts = [np.concatenate([[-np.inf], np.sort(each) + 1e-9]) for each in s[:2]]
    found = worth(foresight(seen, EntropyExit, price).bars[:2].tolist())
    assert max(worth([bar, bar]) for bar in np.concatenate(cuts)) - 1e-12 <= found <= max(worth([*both]) for both in product(*cuts)) + 1e-12


@pytest.mark.parametrize("price", [-0.1, 1.0, float("nan")])
def test_a_price_that_is_none_is_refused(price):
    with pytest.raises(ValueError, match="price"):
        foresight(shipped("digits-calibration"), EntropyExit, price)


# --- coins -------------------------------------------------------------------------------

def test_a_bar_of_two_by_hand():
    coin = Coin(0.7)
    # Pairs of tosses until one side shows twice: wrong with q^2 / (p^2 + q^2), 2 / (p^2 + q^2) tosses on average.
    assert coin.error(2) == pytest.approx(0.09 / (0.49 + 0.09))
    assert coin.mean_looks(2) == pytest.approx(2 / (0.49 + 0.09))
    assert coin.fixed_error(3) == pytest.approx(0.3 ** 3 + 3 * 0.3 ** 2 * 0.7)
    assert (coin.error(1), coin.mean_looks(1), coin.fixed_error(1)) == pytest.approx((0.3, 1.0, 0.3))


@pytest.mark.parametrize("bar", [1, 2, 4])
def test_the_entropy_exit_on_the_sum_is_walds_test(bar):
    coin = Coin(0.65)
    seen = coin.tossed(coins=20_000, looks=120)
    run = replay(seen, EntropyExit(coin.theta(bar), gamma=1))
    lead = np.abs(steps_of(seen)[:, :, 0].cumsum(axis=0)) / (coin.look / 2)
    assert (run.t_hat == np.where((lead > bar - 0.5).any(axis=0), (lead > bar - 0.5).argmax(axis=0) + 1, 120)).all()
    deviation = (coin.error(bar) / 20_000) ** 0.5
    assert 1 - run.accuracy == pytest.approx(coin.error(bar), abs=4 * deviation)
    assert run.mean_timesteps == pytest.approx(coin.mean_looks(bar), rel=0.03)


def test_a_majority_of_thousands_of_looks_has_a_number():
    """A binomial coefficient of 2,001 looks is no float; the normal law is close by then."""
    coin = Coin(0.51)
    assert coin.fixed_error(2001) == pytest.approx(NormalDist().cdf((1000.5 - 2001 * 0.51) / (2001 * 0.51 * 0.49) ** 0.5), rel=1e-3)


@pytest.mark.filterwarnings("error")
def test_a_bar_that_is_never_missed_has_no_error():
    assert Coin(0.9).error(1000) == 0.0 and Coin(0.9).best_bar(0.0005) > 1


def test_bars_for_a_rule_without_a_score_are_refused():
    with pytest.raises(TypeError, match="NeverExit has no threshold"):
        foresight(shipped("digits-calibration"), NeverExit, price=0.01)


def test_a_sequential_test_needs_about_half_the_looks_of_a_fixed_number():
    coin = Coin(0.7)
    for bar in (3, 5, 7):
        fixed = next(looks for looks in range(1, 400, 2) if coin.fixed_error(looks) <= coin.error(bar))
        assert 0.35 < coin.mean_looks(bar) / fixed < 0.6


def test_walds_bar_keeps_its_error_and_one_less_does_not():
    for p, error in product((0.55, 0.7, 0.9), (0.2, 0.05, 0.001)):
        coin = Coin(p)
        bar = coin.bar_for(error)
        assert coin.error(bar) <= error + 1e-12 < coin.error(bar - 1) + 1e-9


def test_foresight_on_tosses_finds_the_best_bar():
    coin, price = Coin(0.7), 0.02
    bar = coin.best_bar(price)
    seen = coin.tossed(coins=40_000, looks=40)
    cost = {name: (1 - run.accuracy) + price * run.mean_timesteps for name, run in (
        ("bar", replay(seen, EntropyExit(coin.theta(bar), gamma=1))),
        ("foresight", replay(seen, foresight(seen, EntropyExit, price, gamma=1.0))),
        ("lower", replay(seen, EntropyExit(coin.theta(bar - 1), gamma=1))),
        ("higher", replay(seen, EntropyExit(coin.theta(bar + 1), gamma=1))))}
    exact = coin.error(bar) + price * coin.mean_looks(bar)
    assert cost["bar"] == pytest.approx(exact, abs=0.006)
    assert cost["foresight"] == pytest.approx(cost["bar"], abs=0.003)
    assert cost["bar"] <= min(cost["lower"], cost["higher"]) + 0.003


def test_with_tosses_the_right_gamma_is_one():
    seen, fresh = (Coin(0.65).tossed(coins=6_000, looks=30, seed=seed) for seed in (1, 2))
    at = {gamma: replay(fresh, calibrate(seen, EntropyExit, mean_timesteps=8.0, gamma=gamma)).accuracy for gamma in (0.0, 0.5, 1.0)}
    assert at[0.0] < at[0.5] + 0.005 and at[0.5] < at[1.0] + 0.005 and at[0.0] < at[1.0] - 0.02


def test_tosses_are_opinions_of_two_classes():
    seen = Coin(0.8).tossed(coins=500, looks=9)
    np.testing.assert_allclose(softmax(evidence(seen.f, 1.0)[0]).max(axis=1), 0.8, rtol=1e-5)
    assert seen.accuracy[0] == pytest.approx(0.8, abs=0.06) and seen.accuracy[-1] > 0.95
    assert entropy(seen.f).shape == (9, 500)


@pytest.mark.parametrize("p", [0.5, 1.0, 0.2, float("nan")])
def test_a_coin_that_is_no_question_is_refused(p):
    with pytest.raises(ValueError, match="own side"):
        Coin(p)


def test_what_the_chapter_says_of_bars_and_of_the_other_scores():
    """On the mean bars of their own win at the two higher prices with both networks, on the sum nothing; the sum wins under every score."""
    tests, dear, gains = [], [], {}
    for name, gamma, price in product((CIFAR, f"{CIFAR}-seed1"), (0, 1), (0.08, 0.04, 0.02)):
        images, exam = shipped(f"{name}-calibration"), shipped(f"{name}-test")
        rule = foresight(images, EntropyExit, price, gamma)
        steps = replay(images, rule).mean_timesteps
        for each in range(gamma, 2):
            rival = replay(exam, calibrate(images, EntropyExit, mean_timesteps=steps, gamma=each))
            tests.append(compared(replay(exam, rule), rival))
            dear.append(gamma == each == 0 and price > 0.02)
        if dear[-2:] == [True, False] and gamma == 0:
            assert (rule.bars[1:] >= rule.bars[:-1]).all() and rule.bars[1] > 1.5 * rule.bars[0], "the bars loosen"
            gains[name, price] = replay(exam, rule).accuracy - replay(exam, calibrate(images, EntropyExit, mean_timesteps=steps)).accuracy
    assert len(tests) == 18 and [p < 0.05 for p in holm([test.p for test in tests])] == dear
    assert all(test.won > test.lost for test, gained in zip(tests, dear, strict=True) if gained)
    assert len(gains) == 4 and all(0.008 < gain < 0.011 for gain in gains.values())
    found = []
    for name, score in product((CIFAR, f"{CIFAR}-seed1"), (EntropyExit, ConfidenceExit, MarginExit)):
        images, exam = shipped(f"{name}-calibration"), shipped(f"{name}-test")
        mean, total = (replay(exam, calibrate(images, score, mean_timesteps=1.46, gamma=gamma)) for gamma in (0, 1))
        found.append((compared(total, mean), mean.accuracy, total.accuracy))
    assert all(test.won > test.lost for test, _, _ in found)
    assert [p < 0.05 for p in holm([test.p for test, _, _ in found])] == [True, False, False, False, False, True]
    (_, entropy_mean, entropy_sum), *others = found[:3]
    for _, mean, _ in others:
        assert 0.4 < (mean - entropy_mean) / (entropy_sum - entropy_mean) < 0.7                # "about half"
