"""Every student has constants of their own, the same each time, and a lab that can be solved with them."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest

from dtsnn_lite.classroom.variants import Customer, Variant
from dtsnn_lite.exits import EntropyExit, calibrate, entropy, evidence, replay, run_of
from dtsnn_lite.recording import Recording, shipped

STUDENTS = [Variant(f"s{n}", course) for n in range(150) for course in ("open", "autumn")]


def constants(v: Variant) -> tuple:
    return (v.beta, v.current, v.max_drop, v.wrong_costs, v.step.step_pj, v.step.step_ns, v.check.energy_pj, v.rows)


def test_a_student_always_gets_the_same_constants():
    share = int(hashlib.sha256(b"autumn/ada/beta").hexdigest()[:16], 16) / 16 ** 16
    assert Variant("ada", "autumn").beta == round(0.55 + (0.9 - 0.55) * share, 2)
    assert constants(Variant("ada")) == constants(Variant("Ada"))


def test_two_students_and_two_courses_differ():
    assert len({constants(v) for v in STUDENTS}) == len(STUDENTS)


@pytest.mark.parametrize("student", ["", " ", "a b", "../ada", "-x", "x" * 65, "a\n"])
def test_an_id_that_is_no_id_is_refused(student):
    with pytest.raises(ValueError, match="student id"):
        Variant(student)


def test_every_neuron_fires_within_four_steps_but_not_at_once_nor_by_a_hair():
    for v in STUDENTS:
        u, fired = 0.0, []
        for _ in range(4):
            h = v.beta * u + v.current
            assert abs(h - 1) > 0.005
            fired.append(h > 1)
            u = h * (h <= 1)
        assert any(fired) and not fired[0], v


def test_every_draw_lies_in_its_range():
    for v in STUDENTS:
        assert 0.55 <= v.beta <= 0.9 and 0.003 <= v.max_drop <= 0.008
        assert v.rows in (40, 48, 56, 144, 160, 192) and v.weight_bits in (3, 4, 5, 6)
        assert v.pick("anything", ("a", "b")) in ("a", "b")


def test_a_sample_is_a_part_of_the_recording_and_differs_between_students():
    whole = shipped("digits-hard-test")
    ada, bob = (Variant(name).sample(whole) for name in ("ada", "bob"))
    assert ada.images == bob.images == round(0.8 * whole.images)
    assert not np.array_equal(ada.labels, bob.labels)


def test_every_threshold_problem_can_be_solved():
    whole = shipped("digits-hard-calibration")
    for v in STUDENTS[:40]:
        seen = v.sample(whole)
        theta = calibrate(seen, EntropyExit, max_drop=v.max_drop).theta
        assert 0 < theta <= 1, v


# --- lab 7's customers ------------------------------------------------------------------


def paid(t_hat: np.ndarray, batch: int) -> np.ndarray:
    """Timesteps that each image pays for: those of the slowest of its batch."""
    return np.concatenate([np.full(len(b), b.max()) for b in np.split(t_hat, range(batch, len(t_hat), batch))])


Design = tuple[str, float]


def best_design(customer: Customer, accuracy: dict[Design, float], paid_steps: dict[tuple[Design, int], np.ndarray]) -> Design:
    """The cheapest of the designs that reach the customer's floor, by lab 7's bill."""
    def edp(design: Design) -> float:
        steps, checks = paid_steps[design, customer.batch], design[0] == "entropy"
        delay_ns = customer.step.fixed_ns + (customer.step.step_ns + checks * customer.check.latency_ns) * steps
        energy_pj = customer.step.fixed_pj + (customer.step.step_pj + checks * customer.check.energy_pj) * steps
        return float(((energy_pj + customer.leak_pj_per_ns * delay_ns) * delay_ns).mean())
    return min((design for design, reached in accuracy.items() if reached >= customer.accuracy_floor - 1e-12), key=edp)


def test_no_design_is_a_good_guess_for_lab_7_and_both_verdicts_are_common():
    seen = shipped("digits-hard-calibration")
    steps = {("static", float(t)): np.full(seen.images, t) for t in (1, 2, 3, 4)}
    steps |= {("entropy", float(x)): replay(seen, EntropyExit(float(x))).t_hat for x in np.round(np.arange(0.02, 1.0, 0.02), 2)}
    accuracy = {design: run_of(t_hat, seen).accuracy for design, t_hat in steps.items()}
    customers = [Variant(f"s{n}").customer for n in range(400)]
    paid_steps = {(design, b): paid(t_hat, b) for design, t_hat in steps.items() for b in {c.batch for c in customers}}
    best = Counter(best_design(customer, accuracy, paid_steps) for customer in customers)
    assert max(best.values()) <= 400 / 3, best.most_common(3)
    assert 0.4 * 400 <= sum(count for (kind, _), count in best.items() if kind == "entropy") <= 0.65 * 400
    assert best["static", 1.0] == 0, "the floor asks for more than one timestep"
    assert len(best) >= 7


# --- lab 8's streams, budgets and applications --------------------------------------------

# As in the lab.
THETAS = {"mean": np.round(np.arange(0.02, 0.8, 0.01), 2),
          "sum": np.array([float(f"{a}e-{b}") for b in range(1, 7) for a in (7, 5, 3, 2, 1.5, 1)])}


def numbered(images: int) -> Recording:
    """A recording whose labels are the numbers of its images: a sample of it says who is in."""
    return Recording(np.stack([np.zeros((images, images)), np.eye(images)]), np.arange(images), np.zeros((2, 1)))


def rules_of(seen: Recording) -> dict[tuple[str, float], tuple[np.ndarray, np.ndarray]]:
    """Waits in ms and wrong answers, (N,) each, under every rule of the lab."""
    steps = {("always", float(t)): np.full(seen.images, t) for t in range(1, seen.timesteps + 1)}
    for kind, gamma in (("mean", 0), ("sum", 1)):
        doubt = entropy(evidence(seen.f, gamma))
        for x in THETAS[kind]:
            sure = doubt < x
            sure[-1] = True
            steps[kind, float(x)] = sure.argmax(axis=0) + 1
    return {rule: (75.0 * t, ~run_of(t, seen).correct) for rule, t in steps.items()}


Choice = tuple[tuple[str, float], dict[tuple[str, float], float], tuple[float, ...]]


def choices(part: str, class_: list[Variant]) -> list[Choice]:
    """For each student on one part of the gestures: the cheapest rule, the cost of each, the two thresholds within the budget."""
    seen = shipped(f"gestures-{part}")
    rules, everybody, found = rules_of(seen), numbered(seen.images), []
    for v in class_:
        who, app = v.sample(everybody).labels, v.application
        cost = {rule: app.wait_cents_per_ms * w[who].mean() + app.wrong_cents * e[who].mean() for rule, (w, e) in rules.items()}
        budget = tuple(min(x for x in THETAS[kind] if rules[kind, float(x)][0][who].mean() <= v.wait_budget_ms) for kind in THETAS)
        found.append((min(cost, key=cost.__getitem__), cost, budget))
    return found


def test_every_stream_has_a_border_an_empty_window_and_an_event_after_the_end():
    for v in STUDENTS:
        x, y, t_ms, p = v.stream.T
        assert v.stream.shape == (10, 4) and (np.diff(t_ms) >= 0).all() and t_ms[-1] == 40 and t_ms[-2] < 40
        assert np.isin(t_ms, (10, 20, 30)).sum() == 1 and 0 in np.bincount(t_ms // 10, minlength=5)[:4]
        assert x.min() >= 0 and x.max() < 4 and y.min() >= 0 and y.max() < 3 and set(p) <= {-1, 1}


def test_no_lead_is_99_percent_sure_by_a_hair_and_no_chip_is_nearly_as_fast_as_a_window():
    for v in STUDENTS:
        assert abs(np.log(99) / v.lead - round(np.log(99) / v.lead)) > 0.02 and 0.3 <= v.lead <= 1.2
        assert not 15 < v.stream_step_ms < 85
        assert 499 <= v.application.wrong_cents / v.application.wait_cents_per_ms <= 10_100


def test_lab_8_asks_for_a_choice_and_the_test_gestures_would_mostly_choose_another():
    class_ = [Variant(f"s{n}") for n in range(400)]
    ours, peeked = choices("calibration", class_), choices("test", class_)
    best = Counter(rule for rule, _, _ in ours)
    assert {kind for kind, _ in best} == {"sum"}, "an `always` saves nothing against itself"
    assert max(best.values()) <= 400 / 3 and len(best) >= 10, best
    pairs = list(zip(ours, peeked, strict=True))
    assert sum(cost[there[0]] > 1.001 * cost[rule] for (rule, cost, _), there in pairs) > 0.75 * 400, "who peeks is mostly found"
    assert sum(there[1][rule] > cost[rule] for (rule, cost, _), there in pairs) > 0.8 * 400, "mostly dearer than promised"
    assert sum(mine != there for (_, _, mine), (_, _, there) in pairs) > 0.85 * 400, "thresholds of the budget show who peeks"


# --- how many different answers a class has ---------------------------------------------


def test_pairs_of_constants_are_many_and_whole_numbers_few():
    """What the instructor page says of 400 students."""
    class_ = [Variant(f"s{n}") for n in range(400)]
    assert 250 < len({(v.beta, v.current) for v in class_}) < 350
    assert len({(2 * v.rows + 1).bit_length() for v in class_}) == 2
    assert len({(v.rows, v.weight_bits) for v in class_}) == 24
    assert len({v.wrong_costs for v in class_}) > 150
    assert len({v.stream.tobytes() for v in class_}) == 400
    assert len({tuple(np.bincount(v.stream[:, 2] // 10)[:4]) for v in class_}) == 119
    assert len({v.lead for v in class_}) == 86 and 360 < len({v.wait_budget_ms for v in class_}) <= 400
