"""The answer key of a class: what each student's own constants lead to.

python -m labs.tools.key class.csv [key.csv] [--course open]
class.csv has a column `student` (classlist.py says which other lists will do); key.csv has a row a student and a column a number.
"""

from __future__ import annotations

import argparse
import csv
import os
from pathlib import Path

from tqdm import tqdm

from dtsnn_lite.classroom.checks import numbers
from dtsnn_lite.files import whole_file
from labs.tools.classlist import class_list
from labs.tools.masters import key_names, masters, solved


def read_class(path: Path) -> list[str]:
    """The ids in a class list."""
    return [member.student for member in class_list(path)]


def answers_of(student: str, course: str = "open") -> dict[str, float | str]:
    """Every number of the labs that depends on the student, by lab and name."""
    os.environ.setdefault("MPLBACKEND", "agg")
    row: dict[str, float | str] = {"student": student}
    for path in masters():
        wanted = key_names(path)
        names = solved(path, student, course) if wanted else {}
        for name in wanted:
            row.update(flat(f"{path.stem}.{name}", names[name]))
    return row


def flat(name: str, value: object) -> dict[str, float | str]:
    """One column a number: lab3.ratio.alone, lab1.u_by_hand.2."""
    if isinstance(value, str):
        return {name: value}
    if isinstance(value, dict):
        parts = {f"{name}.{key}": part for key, part in value.items()}
        return {k: v for part, inner in parts.items() for k, v in flat(part, inner).items()}
    values = [round(x, 6) for x in numbers(value)]
    return {name: values[0]} if len(values) == 1 else {f"{name}.{i}": x for i, x in enumerate(values, 1)}


def write_key(students: list[str], path: Path, course: str = "open") -> None:
    """The key of a class as CSV."""
    rows = [answers_of(student, course) for student in tqdm(students, unit="student", disable=None)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part, open(part, "w", newline="", encoding="utf8") as file:
        table = csv.DictWriter(file, list(rows[0]) if rows else ["student"])
        table.writeheader()
        table.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="The answer key of a class list.")
    parser.add_argument("students", type=Path, help="CSV with a column `student`")
    parser.add_argument("key", type=Path, nargs="?", default=Path("key.csv"))
    parser.add_argument("--course", default="open", help="the COURSE that stands in the notebooks")
    given = parser.parse_args()
    try:
        students = read_class(given.students)
    except (OSError, ValueError) as reason:
        parser.error(str(reason))
    write_key(students, given.key, given.course)
    print(f"key: {given.key}")


if __name__ == "__main__":
    main()
