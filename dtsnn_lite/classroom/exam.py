"""Tests in a namespace of their own: builtins, what the lab's own cells define, and the answers that are asked for.

A student may call a variable `sum`, `list`, `np` or `check`: the tests never see it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence


def sit(given: Sequence[str], tests: str, asked: Sequence[str], student: Mapping[str, object], names: dict[str, object]) -> None:
    """A graded cell: the lab's own cells since the last one, then the tests; raises what a failed test raises.

    given    sources of the lab's own cells
    asked    the names of the student's that the tests may use
    student  the namespace that holds them: the notebook's
    names    the exam's own: later tests build on what earlier ones have defined, as in a notebook
    """
    with quiet():
        for source in given:
            with contextlib.suppress(Exception):        # a test that misses a name of it will say so
                run(source, names)
        for name in asked:
            names.pop(name, None)
        names.update({name: student[name] for name in asked if name in student})
        run(tests, names)


def run(source: str, names: dict[str, object]) -> None:
    exec(compile(source, "<exam>", "exec"), names)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing is printed: nbgrader takes a warning on stderr for a failed test, and a number for partial credit."""
    with open(os.devnull, "w", encoding="utf8") as nowhere:
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            yield
