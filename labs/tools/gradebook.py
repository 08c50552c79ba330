"""Grades into the file that a learning platform exports and takes back: its rows, its id columns, one column filled in.

python -m labs.tools.gradebook exported.csv lab1 [--scores scores.csv] [--to filled.csv] [--column "..."] [--due due.toml] [--zeros]
                               [--feedback folder --zip feedback.zip]

Works with what Canvas, Blackboard, Brightspace and Moodle (grades, or an assignment's grading worksheet) export; any other CSV with
an id, a user name or a mail address will do. Encoding, delimiter, order and everything else in the file stay as they are.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dtsnn_lite.files import whole_file
from labs.tools.classlist import DELIMITERS, Member, aliases, encoding_of, id_column, member_called, text_of
from labs.tools.grade import folder_name
from labs.tools.intake import lab_named, platform_of
from labs.tools.late import Rule, rules
from labs.tools.marking import memo_points
from labs.tools.masters import masters
from labs.tools.table import number, rows_of

LAST = "end-of-line indicator"      # Brightspace: a column that must stay the last


@dataclass
class Export:
    """A platform's file: its header and rows as they are, and how it was written."""

    header: list[str]
    rows: list[list[str]]
    encoding: str
    delimiter: str

    @property
    def names(self) -> list[str]:
        return [name.strip().lower() for name in self.header]

    def record(self, row: Sequence[str]) -> dict[str, str]:
        return dict(zip(self.names, map(str.strip, row), strict=False))     # short rows lack the last columns

    def column(self, lab: str, wanted: str = "") -> int:
        """Which column takes the grades of a lab: the one that is named, the one that names the lab, or a new one."""
        if wanted:
            if wanted not in self.header:
                raise ValueError(f"there is no column {wanted!r}; there are {self.header}")
            return self.header.index(wanted)
        if {"identifier", "grade"} <= set(self.names):      # Moodle's worksheet is an assignment's own
            return self.names.index("grade")
        found = [n for n, name in enumerate(self.header) if lab_named(name, [lab])]
        points = [n for n in found if "points grade" in self.names[n]] or found
        if len(points) > 1:
            raise ValueError(f"several columns name {lab}: {[self.header[n] for n in points]}; say which with --column")
        return points[0] if points else self.new_column(lab)

    def new_column(self, lab: str) -> int:
        """A column for a lab that the platform does not know yet; it is asked for when the file is imported."""
        at = self.names.index(LAST) if LAST in self.names else len(self.header)
        title = f"Lab {lab.removeprefix('lab')}" + " Points Grade" * ("orgdefinedid" in self.names)
        width = len(self.header)
        self.header.insert(at, title)
        for row in self.rows:
            row.extend([""] * (width - len(row)))
            row.insert(at, "")
        return at


def read(path: Path) -> Export:
    """An exported file; without a column that says whose a row is, a ValueError."""
    data = path.read_bytes()
    text = text_of(data)
    first = text.splitlines()[0] if text else ""
    delimiter = max(DELIMITERS, key=first.count)
    table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    export = Export(table[0] if table else [], table[1:], encoding_of(data), delimiter)
    if id_column(export.names) is None and "identifier" not in export.names:
        raise ValueError(f"{path}: no column says whose a row is; it has {export.header}")
    return export


def person(record: Mapping[str, str], column: str | None) -> Member:
    """Whom a row is about, by every name in it; Moodle's participant has the number that the download's folders bear."""
    numbers = re.findall(r"\d+", record.get("identifier", ""))
    known = frozenset(aliases(dict(record), column)) if column else frozenset()
    return Member(record.get(column or "identifier", "").removeprefix("#"), known | frozenset(numbers))


def belongs(score: Mapping[str, str], people: Sequence[Member]) -> Member | None:
    """Whose a score is: by the id or name in the table, else by the number that the platform gave to its file."""
    told = [platform_of(part) for part in PurePosixPath(score.get("file", "")).parts]
    names = [score["student"], *(t["number"] for t in told if t.get("number"))]
    return next(filter(None, (member_called(name, people) for name in names)), None)


@dataclass(frozen=True)
class Due:
    """A grade to hand over, or why not yet."""

    points: float
    why_not: str = ""


def due(score: Mapping[str, str], rule: Rule | None, zeros: bool) -> Due:
    """What the platform gets:  (score + points of a person) * share that lateness leaves."""
    if score.get("status") == "nothing handed in" and not zeros:
        return Due(0.0, "nothing handed in")
    by_person, machine = number(score.get("by_person") or ""), number(score["score"])
    if machine is None:
        return Due(0.0, f"its score {score['score']!r} is no number")
    if memo_points(score["lab"]) and by_person is None and score.get("status") != "nothing handed in":
        return Due(0.0, f"the {memo_points(score['lab']):g} points of a person are still to be entered (by_person)")
    share = rule.share(score["student"], score.get("handed_in", "")) if rule else 1.0
    return Due(round((machine + (by_person or 0.0)) * share, 2))


