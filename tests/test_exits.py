"""Scores, policies, replay, the exact curve and the calibrated threshold."""

from dataclasses import dataclass
from math import inf, nextafter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtsnn_lite.exits import (THRESHOLD_POLICIES, ChosenSteps, ConfidenceExit, EntropyExit, MarginExit, NeverExit, OracleExit,
                              PatienceExit, ThresholdPolicy, aet_by_counts, calibrate, confidence, entropy, exit_curve, first_right,
                              margin, replay, run_of, softmax, trade_off)
from dtsnn_lite.recording import Recording, shipped

THRESHOLDED = list(THRESHOLD_POLICIES.values())
logits = st.lists(st.floats(-30, 30), min_size=2, max_size=12).map(np.array)


def a_recording(timesteps: int = 4, images: int = 60, classes: int = 5, seed: int = 0) -> Recording:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)
    drift = 0.8 * np.arange(1, timesteps + 1)[:, None, None] * np.eye(classes)[labels]
    return Recording(drift + rng.normal(size=(timesteps, images, classes)), labels, np.zeros((timesteps, 1)))


def of(f: list, labels: list) -> Recording:
    f = np.array(f, dtype=float)
    return Recording(f, np.array(labels), np.zeros((len(f), 1)))


# --- scores by hand -------------------------------------------------------------

def test_scores_of_a_fair_coin_and_of_certainty():
    even, sure = np.array([0.0, 0.0]), np.array([1000.0, 0.0])
    assert [entropy(even), confidence(even), margin(even)] == [1.0, 0.5, 0.0]
    assert [entropy(sure), confidence(sure), margin(sure)] == [0.0, 1.0, 1.0]


def test_scores_of_three_quarters_against_one_quarter():
    f = np.log([0.75, 0.25])
    by_hand = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25)) / np.log(2)
    assert entropy(f) == pytest.approx(by_hand)
    assert confidence(f) == pytest.approx(0.75)
    assert margin(f) == pytest.approx(0.75 - 0.25)


def test_the_entropy_is_the_sum_that_defines_it():
    f = np.random.default_rng(1).normal(size=(4, 50, 10)) * 3
    p = softmax(f)
    assert entropy(f) == pytest.approx(-(p * np.log(p)).sum(axis=-1) / np.log(10))


# --- scores by law ----------------------------------------------------------------

@given(logits)
def test_scores_are_bounded(f):
    assert 0 <= entropy(f) <= 1
    assert 1 / len(f) <= confidence(f) * (1 + 1e-12) and confidence(f) <= 1
    assert 0 <= margin(f) <= 1


@given(logits, st.floats(-100, 100))
def test_adding_one_number_to_all_logits_changes_no_score(f, shift):
    for score in (entropy, confidence, margin):
        assert score(f + shift) == pytest.approx(score(f), abs=1e-9)


@given(logits, st.randoms(use_true_random=False))
def test_the_order_of_the_classes_changes_no_score(f, random):
    g = list(f)
    random.shuffle(g)
    for score in (entropy, confidence, margin):
        assert score(np.array(g)) == pytest.approx(score(f), abs=1e-9)


@given(logits, st.floats(1, 5))
def test_larger_logits_are_never_less_sure(f, factor):
    assert entropy(factor * f) <= entropy(f) + 1e-9
    assert confidence(factor * f) >= confidence(f) - 1e-9


@given(st.integers(2, 100))
def test_uniform_logits_have_entropy_one_for_any_number_of_classes(classes):
    assert entropy(np.zeros(classes)) == pytest.approx(1.0)
    assert confidence(np.zeros(classes)) == pytest.approx(1 / classes)


@pytest.mark.parametrize("score", [entropy, confidence, margin, softmax])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_score_of_a_diverged_network_passes_silently(score, bad):
    with pytest.raises(ValueError, match="f holds NaN or infinity"):
        score(np.array([[0.0, 1.0], [bad, 1.0]]))


@pytest.mark.parametrize("score", [entropy, confidence, margin])
@pytest.mark.parametrize("f", [np.zeros((3, 1)), np.float64(1.0)])
def test_a_score_needs_two_classes(score, f):
    with pytest.raises(ValueError, match="2 classes or more; got shape"):
        score(f)


# --- policies ----------------------------------------------------------------------

