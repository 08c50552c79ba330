"""A master as the grader runs it: each graded cell sits in the exam's namespace, with all that it needs of the lab itself.

The students' editions keep their tests as they are, to be read.
"""

from __future__ import annotations

import re

import nbformat

from labs.tools.masters import replace_solutions
from labs.tools.names import bound, imported, read

MARKERS = re.compile(r"^\s*### (?:BEGIN|END) (?:HIDDEN TESTS|SOLUTION)\s*$\n?", re.M)
WHO = (('STUDENT = "reference"', "LAB_STUDENT"), ('COURSE = "open"', "LAB_COURSE"))


def kind_of(cell: nbformat.NotebookNode) -> str:
    """test, solution, given (the lab's own code) or text."""
    graded = cell.metadata.get("nbgrader", {})
    if cell.cell_type != "code":
        return "text"
    return "test" if graded.get("grade") else "solution" if graded.get("solution") else "given"


def by_kind(notebook: nbformat.NotebookNode, kind: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if kind_of(cell) == kind]


def answers_of(notebook: nbformat.NotebookNode) -> dict[str, set[str]]:
    """For each exercise, the names of its stub that tests read: what the student is asked for."""
    tested = set().union(*(read(cell.source) for cell in by_kind(notebook, "test")))
    return {cell.metadata.nbgrader.grade_id: bound(replace_solutions(cell.source, "...")) & tested
            for cell in by_kind(notebook, "solution")}


def needed(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The lab's own cells without which a test would miss a name; no plots, no training."""
    wanted = set().union(*(read(cell.source) for cell in by_kind(notebook, "test")))
    found: list[nbformat.NotebookNode] = []
    for cell in reversed(by_kind(notebook, "given")):
        if not special(cell) and wanted & (bound(cell.source) | imported(cell.source)):
            found.insert(0, cell)
            wanted |= read(cell.source)
    return found


def special(cell: nbformat.NotebookNode) -> bool:
    """What no test needs: the cell that installs the package in Colab, and long training."""
    return "google.colab" in cell.source or "slow" in cell.metadata.get("tags", [])


def examined(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A master whose graded cells are one call each: their own text, and the lab's since the last of them, as data."""
    asked, essential = answers_of(notebook), needed(notebook)
    seen: set[str] = set()
    waiting: list[str] = []
    for cell in notebook.cells:
        match kind_of(cell):
            case "given" if cell in essential:
                waiting.append(for_anyone(cell.source))
            case "solution":
                seen |= asked[cell.metadata.nbgrader.grade_id]
            case "test":
                tests = MARKERS.sub("", cell.source)
                cell.source = ("from dtsnn_lite.classroom.exam import sit as _sit_the_exam\n"
                               f"_sit_the_exam(given={waiting!r}, tests={tests!r}, asked={sorted(seen)!r})")
                waiting = []
    return notebook


def for_anyone(source: str) -> str:
    """A cell in which the grader says whose constants are drawn, and in which course."""
    for line, variable in WHO:
        name, default = line.split(" = ")
        source = source.replace(line, f"{name} = __import__('os').environ.get({variable!r}, {default})")
    return source
