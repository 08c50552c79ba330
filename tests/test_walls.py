"""A wall around each submission: what a hostile one tries, and the row that it gets for it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest

from dtsnn_lite.classroom.desk import Pristine
from dtsnn_lite.classroom.variants import Variant
from labs.tools import sitting as sittings
from labs.tools import walls
from labs.tools.exams import Paper
from labs.tools.marking import outcome
from labs.tools.masters import LABS
from labs.tools.sitting import STOPPED, Limits, Sitting, Taken, sitting, taken
from labs.tools.table import Grade
from labs.tools.walls import Bubblewrap, Container, Namespaces, NoWall, Wall

CHECKS = walls.PACKAGE / "classroom" / "checks.py"
GIVEN = ("from dtsnn_lite.classroom.checks import close, expect",)
SECRET = "assert double(1234567) == 2469134, 'double: wrong for another number'"
EXAM = {"double-test": Paper(GIVEN, f"expect(double(2) == 4, 'double: two twos are four')\n{SECRET}",
                             "expect(double(2) == 4, 'double: two twos are four')", ("double",)),
        "total-test": Paper((), *2 * ("expect(close(total, 6), 'total: not the sum')",), ("double", "total"))}
POINTS = {"double": 2.0, "total": 3.0}
RIGHT = {"before": "pass", "double": "def double(x):\n    return 2 * x", "total": "total = double(3)"}
QUICK = Limits(cell_seconds=20, seconds=60)
TOOLS: tuple[tuple[str, Wall], ...] = (("bwrap", Bubblewrap()), ("unshare", Namespaces()))


def sheet(**cells: str) -> nbformat.NotebookNode:
    """A notebook with two exercises and their tests, and a cell before them."""
    sources = RIGHT | cells
    named = [(name, source) for key in RIGHT for name, source in ((key, sources[key]), (f"{key}-test", "...")) if name != "before-test"]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source, metadata={"nbgrader": {"grade_id": name}})
                                           for name, source in named])


def row(wall: Wall, limits: Limits = QUICK, **cells: str) -> Grade:
    """The grade of such a notebook; the words for what failed come of a second sitting, as in `graded`."""
    notebook = sheet(**cells)
    full = sitting(notebook, EXAM, wall, limits, {})
    told = sitting(notebook, EXAM, wall, limits, {}, known=full.taken) if not full.stopped and any(map(bool, errors(full))) else Sitting()
    return Grade("eve", "lab1", max_score=5.0, **outcome(notebook, EXAM, POINTS, full, told))


def errors(made: Sitting) -> Iterator[str]:
    return (one.error for one in made.taken)


@pytest.fixture(scope="module")
def wall() -> Wall:
    """The strongest wall of this machine."""
    found = walls.strongest()
    if found is None:
        pytest.skip("no wall works on this machine: neither a container with the grader's image, nor bubblewrap, nor namespaces")
    return found


def running(mark: str) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if mark in " ".join(p.info["cmdline"] or [])]


# --- with every wall, and without one ----------------------------------------------------


@pytest.mark.parametrize(("tool", "made"), TOOLS, ids=[tool for tool, _ in TOOLS])
def test_each_wall_shows_the_package_and_no_master_and_no_network(tool, made):
    if not shutil.which(tool) or not walls.works(made):
        pytest.skip(f"{tool} is not here, or this machine does not let it work")
    look = f"""
import os, socket
from pathlib import Path
import dtsnn_lite
assert not Path({str(LABS)!r}).exists() and not Path({str(Path.home() / '.ssh')!r}).exists()
assert [name for _, name in socket.if_nameindex()] == ['lo'], 'a network'
assert not [name for name in os.listdir('.') if name[0] != '.'] and Path.cwd() == Path.home() == Path('/grading')
for shown in (Path(dtsnn_lite.__file__), Path(os.__file__), Path('/')):
    assert not os.access(shown, os.W_OK) or os.statvfs(shown).f_flag & os.ST_RDONLY, shown