@pytest.mark.parametrize("make, message", [
    (lambda: EntropyExit(-0.1), r"theta lies in \[0, 1\].* 0 never stops early.*got -0.1"),
    (lambda: EntropyExit(1.1), "got 1.1"),
    (lambda: EntropyExit(float("nan")), "theta lies in .* got nan"),
    (lambda: ConfidenceExit(1.5), r"alpha lies in \[0, 1\].* got 1.5"),
    (lambda: ConfidenceExit(float("nan")), "alpha lies in .* got nan"),
    (lambda: MarginExit(-0.5), r"gap lies in \[0, 1\] .* got -0.5"),
    (lambda: MarginExit(float("nan")), "gap lies in .* got nan"),
    (lambda: PatienceExit(0), "steps counts equal predictions in a row, 1 or more; got 0"),
    (lambda: PatienceExit(1.5), "got 1.5"),
    (lambda: PatienceExit(2.0), "got 2.0"),
    (lambda: ChosenSteps(np.array([1, 0])), "t_hat holds whole timesteps, 1 or more"),
    (lambda: ChosenSteps(np.array([1.0])), "t_hat holds whole timesteps"),
    (lambda: ChosenSteps(np.array([], int)), "t_hat holds whole timesteps"),
    (lambda: ChosenSteps(np.ones((3, 1), int)), r"one chosen step an image, \(N,\); got shape \(3, 1\)"),
    (lambda: OracleExit(np.zeros((3, 1), int)), r"one label an image, \(N,\); got shape \(3, 1\)"),
])
def test_a_policy_outside_its_range_is_refused_when_it_is_made(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("policy", [0.3, EntropyExit, None])
def test_a_threshold_alone_is_no_policy(policy):
    with pytest.raises(TypeError, match="a policy decides when to stop, as EntropyExit"):
        replay(a_recording(), policy)


@pytest.mark.parametrize("policy, what", [(OracleExit(np.zeros(3, int)), "label"), (ChosenSteps(np.full(3, 2)), "chosen step")])
def test_a_policy_made_for_fewer_images_says_so(policy, what):
    with pytest.raises(ValueError, match=f"image 59 has no {what}: the policy was made for 3 images"):
        replay(a_recording(), policy)


SURE, UNSURE = [5.0, 0.0], [0.1, 0.0]


def test_entropy_exit_by_hand():
    seen = of([[SURE, UNSURE, UNSURE], [SURE, SURE, UNSURE], [SURE, SURE, UNSURE]], labels=[0, 1, 0])
    run = replay(seen, EntropyExit(0.5))
    assert run.t_hat.tolist() == [1, 2, 3]
    assert run.predictions.tolist() == [0, 0, 0]
    assert run.accuracy == 2 / 3
    assert run.mean_timesteps == (1 + 2 + 3) / 3
    assert run.histogram.tolist() == [1, 1, 1]


def test_a_tie_with_the_threshold_does_not_stop():
    seen = of([[UNSURE], [UNSURE], [SURE]], labels=[0])
    theta, alpha, gap = (float(score(seen.f[0])[0]) for score in (entropy, confidence, margin))
    for policy in (EntropyExit(theta), ConfidenceExit(alpha), MarginExit(gap)):
        assert replay(seen, policy).t_hat.tolist() == [3]


def test_patience_by_hand():
    a, b = [1.0, 0.0], [0.0, 1.0]
    seen = of([[a, a, a, b], [a, b, b, a], [b, b, a, b], [b, b, a, a]], labels=[0, 0, 0, 0])
    assert replay(seen, PatienceExit(1)).t_hat.tolist() == [1, 1, 1, 1]
    assert replay(seen, PatienceExit(2)).t_hat.tolist() == [2, 3, 4, 4]
    assert replay(seen, PatienceExit(3)).t_hat.tolist() == [4, 4, 4, 4]


def test_the_aet_by_counts_by_hand_and_beside_the_empirical_one():
    right, wrong = [0.0, 1.0], [1.0, 0.0]
    seen = of([[right, wrong, right], [wrong, right, right], [wrong, right, right]], [1, 1, 1])        # images right: 2, 2, 2
    assert aet_by_counts(seen) == pytest.approx((2 * 1 + 0 + 0 + (3 - 2) * 3) / 3)
    assert first_right(seen).mean() == pytest.approx((1 + 2 + 1) / 3)
    kept = of([[right, wrong, wrong], [right, right, wrong], [right, right, wrong]], [1, 1, 1])           # nobody loses a right answer
    assert aet_by_counts(kept) == pytest.approx(first_right(kept).mean()) == pytest.approx((1 + 2 + 3) / 3)
    photographs = shipped("cifar10-small-test")
    assert (aet_by_counts(photographs), first_right(photographs).mean()) == pytest.approx((1.462, 1.403), abs=5e-4)


@pytest.mark.parametrize("seed", range(5))
def test_the_aet_by_counts_is_never_below_the_empirical_one(seed):
    seen = a_recording(seed=seed)
    assert aet_by_counts(seen) >= first_right(seen).mean() - 1e-12


def test_the_oracle_stops_at_the_first_right_step_and_runs_on_when_never_right():
    a, b = [1.0, 0.0], [0.0, 1.0]
    seen = of([[a, b, b], [a, a, b], [b, b, b]], labels=[0, 0, 0])
    run = replay(seen, OracleExit(seen.labels))
    assert run.t_hat.tolist() == [1, 2, 3]
    assert run.correct.tolist() == [True, True, False]


def test_chosen_steps_are_taken_and_more_than_T_means_T():
    seen = a_recording(timesteps=3, images=4)
    assert replay(seen, ChosenSteps(np.array([1, 2, 3, 9]))).t_hat.tolist() == [1, 2, 3, 3]


def test_extreme_thresholds_never_and_always_stop_early():
    seen = a_recording()
    for never in (NeverExit(), EntropyExit(0.0), ConfidenceExit(1.0), MarginExit(1.0)):
        assert replay(seen, never).mean_timesteps == seen.timesteps
        assert replay(seen, never).accuracy == seen.accuracy[-1]
    for always in (EntropyExit(1.0), ConfidenceExit(0.0), MarginExit(0.0), PatienceExit(1)):
        assert replay(seen, always).mean_timesteps == 1
        assert replay(seen, always).accuracy == seen.accuracy[0]


@pytest.mark.parametrize("policy", THRESHOLDED)
def test_a_legal_threshold_lies_between_the_one_that_never_stops_and_the_one_that_always_does(policy):
    seen = of([[SURE, UNSURE, [0.0, 0.0]]] * 3, labels=[0, 1, 0])
    assert replay(seen, policy(policy.never)).t_hat.tolist() == [3, 3, 3]
    assert replay(seen, policy(policy.always)).t_hat.tolist() == [1, 1, 1]
    for end, beyond in zip((policy.never, policy.always), (-inf, inf) if policy.falls else (inf, -inf), strict=True):
        with pytest.raises(ValueError, match=f"{policy.symbol} lies in"):
            policy(nextafter(end, beyond))


def test_a_threshold_has_its_papers_name_and_one_that_all_policies_share():
    assert [policy(0.25).threshold for policy in THRESHOLDED] == [0.25] * 3
    assert (EntropyExit(theta=0.25).theta, ConfidenceExit(alpha=0.25).alpha, MarginExit(gap=0.25).gap) == (0.25, 0.25, 0.25)
    assert list(THRESHOLD_POLICIES) == ["entropy", "confidence", "margin"]


@given(st.integers(0, 30), st.floats(0, 1), st.floats(0, 1))
def test_a_looser_threshold_never_makes_an_image_wait_longer(seed, a, b):
    seen = a_recording(images=20, seed=seed)
    strict, loose = sorted((a, b))
    assert (replay(seen, EntropyExit(loose)).t_hat <= replay(seen, EntropyExit(strict)).t_hat).all()
    assert (replay(seen, ConfidenceExit(strict)).t_hat <= replay(seen, ConfidenceExit(loose)).t_hat).all()


@given(st.integers(0, 30), st.floats(0, 1))
def test_no_rule_that_is_right_stops_before_the_oracle(seed, theta):
    seen = a_recording(images=20, seed=seed)
    run, best = replay(seen, EntropyExit(theta)), replay(seen, OracleExit(seen.labels))
    assert (run.t_hat[run.correct] >= best.t_hat[run.correct]).all()
    assert best.accuracy >= run.accuracy


def test_a_run_may_be_built_from_its_exit_steps():
    seen = a_recording()
    run = replay(seen, EntropyExit(0.6))
    again = run_of(run.t_hat, seen)
    assert np.array_equal(again.predictions, run.predictions)
    assert np.array_equal(again.correct, run.correct)


def test_the_histogram_has_an_entry_for_steps_nobody_takes():
    run = run_of(np.array([1, 1, 3]), a_recording(timesteps=5, images=3))
    assert run.histogram.tolist() == [2, 0, 1, 0, 0]


# --- the exact curve -----------------------------------------------------------------

def brute_force(seen: Recording, policy: type[ThresholdPolicy]) -> list[tuple[float, float]]:
    """(accuracy, mean timesteps) replayed at a threshold beside every breakpoint, from never to always."""
    values = np.unique(policy.score(seen.f[:-1]))
    beyond = [np.nextafter(v, policy.always) for v in (values if policy.falls else values[::-1])]
    runs = [replay(seen, policy(t)) for t in [policy.never, *beyond]]
    points = [(run.accuracy, run.mean_timesteps) for run in runs]
    return [p for k, p in enumerate(points) if k == 0 or p[1] != points[k - 1][1]]    # a breakpoint nobody waits at


@pytest.mark.parametrize("policy", THRESHOLDED)
@pytest.mark.parametrize("timesteps", [1, 2, 3, 5])
def test_the_exact_curve_is_a_replay_at_every_breakpoint(policy, timesteps):
    seen = a_recording(timesteps=timesteps, images=25, seed=timesteps)
    curve = trade_off(seen, policy)
    points = list(zip(curve.accuracy, curve.mean_timesteps, strict=True))
    points = [p for k, p in enumerate(points) if k == 0 or p[1] != points[k - 1][1]]
    assert np.array(points) == pytest.approx(np.array(brute_force(seen, policy)))


@pytest.mark.parametrize("policy", THRESHOLDED)
def test_every_threshold_of_the_curve_is_legal_and_gives_its_point(policy):
    seen = a_recording(images=30, seed=5)
    curve = trade_off(seen, policy)
    for threshold, accuracy, steps in zip(curve.thresholds, curve.accuracy, curve.mean_timesteps, strict=True):
        run = replay(seen, policy(threshold))
        assert (run.accuracy, run.mean_timesteps) == (pytest.approx(accuracy), pytest.approx(steps))


@pytest.mark.parametrize("policy", THRESHOLDED)
def test_the_curve_holds_at_thresholds_between_its_breakpoints(policy):
    seen = a_recording(images=30, seed=6)
    curve = trade_off(seen, policy)
    between = (curve.thresholds[:-1] + curve.thresholds[1:]) / 2
    for k, threshold in enumerate(between):
        run = replay(seen, policy(threshold))
        assert run.mean_timesteps == pytest.approx(curve.mean_timesteps[k])
        assert run.accuracy == pytest.approx(curve.accuracy[k])


@pytest.mark.parametrize("policy", THRESHOLDED)
def test_the_curve_runs_from_the_static_network_to_one_timestep(policy):
    seen = a_recording()
    curve = trade_off(seen, policy)
    assert (curve.accuracy[0], curve.mean_timesteps[0]) == (seen.accuracy[-1], seen.timesteps)
    assert (curve.accuracy[-1], curve.mean_timesteps[-1]) == (seen.accuracy[0], 1)
    assert (np.diff(curve.mean_timesteps) < 0).all()
    assert (np.diff(curve.thresholds) * (1 if policy.falls else -1) > 0).all()


@given(st.integers(0, 50), st.integers(1, 4), st.integers(1, 12))
@settings(max_examples=60)
def test_the_curve_survives_ties(seed, timesteps, images):
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 4, (timesteps, images)) / 4         # many images share a score
    correct = rng.random((timesteps, images)) < 0.5
    v, right, steps = exit_curve(score, correct)
    for theta in (0.0, 0.1, 0.25, 0.3, 0.5, 0.6, 0.75, 0.9, 1.0):
        leaves = np.vstack([score[:-1] < theta, np.ones((1, images), bool)])
        t_hat = leaves.argmax(axis=0)
        k = (v < theta).sum()
        assert steps[k] == (t_hat + 1).sum()
        assert right[k] == correct[t_hat, np.arange(images)].sum()


