"""Is one rule better than another? Exact tests, by hand and in whole numbers, and what a correction for many of them promises."""

from itertools import permutations, product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtsnn_lite.comparison import Compared, by_chance, compared, exact_interval, fixed_as_good, holm
from dtsnn_lite.exits import NeverExit, replay, run_of
from dtsnn_lite.recording import Recording, shipped


def a_recording(correct) -> Recording:
    """A recording of two classes whose answers are right where `correct` (T, N) says so; all labels are 0."""
    right = np.asarray(correct, dtype=float)
    return Recording(np.stack([right, 1 - right], axis=2), np.zeros(right.shape[1], dtype=int), np.zeros((len(right), 1)))


def test_three_won_and_one_lost_by_hand():
    assert Compared(3, 1).p == pytest.approx(2 * (1 + 4) / 2 ** 4)           # none or one of four coins, to either side
    assert Compared(1, 3).p == Compared(3, 1).p
    assert Compared(2, 2).p == 1.0 and Compared(0, 0).p == 1.0               # never above 1, and nothing is no evidence
    assert str(Compared(3, 1)) == "3 won, 1 lost (p = 0.62)"
    assert str(Compared(290, 7807)) == "290 won, 7807 lost (p < 1e-300)"     # smaller than any float, and no 0


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_sign_test_counts_the_tosses_of_fair_coins_that_are_at_least_as_uneven(won, lost):
    n = won + lost
    uneven = sum(comb(n, k) for k in range(n + 1) if abs(2 * k - n) >= abs(won - lost))
    assert Compared(won, lost).p == pytest.approx(uneven / 2 ** n)


def test_fair_coins_are_called_uneven_no_more_often_than_the_level_says():
    n = 17
    chance = sum(comb(n, won) / 2 ** n for won in range(n + 1) if Compared(won, n - won).p <= 0.05)
    assert 0.01 < chance <= 0.05


def test_only_images_on_which_the_two_differ_are_counted():
    seen = a_recording([[1, 1, 0, 0, 1], [1, 0, 1, 0, 0]])
    early, late = (run_of(np.full(5, t), seen) for t in (1, 2))
    assert compared(early, late) == Compared(won=2, lost=1)
    assert compared(late, early) == Compared(won=1, lost=2)
    with pytest.raises(ValueError, match="5 and 1 images: compare them on the same ones"):
        compared(early, run_of(np.ones(1, dtype=int), a_recording([[1]])))
    with pytest.raises(ValueError, match="0 or more; got -1 and 2"):
        Compared(-1, 2)


def chance(right: range, images: int, p: float) -> float:
    """How likely so many right answers are, term by term."""
    return sum(comb(images, k) * p**k * (1 - p) ** (images - k) for k in right)


@given(st.integers(1, 40), st.data(), st.sampled_from([0.5, 0.9, 0.95]))
def test_at_the_ends_of_the_exact_interval_as_many_or_as_few_have_just_the_tails_probability(images, data, level):
    right = data.draw(st.integers(0, images))
    low, high = exact_interval(right, images, level)
    tail = (1 - level) / 2
    assert low == 0 if right == 0 else chance(range(right, images + 1), images, low) == pytest.approx(tail)
    assert high == 1 if right == images else chance(range(right + 1), images, high) == pytest.approx(tail)
    assert low <= right / images <= high


def test_the_exact_interval_of_no_failure_by_hand():
    assert exact_interval(20, 20, level=0.9) == pytest.approx((0.05 ** (1 / 20), 1.0))
    assert exact_interval(0, 20, level=0.9) == pytest.approx((0.0, 1 - 0.05 ** (1 / 20)))
    for wrong, words in (((5, 0), "images"), ((6, 5), "right"), ((3, 5, 1.0), "level")):
        with pytest.raises(ValueError, match=words):
            exact_interval(*wrong)


def test_holms_correction_by_hand():
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([2 * 0.03, 3 * 0.01, 2 * 0.03])     # 0.04 is not below the one before it
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([0.2]) == pytest.approx([0.2]) and holm([]).size == 0
    for wrong in ([0.1, 1.2], [np.nan], [[0.1]]):
        with pytest.raises(ValueError, match="a row of numbers in"):
            holm(wrong)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_the_plain_values_and_bonferronis_and_keeps_their_order(p):
    corrected, p = holm(p), np.array(p)
    assert (corrected >= p).all() and (corrected <= np.minimum(1, len(p) * p) + 1e-12).all()
    assert (np.diff(corrected[p.argsort(kind="stable")]) >= 0).all()
    assert corrected.min() == pytest.approx(min(1, len(p) * p.min()))


def test_of_several_fair_comparisons_any_is_called_real_no_more_often_than_the_level_says():
    n, m, chance = 8, 3, 0.0
    for won in product(range(n + 1), repeat=m):
        p = holm([Compared(w, n - w).p for w in won])
        chance += np.prod([comb(n, w) / 2 ** n for w in won]) * (p <= 0.1).any()
    assert 0 < chance <= 0.1
    alone = sum(comb(n, w) / 2 ** n for w in range(n + 1) if Compared(w, n - w).p <= 0.1)
    assert 1 - (1 - alone) ** m > 0.1                                        # uncorrected, one in ten would be too many


def test_fixed_numbers_of_timesteps_as_good_are_those_that_the_test_does_not_tell_from_the_run():
    seen = a_recording(np.arange(12) < np.array([[2], [8], [9], [9]]))        # 2, 8, 9 and 9 of 12 right, each once and for all
    run = run_of(np.full(12, 3), seen)
    assert fixed_as_good(run, seen).tolist() == [2, 3, 4]                    # 7 lost, none won: p = 2 / 2^7 at t = 1
    assert Compared(7, 0).p == pytest.approx(2 / 2 ** 7)
    assert fixed_as_good(run, seen, level=0.01).tolist() == [1, 2, 3, 4]
    with pytest.raises(ValueError, match="in .0, 1.; got 0"):
        fixed_as_good(run, seen, level=0)


def test_every_image_at_full_time_is_as_good_as_itself_and_a_stricter_level_widens_the_interval():
    seen = shipped("digits-converted-test")
    always = replay(seen, NeverExit())
    loose, strict = (set(fixed_as_good(always, seen, level).tolist()) for level in (0.05, 0.001))
    assert seen.timesteps in loose and loose < strict


def test_dice_are_the_average_over_all_orders():
    """Of seven images and three timesteps: all 5,040 orders of who is sent where."""
    dice = np.random.default_rng(3)
    seen = a_recording(dice.integers(0, 2, (3, 7)))
    stops = np.array([1, 1, 2, 2, 2, 3, 3])
    right = [np.mean(seen.correct[np.array(order) - 1, np.arange(7)]) for order in permutations(stops.tolist())]
    assert by_chance(stops, seen) == pytest.approx((np.mean(right), np.std(right)))


def test_dice_of_everybody_to_one_number_do_not_scatter():
    seen = shipped("digits-test")
    for t in range(1, 5):
        assert by_chance(np.full(seen.images, t), seen) == (pytest.approx(seen.accuracy[t - 1]), 0)
    with pytest.raises(ValueError):
        by_chance(np.full(seen.images, 5), seen)


@pytest.mark.parametrize("won, lost", [(2.5, 1), (-1, 0), (float("nan"), 1), (1, 2.0)])
def test_what_counts_no_images_is_refused(won, lost):
    with pytest.raises(ValueError, match="won and lost count images, 0 or more"):
        Compared(won, lost)
