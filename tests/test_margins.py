"""Notes in the margin: named, few, and in the page's own order."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from docutils import nodes
from stopwhensure.margins import is_cell, is_note

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))
MOST_NOTES, MOST_WORDS = 3, 75
NOTE = re.compile(r"^:::\{margin\} *(?P<title>[^\n]*)\n(?P<words>.*?)^:::$", re.M | re.S)

CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / "book/extensions")!r})
project, language, root_doc = "Notes", "en", "page"
extensions = ["myst_parser", "stopwhensure.margins"]
myst_enable_extensions = ["colon_fence"]
html_theme = "sphinx_book_theme"
"""


def built(folder: Path, page: str) -> tuple[str, str]:
    """The built page, and what the build said of it."""
    (folder / "conf.py").write_text(CONF, "utf8")
    (folder / "page.md").write_text(page, "utf8")
    ran = subprocess.run([sys.executable, "-m", "sphinx", "-q", "-b", "html", folder, folder / "out"], capture_output=True, text=True)
    return (folder / "out/page.html").read_text("utf8"), ran.stderr


def sources(path: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(path.read_text("utf8"))["cells"] if cell["cell_type"] == "markdown"]


def test_a_note_bears_the_name_that_one_reads_and_stands_where_it_was_written(tmp_path: Path) -> None:
    page, said = built(tmp_path, "# Page\n\nBefore.\n\n:::{margin} Two *betas*\nOne leaks.\n:::\n\nAfter.\n\n:::{margin} More\nIt.\n:::\n")
    assert said == ""
    opened = r'<aside aria-labelledby="([\w-]+)" class="margin sidebar" role="note">\s*<p class="sidebar-title" id="([\w-]+)">'
    names = re.findall(opened, page)
    assert len(set(names)) == 2 and all(one == other for one, other in names)
    assert page.index("Before.") < page.index("One leaks.") < page.index("After.") < page.index(">More<")


def test_a_note_without_a_name_is_a_warning_and_a_warning_ends_the_build(tmp_path: Path) -> None:
    page, said = built(tmp_path, "# Page\n\n:::{margin}\nOne leaks.\n:::\n")
    assert "page.md:3: WARNING: a note in the margin without a title" in said
    assert "aria-labelledby=\"margin" not in page


def test_of_a_cell_only_one_with_the_tag_leaves_the_column() -> None:
    tagged, plain = (nodes.container(classes=["cell", *tags]) for tags in (["tag_margin"], ["tag_table"]))
    assert is_cell(tagged) and not is_cell(plain)
    assert is_note(nodes.sidebar(classes=["margin"])) and not is_note(nodes.sidebar())


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_has_few_notes_and_a_note_few_words(path: Path) -> None:
    found = [note for text in sources(path) for note in NOTE.finditer(text)]
    assert len(found) == sum(text.count("{margin}") for text in sources(path)), "a note begins with :::{margin} and ends with :::"
    assert len(found) <= MOST_NOTES
    assert [note["title"] for note in found if not note["title"] or len(note["words"].split()) > MOST_WORDS] == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_no_heading_follows_a_note_which_would_hang_beside_another_section(path: Path) -> None:
    assert [text for text in sources(path) if re.search(r"^:::\s*\n+#", text, re.M)] == []
