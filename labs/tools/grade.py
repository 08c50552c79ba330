"""Submissions to scores: nbgrader's autograder, each submission by itself, whatever it does.

python -m labs.tools.grade SUBMITTED [--scores scores.csv] [--feedback folder]
                             [--class-list class.csv] [--course word] [--cell-seconds 120] [--seconds 600] [--memory-gb 4]

SUBMITTED is a folder, or the zip that a learning platform makes; intake.py finds out whose each file is.
Each file of it, and each student of the class list, gets a row that says what became of it.
Grading RUNS the students' code, as you. The limits here keep an accident from stopping the others;
they are no wall against malice: see labs/README.md for a container.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import nbformat
import psutil
from nbgrader.api import Gradebook

from dtsnn_lite.classroom.variants import NAME
from labs.tools.classlist import Member, class_list
from labs.tools.editions import student_edition
from labs.tools.exams import examined
from labs.tools.handed_in import Cell, NoNotebook, cells_of
from labs.tools.intake import Plan, Submission, Ungraded, in_course, plan
from labs.tools.masters import LABS, exercises, masters
from labs.tools.pile import LARGEST_FILE as LARGEST_NOTEBOOK
from labs.tools.pile import gathered
from labs.tools.poured import LARGEST as LARGEST_CODE
from labs.tools.poured import poured

ROOT = LABS.parent
LARGEST_FILE = 500_000_000          # bytes that student code may write to one file


@dataclass(frozen=True)
class Limits:
    """What a submission may take: seconds a cell, seconds in all, bytes of memory."""

    cell_seconds: int = 120
    seconds: int = 600
    memory_bytes: int = 4_000_000_000


@dataclass(frozen=True)
class Grade:
    """A row of the scores: status is `graded`, or why not; said are the failed tests' messages; file and note are the plan's."""

    student: str
    lab: str
    score: float
    max_score: float
    status: str
    said: dict[str, str] = field(default_factory=dict)
    file: str = ""
    note: str = ""

    @property
    def row(self) -> dict:
        said = "; ".join(f"{name}: {words}" for name, words in self.said.items())
        return {"student": self.student, "lab": self.lab, "score": self.score, "max_score": self.max_score,
                "status": self.status, "feedback": said, "file": self.file, "note": self.note}


COLUMNS = ("student", "lab", "score", "max_score", "status", "feedback", "file", "note")


def submissions(folder: Path, scratch: Path, members: Sequence[Member] = (), course: str = "") -> Plan:
    """What to do with the files of a folder or a zip; those that lie in zips are unpacked into scratch."""
    return in_course(plan(gathered(folder, scratch), [path.stem for path in masters()], members), course)


def max_score(lab: str) -> float:
    return float(sum(e.points for e in exercises(LABS / f"{lab}.ipynb")) + memo_points(lab))


def memo_points(lab: str) -> float:
    """Points of a lab that a person gives."""
    cells = nbformat.read(LABS / f"{lab}.ipynb", as_version=4).cells
    return sum(c.metadata.nbgrader.points for c in cells
               if c.cell_type == "markdown" and c.metadata.get("nbgrader", {}).get("grade"))


# --- a course for nbgrader, once a lab -------------------------------------------------

def nbgrader(course: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "nbgrader", *arguments, f"--course={course}"]


def make_course(lab: str, course: Path) -> Path:
    """A folder in which nbgrader knows the lab: source, release, gradebook."""
    source = course / "source" / lab
    source.mkdir(parents=True)
    nbformat.write(examined(nbformat.read(LABS / f"{lab}.ipynb", as_version=4)), source / f"{lab}.ipynb")
    shutil.copy(LABS / "nbgrader_config.py", course)
    command = nbgrader(course, "generate_assignment", lab)
    ran = subprocess.run(command, cwd=course, env=environment(course), capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"nbgrader could not release {lab}:\n{ran.stderr[-2000:]}")
    return course


def environment(home: Path, **more: str) -> dict[str, str]:
    """What a graded process sees: the tools, this package, a home of its own, and nothing else of yours."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"    # nbgrader calls alembic
    kept = {key: os.environ[key] for key in ("LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR") if key in os.environ}
    return {**kept, "PATH": tools, "PYTHONPATH": str(ROOT), "HOME": str(home), "OMP_NUM_THREADS": "1",
            "MPLBACKEND": "agg", "MPLCONFIGDIR": str(Path(tempfile.gettempdir()) / "lab-matplotlib"), **more}


# --- one submission ------------------------------------------------------------------------