def test_with_one_timestep_the_curve_is_one_point():
    seen = a_recording(timesteps=1)
    curve = trade_off(seen, EntropyExit)
    assert len(curve.thresholds) == 1
    assert (curve.accuracy[0], curve.mean_timesteps[0]) == (seen.accuracy[0], 1)


def test_a_policy_without_a_threshold_has_no_curve():
    with pytest.raises(TypeError, match="PatienceExit has no threshold; its one point comes from replay"):
        trade_off(a_recording(), PatienceExit)


# --- calibration -----------------------------------------------------------------------

@pytest.mark.parametrize("policy", THRESHOLDED)
@given(seed=st.integers(0, 40), max_drop=st.sampled_from([0.0, 0.01, 0.05, 0.3, 1.0]))
@settings(max_examples=25)
def test_a_calibrated_threshold_keeps_its_accuracy_on_its_own_split(policy, seed, max_drop):
    seen = a_recording(images=40, seed=seed)
    run = replay(seen, calibrate(seen, policy, max_drop=max_drop))
    assert run.accuracy >= seen.accuracy[-1] - max_drop - 1e-9


@pytest.mark.parametrize("policy", THRESHOLDED)
@given(seed=st.integers(0, 40), wanted=st.sampled_from([1.0, 1.2, 1.7, 2.5, 4.0]))
@settings(max_examples=25)
def test_a_calibrated_threshold_keeps_its_timesteps_on_its_own_split(policy, seed, wanted):
    seen = a_recording(images=40, seed=seed)
    assert replay(seen, calibrate(seen, policy, mean_timesteps=wanted)).mean_timesteps <= wanted + 1e-9


