"""The editions of the labs: labs/student/ for students, labs/key/ for instructors.

python -m labs.tools.editions [--course open]
python -m labs.tools.editions --branch folder     what the branch `student` holds: student editions, and how Binder runs them
"""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path

import nbformat
from nbgrader import preprocessors
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from labs.tools.masters import LABS, masters

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")      # as for a student id
STUDENT, KEY = LABS / "student", LABS / "key"
# What `nbgrader generate_assignment` does, but for its gradebook.
STEPS = ("LockCells", "ClearSolutions", "ClearOutput", "CheckCellMetadata", "ComputeChecksums",
         "ClearHiddenTests", "ClearMarkScheme", "ComputeChecksums", "CheckCellMetadata")


def settings() -> Config:
    """labs/nbgrader_config.py."""
    return PyFileConfigLoader("nbgrader_config.py", path=str(LABS)).load_config()


def student_edition(master: Path) -> nbformat.NotebookNode:
    """A master as nbgrader releases it: stubs for solutions, no hidden test, no output."""
    notebook = nbformat.read(master, as_version=4)
    resources: dict = {}
    for step in STEPS:
        notebook, resources = getattr(preprocessors, step)(config=settings()).preprocess(notebook, resources)
    return notebook


def named(text: str, course: str) -> str:
    """A notebook's text for a course of this name."""
    if not NAME.fullmatch(course):
        raise ValueError(f"a course name is letters, digits and . _ @ + -, 64 at most; got {course!r}")
    return re.sub(r'COURSE = "[^"]*"', f'COURSE = "{course}"', text)


def write_students(folder: Path, course: str = "open") -> None:
    """The student editions; what else lies in the folder stays."""
    folder.mkdir(parents=True, exist_ok=True)
    for master in masters():
        notebook = student_edition(master)
        for cell in notebook.cells:
            cell.source = named(cell.source, course)
        nbformat.write(notebook, folder / master.name)


def write_key(folder: Path, course: str = "open") -> None:
    """The masters, with solutions and hidden tests; what else lies in the folder stays: the class's own key."""
    folder.mkdir(parents=True, exist_ok=True)
    for master in masters():
        notebook = nbformat.read(master, as_version=4)
        for cell in notebook.cells:
            cell.source = named(cell.source, course)
        nbformat.write(notebook, folder / master.name)


def write_branch(folder: Path) -> None:
    """Student editions, and a .binder folder that installs the package from main."""
    write_students(folder)
    (folder / ".binder").mkdir(exist_ok=True)
    ours = (LABS.parent / ".binder" / "requirements.txt").read_text("utf8").splitlines()
    elsewhere = [line for line in ours if not line.startswith(("-c", "."))]
    address = f"dtsnn-lite @ git+{repository()}"
    (folder / ".binder" / "requirements.txt").write_text("\n".join([*elsewhere, "jupyterlab", address]) + "\n", "utf8")
    shutil.copy(LABS.parent / ".binder" / "runtime.txt", folder / ".binder")


def repository() -> str:
    """The address in _config.yml."""
    found = re.search(r"https://github\.com/[\w.-]+/[\w.-]+", (LABS.parent / "_config.yml").read_text("utf8"))
    if found is None:
        raise ValueError("_config.yml names no repository on GitHub")
    return found[0]


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the labs' editions.")
    parser.add_argument("--course", default="open")
    parser.add_argument("--branch", type=Path)
    given = parser.parse_args()
    if given.branch:
        return write_branch(given.branch)
    write_students(STUDENT, given.course)
    write_key(KEY, given.course)
    print(f"student editions: {STUDENT}\nanswer key:       {KEY}")


if __name__ == "__main__":
    main()
