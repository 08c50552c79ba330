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
from labs.tools.exams import by_kind, examined, special
from labs.tools.masters import LABS, run_cell


@cache
def paper(lab: str) -> dict[str, str]:
    """The graded cells of a lab as the grader runs them."""
    tests = by_kind(examined(nbformat.read(LABS / f"{lab}.ipynb", as_version=4)), "test")
    return {cell.metadata.nbgrader.grade_id: cell.source for cell in tests}


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
    main, said = types.ModuleType("__main__"), {}
    exam.names_of_this_kernel.cache_clear()
    with in_place_of_main(main), mock.patch.dict(os.environ, LAB_STUDENT=student, LAB_COURSE=course):
        for cell in (cell for cell in notebook.cells if cell.cell_type == "code" and not special(cell)):
            name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
            try:
                run_cell(paper(lab).get(name, cell.source), vars(main))
            except Exception as error:
                said[name] = f"{type(error).__name__}: {error}"
    plt.close("all")
    return {name: words for name, words in said.items() if name in paper(lab)}