def test_calibration_walks_from_the_safe_end_to_the_first_fall():
    seen = a_recording(seed=3)
    curve = trade_off(seen, EntropyExit)
    k = 0
    while k + 1 < len(curve.accuracy) and curve.accuracy[k + 1] >= seen.accuracy[-1] - 0.02 - 1e-12:
        k += 1
    run = replay(seen, calibrate(seen, EntropyExit, max_drop=0.02))
    assert run.mean_timesteps == pytest.approx(curve.mean_timesteps[k])


def test_a_lucky_rise_past_the_first_fall_is_not_trusted():
    wrong, right = [0.0, 1.0], [1.0, 0.0]                       # at t = 1 image 0 is surest and wrong ...
    seen = of([[[0.0, 3.0], [2.0, 0.0], [1.0, 0.0]], [right, wrong, wrong]], labels=[0, 0, 0])
    assert trade_off(seen, EntropyExit).accuracy.tolist() == [1 / 3, 0, 1 / 3, 2 / 3]   # ... the others turn right
    assert replay(seen, calibrate(seen, EntropyExit, max_drop=0.0)).mean_timesteps == 2


def test_calibration_takes_the_best_accuracy_within_its_timesteps():
    seen = a_recording(seed=4)
    run = replay(seen, calibrate(seen, EntropyExit, mean_timesteps=2.0))
    curve = trade_off(seen, EntropyExit)
    assert run.accuracy == pytest.approx(curve.accuracy[curve.mean_timesteps <= 2.0].max())


