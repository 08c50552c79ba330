"""Submissions to scores: nbgrader's autograder, each submission by itself, whatever it does.

python -m labs.tools.grade SUBMITTED [--scores scores.csv] [--feedback folder]
                             [--cell-seconds 120] [--seconds 600] [--memory-gb 4]

SUBMITTED holds <student>/<lab>/<lab>.ipynb (nbgrader's layout) or <student>/<lab>.ipynb.
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
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from nbgrader.api import Gradebook

from dtsnn_lite.classroom.variants import NAME
from labs.tools.masters import LABS, exercises, masters

ROOT = LABS.parent
LARGEST_NOTEBOOK = 20_000_000       # bytes; a lab with its figures has a tenth of it
LARGEST_FILE = 500_000_000          # bytes that student code may write to one file


@dataclass(frozen=True)
class Limits:
    """What a submission may take: seconds a cell, seconds in all, bytes of memory."""

    cell_seconds: int = 120
    seconds: int = 600
    memory_bytes: int = 4_000_000_000


@dataclass(frozen=True)
class Submission:
    """One student's notebook for one lab."""

    student: str
    lab: str
    path: Path


@dataclass(frozen=True)
class Grade:
    """A row of the scores: status is `graded`, or why not; said are the failed tests' messages."""

    student: str
    lab: str
    score: float
    max_score: float
    status: str
    said: dict[str, str] = field(default_factory=dict)

    @property
    def row(self) -> dict:
        said = "; ".join(f"{name}: {words}" for name, words in self.said.items())
        return {"student": self.student, "lab": self.lab, "score": self.score, "max_score": self.max_score,
                "status": self.status, "feedback": said}


COLUMNS = ("student", "lab", "score", "max_score", "status", "feedback")


def submissions(folder: Path) -> Iterator[Submission]:
    """Every notebook in the folder that bears a lab's name."""
    labs = {path.stem for path in masters()}
    for student in sorted(p for p in folder.iterdir() if p.is_dir() and not p.is_symlink()):
        for lab in sorted(labs):
            found = [p for p in (student / lab / f"{lab}.ipynb", student / f"{lab}.ipynb") if p.is_file()]
            if found:
                yield Submission(student.name, lab, found[0])


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
    nbformat.write(with_own_names(nbformat.read(LABS / f"{lab}.ipynb", as_version=4)), source / f"{lab}.ipynb")
    shutil.copy(LABS / "nbgrader_config.py", course)
    command = nbgrader(course, "generate_assignment", lab)
    ran = subprocess.run(command, cwd=course, env=environment(course), capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"nbgrader could not release {lab}:\n{ran.stderr[-2000:]}")
    return course


