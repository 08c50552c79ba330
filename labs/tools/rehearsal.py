"""A class of thirty for a rehearsal: right, wrong, untouched and hostile submissions, with the scores they deserve.

python -m labs.tools.rehearsal      hands them in under build/rehearsal/submitted, grades that folder as `make grade` does,
                                    and says where a score is not the expected one: `make rehearse`; what else stands
                                    behind it is for that command: --jobs 2, --unprotected, --scheduler tcp://...
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat

from labs.tools.editions import student_edition
from labs.tools.intake import Submission
from labs.tools.masters import LABS, exercises, mistakes

LAB = "lab1"
HOSTILE = {
    "loops": "while True:\n    pass",
    "loops-stubbornly": "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
    "raises": "raise RuntimeError('no')",
    "prints-megabytes": "for _ in range(50_000):\n    print('x' * 200)",
    "prints-for-ever": "while True:\n    print('x' * 1000)",
    "deletes-its-folder": "import os, shutil\nassert 'grading' in os.getcwd()\nshutil.rmtree('.', ignore_errors=True)",
    "deletes-the-gradebook": "from pathlib import Path\n"
                             "[book.unlink() for up in Path.cwd().parents[:3] for book in up.glob('gradebook.db')]",
    "quits": "import os\nos._exit(0)",
    "takes-memory": "import time\nhoard = []\nwhile True:\n    hoard.append(b'x' * 50_000_000)\n    time.sleep(0.1)",
    "starts-processes": "import subprocess, sys\n[subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], "
                        "start_new_session=True) for _ in range(3)]",
}
LOST_ALL = {"loops-stubbornly", "quits", "takes-memory"}        # the desk is gone, and with it what had still to be tested
ATTACKED = {name: "by_hand" for name in LOST_ALL}               # no later cell gets its turn
# Exercises whose mistakes no later exercise of the lab inherits.
ALONE = (("lab1", "neuron"), ("lab1", "first_spike"), ("lab2", "chance"), ("lab3", "entropy_of"), ("lab3", "exit_step"),
         ("lab4", "first_right"), ("lab5", "readout"), ("lab6", "verdict"), ("lab7", "pareto"),
         ("lab8", "sign_test"))
LIMITS = ("--cell-seconds=60", "--seconds=400", "--memory-gb=2")


@dataclass(frozen=True)
class Pupil:
    """A student, the solution cells handed in for a lab, and the score they deserve."""

    name: str
    solutions: dict[str, str]
    score: float
    lab: str = LAB


def references(lab: str) -> dict[str, str]:
    """Every exercise of a lab, solved."""
    return {e.name: e.solution for e in exercises(LABS / f"{lab}.ipynb")}


def points(lab: str) -> dict[str, float]:
    return {e.name: e.points for e in exercises(LABS / f"{lab}.ipynb")}


def right(name: str, lab: str) -> Pupil:
    return Pupil(name, references(lab), sum(points(lab).values()), lab)


def wrong(name: str, lab: str, exercise: str) -> Pupil:
    """All solved, but the first known mistake in one exercise."""
    slip = mistakes(LABS / f"{lab}.ipynb")[exercise]["mistake"][0]
    spoilt = next(slip.of(e) for e in exercises(LABS / f"{lab}.ipynb") if e.name == exercise)
    return Pupil(name, references(lab) | {exercise: spoilt}, sum(points(lab).values()) - points(lab)[exercise], lab)


def hostile(name: str, code: str) -> Pupil:
    """All solved, but one exercise attacks the grader."""
    where = ATTACKED.get(name, "neuron")
    score = 0.0 if name in LOST_ALL else sum(points(LAB).values()) - points(LAB)[where]
    return Pupil(name, references(LAB) | {where: code}, score)


def pupils() -> list[Pupil]:
    """Eight right (one a lab), ten wrong in one place each, two untouched, ten hostile."""
    return [*(right(f"right{n}", f"lab{n + 1}") for n in range(8)),
            *(wrong(f"wrong{n}", *where) for n, where in enumerate(ALONE)),
            *(Pupil(f"stub{n}", {}, 0.0, lab) for n, lab in enumerate(("lab1", "lab8"))),
            *(hostile(name, code) for name, code in HOSTILE.items())]


def hand_in(pupil: Pupil, folder: Path) -> Submission:
    """The notebook as this student hands it in."""
    notebook = student_edition(LABS / f"{pupil.lab}.ipynb")
    for cell in notebook.cells:
        cell.source = cell.source.replace('STUDENT = "reference"', f'STUDENT = "{pupil.name}"')
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        cell.source = pupil.solutions.get(name, cell.source)
    path = folder / pupil.name / pupil.lab / f"{pupil.lab}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)
    return Submission(pupil.name, pupil.lab, path)


def surprises(scores: Path, expected: list[Pupil]) -> list[str]:
    """Where a table of scores is not the expected one: another score, a row too many, a row missing."""
    with open(scores, newline="", encoding="utf8") as file:
        given = {(row["student"], row["lab"]): row for row in csv.DictReader(file)}
    wanted = {(p.name, p.lab): p.score for p in expected}
    strange = [f"{student}, {lab}: nobody handed that in" for student, lab in given.keys() - wanted.keys()]
    for (student, lab), score in wanted.items():
        row = given.get((student, lab))
        if row is None:
            strange.append(f"{student}, {lab}: no row")
        elif float(row["score"]) != score:
            strange.append(f"{student}, {lab}: {row['score']} for {score:g} ({row['status']}; {row['feedback']})")
    return strange


def main() -> int:
    folder = LABS.parent / "build" / "rehearsal"
    shutil.rmtree(folder, ignore_errors=True)
    for pupil in pupils():
        hand_in(pupil, folder / "submitted")
    command = [sys.executable, "-m", "labs.tools.grade", str(folder / "submitted"), *LIMITS, *sys.argv[1:]]
    subprocess.run([*command, "--scores", str(folder / "scores.csv"), "--feedback", str(folder / "feedback")], check=True)
    strange = surprises(folder / "scores.csv", pupils())
    print(*strange, f"{len(pupils())} submissions, {len(strange)} surprises", sep="\n")
    return int(bool(strange))


if __name__ == "__main__":
    sys.exit(main())
