"""Every row of the scores says what became of a hand-in: what ran, what did not, what was never handed in."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import nbformat
import pytest

from labs.tools.grade import grade_all, row_without_grade, rows_of, submissions, summary, write_grades
from labs.tools.handed_in import NoNotebook
from labs.tools.intake import Ungraded
from labs.tools.classlist import class_list
from labs.tools.marking import cells_to_grade, outcome, papers_of, points_of
from labs.tools.rehearsal import LAB, Pupil, hand_in, references
from labs.tools.sitting import STOPPED, Limits, Sitting, Taken
from labs.tools.table import Table

POINTS = points_of(LAB)
BEST = sum(POINTS.values())
CELLS = [name for exercise in POINTS for name in (exercise, f"{exercise}-test")]
SHEET = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("...", metadata={"nbgrader": {"grade_id": name}}) for name in CELLS])
RESET = Taken("NotYet", "you forgot the reset", 2)


def row(full: Mapping[str, Taken], told: Mapping[str, Taken] | None = None, cells: int = len(CELLS), stopped: str = "") -> dict[str, Any]:
    """What comes of a notebook in whose two sittings these cells had errors."""
    sittings = [Sitting([made.get(name, Taken()) for name in CELLS[:cells]], stopped) for made in (full, told or {})]
    return outcome(SHEET, papers_of(LAB), POINTS, *sittings)


def test_a_test_gives_its_points_if_it_ran_without_an_error():
    assert row({}) == {"score": BEST, "status": "graded", "said": {}}
    assert row({"neuron-test": RESET}, {"neuron-test": RESET}) == {
        "score": BEST - POINTS["neuron"], "status": "graded", "said": {"neuron": "NotYet: you forgot the reset"}}


def test_a_test_that_did_not_run_gives_nothing_and_the_status_says_so():
    made = row({}, cells=len(CELLS) - 1)
    assert made["score"] == BEST - POINTS["rate_code"]
    assert made["status"] == f"only {len(POINTS) - 1} of {len(POINTS)} tests ran"


def test_what_was_passed_before_a_desk_was_ended_counts_and_the_status_says_why_it_was():
    made = row({}, cells=2, stopped="its kernel died")
    assert made["score"] == POINTS["by_hand"] and made["status"] == "its kernel died"


def test_what_is_said_while_the_hidden_tests_are_there_is_never_shown():
    spy = Taken("ValueError", "assert first_spike(0.3, 0.9, 1.0) == 4", papers_of(LAB)["first_spike-test"].tests.count("\n"))
    made = row({"first_spike-test": spy})
    assert made["said"] == {"first_spike": "first_spike: wrong for another current"}, "the author's words for that line"
    nowhere = row({"first_spike-test": replace(spy, line=0)})
    assert nowhere["said"] == {"first_spike": "a test with other inputs, which you do not see, ends in an error"}
    seen = row({"first_spike-test": spy}, {"first_spike-test": RESET, "first_spike": Taken("TypeError", "no loop")})
    assert seen["said"] == {"first_spike": "TypeError: no loop; NotYet: you forgot the reset"}


def test_a_cell_that_was_stopped_is_said_to_be():
    assert "ran longer than the limit" in row({"neuron-test": Taken(STOPPED, "")})["said"]["neuron"]


def test_megabytes_of_saved_output_cost_nothing(tmp_path):
    made = hand_in(Pupil("ada", references(LAB), 0), tmp_path)
    notebook = nbformat.read(made.path, as_version=4)
    notebook.cells[8].outputs = [nbformat.v4.new_output("stream", text="x" * 30_000_000)]
    nbformat.write(notebook, made.path)
    assert len(cells_to_grade(made)) == len(notebook.cells)


def test_code_that_no_person_wrote_is_not_started(tmp_path):
    made = hand_in(Pupil("ada", {"neuron": "x = '" + 6_000_000 * "y" + "'"}, 0), tmp_path)
    with pytest.raises(NoNotebook, match="million characters"):
        cells_to_grade(made)


def test_the_table_has_a_row_for_every_file_and_every_absent_student(tmp_path):
    for pupil in (Pupil("ada", references(LAB), 11), Pupil("bob", {}, 0)):
        hand_in(pupil, tmp_path / "s")
    (tmp_path / "s" / "ada" / "notes.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "class.csv").write_text("student;name\nada;Ada\nbob;Bob\nzoe;Zoë\n", "cp1252")
    made = submissions(tmp_path / "s", tmp_path, class_list(tmp_path / "class.csv"))
    table = Table(tmp_path / "scores.csv", "s")
    five = lambda jobs: ((job, replace(job.row, score=5.0, status="graded")) for job in jobs)
    write_grades(grade_all(rows_of(made, Limits(), True), table, five), table, tmp_path / "feedback")
    with open(tmp_path / "scores.csv", newline="", encoding="utf8") as file:
        rows = [(row["student"], row["lab"], row["status"][:15], row["file"]) for row in csv.DictReader(file)]
    assert rows == [("ada", LAB, "graded", "ada/lab1/lab1.ipynb"), ("bob", LAB, "graded", "bob/lab1/lab1.ipynb"),
                    ("ada", "", "no notebook (.p", "ada/notes.pdf"), ("zoe", LAB, "nothing handed ", "")]
    assert summary(made) == "3 files: 2 to grade, 1 not graded (see their status); 1 hand-ins of the class list are missing"
    assert (tmp_path / "feedback" / "zoe" / f"{LAB}.md").is_file()


def test_a_row_without_a_lab_has_no_points_and_one_with_it_the_lab_s():
    assert row_without_grade(Ungraded("ada", "", "x.pdf", "why")).max_score == 0
    made = row_without_grade(Ungraded("ada", LAB, "", "nothing handed in"))
    assert (made.score, made.max_score, made.status) == (0.0, BEST, "nothing handed in")


def test_everybody_s_constants_are_drawn_in_the_course_that_most_notebooks_name(tmp_path):
    for name, course in (("ada", "autumn"), ("bob", "autumn"), ("eve", "spring")):
        path = hand_in(Pupil(name, {}, 0), tmp_path).path
        path.write_text(path.read_text("utf8").replace('COURSE = \\"open\\"', f'COURSE = \\"{course}\\"'), "utf8")
    made = submissions(tmp_path, tmp_path)
    assert [one.course for one in made.graded] == 3 * ["autumn"]
    assert [one.note for one in made.graded] == ["", "", "its COURSE is 'spring', it is graded in 'autumn'"]
    assert {one.course for one in submissions(tmp_path, tmp_path, course="spring").graded} == {"spring"}
