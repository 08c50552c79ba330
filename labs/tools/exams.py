"""A master as the grader runs it: each graded cell is a paper, with all that it needs of the lab itself.

The students' editions keep their tests as they are, to be read.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

import nbformat

from labs.tools.masters import replace_solutions
from labs.tools.names import bound, imported, read

HIDDEN = re.compile(r"^\s*### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS[^\n]*\n?", re.M | re.S)
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


@dataclass(frozen=True)
class Paper:
    """A graded cell as it is sat (`exam.sit`): the lab's own cells since the last one, the tests, and the names they may use.

    shown  the tests that the student sees
    """

    given: tuple[str, ...]
    tests: str
    shown: str
    asked: tuple[str, ...]


def papers(notebook: nbformat.NotebookNode) -> dict[str, Paper]:
    """The graded cells of a master, by name: their own text, and the lab's since the last of them."""
    asked, essential = answers_of(notebook), needed(notebook)
    made: dict[str, Paper] = {}
    seen: set[str] = set()
    waiting: list[str] = []
    for cell in notebook.cells:
        match kind_of(cell):
            case "given" if cell in essential:
                waiting.append(for_anyone(cell.source))
            case "solution":
                seen |= asked[cell.metadata.nbgrader.grade_id]
            case "test":
                shown, tests = HIDDEN.sub("", cell.source), MARKERS.sub("", cell.source)
                made[cell.metadata.nbgrader.grade_id] = Paper(tuple(waiting), tests, shown, tuple(sorted(seen)))
                waiting = []
    return made


def authored(tests: str, line: int) -> str:
    """What a test's author says of a failure in this line: the message of the assertion there, what it would fill in left out."""
    at = [node for node in ast.walk(ast.parse(tests)) if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0)]
    match max(at, key=lambda node: node.lineno, default=None):
        case ast.Assert(msg=ast.expr() as message) | ast.Expr(value=ast.Call(func=ast.Name(id="expect"), args=[_, message])):
            parts = message.values if isinstance(message, ast.JoinedStr) else [message]
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "..." for part in parts)
    return ""


def for_anyone(source: str) -> str:
    """A cell in which the grader says whose constants are drawn, and in which course."""
    for line, variable in WHO:
        name, default = line.split(" = ")
        source = source.replace(line, f"{name} = __import__('os').environ.get({variable!r}, {default})")
    return source
