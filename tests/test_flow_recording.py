"""A rule that stops when the answer has come to rest: its curve, its oracle and its price."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtsnn_lite.chip import adc_less_65nm
from dtsnn_lite.flow_recording import (FlowRecording, MovementExit, calibrate_movement, every_flow_seed, flow_run_of, movement_check_cost,
                                       movement_trade_off, nearer, oracle_trade_off, replay_flow, shipped_flow)

T, N = 5, 40


def recording(seed: int, timesteps: int = T, clips: int = N) -> FlowRecording:
    dice = np.random.default_rng(seed)
    error, moved = dice.gamma(2, 1, (2, timesteps, clips))
    moved[:, : clips // 4] = np.round(moved[:, : clips // 4])                              # ties
    shares = dice.random((timesteps, 3))
    fields, zero = np.zeros((timesteps, 2, 2, 4, 4)), dice.gamma(2, 2, clips)
    return FlowRecording(error, error + 0.1, moved, zero, fields, shares, shares, {"seed": seed}, rows=16)


def by_hand(error, moved):
    one = np.ones((len(error), 1)) / 2
    return FlowRecording(error, error, moved, error[0], np.zeros((len(error), 0, 2, 1, 1)), one, one)


def test_a_clip_leaves_when_its_answer_has_come_to_rest_but_never_at_the_first_bin():
    seen = by_hand(np.array([[4.0, 4.0], [3.0, 2.0], [1.0, 2.5], [0.5, 2.0]]), np.array([[0.0, 0.0], [1.0, 0.2], [0.9, 0.1], [0.3, 0.1]]))
    run = replay_flow(seen, MovementExit(0.5))
    assert run.t_hat.tolist() == [4, 2] and run.error.tolist() == [0.5, 2.0]
    assert (run.mean_error, run.mean_timesteps) == (1.25, 3.0)
    assert replay_flow(seen, MovementExit(0.0)).t_hat.tolist() == [4, 4]
    assert replay_flow(seen, MovementExit(np.inf)).t_hat.tolist() == [2, 2]


@given(st.integers(0, 50))
def test_the_curve_is_what_replaying_each_delta_gives(seed):
    seen = recording(seed)
    curve = movement_trade_off(seen)
    runs = [replay_flow(seen, MovementExit(float(delta))) for delta in curve.values]
    assert np.allclose(curve.error, [run.mean_error for run in runs], atol=1e-5)
    assert np.allclose(curve.mean_timesteps, [run.mean_timesteps for run in runs])
    assert (np.diff(curve.values) > 0).all() and (np.diff(curve.mean_timesteps) < 0).all()
    assert curve.mean_timesteps[[0, -1]].tolist() == [T, 2]


@given(st.integers(0, 50))
def test_no_run_beats_the_oracle_at_any_price(seed):
    seen, prices = recording(seed), np.array([0.0, 0.1, 0.5, 2.0])
    oracle, curve = oracle_trade_off(seen, prices), movement_trade_off(seen)
    for price, error, steps in zip(prices, oracle.error, oracle.mean_timesteps, strict=True):
        assert error + price * steps <= (curve.error + price * curve.mean_timesteps).min() + 1e-5
        always = seen.error.mean(axis=1) + price * np.arange(1, T + 1)
        assert error + price * steps <= always.min() + 1e-5
    assert oracle.error[0] == pytest.approx(seen.error.min(axis=0).mean(), abs=1e-5)        # at no price, the best of all steps


def test_a_budget_is_kept_and_the_best_of_what_it_allows_taken():
    seen = recording(7)
    curve = movement_trade_off(seen)
    for budget in (2.0, 3.1, 4.0, 5.0):
        run = replay_flow(seen, calibrate_movement(seen, budget))
        assert run.mean_timesteps <= budget + 1e-9
        assert run.mean_error == pytest.approx(curve.error[curve.mean_timesteps <= budget + 1e-9].min(), abs=1e-5)
    with pytest.raises(ValueError, match="between 2 and T = 5; got 1.5"):
        calibrate_movement(seen, 1.5)


def test_two_bins_leave_nothing_to_choose():
    with pytest.raises(ValueError, match="T is 3 or more; got 2"):
        movement_trade_off(recording(0, timesteps=2))


def test_a_recording_comes_back_as_it_was_saved_to_half_precision(tmp_path):
    seen = recording(3)
    seen.save(tmp_path / "a.npz")
    again = FlowRecording.load(tmp_path / "a.npz")
    assert np.allclose(again.error, seen.error, rtol=1e-3) and np.array_equal(again.densities, seen.densities)
    assert again.rows == seen.rows == 16 and np.array_equal(again.reads.awake_on(16), seen.awake)
    assert again.reads.awake_on(64) is None and shipped_flow("flow-test").rows == 64        # a file that does not say it: 64
    assert again.about == {"seed": 3} and again.fields.shape == (T, 2, 2, 4, 4) and (again.timesteps, again.clips) == (T, N)
    assert not again.error.flags.writeable


@pytest.mark.parametrize("wrong, message", [
    ({"error": np.full((T, N), np.nan)}, "error is finite"),
    ({"error": np.ones(N)}, r"error is \(timesteps, clips\)"),
    ({"moved": np.ones((T, N + 1))}, "error, everywhere and moved"),
    ({"zero": np.ones(N + 1)}, r"zero is \(40,\)"),
    ({"densities": np.full((T, 3), 1.5)}, "a density is a share of spikes"),
    ({"awake": np.zeros((T, 3))}, "awake at least as often"),
    ({"awake": np.ones((T, 2))}, r"densities and awake are \(T, L\)"),
    ({"fields": np.zeros((T - 1, 2, 2, 4, 4))}, "fields are"),
])
def test_what_cannot_be_a_recording_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        replace(recording(0), **wrong)


def test_a_rule_and_its_steps_are_checked():
    with pytest.raises(ValueError, match="0 or more"):
        MovementExit(-0.1)
    with pytest.raises(ValueError, match="0 or more"):
        MovementExit(float("nan"))
    with pytest.raises(ValueError, match="T = 5"):
        flow_run_of(np.full(N, 6), recording(0))


def test_a_look_at_the_movement_costs_four_multiply_adds_a_pixel():
    unit, check = adc_less_65nm.exit_unit, movement_check_cost(adc_less_65nm, pixels=1024)
    assert check.energy_pj == pytest.approx(4096 * unit.multiply_add.value + unit.compare.value)
    assert check.latency_ns == pytest.approx((1024 * unit.cycles_a_class.value + unit.cycles_to_fill.value) * unit.cycle.value)


def test_nearer_counts_clips_and_no_tie():
    error, other = np.array([1.0, 2.0, 2.0, 5.0, 1.0]), np.array([2.0, 2.0, 1.0, 6.0, 4.0])
    assert (nearer(error, other).won, nearer(error, other).lost) == (3, 1)
    assert nearer(error, other).p == pytest.approx(2 * (1 + 4) / 16) and nearer(error, error).p == 1
    with pytest.raises(ValueError, match="of the same clips; got"):
        nearer(error, other[1:])


def test_seeds_come_in_their_order_and_a_network_without_one_is_named():
    assert [one.about["seed"] for one in every_flow_seed("flow")][:1] == [0]
    assert {one.about["network"] for one in every_flow_seed("flow")} >= {"flow", "flow-seed1"}
    with pytest.raises(FileNotFoundError, match="no shipped flow recording 'flaw-test'"):
        every_flow_seed("flaw")


def test_an_error_too_large_for_half_precision_comes_back_from_the_file(tmp_path):
    far = by_hand(np.array([[7e4], [1.0]]), np.array([[1.0], [2.0]]))
    far.save(tmp_path / "far.npz")
    back = FlowRecording.load(tmp_path / "far.npz")
    assert back.error.tolist() == [[7e4], [1.0]] and back.moved.tolist() == [[1.0], [2.0]]