def filled(export: Export, scores: Sequence[Mapping[str, str]], lab: str, rule: Rule | None = None, zeros: bool = False,
           column: str = "") -> list[str]:
    """Fills the export in; what could not be handed over, a line each."""
    mine = [score for score in scores if score["lab"] == lab]
    ids = id_column(export.names)
    people = [person(export.record(row), ids) for row in export.rows]
    at = export.column(lab, column)
    comments = export.names.index("feedback comments") if "feedback comments" in export.names else None
    said = most_points(export, at, mine) + strangers(rule, mine)
    for score in mine:
        member, grade = belongs(score, people), due(score, rule, zeros)
        if member is None or grade.why_not:
            said.append(f"{score['student']}: {grade.why_not or 'not in the exported file'}")
            continue
        row = export.rows[people.index(member)]
        row.extend([""] * (len(export.header) - len(row)))
        row[at] = f"{grade.points:g}"
        if comments is not None:
            row[comments] = score.get("feedback", "")
        if rule and not score.get("handed_in"):
            said.append(f"{score['student']}: nothing says when it was handed in; no points were taken off")
    return said


def strangers(rule: Rule | None, scores: Sequence[Mapping[str, str]]) -> list[str]:
    """Whoever has an extension and no row: a name that was written in another way would get no extension."""
    there = {score["student"].casefold() for score in scores}
    return [f"the extension of {name} is nobody's: no row of the scores bears that name" for name in (rule.extensions if rule else ())
            if name.casefold() not in there]


def most_points(export: Export, at: int, scores: Sequence[Mapping[str, str]]) -> list[str]:
    """A word where the platform's column is worth other points than the lab: its import would take or scale them as they are."""
    title, names = export.header[at], export.names
    told = re.search(r"(?:total pts:|maxpoints:)\s*([\d.,]+)", title, re.I)
    possible = [row[at] for row in export.rows if "points possible" in " ".join(row[:2]).lower() and len(row) > at]
    worksheet = [export.record(row).get("maximum grade", "") for row in export.rows[:1]] if "maximum grade" in names else []
    worth = next(filter(None, map(number, [*(told.groups() if told else ()), *possible, *worksheet])), None)
    best = next((number(score["max_score"]) for score in scores), None)
    wrong = worth is not None and best is not None and worth != best
    return [f"the column {title!r} is worth {worth:g} points there, the lab {best:g}: change it there first"] if wrong else []


def write(export: Export, path: Path) -> None:
    """The file, written as it was."""
    with whole_file(path) as part, open(part, "w", newline="", encoding=export.encoding) as file:
        csv.writer(file, delimiter=export.delimiter, quoting=csv.QUOTE_ALL if export.delimiter == "," else csv.QUOTE_MINIMAL).writerows(
            [export.header, *export.rows])


def zip_feedback(scores: Sequence[Mapping[str, str]], lab: str, feedback: Path, path: Path) -> int:
    """Feedback pages as Moodle takes them back: under the names of the folders, or files, that its download had; how many."""
    pages = {}
    for score in (score for score in scores if score["lab"] == lab):
        page = feedback / folder_name(score["student"]) / f"{lab}.md"
        folder = next((name for name in PurePosixPath(score.get("file", "")).parts if "_assignsubmission_" in name), "")
        if folder and page.is_file():
            alone = folder.lower().endswith((".ipynb", ".zip"))
            before = f"{folder.partition('_assignsubmission_')[0]}_assignsubmission_file_" if alone else f"{folder}/"
            pages[f"{before}{lab} feedback.md"] = page
    if pages:
        with whole_file(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, page in pages.items():
                packed.writestr(name, page.read_bytes())
    return len(pages)


def main() -> None:
    parser = argparse.ArgumentParser(description="Fill grades into a platform's own file.")
    parser.add_argument("exported", type=Path)
    parser.add_argument("lab", choices=[path.stem for path in masters()])
    parser.add_argument("--scores", type=Path, default=Path("scores.csv"))
    parser.add_argument("--to", type=Path)
    parser.add_argument("--column", default="")
    parser.add_argument("--due", type=Path)
    parser.add_argument("--zeros", action="store_true", help="0 points for whoever handed nothing in, rather than no entry")
    parser.add_argument("--feedback", type=Path, default=Path("feedback"))
    parser.add_argument("--zip", type=Path, help="where to pack the feedback for Moodle")
    given = parser.parse_args()
    target = given.to or given.exported.with_name(f"{given.exported.stem} with {given.lab}{given.exported.suffix}")
    try:
        export, scores = read(given.exported), list(rows_of(given.scores))
        if not any(score["lab"] == given.lab for score in scores):
            raise ValueError(f"{given.scores} holds no row of {given.lab}: grade it first, or name its table with --scores")
        rule = rules(given.due).get(given.lab) if given.due else None
        silent = [f"{given.due} says nothing of {given.lab}: no points were taken off"] if given.due and rule is None else []
        said = silent + filled(export, scores, given.lab, rule, given.zeros, given.column)
        write(export, target)
        pages = zip_feedback(scores, given.lab, given.feedback, given.zip) if given.zip else 0
    except (OSError, ValueError) as reason:
        parser.error(str(reason))
    print(*said, f"grades: {target}", *[f"{pages} pages for Moodle: {given.zip}"] * bool(pages), sep="\n")


if __name__ == "__main__":
    main()