assert not set(os.environ) & set({sorted(set(os.environ) - set(walls.environment()) - {'PWD', 'OLDPWD', 'SHLVL', '_', 'LC_CTYPE'})!r})
assert len([p for p in os.listdir('/proc') if p.isdigit()]) < 10, 'others are to be seen'
total = double(3)"""
    seen = row(made, total=look)
    assert seen.said == {} and seen == Grade("eve", "lab1", 5.0, 5.0, "graded")


def test_without_a_wall_right_work_gets_its_points_and_wrong_work_its_words():
    assert row(NoWall()) == Grade("eve", "lab1", 5.0, 5.0, "graded")
    made = row(NoWall(), double="def double(x):\n    return 4")
    assert (made.score, made.said) == (0.0, {"double": "double: wrong for another number", "total": "NotYet: total: not the sum"})


# Every name is this run's own: another run of the tests on this machine has children of the same kind.
RUN = os.getpid()
CHILD = f"import time\\nfor eve_{{n}}_{RUN} in range(600): time.sleep(1)"
ORPHAN = ("import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import subprocess, sys; "
          "subprocess.Popen([sys.executable, \"-c\", sys.argv[1]], env={{}}, start_new_session=True)', '" + CHILD + "'], env={{}})")


def test_children_without_a_trace_of_where_they_come_from_end_with_the_submission():
    made = row(NoWall(), before=ORPHAN.format(n="nowall"))
    assert (made.score, made.status) == (5.0, "graded") and not running(f"eve_nowall_{RUN}")


def test_what_a_child_takes_counts_even_with_an_empty_environment():
    hoard = ORPHAN.format(n="hoard").replace("import time", "import time; hoard = bytearray(700_000_000)")
    made = row(NoWall(), Limits(60, 120, 500_000_000), before=f"{hoard}\nimport time\ntime.sleep(50)")
    assert (made.score, made.status) == (0.0, "stopped above 0.5 GB of memory") and not running(f"eve_hoard_{RUN}")


def test_a_desk_that_is_gone_keeps_what_was_passed_and_says_why():
    assert row(NoWall(), total="import os\nos._exit(0)") == Grade("eve", "lab1", 2.0, 5.0, "its kernel died")


def test_a_cell_that_will_not_be_stopped_is_ended_from_outside(monkeypatch):
    monkeypatch.setattr(sittings, "GRACE", 1.0)
    stubborn = "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass"
    made = row(NoWall(), Limits(5, 60), total=stubborn)
    assert (made.score, made.status) == (2.0, "stopped: a cell went on after its limit of 5 seconds")


def test_a_stopped_cell_beside_the_exercises_is_said_where_points_are_lost():
    """A given cell may meet the limit on a busy machine: the row tells a teacher that the points were not the student's to lose."""
    slow = "import time\nsix = 6\ntime.sleep(30)\nseven = 7"
    lost = row(NoWall(), Limits(5, 60), before=slow, total="total = seven - 1")
    assert lost.score == 2.0 and set(lost.said) == {"total", "a cell that is no exercise"}
    assert "on a calm machine it may end" in lost.said["a cell that is no exercise"]
    assert row(NoWall(), Limits(5, 60), before=slow, total="total = six").said == {}


def test_a_signal_to_everybody_of_its_group_reaches_no_grader_and_no_keeper_of_orphans():
    """kill(0) ends the desk and what it has started; first it is looked whether the group is the grader's, so that this test lives."""
    orphan = ORPHAN.format(n="group")
    kill = (f"import os\nassert os.getpgrp() not in ({os.getpgrp()}, os.getpgid(os.getppid()))\n"
            f"assert os.getpgid(os.getppid()) != {os.getpgrp()}\nos.kill(0, 9)")
    made = row(NoWall(), before=orphan, total=kill)
    assert (made.score, made.status) == (2.0, "its kernel died") and not running(f"eve_group_{RUN}")


