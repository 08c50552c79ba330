"""Python in the page: chapters' cells and whole labs, from a folder and from a server, with the network cut."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page

from labs.tools.intake import Submission
from labs.tools.marking import Job, graded, prepared
from labs.tools.masters import LABS, exercises
from labs.tools.sitting import Limits
from labs.tools.walls import NoWall
from tests.browser.waits import wear

ROOT = Path(__file__).resolve().parents[2]
LAB_PAGES = ("lab1", "lab3", "lab4", "lab5", "lab7", "lab8")
CHAPTERS = ("why_timesteps", "dtsnn", "seenn1", "seenn2", "lif", "evidence", "edp_scaling")
PYTHON_MB = 11
PATIENCE_MS = 240_000

START = """
async (parts) => {
  const table = {};
  let list;
  self.pythonParts = (given) => { list = given; };
  self.pythonPart = (name, base64) => { table[name] = base64; };
  self.loadPart = (name) => new Promise((done, fail) => {
    const script = document.createElement("script");
    Object.assign(script, { src: `${parts}${name}.js`, onload: done, onerror: () => fail(new Error(name)) });
    document.head.append(script);
  });
  await loadPart("parts");
  await Promise.all(list.always.map(loadPart));
  const bytes = Uint8Array.from(atob(table["worker.js"]), (letter) => letter.charCodeAt(0));
  const text = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  self.python = new Worker(URL.createObjectURL(new Blob([text])));
  await new Promise((done, fail) => {
    python.onmessage = ({ data }) => (data.ready ? done() : data.broken && fail(new Error(data.broken)));
    python.postMessage({ start: table, packed: list.packed });
  });
  const recordings = Object.keys(list.bytes).filter((name) => name.startsWith("assets/"));
  await Promise.all(recordings.map(loadPart));
  python.postMessage({ files: Object.fromEntries(recordings.map((name) => [name, table[name]])) });
}
"""
RUN = """
(source) => new Promise((done, fail) => {
  let printed = "";
  python.onmessage = ({ data }) => {
    if (data.broken) fail(new Error(data.broken));
    else if ("ran" in data) done([data.error, printed]);
    else if (data.kind === "stdout") printed += data.text;
  };
  python.postMessage({ run: 0, label: "cell", source });
})
"""


def cells_of(book: Path, name: str) -> list[tuple[str, str, str | None]]:
    """(source, how, stored output) of a chapter's cells that the built page runs; None where no output is checked."""
    places = re.findall(r'class="python-place" data-cell="(\d+)" data-how="(\w+)"', (book / f"book/{name}.html").read_text("utf8"))
    cells = nbformat.read(ROOT / f"book/{name}.ipynb", as_version=4).cells

    def stored(cell: nbformat.NotebookNode) -> str | None:
        return "".join(out.get("text", "") for out in cell.outputs) if "nbval-check-output" in cell.metadata.get("tags", []) else None

    return [(cells[int(at)].source, how, stored(cells[int(at)])) for at, how in places]


@pytest.fixture(scope="module")
def python(browser: Browser, book: Path) -> Iterator[Callable[[str], list[str]]]:
    """python(source): [error, what it printed], all in one Python of a page from a folder."""
    context = browser.new_context(offline=True)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto((book / "search.html").as_uri())
    page.evaluate(START, "_static/python/")
    yield lambda source: page.evaluate(RUN, source)
    context.close()


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_cells_of_a_chapter_print_in_the_page_what_they_print_elsewhere(book, python, name):
    compared = 0
    for source, how, stored in cells_of(book, name):
        error, printed = python(source)
        if how == "run":
            assert error == "", f"{source}\n{error}"
            if stored is not None:
                assert printed == stored
                compared += 1
    assert compared >= 3, "a chapter of which nothing is compared proves nothing"


@pytest.mark.parametrize("name", LAB_PAGES)
def test_every_test_of_a_solved_lab_passes_in_the_page(python, name):
    solutions = {exercise.name: exercise.solution for exercise in exercises(LABS / f"{name}.ipynb")}
    from python_in_page.labs import edition, is_tests, name_of

    passed = 0
    for cell in edition(LABS / f"{name}.ipynb").cells:
        if cell.cell_type == "code":
            error, _ = python(solutions.get(name_of(cell), cell.source))
            assert error in ("", "NotInThePage"), f"{cell.source}\n{error}"
            passed += is_tests(cell)
    assert passed == len(solutions)


