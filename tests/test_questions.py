"""The pages' questions in a notebook: the same answers, the same replies."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dtsnn_lite.classroom.questions import answer, questions
from tools.seal_questions import all_questions, asked

BOOK = Path(__file__).resolve().parents[1] / "book"
PREDICTION = re.compile(r"^```\{predict\} (\S+)\n(.*?)^```$", re.M | re.S)
NO_ONE_NUMBER = {"promise-broken"}      # what its simulation finds is drawn, a picture for each score


@pytest.mark.parametrize(("given", "printed"), [
    (93.75, "Right. Energy and delay both fall to a quarter"), (75, "Not yet. You divided energy by 4 but not delay"),
    ("93.75", "Right."), (12, "Not yet.\n"), ("much", "Not yet. Give a number")])
def test_an_answer_is_judged_as_in_the_page(capsys, given, printed):
    answer("why_timesteps/edp-falls", given)
    assert capsys.readouterr().out.startswith(printed)


def test_a_choice_and_an_order_are_given_as_letters(capsys):
    answer("reproduced/interval", "c")
    answer("reproduced/mean-of-products", "b, c, a")
    assert capsys.readouterr().out.count("Right.") == 2


def test_an_unknown_question_is_answered_with_those_that_are_near():
    with pytest.raises(KeyError, match="did you mean why_timesteps/edp-falls"):
        answer("why_timesteps/edp-fall", 1)


def test_the_questions_are_sealed_where_no_sphinx_says_where_extensions_lie():
    alone = {**os.environ, "PYTHONPATH": ""}
    subprocess.run([sys.executable, "-c", "import tools.seal_questions"], cwd=BOOK.parent, env=alone, check=True)


def test_what_ships_is_what_the_pages_ask():
    fresh = {question.salt: question for question in all_questions()}
    assert fresh and questions() == fresh, "out of date: make facts"


def test_the_kind_of_a_question_is_read_from_its_options():
    text = "```{check} one\n:unit: %\nWhat?\n```\n\n````{check} two\n:hint: x\n:kind: order\nSort.\n````\n\n```{predict} no\n```\n"
    assert list(asked(text)) == [("one", "number", "%"), ("two", "order", "")]


def test_every_prediction_is_set_against_what_came_out():
    pages = {path.stem: json.loads(path.read_text("utf8"))["cells"] for path in BOOK.glob("*.ipynb")}
    found = {name: said for cells in pages.values() for cell in cells for name, said in PREDICTION.findall("".join(cell["source"]))}
    assert {name for name, said in found.items() if ":results:" not in said} == NO_ONE_NUMBER < set(found)
