"""A poured notebook run as the grader runs it, without a kernel: what its failed tests say."""

from __future__ import annotations

import contextlib
import os
import sys
import types
from collections.abc import Iterator
from functools import cache
from unittest import mock

import matplotlib.pyplot as plt
import nbformat

from dtsnn_lite.classroom import exam
from labs.tools.exams import Paper, papers, special
from labs.tools.masters import LABS, run_cell


@cache
def papers_of(lab: str) -> dict[str, Paper]:
    """The graded cells of a lab as the grader runs them."""
    return papers(nbformat.read(LABS / f"{lab}.ipynb", as_version=4))


@contextlib.contextmanager
def in_place_of_main(module: types.ModuleType) -> Iterator[None]:
    """The notebook's namespace; modules imported meanwhile stay, unlike with mock.patch.dict."""
    before, sys.modules["__main__"] = sys.modules["__main__"], module
    try:
        yield
    finally:
        sys.modules["__main__"] = before


def failed(lab: str, notebook: nbformat.NotebookNode, student: str = "ada", course: str = "open") -> dict[str, str]:
    """The tests that fail, and why; installing and long training are left out."""
    main, names, said = types.ModuleType("__main__"), {"__name__": "__exam__"}, {}
    with in_place_of_main(main), mock.patch.dict(os.environ, LAB_STUDENT=student, LAB_COURSE=course):
        for cell in (cell for cell in notebook.cells if cell.cell_type == "code" and not special(cell)):
            name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
            paper = papers_of(lab).get(name)
            try:
                if paper:
                    exam.sit(paper.given, paper.tests, paper.asked, vars(main), names)
                else:
                    run_cell(cell.source, vars(main))
            except Exception as error:
                said[name] = f"{type(error).__name__}: {error}"
    plt.close("all")
    return {name: words for name, words in said.items() if name in papers_of(lab)}