def test_more_processes_than_anybody_needs_end_the_submission(monkeypatch):
    monkeypatch.setattr(sittings, "PROCESSES", 20)
    many = f"import subprocess, time\nall_ = [subprocess.Popen(['sleep', '77.{RUN}']) for _ in range(30)]\ntime.sleep(15)"
    made = row(NoWall(), total=many)
    assert (made.score, made.status) == (2.0, "stopped above 20 processes") and not running(f"sleep 77.{RUN}")


def test_what_starts_while_its_parent_is_being_ended_ends_too(monkeypatch):
    """The first look finds the desk alone, as where children come between the look and the desk's end; the second is late."""
    looks, family = [], sittings.Desk.family

    def short_sighted(desk):
        time.sleep(0.5 * (len(looks) == 1))
        looks.append(family(desk))
        return looks[-1][:1] if len(looks) == 1 else looks[-1]

    monkeypatch.setattr(sittings.Desk, "watch", lambda desk: desk.over.wait())
    monkeypatch.setattr(sittings.Desk, "family", short_sighted)
    made = row(NoWall(), total=f"import subprocess\ntotal = [subprocess.Popen(['sleep', '66.{RUN}']) for _ in range(9)]")
    assert made.score == 2.0 and len(looks[0]) > 9 and not running(f"sleep 66.{RUN}")


FORGED = """
import json, os
for fd in range(3, 40):
    try:
        for nonce in ('ready', '', None, 396, [396]):
            os.write(fd, json.dumps({'nonce': nonce, 'error': None, 'score': 396, 'points': 396}).encode() + b'\\n')
    except OSError:
        pass
total = 0"""


def test_nobody_gets_396_of_11_by_answering_for_the_tests():
    made = row(NoWall(), total=FORGED)
    assert (made.score, made.said["total"]) == (2.0, "NotYet: total: not the sum")


def test_a_flood_of_answers_ends_the_submission(monkeypatch):
    monkeypatch.setattr(sittings, "MOST", 1_000_000)
    flood = """
import contextlib, os
while True:
    for fd in range(3, 20):
        with contextlib.suppress(OSError):
            os.write(fd, b'x' * 60_000)"""
    assert row(NoWall(), before=flood).status == "stopped: it sent megabytes to the grader"


def test_a_test_is_passed_by_its_nonce_only_and_counts_once():
    assert taken({"nonce": "n", "error": None}) == Taken()
    for answer in ({"nonce": "n"}, {"error": 0}, {"error": []}, {"error": ["E"]}, {"error": ["", ""]}, {"error": [1, 2]}, {"score": 396}):
        assert taken(answer).error, answer
    assert sittings.read(b"[" * 100_000) == {} == sittings.read(b"[1]") == sittings.read(b"\xff") == sittings.read(b"3")
    twice = sheet()
    twice.cells += twice.cells
    made = outcome(twice, EXAM, POINTS, Sitting([Taken()] * len(twice.cells)), Sitting())
    assert made["score"] == 5.0


def test_a_cell_that_empties_all_later_cells_passes_no_test():
    empty = "get_ipython().input_transformers_cleanup.append(lambda lines: [])"
    made = row(NoWall(), before=empty)
    assert made.score == 0.0 and "double" in made.said["double"]


@pytest.mark.parametrize("cheat", [
    "import dtsnn_lite.classroom.checks as c\nc.expect = c.check = lambda *_: None",
    "import sys, types, dtsnn_lite.classroom\nsys.modules['dtsnn_lite.classroom.checks'] = types.SimpleNamespace(expect=lambda *_: None)",
    "import builtins\nbuiltins.abs = lambda _: 0",
    "import dtsnn_lite.classroom.checks as c\nc.close.__code__ = (lambda a, b, tolerance=0: True).__code__",
    "import dtsnn_lite.classroom.checks as c\nc.NotYet.__new__ = lambda *_, **__: SystemExit(0)",
    "import dtsnn_lite.classroom.exam as e\ne.sit = e.run = lambda *_, **__: None"])
