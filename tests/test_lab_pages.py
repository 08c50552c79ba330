"""The labs' pages: tables as the masters are, goals that are practised, links that lead to notebooks."""

from __future__ import annotations

import ast
import json
import re
import sys

import pytest
import tomllib
import yaml

from labs.tools.editions import named, write_branch
from labs.tools.masters import LABS, code_cells, exercises, masters
from labs.tools.pages import BRANCH, PAGES, binder, colab, goals, minutes, needs, renewed

ROOT = LABS.parent
ALL = {e.question for path in masters() for e in exercises(path)}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_the_tables_of_a_page_are_those_of_the_masters(page):
    assert page.read_text("utf8") == renewed(page.read_text("utf8")), "python -m labs.tools.pages"


def test_a_lab_that_does_not_say_how_long_it_takes_gets_no_row(tmp_path):
    lab = tmp_path / "lab9.ipynb"
    lab.write_text(json.dumps({"cells": [{"source": ["# Lab 9. Late\n", "**Needs** lab 8. **Runs** here."]}]}), "utf8")
    assert needs(lab) == "lab 8"
    with pytest.raises(ValueError, match=r"the first cell of lab9.ipynb says what a lab takes"):
        minutes(lab)


def test_every_goal_is_practised_and_every_exercise_has_a_goal():
    assert all(goal["exercises"] for goal in goals())
    practised = [e for goal in goals() for e in goal["exercises"]]
    assert set(practised) == ALL and len(practised) == len(set(practised))


def test_every_launch_link_leads_to_a_notebook_of_the_published_branch(tmp_path):
    write_branch(tmp_path)
    published = {p.name for p in tmp_path.glob("*.ipynb")}
    page = (ROOT / "book" / "labs.md").read_text("utf8")
    links = re.findall(r"\]\((https://(?:colab|mybinder)[^)]+)\)", page)
    assert sorted(links) == sorted(link for path in masters() for link in (colab(path), binder(path)))
    for link in links:
        assert f"/{BRANCH}" in link and re.search(r"[\w.-]+\.ipynb$", link)[0].split("=")[-1] in published
    assert f"branch={BRANCH}" in (LABS / "README.md").read_text("utf8")


def test_every_launch_button_of_the_built_book_leads_to_the_page_s_own_notebook():
    built = ROOT / "_build" / "html" / "book"
    if not built.is_dir():
        pytest.skip("no built book: make book")
    pages = list(built.glob("*.html"))
    assert pages
    for page in pages:
        links = re.findall(r'href="https://(?:colab\.research\.google|mybinder)[^"]*/main[^"]*?(book/\w+\.\w+)"', page.read_text("utf8"))
        notebook = ROOT / "book" / f"{page.stem}.ipynb"
        wanted = [f"book/{notebook.name}"] if notebook.exists() else []
        assert sorted(links) == sorted(2 * wanted), f"{page.name}: {links}"


def test_the_branch_holds_no_solution_and_runs_in_binder(tmp_path):
    write_branch(tmp_path)
    for path in tmp_path.glob("*.ipynb"):
        assert "BEGIN SOLUTION" not in path.read_text("utf8") and "BEGIN HIDDEN" not in path.read_text("utf8")
    needs = (tmp_path / ".binder" / "requirements.txt").read_text("utf8")
    assert "torch==" in needs and "+cpu" in needs and "dtsnn-lite @ git+https://github.com/" in needs
    assert (tmp_path / ".binder" / "runtime.txt").read_text("utf8").startswith("python-3")


def test_the_workflow_publishes_that_branch():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "pages.yml").read_text("utf8"))
    steps = " ".join(step.get("run", "") for step in workflow["jobs"]["students"]["steps"])
    assert "labs.tools.editions --branch" in steps and f' {BRANCH} "Student editions' in steps


def test_every_lab_says_how_long_it_takes_what_it_needs_and_what_one_can_do_after_it():
    for path in masters():
        first = "".join(json.loads(path.read_text("utf8"))["cells"][0]["source"])
        assert "**Time**" in first and "**Needs**" in first and "**Runs**" in first
        assert 3 <= first.count("\n- *") <= 5


def test_a_course_has_a_name_without_tricks():
    assert named('COURSE = "open"', "autumn-2027") == 'COURSE = "autumn-2027"'
    with pytest.raises(ValueError, match="course name"):
        named("", 'x"; import os')


def test_the_pages_stand_in_the_contents():
    contents = (ROOT / "_toc.yml").read_text("utf8")
    for page in ("book/labs", "labs/student", "labs/README"):
        assert f"file: {page}" in contents, page
    assert not [path for path in masters() if f"labs/{path.stem}" in contents], "a master in the book would show its solutions"


def test_a_lab_imports_only_what_the_package_brings():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    brought = {re.split(r"[<>=!~ ]", need)[0] for need in project["dependencies"]} | {"dtsnn_lite"} | sys.stdlib_module_names
    for path in masters():
        for cell in code_cells(path):
            lines = [line if "%pip" not in line else "    pass" for line in cell["source"].splitlines()]
            tree = ast.parse("\n".join(lines))
            for node in ast.walk(tree):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else \
                        [node.module] if isinstance(node, ast.ImportFrom) else []
                assert {name.split(".")[0] for name in names} <= brought, f"{path.name} imports {names}"


@pytest.mark.parametrize("path", masters(), ids=lambda p: p.stem)
def test_every_lab_asks_for_a_prediction_just_before_a_result(path):
    cells = json.loads(path.read_text("utf8"))["cells"]
    asked = [n for n, cell in enumerate(cells) if "**Predict, before you run the next cell.**" in "".join(cell["source"])]
    assert asked and all("*My prediction:*" in "".join(cells[n]["source"]) for n in asked)
    for n in asked:
        assert cells[n + 1]["cell_type"] == "code" and not cells[n + 1]["metadata"].get("nbgrader"), "".join(cells[n]["source"])


def test_the_students_page_asks_for_the_python_that_the_package_asks_for():
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]["requires-python"]
    assert re.findall(r"Python ([\d.]+) or newer", (LABS / "student.md").read_text("utf8")) == [needed.removeprefix(">=")]
