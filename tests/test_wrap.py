"""Code cells as wide as a page's column: what is wrapped does the same, and nothing is left that could be wrapped."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from tools.wrap import CODE_LINES, LETTERS, long_lines, meaning, wrapped

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "book").glob("*.ipynb"))
LONG = "x" * 30


@pytest.mark.parametrize(("source", "lines"), [
    (f"draw(axis, first_{LONG}, second_{LONG}, third)",
     [f"draw(axis, first_{LONG},", f"     second_{LONG}, third)"]),
    (f"made = [one_{LONG}(it) for it in all_of_them if it.is_{LONG}]",
     [f"made = [one_{LONG}(it) for it in all_of_them", f"        if it.is_{LONG}]"]),
    (f"from somewhere import first_{LONG}, second_{LONG}",
     [f"from somewhere import (first_{LONG},", f"                       second_{LONG})"]),
    (f"a, b = first_{LONG}(1), second_{LONG}(2)",
     [f"a, b = (first_{LONG}(1),", f"        second_{LONG}(2))"]),
    (f"value = first_{LONG}(1, 2)      # what it is and why it is so",
     ["# what it is and why it is so", f"value = first_{LONG}(1, 2)"]),
    (f'print(f"one {{a}} two three four five {{first_{LONG}}} six {{b}} seven")',
     [f'print(f"one {{a}} two three four five {{first_{LONG}}} six "', '      f"{b} seven")']),
    (f'return "not yet: {LONG} and {LONG} are not the same"',
     [f'return ("not yet: {LONG} and "', f'        "{LONG} are not the same")']),
])
def test_a_long_line_is_broken_where_a_reader_would_break_it(source, lines):
    in_function = source.startswith("return")
    made = wrapped(f"def f():\n    {source}" if in_function else source).split("\n")
    assert [line.removeprefix("    ") for line in made[1:]] == lines if in_function else made == lines


def test_the_words_of_a_docstring_stay():
    source = f'def f():\n    """{" ".join(["word"] * 20)}."""\n    return 1'
    made = wrapped(source)
    assert max(map(len, made.split("\n"))) <= LETTERS and meaning(made) == meaning(source) and ast.dump(ast.parse(made)) != meaning(source)


@pytest.mark.parametrize("source", ["%pip install " + LONG * 4, f"x = {LONG * 3}", "\n".join([f"f({LONG}, {LONG}, {LONG})"] * CODE_LINES)],
                         ids=["Jupyter's", "one name", "too long"])
def test_what_cannot_be_wrapped_or_would_be_too_long_stays(source):
    assert wrapped(source) == source


def test_a_change_of_what_a_cell_does_is_seen():
    assert meaning("f(1, 2)") != meaning("f(1, 3)") and meaning('"a"') != meaning('"b"')


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_line_of_a_chapter_is_longer_than_it_must_be(path):
    cells = ["".join(cell["source"]) for cell in json.loads(path.read_text("utf8"))["cells"] if cell["cell_type"] == "code"]
    assert [line for cell in cells if wrapped(cell) != cell for line in long_lines(cell)] == [], f"python -m tools.wrap book/{path.name}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_cell_of_imports_is_folded(path):
    for cell in json.loads(path.read_text("utf8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code" or "%pip" in source or not (body := ast.parse(source).body):
            continue
        if all(isinstance(statement, (ast.Import, ast.ImportFrom)) for statement in body):
            assert {"hide-input", "remove-input", "remove-cell"} & set(cell["metadata"].get("tags", [])), source
