"""The table of scores: whole at any moment, nothing graded twice, nothing lost that a person wrote, no formula in it."""

from __future__ import annotations

import contextlib
import csv
import pickle
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from labs.tools import grade as grading
from labs.tools.crew import FAILED, Way, on_cluster, on_this_machine, on_worker
from labs.tools.grade import grade_all, only, rows_of, submissions, write_grades
from labs.tools.marking import Job
from labs.tools.rehearsal import LAB, Pupil, hand_in, references
from labs.tools.sitting import Limits
from labs.tools.table import Grade, Table, harmless, plain, recorded
from labs.tools.walls import NoWall

ADA, BOB = Grade("ada", LAB, 9.0, 11.0, "graded", {"neuron": "NotYet: no reset"}), Grade("bob", LAB, 3.0, 11.0, "graded")


def written(folder: Path, *grades: Grade, pile: str = "one", everybody: bool = True) -> Table:
    """A run that graded these."""
    table = Table(folder / "scores.csv", pile)
    for grade in grades:
        table.add(grade, f"made from {grade.student}")
    table.write(all_graded=everybody)
    return table


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with open(folder / "scores.csv", newline="", encoding="utf8") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def edit(folder: Path, old: str, new: str, encoding: str = "utf8") -> None:
    """What a person does with a spreadsheet."""
    text = (folder / "scores.csv").read_text("utf8")
    assert text.count(old) == 1, text
    (folder / "scores.csv").write_text(text.replace(old, new), encoding)


def test_a_score_that_a_person_entered_stays_and_the_machine_s_is_noted(tmp_path):
    written(tmp_path, ADA, BOB)
    edit(tmp_path, "ada,lab1,9", "ada,lab1,10.5")
    for again in range(2):
        written(tmp_path, replace(ADA, score=8.0), BOB)
        assert rows(tmp_path)["ada"]["score"] == "10.5" and rows(tmp_path)["bob"]["score"] == "3"
        assert rows(tmp_path)["ada"]["note"] == "the score was entered by a person; the machine gives 8", again


def test_a_score_that_nobody_touched_is_the_machine_s_latest(tmp_path):
    written(tmp_path, ADA)
    written(tmp_path, replace(ADA, score=11.0, said={}))
    assert (rows(tmp_path)["ada"]["score"], rows(tmp_path)["ada"]["note"], rows(tmp_path)["ada"]["feedback"]) == ("11", "", "")


def test_points_columns_and_rows_of_a_person_s_own_stay_whatever_the_spreadsheet_made_of_the_file(tmp_path):
    written(tmp_path, ADA, BOB)
    text = (tmp_path / "scores.csv").read_text("utf8").replace("ada,lab1,9,,", "ada,lab1,9,5.5,").replace(",", ";")
    said = {"student": ";asked", "ada": ";came to see me, ö", "bob": ";"}
    lines = [line + said[line.partition(";")[0]] for line in text.splitlines()]
    (tmp_path / "scores.csv").write_text("\n".join([*lines, "zoe;lab1;7"]), "cp1252")
    written(tmp_path, ADA, BOB)
    found = rows(tmp_path)
    assert (found["ada"]["score"], found["ada"]["by_person"], found["ada"]["asked"]) == ("9", "5.5", "came to see me, ö")
    assert (found["zoe"]["score"], found["bob"]["asked"]) == ("7", "")


def test_a_time_that_a_person_entered_stays_where_the_platform_says_none(tmp_path):
    written(tmp_path, Grade("ada", "lab1", 9.0, 11.0, "graded"))
    edit(tmp_path, "ada,lab1,9,,11,graded,,,,", "ada,lab1,9,,11,graded,,,2027-10-02T08:00:00,")
    written(tmp_path, Grade("ada", "lab1", 9.0, 11.0, "graded"))
    assert rows(tmp_path)["ada"]["handed_in"] == "2027-10-02T08:00:00"
    written(tmp_path, Grade("ada", "lab1", 9.0, 11.0, "graded", handed_in="2027-10-03T09:00:00"))
    assert rows(tmp_path)["ada"]["handed_in"] == "2027-10-03T09:00:00", "a later attempt with a time of its own"
    written(tmp_path, Grade("ada", "lab1", 9.0, 11.0, "graded"))
    assert rows(tmp_path)["ada"]["handed_in"] == "", "a file whose time nobody knows has not that of the one before"


