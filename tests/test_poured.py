"""Right work gets its points in whatever state the notebook comes back: poured into a fresh sheet, tested by the master's tests."""

from __future__ import annotations

import json
from collections.abc import Callable

import nbformat
import pytest

from dtsnn_lite.classroom import exam
from labs.tools.editions import student_edition
from labs.tools.exams import answers_of, by_kind, needed
from labs.tools.handed_in import Cell, cells_of
from labs.tools.masters import LABS, code_cells, exercises, masters, replace_solutions, run_cell
from labs.tools.names import bound, imported, read
from labs.tools.poured import poured
from tests import sitting

LAB = LABS / "lab1.ipynb"
RIGHT = {e.name: e.solution for e in exercises(LAB)}
STUB = {e.name: e.stub for e in exercises(LAB)}
TESTS = [f"{name}-test" for name in RIGHT]


def failed(cells: list[dict], student: str = "ada", course: str = "open") -> dict[str, str]:
    """What the failed tests of a hand-in say."""
    return sitting.failed("lab1", pour(cells, student, course), student, course)


def sheet() -> nbformat.NotebookNode:
    return student_edition(LAB)


def handed_in(solutions: dict[str, str] = RIGHT) -> list[dict]:
    """The cells of a hand-in as its file has them."""
    made = sheet()
    for cell in made.cells:
        cell.source = solutions.get(cell.metadata.get("nbgrader", {}).get("grade_id", ""), cell.source)
    return json.loads(nbformat.writes(made))["cells"]


def place(cells: list[dict], name: str) -> int:
    return next(i for i, cell in enumerate(cells) if cell["metadata"].get("nbgrader", {}).get("grade_id") == name)


def code(source: str, **metadata: object) -> dict:
    return {"cell_type": "code", "source": source, "metadata": metadata, "outputs": [], "execution_count": None}


def pour(cells: list[dict], student: str = "ada", course: str = "open") -> nbformat.NotebookNode:
    made = poured(sheet(), cells_of(json.dumps({"cells": cells}).encode()), student, course)
    nbformat.validate(nbformat.from_dict(json.loads(nbformat.writes(made))))
    names = [c.metadata.nbgrader.grade_id for c in made.cells if "nbgrader" in c.metadata]
    assert sorted(names) == sorted([*RIGHT, *TESTS]), "each exercise and each test once"
    return made


# --- what people and their tools do to a notebook ---------------------------------------


def copied_test(cells: list[dict]) -> None:
    at = place(cells, "neuron-test")
    cells.insert(at + 1, {**cells[at], "id": "copied1"})


def copied_solution(cells: list[dict]) -> None:
    at = place(cells, "neuron")
    cells.insert(at + 1, {**cells[at], "id": "copied2"})


def stub_kept_below(cells: list[dict]) -> None:
    at = place(cells, "neuron")
    cells.insert(at + 1, {**cells[at], "id": "kept", "source": STUB["neuron"]})


def first_try_kept_above(cells: list[dict]) -> None:
    at = place(cells, "neuron")
    cells.insert(at, {**cells[at], "id": "try", "source": RIGHT["neuron"].replace("h > v_th", "h >= v_th")})


def first_try_kept_at_the_end(cells: list[dict]) -> None:
    at = place(cells, "neuron")
    cells.append({**cells[at], "id": "try", "source": RIGHT["neuron"].replace("h > v_th", "h >= v_th")})


def split_between_functions(cells: list[dict]) -> None:
    at = place(cells, "rate_code")
    first, second = RIGHT["rate_code"].split("def timesteps_for")
    cells[at:at + 1] = [{**cells[at], "source": first}, {**cells[at], "id": "half", "source": "def timesteps_for" + second}]


def split_within_a_function(cells: list[dict]) -> None:
    at = place(cells, "neuron")
    first, second = RIGHT["neuron"].split("    for i in")
    cells[at:at + 1] = [{**cells[at], "source": first}, {**cells[at], "id": "half", "source": "    for i in" + second}]


def split_and_the_second_half_lost_its_name(cells: list[dict]) -> None:
    split_within_a_function(cells)
    cells[place(cells, "neuron") + 1]["metadata"] = {}


def reordered(cells: list[dict]) -> None:
    cells.reverse()


def without_tests(cells: list[dict]) -> None:
    cells[:] = [c for c in cells if not c["metadata"].get("nbgrader", {}).get("grade")]


def all_but_solutions_deleted(cells: list[dict]) -> None:
    cells[:] = [c for c in cells if c["metadata"].get("nbgrader", {}).get("solution")]


