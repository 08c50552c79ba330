"""No hand-in is lost: whatever a platform calls a file, it ends as something to grade or as a row with its cause."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from labs.tools.classlist import Member, class_list, member_called
from labs.tools.handed_in import COURSE, NAMED, Cell, NoNotebook, cells_of, lab_of, said_by, touched
from labs.tools.intake import Plan, plan
from labs.tools.masters import LABS, code_cells, exercises, grade_id, masters
from labs.tools.pile import Found, gathered

ALL_LABS = [path.stem for path in masters()]
CLASS = [Member("ada", frozenset({"lovelaceada", "adalovelace", "12345"})), Member("alan", frozenset({"turingalan", "alanturing"}))]
HERE = Path(__file__)


def pile(*names: str, **facts: Any) -> list[Found]:
    """Files as a platform hands them out; they hold lab 1 unless the facts say otherwise."""
    return [Found(PurePosixPath(name), HERE, **{"lab": "lab1", "touched": True, **facts}) for name in names]


def graded(files: Sequence[Found], members: Sequence[Member] = ()) -> list[tuple[str, str]]:
    return [(one.student, one.lab) for one in plan(files, ALL_LABS, members).graded]


# --- whose, and which lab -------------------------------------------------------------


@pytest.mark.parametrize("name", [
    "ada/lab1.ipynb", "ada/lab1/lab1.ipynb", "ada/lab1 (1).ipynb", "ada/Lab1.ipynb", "ada/LAB_01.IPYNB", "ada/Lab 1 final.ipynb",
    "ada/lab1-Copy2.ipynb", "ada/Kopie von lab1.ipynb", "ada/my homework/week 2/lab1.ipynb", "ada/lab1.zip/lab1.ipynb",
    "ada.zip/lab1.ipynb", "lab1/ada/lab1.ipynb", "ada/homework.ipynb", "ada/lab1.ipynb.txt", "ada_12345_67890_lab1-1.ipynb",
    "ada_LATE_12345_67890_lab1.ipynb", "Lab 1_ada_attempt_2026-11-20-13-45-12_lab1.ipynb", "ps1_ada_attempt_2016-01-30-15-30-10_x.ipynb",
    "ada+lab1+2026-11-20 13:45:12 UTC+xyz/lab1.ipynb"])
def test_a_name_that_people_and_platforms_give_says_whose_and_which_lab(name):
    assert graded(pile(name)) == [("ada", "lab1")]


@pytest.mark.parametrize("name", [
    "Ada Lovelace_12345_assignsubmission_file_/lab1.ipynb", "Ada Lovelace_99_assignsubmission_file/lab1.ipynb",
    "Ada Lovelace_12345_assignsubmission_file_lab1.ipynb", "lovelaceada_12345_67890_lab1-2.ipynb",
    "Lab 1_ada_attempt_2026-11-20-13-45-12.zip/lab1.ipynb", "12345-678 - Ada Lovelace - Nov 20, 2026 145 PM/lab1.ipynb",
    "download/Ada Lovelace/lab1.ipynb", "lab1_ada.ipynb", "ADA/lab1.ipynb", "Lovelace, Ada/x.zip/y/lab1.ipynb"])
@pytest.mark.parametrize("says", ["ada", "bob", "reference", ""])
def test_the_class_list_finds_a_student_by_id_name_or_number_whatever_the_notebook_says(name, says):
    made = plan(pile(name, says=says), ALL_LABS, CLASS).graded
    assert [(one.student, one.draws) for one in made] == [("ada", "")]
    assert ("'bob'" in made[0].note) == (says == "bob")


def test_a_name_that_begins_like_another_s_id_is_its_own():
    members = [Member("li", frozenset({"nali", "lina"})), Member("lwang", frozenset({"liwang", "wangli"}))]
    files = pile("Li Wang_7_assignsubmission_file_/lab1.ipynb", "Na Li_8_assignsubmission_file_/lab1.ipynb", says="reference")
    assert sorted((one.student, one.file[:2]) for one in plan(files, ALL_LABS, members).graded) == [("li", "Na"), ("lwang", "Li")]
    assert graded(pile("(li) homework/lab1.ipynb"), members) == [("li", "lab1")], "an id beside other words"


def test_a_login_that_is_no_id_lets_the_notebook_s_id_draw():
    one, = plan(pile("Lab 1_j\u00fcrgen_attempt_2027-10-02-08-00-00_lab1.ipynb", says="jm"), ALL_LABS).graded
    assert (one.student, one.draws) == ("j\u00fcrgen", "jm") and "constants of 'jm' by its STUDENT" in one.note


def test_without_a_class_list_a_platform_s_name_is_the_row_and_the_notebook_s_id_draws_the_constants():
    one, = plan(pile("Ada Lovelace_7_assignsubmission_file_/lab1.ipynb", says="u123"), ALL_LABS).graded
    assert (one.student, one.draws) == ("Ada Lovelace", "u123") and "'u123'" in one.note
    untold, = plan(pile("Ada Lovelace_7_assignsubmission_file_/lab1.ipynb", says="reference"), ALL_LABS).graded
    assert untold.draws == "adalovelace", "the reference's answers are public"


def test_a_folder_of_the_student_s_own_id_draws_its_constants_and_another_id_inside_is_said():
    one, = plan(pile("ada/lab1.ipynb", says="bob"), ALL_LABS).graded
    assert (one.student, one.draws) == ("ada", "") and "'bob'" in one.note


def test_two_students_of_one_id_are_both_graded_and_it_is_said():
    made = plan(pile("a_1_2_lab1.ipynb", "b_3_4_lab1.ipynb", says="ada"), ALL_LABS).graded
    assert [one.student for one in made] == ["a", "b"] and "so are those of b" in made[0].note


def test_a_folder_around_all_students_is_no_student():
    files = [f for s in ("ada", "bob") for f in pile(f"download/{s}/lab1.ipynb", says=s)]
    assert graded(files) == [("ada", "lab1"), ("bob", "lab1")]


def test_a_lone_file_belongs_to_the_id_that_it_names():
    assert graded(pile("lab1.ipynb", says="ada")) == [("ada", "lab1")]
    made = plan(pile("lab1.ipynb", says="reference"), ALL_LABS)
    assert not made.graded and "nothing says whose" in made.ungraded[0].cause


def test_cells_know_their_lab_better_than_the_file_s_name():
    one, = plan(pile("ada/lab2.ipynb", lab="lab3"), ALL_LABS).graded
    assert one.lab == "lab3" and "its name says lab2" in one.note
    assert graded(pile("ada/lab2.ipynb", lab="")) == [("ada", "lab2")]
    assert graded(pile("ada/lab12.ipynb", "ada/collab1.ipynb", "ada/lab9.ipynb", lab="")) == []


# --- several versions -------------------------------------------------------------------


def chosen(*versions: tuple[str, Mapping[str, Any]]) -> str:
    """Which file of several versions is graded; every other is named."""
    one, = plan([file for name, facts in versions for file in pile(name, **facts)], ALL_LABS).graded
    assert all(name in one.note for name, _ in versions)
    return one.file


def test_of_two_versions_one_is_graded_and_it_is_said_which():
    assert chosen(("ada/lab1.ipynb", {}), ("ada/lab1 (1).ipynb", {})) == "ada/lab1.ipynb", "the well named one"
    assert chosen(("ada/a lab1.ipynb", {"modified": 2.0}), ("ada/b lab1.ipynb", {"modified": 1.0})) == "ada/a lab1.ipynb", "the newest"
    assert chosen(("ada/lab1 (2).ipynb", {}), ("ada/lab1 (10).ipynb", {})) == "ada/lab1 (10).ipynb", "the last copy"
    assert chosen(("ada/lab1.ipynb", {"touched": False}), ("ada/lab1 (1).ipynb", {})) == "ada/lab1 (1).ipynb", "the one with work in it"
    assert chosen(("ada/lab1.ipynb", {"trouble": "broken"}), ("ada/old lab1.ipynb", {})) == "ada/old lab1.ipynb", "the readable one"
    assert chosen(("ada/.ipynb_checkpoints/lab1.ipynb", {"modified": 9.0}), ("ada/x lab1.ipynb", {})) == "ada/x lab1.ipynb"


@pytest.mark.parametrize("named", [True, False], ids=["with the cells' names", "without"])
def test_work_is_seen_in_a_notebook_that_has_lost_its_cells_names(named):
    def cells(*done: str) -> list[Cell]:
        """Lab 1 with some of its exercises solved; Colab's copies keep neither the names nor the ids of the cells."""
        stubs = {e.name: e.solution if e.name in done else e.stub for e in exercises(LABS / "lab1.ipynb")}
        of = {grade_id(c) or n: stubs.get(grade_id(c), c["source"]) for n, c in enumerate(code_cells(LABS / "lab1.ipynb"))}
        return [Cell("code", source.replace('"reference"', '"ada"'), str(name) if named else "") for name, source in of.items()]

    assert not touched(cells(), "lab1") and touched(cells("neuron"), "lab1") and touched(cells("by_hand", "rate_code"), "lab1")


