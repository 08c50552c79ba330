"""The table of scores: whole at any moment, and what a person wrote into it stays.

Beside scores.csv lies scores.journal, a line of JSON for each grade as soon as it is known: a run that was killed goes on after it,
and what has not changed since is not graded again.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dtsnn_lite.files import whole_file
from labs.tools.classlist import table_of, text_of

COLUMNS = ("student", "lab", "score", "by_person", "max_score", "status", "feedback", "file", "handed_in", "note")
FORMULA = ("=", "+", "-", "@", "\t", "\r")          # what a spreadsheet takes a cell for that begins so
MACHINE_GAVE = "the score was entered by a person; the machine gives "


@dataclass(frozen=True)
class Grade:
    """A row of the scores: status is `graded`, or why not; said are the failed tests' messages.

    file, handed_in, note   the plan's: which file, when it was handed in, what a person should know
    """

    student: str
    lab: str
    score: float
    max_score: float
    status: str
    said: dict[str, str] = field(default_factory=dict)
    file: str = ""
    note: str = ""
    handed_in: str = ""

    @property
    def row(self) -> dict[str, str]:
        said = "; ".join(f"{name}: {words}" for name, words in self.said.items())
        return {"student": self.student, "lab": self.lab, "score": f"{self.score:g}", "by_person": "", "max_score": f"{self.max_score:g}",
                "status": self.status, "feedback": said, "file": self.file, "handed_in": self.handed_in, "note": self.note}


Key = tuple[str, str, str]


def key_of(row: Mapping[str, str]) -> Key:
    """What a row is the row of: a student's lab; a file, where no lab is known."""
    return row["student"], row["lab"], "" if row["lab"] else row["file"]


@dataclass(frozen=True)
class Record:
    """A line of the journal: a grade, what it was made from (a hash; empty where nothing ran), and from which pile of files."""

    grade: Grade
    made_from: str
    pile: str

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def recorded(journal: Path) -> dict[Key, Record]:
    """The last record of each row; a line that broke off with a killed run is passed over."""
    found = {}
    for line in journal.read_bytes().splitlines() if journal.exists() else ():
        try:
            entry = json.loads(line)
            record = Record(Grade(**entry["grade"]), entry["made_from"], entry["pile"])
        except (ValueError, KeyError, TypeError):
            continue
        found[key_of(record.grade.row)] = record
    return found


class Table:
    """scores.csv as it was found, the journal beside it, and the grades of this run."""

    def __init__(self, path: Path, pile: str) -> None:
        self.path, self.pile = path, pile
        self.journal = path.with_suffix(".journal")
        self.records = recorded(self.journal)
        self.before = dict(self.records)
        self.rows = {key_of(row): row for row in rows_of(path)}
        self.order: list[Key] = []          # in which this run's rows stand
        self.graded: dict[Key, Grade] = {}

    def known(self, key: Key, made_from: str) -> Grade | None:
        """The grade of a submission that was graded before and has not changed."""
        record = self.before.get(key)
        return record.grade if record and made_from and record.made_from == made_from else None

    def add(self, grade: Grade, made_from: str = "") -> None:
        """A grade of this run, kept at once."""
        key, record = key_of(grade.row), Record(grade, made_from, self.pile)
        self.graded[key] = grade
        if self.records.get(key) != record:
            self.records[key] = record
            with open(self.journal, "ab") as file:
                file.write(b"" if ends_a_line(self.journal) else b"\n")
                file.write(record.line())
                file.flush()
                os.fsync(file.fileno())

    def write(self, all_graded: bool) -> None:
        """The table: this run's rows, then those of other piles; all_graded: a row of this pile that is not in it has lost its file."""
        place = {key: n for n, key in enumerate(self.order)}
        rows = [self.merged(self.graded[key]) for key in sorted(self.graded, key=lambda key: place.get(key, len(place)))]
        rows += [row for key, row in self.rows.items() if key not in self.graded and not (all_graded and self.is_gone(key))]
        extra = [name for row in rows for name in row if name not in COLUMNS]
        with whole_file(self.path) as part, open(part, "w", newline="", encoding="utf8") as file:
            table = csv.DictWriter(file, [*COLUMNS, *dict.fromkeys(extra)], restval="")
            table.writeheader()
            table.writerows({name: harmless(value) for name, value in row.items()} for row in rows)

    def is_gone(self, key: Key) -> bool:
        """Whether a row was this pile's, is not any more, and nobody has written anything into it."""
        record, row = self.before.get(key), self.rows[key]
        return bool(record and record.pile == self.pile and not row.get("by_person") and self.entered(key) is None)

    def entered(self, key: Key) -> str | None:
        """The score that a person wrote into the table over ours."""
        row, record = self.rows.get(key), self.before.get(key)
        if row is None or not row.get("score"):
            return None
        return None if record and number(row["score"]) == record.grade.score else row["score"]

    def merged(self, grade: Grade) -> dict[str, str]:
        """A row of this run with what a person wrote into the old one: the score, points, columns of their own."""
        old = self.rows.get(key_of(grade.row), {})
        kept = {name: value for name, value in old.items() if name == "by_person" or name not in COLUMNS}
        before, moment = self.before.get(key_of(grade.row)), old.get("handed_in", "")
        if not grade.handed_in and not (before and moment == before.grade.handed_in):       # a person may know where no platform says
            kept["handed_in"] = moment
        score = self.entered(key_of(grade.row))
        if score is not None and number(score) != grade.score:
            note = "; ".join(filter(None, (grade.note, f"{MACHINE_GAVE}{grade.score:g}")))
            kept |= {"score": score, "note": note}
        return {**grade.row, **kept}

    def changes(self) -> list[str]:
        """What is another than in the last run, a line each."""
        lines = []
        for key, grade in self.graded.items():
            old = self.before[key].grade if key in self.before else grade
            if (old.score, old.status) != (grade.score, grade.status):
                why = "" if old.status == grade.status else f"; {old.status} -> {grade.status}"
                names = [f"{name} {'fails' if name in grade.said else 'passes'}" for name in sorted(old.said.keys() ^ grade.said.keys())]
                lines.append(f"{key[0]} {key[1]}: {old.score:g} -> {grade.score:g} ({', '.join(names) or 'no test'} now{why})")
        return lines


def ends_a_line(path: Path) -> bool:
    """Whether what follows in a file begins a line of its own."""
    if not path.exists() or not path.stat().st_size:
        return True
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def rows_of(path: Path) -> Iterable[dict[str, str]]:
    """The rows of a table as it was left, by us or by a spreadsheet; without a table, none."""
    if not path.exists() or not path.stat().st_size:
        return []
    names, rows = table_of(text_of(path.read_bytes()))
    if not {"student", "lab", "score"} <= set(names):
        raise ValueError(f"{path} is no table of scores (it has the columns {names}): it is left as it is; name another with --scores")
    return [{"file": "", **{name: plain(value) for name, value in row.items()}} for row in rows if any(row.values())]


def number(text: str) -> float | None:
    """A score as a person types it."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def plain(text: str) -> str:
    """The text of such a cell."""
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA) else text