# --- a lab from a server, as a student meets it ----------------------------------------------


@pytest.fixture(scope="module")
def at_lab(browser: Browser, book: Path, serve: Callable[[Path], str]) -> Iterator[tuple[Page, set[str]]]:
    """Lab 1 on a phone, and what it has asked for."""
    context = browser.new_context(viewport={"width": 360, "height": 800}, accept_downloads=True)
    context.set_default_timeout(PATIENCE_MS)
    page, asked = context.new_page(), set()
    page.on("request", lambda request: asked.add(request.url))
    page.goto(f"{serve(book)}/book/lab1.html")
    yield page, asked
    context.close()


def place(page: Page, cell: str) -> Locator:
    return page.locator(f'.python-place[data-cell="{cell}"]')


def field(page: Page, cell: str) -> Locator:
    return page.locator(f'textarea[name="{cell}"]')


def output(page: Page, cell: str) -> Locator:
    return page.locator(f'.python-place[data-cell="{cell}"] + .python-output')


def run(page: Page, cell: str) -> str:
    """What the page says after a cell was run."""
    place(page, cell).get_by_role("button", name="Run").click()
    place(page, cell).get_by_role("button", name="Run").wait_for()      # until then it says Stop
    return place(page, cell).locator(".python-said").inner_text()


def test_nothing_of_python_is_loaded_before_the_first_click(at_lab):
    page, asked = at_lab
    assert asked and not [url for url in asked if "/python/" in url]
    assert page.locator(".python-output").count() == 0


def test_what_a_student_writes_survives_a_reload(at_lab):
    page, _ = at_lab
    for exercise in exercises(LABS / "lab1.ipynb"):
        field(page, exercise.name).fill(exercise.solution)
    page.get_by_role("textbox", name="Your words").first.fill("twelve spikes")
    page.reload()
    for exercise in exercises(LABS / "lab1.ipynb"):
        assert field(page, exercise.name).input_value() == exercise.solution
    assert page.get_by_role("textbox", name="Your words").first.input_value() == "twelve spikes"


def test_the_cells_above_are_run_first_and_all_tests_pass(at_lab):
    page, asked = at_lab
    assert run(page, "rate_code-test") == "done"
    assert page.locator(".python-output .python-error").count() == 0
    assert output(page, "neuron-test").inner_text().strip() == "lab1.neuron: right"
    assert output(page, "rate_code-test").inner_text().strip() == "lab1.timesteps_for: right"
    assert {urlsplit(url).hostname for url in asked if not url.startswith("blob:")} == {"127.0.0.1"}


def test_the_downloaded_notebook_gets_its_points(at_lab, tmp_path):
    page, _ = at_lab
    with page.expect_download() as saved:
        page.get_by_role("button", name="with your work").click()
    assert saved.value.suggested_filename == "lab1.ipynb"
    handed_in = tmp_path / "reference" / "lab1.ipynb"
    saved.value.save_as(handed_in)
    notebook = nbformat.read(handed_in, as_version=4)
    nbformat.validate(notebook)
    assert "*My prediction:* twelve spikes" in "".join(cell.source for cell in notebook.cells)
    job = prepared(Submission("reference", "lab1", handed_in), Limits(cell_seconds=300, seconds=900), unprotected=True)
    assert isinstance(job, Job), job
    grade = graded(job, NoWall())
    assert (grade.status, grade.score) == ("graded", grade.max_score) and grade.max_score > 0


def test_an_error_is_shown_as_python_prints_it_and_the_next_cell_runs(at_lab):
    page, _ = at_lab
    field(page, "neuron").fill("def neuron(currents, beta, v_th):\n    return 1 / 0\n\nneuron([], 0, 0)")
    assert run(page, "neuron") == "ended with ZeroDivisionError"
    shown = output(page, "neuron").inner_text()
    assert shown.startswith("Traceback (most recent call last):") and ", line 4, in " in shown
    assert "ZeroDivisionError: division by zero" in shown
    field(page, "neuron").fill("print(sum(range(10)))")
    assert run(page, "neuron") == "done" and output(page, "neuron").inner_text().strip() == "45"