@pytest.mark.parametrize(("first", "last"), [
    ("1_ada_attempt_2026-11-20-13-45-12_lab1.ipynb", "1_ada_attempt_2026-11-21-09-00-00_x lab1.ipynb"),
    ("1-2 - ada - Nov 20, 2026 945 AM/lab1.ipynb", "1-2 - ada - Nov 20, 2026 1145 AM/lab1 (1).ipynb"),
    ("1-2 - ada - Nov 20, 2026 1145 AM/lab1.ipynb", "1-2 - ada - Nov 20, 2026 145 PM/lab1 (1).ipynb"),
    ("ada_1_99_lab1.ipynb", "ada_1_100_lab1-1.ipynb")])
def test_a_later_attempt_on_the_platform_is_the_one_that_counts(first, last):
    assert chosen((first, {"modified": 5.0}), (last, {"modified": 1.0})) == last


# --- nothing is silent ------------------------------------------------------------------


def ends(made: Plan) -> int:
    """In how many places of a plan a file stands: graded, named beside the graded one, or with its cause."""
    older = sum(one.note.split(" not ")[-1].count(".ipynb") for one in made.graded if "graded " in one.note)
    return len(made.graded) + older + sum(bool(one.file) for one in made.ungraded) + made.passed_over


def test_every_file_and_every_student_of_the_class_ends_in_the_plan():
    files = [*pile("ada/lab1.ipynb", "ada/lab1 (1).ipynb"), *pile("ada/notes.pdf", "what.docx", lab="", trouble="no notebook"),
             *pile("ada/plots.ipynb", "scratch.ipynb", lab=""), *pile("zed/lab2.ipynb", lab="lab2"),
             *pile("__MACOSX/ada/._lab1.ipynb", "ada/.DS_Store", "Lab_ada_attempt_2026-01-01-00-00-00.txt", "index.html",
                    "ada/lab1/timestamp.txt", "ada/lab1/submission_secret.txt", lab="", trouble="no")]
    made = plan(files, ALL_LABS, CLASS)
    assert ends(made) == made.files == len(files) and made.passed_over == 6
    absent = {(one.student, one.lab) for one in made.ungraded if one.cause == "nothing handed in"}
    assert absent == {("alan", "lab1"), ("alan", "lab2"), ("ada", "lab2")}
    assert "not in the class list" in next(one.note for one in made.graded if one.student == "zed")
    assert all(one.cause for one in made.ungraded)


