"""Textbook answers are right in every way of writing them down, and no exercise passes without its work."""

from __future__ import annotations

from functools import cache

import nbformat
import numpy as np
import pytest

from dtsnn_lite.classroom.checks import as_printed
from dtsnn_lite.classroom.variants import Variant
from labs.tools.exams import for_anyone
from labs.tools.masters import LABS, Exercise, attempt, exercises, states
from tests import sitting

FIRST_SPIKE = "def first_spike(i, beta, v_th):\n    left = {left}\n    if left <= 0:\n        return None\n    return {n}"
TIMESTEPS = "\n\ndef timesteps_for(p, deviation):\n    return {n}"
LOSSLESS = "def lossless_bits(rows):\n    return {b}\n\nmy_bits = lossless_bits(me.rows)"
TEXTBOOK = {
    "lab1.rate_code": [TIMESTEPS.format(n=n) for n in (
        "math.ceil(p * (1 - p) / deviation ** 2)", "math.ceil(p * (1 - p) / (deviation * deviation))",
        "math.ceil((p - p * p) / deviation ** 2)",
        "math.ceil((math.sqrt(p * (1 - p)) / deviation) ** 2)", "-int(-(p * (1 - p) / deviation ** 2) // 1)",
        "np.int64(np.ceil(p * (1 - p) * deviation ** -2))",
        "next(T for T in range(1, 10**5) if math.sqrt(p * (1 - p) / T) <= deviation)")],
    "lab1.first_spike": [FIRST_SPIKE.format(left=left, n=n) for left in ("1 - v_th * (1 - beta) / i", "(i - v_th * (1 - beta)) / i")
                         for n in ("math.floor(math.log(left, beta)) + 1", "math.floor(math.log(left) / math.log(beta)) + 1",
                                   "np.floor(np.log2(left) / np.log2(beta)) + 1", "int(np.log(left) / np.log(beta)) + 1")],
    "lab5.lossless": [LOSSLESS.format(b=b) for b in (
        "math.ceil(math.log2(2 * rows + 2))", "math.ceil(math.log(2 * rows + 2, 2))", "np.ceil(np.log2(2 * rows + 2)).astype(int)",
        "np.int64(np.ceil(np.log(2 * rows + 2) / np.log(2)))", "(2 * rows + 1).bit_length()", "int(np.log2(2 * rows + 1)) + 1")],
}
# What a student types who copies what was printed; a numpy number is one, too.
PRINTED = {
    "lab3.my_theta": ["accuracy, mean_timesteps = round(accuracy, 3), round(mean_timesteps, 2)"],
    "lab3.does_it_pay": ["ratio = {k: float(f'{r:.2f}') for k, r in ratio.items()}"],
    "lab4.fair_fight": [f"policy_accuracy, policy_timesteps, threshold_accuracy = [np.float64(round(float(x), {n})) "
                        "for x in (policy_accuracy, policy_timesteps, threshold_accuracy)]" for n in (2, 3)],
    "lab7.design": ["edp_ratio = round(float(edp_ratio), 2)"],
}


@cache
def names_before(lab: str) -> dict[str, tuple[Exercise, dict]]:
    return {exercise.name: (exercise, names) for exercise, names in states(LABS / f"{lab}.ipynb")}


def said(question: str, solution: str, extend: bool = False) -> str:
    """What the tests of an exercise say of a solution, or of the reference with something after it."""
    lab, _, name = question.partition(".")
    exercise, names = names_before(lab)[name]
    return attempt(f"import math\nimport numpy as np\n{exercise.solution}\n{solution}" if extend else
                   f"import math\nimport numpy as np\n{solution}", exercise, names)


@pytest.mark.parametrize(("question", "solution"), [(q, s) for q, ways in TEXTBOOK.items() for s in ways])
def test_a_formula_is_right_in_every_way_of_writing_it(question, solution):
    assert said(question, solution, extend=question == "lab1.rate_code") == ""


@pytest.mark.parametrize(("question", "typed"), [(q, s) for q, ways in PRINTED.items() for s in ways])
def test_a_number_copied_from_a_print_is_right(question, typed):
    assert said(question, typed, extend=True) == ""


def test_two_printed_decimals_are_right_and_two_wrong_ones_are_not():
    assert as_printed([0.91, np.float32(1.47)], [0.9132, 1.4651]) and as_printed(0.9135, 0.9132) and as_printed(0.5, 0.505)
    assert not as_printed(0.92, 0.9132) and not as_printed(0.9162, 0.9132) and not as_printed([0.91], [0.91, 0.91])


def lab4_with(gradient: str) -> dict[str, str]:
    """What the tests of lab 4 say where every exercise is solved but the gradient is this."""
    notebook = nbformat.read(LABS / "lab4.ipynb", as_version=4)
    right = {e.name: e.solution for e in exercises(LABS / "lab4.ipynb")} | {"reward_gradient": gradient}
    for cell in notebook.cells:
        cell.source = for_anyone(right.get(cell.metadata.get("nbgrader", {}).get("grade_id", ""), cell.source))
    return sitting.failed("lab4", notebook)


def test_a_policy_that_never_learned_wins_no_fight():
    assert set(lab4_with("def reward_gradient(v, R):\n    return 0 * v")) == {"reward_gradient-test", "fair_fight-test"}
    assert lab4_with("def reward_gradient(v, R):\n    return v * (R - (v * R).sum(axis=0))") == {}


@pytest.mark.parametrize("way", ["entropy_of = entropy", "entropy_of = lambda f: entropy(f)"])
def test_the_package_s_own_entropy_is_no_answer(way):
    assert "write the sum yourself" in said("lab3.entropy_of", way)


def test_nobody_s_crossbars_need_the_bits_of_64_rows():
    bits = {(2 * Variant(f"s{n}").rows + 1).bit_length() for n in range(200)}
    assert len(bits) > 1 and (2 * 64 + 1).bit_length() not in bits