def test_what_a_cell_does_to_the_package_or_to_python_is_undone_before_each_test(cheat):
    made = row(NoWall(), before=cheat, total="total = 0")
    assert made.score == 2.0 and "not the sum" in made.said["total"]


def test_a_student_s_constants_are_those_of_the_package_whatever_a_cell_does_to_the_class(monkeypatch):
    pristine, right = Pristine(["dtsnn_lite.classroom.variants"]), Variant("ada").beta
    draw = vars(Variant)["draw"]
    monkeypatch.setattr(Variant, "beta", 0.5)
    draw.__defaults__ = (0,)
    assert Variant("ada").beta == 0.5
    pristine.put_back()
    assert Variant("ada").beta == right and draw.__defaults__ == (2,)


SPY = """
import sys, pathlib
def double(x):
    frame, seen = sys._getframe(), ''
    while frame:
        seen += repr(frame.f_locals.get('tests', '')) + repr(frame.f_code.co_consts)
        frame = frame.f_back
    pathlib.Path('seen').write_text(seen)
    if x > 1000:
        raise {error}(seen)
    return 2 * x"""
LATER = "import pathlib\nraise ValueError(pathlib.Path('seen').read_text())"


@pytest.mark.parametrize("error", ["ValueError", "AssertionError", "KeyboardInterrupt"])
def test_no_exception_carries_a_hidden_test_into_the_feedback(error):
    made = row(NoWall(), double=SPY.format(error=error), total=LATER)
    assert made.score == 0.0 and set(made.said) == {"double", "total"}
    assert "1234567" not in json.dumps(made.row) and "2469134" not in json.dumps(made.row)
    assert "two twos" in made.said["total"], "the spy works: what the student may see does come out"


def test_what_was_stopped_once_is_not_waited_for_again():
    known = [Taken(), Taken(STOPPED, ""), Taken("NameError", ""), Taken(), Taken()]
    began = time.monotonic()
    made = sitting(sheet(double="import time\ntime.sleep(100)"), EXAM, NoWall(), QUICK, {}, known=known)
    assert made.taken[1] == known[1] and time.monotonic() - began < 60


# --- behind a wall ----------------------------------------------------------------------


def test_a_written_package_is_the_next_submission_s_as_it_was(wall):
    before = hashlib.sha256(CHECKS.read_bytes()).digest()
    write = "import dtsnn_lite.classroom.checks as c\nopen(c.__file__, 'w').write('expect = check = close = lambda *_: True')"
    made = row(wall, before=write, total="total = 0")
    assert (made.score, made.said) == (2.0, {"total": "NotYet: total: not the sum"})
    assert hashlib.sha256(CHECKS.read_bytes()).digest() == before


def test_nothing_of_another_s_can_be_reached(wall, tmp_path):
    other = tmp_path / "submitted" / "ada" / "lab1" / "lab1.ipynb"
    other.parent.mkdir(parents=True)
    other.write_text("ada's work")
    key = LABS / "lab1.ipynb"
    attack = f"""
import os, shutil
os.symlink({str(key)!r}, 'key'), os.symlink({str(other)!r}, 'theirs')
found = [p for p in ('key', 'theirs', {str(key)!r}, {str(other)!r}, '/proc/1/root' + {str(other)!r}) if os.path.exists(p)]
shutil.rmtree({str(tmp_path)!r}, ignore_errors=True)
shutil.rmtree('/course', ignore_errors=True)
assert not found, found
total = double(3)"""
    made = row(wall, total=attack)
    assert made.said == {} and made == Grade("eve", "lab1", 5.0, 5.0, "graded")
    assert other.read_text() == "ada's work" and key.exists() and CHECKS.exists()


