"""Grades go back to each platform in its own file: its rows and id columns untouched, one column right, nothing passed over."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import datetime
from pathlib import Path

import pytest

from labs.tools import gradebook, pseudonyms
from labs.tools.gradebook import filled, read, zip_feedback
from labs.tools.intake import handed_in
from labs.tools.late import Rule, rules
from labs.tools.table import COLUMNS

PEOPLE = [(f"u{n}", first, last, str(1000 + n)) for n, (first, last) in enumerate(
    (f, g) for f in ("Ada", "Bo", "Chloé", "Dvořák", "Eve", "Frø") for g in ("Lovelace", "Ng", "O'Hara", "García López", "Zhao"))]
DUE = '[lab1]\ndue = 2027-10-01T23:59:00+02:00\ngrace_minutes = 15\npercent_a_day = 10\nlast_days = 3\n' \
      '[lab1.extensions]\nADA = 2027-10-08T23:59:00+02:00\n'


def scores(by: str = "id", lab: str = "lab1", best: str = "11") -> list[dict[str, str]]:
    """The rows of a class: known by id, or by the name and number that a platform gave to the file."""
    made = []
    for n, (student, first, last, number) in enumerate(PEOPLE):
        who = student if by == "id" else f"{first} {last}"
        file = f"{first} {last}_{number}_assignsubmission_file_/lab1.ipynb"
        made.append({**dict.fromkeys(COLUMNS, ""), "student": who, "lab": lab, "score": str(n % 12), "max_score": best, "status": "graded",
                     "file": file, "feedback": f"words {n}"})
    return made


# What each platform exports: encoding, delimiter, header, a row, rows above the students; and the column with the grades then.
EXPORTS = {
    "Canvas": ("utf-8-sig", ",", ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Lab 1 (4711)", "Current Score"],
               lambda s, f, n, i: [f"{n}, {f}", i, i, s, "A", "", "88.1"], [["    Points Possible", "", "", "", "", "11", "(read only)"]],
               "Lab 1 (4711)"),
    "Canvas, without the lab": ("utf-8", ",", ["Student", "ID", "SIS Login ID", "Section"], lambda s, f, n, i: [f"{n}, {f}", i, s, "A"], [],
                                "Lab 1"),
    "Blackboard": ("utf-16", "\t", ["Last Name", "First Name", "Username", "Student ID", "Lab 1 [Total Pts: 11 Score] |815"],
                   lambda s, f, n, i: [n, f, s, i, ""], [], "Lab 1 [Total Pts: 11 Score] |815"),
    "Brightspace": ("utf-8", ",", ["OrgDefinedId", "Username", "Lab 1 Points Grade <Numeric MaxPoints:11>", "End-of-Line Indicator"],
                    lambda s, f, n, i: [f"#{i}", s, "", "#"], [], "Lab 1 Points Grade <Numeric MaxPoints:11>"),
    "Brightspace, without the lab": ("utf-8", ",", ["OrgDefinedId", "Username", "End-of-Line Indicator"],
                                     lambda s, f, n, i: [f"#{i}", s, "#"], [], "Lab 1 Points Grade"),
    "Moodle's grades": ("utf-8", ",", ["First name", "Last name", "ID number", "Email address", "Assignment: Lab 1 (Real)"],
                        lambda s, f, n, i: [f, n, s, f"{s}@x.edu", "-"], [], "Assignment: Lab 1 (Real)"),
    "Moodle's worksheet": ("utf-8", ",", ["Identifier", "Full name", "Email address", "Status", "Grade", "Maximum Grade",
                                          "Feedback comments"],
                           lambda s, f, n, i: [f"Participant {i}", f"{f} {n}", f"{s}@x.edu", "Submitted", "", "11.00", ""], [], "Grade"),
    "a spreadsheet": ("cp1252", ";", ["student", "name"], lambda s, f, n, i: [s, "é"], [], "Lab 1"),
}


def exported(folder: Path, platform: str) -> tuple[Path, str]:
    encoding, delimiter, header, row, above, column = EXPORTS[platform]
    path = folder / "an export.csv"
    with open(path, "w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *above, *(row(s, f, n, i) for s, f, n, i in PEOPLE)])
    return path, column


NAMELESS = {"Brightspace", "Brightspace, without the lab", "a spreadsheet"}
WAYS = [(platform, by) for platform in EXPORTS for by in ("id", "name") if by == "id" or platform not in NAMELESS]


@pytest.mark.parametrize(("platform", "by"), WAYS)
def test_a_class_of_thirty_s_grades_go_back_into_each_platform_s_file(platform, by, tmp_path):
    path, column = exported(tmp_path, platform)
    export = read(path)
    before = [dict(zip(export.header, row, strict=True)) for row in export.rows]
    assert filled(export, scores(by), "lab1") == []
    gradebook.write(export, path)
    encoding, delimiter, *_ = EXPORTS[platform]
    table = list(csv.reader(io.StringIO(path.read_bytes().decode(encoding), newline=""), delimiter=delimiter))
    after = [dict(zip(table[0], row, strict=True)) for row in table[1:]]
    assert [row[column] for row in after[-30:]] == [str(n % 12) for n in range(30)]
    untouched = [{k: v for k, v in row.items() if k not in (column, "Feedback comments")} for row in after]
    assert untouched == [{k: v for k, v in row.items() if k not in (column, "Feedback comments")} for row in before]
    assert table[0][-1] == "End-of-Line Indicator" or "Brightspace" not in platform
    if platform == "Moodle's worksheet":
        assert [row["Feedback comments"] for row in after] == [f"words {n}" for n in range(30)]


def test_what_cannot_be_handed_over_is_said(tmp_path):
    path, _ = exported(tmp_path, "Canvas")
    rows = scores()
    rows[0] |= {"status": "nothing handed in"}
    rows[1] |= {"student": "nobody", "file": ""}
    rows[2] |= {"score": "ask me"}
    export = read(path)
    said = filled(export, rows, "lab1")
    assert said == ["u0: nothing handed in", "nobody: not in the exported file", "u2: its score 'ask me' is no number"]
    assert [row[5] for row in export.rows[1:4]] == ["", "", ""]
    assert filled(read(path), rows[:1], "lab1", zeros=True) == []


def test_points_of_a_person_are_added_and_waited_for(tmp_path):
    export = read(exported(tmp_path, "a spreadsheet")[0])
    rows = scores(lab="lab7", best="17")[:2]
    rows[0]["by_person"] = "5,5"
    assert filled(export, rows, "lab7") == ["u1: the 6 points of a person are still to be entered (by_person)"]
    assert [row[-1] for row in export.rows[:2]] == ["5.5", ""]


def test_a_column_worth_other_points_is_said_and_two_columns_of_a_lab_are_refused(tmp_path):
    path, _ = exported(tmp_path, "Blackboard")
    path.write_bytes(path.read_bytes().decode("utf-16").replace("Total Pts: 11", "Total Pts: 100").encode("utf-16"))
    assert filled(read(path), scores(), "lab1")[0] == \
        "the column 'Lab 1 [Total Pts: 100 Score] |815' is worth 100 points there, the lab 11: change it there first"
    (tmp_path / "two.csv").write_text("student,Lab 1,lab 01 old\nu1,,\n")
    with pytest.raises(ValueError, match="several columns"):
        filled(read(tmp_path / "two.csv"), scores(), "lab1")
    assert filled(read(tmp_path / "two.csv"), scores()[1:2], "lab1", column="Lab 1") == []
    (tmp_path / "none.csv").write_text("colour,shape\nred,round\n")
    with pytest.raises(ValueError, match="says whose"):
        read(tmp_path / "none.csv")


def test_feedback_goes_back_to_moodle_under_the_names_of_its_download(tmp_path):
    rows = scores(by="name")[:2]
    rows[1]["file"] = "Ada Ng_1001_assignsubmission_file_lab1.ipynb"
    for row in rows:
        (tmp_path / row["student"]).mkdir()
        (tmp_path / row["student"] / "lab1.md").write_text("words")
    assert zip_feedback(rows, "lab1", tmp_path, tmp_path / "back.zip") == 2
    assert zipfile.ZipFile(tmp_path / "back.zip").namelist() == ["Ada Lovelace_1000_assignsubmission_file_/lab1 feedback.md",
                                                                 "Ada Ng_1001_assignsubmission_file_lab1 feedback.md"]


# --- lateness ----------------------------------------------------------------------------


@pytest.mark.parametrize(("moment", "share"), [
    ("2027-10-01T23:59:00", 1), ("2027-10-02T00:14:00", 1), ("2027-10-02T00:14:01", 0.9), ("2027-10-02T23:59:00", 0.9),
    ("2027-10-02T23:59:01", 0.8), ("2027-10-04T23:59:00", 0.7), ("2027-10-05T00:00:00", 0), ("2027-10-01T22:30:00+00:00", 0.9), ("", 1)])
def test_each_day_begun_costs_its_percents_and_nothing_is_left_after_the_last(moment, share, tmp_path):
    (tmp_path / "due.toml").write_text(DUE)
    rule = rules(tmp_path / "due.toml")["lab1"]
    assert rule.share("bob", moment) == pytest.approx(share)
    assert rule.share("ada", moment) == 1, "an extension"


def test_a_due_date_without_an_offset_and_an_unknown_word_are_refused(tmp_path):
    for text, says in (("[lab1]\ndue = 2027-10-01T23:59:00", "offset"), (DUE.replace("grace_minutes", "grace"), "known are due"),
                       (DUE.replace("percent_a_day = 10", "percent_a_day = 110"), "0 to 100"),
                       (DUE.replace("lab1", "Lab1"), "Lab1 is no lab")):
        (tmp_path / "due.toml").write_text(text)
        with pytest.raises(ValueError, match=says):
            rules(tmp_path / "due.toml")


def test_lateness_is_taken_off_what_the_platform_gets_and_an_unknown_time_is_said(tmp_path):
    rule = Rule(datetime.fromisoformat("2027-10-01T23:59:00+02:00"), percent_a_day=10)
    rows = scores()[10:12]
    rows[0]["handed_in"] = "2027-10-02T12:00:00"
    export = read(exported(tmp_path, "a spreadsheet")[0])
    assert filled(export, rows, "lab1", rule) == ["u11: nothing says when it was handed in; no points were taken off"]
    assert [row[-1] for row in export.rows[10:12]] == ["9", "11"]


def test_an_extension_for_nobody_and_a_time_that_a_spreadsheet_rewrote_are_said(tmp_path):
    due, later = map(datetime.fromisoformat, ("2027-10-01T23:59:00+02:00", "2027-10-08T23:59:00+02:00"))
    rule = Rule(due, extensions={"U10": later, "zed": later})
    rows = scores()[10:11]
    rows[0]["handed_in"] = "2027-10-02T12:00:00"
    assert filled(read(exported(tmp_path, "a spreadsheet")[0]), rows, "lab1", rule) == [
        "the extension of zed is nobody's: no row of the scores bears that name"]
    rows[0]["handed_in"] = "02.10.2027 12:00"
    with pytest.raises(ValueError, match="u10: handed_in is '02.10.2027 12:00'; write it as"):
        filled(read(exported(tmp_path, "a spreadsheet")[0]), rows, "lab1", rule)


def test_no_scores_and_a_lab_without_a_due_date_are_said(tmp_path, monkeypatch, capsys):
    path = exported(tmp_path, "a spreadsheet")[0]
    table, due = tmp_path / "scores.csv", tmp_path / "due.toml"
    due.write_text(DUE.replace("lab1", "lab2"))

    def run(lab: str) -> str:
        monkeypatch.setattr("sys.argv", ["gradebook", str(path), lab, "--scores", str(table), "--due", str(due)])
        gradebook.main()
        return capsys.readouterr().out

    for lab in ("lab1", "lab3"):            # no table at all, and one without this lab
        with pytest.raises(SystemExit):
            run(lab)
        assert f"holds no row of {lab}" in capsys.readouterr().err and not list(tmp_path.glob("* with *"))
        with open(table, "w", newline="", encoding="utf8") as file:
            csv.DictWriter(file, COLUMNS).writerows([dict(zip(COLUMNS, COLUMNS, strict=True)), *scores()])
    assert "due.toml says nothing of lab1: no points were taken off" in run("lab1")


@pytest.mark.parametrize(("stamp", "when"), [
    ("2026-11-20-13-45-12", "2026-11-20T13:45:12"), ("Nov 20, 2026 145 PM", "2026-11-20T13:45:00"),
    ("2026-11-20 13:45:12 UTC", "2026-11-20T13:45:12+00:00"), ("2026-11-20 13:45:12.5 UTC", "2026-11-20T13:45:12+00:00"), ("67890", "")])
def test_a_platform_s_time_is_read_and_a_mere_number_is_none(stamp, when):
    assert handed_in(stamp) == when


# --- without names ------------------------------------------------------------------------


def test_scores_and_pages_without_names_keep_their_pseudonyms_and_hold_no_name(tmp_path, monkeypatch):
    with open(tmp_path / "scores.csv", "w", newline="", encoding="utf8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows([{**row, "note": f"its STUDENT is {row['student']}"} for row in scores()])
    for student, *_ in PEOPLE:
        (tmp_path / "feedback" / student).mkdir(parents=True)
        (tmp_path / "feedback" / student / "lab1.md").write_text(f"# lab1\n\nNote: its STUDENT is {student}.\n\n- words")
    found = []
    for folder in ("blind", "again"):
        command = ["", str(tmp_path / "list.csv"), str(tmp_path / folder), f"--scores={tmp_path / 'scores.csv'}",
                   f"--feedback={tmp_path / 'feedback'}"]
        monkeypatch.setattr("sys.argv", command)
        pseudonyms.main()
        found.append((tmp_path / folder / "scores.csv").read_text("utf8"))
    assert found[0] == found[1] and len(found[0].splitlines()) == 31
    names = pseudonyms.known(tmp_path / "list.csv")
    assert len(set(names.values())) == 30 == len(names)
    text = found[0] + "".join(p.read_text("utf8") for p in (tmp_path / "blind").rglob("*.md"))
    assert not any(word in text for student, first, last, _ in PEOPLE for word in (f"{student}\n", f"{student},", f"{student}.", last))
    assert sorted(p.name for p in (tmp_path / "blind").iterdir() if p.is_dir()) == sorted(names.values())
