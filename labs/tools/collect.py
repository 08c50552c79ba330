"""What a learning platform lets you download, sorted into nbgrader's folders: submitted/<id>/<lab>/<lab>.ipynb.

python -m labs.tools.collect download.zip [submitted] [--class-list class.csv]

Nothing is overwritten; submitted.csv says where each file went, and why not.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labs.tools.classlist import class_list
from labs.tools.grade import submissions, summary
from labs.tools.intake import Plan, Submission, joined


@dataclass(frozen=True)
class Collected:
    """A row: a file or a missing hand-in, whose it is, where it went; outcome is `copied`, or why not."""

    student: str
    lab: str
    file: str
    folder: str
    outcome: str


COLUMNS = ("student", "lab", "file", "folder", "outcome")


def folders(made: Plan) -> Iterator[tuple[Submission, str]]:
    """Each submission with its folder's name: the id that draws the constants, or the student where two name the same id."""
    taken: set[tuple[str, str]] = set()
    for one in made.graded:
        name = one.draws or one.student
        name = one.student if (name.casefold(), one.lab) in taken else name
        taken.add((name.casefold(), one.lab))
        yield one, name


def collected(made: Plan, into: Path) -> Iterator[Collected]:
    """Copies what can be graded, and says what became of everything."""
    for one, name in folders(made):
        target = into / name / one.lab / f"{one.lab}.ipynb"
        outcome = copied(one.path, target)
        yield Collected(one.student, one.lab, one.file, str(target.parent.relative_to(into)), joined(outcome, one.note))
    yield from (Collected(one.student, one.lab, one.file, "", one.cause) for one in made.ungraded)


def copied(source: Path, target: Path) -> str:
    """Copies a file to where none is yet."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        return "copied"
    same = target.read_bytes() == source.read_bytes()
    return "there already" if same else "not copied: another version is there already; collect into a folder of its own"


def main() -> None:
    parser = argparse.ArgumentParser(description="Sort a platform's download into folders, one a student.")
    parser.add_argument("download", type=Path)
    parser.add_argument("into", type=Path, nargs="?", default=Path("submitted"))
    parser.add_argument("--class-list", type=Path)
    given = parser.parse_args()
    if not given.download.exists():
        parser.error(f"{given.download} is no folder, and no zip")
    try:
        members = class_list(given.class_list) if given.class_list else []
    except (OSError, ValueError) as reason:
        parser.error(str(reason))
    with tempfile.TemporaryDirectory(prefix="handed-in-") as scratch:
        made = submissions(given.download, Path(scratch), members)
        rows = list(collected(made, given.into))
    table = given.into.with_name(f"{given.into.name}.csv")
    with open(table, "w", newline="", encoding="utf8") as file:
        writer = csv.writer(file)
        writer.writerows([COLUMNS, *([getattr(row, column) for column in COLUMNS] for row in rows)])
    for row in rows:
        print(f"{row.student:20} {row.lab:4}  {row.file or '-'}  {row.outcome}")
    print(summary(made), f"folders: {given.into}   table: {table}", sep="\n")


if __name__ == "__main__":
    main()
