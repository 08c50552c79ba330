"""What cells print in columns, as tables: by hand, laws, what is refused, and every tagged cell of the book."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document
from hypothesis import given
from hypothesis import strategies as some
from sphinx.errors import ExtensionError
from stopwhensure.printed_tables import NoTable, PrintedTable, drawn, read_output, read_table, set_tables

ROOT = Path(__file__).resolve().parents[1]
LONGEST_TABLE = 12      # rows: more would carry the head off a phone's screen

CHECKS = """\
T  by hand  package  equal
1    1.000    1.000  True
8    4.900    4.900  True
"""
RIVALS = """\
energy of the digits on two chips:

rule           steps  right    EDP  against always 2
mean, gamma 0   1.66  92.8 %  0.29  14 won, 15 lost (p = 1)
always 1        1.00   9.0 %  0.09
two dim looks  12.00  92.9 %

the exit check adds 0.014 %
it is our estimate
"""
COINS = """\
 T  images
 1  61,024

gain       p
-0.5   5e-09
+12.1   0.04
"""


def table(head: str, *rows: str) -> PrintedTable:
    """The table of lines whose cells stand between bars."""
    split = [tuple(cell.strip() for cell in line.split("|")) for line in (head, *rows)]
    return PrintedTable(split[0], tuple(split[1:]))


# --- by hand --------------------------------------------------------------------------


def test_columns_become_a_table():
    assert read_output(CHECKS) == [table("T | by hand | package | equal", "1 | 1.000 | 1.000 | True", "8 | 4.900 | 4.900 | True")]


def test_words_before_and_after_a_table_stay_words_and_a_short_line_has_empty_cells():
    before, rivals, after = read_output(RIVALS)
    assert (before, after) == ("energy of the digits on two chips:", "the exit check adds 0.014 %\nit is our estimate")
    assert rivals == table("rule | steps | right | EDP | against always 2",
                           "mean, gamma 0 | 1.66 | 92.8 % | 0.29 | 14 won, 15 lost (p = 1)",
                           "always 1 | 1.00 | 9.0 % | 0.09 |",
                           "two dim looks | 12.00 | 92.9 % | |")


def test_two_tables_of_one_output_have_columns_of_their_own():
    assert read_output(COINS) == [table("T | images", "1 | 61,024"), table("gain | p", "-0.5 | 5e-09", "+12.1 | 0.04")]


@pytest.mark.parametrize(("cells", "numbers"), [
    (("86.14 %", "9.0 %"), True), (("+0.4", "-1,024.5", ""), True), (("5e-09", "0.04"), True), (("54.2 nJ", "7 nJ"), True),
    (("60 of 60",), False), (("17.9 to 23.0",), False), (("True",), False), (("1.32 x (3.71 x)",), False), (("",), False),
])
def test_a_column_of_numbers_with_at_most_a_unit_is_set_to_the_right(cells, numbers):
    made = PrintedTable(("name", "value"), tuple((str(n), cell) for n, cell in enumerate(cells)))
    assert made.has_numbers(1) == numbers


def test_a_drawn_table_has_a_head_names_of_rows_and_numbers_to_the_right():
    drawing, = drawn(table("rule | EDP | note", "mean | 0.29 | ours", "sum | 0.21 | theirs"))
    head, body = next(drawing.findall(nodes.thead)), next(drawing.findall(nodes.tbody))
    assert [cell.astext() for cell in head.findall(nodes.entry)] == ["rule", "EDP", "note"]
    assert [row.astext().split() for row in body] == [["mean", "0.29", "ours"], ["sum", "0.21", "theirs"]]
    assert [spec["stub"] for spec in drawing.findall(nodes.colspec)] == [1, 0, 0]
    assert [[cell["classes"] for cell in row] for row in (*head, *body)] == [[[], ["number"], []]] * 3


# --- laws ------------------------------------------------------------------------------

word = some.text("abcxyz019.%-", min_size=1, max_size=6)
phrase = some.lists(word, min_size=1, max_size=3).map(" ".join)


@some.composite
def grids(draw: some.DrawFn) -> list[list[str]]:
    """Cells, of which the first of a row and all of the head say something."""
    columns = draw(some.integers(2, 5))
    cell = some.one_of(phrase, some.just(""))
    rows = some.tuples(phrase, *[cell] * (columns - 1)).map(list)
    return [draw(some.lists(phrase, min_size=columns, max_size=columns)), *draw(some.lists(rows, min_size=1, max_size=6))]


@given(grids(), some.lists(some.booleans(), min_size=5, max_size=5), some.integers(2, 4))
def test_whatever_is_printed_in_columns_is_read_back(grid, to_the_right, gutter):
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    lines = [(" " * gutter).join(cell.rjust(wide) if right else cell.ljust(wide)
                                 for cell, wide, right in zip(row, widths, to_the_right[:len(row)], strict=True)) for row in grid]
    found = read_table("\n".join(line.rstrip() for line in lines))
    assert [list(row) for row in (found.head, *found.rows)] == grid


def joined(part: PrintedTable | str) -> str:
    return part if isinstance(part, str) else " ".join(cell for row in (part.head, *part.rows) for cell in row)


def check_that_nothing_is_lost(text: str) -> None:
    """Every word once and in order, and as many cells as rows times columns."""
    parts = read_output(text)
    assert " ".join(map(joined, parts)).split() == text.split()
    for part in parts:
        if isinstance(part, PrintedTable):
            assert {len(row) for row in part.rows} == {len(part.head)}


@pytest.mark.parametrize("text", [CHECKS, RIVALS, COINS])
def test_nothing_that_was_printed_is_lost(text):
    check_that_nothing_is_lost(text)


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "reason"), [
    ("rule  EDP\nmean  0.29\na sentence that runs through\n", "ragged line: 'rule  EDP'"),
    ("rule   steps  EDP\nmean   1.00  0.29\nlong labels  1.0  0.2\n", "ragged line"),
    ("rule  EDP\n", "1 line"),
    ("  mean\n  sum   \n", "there are no columns"),
    ("a sentence alone\n", "there are no columns"),
    ("rule    steps\nmean    1.66   92.8 %\n", "a column without a name"),
    ("rule  EDP\n      0.29\n", "a row without a name"),
])
def test_what_has_no_columns_is_refused(text, reason):
    with pytest.raises(NoTable, match=re.escape(reason)):
        read_output(text)


# --- a page ---------------------------------------------------------------------------------


def page(text: str, *tags: str) -> nodes.document:
    """A page with one code cell, as MyST-NB makes it, after the tables were set."""
    source, output = nodes.literal_block("", "print(...)"), nodes.literal_block("", text, classes=["output", "stream"])
    cell = nodes.container("", source, nodes.container("", output), nb_element="cell_code", cell_index=7, cell_metadata={"tags": [*tags]})
    doctree = new_document("page")
    doctree += cell
    set_tables(SimpleNamespace(env=SimpleNamespace(docname="book/lif")), doctree)       # type: ignore[arg-type]  # what it reads of an app
    return doctree


def test_a_tagged_cell_shows_a_table_in_place_of_its_text():
    doctree = page(RIVALS, "keep_output", "table")
    assert len(list(doctree.findall(nodes.table))) == 1
    assert [it.astext() for it in doctree.findall(nodes.paragraph)][:1] == ["energy of the digits on two chips:"]
    assert [it.astext() for it in doctree.findall(nodes.literal_block)] == ["print(...)"], "the code stays, the output went"


@pytest.mark.parametrize("text", [CHECKS, RIVALS])
def test_what_takes_the_place_of_the_text_does_not_look_like_it(text):
    assert not any("stream" in it["classes"] for it in page(text, "table").findall(nodes.Element))


def test_a_cell_without_the_tag_stays_text():
    assert list(page(RIVALS, "keep_output").findall(nodes.table)) == []


@pytest.mark.parametrize("text", ["a sentence\n", "rule  EDP\na sentence that runs through\n"])
def test_a_tagged_cell_without_a_table_ends_the_build_and_is_named(text):
    with pytest.raises(ExtensionError, match="book/lif, cell 7 has the tag `table`"):
        page(text, "table")


# --- the book ---------------------------------------------------------------------------------


def tagged(path: Path) -> list[tuple[str, str]]:
    """(name, stored output) of each cell with the tag."""
    cells = json.loads(path.read_text("utf8"))["cells"]
    return [(cell["id"], "".join("".join(output["text"]) for output in cell["outputs"])) for cell in cells
            if "table" in cell["metadata"].get("tags", [])]


chapters = [path for path in sorted((ROOT / "book").glob("*.ipynb")) if tagged(path)]


@pytest.mark.parametrize("path", chapters, ids=lambda path: path.stem)
def test_every_tagged_cell_of_a_chapter_prints_tables_that_are_short(path):
    for name, text in tagged(path):
        check_that_nothing_is_lost(text)
        for part in read_output(text):
            assert isinstance(part, str) or len(part.rows) <= LONGEST_TABLE, f"{path.stem}, cell {name}: repeat the head, or print less"


def test_most_chapters_print_tables():
    assert len(chapters) >= 15