def test_a_decimal_comma_is_the_same_score(tmp_path):
    written(tmp_path, replace(ADA, score=9.5))
    edit(tmp_path, "ada,lab1,9.5", 'ada,lab1,"9,5"')
    written(tmp_path, replace(ADA, score=10.0))
    assert rows(tmp_path)["ada"]["score"] == "10"


def test_another_pile_s_rows_stay_and_this_pile_s_go_with_their_files(tmp_path):
    written(tmp_path, ADA, BOB)
    written(tmp_path, replace(ADA, student="zed"), pile="another class")
    assert set(rows(tmp_path)) == {"ada", "bob", "zed"}
    written(tmp_path, ADA, everybody=False)
    assert set(rows(tmp_path)) == {"ada", "bob", "zed"}, "a part of the pile says nothing about the rest of it"
    edit(tmp_path, "bob,lab1,3", "bob,lab1,4")
    written(tmp_path, replace(ADA, student="new"))
    assert set(rows(tmp_path)) == {"new", "bob", "zed"}, "bob's score is a person's"


def test_a_file_that_is_no_table_of_scores_is_left_alone(tmp_path):
    (tmp_path / "scores.csv").write_text("dear diary\n")
    with pytest.raises(ValueError, match="no table of scores"):
        Table(tmp_path / "scores.csv", "one")
    assert (tmp_path / "scores.csv").read_text() == "dear diary\n"


def test_a_journal_that_broke_off_keeps_its_whole_lines_and_goes_on(tmp_path):
    written(tmp_path, ADA, BOB)
    journal = tmp_path / "scores.journal"
    journal.write_bytes(journal.read_bytes()[:-20])
    assert [key[0] for key in recorded(journal)] == ["ada"]
    written(tmp_path, ADA, replace(BOB, score=5.0))
    assert {key[0]: record.grade.score for key, record in recorded(journal).items()} == {"ada": 9.0, "bob": 5.0}


def test_a_regrade_says_what_changed_and_nothing_else(tmp_path):
    written(tmp_path, ADA, BOB)
    assert written(tmp_path, ADA, BOB).changes() == []
    made = written(tmp_path, replace(ADA, score=11.0, said={}), replace(BOB, status="its kernel died")).changes()
    assert made == ["ada lab1: 9 -> 11 (neuron passes now)", "bob lab1: 3 -> 3 (no test now; graded -> its kernel died)"]


@pytest.mark.parametrize("name", ["=HYPERLINK(\"http://x\")", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_name_is_a_formula(tmp_path, name):
    written(tmp_path, replace(ADA, student=name, said={"neuron": "=1+1"}, note="@x"))
    with open(tmp_path / "scores.csv", newline="", encoding="utf8") as file:
        row, = list(csv.reader(file))[1:]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)
    assert plain(harmless(name)) == name and harmless("ada") == plain("ada") == "ada" == plain(harmless("ada"))


# --- a run -------------------------------------------------------------------------------


def pile(folder: Path, *names: str) -> Path:
    for name in names:
        hand_in(Pupil(name, references(LAB), 0), folder / "s")
    return folder / "s"


class Counting:
    """A way that gives everybody full points, and says whom it graded."""

    def __init__(self, dies_after: int = 99, status: str = "graded") -> None:
        self.graded: list[str] = []
        self.dies_after, self.status = dies_after, status

    def __call__(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Grade]]:
        for job in jobs:
            if len(self.graded) == self.dies_after:
                raise KeyboardInterrupt
            self.graded.append(job.row.student)
            yield job, replace(job.row, score=11.0, status=self.status)


def run(folder: Path, way: Way, students: Sequence[str] = (), again: bool = False) -> dict[str, dict[str, str]]:
    made = submissions(folder / "s", folder)
    made = only(made, students) if students else made
    table = Table(folder / "scores.csv", "s")
    write_grades(grade_all(rows_of(made, Limits(), True), table, way, again), table, folder / "feedback", not students)
    return rows(folder)


def test_a_run_that_was_killed_goes_on_where_it_was(tmp_path):
    pile(tmp_path, "ada", "bob", "eve")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Counting(dies_after=2))
    assert [row["student"] for row in rows(tmp_path).values()] == ["ada", "bob"], "what was known stands in the table"
    rest = Counting()
    assert set(run(tmp_path, rest)) == {"ada", "bob", "eve"} and rest.graded == ["eve"]


