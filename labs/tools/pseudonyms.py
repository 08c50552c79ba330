"""Scores and feedback without names: for a second reader, a study, a meeting. The list that says who is who stays with you.

python -m labs.tools.pseudonyms list.csv blind [--scores scores.csv] [--feedback feedback]

list.csv is made if it is not there, and continued if it is: a student keeps a pseudonym. blind/ gets the table and the pages.
Files, notes and messages are left out of the table, and notes out of the pages: a name can stand in any of them.
"""

from __future__ import annotations

import argparse
import csv
import secrets
from collections.abc import Iterable
from pathlib import Path

from dtsnn_lite.files import whole_file
from labs.tools.grade import folder_name
from labs.tools.table import harmless, plain, rows_of

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"        # no vowels: no words
SHOWN = ("lab", "score", "by_person", "max_score", "status")


def known(path: Path) -> dict[str, str]:
    """Student -> pseudonym, as far as the list goes."""
    if not path.exists():
        return {}
    with open(path, newline="", encoding="utf8") as file:
        return {plain(row["student"]): row["pseudonym"] for row in csv.DictReader(file)}


def continued(names: dict[str, str], students: Iterable[str]) -> dict[str, str]:
    """The list with a pseudonym for each of these; drawn, so that nothing about a student can be computed from it."""
    names = dict(names)
    for student in sorted(set(students) - names.keys()):
        drawn = ("".join(secrets.choice(LETTERS) for _ in range(5)) for _ in iter(int, 1))
        names[student] = next(name for name in drawn if name not in names.values())
    return names


def write_list(path: Path, names: dict[str, str]) -> None:
    with whole_file(path) as part, open(part, "w", newline="", encoding="utf8") as file:
        csv.writer(file).writerows([("student", "pseudonym"), *((harmless(student), name) for student, name in names.items())])


def main() -> None:
    parser = argparse.ArgumentParser(description="Write scores and feedback without names.")
    parser.add_argument("list", type=Path)
    parser.add_argument("blind", type=Path)
    parser.add_argument("--scores", type=Path, default=Path("scores.csv"))
    parser.add_argument("--feedback", type=Path, default=Path("feedback"))
    given = parser.parse_args()
    rows = [row for row in rows_of(given.scores) if row["student"] and row["lab"]]
    names = continued(known(given.list), (row["student"] for row in rows))
    write_list(given.list, names)
    given.blind.mkdir(parents=True, exist_ok=True)
    blind = sorted(([names[row["student"]], *(row.get(name, "") for name in SHOWN)] for row in rows), key=lambda row: row[:2])
    with whole_file(given.blind / "scores.csv") as part, open(part, "w", newline="", encoding="utf8") as file:
        csv.writer(file).writerows([("pseudonym", *SHOWN), *blind])
    for row in rows:
        page = given.feedback / folder_name(row["student"]) / f"{row['lab']}.md"
        if page.is_file():
            (given.blind / names[row["student"]]).mkdir(exist_ok=True)
            kept = [line for line in page.read_text("utf8").splitlines() if not line.startswith("Note: ")]
            (given.blind / names[row["student"]] / page.name).write_text("\n".join(kept) + "\n", "utf8")
    print(f"{len(names)} pseudonyms: {given.list} (keep it apart)   without names: {given.blind}")


if __name__ == "__main__":
    main()
