"""The editions of the labs: labs/student/ for students, labs/key/ for instructors.

python -m labs.tools.editions
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
from nbgrader import preprocessors
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from labs.tools.masters import LABS, masters

STUDENT, KEY = LABS / "student", LABS / "key"
# What `nbgrader generate_assignment` does, but for its gradebook.
STEPS = ("LockCells", "ClearSolutions", "ClearOutput", "CheckCellMetadata", "ComputeChecksums",
         "ClearHiddenTests", "ClearMarkScheme", "ComputeChecksums", "CheckCellMetadata")


def settings() -> Config:
    """labs/nbgrader_config.py."""
    return PyFileConfigLoader("nbgrader_config.py", path=str(LABS)).load_config()


def student_edition(master: Path) -> nbformat.NotebookNode:
    """A master as nbgrader releases it: stubs for solutions, no hidden test, no output."""
    notebook, resources = nbformat.read(master, as_version=4), {}
    for step in STEPS:
        notebook, resources = getattr(preprocessors, step)(config=settings()).preprocess(notebook, resources)
    return notebook


def write_editions(student: Path = STUDENT, key: Path = KEY) -> None:
    """Both folders, made anew."""
    for folder in (student, key):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for master in masters():
        nbformat.write(student_edition(master), student / master.name)
        shutil.copy(master, key / master.name)


if __name__ == "__main__":
    write_editions()
    print(f"student editions: {STUDENT}\nanswer key:       {KEY}")
