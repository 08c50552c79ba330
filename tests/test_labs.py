"""The labs from both sides: references pass, stubs and mistakes fail and are told why, no solution leaks."""

from __future__ import annotations

import csv
import html
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import tomllib

from dtsnn_lite.classroom.checks import SEALS, as_json
from labs.tools import editions
from labs.tools.editions import student_edition
from labs.tools.masters import LABS, Exercise, attempt, closed_regions, code_cells, exercises, key_names, masters, mistakes, solved, states
from labs.tools.pages import repository

ROOT = LABS.parent
ALL = [exercise for path in masters() for exercise in exercises(path)]
KNOWN = {f"{path.stem}.{name}": entry for path in masters() for name, entry in mistakes(path).items()}
each_exercise = pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.question)
each_master = pytest.mark.parametrize("path", masters(), ids=lambda p: p.stem)


@cache
def names_before(lab: str) -> dict[str, dict]:
    """For each exercise of a lab, what its notebook has defined before it."""
    return {exercise.name: names for exercise, names in states(LABS / f"{lab}.ipynb")}


def said(solution: str, exercise: Exercise) -> str:
    """What the tests say of a solution; nothing when it passes."""
    return attempt(solution, exercise, names_before(exercise.lab)[exercise.name])


# --- each exercise from both sides ----------------------------------------------------


@each_exercise
def test_the_reference_passes(exercise):
    assert said(exercise.solution, exercise) == ""


@each_exercise
def test_the_untouched_stub_fails_and_says_what_to_do(exercise):
    assert "still to be" in said(exercise.stub, exercise) or "fill in" in said(exercise.stub, exercise)


@each_exercise
def test_mistakes_fail_and_misconceptions_are_called_by_name(exercise):
    known = KNOWN[exercise.question]["mistake"]
    assert len(known) >= 5, "at least five mistakes an exercise"
    verdicts = [(mistake, said(mistake.of(exercise), exercise)) for mistake in known]
    failed = [mistake for mistake, words in verdicts if words]
    assert len(failed) == len(known), [m.new for m, words in verdicts if not words]
    for mistake, words in verdicts:
        assert mistake.says in words, f"{mistake.new!r} should be told {mistake.says!r}; it is told {words!r}"


def test_every_exercise_knows_its_mistakes_and_every_mistake_its_exercise():
    assert set(KNOWN) == {exercise.question for exercise in ALL}
    entries = tomllib.loads((LABS / "mistakes.toml").read_text("utf8"))
    assert set(entries) == {path.stem for path in masters()}


def test_the_sealed_answers_are_those_of_the_masters():
    from labs.tools.seals import all_seals

    assert SEALS.read_text("utf8") == as_json(all_seals()), "python -m labs.tools.seals"


@pytest.mark.parametrize("path", [p for p in masters() if key_names(p)], ids=lambda p: p.stem)
@pytest.mark.parametrize("student", ["ada", "s7", "u1234567"])
def test_a_student_with_other_constants_can_pass_too(path, student):
    assert solved(path, student)["me"].student == student


# --- nbgrader's convention --------------------------------------------------------------


@each_master
def test_a_master_has_stubs_hidden_tests_and_points(path):
    for exercise in exercises(path):
        assert "### BEGIN SOLUTION" in exercise.solution and "### BEGIN HIDDEN TESTS" in exercise.tests
        assert exercise.points > 0
    assert "### BEGIN" not in "".join(cell["source"] for cell in student_edition(path).cells)


@each_master
def test_a_master_begins_with_the_cell_that_installs_the_package_in_colab(path):
    assert f'%pip install -q "git+https://github.com/{repository()}"' in code_cells(path)[0]["source"]


# --- no leak ------------------------------------------------------------------------------


def plain(text: str) -> str:
    """Text without blanks, markup, entities and a notebook's quotes, so that no dress hides anything."""
    text = re.sub(r'\\n",\s*"', "", re.sub(r"</?[A-Za-z][^<>]*>", "", text))
    for entity, sign in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#39;", "'"), ("&#x27;", "'"), ("&amp;", "&"),
                         ("\\u003c", "<"), ("\\u003e", ">"), ("\\u0026", "&"), ('\\"', '"'), ("\\n", "")):
        text = text.replace(entity, sign)
    return re.sub(r"\s+", "", text)


def telling(region: list[str], enough: int = 30) -> set[str]:
    """The shortest runs of neighbouring lines that are long enough to be nobody's chance."""
    lines = [plain(line) for line in region if not line.startswith(("from ", "import "))]
    runs = ["".join(lines[a:b]) for a in range(len(lines)) for b in range(a + 1, len(lines) + 1)
            if len("".join(lines[a:b - 1])) < enough <= len("".join(lines[a:b]))]
    return set(runs)


def secrets(path: Path) -> set[str]:
    """What tells a master's solutions and hidden tests, and does not stand in its open cells."""
    shown = plain("\n".join(c["source"] for c in student_edition(path).cells))
    return {run for region in closed_regions(path) for run in telling(region) if run not in shown}