def with_own_names(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A master whose tests fetch `check`, `close` and `expect` anew: a student may have given another thing that name."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source = f"from dtsnn_lite.classroom.checks import check, close, expect\n{cell.source}"
    return notebook


def environment(home: Path, **more: str) -> dict[str, str]:
    """What a graded process sees: the tools, this package, a home of its own, and nothing else of yours."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"    # nbgrader calls alembic
    kept = {key: os.environ[key] for key in ("LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR") if key in os.environ}
    return {**kept, "PATH": tools, "PYTHONPATH": str(ROOT), "HOME": str(home), "OMP_NUM_THREADS": "1",
            "MPLBACKEND": "agg", "MPLCONFIGDIR": str(Path(tempfile.gettempdir()) / "lab-matplotlib"), **more}


# --- one submission ------------------------------------------------------------------------

def grade(submission: Submission, course: Path, limits: Limits = Limits()) -> Grade:
    """The grade of one submission, made in a copy of the course that is thrown away."""
    best = max_score(submission.lab)
    refused = reason_to_refuse(submission)
    if refused:
        return Grade(submission.student, submission.lab, 0.0, best, refused)
    with tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True) as folder:
        own = shutil.copytree(course, Path(folder) / "course")
        handed_in = own / "submitted" / submission.student / submission.lab
        handed_in.mkdir(parents=True)
        shutil.copy(submission.path, handed_in / f"{submission.lab}.ipynb")
        status = run_autograder(submission, own, limits)
        score = score_of(submission, own)
        if score is None:
            return Grade(submission.student, submission.lab, 0.0, best, status or "it left nothing to grade")
        return Grade(submission.student, submission.lab, score, best, status or "graded", messages(submission, own))


def reason_to_refuse(submission: Submission) -> str:
    """Why a file is not even started; empty if nothing speaks against it."""
    if not NAME.fullmatch(submission.student):
        return "the folder's name is no student id"
    if submission.path.stat().st_size > LARGEST_NOTEBOOK:
        return f"the notebook is larger than {LARGEST_NOTEBOOK // 1_000_000} MB"
    try:
        nbformat.read(submission.path, as_version=4)
    except Exception:       # JSON, schema, encoding: whatever it is, it is no notebook
        return "the file is not a notebook"
    return ""


def run_autograder(submission: Submission, course: Path, limits: Limits) -> str:
    """nbgrader autograde under a watch; what went wrong, or nothing."""
    mark = uuid.uuid4().hex
    command = nbgrader(course, "autograde", submission.lab, f"--student={submission.student}",
                       f"--ExecutePreprocessor.timeout={limits.cell_seconds}")
    with open(course / "autograde.log", "wb") as log:
        process = subprocess.Popen(command, cwd=course, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env=environment(course, LAB_RUN=mark, LAB_STUDENT=submission.student),
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


def score_of(submission: Submission, course: Path) -> float | None:
    """What the gradebook says; None where there is no gradebook, or no grade in it."""
    try:
        with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
            return float(book.find_submission(submission.lab, submission.student).score)
    except Exception:       # a damaged or missing gradebook is this submission's loss, nobody else's
        return None


def messages(submission: Submission, course: Path) -> dict[str, str]:
    """What each failed test said, after what the exercise's own cell said; never the tests themselves."""
    path = course / "autograded" / submission.student / submission.lab / f"{submission.lab}.ipynb"
    if not path.is_file():
        return {}
    cells = nbformat.read(path, as_version=4).cells
    errors = {c.metadata.nbgrader.grade_id: one_line(o) for c in cells if "nbgrader" in c.metadata
              for o in c.get("outputs", []) if o.output_type == "error"}
    failed = [name.removesuffix("-test") for name in errors if name.endswith("-test")]
    return {name: "; ".join(dict.fromkeys(errors[part] for part in (name, f"{name}-test") if part in errors)) for name in failed}


def one_line(error: nbformat.NotebookNode) -> str:
    words = "the cell was stopped: it ran longer than the limit" if error.ename == "CellTimeoutError" else error.evalue
    return " ".join(f"{error.ename}: {words}".split())[:300]


# --- all of them ------------------------------------------------------------------------------

def grade_all(folder: Path, limits: Limits = Limits()) -> Iterator[Grade]:
    """The grades of every submission in a folder, one after the other."""
    found = list(submissions(folder))
    with tempfile.TemporaryDirectory(prefix="courses-") as courses:
        made = {lab: make_course(lab, Path(courses) / lab) for lab in sorted({s.lab for s in found})}
        for submission in found:
            yield grade(submission, made[submission.lab], limits)


def write_feedback(grade: Grade, folder: Path) -> None:
    """One page a submission, to hand back: the messages, never the hidden tests."""
    page = folder / grade.student / f"{grade.lab}.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"# {grade.lab}: {grade.score:g} of {grade.max_score:g} points", "", f"Status: {grade.status}.", ""]
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
    given = parser.parse_args()
    if not given.submitted.is_dir():
        parser.error(f"{given.submitted} is no folder")
    with open(given.scores, "w", newline="", encoding="utf8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        for one in grade_all(given.submitted, Limits(given.cell_seconds, given.seconds, int(given.memory_gb * 1e9))):
            table.writerow(one.row)
            file.flush()
            write_feedback(one, given.feedback)
            print(f"{one.student:20} {one.lab}  {one.score:5.1f} / {one.max_score:g}  {one.status}", flush=True)
    print(f"scores: {given.scores}   feedback: {given.feedback}/<student>/<lab>.md")


if __name__ == "__main__":
    main()
