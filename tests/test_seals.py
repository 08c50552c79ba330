"""Sealed answers: what is accepted, what cannot be read, and that the page's script agrees with Python."""

from __future__ import annotations

import hashlib
import json
import math
import random
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtsnn_lite.classroom.seals import Answer, lock, round_width, seal, seal_question, token, unlock
from dtsnn_lite.classroom.typed import readings
from tests.test_typed import MEANT

ROOT = Path(__file__).resolve().parents[1]
EDP = seal_question("edp", "number", Answer(16.0, "EDP grows as T squared \u2014 16 times."),
                    [Answer(4.0, "You multiplied energy by T but not delay.")], tolerance=0.01)
BESIDE = seal_question("beside", "number", Answer(10.0, ""), [Answer(1.0, "one"), Answer(2.0, "two")], tolerance=1.0)
PICK = seal_question("pick", "choice", Answer("b", "Yes."), [Answer("c", "That is the sum.")])
TICK = seal_question("tick", "several", Answer(("a", "c"), "Both."))
SORT = seal_question("sort", "order", Answer(("c", "a", "b"), "In this order."))


# --- what is accepted ---------------------------------------------------------------


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e3), st.floats(-0.999, 0.999))
def test_everything_within_one_width_is_accepted(answer, tolerance, away):
    question = seal_question("any", "number", Answer(answer, "Right."), tolerance=tolerance)
    assert question.check(repr(answer + away * question.width)).right


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e3), st.floats(2.001, 1e3), st.sampled_from([-1, 1]))
def test_nothing_two_widths_away_is_accepted(answer, tolerance, away, side):
    question = seal_question("any", "number", Answer(answer, "Right."), tolerance=tolerance)
    assert not question.check(repr(answer + side * away * question.width)).right


@given(st.floats(1e-9, 1e9))
def test_a_width_has_one_digit_and_is_not_below_the_tolerance(tolerance):
    width = round_width(tolerance)
    assert f"{width:e}"[0] in "125" and float(f"{width:.0e}") == width
    assert tolerance * (1 - 1e-9) <= width <= 2.5 * tolerance


@pytest.mark.parametrize("tolerance", [0.0, -1.0, math.inf, math.nan])
def test_a_tolerance_is_positive(tolerance):
    with pytest.raises(ValueError, match="positive number"):
        round_width(tolerance)


def test_a_choice_a_set_and_an_order_are_compared_as_such():
    assert PICK.check("b").right and not PICK.check("a").right
    assert TICK.check("c,a").right and not TICK.check("a").right and not TICK.check("a,b,c").right
    assert SORT.check("c,a,b").right and not SORT.check("a,b,c").right


def test_a_named_wrong_answer_gets_its_own_reply():
    verdict = EDP.check("4.0")
    assert (verdict.right, verdict.known) == (False, True)
    assert verdict.reply == "You multiplied energy by T but not delay."
    assert EDP.check("5").reply == "" and not EDP.check("5").known


@pytest.mark.parametrize(("given", "right"), [
    ("3012", True), ("3,012", True), ("3 012", True), ("3.012", False), ("3012 images", True), ("\uff13\uff10\uff11\uff12", True)])
def test_a_count_is_recognised_however_it_is_written(given, right):
    assert seal_question("images", "number", Answer(3011.8, ""), tolerance=20, unit="images").check(given).right == right


@pytest.mark.parametrize(("unit", "answer", "given"), [("%", 30, "30 %"), ("", 0.3, "30 %"), ("ms", 1.5, "1500 us"), ("", 3.012, "3,012")])
def test_a_unit_is_read_with_its_number(unit, answer, given):
    question = seal_question("unit", "number", Answer(answer, ""), tolerance=1e-3, unit=unit)
    assert question.check(given).right
    assert not question.check(given.replace("3", "4").replace("1", "2")).right


def test_of_two_wrong_answers_side_by_side_each_gets_its_own_reply():
    assert (BESIDE.check("1").reply, BESIDE.check("2").reply) == ("one", "two")


def test_something_that_is_no_number_is_not_called_wrong_without_a_word():
    assert "like 0.25" in EDP.check("sixteen").reply


def test_a_wrong_answer_within_the_tolerance_of_the_right_one_is_refused():
    with pytest.raises(ValueError, match="within the tolerance"):
        seal_question("near", "number", Answer(1.0, ""), [Answer(1.04, "")], tolerance=0.05)
    with pytest.raises(ValueError, match="the same"):
        seal_question("twice", "choice", Answer("a", ""), [Answer("a", "")])


# --- what cannot be read ---------------------------------------------------------------


def test_neither_the_answer_nor_a_reply_stands_in_the_sealed_question():
    words = json.dumps(asdict(EDP)).replace("edp", "")
    for secret in ("squared", "delay", "number:", token("number", 16.0, EDP.width).removeprefix("number:") + '"'):
        assert secret not in words


def test_the_width_tells_the_size_of_the_tolerance_only():
    assert round_width(0.02 * 37.1) == round_width(0.02 * 44.9) == 1.0


def test_the_same_answer_to_two_questions_has_two_seals():
    assert seal("a", "choice:b") != seal("b", "choice:b")


@given(st.text(max_size=200), st.text(max_size=9))
def test_a_reply_opens_with_its_own_answer(text, salt):
    assert unlock(lock(text, salt, "choice:a"), salt, "choice:a") == text


# --- the page's script = Python -----------------------------------------------------------


def golden() -> dict:
    """What the script must find as well."""
    rng = random.Random(3)
    texts = ["", "abc", "\u00b5J \u2014 \U0001f600", *("x" * n for n in (55, 56, 63, 64, 65, 119, 120, 1000))]
    numbers = [(text, asked) for text, asked, _ in MEANT]
    numbers += [("".join(rng.choices("0123456789,. '/-+e%km", k=rng.randint(1, 9))), rng.choice(["", "%", "ms"])) for _ in range(500)]
    numbers += [(repr(rng.uniform(-1, 1) * 10 ** rng.randint(-9, 9)), "") for _ in range(300)]
    asked = [(EDP, text) for text in ("16", "15.99", "16.02", "4", "32/2", "five", "-0", "1e300")]
    asked += [(BESIDE, text) for text in ('1', '2', '1.4', '1.6', '3')]
    asked += [(question, text) for question in (PICK, TICK, SORT) for text in ("a", "b", "c", "a,c", "c,a", "c,a,b", "")]
    for _ in range(300):
        width, answer = 10 ** rng.uniform(-5, 2), rng.uniform(-100, 100)
        question = seal_question(f"q{answer}", "number", Answer(answer, f"It is {answer}."), tolerance=width)
        asked.append((question, repr(answer + rng.uniform(-2.5, 2.5) * question.width)))
    return {"digests": [(text, hashlib.sha256(text.encode()).hexdigest()) for text in texts],
            "numbers": [(text, asked, readings(text, asked)) for text, asked in numbers],
            "checks": [(asdict(question), text, asdict(question.check(text))) for question, text in asked]}


def test_the_pages_script_agrees_with_python():
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node: tests/browser/test_questions.py compares them in Chromium")
    ran = subprocess.run([node, ROOT / "tests/js/seals_golden.mjs", ROOT / "book/assets/typed.js", ROOT / "book/assets/seals.js"],
                         input=json.dumps(golden()), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["faults"] == [] and found["compared"] > 500
