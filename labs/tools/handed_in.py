"""A notebook as somebody hands it in: whatever wrote it, its cells as plain text, and what they say of themselves.

Any encoding of JSON (a byte order mark, UTF-16), notebook formats 2 to 4, sources as text or as lines, metadata or none.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import nbformat

from labs.tools.exams import answers_of
from labs.tools.masters import code_cells, exercises, grade_id, masters
from labs.tools.names import bound

NAMED = re.compile(r"""^STUDENT\s*=\s*["']([^"'\n]*)["']""", re.M)
COURSE = re.compile(r"""^COURSE\s*=\s*["']([^"'\n]*)["']""", re.M)


class NoNotebook(ValueError):
    """A file that is no notebook; the message says what it is instead."""


@dataclass(frozen=True)
class Cell:
    """A cell without its outputs: code or markdown, its text, and what names it (`name` is nbgrader's grade_id)."""

    kind: str
    source: str
    name: str = ""
    id: str = ""


def cells_of(data: bytes) -> list[Cell]:
    """The cells of a notebook's file."""
    notebook = parsed(data)
    if not isinstance(notebook, dict):
        raise NoNotebook("the file is not a notebook")
    sheets = notebook["worksheets"] if isinstance(notebook.get("worksheets"), list) else []
    older = [cell for sheet in sheets if isinstance(sheet, dict) for cell in sheet.get("cells", [])]
    cells = notebook["cells"] if isinstance(notebook.get("cells"), list) else older
    if not cells:
        raise NoNotebook("the file is not a notebook: it has no cells")
    return [cell_of(cell) for cell in cells if isinstance(cell, dict)]


def parsed(data: bytes) -> object:
    """What a file of JSON holds, in any encoding that JSON comes in."""
    if not data.strip():
        raise NoNotebook("the file is not a notebook: it is empty")
    for text in (data, data.decode("cp1252", "replace")):       # loads knows UTF-8, -16 and -32, with and without a mark
        try:
            return json.loads(text)
        except UnicodeDecodeError:
            continue
        except (ValueError, RecursionError):
            break
    raise NoNotebook(f"the file is not a notebook{guess(data)}")


def guess(data: bytes) -> str:
    """What else a file looks like."""
    start = data[:200].lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    kinds = ((b"<", ": it is a web page"), (b"%pdf", ": it is a PDF"), (b"{", ": it breaks off, or was edited by hand"))
    return next((words for mark, words in kinds if start.startswith(mark)), "")


def cell_of(cell: Mapping) -> Cell:
    """One cell of any format; a text that no encoding can hold loses those signs."""
    text = cell.get("source", cell.get("input", ""))
    text = "".join(map(str, text)) if isinstance(text, list) else str(text)
    text = text.encode("utf8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")
    graded = table(table(cell.get("metadata")).get("nbgrader"))
    return Cell(str(cell.get("cell_type", "")), text, str(graded.get("grade_id", "")), str(cell.get("id", "")))


def table(value: object) -> dict:
    return value if isinstance(value, dict) else {}


# --- what the cells say ----------------------------------------------------------------


@lru_cache(maxsize=1)
def marks() -> dict[str, str]:
    """What tells a lab's cells from those of others: grade_id, cell id, or source -> lab; shared marks are left out."""
    found: dict[str, set[str]] = {}
    for path in masters():
        for cell in code_cells(path):
            for mark in filter(None, (grade_id(cell), cell.get("id", ""), cell["source"].strip())):
                found.setdefault(mark, set()).add(path.stem)
    return {mark: labs.pop() for mark, labs in found.items() if len(labs) == 1}


def lab_of(cells: Sequence[Cell]) -> str:
    """The lab to which most cells belong; empty where no cell belongs to any."""
    seen = Counter(lab for cell in cells for lab in {marks().get(m, "") for m in (cell.name, cell.id, cell.source.strip())} if lab)
    return max(seen, key=lambda lab: (seen[lab], lab), default="")


@lru_cache
def blank(lab: str) -> tuple[dict[str, str], set[str], set[str]]:
    """A lab with nothing done: its stubs by name, all of its code as students receive it, and the names that they are asked for."""
    stubs, code, asked = {}, set(), set()
    for path in (path for path in masters() if path.stem == lab):
        stubs = {exercise.name: exercise.stub.strip() for exercise in exercises(path)}
        code = {*stubs.values(), *(cell["source"].strip() for cell in code_cells(path) if grade_id(cell) not in stubs)}
        asked = set().union(*answers_of(nbformat.read(path, as_version=4)).values())
    return stubs, code, asked


def touched(cells: Sequence[Cell], lab: str) -> bool:
    """Whether any solution of the lab is more than its stub, or stands in a cell without a name, as after Colab."""
    stubs, code, asked = blank(lab)
    return any(cell.source.strip() != stubs[cell.name] if cell.name in stubs else
               not cell.name and cell.kind == "code" and cell.source.strip() not in code and bool(bound(cell.source) & asked)
               for cell in cells)


def said_by(pattern: re.Pattern[str], cells: Sequence[Cell]) -> str:
    """The last word that the notebook gives for STUDENT or COURSE."""
    found = [hit.strip() for cell in cells if cell.kind == "code" for hit in pattern.findall(cell.source)]
    return found[-1] if found else ""
