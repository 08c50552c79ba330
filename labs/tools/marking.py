"""One submission to its grade: poured into a fresh sheet, taken behind a wall, its tests read out here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import nbformat

from dtsnn_lite.classroom.variants import NAME
from labs.tools.editions import student_edition
from labs.tools.exams import Paper, authored, papers
from labs.tools.handed_in import Cell, NoNotebook, cells_of
from labs.tools.intake import Submission
from labs.tools.masters import LABS, exercises
from labs.tools.pile import LARGEST_FILE as LARGEST_NOTEBOOK
from labs.tools.poured import LARGEST as LARGEST_CODE
from labs.tools.poured import name_of, poured
from labs.tools.sitting import STOPPED, Limits, Sitting, Taken, sitting
from labs.tools.table import Grade
from labs.tools.walls import Wall, version

BESIDE = "a cell that is no exercise"       # where the words for it stand among those for the exercises


def max_score(lab: str) -> float:
    return float(sum(points_of(lab).values()) + memo_points(lab))


def points_of(lab: str) -> dict[str, float]:
    """The points of each exercise that the machine gives."""
    return {e.name: e.points for e in exercises(LABS / f"{lab}.ipynb")}


@lru_cache
def memo_points(lab: str) -> float:
    """Points of a lab that a person gives."""
    cells = nbformat.read(LABS / f"{lab}.ipynb", as_version=4).cells
    return sum(c.metadata.nbgrader.points for c in cells
               if c.cell_type == "markdown" and c.metadata.get("nbgrader", {}).get("grade"))


@lru_cache
def sheet_of(lab: str) -> nbformat.NotebookNode:
    return student_edition(LABS / f"{lab}.ipynb")


@lru_cache
def papers_of(lab: str) -> dict[str, Paper]:
    return papers(nbformat.read(LABS / f"{lab}.ipynb", as_version=4))


@lru_cache
def edition() -> str:
    """A name for the course as it is: another one after any change of a master, a tool or the package."""
    files = sorted(p for pattern in ("*.ipynb", "*.py", "tools/*.py") for p in LABS.glob(pattern))
    return hashlib.sha256("".join([version(), *(hashlib.sha256(p.read_bytes()).hexdigest() for p in files)]).encode()).hexdigest()[:12]


# --- one submission ------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """A submission ready to be graded, here or on another machine.

    row    its grade as far as it is known
    draws  the id that draws the constants
    """

    row: Grade
    cells: tuple[Cell, ...]
    draws: str
    course: str
    limits: Limits = Limits()
    unprotected: bool = False
    edition: str = ""

    @property
    def made_from(self) -> str:
        """A hash of all that its grade depends on."""
        parts = [self.row.lab, self.draws, self.course, edition(), asdict(self.limits), *map(asdict, self.cells)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def prepared(submission: Submission, limits: Limits, unprotected: bool) -> Job | Grade:
    """A submission ready to be graded; its row where it is not even started."""
    row = Grade(submission.student, submission.lab, 0.0, max_score(submission.lab), "", {}, submission.file, submission.note,
                submission.handed_in)
    try:
        return Job(row, tuple(cells_to_grade(submission)), id_of(submission), submission.course, limits, unprotected, edition())
    except NoNotebook as reason:
        return replace(row, status=str(reason))


def id_of(submission: Submission) -> str:
    """The id that draws the constants."""
    return submission.draws or submission.student


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


def graded(job: Job, wall: Wall) -> Grade:
    """The grade of one submission.

    Where a test fails, a second sitting with the tests that the student sees finds the words for it: what a student's code says
    while the hidden tests are there is never shown.
    """
    notebook, exam = poured(sheet_of(job.row.lab), job.cells, job.draws, job.course), papers_of(job.row.lab)
    who = {"LAB_STUDENT": job.draws, "LAB_COURSE": job.course}
    full = sitting(notebook, exam, wall, job.limits, who)
    failed = [n for n, taken in enumerate(full.taken) if name_of(notebook.cells[n]) in exam and taken.error]
    told = Sitting()
    if failed and not full.stopped:
        until_last = nbformat.from_dict({**notebook, "cells": notebook.cells[:failed[-1] + 1]})
        told = sitting(until_last, exam, wall, job.limits, who, known=full.taken)
    return replace(job.row, **outcome(notebook, exam, points_of(job.row.lab), full, told))


def outcome(notebook: nbformat.NotebookNode, exam: Mapping[str, Paper], points: Mapping[str, float],
            full: Sitting, told: Sitting) -> dict[str, Any]:
    """Score, status and messages; a test that did not run gives no points, and none gives points twice."""
    found, shown = by_name(notebook, full), by_name(notebook, told)
    passed = {name for name in exam if found.get(name) == Taken()}
    count = len(exam.keys() & found.keys())
    some = "" if count == len(exam) else f"only {count} of {len(exam)} tests ran"
    said = {name.removesuffix("-test"): words_for(name, exam[name], found[name], shown) for name in exam if name in found.keys() - passed}
    score = sum(worth for name, worth in points.items() if f"{name}-test" in passed)
    if said and any(taken.error == STOPPED for taken in beside(notebook, exam, full)):
        said[BESIDE] = "was stopped: it ran longer than the limit, and what it makes was missing below; on a calm machine it may end"
    return {"score": float(min(score, sum(points.values()))), "status": full.stopped or some or "graded", "said": said}


def beside(notebook: nbformat.NotebookNode, exam: Mapping[str, Paper], made: Sitting) -> Iterator[Taken]:
    """What came of the cells that are no exercise's: given ones, and those that the student added."""
    for cell, taken in zip(notebook.cells, made.taken, strict=False):
        if not {name_of(cell), f"{name_of(cell)}-test"} & exam.keys():
            yield taken


def by_name(notebook: nbformat.NotebookNode, made: Sitting) -> dict[str, Taken]:
    """What came of each cell that has a name."""
    return {name_of(cell): taken for cell, taken in zip(notebook.cells, made.taken, strict=False) if name_of(cell)}    # a desk may stop


def words_for(name: str, paper: Paper, failed: Taken, shown: Mapping[str, Taken]) -> str:
    """What a student is told of a failed test: what the exercise's own cell said and what the tests that are seen said,
    or else what the test's author says of the line of a hidden one."""
    parts = [one_line(shown[part]) for part in (name.removesuffix("-test"), name) if part in shown and shown[part].error]
    hidden = "" if shown.get(name, failed).error == STOPPED else authored(paper.tests, failed.line)
    unsaid = one_line(failed) if failed.error == STOPPED else hidden or "a test with other inputs, which you do not see, ends in an error"
    seen_fails = name in shown and shown[name].error
    return "; ".join(dict.fromkeys(parts if seen_fails else [*parts, unsaid]))


def one_line(failed: Taken) -> str:
    if failed.error in (STOPPED, "KeyboardInterrupt"):
        return f"{STOPPED}: the cell was stopped: it ran longer than the limit"
    return " ".join(f"{failed.error}: {failed.message}".split())[:300]