@pytest.mark.parametrize("policy", THRESHOLDED)
def test_calibration_reaches_one_timestep_even_when_no_image_is_ever_surer(policy):
    seen = of([[[0.0, 0.0]] * 3] * 3, labels=[0, 0, 1])         # a dead network: entropy 1, margin 0
    assert replay(seen, calibrate(seen, policy, mean_timesteps=1.0)).mean_timesteps == 1.0


@pytest.mark.parametrize("policy", THRESHOLDED)
def test_where_every_exit_loses_the_calibrated_threshold_is_exactly_the_one_that_never_stops(policy):
    seen = of([[[0.0, 2.0], [0.0, 1.0]], [SURE, SURE]], labels=[0, 0])
    assert calibrate(seen, policy, max_drop=0.0) == policy(policy.never)


@pytest.mark.parametrize("policy", THRESHOLDED)
@pytest.mark.parametrize("leave", [1, 2, 3])
def test_a_calibrated_threshold_lies_in_the_middle_between_the_last_that_leaves_and_the_first_that_stays(policy, leave):
    seen = of([[[3.0, 0.0], [2.0, 0.0], [1.0, 0.0]], [[9.0, 0.0]] * 3], labels=[0, 0, 0])
    score = [*policy.score(seen.f[0]), policy.always]           # the surest first; where all leave, the end of the range
    chosen = calibrate(seen, policy, mean_timesteps=(leave + 2 * (3 - leave)) / 3)
    assert chosen.threshold == pytest.approx((score[leave - 1] + score[leave]) / 2, abs=1e-12)


