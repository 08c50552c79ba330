"""A class of thirty for a rehearsal: right, wrong, untouched and hostile submissions, with the scores they deserve.

python -m labs.tools.rehearsal      grades them all (several minutes) and says where a score is not the expected one
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nbformat

from labs.tools.editions import student_edition
from labs.tools.grade import Limits, Submission, grade, make_course, max_score
from labs.tools.masters import LABS, exercises, mistakes

LAB = "lab1"
HOSTILE = {
    "loops": "while True:\n    pass",
    "loops-stubbornly": "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
    "raises": "raise RuntimeError('no')",
    "prints-megabytes": "for _ in range(50_000):\n    print('x' * 200)",
    "prints-for-ever": "while True:\n    print('x' * 1000)",
    "deletes-its-folder": "import os, shutil\nassert 'grading-' in os.getcwd()\nshutil.rmtree('.', ignore_errors=True)",
    "deletes-the-gradebook": "from pathlib import Path\n"
                             "[book.unlink() for up in Path.cwd().parents[:3] for book in up.glob('gradebook.db')]",
    "quits": "import os\nos._exit(0)",
    "takes-memory": "import time\nhoard = []\nwhile True:\n    hoard.append(b'x' * 50_000_000)\n    time.sleep(0.1)",
    "starts-processes": "import subprocess, sys\n[subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], "
                        "start_new_session=True) for _ in range(3)]",
}
FLOODS = {"prints-for-ever"}        # 0 on a slow machine: the limit comes before the flood has run off
LOST_ALL = {"loops-stubbornly", "quits", "takes-memory", "deletes-the-gradebook"}     # the kernel or the gradebook is gone


@dataclass(frozen=True)
class Pupil:
    """A student, the solution cells handed in, and the score they deserve."""

    name: str
    solutions: dict[str, str]
    score: float


def pupils() -> list[Pupil]:
    """Eight right, nine wrong in one place each, three untouched, ten hostile."""
    known = {e.name: e for e in exercises(LABS / f"{LAB}.ipynb")}
    right = {name: e.solution for name, e in known.items()}
    full = sum(e.points for e in known.values())
    made = [Pupil(f"right{n}", right, full) for n in range(8)]
    wrong = [(e, m) for e in known.values() if e.name != "by_hand" for m in mistakes(LABS / f"{LAB}.ipynb")[e.name]["mistake"][:3]]
    made += [Pupil(f"wrong{n}", right | {e.name: m.of(e)}, full - e.points) for n, (e, m) in enumerate(wrong)]
    made += [Pupil(f"stub{n}", {}, 0.0) for n in range(3)]
    for name, code in HOSTILE.items():
        score = 0.0 if name in LOST_ALL else full - known["neuron"].points
        made.append(Pupil(name, right | {"neuron": code}, score))
    return made


def hand_in(pupil: Pupil, folder: Path, lab: str = LAB) -> Submission:
    """The notebook as this student hands it in."""
    notebook = student_edition(LABS / f"{lab}.ipynb")
    for cell in notebook.cells:
        cell.source = cell.source.replace('STUDENT = "reference"', f'STUDENT = "{pupil.name}"')
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        cell.source = pupil.solutions.get(name, cell.source)
    path = folder / pupil.name / lab / f"{lab}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)
    return Submission(pupil.name, lab, path)


def main() -> int:
    surprises = 0
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        course = make_course(LAB, Path(folder) / "course")
        for pupil in pupils():
            made = grade(hand_in(pupil, Path(folder) / "submitted"), course, Limits(20, 180, 2_000_000_000))
            expected = made.score == pupil.score or (pupil.name in FLOODS and made.score == 0)
            surprises += not expected
            note = "" if expected else f"  EXPECTED {pupil.score:g}"
            print(f"{pupil.name:20} {made.score:4.0f} / {max_score(LAB):.0f}  {made.status}{note}", flush=True)
    print(f"{len(pupils())} submissions, {surprises} surprises")
    return int(surprises > 0)


if __name__ == "__main__":
    sys.exit(main())