def test_the_grader_cannot_be_killed(wall):
    kill = """
import os, signal
for pid in (os.getppid(), *range(2, 70000)):
    if pid not in (os.getpid(), 0):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
try:
    os.killpg(0, 0), os.kill(-1, 0)
except OSError:
    pass
total = double(3)"""
    made = row(wall, total=kill)
    assert (made.score, made.status) in ((5.0, "graded"), (2.0, "its kernel died"))


def test_what_a_submission_starts_ends_with_it(wall):
    made = row(wall, before=ORPHAN.format(n="wall"))
    assert (made.score, made.status) == (5.0, "graded") and not running(f"eve_wall_{RUN}")


def test_memory_of_a_child_and_of_files_in_memory_has_an_end(wall):
    hoard = ORPHAN.format(n="walled").replace("import time", "import time; hoard = bytearray(2_500_000_000)")
    made = row(wall, Limits(60, 120, 1_000_000_000), before=f"{hoard}\nimport time\ntime.sleep(50)")
    assert not running(f"eve_walled_{RUN}")
    if made.status == "graded":
        # there the kernel ends the child alone, and the hand-in goes on without it
        assert isinstance(wall, Container) and made == Grade("eve", "lab1", 5.0, 5.0, "graded")
    else:
        assert made.score == 0.0 and made.status in ("stopped above 1 GB of memory", "its kernel died")
    fill = """
for place in ('/dev/shm', '/tmp', '.'):
    written = 0
    try:
        with open(place + '/x', 'wb') as file:
            while written < 3_000_000_000:
                written += file.write(bytes(50_000_000))
    except OSError:
        open(place + '/x', 'w').close()
    assert written < 600_000_000, (place, written)
total = double(3)"""
    assert row(wall, total=fill) == Grade("eve", "lab1", 5.0, 5.0, "graded")


# --- which wall --------------------------------------------------------------------------


def test_a_container_has_no_network_no_rights_no_more_than_its_limits_and_nothing_of_this_machine(tmp_path):
    command = Container("podman").command(["-m", "desk"], {"A": "b"}, 1_000_000, tmp_path, "name")
    words = set(command)
    assert {"--rm", "--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=1000000",
            "--memory-swap=1000000", f"--pids-limit={walls.PROCESSES}", "--env=A=b", "--name=name"} <= words
    assert not any(word.startswith(("-v", "--volume", "--mount", "--privileged")) for word in command)
    assert command[-4:] == [walls.image(), "python", "-m", "desk"]


def test_the_course_s_folder_is_hidden_where_the_environment_lies_in_it(monkeypatch):
    monkeypatch.setattr(walls, "SYSTEM", ())
    monkeypatch.setattr("sys.prefix", str(walls.ROOT / ".venv"))
    monkeypatch.setattr("sys.base_prefix", str(walls.ROOT.parent))
    monkeypatch.setattr("sys.base_exec_prefix", str(walls.ROOT.parent))
    monkeypatch.setattr("sys.executable", str(walls.ROOT / ".venv" / "bin" / "python"))
    walls.furniture.cache_clear()
    try:
        targets = [target for _, target in walls.furniture()]
        assert targets[:2] == [str(walls.ROOT.parent), str(walls.ROOT)] and walls.furniture()[1][0] == "", "nothing in its place"
        assert targets.index(str(walls.ROOT / ".venv")) > 1 and targets[-1] == "/course/dtsnn_lite"
    finally:
        walls.furniture.cache_clear()


def test_a_wall_that_shows_a_master_does_not_work(tmp_path):
    assert not walls.works(NoWall())
    assert not walls.works(replace(Container("no such engine")))


def test_the_image_is_another_after_any_change_of_the_package(monkeypatch, tmp_path):
    names: dict[str, Any] = {}
    for text in ("a = 1\n", "a = 2\n"):
        (tmp_path / "x.py").write_text(text)
        monkeypatch.setattr(walls, "PACKAGE", tmp_path)
        walls.version.cache_clear()
        names[walls.image()] = text
    walls.version.cache_clear()
    assert len(names) == 2