def notebook(lab: str = "lab1", student: str = "ada") -> bytes:
    text = (LABS / f"{lab}.ipynb").read_text("utf8")
    return text.replace('STUDENT = \\"reference\\"', f'STUDENT = \\"{student}\\"').encode()


def packed(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name, data in files.items():
            made.writestr(name.replace("__", "/"), data)
    return stream.getvalue()


def test_zips_within_zips_are_opened_and_a_broken_one_is_said(tmp_path):
    (tmp_path / "s" / "ada").mkdir(parents=True)
    (tmp_path / "tmp").mkdir()
    inner = packed(**{"work__lab1.ipynb": notebook(), "..__..__evil.ipynb": notebook("lab2")})
    (tmp_path / "s" / "ada" / "all.zip").write_bytes(packed(**{"inner.zip": inner}))
    (tmp_path / "s" / "ada" / "lab3.zip").write_bytes(b"PK\3\4 cut off")
    (tmp_path / "s" / "eve").symlink_to(tmp_path / "s" / "ada")
    found = gathered(tmp_path / "s", tmp_path / "tmp")
    inside = {f"ada/all.zip/inner.zip/{name}" for name in ("work/lab1.ipynb", "evil.ipynb")}
    assert {str(f.name) for f in found} == {*inside, "ada/lab3.zip", "eve"}
    made = plan(found, ALL_LABS)
    assert [(one.student, one.lab, one.note) for one in made.graded] == [("ada", "lab1", ""), ("ada", "lab2", "")]
    assert sorted(one.cause[:19] for one in made.ungraded) == ["a link, or no file:", "the zip is damaged "]
    assert not list(tmp_path.glob("*.ipynb"))


@pytest.mark.parametrize(("raw", "name"), [("J\u00fcrgen M\u00fcller_7_assignsubmission_file".encode(), "J\u00fcrgen M\u00fcller"),
                                           ("J\u00fcrgen M\u00fcller_7_assignsubmission_file".encode("cp437"), "J\u00fcrgen M\u00fcller"),
                                           ("Ju\u0308rgen Mu\u0308ller_7_assignsubmission_file".encode(), "Ju\u0308rgen Mu\u0308ller")])
def test_an_umlaut_in_a_zip_is_read_whether_or_not_the_zip_says_its_encoding(tmp_path, raw, name):
    """macOS and zip on Linux write UTF-8 without saying so, Windows writes code page 437."""
    plain = "?" * len(raw)
    whole = packed(**{f"{plain}__lab1.ipynb": notebook(student="jm")}).replace(plain.encode(), raw)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "download.zip").write_bytes(whole)
    one, = plan(gathered(tmp_path / "download.zip", tmp_path / "tmp"), ALL_LABS, [Member("jm", frozenset({"jurgenmuller"}))]).graded
    assert one.file.startswith(f"{name}_7") and one.student == "jm" and one.note == ""


