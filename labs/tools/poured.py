"""A hand-in poured into a fresh sheet: the student's solutions and own cells, everything else from the master.

A solution is found by its grade_id, by its cell's id, or, where a notebook has lost both, by the names that it defines.
Tests always come from the master; tags, outputs and other metadata of the hand-in are left behind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from copy import deepcopy

import nbformat

from labs.tools.exams import answers_of, kind_of
from labs.tools.handed_in import COURSE, NAMED, Cell
from labs.tools.names import bound, stands_alone

LARGEST = 5_000_000     # characters of all cells; a solved lab has 20,000


def poured(sheet: nbformat.NotebookNode, cells: Sequence[Cell], student: str, course: str) -> nbformat.NotebookNode:
    """The notebook to run: a student edition with what this hand-in adds to it, for this student's constants."""
    pouring = Pouring(sheet)
    for cell in cells:
        pouring.take(Cell(cell.kind, for_student(cell.source, student, course), cell.name, cell.id))
    pouring.find_answers_elsewhere()
    return pouring.notebook(student, course)


def for_student(source: str, student: str, course: str) -> str:
    """A cell in which STUDENT and COURSE are what the grader says."""
    source = NAMED.sub(lambda _: f'STUDENT = "{student}"', source)
    return COURSE.sub(lambda _: f'COURSE = "{course}"', source)


class Pouring:
    """A sheet being filled, cell by cell.

    versions[i]  what was handed in for solution i, in the order of the hand-in
    extras[i]    the student's own code after cell i of the sheet, -1 for what stands before all of them
    """

    def __init__(self, sheet: nbformat.NotebookNode) -> None:
        self.sheet = sheet
        self.kinds = [kind_of(cell) for cell in sheet.cells]
        self.names = {name_of(cell): i for i, cell in enumerate(sheet.cells) if name_of(cell)}
        self.ids = {cell.id: i for i, cell in enumerate(sheet.cells)}
        self.sources = {cell.source.strip(): i for i, cell in enumerate(sheet.cells)}
        self.asked = {self.names[name]: wanted for name, wanted in answers_of(sheet).items()}
        self.versions: dict[int, list[tuple[int, str]]] = defaultdict(list)
        self.extras: dict[int, list[str]] = defaultdict(list)
        self.overwritten: dict[int, str] = {}           # test -> what stands in its place
        self.elsewhere: set[int] = set()                # solutions whose own cell was left a stub
        self.last_seen: dict[int, int] = {}
        self.count, self.anchor = 0, -1

    def place_of(self, cell: Cell) -> int | None:
        """Which cell of the sheet this is; None for one of the student's own."""
        places = (self.names.get(cell.name), self.ids.get(cell.id), self.sources.get(cell.source.strip()))
        return next((place for place in places if place is not None), None)

    def take(self, cell: Cell) -> None:
        """The next cell of the hand-in."""
        place, self.count = self.place_of(cell), self.count + 1
        if place is not None and place not in self.last_seen:
            self.anchor = place                         # a copy further down does not take what follows it up here
        if place is None:
            if cell.kind == "code":
                self.extras[self.anchor].append(cell.source)
            return
        self.last_seen[place] = self.count
        changed = cell.source.strip() != self.sheet.cells[place].source.strip()
        match self.kinds[place]:
            case "solution":
                self.versions[place].append((self.count, cell.source))
            case "given" if changed and cell.kind == "code":
                self.extras[place].append(cell.source)
            case "test" if changed:
                self.overwritten[place] = cell.source
            case "text" if is_answer(self.sheet.cells[place]):
                self.versions[place].append((self.count, cell.source))

    def test_of(self, solution: int) -> int:
        return self.names[f"{name_of(self.sheet.cells[solution])}-test"]

    def answers(self, solution: int) -> list[str]:
        """What to run as a solution: what was handed in before its last test, or else after it; the stub where all is stub."""
        stub = self.sheet.cells[solution].source.strip()
        filled = [(when, source) for when, source in self.versions[solution] if source.strip() != stub]
        tested = self.last_seen.get(self.test_of(solution), self.count + 1)
        return [source for when, source in filled if when < tested] or [source for _, source in filled]

    def find_answers_elsewhere(self) -> None:
        """For each solution left as it was: the student's own cells that define all that is asked, moved to where they belong."""
        for solution, asked in self.asked.items():
            if self.answers(solution):
                continue
            own = [(place, source) for place, sources in self.extras.items() for source in sources if bound(source) & asked]
            instead = self.overwritten.get(self.test_of(solution), "")
            sources = [source for _, source in sorted(own, key=lambda one: one[0])] + [instead] * bool(bound(instead) & asked)
            if asked <= set().union(*map(bound, sources)):
                self.versions[solution] = list(enumerate(sources))
                self.elsewhere.add(solution)
                for place, source in own:
                    self.extras[place].remove(source)

    def notebook(self, student: str, course: str) -> nbformat.NotebookNode:
        """The sheet with all of it: the last version of a solution bears its name."""
        made = deepcopy(self.sheet)
        cells, made.cells = made.cells, list(map(own_cell, self.extras[-1]))
        for i, cell in enumerate(cells):
            match self.kinds[i]:
                case "solution":
                    answers = mended(self.answers(i), self.extras[i])
                    stub = [cell.source] if i in self.elsewhere or not answers else []
                    *earlier, cell.source = stub + answers
                    made.cells += map(own_cell, earlier)
                case "text" if self.versions[i]:
                    cell.source = self.versions[i][-1][1]
                case "given":
                    cell.source = for_student(cell.source, student, course)
            made.cells += [cell, *map(own_cell, self.extras[i])]
        return made


def mended(answers: list[str], after: list[str]) -> list[str]:
    """A solution that was split within a statement, put together again: its parts, and the student's own cells after it."""
    if all(map(stands_alone, [*answers, *after[:1]])):
        return answers
    rests = ((["\n".join(answers + after[:n])], after[n:n + 1]) for n in range(len(after) + 1))
    return next((whole for whole, rest in rests if all(map(stands_alone, whole + rest))), answers)


def own_cell(source: str) -> nbformat.NotebookNode:
    """A cell of the student's own, without metadata."""
    return nbformat.v4.new_code_cell(source)


def name_of(cell: nbformat.NotebookNode) -> str:
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def is_answer(cell: nbformat.NotebookNode) -> bool:
    """A text that the student writes."""
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))
