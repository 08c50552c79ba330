"""The coding exercises of the chapters: the page's own solution is right, five wrong ones an exercise are told so.

tests/exercises/<page>.toml holds what people get wrong: `old` in the page's solution becomes `new`, and with `says` the
reply must hold these words. An exercise is a code cell with a stub whose open line is `return ...`, a check and, last,
`check_name(stub)`; the next cell folds a solution. A check is silent at `...` and else begins with "right" or "not yet: ".
"""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
import tomllib

ROOT = Path(__file__).resolve().parents[1]
TABLES = sorted((ROOT / "tests" / "exercises").glob("*.toml"))

# What no exercise needs: installing, explorers, timings, trainings, and accuracies of many chips.
SLOW = ("%pip", "Explorer(", "seconds(", "history", "accuracy_on(", "three_chips(", "varied", "silence_read(", "laid")

CALL = re.compile(r"^(?:print\()?(check_\w+)\((\w+)\)\)?$", re.M)
FOLD = re.compile(r"<details class=\"solution\">.*?```python\n(.*?)```\s*</details>", re.S)
BUDGET = re.compile(r"\*At most (\d+) lines?\b")


@dataclass(frozen=True)
class Exercise:
    """A coding exercise as its page shows it.

    task      the Markdown above it, which states the budget of lines
    cell      stub and check
    solution  the folded code below it
    """

    page: str
    name: str
    check: str
    task: str
    cell: str
    solution: str

    def __str__(self) -> str:
        return f"{self.page}.{self.name}"


@dataclass(frozen=True)
class Mistake:
    """A wrong version of a page's solution: one text in it replaced by another."""

    old: str
    new: str
    says: str = ""

    def of(self, exercise: Exercise) -> str:
        if exercise.solution.count(self.old) != 1:
            raise ValueError(f"{exercise}: {self.old!r} stands {exercise.solution.count(self.old)} times in the solution; "
                             "a mistake replaces exactly one place")
        return exercise.solution.replace(self.old, self.new)