def test_what_has_not_changed_is_not_graded_again_unless_one_says_so(tmp_path, monkeypatch):
    pile(tmp_path, "ada", "bob")
    run(tmp_path, Counting())
    for students, again, graded in (((), False, []), ((), True, ["ada", "bob"]), (["BOB"], True, ["bob"])):
        run(tmp_path, counted := Counting(), students, again)
        assert counted.graded == graded
    path = tmp_path / "s" / "ada" / LAB / f"{LAB}.ipynb"
    path.write_text(path.read_text("utf8").replace("v_th", "threshold"), "utf8")
    run(tmp_path, counted := Counting())
    assert counted.graded == ["ada"], "a submission changed"
    monkeypatch.setattr("labs.tools.marking.edition", lambda: "another")
    run(tmp_path, counted := Counting())
    assert counted.graded == ["ada", "bob"], "the course changed"


def test_a_worker_s_failure_is_no_grade(tmp_path):
    pile(tmp_path, "ada")
    run(tmp_path, Counting(status=f"{FAILED}no wall"))
    run(tmp_path, counted := Counting())
    assert counted.graded == ["ada"]


def test_a_student_who_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="zoe"):
        only(submissions(pile(tmp_path, "ada"), tmp_path), ["ada", "zoe"])


def test_without_a_wall_nothing_is_graded_unless_one_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(grading, "strongest", lambda: None)
    monkeypatch.setattr(grading, "on_this_machine", lambda wall, at_once: Counting())
    command = ["grade", str(pile(tmp_path, "ada")), f"--scores={tmp_path / 'scores.csv'}", f"--feedback={tmp_path / 'feedback'}"]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit):
        grading.main()
    assert "No wall works on this machine" in capsys.readouterr().err and not (tmp_path / "scores.csv").exists()
    monkeypatch.setattr("sys.argv", [*command, "--unprotected"])
    grading.main()
    assert "WITHOUT A WALL" in capsys.readouterr().out and set(rows(tmp_path)) == {"ada"}


# --- who grades -------------------------------------------------------------------------


def jobs_of(folder: Path, *names: str) -> list[Job]:
    return [one for one in rows_of(submissions(pile(folder, *names), folder), Limits(), True) if isinstance(one, Job)]


def test_several_at_once_give_every_job_its_own_grade(tmp_path, monkeypatch):
    monkeypatch.setattr("labs.tools.crew.graded", lambda job, wall: replace(job.row, status=f"{job.draws} {wall.name}"))
    jobs = jobs_of(tmp_path, *(f"u{n}" for n in range(5)))
    made = dict((job.draws, grade.status) for job, grade in on_this_machine(NoWall(), 3)(jobs))
    assert made == {f"u{n}": f"u{n} NO WALL" for n in range(5)}


def test_a_worker_of_another_edition_or_without_a_wall_grades_nothing(tmp_path, monkeypatch):
    job, = jobs_of(tmp_path, "ada")
    monkeypatch.setattr("labs.tools.crew.strongest", lambda: None)
    with pytest.raises(RuntimeError, match="No wall works"):
        on_worker(replace(job, unprotected=False))
    with pytest.raises(RuntimeError, match="another edition"):
        on_worker(replace(job, edition="older"))


class Future:
    def __init__(self, value: object) -> None:
        self.value = value

    def result(self) -> object:
        return self.value

    def exception(self) -> object:
        return self.value if isinstance(self.value, Exception) else None


class Client(contextlib.AbstractContextManager):
    """What a Dask client does with one worker, which fails for bob."""

    def __init__(self, address: str) -> None:
        assert address == "tcp://nowhere:1"

    def __exit__(self, *_: object) -> None:
        return

    def map(self, work: object, jobs: Sequence[Job], pure: bool) -> list[Future]:
        assert work is on_worker and not pure
        made = [pickle.loads(pickle.dumps(job)) for job in jobs]
        return [Future(OSError("gone") if job.draws == "bob" else replace(job.row, score=5.0)) for job in made]


def test_a_cluster_s_rows_are_those_of_its_workers_and_a_failed_worker_is_no_grade(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(Client=Client, as_completed=reversed))
    made = {job.draws: grade for job, grade in on_cluster("tcp://nowhere:1")(jobs_of(tmp_path, "ada", "bob"))}
    assert made["ada"].score == 5.0 and made["bob"].status == f"{FAILED}gone"