def without_metadata(cells: list[dict]) -> None:
    for cell in cells:
        cell["metadata"] = {}


def without_metadata_and_ids(cells: list[dict]) -> None:
    for cell in cells:
        cell["metadata"] = {}
        cell.pop("id", None)


def written_beside_the_stub(cells: list[dict]) -> None:
    at = place(cells, "first_spike")
    cells[at]["source"] = STUB["first_spike"]
    cells.append(code(RIGHT["first_spike"]))


def written_into_the_test(cells: list[dict]) -> None:
    cells[place(cells, "first_spike")]["source"] = STUB["first_spike"]
    cells[place(cells, "first_spike-test")]["source"] = RIGHT["first_spike"]


def merged_with_the_cell_above(cells: list[dict]) -> None:
    at = place(cells, "by_hand")
    above = next(c for c in reversed(cells[:at]) if c["cell_type"] == "code")
    above["source"] = "".join(above["source"]) + "\n\n" + RIGHT["by_hand"]
    del cells[at]


def turned_into_text(cells: list[dict]) -> None:
    cells[place(cells, "neuron")].update(cell_type="raw")


def helper_in_a_cell_of_its_own(cells: list[dict]) -> None:
    at = place(cells, "neuron")
    cells[at]["source"] = "def neuron(currents, beta, v_th):\n    return looped(currents, beta, v_th)"
    cells.insert(at, code(RIGHT["neuron"].replace("def neuron", "def looped")))


def import_added_to_the_imports(cells: list[dict]) -> None:
    imports = next(c for c in cells if "import numpy" in "".join(c["source"]))
    imports["source"] = "".join(imports["source"]) + "\nimport math"
    cells[place(cells, "rate_code")]["source"] = RIGHT["rate_code"].replace("np.ceil", "math.ceil")


def imports_of_another_edition(cells: list[dict]) -> None:
    for cell in cells:
        cell["source"] = "".join(cell["source"]).replace("dtsnn_lite.classroom.", "dtsnn_lite.")


def tagged(cells: list[dict]) -> None:
    for cell in cells:
        cell["metadata"] = {**cell["metadata"], "tags": ["skip-execution", "raises-exception"]}


def names_of_builtins(cells: list[dict]) -> None:
    cells.insert(0, code("sum = 0\nlist = [1]\nmax = 3\nlen = any = all = set = print = 1"))
    cells.insert(8, code("np = plt = os = check = expect = close = Variant = me = STUDENT = COURSE = 0"))
    cells[place(cells, "by_hand")]["source"] = "u = h = v = expected = theirs = 5\n" + f"u_by_hand = {by_pencil()}"
    for name in ("first_spike", "rate_code"):
        cells[place(cells, name)]["source"] = "import numpy as np\n" + RIGHT[name]


def by_pencil() -> list[float]:
    names: dict = {}
    run_cell("from dtsnn_lite.classroom.variants import Variant\nme = Variant('ada', 'open')\n" + RIGHT["by_hand"], names)
    return [round(u, 3) for u in names["u_by_hand"]]


def chatty(cells: list[dict]) -> None:
    chat = "import sys, warnings\n    warnings.warn('dear me')\n    print('hm', file=sys.stderr)\n    print(3)\n    u, spikes, pot"
    cells[place(cells, "neuron")]["source"] = RIGHT["neuron"].replace("u, spikes, pot", chat, 1)


DONE_TO_IT: tuple[Callable[[list[dict]], None], ...] = (
    copied_test, copied_solution, stub_kept_below, first_try_kept_above, first_try_kept_at_the_end, split_between_functions,
    split_within_a_function, split_and_the_second_half_lost_its_name, reordered, without_tests, all_but_solutions_deleted,
    without_metadata, without_metadata_and_ids, written_beside_the_stub, written_into_the_test, merged_with_the_cell_above,
    turned_into_text, helper_in_a_cell_of_its_own, import_added_to_the_imports, imports_of_another_edition, tagged,
    names_of_builtins, chatty)


@pytest.mark.parametrize("done", DONE_TO_IT, ids=lambda done: done.__name__)
def test_right_work_passes_every_test_whatever_was_done_to_its_notebook(done):
    cells = handed_in()
    done(cells)
    assert failed(cells) == {}


