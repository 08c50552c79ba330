"""Submissions to scores: each by itself behind a wall, whatever it does.

python -m labs.tools.grade SUBMITTED [--scores scores.csv] [--feedback folder] [--class-list class.csv] [--course word]
                             [--only ID ...] [--again] [--jobs 1] [--scheduler tcp://...] [--unprotected]
                             [--cell-seconds 120] [--seconds 600] [--memory-gb 4]

SUBMITTED is a folder, or the zip that a learning platform makes; intake.py finds out whose each file is.
Each file of it, and each student of the class list, gets a row that says what became of it; what has not changed since the last
run is not graded again, and what a person wrote into the table stays.
Grading RUNS the students' code: behind a wall (walls.py), or, if you say so, without one, as you.
"""

from __future__ import annotations

import argparse
import html
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dtsnn_lite.files import whole_file
from labs.tools.classlist import Member, class_list
from labs.tools.crew import FAILED, Way, on_cluster, on_this_machine
from labs.tools.intake import Plan, Ungraded, in_course, plan
from labs.tools.marking import Job, max_score, prepared
from labs.tools.masters import masters
from labs.tools.pile import gathered
from labs.tools.sitting import Limits
from labs.tools.table import Grade, Table, key_of
from labs.tools.walls import UNPROTECTED, NoWall, strongest

EVERY = 3.0         # seconds from one writing of the table to the next
LOUD = """WITHOUT A WALL: each submission runs as you. It can read and change what you can: your files, the masters, other hand-ins,
this table. Go on only with submissions that you trust."""


def submissions(folder: Path, scratch: Path, members: Sequence[Member] = (), course: str = "") -> Plan:
    """What to do with the files of a folder or a zip; those that lie in zips are unpacked into scratch."""
    return in_course(plan(gathered(folder, scratch), [path.stem for path in masters()], members), course)


def rows_of(made: Plan, limits: Limits, unprotected: bool) -> list[Job | Grade]:
    """Everything that gets a row, in the table's order: what is to be graded, and what never will be."""
    return [*(prepared(submission, limits, unprotected) for submission in made.graded), *map(row_without_grade, made.ungraded)]


def grade_all(rows: Sequence[Job | Grade], table: Table, way: Way, again: bool = False) -> Iterator[Grade]:
    """The grades as they become known, each kept in the table; what has not changed since the last run comes first."""
    jobs: list[Job] = []
    settled: list[tuple[Grade, str]] = []
    for one in rows:
        key = key_of((one.row if isinstance(one, Job) else one).row)
        table.order.append(key)
        match one:
            case Grade():
                settled.append((one, ""))
            case Job() if not again and (known := table.known(key, one.made_from)):
                settled.append((replace(one.row, score=known.score, status=known.status, said=known.said), one.made_from))
            case Job():
                jobs.append(one)
    for grade, made_from in settled:
        table.add(grade, made_from)
        yield grade
    for job, grade in way(jobs):
        table.add(grade, "" if grade.status.startswith(FAILED) else job.made_from)
        yield grade


def row_without_grade(one: Ungraded) -> Grade:
    return Grade(one.student, one.lab, 0.0, max_score(one.lab) if one.lab else 0.0, one.cause, file=one.file)


def only(made: Plan, students: Sequence[str]) -> Plan:
    """The part of a plan that is these students' (their ids or names as they stand in the table)."""
    wanted = {student.casefold() for student in students}
    there = {one.student.casefold() for one in made.graded} | {one.student.casefold() for one in made.ungraded}
    if wanted - there:
        raise ValueError(f"nothing here is of {', '.join(sorted(wanted - there))}: --only takes what stands in the column `student`")
    return replace(made, graded=tuple(one for one in made.graded if one.student.casefold() in wanted),
                   ungraded=tuple(one for one in made.ungraded if one.student.casefold() in wanted))


def summary(made: Plan) -> str:
    """What became of the files that were there: the numbers add up."""
    causes = sum(bool(one.file) for one in made.ungraded)
    older = made.files - made.passed_over - len(made.graded) - causes
    parts = {"to grade": len(made.graded), "older versions": older, "not graded (see their status)": causes,
             "of no person": made.passed_over}
    absent = len(made.ungraded) - causes
    return (f"{made.files} files: " + ", ".join(f"{count} {what}" for what, count in parts.items() if count)
            + (f"; {absent} hand-ins of the class list are missing" if absent else ""))


