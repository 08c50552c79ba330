"""The page on accessibility: sentences made from tests, and no sentence without one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from book.extensions.stopwhensure.tested import Module

ROOT = Path(__file__).resolve().parents[1]

CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / "book/extensions")!r})
extensions = ["myst_parser", "stopwhensure.tested"]
project, language, root_doc = "Tested", "en", "page"
"""

TESTS = '''
"""A page as readers meet it,
wide and narrow.

More."""
PAGES = [*entries(), "search"]
WIDTHS_PX = (360, 1280)
PAGE_KB = 600  # not its equations
everywhere = pytest.mark.parametrize("width_px", WIDTHS_PX)
every_page = pytest.mark.parametrize("name", PAGES)


@every_page
@everywhere
def test_a_page_is_light(name, width_px): ...


@pytest.mark.parametrize("make", [exit_explorer, lambda: 3])
@pytest.mark.parametrize("from_folder", [False, True], ids=["server", "folder"])
def test_it_opens(make, from_folder): ...


@pytest.mark.parametrize("state", [{}, {"theta": 1.0}])
@pytest.mark.parametrize("button", [".search-button"])
@pytest.mark.parametrize("name", [*PAGES, "404"])
def test_it_stands_still(state): ...


def helper(): ...
'''


@pytest.mark.parametrize("name, sentence", [
    ("test_a_page_is_light", "A page is light (all pages; width px 360, 1280)"),
    ("test_it_opens", "It opens (make exit explorer; server, folder)"),
    ("test_it_stands_still", "It stands still (all pages, 404)")])
def test_a_sentence_is_a_tests_name_and_what_it_is_held_for(name, sentence):
    assert Module(TESTS).sentence(name) == sentence


def test_a_module_says_what_it_is_about_in_its_first_paragraph():
    assert Module(TESTS).about == "A page as readers meet it, wide and narrow."


@pytest.mark.parametrize("name, words", [("WIDTHS_PX", "360 and 1280"), ("PAGE_KB", "600")])
def test_a_limit_is_the_number_of_the_test(name, words):
    assert Module(TESTS).limit(name) == words


def built(folder: Path, page: str) -> tuple[str, str]:
    """A page that names a file of tests, and what went wrong."""
    (folder / "tests/browser").mkdir(parents=True)
    (folder / "tests/browser/test_it.py").write_text(TESTS, "utf8")
    (folder / "conf.py").write_text(CONF, "utf8")
    (folder / "page.md").write_text(f"# Page\n\n{page}\n", "utf8")
    ran = subprocess.run([sys.executable, "-m", "sphinx", "-q", "-b", "html", folder, folder / "_build"], capture_output=True, text=True)
    return (folder / "_build/page.html").read_text("utf8"), ran.stderr


def test_the_page_lists_sentences_and_prints_limits(tmp_path):
    html, wrong = built(tmp_path, "At most {limit}`test_it::PAGE_KB` kB.\n\n```{tested}\ntest_it::test_it_opens\n```")
    assert not wrong
    assert "At most 600 kB." in html and "<li><p>It opens (make exit explorer; server, folder)</p></li>" in html
    assert "A page as readers meet it, wide and narrow." in html


def test_a_sentence_or_a_number_without_its_test_is_an_error_of_the_build(tmp_path):
    lines = ["test_it::test_it_is_gone", "test_it::helper", "test_other::test_it_opens"]
    numbers = ["test_it::PAGE_MB", "test_it::PAGES", "test_other::PAGE_KB"]
    page = [f"```{{tested}}\n{line}\n```\n" for line in lines] + [f"{{limit}}`{number}`" for number in numbers]
    _, wrong = built(tmp_path, "\n".join(page))
    assert [f"no test {line} in tests/browser" in wrong for line in lines] == [True] * 3
    assert [f"no number {number} in tests/browser" in wrong for number in numbers] == [True] * 3
