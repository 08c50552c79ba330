"""Every student has constants of their own, the same each time, and a lab that can be solved with them."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from dtsnn_lite.classroom.variants import Variant
from dtsnn_lite.exits import EntropyExit, calibrate
from dtsnn_lite.recording import shipped

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