def test_wrong_work_is_not_saved_by_a_tag_an_edited_test_or_a_copy():
    cells = handed_in(RIGHT | {"neuron": "1 / 0"})
    at = place(cells, "neuron-test")
    cells[at] = {**cells[at], "metadata": {**cells[at]["metadata"], "tags": ["skip-execution"]}, "source": "pass"}
    cells.append({**cells[at], "id": "again"})
    assert set(failed(cells)) == {"neuron-test"}


def test_an_untouched_sheet_fails_every_test_and_says_what_to_do():
    said = failed(handed_in(STUB))
    assert set(said) == set(TESTS)
    assert set(failed([code("pass")])) == set(TESTS)


def test_constants_are_those_that_the_grader_names():
    mine = handed_in(RIGHT | {"by_hand": f"u_by_hand = {by_pencil()}"})
    for cell in mine:
        cell["source"] = "".join(cell["source"]).replace('"reference"', '"bob"   # it is me').replace('"open"', '"old"')
    assert failed(mine) == {}
    assert set(failed(mine, student="bob")) == {"by_hand-test"} == set(failed(mine, course="old"))


# --- the exam's namespace ------------------------------------------------------------------


def test_the_exam_sees_answers_and_nothing_else_of_the_student_s():
    student, names = {"answer": 3, "sum": 0, "probe": 1}, {"__name__": "__exam__"}
    exam.sit(["probe = 5"], "assert sum([probe, answer]) == 8", ["answer"], student, names)
    with pytest.raises(NameError, match="answer"):
        exam.sit([], "answer", ["answer"], {}, names)
    assert student == {"answer": 3, "sum": 0, "probe": 1}


def test_what_a_test_prints_goes_nowhere_and_what_it_raises_comes_out(capsys):
    exam.sit(["1 / 0"], "import sys\nprint(3)\nprint(4, file=sys.stderr)", [], {}, {})
    assert capsys.readouterr() == ("", "")
    with pytest.raises(AssertionError, match="because"):
        exam.sit([], "assert 0, 'because'", [], {}, {})


@pytest.mark.parametrize("path", masters(), ids=lambda p: p.stem)
def test_a_test_finds_all_that_it_reads_and_a_student_needs_no_name_that_a_test_defines(path):
    notebook = nbformat.read(path, as_version=4)
    known = set().union(*answers_of(notebook).values(), *(bound(c.source) | imported(c.source) for c in needed(notebook)))
    for cell in by_kind(notebook, "test"):
        assert read(cell.source) <= known, f"{path.stem}: a test reads what nothing defines"
        known |= bound(cell.source) | imported(cell.source)
    shown = [cell for kind in ("given", "solution") for cell in by_kind(notebook, kind)]
    theirs = set().union(*(bound(c.source) | imported(c.source) for c in shown))
    for cell in shown:
        assert read(cell.source) - {"get_ipython"} <= theirs, f"{path.stem}: a student needs what only a test defines"


@pytest.mark.parametrize("path", masters(), ids=lambda p: p.stem)
def test_every_answer_that_is_asked_for_stands_in_the_stub(path):
    asked = answers_of(student_edition(path))
    assert asked == answers_of(nbformat.read(path, as_version=4)) and all(asked.values())
    stubs = {e.name: replace_solutions(e.solution, "pass") for e in exercises(path)}
    assert all(asked[name] <= bound(stub) for name, stub in stubs.items())


def test_the_names_of_a_cell_are_found_without_running_it():
    cell = ("%matplotlib inline\nimport numpy as np\n\ndef f(x):\n    global g\n    g = y = x + far\n    return [n for n in np.ones(3)]\n"
            "for i in (1, 2):\n    k = i")
    assert bound(cell) == {"f", "g", "i", "k"} and imported(cell) == {"np"} and read(cell) == {"far", "get_ipython"}
    assert bound("no python") == set()


def test_masters_are_cells_that_a_hand_in_can_be_known_by():
    for path in masters():
        cells = [Cell("code", c["source"], id=c["id"]) for c in code_cells(path)]
        assert len({cell.id for cell in cells}) == len(cells)


@pytest.mark.parametrize("path", masters(), ids=lambda p: p.stem)
def test_every_lab_s_own_solutions_pass_its_exam_in_another_course(path):
    cells = [{**cell, "source": "".join(cell["source"])} for cell in json.loads(path.read_text("utf8"))["cells"]]
    made = poured(student_edition(path), cells_of(json.dumps({"cells": cells}).encode()), "s7", "autumn")
    assert sitting.failed(path.stem, made, "s7", "autumn") == {}
    assert set(sitting.failed(path.stem, student_edition(path), "s7", "autumn")) == {f"{e.name}-test" for e in exercises(path)}
