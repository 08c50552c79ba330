"""The labs' checks: what they accept, what they say, what they keep to themselves."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
import torch

from dtsnn_lite.classroom.checks import NotYet, check, close, expect, fingerprint, numbers, sealed_check, sealed_checks, words

STEPS = sealed_check("steps", [1, 2, 4], {"Timesteps count from 1.": [0, 1, 3]}, "Use a pencil.")
ORDER = sealed_check("order", ["leak", "fire", "reset"], {"Reset comes last.": ["reset", "leak", "fire"]}, "")


@pytest.mark.parametrize("answer", [[1, 2, 4], (1.0, 2.0, 4.0), np.array([1, 2, 4]), torch.tensor([1, 2, 4]),
                                    {"a": 1, "b": 2, "c": 4}, [[1], [2, 4]], [1, 2, 4 + 1e-8]])
def test_the_right_numbers_are_right_in_any_container(answer):
    assert STEPS.verdict(answer).right


@pytest.mark.parametrize(("answer", "says"), [
    ([0, 1, 3], "Timesteps count from 1."), ([4, 2, 1], "Use a pencil."), ([1, 2], "look at the shape"),
    (None, "no answer yet"), ([1, ..., 4], "no answer yet"), ([1, 2, math.nan], "nan"), ("abc", "str"), (len, "numbers")])
def test_a_wrong_answer_is_told_what_is_wrong_with_it(answer, says):
    verdict = STEPS.verdict(answer)
    assert not verdict.right and says in verdict.reply


def test_words_and_orders_forgive_blanks_and_capitals():
    assert ORDER.verdict([" Leak", "FIRE", "reset"]).right
    assert ORDER.verdict(["reset", "leak", "fire"]).reply == "Reset comes last."
    assert not ORDER.verdict(["leak", "reset", "fire"]).right
    assert "text" in ORDER.verdict(3).reply
    assert words("  A b ") == "ab"


def test_a_sealed_check_shows_neither_answer_nor_replies():
    text = json.dumps(asdict(STEPS))
    assert "[1, 2, 4]" not in text and "count from" not in text
    assert repr(fingerprint([1.0, 2.0, 4.0])) not in text


def test_a_mistake_that_the_question_cannot_see_is_left_out():
    blind = sealed_check("blind", 0.5, {"said twice": 0.5 + 1e-9, "no number": None, "too many": [1, 2]}, "")
    assert len(blind.question.seals) == 1


def test_a_fingerprint_changes_with_every_number_and_with_their_order():
    assert len({round(fingerprint(list(map(float, v))), 9) for v in ([1, 2, 3], [1, 3, 2], [1, 2, 4], [2, 2, 3])}) == 4
    assert fingerprint([0.7]) == 0.7
    assert list(numbers([True, np.float32(0.5)])) == [1.0, 0.5]


def test_check_raises_what_is_wrong_and_prints_what_is_right(capsys, monkeypatch):
    monkeypatch.setattr("dtsnn_lite.classroom.checks.sealed_checks", lambda: {"steps": STEPS})
    check("steps", [1, 2, 4])
    assert capsys.readouterr().out == "steps: right\n"
    with pytest.raises(NotYet, match="steps: Timesteps count from 1."):
        check("steps", [0, 1, 3])
    assert capsys.readouterr().out == ""
    with pytest.raises(KeyError, match="no check"):
        check("lab0.nothing", 1)
    with pytest.raises(NotYet, match="because"):
        expect(False, "because")
    expect(True, "because")


def test_the_checks_that_ship_take_no_nothing_for_an_answer():
    assert sealed_checks()
    for name in sealed_checks():
        with pytest.raises(NotYet, match=f"{name}: .*None"):
            check(name, None)


def test_close_compares_number_by_number():
    assert close([1, 2], np.array([1, 2 + 1e-9])) and not close([1, 2], [1, 2.1]) and not close([1, 2], [1, 2, 3])
