"""A download becomes folders, one a student; nothing is overwritten, and every file is accounted for."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import pytest

from labs.tools.collect import collected, folders, main
from labs.tools.grade import submissions
from labs.tools.intake import Plan, Submission
from labs.tools.masters import LABS

DOWNLOADS = {
    "Moodle": "{first} {last}_{number}_assignsubmission_file_/lab1.ipynb",
    "Moodle, no folders": "{first} {last}_{number}_assignsubmission_file_lab1.ipynb",
    "Canvas": "{last}{first}_{number}_99{number}_lab1-1.ipynb",
    "Canvas, late": "{last}{first}_LATE_{number}_99{number}_lab1.ipynb",
    "Blackboard": "Lab 1_{student}_attempt_2026-11-20-13-45-12_lab1.ipynb",
    "Brightspace": "{number}-77 - {first} {last} - Nov 20, 2026 145 PM/lab1.ipynb",
    "nbgrader": "{student}+lab1+2026-11-20 13:45:12 UTC+abc/lab1.ipynb",
}
PEOPLE = [{"student": f"u{n}", "first": first, "last": last, "number": str(1000 + n)}
          for n, (first, last) in enumerate((f, g) for f in ("Ada", "Bo", "Chloé", "Dvořák", "Eve", "Frø") for g in
                                            ("Lovelace", "Ng", "O'Hara", "García López", "Zhao"))]


def downloaded(tmp_path: Path, form: str) -> Path:
    """A class of thirty as a platform's zip."""
    path = tmp_path / "my download.zip"
    text = (LABS / "lab1.ipynb").read_text("utf8")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for who in PEOPLE:
            name = form.format(**who)
            name = "".join(c for c in name.lower() if c.isalnum() or c in "_-.") if "99{number}" in form else name
            packed.writestr(name.replace("_late_", "_LATE_"), text.replace('\\"reference\\"', f'\\"{who["student"]}\\"', 1))
    return path


def with_class_list(tmp_path: Path) -> Path:
    path = tmp_path / "class list.csv"
    rows = [["Username", "First name", "Last name"], *([who["student"], who["first"], who["last"]] for who in PEOPLE)]
    path.write_text("\n".join(map(";".join, rows)), "utf-16")
    return path


@pytest.mark.parametrize("platform", DOWNLOADS)
def test_a_class_of_thirty_comes_out_of_every_platform_s_download(platform, tmp_path, monkeypatch):
    given = [downloaded(tmp_path, DOWNLOADS[platform]), tmp_path / "handed in", "--class-list", with_class_list(tmp_path)]
    monkeypatch.setattr("sys.argv", ["collect", *map(str, given)])
    main()
    found = sorted(str(p.relative_to(tmp_path / "handed in")) for p in (tmp_path / "handed in").rglob("*.ipynb"))
    assert found == sorted(f"{who['student']}/lab1/lab1.ipynb" for who in PEOPLE)
    with open(tmp_path / "handed in.csv", newline="", encoding="utf8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30 and {row["outcome"].split(";")[0] for row in rows} == {"copied"}
    assert ("late" in platform) == ("the platform marks it late" in rows[0]["outcome"])


def test_what_was_collected_is_found_again_and_a_second_class_overwrites_nothing(tmp_path):
    (tmp_path / "tmp").mkdir()
    made = submissions(downloaded(tmp_path, DOWNLOADS["Moodle"]), tmp_path / "tmp")
    rows = list(collected(made, tmp_path / "in"))
    again = submissions(tmp_path / "in", tmp_path / "tmp")
    assert sorted(one.student for one in again.graded) == sorted(who["student"] for who in PEOPLE) and not again.ungraded
    assert {row.outcome.split(";")[0] for row in rows} == {"copied"}
    other = tmp_path / "in" / "u3" / "lab1" / "lab1.ipynb"
    other.write_text("another class's", "utf8")
    outcomes = {row.folder: row.outcome[:10] for row in collected(made, tmp_path / "in")}
    assert outcomes.pop("u3/lab1") == "not copied" and set(outcomes.values()) == {"there alre"}
    assert other.read_text("utf8") == "another class's"


def test_two_students_who_name_one_id_get_a_folder_each():
    same = tuple(Submission(name, "lab1", Path("x"), draws="u1") for name in ("a", "b"))
    assert [folder for _, folder in folders(Plan(same, (), 2, 0))] == ["u1", "b"]
