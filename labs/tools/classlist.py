"""A class list as a spreadsheet or a learning platform writes it: who is in the class, and by which names they are known.

Any delimiter, any of the encodings that Excel saves, headers of ours, nbgrader, Moodle, Canvas, Blackboard and Brightspace.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dtsnn_lite.classroom.variants import Variant

BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))
DELIMITERS = ",;\t|"
# The columns that hold what students write as STUDENT, the first that is there.
IDS = ("student", "sis login id", "username", "user name", "login", "orgdefinedid", "sis user id", "student id", "id number",
       "email address", "email")
LAST, FIRST = ("last name", "surname", "last_name", "family name"), ("first name", "first_name", "given name")
ROUNDED = re.compile(r"\d\.\d+E\+\d+", re.I)


@dataclass(frozen=True)
class Member:
    """A student of the class: the id, and what else this row calls them (names, numbers of the platform), as `plain` text."""

    student: str
    known_as: frozenset[str] = frozenset()


def plain(name: str) -> str:
    """A name without accents, capitals, blanks and signs: what platforms make of it in a file's name."""
    letters = unicodedata.normalize("NFKD", name).casefold()
    return "".join(sign for sign in letters if sign.isalnum())


def encoding_of(data: bytes) -> str:
    """The encoding of a text file: its mark decides, then whether UTF-16 or UTF-8 fit, else Windows' Western one."""
    for mark, encoding in BOMS:
        if data.startswith(mark):
            return encoding
    if data[1:2] == b"\0" or data[:1] == b"\0":
        return "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def text_of(data: bytes) -> str:
    """A text file of unknown encoding; what does not fit it is replaced."""
    return data.decode(encoding_of(data), "replace")


def table_of(text: str) -> tuple[list[str], list[dict[str, str]]]:
    """The lower-case headers of a CSV and its rows by them, whatever sign parts its columns."""
    text = re.sub(r"\A\s*(sep=.\r?\n)?", "", text)         # the line by which a spreadsheet tells its sign
    first = text.splitlines()[0] if text else ""
    delimiter = max(DELIMITERS, key=lambda sign: (id_column(headers(first, sign)) is not None, first.count(sign)))
    names, rows = headers(first, delimiter), csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    next(rows, None)
    return names, [dict(zip(names, map(str.strip, row), strict=False)) for row in rows]    # short rows lack the last columns


def headers(line: str, delimiter: str) -> list[str]:
    return [name.strip().lower() for name in next(csv.reader([line], delimiter=delimiter), [])]


def id_column(names: Sequence[str]) -> str | None:
    """Which column holds the ids; Canvas calls the names `Student`, nbgrader the ids `id`."""
    if "student" in names and any(name.startswith("sis ") for name in names):
        names = [name for name in names if name != "student"]
    if "first_name" in names and "id" in names:
        return "id"
    return next((name for name in IDS if name in names), None)


def class_list(path: Path) -> list[Member]:
    """The students of a class list; an id that could not be drawn for is refused by name."""
    names, rows = table_of(text_of(path.read_bytes()))
    column = id_column(names)
    if column is None:
        raise ValueError(f"{path} needs a column `student`; it has {names}")
    members = [Member(checked(row[column]), frozenset(aliases(row, column))) for row in rows if row.get(column)]
    twice = [s for s, n in Counter(m.student.lower() for m in members).items() if n > 1]
    if twice:
        raise ValueError(f"{path} names {', '.join(sorted(twice))} more than once")
    return members


def checked(student: str) -> str:
    """An id as constants are drawn for it; Brightspace puts a # before it."""
    if ROUNDED.fullmatch(student):
        raise ValueError(f"the student id {student} was rounded by a spreadsheet: format that column as text and save it again")
    return Variant(student.removeprefix("#")).student


def aliases(row: dict[str, str], column: str) -> Iterator[str]:
    """Everything by which a platform may call the student of this row."""
    first, last = (next((row[name] for name in names if row.get(name)), "") for names in (FIRST, LAST))
    whole = [row.get(name, "") for name in ("full name", "name", "student") if name != column]
    turned = [" ".join(reversed(name.split(",", 1))) for name in whole if "," in name]
    numbers = [row[name] for name in row if name in {*IDS, "id"} and name != "student"]
    mails = [row[name].split("@")[0] for name in ("email", "email address") if "@" in row.get(name, "")]
    pairs = [first + last, last + first] if first and last else []
    yield from filter(None, map(plain, [row[column], *whole, *turned, *numbers, *mails, *pairs]))


def member_called(name: str, members: Sequence[Member]) -> Member | None:
    """The one student whom a name, an id or a number means; None where it is nobody's or several people's."""
    wanted = plain(name)
    found = [m for m in members if wanted and wanted in m.known_as | {plain(m.student)}]
    return found[0] if len(found) == 1 else None