def test_a_download_is_a_pile_without_being_unpacked(tmp_path):
    (tmp_path / "tmp").mkdir()
    (tmp_path / "download.zip").write_bytes(packed(**{"lovelaceada_1_2_lab1.ipynb": notebook(), "ada__lab3.ipynb": notebook("lab3")}))
    assert graded(gathered(tmp_path / "download.zip", tmp_path / "tmp")) == [("ada", "lab3"), ("lovelaceada", "lab1")]


# --- what a file says of itself -----------------------------------------------------------


def formats() -> dict[str, bytes]:
    """One notebook in the dresses in which it comes."""
    new = json.loads(notebook())
    cells, text = new["cells"], json.dumps(new)
    older = [{("input" if c["cell_type"] == "code" else "source"): c["source"], "cell_type": c["cell_type"], "metadata": c["metadata"]}
             for c in cells]
    windows = [{**c, "source": "".join(c["source"]).replace("\n", "\r\n")} for c in cells]
    western = json.dumps(new, ensure_ascii=False).replace("Python loops", "zw\xf6lf loops")
    return {"utf-8": text.encode(), "a mark": text.encode("utf-8-sig"), "utf-16": text.encode("utf-16"),
            "utf-16-be": text.encode("utf-16-be"), "format 3": json.dumps({"nbformat": 3, "worksheets": [{"cells": older}]}).encode(),
            "windows": western.encode("cp1252", "replace"), "line ends": json.dumps({**new, "cells": windows}).encode()}


