"""Every row of the scores says what became of a hand-in: what ran, what did not, what was never handed in."""

from __future__ import annotations

import csv
from collections.abc import Container, Mapping
from pathlib import Path

import nbformat
import pytest

from labs.tools import grade as grading
from labs.tools.grade import Grade, cells_to_grade, grade_all, outcome_of, row_without_grade, submissions, summary, write_grades
from labs.tools.handed_in import NoNotebook
from labs.tools.intake import Submission, Ungraded
from labs.tools.rehearsal import LAB, Pupil, hand_in, points, references

POINTS = {f"{name}-test": worth for name, worth in points(LAB).items()}
ADA = Submission("ada", LAB, Path("lab1.ipynb"))
ERROR = nbformat.v4.new_output("error", ename="NotYet", evalue="you forgot the reset", traceback=["the hidden test"])
WARNED = nbformat.v4.new_output("stream", name="stderr", text="RuntimeWarning: overflow")


def autograded(course: Path, outputs: Mapping[str, list], left_out: Container[str] = (), skipped: Container[str] = ()) -> dict:
    """What comes of a notebook that nbgrader has run, with these outputs."""
    cells = []
    for name in (name for name in POINTS if name not in left_out):
        cell = nbformat.v4.new_code_cell("...", metadata={"nbgrader": {"grade_id": name}}, outputs=outputs.get(name, []))
        cell.execution_count = None if name in skipped else 7
        cells.append(cell)
    path = course / "autograded" / "ada" / LAB / f"{LAB}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return outcome_of(ADA, course, "")


def test_a_test_gives_its_points_if_it_ran_without_an_error_whatever_it_printed(tmp_path):
    made = autograded(tmp_path, {"neuron-test": [ERROR], "by_hand-test": [WARNED]})
    assert made == {"score": sum(POINTS.values()) - POINTS["neuron-test"], "status": "graded",
                    "said": {"neuron": "NotYet: you forgot the reset"}}


@pytest.mark.parametrize("way", ["left_out", "skipped"])
def test_a_test_that_did_not_run_gives_nothing_and_the_status_says_so(tmp_path, way):
    made = autograded(tmp_path, {}, **{way: ["neuron-test"]})
    assert made["score"] == sum(POINTS.values()) - POINTS["neuron-test"]
    assert made["status"] == f"only {len(POINTS) - 1} of {len(POINTS)} tests ran"


def test_a_notebook_that_left_nothing_says_so(tmp_path):
    assert outcome_of(ADA, tmp_path, "") == {"score": 0.0, "status": "it left nothing to grade"}
    assert outcome_of(ADA, tmp_path, "its kernel died")["status"] == "its kernel died"


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


def test_the_table_has_a_row_for_every_file_and_every_absent_student(tmp_path, monkeypatch):
    for pupil in (Pupil("ada", references(LAB), 11), Pupil("bob", {}, 0)):
        hand_in(pupil, tmp_path / "s")
    (tmp_path / "s" / "ada" / "notes.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "class.csv").write_text("student;name\nada;Ada\nbob;Bob\nzoe;Zoë\n", "cp1252")
    monkeypatch.setattr(grading, "make_course", lambda lab, course: course)
    monkeypatch.setattr(grading, "grade", lambda one, course, limits: Grade(one.student, one.lab, 5.0, 11.0, "graded", file=one.file))
    made = submissions(tmp_path / "s", tmp_path, grading.class_list(tmp_path / "class.csv"))
    write_grades(grade_all(made), tmp_path / "scores.csv", tmp_path / "feedback")
    with open(tmp_path / "scores.csv", newline="", encoding="utf8") as file:
        rows = [(row["student"], row["lab"], row["status"][:15], row["file"]) for row in csv.DictReader(file)]
    assert rows == [("ada", LAB, "graded", "ada/lab1/lab1.ipynb"), ("bob", LAB, "graded", "bob/lab1/lab1.ipynb"),
                    ("ada", "", "no notebook (.p", "ada/notes.pdf"), ("zoe", LAB, "nothing handed ", "")]
    assert summary(made) == "3 files: 2 to grade, 1 not graded (see their status); 1 hand-ins of the class list are missing"
    assert (tmp_path / "feedback" / "zoe" / f"{LAB}.md").is_file()


def test_a_row_without_a_lab_has_no_points_and_one_with_it_the_lab_s():
    assert row_without_grade(Ungraded("ada", "", "x.pdf", "why")).row["max_score"] == 0
    row = row_without_grade(Ungraded("ada", LAB, "", "nothing handed in")).row
    assert (row["score"], row["max_score"], row["status"]) == (0.0, sum(POINTS.values()), "nothing handed in")


def test_everybody_s_constants_are_drawn_in_the_course_that_most_notebooks_name(tmp_path):
    for name, course in (("ada", "autumn"), ("bob", "autumn"), ("eve", "spring")):
        path = hand_in(Pupil(name, {}, 0), tmp_path).path
        path.write_text(path.read_text("utf8").replace('COURSE = \\"open\\"', f'COURSE = \\"{course}\\"'), "utf8")
    made = submissions(tmp_path, tmp_path)
    assert [one.course for one in made.graded] == 3 * ["autumn"]
    assert [one.note for one in made.graded] == ["", "", "its COURSE is 'spring', it is graded in 'autumn'"]
    assert {one.course for one in submissions(tmp_path, tmp_path, course="spring").graded} == {"spring"}
