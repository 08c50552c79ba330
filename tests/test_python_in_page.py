"""Python in the page, without a browser: which cells are offered, what is fetched and checked, what a lab's page holds."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from python_in_page import labs, offered, parts
from python_in_page.offered import Offer, Trials, offer

from labs.tools.masters import LABS, closed_regions, masters
from tools import python_runtime
from tools.python_runtime import NotToBeHad

ROOT = Path(__file__).resolve().parents[1]
TRIAL = ROOT / "book" / "extensions" / "python_in_page" / "trial.py"
IN_THE_PAGE = ("lab1", "lab3", "lab4", "lab5", "lab7", "lab8")


def tried(*cells: str, asset_bytes: int = 10 ** 6, shapes: dict | None = None) -> list[dict]:
    """What the trial says of a page with these cells."""
    return offered.python(ROOT, [TRIAL], json.dumps({"cells": cells, "shapes": shapes or {}, "asset_bytes": asset_bytes}))


def said(one: dict, kind: str) -> str:
    return "".join(text for found, text in one["output"] if found == kind)


# --- which cells run -------------------------------------------------------------------


def test_a_cell_that_draws_stops_there_and_keeps_the_names_that_it_had():
    imports, draws, after, later = tried(
        "import matplotlib.pyplot as plt\nimport torch\nfrom dtsnn_lite.figures import panels\nfrom dtsnn_lite.models import build",
        "x = 6 * 7\nfig, ax = panels()\ny = x", "print(x)", "print(y)")
    assert [one["ended"] for one in (imports, draws, after, later)] == ["runs", "stops", "runs", "fails"]
    assert "needs matplotlib" in said(draws, "note") and said(after, "stdout") == "42\n"
    assert said(later, "error").splitlines()[-1] == "NameError: name 'y' is not defined"


@pytest.mark.parametrize("use", ["plt.subplots(1)", "with plt.rc_context(): pass", "torch.tensor([1.0])", "bool(torch.cuda)",
                                 "class Net(torch.nn.Module): pass", "for ax in plt.gcf(): pass", "1 + torch.pi", "torch.eye[0]"])
def test_whatever_one_does_with_what_is_not_there_stops_the_cell(use):
    assert [one["ended"] for one in tried("import matplotlib.pyplot as plt, torch", use)] == ["runs", "stops"]


def test_a_cell_that_fails_leaves_no_name_behind():
    fails, after = tried("found = 1\n1 / 0", "found")
    assert (fails["ended"], after["ended"]) == ("fails", "fails") and "NameError" in said(after, "error")


def test_an_error_is_printed_as_python_prints_it():
    (one,) = tried("def half(x):\n    return x / 0\n\nhalf(1)")
    lines = said(one, "error").splitlines()
    assert lines[0] == "Traceback (most recent call last):" and lines[-1] == "ZeroDivisionError: division by zero"
    assert '  File "<cell 1>", line 4, in <module>' in lines and "    return x / 0" in lines
    assert "shore.py" not in said(one, "error")


def test_the_last_value_is_shown_unless_a_semicolon_ends_it():
    shown, hidden, none = tried("6 * 7", "6 * 7;", "print('a')")
    assert (said(shown, "result"), said(hidden, "result"), said(none, "result")) == ("42\n", "", "")


def test_markdown_that_a_cell_shows_is_shown_as_such():
    (one,) = tried("from IPython.display import Markdown\nMarkdown('| a |\\n|---|')")
    assert one["output"] == [["markdown", "| a |\n|---|"]]


def test_a_line_that_is_no_python_is_passed_over():
    assert [one["ended"] for one in tried('import sys\n\nif "google.colab" in sys.modules:\n    %pip install -q "x"')] == ["runs"]


def test_what_a_cell_opens_is_said_and_too_much_of_it_is_refused():
    load = "from dtsnn_lite.recording import shipped\nprint(shipped('digits-hard-test').images)"
    (fits,), (heavy,) = tried(load), tried(load, asset_bytes=1000)
    assert fits["assets"] == ["digits-hard-test.npz"] and fits["ended"] == "runs"
    assert heavy["ended"] == "fails" and heavy["assets"] == []


def test_a_shipped_networks_shapes_are_those_that_its_layers_have():
    import dataclasses

    from dtsnn_lite.checkpoints import load_shipped
    from dtsnn_lite.models import layer_shapes

    shapes = [dataclasses.asdict(shape) for shape in layer_shapes(load_shipped("digits"))]
    cells = ["from dtsnn_lite.checkpoints import load_shipped\nfrom dtsnn_lite.models import layer_shapes",
             "print(layer_shapes(load_shipped('digits')))", "load_shipped('nobody')"]
    found = tried(*cells, shapes={"digits": shapes})
    assert said(found[1], "stdout") == f"{layer_shapes(load_shipped('digits'))}\n"
    assert "no shipped network 'nobody'" in said(found[2], "error")


def test_the_shapes_in_the_pages_are_those_of_every_spiking_network_that_ships():
    from dtsnn_lite.files import ASSETS

    shipped = {path.stem for path in ASSETS.glob("*.safetensors")}
    made = Trials(ROOT).shapes()
    assert set(made) == {name for name in shipped if "-ann" not in name and "-twin" not in name} and all(made.values())


def test_a_cell_is_offered_when_it_prints_what_the_page_shows():
    runs = {"ended": "runs", "output": [["stdout", "97.6"], ["result", "x"], ["stdout", " %\n"]], "assets": ["a.npz"]}
    assert offer(runs, "print()", "97.6 %\n") == Offer("run", ("a.npz",))
    assert offer(runs, "print()", "97.7 %\n").how == "quietly", "a cell that would contradict its page"
    assert offer(runs, "print()", None).how == "quietly"
    assert offer(runs, 'if "google.colab" in sys.modules: ...', "97.6 %\n").how == "quietly"
    assert offer({**runs, "ended": "stops"}, "print()", "97.6 %\n").how == "quietly"
    assert offer({**runs, "ended": "fails"}, "print()", "97.6 %\n") == Offer("not")


# --- what is fetched ---------------------------------------------------------------------


@pytest.fixture
def empty_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("STOP_WHEN_SURE_CACHE", str(tmp_path))
    return tmp_path


GOOD, BAD = b"a wheel", b"another"
SHA256 = hashlib.sha256(GOOD).hexdigest()


def sources(monkeypatch, pyodide: bytes | str, pypi: bytes | str) -> None:
    """Both sources of wheels, giving bytes or a reason."""
    def of(given: bytes | str):
        def fetch(*_):
            if isinstance(given, str):
                raise NotToBeHad(given)
            return given
        return fetch

    monkeypatch.setattr(python_runtime, "from_pyodide", of(pyodide))
    monkeypatch.setattr(python_runtime, "from_pypi", of(pypi))


@pytest.mark.parametrize(("pyodide", "pypi"), [(GOOD, "never asked"), ("no answer", GOOD), (BAD, GOOD)])
def test_a_wheel_comes_from_whoever_has_the_one_with_the_known_hash(empty_cache, monkeypatch, pyodide, pypi):
    sources(monkeypatch, pyodide, pypi)
    assert python_runtime.wheel({}, "numpy.whl", SHA256) == GOOD
    sources(monkeypatch, "cut off", "cut off")
    assert python_runtime.wheel({}, "numpy.whl", SHA256) == GOOD, "kept for a build without network"


def test_a_kept_wheel_that_was_changed_is_fetched_again(empty_cache, monkeypatch):
    sources(monkeypatch, GOOD, GOOD)
    python_runtime.wheel({}, "numpy.whl", SHA256)
    (python_runtime.cache() / "numpy.whl").write_bytes(BAD)
    assert python_runtime.wheel({}, "numpy.whl", SHA256) == GOOD


def test_a_wheel_that_nobody_has_says_whom_one_asked(empty_cache, monkeypatch):
    sources(monkeypatch, "the address does not answer", BAD)
    with pytest.raises(NotToBeHad, match="the address does not answer; a numpy.whl with another sha256"):
        python_runtime.wheel({}, "numpy.whl", SHA256)
    assert not list(empty_cache.rglob("*.whl"))


def test_a_machine_without_npm_says_so(empty_cache, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NotToBeHad, match="there is no npm on this machine"):
        python_runtime.parts()


# --- what the pages load -----------------------------------------------------------------


def test_the_package_in_the_pages_is_its_modules_and_the_same_bytes_every_time():
    packed = parts.package(ROOT, {})
    names = zipfile.ZipFile(io.BytesIO(packed)).namelist()
    assert {"dtsnn_lite/recording.py", "dtsnn_lite/assets/lab_checks.json", "shore.py", "shapes.json"} <= set(names)
    assert {Path(name).suffix for name in names} == {".py", ".json"}
    assert parts.package(ROOT, {}) == packed


def test_the_package_in_the_pages_holds_no_solution():
    archive = zipfile.ZipFile(io.BytesIO(parts.package(ROOT, {})))
    text = "".join(archive.read(name).decode() for name in archive.namelist())
    for path in masters():
        for region in closed_regions(path):
            longest = max(region, key=len)
            assert len(longest) < 40 or longest not in text, f"{path.name}: {longest}"


# --- labs --------------------------------------------------------------------------------


def lab(name: str) -> nbformat.NotebookNode:
    return labs.edition(LABS / f"{name}.ipynb")


@pytest.mark.parametrize("name", IN_THE_PAGE)
def test_a_labs_page_has_a_field_for_each_cell_and_no_solution(name):
    notebook = lab(name)
    source = labs.poured(notebook, name)
    fields = [cell for cell in notebook.cells if cell.cell_type == "code" or labs.is_written(cell)]
    assert source.count("{lab-cell}") == len(fields) and source.startswith(f"# Lab {name[-1]}.")
    shown = "".join(map(labs.field, fields))
    assert shown.count("<textarea") == len(fields) and "BEGIN SOLUTION" not in shown and "HIDDEN" not in shown
    assert shown.count("readonly") == sum(map(labs.is_tests, fields)) > 2


@pytest.mark.parametrize("name", IN_THE_PAGE)
def test_a_solved_lab_runs_without_torch(name):
    solutions = {labs.name_of(it): it.source for it in nbformat.read(LABS / f"{name}.ipynb", as_version=4).cells}
    code = [it for it in lab(name).cells if it.cell_type == "code"]
    cells = [it.source if labs.is_tests(it) else solutions[labs.name_of(it)] for it in code]
    for cell, one in zip(cells, tried(*cells, asset_bytes=offered.ASSET_BYTES), strict=True):
        drawn = one["ended"] == "stops" and "needs matplotlib" in said(one, "note")
        assert one["ended"] == "runs" or drawn, f"{cell}\n{one}"


def test_every_lab_without_torch_has_a_page():
    entries = (ROOT / "_toc.yml").read_text("utf8")
    with_torch = {path.stem for path in masters() if "import torch" in "".join(it.source for it in lab(path.stem).cells)}
    assert {path.stem for path in masters()} - with_torch == set(IN_THE_PAGE)
    for name in IN_THE_PAGE:
        assert f"book/{name}\n" in entries and (ROOT / "book" / f"{name}.md").read_text("utf8") == f"```{{lab}} {name}\n```\n"


# --- a book without it ---------------------------------------------------------------------

CONF = f"""
import sys
sys.path[:0] = [{str(ROOT / "book/extensions")!r}, {str(ROOT)!r}]
project, html_title, language = "Small book", "Small book", "en"
extensions = ["myst_nb", "python_in_page"]
myst_enable_extensions = ["dollarmath"]
nb_execution_mode = "off"
nb_execution_cache_path = "cache"
html_theme = "basic"
mathjax_path = "no-equations.js"
root_doc, include_patterns = "book/lab1", ["book/**"]
"""


def test_a_book_whose_parts_cannot_be_had_is_built_and_says_so(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "conf.py").write_text(CONF)
    (tmp_path / "book" / "lab1.md").write_text((ROOT / "book" / "lab1.md").read_text())
    for name in ("labs", "dtsnn_lite", "_config.yml", "_toc.yml"):
        (tmp_path / name).symlink_to(ROOT / name)
    environment = {**os.environ, "STOP_WHEN_SURE_CACHE": str(tmp_path / "none"), "PATH": ""}
    ran = subprocess.run([sys.executable, "-m", "sphinx", "-W", "-b", "html", tmp_path, tmp_path / "out"], cwd=ROOT, env=environment,
                         capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "Python in the page: not in this build, since its parts cannot be had (there is no npm on this machine)" in ran.stdout
    page = (tmp_path / "out" / "book" / "lab1.html").read_text()
    assert "built without Python in its pages" in page and "textarea" not in page and "python.js" not in page
    assert "Spikes and potentials of a hard-reset LIF neuron" in page and not (tmp_path / "out" / "_static" / "python").exists()