def grade(submission: Submission, course: Path, limits: Limits = Limits()) -> Grade:
    """The grade of one submission, made in a copy of the course that is thrown away."""
    row = Grade(submission.student, submission.lab, 0.0, max_score(submission.lab), "", file=submission.file, note=submission.note)
    try:
        cells = cells_to_grade(submission)
    except NoNotebook as reason:
        return replace(row, status=str(reason))
    with tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True) as folder:
        own = shutil.copytree(course, Path(folder) / "course")
        handed_in = own / "submitted" / id_of(submission) / submission.lab
        handed_in.mkdir(parents=True)
        nbformat.write(poured(sheet_of(submission.lab), cells, id_of(submission), submission.course), handed_in / f"{submission.lab}.ipynb")
        status = run_autograder(submission, own, limits)
        return replace(row, **outcome_of(submission, own, status))


def id_of(submission: Submission) -> str:
    """The id that draws the constants, and that nbgrader knows."""
    return submission.draws or submission.student


@lru_cache(maxsize=1)
def sheet_of(lab: str) -> nbformat.NotebookNode:
    return student_edition(LABS / f"{lab}.ipynb")


def cells_to_grade(submission: Submission) -> list[Cell]:
    """The cells of a submission; NoNotebook says why it is not even started."""
    if not NAME.fullmatch(id_of(submission)):
        raise NoNotebook("the folder's name is no student id, and its STUDENT is none")
    if submission.path.stat().st_size > LARGEST_NOTEBOOK:
        raise NoNotebook(f"the notebook is larger than {LARGEST_NOTEBOOK // 1_000_000} MB")
    cells = cells_of(submission.path.read_bytes())
    if sum(len(cell.source) for cell in cells) > LARGEST_CODE:
        raise NoNotebook(f"its cells hold more than {LARGEST_CODE // 1_000_000} million characters")
    return cells


def run_autograder(submission: Submission, course: Path, limits: Limits) -> str:
    """nbgrader autograde under a watch; what went wrong, or nothing."""
    mark = uuid.uuid4().hex
    command = nbgrader(course, "autograde", submission.lab, f"--student={id_of(submission)}",
                       f"--ExecutePreprocessor.timeout={limits.cell_seconds}")
    with open(course / "autograde.log", "wb") as log:
        process = subprocess.Popen(command, cwd=course, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env=environment(course, LAB_RUN=mark, LAB_STUDENT=id_of(submission), LAB_COURSE=submission.course),
                                   preexec_fn=small_files if os.name == "posix" else None)
        try:
            return watch(process, mark, limits) or outcome(process.returncode, course / "autograde.log")
        finally:
            for straggler in marked(mark):      # kernels and whatever the notebook has started
                straggler.kill()
            process.wait()


def watch(process: subprocess.Popen, mark: str, limits: Limits) -> str:
    """Waits for the process; what limit it broke, or nothing."""
    began = time.monotonic()
    while process.poll() is None:
        time.sleep(0.5)
        if time.monotonic() - began > limits.seconds:
            return f"stopped after {limits.seconds} seconds"
        if sum(memory_bytes(p) for p in marked(mark)) > limits.memory_bytes:
            return f"stopped above {limits.memory_bytes / 1e9:.0f} GB of memory"
    return ""


def outcome(returncode: int, log: Path) -> str:
    """Why nbgrader gave up; nothing where it did not."""
    if returncode == 0:
        return ""
    text = log.read_text("utf8", "replace") if log.exists() else ""
    return "its kernel died" if "DeadKernelError" in text else "nbgrader could not finish it"


def marked(mark: str) -> list[psutil.Process]:
    """The processes that carry the mark in their environment, wherever they have moved to."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("LAB_RUN") == mark:
                found.append(process)
        except psutil.Error:
            continue
    return found


def memory_bytes(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def small_files() -> None:
    """No file above LARGEST_FILE, in this process and its children."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))


# --- what came of it ---------------------------------------------------------------------


def outcome_of(submission: Submission, course: Path, status: str) -> dict:
    """Score, status and messages; status is what went wrong already, or empty."""
    tests = {f"{e.name}-test": e.points for e in exercises(LABS / f"{submission.lab}.ipynb")}
    path = course / "autograded" / id_of(submission) / submission.lab / f"{submission.lab}.ipynb"
    if not path.is_file():          # nbgrader broke off: what its gradebook has is what was saved before
        score = score_of(submission, course)
        kept = min(score or 0.0, sum(tests.values()))
        return {"score": kept, "status": status or ("it left nothing to grade" if score is None else "graded")}
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code" and "nbgrader" in cell.metadata]
    ran = {cell.metadata.nbgrader.grade_id: error_of(cell) for cell in cells if cell.execution_count}
    count = len(tests.keys() & ran)
    some = "" if count == len(tests) else f"only {count} of {len(tests)} tests ran"
    return {"score": float(sum(points for name, points in tests.items() if ran.get(name) == "")),
            "status": status or some or "graded", "said": messages(ran)}


def score_of(submission: Submission, course: Path) -> float | None:
    """What the gradebook says; None where there is no gradebook, or no grade in it."""
    try:
        with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
            return float(book.find_submission(submission.lab, id_of(submission)).score)
    except Exception:       # a damaged or missing gradebook is this submission's loss, nobody else's
        return None