def write_feedback(grade: Grade, folder: Path) -> None:
    """One page a submission, to hand back: the messages, never the hidden tests; what students wrote is text, no markup."""
    page = folder / folder_name(grade.student) / f"{grade.lab}.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"# {grade.lab}: {grade.score:g} of {grade.max_score:g} points", "", f"Status: {grade.status}.", ""]
    lines += [f"Note: {grade.note}.", ""] if grade.note else []
    lines += [f"- **{name}** {words}" for name, words in grade.said.items()] or ["No test failed."] * (grade.score > 0)
    with whole_file(page) as part:
        part.write_text(html.escape("\n".join(lines), quote=False).replace("](", "]\\(") + "\n", "utf8")


def folder_name(student: str) -> str:
    """A folder for a student of any name: letters, digits and a few signs, and never a way out of where it stands."""
    return re.sub(r"[^\w.@+ -]", "_", student).strip(". ") or "_"


def main() -> None:
    parser = argparse.ArgumentParser(description="Grade a folder of submissions.")
    parser.add_argument("submitted", type=Path)
    parser.add_argument("--scores", type=Path, default=Path("scores.csv"))
    parser.add_argument("--feedback", type=Path, default=Path("feedback"))
    parser.add_argument("--cell-seconds", type=int, default=Limits.cell_seconds)
    parser.add_argument("--seconds", type=int, default=Limits.seconds)
    parser.add_argument("--memory-gb", type=float, default=Limits.memory_bytes / 1e9)
    parser.add_argument("--class-list", type=Path, help="CSV of the class: who handed nothing in gets a row, too")
    parser.add_argument("--course", default="", help="the course's word; without it, the one that most notebooks name")
    parser.add_argument("--only", nargs="+", default=[], metavar="ID", help="these students; all other rows stay as they are")
    parser.add_argument("--again", action="store_true", help="grade what has not changed, too")
    parser.add_argument("--jobs", type=int, default=1, help="submissions at once on this machine")
    parser.add_argument("--scheduler", default="", help="a Dask cluster: tcp://address:port")
    parser.add_argument("--unprotected", action="store_true", help="without a wall: each submission runs as you")
    given = parser.parse_args()
    if not given.submitted.exists():
        parser.error(f"{given.submitted} is no folder, and no zip")
    wall = NoWall() if given.unprotected else strongest()
    if wall is None and not given.scheduler:
        parser.error(UNPROTECTED)
    print(LOUD if given.unprotected else f"Behind {wall.name}." if wall and not given.scheduler else "Behind the walls of the workers.")
    limits = Limits(given.cell_seconds, given.seconds, int(given.memory_gb * 1e9))
    with tempfile.TemporaryDirectory(prefix="handed-in-") as scratch:
        try:
            members = class_list(given.class_list) if given.class_list else []
            made = submissions(given.submitted, Path(scratch), members, given.course)
            made = only(made, given.only) if given.only else made
            table = Table(given.scores, str(given.submitted.resolve()))
        except (OSError, ValueError) as reason:
            parser.error(str(reason))
        way = on_cluster(given.scheduler) if given.scheduler or wall is None else on_this_machine(wall, given.jobs)
        grades = grade_all(rows_of(made, limits, given.unprotected), table, way, given.again)
        write_grades(grades, table, given.feedback, not given.only)
    print(*table.changes(), summary(made), f"scores: {given.scores}   feedback: {given.feedback}/<student>/<lab>.md", sep="\n")


def write_grades(grades: Iterator[Grade], table: Table, feedback: Path, everybody: bool = True) -> None:
    """The table, written every few seconds and at the end, whatever ends it; and a page for each student and lab."""
    written = time.monotonic()
    try:
        for one in grades:
            if one.student and one.lab:
                write_feedback(one, feedback)
            print(f"{one.student:20} {one.lab:4}  {one.score:5.1f} / {one.max_score:g}  {one.status}", flush=True)
            if time.monotonic() - written > EVERY:
                table.write(all_graded=False)
                written = time.monotonic()
    except BaseException:
        table.write(all_graded=False)
        raise
    table.write(all_graded=everybody)


if __name__ == "__main__":
    main()