@dataclass(frozen=True)
class ByCount(EntropyExit):
    """0.5 plus as many times the spacing of floats as the first logit says."""

    score = staticmethod(lambda f: 0.5 + 2.0 ** -53 * np.asarray(f, float)[..., 0])


@pytest.mark.parametrize("right_up_to", [0, 1, 2, 3, 4])
def test_calibration_tells_neighbouring_floats_apart(right_up_to):
    first = [[k, 9.0 if k >= right_up_to else -9.0] for k in range(4)]      # class 0 wins, then class 1
    seen = of([first, [[9.0, 0.0]] * 4], labels=[0] * 4)
    run = replay(seen, calibrate(seen, ByCount, max_drop=0.0))
    assert run.accuracy == 1.0
    assert run.t_hat.tolist() == [1] * right_up_to + [2] * (4 - right_up_to)


def test_calibration_uses_no_image_of_the_test_split():
    theta = calibrate(shipped("digits-calibration"), EntropyExit, max_drop=0.0).theta
    run = replay(shipped("digits-test"), EntropyExit(theta))
    assert run.mean_timesteps < 2
    assert run.accuracy > 0.96


# --- what the chapter on DT-SNN says of its two networks ----------------------------------

def test_late_looks_at_hard_digits_lose_as_many_as_they_win():
    seen = shipped("digits-hard-test")
    right = seen.correct[:, replay(seen, EntropyExit(theta=0.1)).t_hat > 1]
    won, lost = (right[1:] & ~right[:-1]).sum(axis=1), (right[:-1] & ~right[1:]).sum(axis=1)
    assert won[0] > 2 * lost[0] > 0
    assert (won[1:] == lost[1:]).all() and (won[1:] > 0).all()


def test_always_2_is_as_good_as_4_on_the_test_images_of_the_hard_digits_alone_and_always_1_on_the_calibration_images_of_the_clean_ones():
    calibration, test = shipped("digits-hard-calibration").accuracy, shipped("digits-hard-test").accuracy
    assert test[1] == test[3] and calibration[1] < calibration[3]
    calibration, test = shipped("digits-calibration").accuracy, shipped("digits-test").accuracy
    assert calibration[0] == calibration[3] and test[0] < test[3]


@pytest.mark.parametrize("ask, message", [
    ({}, "ask for either max_drop or mean_timesteps"),
    (dict(max_drop=0.0, mean_timesteps=2.0), "ask for either max_drop or mean_timesteps"),
    (dict(max_drop=-0.1), "max_drop lies in .* got -0.1"),
    (dict(max_drop=float("nan")), "max_drop lies in .* got nan"),
    (dict(mean_timesteps=0.5), "mean_timesteps lies in .* got 0.5"),
    (dict(mean_timesteps=9.0), "mean_timesteps lies in .* got 9.0"),
    (dict(mean_timesteps=float("nan")), "mean_timesteps lies in .* got nan"),
])
def test_an_impossible_wish_is_refused(ask, message):
    with pytest.raises(ValueError, match=message):
        calibrate(a_recording(), EntropyExit, **ask)


@pytest.mark.parametrize("said", [lambda n: np.ones(n, dtype=int), lambda n: True, lambda n: np.ones((n, 1), dtype=bool),
                                  lambda n: [0.0] * n],
                         ids=["numbers", "one answer for all", "a column", "scores"])
def test_a_policy_that_does_not_say_yes_or_no_of_each_image_is_refused(said):
    """Numbers would be taken for those of images, and others leave than were meant."""
    class Mine:
        def stop(self, f_seen, image):
            return said(len(image))

    with pytest.raises(TypeError, match=r"whether it leaves, bool of shape \(\d+,\); Mine's said"):
        replay(a_recording(), Mine())


def test_a_policy_may_say_it_in_a_list_and_is_not_asked_of_nobody():
    class Mine:
        def stop(self, f_seen, image):
            return [len(f_seen) + min(image.tolist()) >= 2 for _ in image]

    assert replay(a_recording(), Mine()).t_hat.max() == 2