@pytest.mark.parametrize("dress", formats())
def test_a_notebook_is_read_in_any_encoding_and_format(dress):
    cells = cells_of(formats()[dress])
    assert lab_of(cells) == "lab1" and (said_by(NAMED, cells), said_by(COURSE, cells)) == ("ada", "open")
    assert touched(cells, "lab1") and {e.name for e in exercises(LABS / "lab1.ipynb")} < {c.name for c in cells}
    assert not any("\r" in cell.source for cell in cells)


@pytest.mark.parametrize(("data", "says"), [
    (b"", "empty"), (b"[]", "not a notebook"), (b"{", "breaks off"), (b"{}", "no cells"), (b'{"cells": 3}', "no cells"),
    (b"<!DOCTYPE html><title>Log in</title>", "web page"), (b"%PDF-1.7", "PDF"), (b"\xff\xfe\xff", "not a notebook"),
    (b"[" * 100_000, "not a notebook"), (b"\x89PNG\r\n", "not a notebook")])
def test_a_file_that_is_no_notebook_is_told_what_it_is(data, says):
    with pytest.raises(NoNotebook, match=says):
        cells_of(data)


# --- class lists --------------------------------------------------------------------------


@pytest.mark.parametrize("data", [
    b"student,name\nada,J\xfcrgen\n", "student;name\nada;Jürgen\n".encode(), "student\tname\r\nada\tJürgen\r\n".encode("utf-16"),
    "student,name\nada,Jürgen\n".encode("utf-8-sig"),
    "sep=;\nname;Student\n\"Jürgen\"; ada \n;\n".encode(), "student,name\rada,Jürgen\r".encode(),
    "student,name\nada,Jürgen\n".encode("utf-16-le"), 'student,name\nada,"Jür\ngen"\n'.encode()])
def test_a_class_list_is_read_as_any_spreadsheet_saves_it(tmp_path, data):
    (tmp_path / "class.csv").write_bytes(data)
    one, = class_list(tmp_path / "class.csv")
    assert one == Member("ada", frozenset({"ada", "jurgen"}))


LISTS = {
    "Moodle": "First name,Last name,ID number,Email address,Username\nAda,Lovelace,77,a.l@x.org,ada\n",
    "Canvas": 'Student,ID,SIS User ID,SIS Login ID,Section\n    Points Possible,,,,\n"Lovelace, Ada",77,U1,ada,1\n',
    "Blackboard": '"Last Name","First Name","Username","Student ID"\n"Lovelace","Ada","ada","77"\n',
    "Brightspace": "OrgDefinedId,Username,Last Name,First Name,End-of-Line Indicator\n#77,#ada,Lovelace,Ada,#\n",
    "nbgrader": "id,first_name,last_name,email\nada,Ada,Lovelace,77@x.org\n",
}


@pytest.mark.parametrize("platform", LISTS)
def test_a_platform_s_own_list_of_participants_is_a_class_list(tmp_path, platform):
    (tmp_path / "class.csv").write_text(LISTS[platform], "utf8")
    members = class_list(tmp_path / "class.csv")
    assert [m.student for m in members] == ["ada"]
    for name in ("Ada Lovelace", "lovelaceada", "Lovelace, Ada", "77", "ADA"):
        assert member_called(name, members) == members[0], name


def test_a_name_that_two_students_bear_is_nobody_s():
    both = [Member("a1", frozenset({"adalovelace"})), Member("a2", frozenset({"adalovelace"}))]
    assert member_called("Ada Lovelace", both) is None and member_called("a2", both) == both[1]


@pytest.mark.parametrize(("text", "says"), [("student\n1.23E+09\n", "rounded"), ("", "column `student`"), ("stu", "column `student`")])
def test_a_class_list_that_would_lose_students_is_refused(tmp_path, text, says):
    (tmp_path / "class.csv").write_text(text, "utf8")
    with pytest.raises(ValueError, match=says):
        class_list(tmp_path / "class.csv")
