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
FRAMES = """def time_frames(events, bins, width, size):
    made = np.zeros((bins, 2) + tuple(size))
    for x, y, t, p in events:
        k = {k}
        if 0 <= k < bins:
            made[int(k), 0 if p > 0 else 1, y, x] += 1
    return made.tolist()"""
STOP = """def stop_early(E, right, theta, window_ms):
    T, found = len(E), []
    for i in range(E.shape[1]):
        n = {found}
        found.append(((n + 1) * window_ms, right[n, i]))
    waits, answers = zip(*found)
    return list(waits), list(answers)"""
SIGN = """from fractions import Fraction
def sign_test(one, other):
    won = sum(bool(a) and not b for a, b in zip(one, other))
    lost = sum(bool(b) and not a for a, b in zip(one, other))
    n, m = won + lost, min(won, lost)
    return won, np.int64(lost), {p}"""
LEAD = "p = lambda z: {p}\nmean_sure, sum_sure = p(me.lead), p(4 * me.lead)\nfirst = {first}"
LATENCY = """def latency_ms(t_hat, window_ms, step_ms):
    ends = []
    for t in t_hat:
        done = 0
        for k in range(1, t + 1):
            done = {done}
        ends.append(done)
    return np.array(ends)
latency = dict(now=np.mean(latency_ms(t_hat, WINDOW_MS, me.stream_step_ms)),
               chip=sum(latency_ms(t_hat, WINDOW_MS, me.stream_step_ms / 10)) / len(t_hat),
               exit=latency_ms(t_hat - 1, WINDOW_MS, me.stream_step_ms).mean())
buy = 'chip' if latency['chip'] < latency['exit'] else 'exit'"""
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
    "lab8.time_frames": [FRAMES.format(k=k) for k in ("t // width", "np.floor(t / width)", "divmod(t, width)[0]",
                                                       "int(np.floor_divide(t, width))")],
    "lab8.stop_early": [STOP.format(found=found) for found in (
        "next((n for n in range(T) if E[n, i] < theta), T - 1)", "int(np.argmax(np.append(E[:-1, i] < theta, True)))",
        "min([*np.flatnonzero(E[:, i] < theta), T - 1])")],
    "lab8.sign_test": [SIGN.format(p=p) for p in (
        "min(1, 2 * sum(math.comb(n, k) * 0.5 ** n for k in range(m + 1)))",
        "np.float64(min(1.0, sum(math.comb(n, k) for k in range(m + 1)) / 2 ** (n - 1) if n else 1.0))",
        "float(min(1, 2 * sum(Fraction(math.comb(n, k), 2 ** n) for k in range(m + 1))))",
        "1.0 if won == lost else sum(math.comb(n, k) for k in [*range(m + 1), *range(n - m, n + 1)]) / 2 ** n")],
    "lab8.same_lead": [LEAD.format(first=first, p=p) for first, p in (
        ("math.ceil(math.log(99) / me.lead)", "math.exp(z) / (math.exp(z) + 1)"),
        ("float(np.floor(np.log(0.99 / (1 - 0.99)) / me.lead) + 1)", "np.float32(1 / (1 + np.exp(-z)))"),
        ("np.int64(next(n for n in range(1, 99) if p(n * me.lead) > 0.99))", "(1 + math.tanh(z / 2)) / 2"),
        ("np.argmax([p(n * me.lead) > 0.99 for n in range(99)])", "np.exp([z, 0])[0] / np.exp([z, 0]).sum()"))],
    "lab8.latency": [LATENCY.format(done=done) for done in (
        "max(k * window_ms, done) + step_ms", "(done if done > k * window_ms else k * window_ms) + step_ms")],
}
# What a student types who copies what was printed; a numpy number is one, too.
PRINTED = {
    "lab3.my_theta": ["accuracy, mean_timesteps = round(accuracy, 3), round(mean_timesteps, 2)"],
    "lab3.does_it_pay": ["ratio = {k: float(f'{r:.2f}') for k, r in ratio.items()}"],
    "lab4.fair_fight": [f"policy_accuracy, policy_timesteps, threshold_accuracy = [np.float64(round(float(x), {n})) "
                        "for x in (policy_accuracy, policy_timesteps, threshold_accuracy)]" for n in (2, 3)],
    "lab7.design": ["edp_ratio = round(float(edp_ratio), 2)"],
    "lab8.same_lead": ["mean_sure, sum_sure = round(float(mean_sure), 2), round(float(sum_sure), 3)"],
    "lab8.budget": ["accuracy = {k: round(float(x), 2) for k, x in accuracy.items()}\n"
                    "wait_ms = {k: float(f'{x:.1f}') for k, x in wait_ms.items()}\n"
                    "theta = {k: float(f'{x:.2g}') for k, x in theta.items()}"],
    "lab8.needs_end": ["wait_of = [f for f in np.round(wait_of, 1)]\ngain_of = np.round(gain_of, 2)"],
    "lab8.latency": ["latency = {k: round(x, 1) for k, x in latency.items()}"],
    "lab8.decide": [f"saving_se = saved.std(ddof={ddof}) / test.images ** 0.5\n"
                    f"cost, saving, saving_se = (round(float(x), {n}) for x in (cost, saving, saving_se))"
                    for ddof in (0, 1) for n in (2, 3)],
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


# The same answers as lists, arrays or in single precision: what the tests that are seen take, the hidden ones take as well.
DRESSED = {
    "lab1.neuron": ["plain = neuron\ndef neuron(*a, **k):\n    return np.array(plain(*a, **k))"],
    "lab1.rate_code": ["whole = encode\ndef encode(*a):\n    return list(whole(*a))",
                       "whole = encode\ndef encode(*a):\n    return whole(*a) > 0"],
    "lab3.does_it_pay": ["ratio, pays = dict(sorted(ratio.items(), reverse=True)), {k: int(r < 1) for k, r in ratio.items()}"],
    "lab4.reward_gradient": ["double = reward_gradient\ndef reward_gradient(v, R):\n"
                             "    return double(np.asarray(v, np.float32), np.asarray(R, np.float32))"],
    "lab5.bit_planes": ["whole = bit_planes\ndef bit_planes(*a):\n    return whole(*a).tolist()"],
}


@pytest.mark.parametrize(("question", "dress"), [(q, s) for q, ways in DRESSED.items() for s in ways])
def test_an_answer_is_right_as_a_list_in_another_order_and_in_single_precision(question, dress):
    assert said(question, dress, extend=True) == ""


@pytest.mark.parametrize(("question", "verdicts"), [
    ("lab3.does_it_pay", "pays = {'alone': 'no', 'batch': 'no', 'costly': ''}"), ("lab7.design", "pays = 'no' * (kind == 'entropy')")])
def test_a_verdict_in_words_is_no_verdict(question, verdicts):
    assert "True or False" in said(question, verdicts, extend=True)


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