def leaks(text: str, secret: set[str]) -> set[str]:
    found = plain(text)
    return {run for run in secret if run in found}


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file of a folder with its name, those in a zip as well."""
    for path in filter(Path.is_file, folder.rglob("*")):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                yield from ((f"{path.name}/{name}", packed.read(name).decode("utf8", "replace")) for name in packed.namelist())
        elif path.suffix not in {".png", ".woff2", ".npz", ".pt"}:
            yield path.name, path.read_text("utf8", "replace")


def solutions_in(folder: Path) -> list[str]:
    """Which files of a folder show which solution."""
    secret = set().union(*map(secrets, masters()))
    return [f"{name}: {run}" for name, text in texts(folder) for run in leaks(text, secret)]


@each_master
def test_a_student_edition_holds_no_solution(path):
    secret = secrets(path)
    assert len(secret) >= 20
    assert leaks(path.read_text("utf8"), secret) == secret, "the search itself must find what is there"
    assert not leaks(json.dumps(student_edition(path)), secret)


def test_no_chapter_shares_a_line_with_a_solution():
    assert not solutions_in(ROOT / "book")


def test_the_built_book_holds_no_solution():
    built = ROOT / "_build" / "html"
    if not built.is_dir():
        pytest.skip("no built book: make book")
    assert not solutions_in(built)


DRESSES = {
    "page.html": lambda line: "".join(f'<span class="n">{html.escape(word)}</span> ' for word in line.split()),
    "searchindex.js": lambda line: f"Search.setIndex({json.dumps({'terms': line})})",
    "chapter.ipynb": lambda line: json.dumps({"cells": [{"source": [f"    {line}\n", "pass"]}]}, indent=1),
    "chapter.md.txt": lambda line: f"```python\n{line}\n```",
}


@pytest.mark.parametrize("name", DRESSES)
@pytest.mark.parametrize("packed", [False, True], ids=["bare", "zipped"])
def test_one_line_of_a_solution_is_found_in_whatever_dress(tmp_path, name, packed):
    solution = next(e for e in ALL if e.question == "lab1.rate_code").solution
    line = next(line.strip() for line in solution.splitlines() if "rng.random((" in line)
    for folder, text in ((tmp_path / "clean", "for x in y: pass"), (tmp_path / "leaky", line)):
        folder.mkdir()
        if packed:
            with zipfile.ZipFile(folder / "book.zip", "w") as book:
                book.writestr(name, DRESSES[name](text))
        else:
            (folder / name).write_text(DRESSES[name](text), "utf8")
    assert not solutions_in(tmp_path / "clean")
    assert len(solutions_in(tmp_path / "leaky")) == 1


# --- the outputs are really compared --------------------------------------------------------


def test_a_changed_number_in_a_checked_output_fails(tmp_path):
    notebook = json.loads((LABS / "lab1.ipynb").read_text("utf8"))
    checked = next(c for c in notebook["cells"] if "nbval-check-output" in c["metadata"].get("tags", []))
    text = "".join(checked["outputs"][0]["text"])
    checked["outputs"][0]["text"] = [re.sub(r"\d(?=\D*$)", lambda digit: str((int(digit[0]) + 1) % 10), text)]
    (tmp_path / "tampered.ipynb").write_text(json.dumps(notebook), "utf8")
    ran = subprocess.run([sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-q", "-p", "no:cacheprovider",
                          str(tmp_path / "tampered.ipynb")], cwd=ROOT, capture_output=True, text=True,
                         env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert ran.returncode == 1 and "1 failed" in ran.stdout, ran.stdout[-2000:]


# --- the answer key -----------------------------------------------------------------------------


def test_a_class_list_becomes_a_key_in_which_students_differ(tmp_path):
    from labs.tools.key import read_class, write_key

    (tmp_path / "class.csv").write_text("name,student\nAda,ada\nBob,bob\n,\n", "utf8")
    students = read_class(tmp_path / "class.csv")
    write_key(students, tmp_path / "key.csv")
    with open(tmp_path / "key.csv", newline="", encoding="utf8") as file:
        ada, bob = csv.DictReader(file)
    assert ada["student"] == "ada" and set(ada) == set(bob)
    for column in ("lab1.u_by_hand.4", "lab3.ratio.alone"):
        assert float(ada[column]) != float(bob[column])


@pytest.mark.parametrize(("text", "says"), [("id\nada\n", "column `student`"), ("student\nada\nADA\n", "more than once"),
                                            ("student\nno id!\n", "student id")])
def test_a_class_list_that_is_none_is_refused(tmp_path, text, says):
    from labs.tools.key import read_class

    (tmp_path / "class.csv").write_text(text, "utf8")
    with pytest.raises(ValueError, match=says):
        read_class(tmp_path / "class.csv")


def test_making_the_editions_deletes_nothing_that_is_not_theirs(tmp_path, monkeypatch):
    for folder in ("STUDENT", "KEY"):
        monkeypatch.setattr(editions, folder, tmp_path / folder)
        (tmp_path / folder / "mine").mkdir(parents=True)
        (tmp_path / folder / "class.csv").write_text("the key of a class")
    monkeypatch.setattr("sys.argv", ["editions", "--course", "autumn"])
    editions.main()
    for folder in ("STUDENT", "KEY"):
        assert (tmp_path / folder / "class.csv").read_text() == "the key of a class" and (tmp_path / folder / "mine").is_dir()
        assert 'COURSE = \\"autumn\\"' in (tmp_path / folder / "lab1.ipynb").read_text("utf8")
