"""The masters as data: their exercises, the code that runs them, and the mistakes that people make."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import tomllib

from dtsnn_lite.classroom import checks

LABS = Path(__file__).resolve().parents[1]
STUB = "raise NotImplementedError('this exercise is still to be written: replace this line with your code')"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


@dataclass(frozen=True)
class Exercise:
    """A solution cell and the graded cell that tests it.

    name    the solution's grade_id; the tests' is name + "-test"
    before  where the solution stands among the code cells
    """

    lab: str
    name: str
    solution: str
    tests: str
    points: float
    before: int

    @property
    def question(self) -> str:
        return f"{self.lab}.{self.name}"

    @property
    def stub(self) -> str:
        """The solution cell as a student receives it."""
        return replace_solutions(self.solution, STUB)


@dataclass(frozen=True)
class Mistake:
    """A wrong version of a reference solution: one text in it replaced by another.

    says  part of the message that this misconception deserves; empty where any failure will do
    """

    old: str
    new: str
    says: str = ""

    def of(self, exercise: Exercise) -> str:
        """The exercise's solution with this mistake in it."""
        head, begin, body = exercise.solution.partition(BEGIN)
        if body.count(self.old) != 1:
            raise ValueError(f"{exercise.question}: {self.old!r} stands {body.count(self.old)} times in the solution; "
                             "a mistake replaces exactly one place")
        return head + begin + body.replace(self.old, self.new)


def masters() -> list[Path]:
    """Every lab's master notebook, in order."""
    return sorted(LABS.glob("lab*.ipynb"))


def code_cells(path: Path) -> list[dict]:
    """The code cells, source as one text."""
    cells = json.loads(path.read_text("utf8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in cells if cell["cell_type"] == "code"]


def grade_id(cell: dict) -> str:
    return cell["metadata"].get("nbgrader", {}).get("grade_id", "")


def exercises(path: Path) -> list[Exercise]:
    """The exercises of a master."""
    cells = code_cells(path)
    tests = {grade_id(c).removesuffix("-test"): c for c in cells if c["metadata"].get("nbgrader", {}).get("grade")}
    return [Exercise(path.stem, grade_id(cell), cell["source"], tests[grade_id(cell)]["source"],
                     tests[grade_id(cell)]["metadata"]["nbgrader"]["points"], n)
            for n, cell in enumerate(cells) if cell["metadata"].get("nbgrader", {}).get("solution")]


def replace_solutions(source: str, stub: str) -> str:
    """A cell with each solution region replaced by one stub, indented alike."""
    out, inside = [], False
    for line in source.splitlines():
        if line.strip() == BEGIN:
            inside = True
            out.append(line[:len(line) - len(line.lstrip())] + stub)
        elif line.strip() == END:
            inside = False
        elif not inside:
            out.append(line)
    return "\n".join(out)


def closed_regions(path: Path) -> list[list[str]]:
    """The lines that no student may see, region by region: each solution, each block of hidden tests."""
    regions: list[list[str]] = []
    inside = False
    for cell in code_cells(path):
        for line in map(str.strip, cell["source"].splitlines()):
            if line in (BEGIN, "### BEGIN HIDDEN TESTS"):
                inside = True
                regions.append([])
            elif line in (END, "### END HIDDEN TESTS"):
                inside = False
            elif inside and line:
                regions[-1].append(line)
    return regions


def mistakes(path: Path) -> dict[str, dict]:
    """What mistakes.toml says of a lab: exercise -> hint, tolerance, mistakes."""
    entries = tomllib.loads((LABS / "mistakes.toml").read_text("utf8")).get(path.stem, {})
    entries.pop("key", None)
    return {name: {**entry, "mistake": [Mistake(m["old"], m["new"], m.get("says", "")) for m in entry["mistake"]]}
            for name, entry in entries.items()}


def key_names(path: Path) -> list[str]:
    """The names in a master whose values depend on the student, for the answer key."""
    return tomllib.loads((LABS / "mistakes.toml").read_text("utf8")).get(path.stem, {}).get("key", [])


# --- running a master without a kernel -----------------------------------------------

def run_cell(source: str, names: dict) -> None:
    """One code cell in a namespace, its output thrown away."""
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(source, "<cell>", "exec"), names)


def states(path: Path) -> Iterator[tuple[Exercise, dict]]:
    """Each exercise with the names that exist just before its solution; cells tagged `slow` are left out."""
    waiting = {e.before: e for e in exercises(path)}
    names: dict = {"__name__": "__lab__"}
    for n, cell in enumerate(code_cells(path)):
        if n in waiting:
            yield waiting[n], dict(names)
        if "slow" not in cell["metadata"].get("tags", []) and "google.colab" not in cell["source"]:
            run_cell(cell["source"], names)


def solved(path: Path, student: str, course: str = "open") -> dict:
    """Every name of a master after its reference solutions, with this student's constants."""
    names: dict = {"__name__": "__lab__"}
    for cell in code_cells(path):
        if "slow" not in cell["metadata"].get("tags", []) and "google.colab" not in cell["source"]:
            source = cell["source"].replace('STUDENT = "reference"', f"STUDENT = {student!r}")
            run_cell(source.replace('COURSE = "open"', f"COURSE = {course!r}"), names)
    if "plt" in names:
        names["plt"].close("all")
    return names


def attempt(solution: str, exercise: Exercise, names: dict) -> str:
    """What the tests say of a solution: empty when it passes, else the error's name and message."""
    names = dict(names)
    try:
        run_cell(solution, names)
    except Exception as error:              # a cell that raises: the tests still run, as in nbgrader
        first = f"{type(error).__name__}: {error}"
    else:
        first = ""
    try:
        run_cell(exercise.tests, names)
    except Exception as error:
        return f"{first}\n{type(error).__name__}: {error}".strip()
    return ""


def answers(solution: str, exercise: Exercise, names: dict) -> dict[str, object]:
    """What a solution hands to each `check`, by question, up to the first error."""
    asked: dict[str, object] = {}
    names = {**names, "check": lambda question, answer: asked.setdefault(question, answer)}
    with contextlib.suppress(Exception):
        run_cell(solution, names)
        run_cell(exercise.tests, names)
    return asked


def silent_checks() -> contextlib.AbstractContextManager:
    """While it lasts, `check` accepts every answer: for sealing them in the first place."""
    accept: Callable[[str, object], None] = lambda question, answer: None
    return mock.patch.object(checks, "check", accept)
