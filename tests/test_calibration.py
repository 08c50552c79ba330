"""Temperature, reliability, oracles, and the promise of a risk-controlled threshold."""

from math import comb

import numpy as np
import pytest

from dtsnn_lite.calibration import (THRESHOLD_RULES, ThresholdRule, accumulated, binned, binomial_tail, fastest_as_accurate,
                                    fastest_calibrated, fit_temperature, likelihood_slope, lost_images, reliability, risk_controlled,
                                    tempered, threshold_ladder)
from dtsnn_lite.exits import (ConfidenceExit, EntropyExit, MarginExit, NeverExit, OracleExit, PatienceExit, best_possible,
                              calibrate, confidence, entropy, first_right, replay, right_from_then_on, run_of, softmax, trade_off)
from dtsnn_lite.recording import Recording, shipped

POLICIES = (EntropyExit, ConfidenceExit, MarginExit)


def a_recording(images=400, T=4, K=5, seed=0, scale=2.0) -> Recording:
    """Logits that grow clearer with t: class means plus noise that averages out."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, K, images)
    steps = scale * np.eye(K)[labels] + rng.normal(0, 2.0, (T, images, K))
    f = steps.cumsum(axis=0) / np.arange(1, T + 1)[:, None, None]
    return Recording(f, labels, np.full((T, 2), 0.1))


# --- oracles ----------------------------------------------------------------------

def by_hand() -> Recording:
    """Four images of class 1 and four timesteps; 1 where the answer is right."""
    right = np.array([[0, 1, 1, 0], [1, 0, 1, 0], [0, 1, 1, 0], [1, 1, 0, 0]])     # (T, N)
    f = np.stack([1.0 - right, right], axis=2)
    return Recording(f, np.ones(4, dtype=int), np.zeros((4, 1)))


def test_the_oracles_of_a_small_table_are_those_read_off_by_hand():
    assert first_right(by_hand()).tolist() == [2, 1, 1, 4]
    assert right_from_then_on(by_hand()).tolist() == [4, 3, 4, 4]


def test_the_first_right_step_is_where_the_oracle_policy_stops():
    seen = a_recording()
    assert (first_right(seen) == replay(seen, OracleExit(seen.labels)).t_hat).all()


def test_no_threshold_is_more_accurate_than_first_right_or_as_accurate_and_faster():
    seen = a_recording()
    aet, oct = run_of(first_right(seen), seen), run_of(right_from_then_on(seen), seen)
    assert oct.accuracy == seen.accuracy[-1]
    assert aet.mean_timesteps <= oct.mean_timesteps
    for policy in POLICIES:
        curve = trade_off(seen, policy)
        assert curve.accuracy.max() <= aet.accuracy
        assert (curve.mean_timesteps[curve.accuracy >= aet.accuracy - 1e-12] >= aet.mean_timesteps).all()


def test_the_best_possible_runs_by_hand():
    timesteps, accuracy = best_possible(by_hand())          # first right at 2, 1, 1 and never
    assert timesteps.tolist() == [1, 5 / 4, 5 / 4, 5 / 4] and accuracy.tolist() == [2 / 4, 3 / 4, 3 / 4, 3 / 4]
    right = np.array([[0, 1], [0, 0], [1, 0]])                                      # first right at 3 and 1
    timesteps, accuracy = best_possible(Recording(np.stack([1.0 - right, right], axis=2), np.ones(2, int), np.zeros((3, 1))))
    assert timesteps.tolist() == [1, 1, (3 + 1) / 2] and accuracy.tolist() == [1 / 2, 1 / 2, 1]


def test_no_run_lies_above_the_best_possible_and_first_right_is_as_accurate_as_its_end():
    seen, rng = a_recording(), np.random.default_rng(7)
    timesteps, accuracy = best_possible(seen)
    assert accuracy[-1] == run_of(first_right(seen), seen).accuracy and timesteps[-1] < first_right(seen).mean()
    for shares in rng.dirichlet(np.ones(4), 200):
        run = run_of(rng.choice(4, seen.images, p=shares) + 1, seen)
        assert run.accuracy <= np.interp(run.mean_timesteps, timesteps, accuracy) + 1e-12
    sly = np.where(first_right(seen) == 2, 2, 1)              # wait only where one step buys an answer
    run = run_of(sly, seen)
    assert (run.mean_timesteps, run.accuracy) == pytest.approx((timesteps[1], accuracy[1]))


# --- temperature --------------------------------------------------------------------

def test_a_temperature_changes_scores_and_no_prediction():
    seen = a_recording()
    cool = tempered(seen, [0.5, 1.0, 2.0, 3.0])
    assert (cool.predictions == seen.predictions).all()
    assert (entropy(cool.f[0]) < entropy(seen.f[0])).all() and (entropy(cool.f[3]) > entropy(seen.f[3])).all()


def test_the_sum_of_logits_is_the_mean_at_temperature_one_over_t():
    seen = a_recording()
    steps = np.diff(seen.f * np.arange(1, 5)[:, None, None], axis=0, prepend=0)
    np.testing.assert_allclose(accumulated(seen).f, steps.cumsum(axis=0), atol=1e-5)
    assert (entropy(accumulated(seen).f).mean(axis=1) < entropy(seen.f).mean(axis=1))[1:].all()


def test_a_threshold_of_the_sum_is_no_threshold_of_the_mean():
    seen = shipped("digits-test")
    at = [replay(r, EntropyExit(0.02)).mean_timesteps for r in (seen, accumulated(seen))]
    assert at[1] < at[0] - 0.1


def test_the_fitted_temperature_is_the_most_likely_one():
    seen = a_recording(images=3000)
    best = fit_temperature(seen)
    assert best.shape == (4,)
    for t, f in enumerate(seen.f.astype(float)):
        assert abs(likelihood_slope(f, seen.labels, 1 / best[t])) < 1e-6

        def loss(temperature, f=f):
            return -np.log(softmax(f / temperature)[np.arange(len(f)), seen.labels]).mean()
        assert loss(best[t]) <= min(loss(best[t] * 1.02), loss(best[t] / 1.02), loss(1.0))


def test_the_slope_of_the_likelihood_is_its_finite_difference():
    seen = a_recording()
    f, b, h = seen.f[0].astype(float), 0.7, 1e-6

    def loss(b):
        return -np.log(softmax(b * f)[np.arange(len(f)), seen.labels]).mean()
    assert likelihood_slope(f, seen.labels, b) == pytest.approx((loss(b + h) - loss(b - h)) / (2 * h), rel=1e-5)


def test_logits_ten_times_too_large_get_a_temperature_ten_times_higher():
    seen = a_recording()
    np.testing.assert_allclose(fit_temperature(tempered(seen, 0.1)), 10 * fit_temperature(seen), rtol=1e-5)


def test_a_temperature_for_another_number_of_timesteps_is_refused():
    with pytest.raises(ValueError, match="fitted for another T"):
        tempered(a_recording(), np.ones(6))
    with pytest.raises(ValueError, match="above 0"):
        tempered(a_recording(), 0.0)


# --- every threshold rule ---------------------------------------------------------------

def test_the_fastest_rule_is_found_among_all_scores_of_mean_and_sum():
    seen = a_recording()
    name, policy = fastest_as_accurate(seen, seen.accuracy[-1])
    run = replay(seen, policy)
    assert run.accuracy >= seen.accuracy[-1] and (type(policy), policy.gamma) == (THRESHOLD_RULES[name].policy, THRESHOLD_RULES[name].gamma)
    for policy in POLICIES:
        for gamma in (0.0, 1.0):
            curve = trade_off(seen, policy, gamma)
            assert run.mean_timesteps <= curve.mean_timesteps[curve.accuracy >= seen.accuracy[-1] - 1e-9].min() + 1e-9
    assert fastest_as_accurate(seen, 1.01) is None


def test_a_rule_on_other_evidence_is_one_entry_of_the_table(monkeypatch):
    seen = a_recording()
    steps = {gamma: replay(seen, calibrate(seen, EntropyExit, max_drop=0.0, gamma=gamma)).mean_timesteps for gamma in (0.0, 1.0, 2.0)}
    monkeypatch.setitem(THRESHOLD_RULES, "entropy of more than the sum", ThresholdRule(EntropyExit, 2.0))
    for rule in [name for name in THRESHOLD_RULES if not name.startswith("entropy")]:
        monkeypatch.delitem(THRESHOLD_RULES, rule)
    name, policy = fastest_calibrated(seen)
    assert (THRESHOLD_RULES[name].gamma, policy.gamma) == (min(steps, key=steps.__getitem__),) * 2


def test_a_rule_chosen_on_the_calibration_split_is_the_fastest_there():
    calibration = a_recording(seed=1)
    name, chosen = fastest_calibrated(calibration, max_drop=0.01)
    policies = {of: calibrate(calibration, rule.policy, max_drop=0.01, gamma=rule.gamma) for of, rule in THRESHOLD_RULES.items()}
    assert chosen == policies[name]
    assert replay(calibration, chosen).mean_timesteps == min(replay(calibration, policy).mean_timesteps for policy in policies.values())


# --- reliability ----------------------------------------------------------------------

def test_reliability_by_hand():
    diagram = binned(np.array([0.55, 0.59, 0.95, 1.0]), np.array([1, 0, 1, 1], bool))
    assert diagram.count.tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 0, 2]
    assert diagram.edges == pytest.approx(np.arange(11) / 10)
    assert diagram.confidence[[5, 9]] == pytest.approx([(0.55 + 0.59) / 2, (0.95 + 1.0) / 2])
    assert diagram.accuracy[[5, 9]].tolist() == [1 / 2, 1.0]
    assert diagram.error == pytest.approx((abs(0.5 - 0.57) + abs(1.0 - 0.975)) / 2)


def test_a_reliability_diagram_counts_every_image_once():
    seen = a_recording()
    diagram = reliability(seen, t=2, bins=7)
    assert diagram.count.sum() == seen.images
    full = diagram.count > 0
    assert (diagram.accuracy[full] * diagram.count[full]).sum() == pytest.approx(seen.correct[1].sum())
    assert ((diagram.edges[:-1] - 1e-9 <= diagram.confidence) & (diagram.confidence <= diagram.edges[1:] + 1e-9))[full].all()


def test_a_reliability_diagram_has_ten_bins_as_the_bins_of_its_confidences():
    seen = a_recording()
    diagram, by_hand = reliability(seen, t=3), binned(confidence(seen.f[2]), seen.correct[2], bins=10)
    for part in ("edges", "confidence", "accuracy", "count"):
        assert np.array_equal(getattr(diagram, part), getattr(by_hand, part), equal_nan=True)


def test_labels_drawn_from_the_probabilities_leave_no_calibration_error():
    rng = np.random.default_rng(1)
    f = rng.normal(0, 2, (1, 60_000, 3))
    labels = (softmax(f[0]).cumsum(axis=1) > rng.random((60_000, 1))).argmax(axis=1)
    seen = Recording(f, labels, np.zeros((1, 1)))
    assert reliability(seen, 1).error < 0.01
    assert reliability(tempered(seen, 0.3), 1).error > 0.1


def test_a_reliability_diagram_asks_for_a_timestep_that_was_run():
    with pytest.raises(ValueError, match="1 to 4; got 5"):
        reliability(a_recording(), t=5)
    with pytest.raises(ValueError, match="bins is a whole number, 1 or more; got 0"):
        reliability(a_recording(), t=1, bins=0)
    for sure in (1.5, float("nan")):
        with pytest.raises(ValueError, match="a probability, in"):
            binned(np.array([0.5, sure]), np.array([True, True]))


# --- the promise ------------------------------------------------------------------------

def test_the_binomial_tail_is_the_sum_of_its_terms():
    n, p = 23, 0.17
    terms = [comb(n, i) * p ** i * (1 - p) ** (n - i) for i in range(n + 1)]
    np.testing.assert_allclose(binomial_tail(np.arange(n + 1), n, p), np.cumsum(terms), atol=1e-12)


@pytest.mark.parametrize("k", [[-1], [24], [0.5]])
def test_losses_are_counted_from_none_to_all(k):
    with pytest.raises(ValueError, match="k counts losses among n = 23 images, 0 to 23"):
        binomial_tail(np.array(k), 23, 0.17)


@pytest.mark.parametrize("ask", [lambda p: lost_images(a_recording(), p, [0.5]), threshold_ladder,
                                 lambda p: risk_controlled(a_recording(), p, 0.1, 0.1)])
def test_only_a_threshold_climbs_a_ladder(ask):
    with pytest.raises(TypeError, match="PatienceExit has no threshold"):
        ask(PatienceExit)


@pytest.mark.parametrize("policy", POLICIES)
def test_lost_images_are_those_a_replay_loses(policy):
    seen = a_recording()
    for threshold in (0.05, 0.3, 0.45, 0.9):
        run = replay(seen, policy(threshold))
        lost = (seen.correct[-1] & ~run.correct).sum()
        assert lost_images(seen, policy, np.array([threshold]))[0] == lost
        assert seen.accuracy[-1] - run.accuracy <= lost / seen.images


@pytest.mark.parametrize("policy", POLICIES)
def test_a_threshold_that_equals_a_score_loses_what_its_replay_loses(policy):
    seen = a_recording(images=60)
    lost_at_1 = policy.score(seen.f[0])[seen.correct[-1] & ~seen.correct[0]]        # each moves one image from lost to kept
    by_replay = [(seen.correct[-1] & ~replay(seen, policy(float(score))).correct).sum() for score in lost_at_1]
    assert len(lost_at_1) > 5 and lost_images(seen, policy, lost_at_1).tolist() == by_replay
    beside = np.nextafter(lost_at_1, policy.always)
    assert (lost_images(seen, policy, beside) > lost_images(seen, policy, lost_at_1)).any()


@pytest.mark.parametrize("policy", POLICIES)
def test_the_ladder_climbs_from_never_stopping_early_to_always(policy):
    seen = a_recording()
    steps = [replay(seen, policy(float(threshold))).mean_timesteps for threshold in threshold_ladder(policy, 21)]
    assert steps == sorted(steps, reverse=True) and (steps[0], steps[-1]) == (4, 1)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_promise_holds_at_its_rate_over_many_splits(policy):
    everybody = a_recording(images=20_000, scale=3.0)
    rng = np.random.default_rng(5)
    epsilon, delta, splits = 0.03, 0.2, 200
    ladder = threshold_ladder(policy, 41)
    drop = np.array([everybody.accuracy[-1] - replay(everybody, policy(float(t))).accuracy for t in ladder])
    broken = 0
    for _ in range(splits):
        chosen = risk_controlled(everybody.subset(rng.choice(20_000, 300)), policy, epsilon, delta, ladder)
        broken += drop[np.abs(ladder - chosen.threshold).argmin()] > epsilon
    assert broken / splits <= delta + 2 * np.sqrt(delta * (1 - delta) / splits)


def test_on_a_rung_that_loses_just_too_much_the_promise_is_broken_about_as_often_as_allowed():
    everybody = a_recording(images=20_000, scale=3.0)
    rung = np.array([0.5])
    share = lost_images(everybody, EntropyExit, rung)[0] / everybody.images
    rng, delta, splits = np.random.default_rng(6), 0.2, 600
    passed = sum(risk_controlled(everybody.subset(rng.integers(0, 20_000, 1000)), EntropyExit, 0.999 * share, delta, rung).theta > 0
                 for _ in range(splits))
    assert delta / 2 < passed / splits <= delta + 2 * np.sqrt(delta * (1 - delta) / splits)


def test_a_rung_whose_losses_are_exactly_as_surprising_as_delta_is_still_promised():
    seen, rung, epsilon = a_recording(images=500), np.array([0.45]), 0.1
    (delta,) = binomial_tail(lost_images(seen, EntropyExit, rung), seen.images, epsilon).tolist()
    assert risk_controlled(seen, EntropyExit, epsilon, delta, rung).theta == rung[0]
    assert risk_controlled(seen, EntropyExit, epsilon, delta * (1 - 1e-12), rung).theta == EntropyExit.never


def test_the_promise_is_worth_making():
    everybody = a_recording(images=4000, scale=3.0)
    chosen = risk_controlled(everybody, EntropyExit, epsilon=0.03, delta=0.1)
    assert replay(everybody, chosen).mean_timesteps < 0.9 * everybody.timesteps


def test_a_stricter_promise_never_stops_earlier():
    seen = a_recording(images=2000)
    theta = [risk_controlled(seen, EntropyExit, epsilon, 0.1).theta for epsilon in (0.005, 0.02, 0.1)]
    assert theta == sorted(theta) and theta[0] < theta[-1]
    theta = [risk_controlled(seen, EntropyExit, 0.02, delta).theta for delta in (0.001, 0.1, 0.5)]
    assert theta == sorted(theta) and theta[0] < theta[-1]


def test_when_nothing_can_be_promised_the_network_never_stops_early():
    hopeless = np.array([0.9, 1.0])
    seen = a_recording(scale=3.0)
    chosen = risk_controlled(seen, EntropyExit, 0.01, 0.1, hopeless)
    assert (replay(seen, chosen).t_hat == replay(seen, NeverExit()).t_hat).all()


@pytest.mark.parametrize("epsilon, delta", [(0.0, 0.1), (1.0, 0.1), (0.1, 0.0), (0.1, 1.0), (-1, 0.1), (float("nan"), 0.1)])
def test_a_promise_outside_0_to_1_is_refused(epsilon, delta):
    with pytest.raises(ValueError, match=r"lies in \(0, 1\)"):
        risk_controlled(a_recording(), EntropyExit, epsilon, delta)


def test_ten_images_prove_nothing_and_the_error_says_so():
    ten = a_recording(images=10)
    with pytest.raises(ValueError, match="at least 50 calibration images; got 10"):
        risk_controlled(ten, EntropyExit, 0.1, 0.1)
    with pytest.raises(ValueError, match="at least 50 calibration images; got 10"):
        fit_temperature(ten)
    with pytest.raises(ValueError, match="even without one loss it takes 230"):
        risk_controlled(a_recording(images=100), EntropyExit, 0.01, 0.1)


def test_the_fewest_images_that_can_prove_a_promise_are_enough():
    assert 0.95 ** 59 <= 0.05 < 0.95 ** 58                          # none of them lost: how surprising that is
    assert risk_controlled(a_recording(images=59, scale=9.0), EntropyExit, 0.05, 0.05).theta > 0
    with pytest.raises(ValueError, match="58 images cannot prove .* it takes 59"):
        risk_controlled(a_recording(images=58, scale=9.0), EntropyExit, 0.05, 0.05)


def test_a_calibration_split_of_one_class_is_refused_and_of_two_is_not():
    assert fit_temperature(a_recording(K=2)).shape == (4,)
    seen = a_recording()
    one = seen.subset(np.flatnonzero(seen.labels == 2))
    with pytest.raises(ValueError, match="all .* are of class 2"):
        fit_temperature(one)


def test_images_that_are_all_right_by_far_have_no_temperature():
    labels = np.arange(100) % 5
    seen = Recording(50.0 * np.eye(5)[labels][None], labels, np.zeros((1, 1)))
    with pytest.raises(ValueError, match="right by far"):
        fit_temperature(seen)
    with pytest.raises(ValueError, match="no likelier than by chance"):
        fit_temperature(Recording(seen.f, (labels + 1) % 5, seen.spike_rates))
