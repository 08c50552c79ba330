"""Grading: each submission gets the score it deserves, and none stops the others."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import psutil
import pytest

from labs.tools.grade import folder_name, submissions, write_feedback
from labs.tools.intake import Submission
from labs.tools.marking import Job, graded, max_score, memo_points, prepared
from labs.tools.masters import LABS, code_cells, grade_id, masters, run_cell
from labs.tools.rehearsal import ALONE, HOSTILE, LAB, LOST_ALL, Pupil, hand_in, points, pupils, references, surprises, wrong
from labs.tools.sitting import Limits
from labs.tools.table import COLUMNS, Grade
from labs.tools.walls import NoWall

RIGHT, POINTS = references(LAB), points(LAB)

# Seconds a cell: what loops for ever costs them all, and what does not must never meet the limit on a busy machine.
PATIENT, IMPATIENT = 300, 60
CLASS = {
    "right": (RIGHT, sum(POINTS.values()), "graded", ""),
    "stub": ({}, 0, "graded", "still to be written"),
    "endless": (RIGHT | {"neuron": "import time\nwhile True:\n    time.sleep(1)"}, sum(POINTS.values()) - POINTS["neuron"], "graded",
                "CellTimeoutError: the cell was stopped: it ran longer than the limit; NameError"),
    "delete": (RIGHT | {"rate_code": HOSTILE["deletes-its-folder"]}, sum(POINTS.values()) - POINTS["rate_code"], "graded", ""),
    "renames": (RIGHT | {"by_hand": RIGHT["by_hand"] + "\ncheck = expect = lambda *_: 0\nclose = lambda *_: True",
                         "rate_code": RIGHT["rate_code"].replace("deviation ** 2", "deviation")},
                sum(POINTS.values()) - POINTS["rate_code"], "graded", "square root of T"),
}


FOREVER = ("import subprocess, sys, time\n"
           f"subprocess.Popen([sys.executable, '-c', 'import time\\nwhile True: time.sleep(1) or {os.getpid()}'], start_new_session=True)\n"
           "while True:\n    time.sleep(1)")
STOPPED = {"forever": ({"by_hand": FOREVER}, 0, f"stopped after {IMPATIENT} seconds", ""),
           "hoards": (RIGHT, 0, "stopped above 1e-09 GB of memory", "")}
LIMITS = {"endless": Limits(cell_seconds=IMPATIENT, seconds=900), "forever": Limits(PATIENT, seconds=IMPATIENT),
          "hoards": Limits(memory_bytes=1)}


def job_of(submission: Submission, limits: Limits) -> Job:
    job = prepared(submission, limits, unprotected=True)
    assert isinstance(job, Job), job
    return job


@pytest.fixture(scope="module")
def grades(tmp_path_factory) -> Iterator[dict[str, Future[Grade]]]:
    """Every submission on its way, one after the other; those that sleep until a limit stops them sleep meanwhile."""
    folder, made = tmp_path_factory.mktemp("submitted"), {}
    with ThreadPoolExecutor(1) as working, ThreadPoolExecutor(2) as sleeping:
        for student, (solutions, score, _, _) in (CLASS | STOPPED).items():
            pool = sleeping if student in ("endless", "forever") else working
            handed_in = hand_in(Pupil(student, solutions, score), folder)
            made[student] = pool.submit(graded, job_of(handed_in, LIMITS.get(student, Limits(PATIENT, seconds=900))), NoWall())
        yield made


@pytest.mark.parametrize("student", CLASS | STOPPED)
def test_a_submission_is_graded_as_what_it_is(student, grades):
    _, score, status, said = (CLASS | STOPPED)[student]
    made = grades[student].result()
    assert made.score == score and made.max_score == sum(POINTS.values()), made
    assert made.status == status
    assert said in str(made.said)
    assert "BEGIN" not in made.row["feedback"]


def test_a_submission_that_never_ends_leaves_no_process(grades):
    assert grades["forever"].result().score == 0
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert not [line for line in lines if f"while True: time.sleep(1) or {os.getpid()}" in line]


@pytest.mark.parametrize(("text", "says"), [("{", "not a notebook"), ("", "not a notebook"), ("[]", "not a notebook")])
def test_a_file_that_is_no_notebook_is_not_started(tmp_path, text, says):
    path = tmp_path / f"{LAB}.ipynb"
    path.write_text(text, "utf8")
    made = prepared(Submission("ada", LAB, path), Limits(), unprotected=True)
    assert isinstance(made, Grade) and made.score == 0 and says in made.status and made.max_score == max_score(LAB)


def test_a_folder_whose_name_is_no_id_is_not_started(tmp_path):
    made = prepared(Submission("a b", LAB, tmp_path), Limits(), unprotected=True)
    assert isinstance(made, Grade) and "no student id" in made.status


def test_both_layouts_are_found_and_links_are_not_followed(tmp_path):
    hand_in(Pupil("ada", {}, 0), tmp_path)
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob" / "lab3.ipynb").write_text("{}")
    (tmp_path / "eve").symlink_to(tmp_path / "ada")
    made = submissions(tmp_path, tmp_path)
    assert [(s.student, s.lab) for s in made.graded] == [("ada", "lab1"), ("bob", "lab3")]
    assert [(s.file, s.cause[:6]) for s in made.ungraded] == [("eve", "a link")]


def test_feedback_holds_the_messages_and_the_scores_are_a_table(tmp_path):
    one = Grade("ada", LAB, 3.0, 11.0, "graded", {"neuron": "NotYet: you forgot the reset"})
    write_feedback(one, tmp_path)
    assert "3 of 11" in (page := (tmp_path / "ada" / "lab1.md").read_text("utf8")) and "forgot the reset" in page
    assert "you forgot the reset" in one.row["feedback"]


def test_what_a_student_is_called_is_no_path_and_what_a_student_says_is_no_markup(tmp_path):
    for name in ("..", "../../ada", "/etc/ada", "<img src=x onerror=alert(1)>", "=HYPERLINK(1)", "\x00", "a" + chr(0x202E) + "b"):
        folder = folder_name(name)
        assert "/" not in folder and folder.strip(".") and "<" not in folder and (tmp_path / folder).resolve().parent == tmp_path
    one = Grade("<b>ada</b>", LAB, 3.0, 11.0, "graded", {"neuron": "E: <script>alert(1)</script> [x](javascript:alert(1))"})
    write_feedback(one, tmp_path)
    page, = tmp_path.rglob("*.md")
    assert "<script" not in page.read_text("utf8") and "](" not in page.read_text("utf8")


def test_the_rehearsal_is_a_class_of_thirty_from_every_lab():
    made = pupils()
    assert len(made) == len({p.name for p in made}) == 30
    assert {p.lab for p in made} == {path.stem for path in masters()}
    assert LOST_ALL < set(HOSTILE) < {p.name for p in made} and {lab for lab, _ in ALONE} == {path.stem for path in masters()}
    for pupil in made:
        best = max_score(pupil.lab) - memo_points(pupil.lab)
        assert (pupil.score == best) == pupil.name.startswith("right") and 0 <= pupil.score <= best


@pytest.mark.parametrize(("lab", "exercise"), ALONE, ids=".".join)
def test_a_mistake_that_the_rehearsal_makes_costs_its_own_exercise_only(lab, exercise):
    handed_in, names, lost = wrong("wrong", lab, exercise).solutions, {"__name__": "__lab__"}, []
    for cell in code_cells(LABS / f"{lab}.ipynb"):
        if "slow" in cell["metadata"].get("tags", []) or "google.colab" in cell["source"]:
            continue
        try:
            run_cell(handed_in.get(grade_id(cell), cell["source"]), names)
        except Exception:
            lost.append(grade_id(cell))
    assert f"{exercise}-test" in lost and set(lost) <= {f"{exercise}-test", exercise, ""}


def test_a_rehearsal_notices_another_score_a_missing_row_and_one_too_many(tmp_path):
    rows = [Grade("ada", LAB, 3.0, 11.0, "graded"), Grade("bob", LAB, 11.0, 11.0, "graded"), Grade("eve", LAB, 0.0, 11.0, "graded")]
    with open(tmp_path / "scores.csv", "w", newline="", encoding="utf8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(row.row for row in rows)
    fine = [Pupil(row.student, {}, row.score) for row in rows]
    assert surprises(tmp_path / "scores.csv", fine) == []
    for expected, says in (([Pupil("ada", {}, 4.0), *fine[1:]], "3 for 4"), ([*fine, Pupil("zoe", {}, 0.0)], "no row"),
                           (fine[:2], "nobody handed that in")):
        assert len(found := surprises(tmp_path / "scores.csv", expected)) == 1 and says in found[0]
