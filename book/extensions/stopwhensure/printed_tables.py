"""Results that a cell prints in columns, as tables: a notebook shows the text, the page a table with heads.

The cells are those with the tag `table`. A block of their output, up to an empty line, is a table if some line has two
blanks in a row, else it is words. Its columns are what *gutters* separate: two letters or more that are blank in every
line of the block. The first line is the head, the first column names the rows. What has no such form ends the build.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

TAG = "table"
COLUMN = re.compile(r"x+(?: x+)*")                  # of a ruler: "x" where some line has a letter, blank where none has
# A number, alone or with one unit: 0.607, 1,024, -0.9, 5e-09, 86.14 %, 54.2 nJ.
NUMBER = re.compile(r"[+-]?\d[\d,]*(\.\d+)?(e[+-]?\d+)?(%| [^\s\d()]+)?")


class NoTable(ValueError):
    """A block in columns that cannot be read as a table."""


@dataclass(frozen=True)
class PrintedTable:
    """The cells of a block of text, row by row; the first row is the head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def has_numbers(self, column: int) -> bool:
        """Whether a column holds numbers and nothing else, but empty places."""
        told = [row[column] for row in self.rows if row[column]]
        return bool(told) and all(NUMBER.fullmatch(cell) for cell in told)


def ruler(lines: list[str]) -> str:
    """One line as long as the longest: a blank where every line is blank, else "x"."""
    width = max(map(len, lines))
    return "".join("x" if any(letters) else " " for letters in zip(*(
        [letter != " " for letter in line.ljust(width)] for line in lines), strict=True))


def read_table(block: str) -> PrintedTable:
    """The table that a block of lines is."""
    lines = block.split("\n")
    columns = [slice(*found.span()) for found in COLUMN.finditer(ruler(lines))]
    cells = [tuple(line[column].strip() for column in columns) for line in lines]
    for line, row in zip(lines, cells, strict=True):
        if any("  " in cell for cell in row):
            raise NoTable(f"a ragged line: {line!r}; between two columns, two blanks or more stand above each other in every line")
    if len(columns) < 2 or len(lines) < 2:
        raise NoTable(f"{len(lines)} line(s) and {len(columns)} column(s); a table has a head, a row and two columns at least")
    if not all(cells[0]):
        raise NoTable(f"a column without a name: {lines[0]!r}")
    if not all(row[0] for row in cells):
        raise NoTable(f"a row without a name: {next(line for line, row in zip(lines, cells, strict=True) if not row[0])!r}")
    return PrintedTable(cells[0], tuple(cells[1:]))


def read_output(text: str) -> list[PrintedTable | str]:
    """What a cell printed: tables and words, in their order."""
    blocks = [block for block in re.split(r"\n(?: *\n)+", "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")) if block]
    found = [read_table(block) if re.search(r"\S {2,}\S", block) else block for block in blocks]
    if not any(isinstance(part, PrintedTable) for part in found):
        raise NoTable("no line has two blanks in a row: there are no columns")
    return found


def row_of(table: PrintedTable, cells: tuple[str, ...]) -> nodes.row:
    entries = [nodes.entry("", nodes.Text(cell), classes=["number"] if table.has_numbers(n) else []) for n, cell in enumerate(cells)]
    return nodes.row("", *entries)


def drawn(part: PrintedTable | str) -> list[nodes.Element]:
    """A table, or a paragraph for each line of words."""
    if isinstance(part, str):
        return [nodes.paragraph("", line, classes=["printed-words"]) for line in part.split("\n")]
    specs = [nodes.colspec(colwidth=1, stub=int(n == 0)) for n in range(len(part.head))]
    group = nodes.tgroup("", *specs, nodes.thead("", row_of(part, part.head)),
                         nodes.tbody("", *(row_of(part, row) for row in part.rows)), cols=len(part.head))
    return [nodes.table("", group, classes=["printed"])]


def set_tables(app: Sphinx, doctree: nodes.document) -> None:
    """The page with tables in place of the text that its tagged cells printed."""
    for cell in doctree.findall(nodes.container):
        if cell.get("nb_element") != "cell_code" or TAG not in cell["cell_metadata"].get("tags", []):
            continue
        where = f"{app.env.docname}, cell {cell['cell_index']}"
        printed = [it for it in cell.findall(nodes.literal_block) if "stream" in it["classes"]]
        if len(printed) != 1:
            raise ExtensionError(f"{where}: the tag `{TAG}` is for a cell that prints, and this one has {len(printed)} printed outputs")
        try:
            parts = read_output(printed[0].astext())
        except NoTable as why:
            raise ExtensionError(f"{where} has the tag `{TAG}`, but what it prints is no table: {why}") from why
        printed[0].parent.replace(printed[0], [node for part in parts for node in drawn(part)])


def setup(app: Sphinx) -> None:
    """When a page has been read, before anything looks at its words."""
    app.connect("doctree-read", set_tables)