def cells(page: str) -> list[dict[str, Any]]:
    found = json.loads((ROOT / "book" / f"{page}.ipynb").read_text("utf8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in found]


@cache
def space(page: str) -> dict[str, Any]:
    """What a reader has after running a chapter up to its exercises, explorers and trainings left out."""
    names: dict[str, Any] = {}
    for cell in cells(page):
        if cell["source"].startswith(("## When this fails", "## Where the field disagrees")):
            break
        if cell["cell_type"] == "code" and not any(word in cell["source"] for word in SLOW):
            with redirect_stdout(io.StringIO()):
                exec(cell["source"], names)
    plt.close("all")
    return names


def exercises(page: str) -> Iterator[Exercise]:
    """The coding exercises of a page, in order; one without a folded solution below has an empty one."""
    around = [{"source": ""}, *cells(page), {"source": ""}]
    for above, cell, below in zip(around, around[1:], around[2:], strict=False):
        if cell.get("cell_type") == "code" and "def check_" in cell["source"]:
            [(check, name)] = CALL.findall(cell["source"])
            fold = FOLD.search(below["source"])
            yield Exercise(page, name, check, above["source"], cell["source"], fold[1] if fold else "")


def said(code: str, exercise: Exercise) -> str | None:
    """What the page's check says of this code."""
    names = dict(space(exercise.page))
    exec(code, names)
    with redirect_stdout(io.StringIO()) as printed:
        reply = names[exercise.check](names[exercise.name])
    assert printed.getvalue() == "", "a check says its word and prints nothing"
    return reply


ALL = [exercise for table in TABLES for exercise in exercises(table.stem)]
KNOWN = {f"{table.stem}.{name}": [Mistake(**entry) for entry in rows["mistake"]]
         for table in TABLES for name, rows in tomllib.loads(table.read_text("utf8")).items()}
each = pytest.mark.parametrize("exercise", ALL, ids=str)


def test_every_page_with_a_coding_exercise_has_a_table_and_every_exercise_a_row() -> None:
    pages = {path.stem for path in (ROOT / "book").glob("*.ipynb") if "def check_" in path.read_text("utf8")}
    assert {table.stem for table in TABLES} == pages
    assert set(KNOWN) == {str(exercise) for exercise in ALL}


@each
def test_the_folded_solution_is_right_and_keeps_the_budget(exercise: Exercise) -> None:
    reply = said(exercise.solution, exercise)
    assert reply is not None and reply.startswith("right"), reply
    stub = exercise.cell.splitlines()
    own = [line for line in exercise.solution.splitlines() if line.strip() and line not in stub]
    budget = int(BUDGET.findall(exercise.task)[-1])
    assert 0 < len(own) <= budget


@each
def test_nothing_is_said_before_the_reader_has_written_anything(exercise: Exercise) -> None:
    names = dict(space(exercise.page))
    body = ast.parse(exercise.cell).body
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(ast.Module(body[:-1], []), exercise.name, "exec"), names)
        assert isinstance(body[-1], ast.Expr) and eval(compile(ast.Expression(body[-1].value), exercise.name, "eval"), names) is None
    assert printed.getvalue() == ""


@each
def test_a_forgotten_return_is_told(exercise: Exercise) -> None:
    assert exercise.cell.count("return ...") == 1
    reply = said(exercise.cell.replace("return ...", "pass"), exercise)
    assert reply is not None and reply.startswith("not yet: ")


@each
def test_five_mistakes_are_refused(exercise: Exercise) -> None:
    known = KNOWN[str(exercise)]
    replies = {mistake: said(mistake.of(exercise), exercise) for mistake in known}
    assert len(replies) >= 5, "at least five mistakes an exercise"
    passed = [mistake.new for mistake, reply in replies.items() if reply is None or not reply.startswith("not yet: ")]
    assert not passed
    assert [m.says for m, reply in replies.items() if m.says not in str(reply)] == []


@each
def test_the_cell_of_an_exercise_does_not_hold_its_solution(exercise: Exercise) -> None:
    shown = [line.strip() for line in exercise.cell.splitlines()]
    own = [line.strip() for line in exercise.solution.splitlines() if line not in exercise.cell.splitlines()]
    assert not [line for line in own if len(line) > 20 and any(line in other for other in shown)]


PARTS = re.compile(r"^(\*\*(?:Warm-ups|Coding|Open)\*\*)|^(\d+)\. ", re.M)


def exercises_text(path: Path) -> str:
    """The Markdown of a chapter's section *Exercises*; empty where it has none."""
    cells = [cell for cell in json.loads(path.read_text("utf8"))["cells"] if cell["cell_type"] == "markdown"]
    text = "\n".join("".join(cell["source"]) for cell in cells)
    return text.partition("\n## Exercises\n")[2].split("\n## ")[0]


WITH_EXERCISES = [path for path in sorted((ROOT / "book").glob("*.ipynb")) if exercises_text(path)]


@pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda path: path.stem)
def test_exercises_are_numbered_from_the_first_coding_one_to_the_last_open_one(path):
    found = [part or number for part, number in PARTS.findall(exercises_text(path))]
    numbers = [each for each in found if each.isdigit()]
    assert numbers == [str(n + 1) for n in range(len(numbers))] and len(numbers) >= 2
    assert [each for each in found if not each.isdigit()] == ["**Warm-ups**", "**Coding**", "**Open**"]
    assert found[:3] == ["**Warm-ups**", "**Coding**", "1"] and found[-2] == "**Open**", "warm-ups are questions, and have no numbers"


def test_three_numbers_may_come_in_an_array() -> None:
    exercise = next(one for one in exercises("cifar10") if one.name == "borrowed")
    three = "run.mean_timesteps, won.sum(), lost.sum()"
    assert exercise.solution.count(three) == 1
    reply = said(exercise.solution.replace(three, f"np.array([{three}])"), exercise)
    assert reply is not None and reply.startswith("right"), reply
