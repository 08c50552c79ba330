"""Schedules: closed forms and the event-by-event simulation are one, and an exit saves what the order lets it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from dtsnn_lite.chip import spikesim_rram_64
from dtsnn_lite.cost import ExitCheckCost, timestep_cost
from dtsnn_lite.networks import vgg16
from dtsnn_lite.schedules import (FREE, Interleaved, LayerFirst, Stations, Streaming, TimestepFirst, delay_ns, run_bill, share_saved,
                                  simulate, simulate_turns, static_bill, steps_begun)

ORDERS = (LayerFirst(), TimestepFirst(), Streaming())
THREE = Stations((4.0, 6.0, 2.0), (10.0, 20.0, 5.0), ExitCheckCost(1.0, 3.0), fixed_pj=7.0)
CASES = 1000


def any_stations(dice: np.random.Generator) -> Stations:
    """One to nine layers of whole nanoseconds, so that ties happen and are exact; now and then a check that takes no time, or long."""
    layers = int(dice.integers(1, 10))
    check = ExitCheckCost(float(dice.integers(0, 5)), float(dice.choice([0, 1, 3, 25])))
    return Stations(tuple(map(float, dice.integers(1, 13, layers))), tuple(map(float, dice.integers(0, 9, layers))), check,
                    float(dice.integers(0, 50)))


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: type(order).__name__)
def test_a_closed_form_is_what_happens_event_by_event(order):
    dice = np.random.default_rng(7)
    for _ in range(CASES):
        stations, timesteps = any_stations(dice), int(dice.integers(1, 9))
        t_hat, layers = int(dice.integers(1, timesteps + 1)), len(stations.layer_ns)
        work = simulate(order, stations, t_hat, timesteps)
        answer = next(one.end_ns for one in work if (one.station, one.step) == (layers, t_hat))
        begun = Counter(one.station for one in work)
        case = (stations, t_hat, timesteps)
        assert delay_ns(order, *case) == answer, case
        assert steps_begun(order, *case).tolist() == [begun[layer] for layer in range(layers)], case
        paid = stations.fixed_pj + sum((*stations.layer_pj, stations.check.energy_pj)[one.station] for one in work)
        assert run_bill(order, stations, np.array([t_hat]), timesteps).energy_pj[0] == paid, case


def test_images_that_take_turns_wait_as_long_as_the_closed_form_says():
    dice = np.random.default_rng(8)
    for _ in range(CASES):
        stations, timesteps = any_stations(dice), int(dice.integers(1, 6))
        order = Interleaved(stations.in_flight + int(dice.integers(0, 3)))
        t_hat = dice.integers(1, timesteps + 1, int(dice.integers(1, 12)))
        work = list(simulate_turns(order, stations, t_hat))
        for image, t in enumerate(t_hat):
            own = [one for one in work if one.image == image]
            assert max(one.end_ns for one in own) - min(one.begin_ns for one in own) == delay_ns(order, stations, int(t), timesteps)
            assert Counter(one.station for one in own) == dict.fromkeys(range(len(stations.layer_ns) + 1), t)


@pytest.mark.parametrize("unit_ns", [0.1, 1 / 3, 0.7, 1e-3, 1e9 + 0.1])
def test_the_unit_of_time_changes_no_count(unit_ns):
    """0.1 + 0.2 > 0.3 in floats: a step that would begin at the instant of the answer must not be counted for that."""
    dice = np.random.default_rng(10)
    for _ in range(CASES):
        stations, timesteps = any_stations(dice), int(dice.integers(1, 9))
        t_hat, layers = int(dice.integers(1, timesteps + 1)), len(stations.layer_ns)
        scaled = replace(stations, layer_ns=tuple(unit_ns * ns for ns in stations.layer_ns),
                         check=ExitCheckCost(1.0, unit_ns * stations.check.latency_ns))
        assert scaled.in_flight == stations.in_flight, stations
        list(simulate_turns(Interleaved(scaled.in_flight), scaled, np.array([t_hat] * 9)))                # as few as may be
        order = ORDERS[int(dice.integers(len(ORDERS)))]
        begun = steps_begun(order, stations, t_hat, timesteps).tolist()
        assert steps_begun(order, scaled, t_hat, timesteps).tolist() == begun, (order, stations, t_hat, timesteps)
        happened = Counter(one.station for one in simulate(order, scaled, t_hat, timesteps))
        assert [happened[layer] for layer in range(layers)] == begun, (order, stations, t_hat, timesteps)


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: type(order).__name__)
def test_whatever_led_to_the_answer_has_begun_even_in_a_layer_of_no_account(order):
    uneven = Stations((1e15, 0.01, 1e15, 0.01), (1.0,) * 4, ExitCheckCost(0.0, 0.0))
    for t_hat in range(1, 4):
        assert (steps_begun(order, uneven, t_hat, 3) >= t_hat).all()


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: type(order).__name__)
def test_no_station_does_two_things_at_once(order):
    work = simulate(order, THREE, 3, 5)
    for station in range(4):
        own = [one for one in work if one.station == station]
        assert own and all(a.end_ns <= b.begin_ns for a, b in zip(own, own[1:], strict=False))


def test_a_schedule_by_hand():
    # Layers of 4, 6 and 2 ns and a check of 3 ns; the image leaves after 2 of 4 steps.
    assert delay_ns(LayerFirst(), THREE, 2, 4) == 4 * (4 + 6) + 2 + 3 + 3
    assert delay_ns(TimestepFirst(), THREE, 2, 4) == 2 * (4 + 6 + 2 + 3)
    assert delay_ns(Streaming(), THREE, 2, 4) == (4 + 6 + 2 + 3) + 6
    # Streaming: the first layer begins at 0, 4, 8, 12, the second at 4, 10, 16 (22 is too late), the third at 10, 16.
    assert steps_begun(Streaming(), THREE, 2, 4).tolist() == [4, 3, 2]
    bill = run_bill(Streaming(), THREE, np.array([2]), 4)
    assert bill.energy_pj[0] == 7 + 4 * 10 + 3 * 20 + 2 * 5 + 2 * 1


def test_every_order_does_the_same_work_where_nothing_stops():
    for order in ORDERS:
        assert static_bill(order, THREE, 4).energy_pj[0] == 7 + 4 * (10 + 20 + 5)
    assert static_bill(Streaming(), THREE, 4).latency_ns[0] < static_bill(TimestepFirst(), THREE, 4).latency_ns[0]
    assert static_bill(LayerFirst(), THREE, 4).latency_ns[0] == static_bill(TimestepFirst(), THREE, 4).latency_ns[0]


def test_layer_first_an_exit_saves_steps_of_the_last_layer_and_nothing_else():
    dice = np.random.default_rng(9)
    for _ in range(100):
        stations = any_stations(dice)
        begun = steps_begun(LayerFirst(), stations, 1, 6)
        assert (begun[:-1] == 6).all() and 1 <= begun[-1] <= 6


def test_timestep_first_an_exit_saves_all_that_is_left():
    for t in range(1, 5):
        assert share_saved(TimestepFirst(), THREE, 4, t) == pytest.approx(1 - t / 4)


def test_streaming_an_exit_saves_the_less_the_deeper_the_network():
    saved = [share_saved(Streaming(), Stations((1.0,) * layers, (1.0,) * layers), 4) for layers in range(1, 30)]
    assert saved[0] == pytest.approx(3 / 4) and all(a > b for a, b in zip(saved, saved[1:], strict=False))
    # Only the last three layers have a step left to save: 1 + 2 + 3 of 4 L.
    assert saved[-1] == pytest.approx(6 / (4 * 29))


def test_a_slow_check_makes_streaming_begin_more_in_vain():
    slow = replace(THREE, check=ExitCheckCost(1.0, 30.0))
    assert (steps_begun(Streaming(), slow, 1, 8) >= steps_begun(Streaming(), replace(THREE, check=FREE), 1, 8)).all()
    assert share_saved(Streaming(), slow, 8) < share_saved(Streaming(), replace(THREE, check=FREE), 8)


def test_too_few_images_in_flight_are_refused_by_both():
    few = Interleaved(THREE.in_flight - 1)
    with pytest.raises(ValueError, match="3 images or more"):
        delay_ns(few, THREE, 2, 4)
    with pytest.raises(ValueError, match="3 images or more"):
        list(simulate_turns(few, THREE, np.array([2, 2, 2])))


def test_an_image_that_leaves_after_its_first_step_never_waits_for_a_second_turn():
    assert delay_ns(Interleaved(50), THREE, 1, 4) == THREE.way_ns


@pytest.mark.parametrize("wrong, words", [
    (lambda: Stations((), ()), "each layer has a time"), (lambda: Stations((1.0,), (1.0, 2.0)), "1 times and 2 energies"),
    (lambda: Stations((0.0,), (1.0,)), "above 0"), (lambda: Stations((1.0,), (-1.0,)), "0 or more"),
    (lambda: Stations((1.0,), (1.0,), ExitCheckCost(0.0, -1.0)), "a check takes"),
    (lambda: Stations((1.0,), (1.0,), ExitCheckCost(float("nan"), 1.0)), "a check takes"),
    (lambda: share_saved(Streaming(), Stations((1.0,), (0.0,)), 4), "cost nothing"),
    (lambda: Interleaved(0), "images in flight"), (lambda: delay_ns(Streaming(), THREE, 5, 4), "t_hat"),
    (lambda: simulate(Streaming(), THREE, 0, 4), "t_hat"), (lambda: run_bill(Streaming(), THREE, np.array([5]), 4), "5")])
def test_impossible_schedules_are_refused_by_name(wrong, words):
    with pytest.raises(ValueError, match=words):
        wrong()


def test_behind_a_slow_front_streaming_saves_half_where_layers_alike_save_a_ninth():
    layers = [timestep_cost([shape], spikesim_rram_64) for shape in vgg16()]
    vgg = Stations(tuple(layer.step_ns for layer in layers), tuple(layer.step_pj for layer in layers))
    alike = Stations((1.0,) * len(layers), (1.0,) * len(layers))
    assert share_saved(Streaming(), vgg, 4) == pytest.approx(0.5, abs=0.05)
    assert share_saved(Streaming(), alike, 4) == pytest.approx(1 / 9, abs=0.01)
    assert sum(ns == vgg.interval_ns for ns in vgg.layer_ns) == 2 and vgg.layer_ns[:2] == (vgg.interval_ns,) * 2


def test_spikesims_list_bills_a_timestep_as_a_way_through_in_which_layers_overlap():
    *before, last = [timestep_cost([shape], spikesim_rram_64).step_ns for shape in vgg16()]
    assert timestep_cost(vgg16(), spikesim_rram_64).step_ns == pytest.approx(0.75 * sum(before) + last)
    assert timestep_cost(vgg16(), spikesim_rram_64).step_ns > 3 * max(before)