def messages(errors: dict[str, str]) -> dict[str, str]:
    """What each failed test said, after what the exercise's own cell said; never the tests themselves."""
    failed = [name.removesuffix("-test") for name, words in errors.items() if name.endswith("-test") and words]
    return {name: "; ".join(dict.fromkeys(errors[part] for part in (name, f"{name}-test") if errors.get(part))) for name in failed}


def error_of(cell: nbformat.NotebookNode) -> str:
    """The first error of a cell that ran; empty where it had none."""
    return next((one_line(output) for output in cell.outputs if output.output_type == "error"), "")


def one_line(error: nbformat.NotebookNode) -> str:
    if error.ename in ("CellTimeoutError", "KeyboardInterrupt"):       # the limit's two words; whichever comes first
        return "CellTimeoutError: the cell was stopped: it ran longer than the limit"
    return " ".join(f"{error.ename}: {error.evalue}".split())[:300]


# --- all of them ------------------------------------------------------------------------------

def grade_all(made: Plan, limits: Limits = Limits()) -> Iterator[Grade]:
    """The grades of a plan, one after the other, then a row for each file and student without one."""
    with tempfile.TemporaryDirectory(prefix="courses-") as courses:
        masters_of = {lab: make_course(lab, Path(courses) / lab) for lab in sorted({s.lab for s in made.graded})}
        for submission in made.graded:
            yield grade(submission, masters_of[submission.lab], limits)
    yield from map(row_without_grade, made.ungraded)


def row_without_grade(one: Ungraded) -> Grade:
    return Grade(one.student, one.lab, 0.0, max_score(one.lab) if one.lab else 0.0, one.cause, file=one.file)


def summary(made: Plan) -> str:
    """What became of the files that were there: the numbers add up."""
    causes = sum(bool(one.file) for one in made.ungraded)
    older = made.files - made.passed_over - len(made.graded) - causes
    parts = {"to grade": len(made.graded), "older versions": older, "not graded (see their status)": causes,
             "of no person": made.passed_over}
    absent = len(made.ungraded) - causes
    return (f"{made.files} files: " + ", ".join(f"{count} {what}" for what, count in parts.items() if count)
            + (f"; {absent} hand-ins of the class list are missing" if absent else ""))


def write_feedback(grade: Grade, folder: Path) -> None:
    """One page a submission, to hand back: the messages, never the hidden tests."""
    page = folder / grade.student / f"{grade.lab}.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"# {grade.lab}: {grade.score:g} of {grade.max_score:g} points", "", f"Status: {grade.status}.", ""]
    lines += [f"Note: {grade.note}.", ""] if grade.note else []
    lines += [f"- **{name}** {words}" for name, words in grade.said.items()] or ["No test failed."] * (grade.score > 0)
    page.write_text("\n".join(lines) + "\n", "utf8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Grade a folder of submissions.")
    parser.add_argument("submitted", type=Path)
    parser.add_argument("--scores", type=Path, default=Path("scores.csv"))
    parser.add_argument("--feedback", type=Path, default=Path("feedback"))
    parser.add_argument("--cell-seconds", type=int, default=Limits.cell_seconds)
    parser.add_argument("--seconds", type=int, default=Limits.seconds)
    parser.add_argument("--memory-gb", type=float, default=Limits.memory_bytes / 1e9)
    parser.add_argument("--class-list", type=Path, help="CSV of the class: who handed nothing in gets a row, too")
    parser.add_argument("--course", default="", help="the course's word; without it, the one that most notebooks name")
    given = parser.parse_args()
    if not given.submitted.exists():
        parser.error(f"{given.submitted} is no folder, and no zip")
    try:
        members = class_list(given.class_list) if given.class_list else []
    except (OSError, ValueError) as reason:
        parser.error(str(reason))
    limits = Limits(given.cell_seconds, given.seconds, int(given.memory_gb * 1e9))
    with tempfile.TemporaryDirectory(prefix="handed-in-") as scratch:
        made = submissions(given.submitted, Path(scratch), members, given.course)
        write_grades(grade_all(made, limits), given.scores, given.feedback)
    print(summary(made), f"scores: {given.scores}   feedback: {given.feedback}/<student>/<lab>.md", sep="\n")


def write_grades(grades: Iterator[Grade], scores: Path, feedback: Path) -> None:
    """The table, a row as soon as it is known, and a page for each student and lab."""
    with open(scores, "w", newline="", encoding="utf8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        for one in grades:
            table.writerow(one.row)
            file.flush()
            if one.student and one.lab:
                write_feedback(one, feedback)
            print(f"{one.student:20} {one.lab:4}  {one.score:5.1f} / {one.max_score:g}  {one.status}", flush=True)


if __name__ == "__main__":
    main()