def test_a_page_with_output_has_nothing_that_axe_objects_to(at_lab, objections):
    page, _ = at_lab
    for scheme in ("light", "dark"):
        wear(page, scheme)
        assert objections(page) == []


def test_an_endless_cell_can_be_stopped_and_python_starts_anew(at_lab):
    page, _ = at_lab
    field(page, "neuron").fill("while True:\n    pass")
    place(page, "neuron").get_by_role("button", name="Run").click()
    place(page, "neuron").locator(".python-said", has_text="running").wait_for()
    place(page, "neuron").get_by_role("button", name="Stop").click()
    place(page, "neuron").locator(".python-said", has_text="stopped").wait_for()
    assert place(page, "neuron").get_by_role("button", name="Run").is_enabled()


def test_a_lab_begins_again_when_the_student_says_so(at_lab):
    page, _ = at_lab
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.locator(".python-tools").get_by_role("button", name="Start again").click()
    assert field(page, "neuron").input_value() == "while True:\n    pass"
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator(".python-tools").get_by_role("button", name="Start again").click()
    page.reload()
    assert "raise NotImplementedError" in field(page, "neuron").input_value() and page.locator(".python-output").count() == 0


def test_a_line_is_indented_like_the_one_before_and_tab_leads_on(at_lab):
    page, _ = at_lab
    field(page, "rate_code").fill("def encode():")
    field(page, "rate_code").press("End")
    page.keyboard.press("Enter")
    page.keyboard.type("return 1")
    assert field(page, "rate_code").input_value() == "def encode():\n    return 1"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Run"


# --- a chapter from a folder ---------------------------------------------------------------


def test_a_chapters_cell_is_run_edited_and_put_back_in_a_page_from_a_folder(browser, book):
    context = browser.new_context(offline=True)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto((book / "book/components.html").as_uri())
    page.locator("details summary", has_text="source").nth(1).click()
    bar = page.locator('.python-place[data-how="run"]').locator("visible=true").first
    cell = bar.get_attribute("data-cell")
    bar.get_by_role("button", name="Edit").click()
    area = page.locator("textarea.python-code")
    assert area.is_visible() and area.evaluate("it => it === document.activeElement")
    area.fill("import numpy as np\nprint(np.float32(0.1) + 0.2)")
    area.press("Control+Enter")
    page.locator(".python-output", has_text="0.3").wait_for()
    page.reload()
    assert page.locator("textarea.python-code").input_value().startswith("import numpy"), cell
    context.close()


# --- sizes -------------------------------------------------------------------------------


def gzipped(path: Path) -> int:
    return len(gzip.compress(path.read_bytes(), 6))


def test_python_and_all_that_a_page_needs_of_it_is_light(book):
    folder = book / "_static" / "python"
    listed = json.loads((folder / "parts.js").read_text("utf8").removeprefix("pythonParts(").removesuffix(");\n"))
    always = sum(gzipped(folder / f"{name}.js") for name in listed["always"])
    pages = [json.loads(found[1]) for page in (book / "book").glob("*.html")
             if (found := re.search(r'id="python-page">(.*?)</script>', page.read_text("utf8")))]
    assert len(pages) >= len(CHAPTERS) + len(LAB_PAGES)
    for told in pages:
        files = {folder / f"assets/{name}.js" for names in told["assets"].values() for name in names}
        assert always + sum(gzipped(path) for path in files if path.is_file()) <= PYTHON_MB * 1e6, told["page"]


@pytest.mark.parametrize("name", LAB_PAGES)
def test_a_lab_downloads_as_the_edition_that_students_receive(browser, book, name):
    from python_in_page.labs import edition

    page = browser.new_page(accept_downloads=True)
    page.goto((book / f"book/{name}.html").as_uri())
    with page.expect_download() as saved:
        page.get_by_role("button", name="with your work").click()
    assert nbformat.read(saved.value.path(), as_version=4) == edition(LABS / f"{name}.ipynb")
    page.close()
