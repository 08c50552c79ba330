"""The build of a small book: never stale, never half done, and quick when nothing changed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from stopwhensure import execution

from tools import build_book

ROOT = Path(__file__).resolve().parents[1]
TOC = "format: jb-book\nroot: book/intro\nchapters:\n  - file: book/lif\n"
COPIED = ("requirements.txt", "constraints.txt", "references.bib", "book/assets", "book/extensions", "tools")


SEEN = "A line that rises from one to three."
LINE = "import matplotlib.pyplot as plt\n\nfig, ax = plt.subplots()\nax.plot([1, 2], [1, 3]);"
CROWD = "fig, ax = plt.subplots()\nax.scatter(range(4000), range(4000));"


def notebook(*sources: str) -> str:
    """A stripped notebook of these code cells, under a title."""
    code = {"cell_type": "code", "metadata": {"mystnb": {"image": {"alt": SEEN}}}, "execution_count": None, "outputs": []}
    cells = [{"cell_type": "markdown", "metadata": {}, "id": "title", "source": "# A page\n\nIts text, with $u$ in it."}]
    cells += [{**code, "id": f"cell-{n}", "source": source} for n, source in enumerate(sources)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


def build(root: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "tools/build_book.py"], cwd=root, capture_output=True, text=True)


def page(root: Path, name: str = "intro") -> str:
    return (root / "_build" / "html" / "book" / f"{name}.html").read_text("utf8")


def ran_a_notebook(done: subprocess.CompletedProcess) -> bool:
    return "Executing notebook" in done.stdout + done.stderr or bool(ran_beside_each_other(done))


def ran_beside_each_other(done: subprocess.CompletedProcess) -> list[str]:
    """The notebooks that ran before the first page was read, in the order in which they were begun."""
    return re.findall(r"(\w+)\.ipynb: ran in \d+ seconds", done.stdout)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """A built repository with two pages, whose code cells print a number of the package."""
    root = tmp_path_factory.mktemp("book")
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, root / name)
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))
    config["sphinx"]["local_extensions"] = {"stopwhensure": "book/extensions"}
    (root / "_config.yml").write_text(yaml.safe_dump(config))
    (root / "dtsnn_lite").mkdir()
    (root / "dtsnn_lite" / "__init__.py").write_text("answer = 'theta is 0.25'\n")
    (root / "book" / "intro.ipynb").write_text(notebook("import dtsnn_lite\n\nprint(dtsnn_lite.answer)"))
    (root / "book" / "lif.ipynb").write_text(notebook("import dtsnn_lite", "print(len(dtsnn_lite.answer))", LINE, CROWD))
    (root / "_toc.yml").write_text(TOC)
    done = build(root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith(str(root / "_build" / "html" / "index.html")), "the last line says what to open"
    assert "theta is 0.25" in page(root) and ran_beside_each_other(done) == ["lif", "intro"]
    return root


def test_the_chapters_that_take_longest_are_begun_first():
    chapters = [path for name in build_book.toc_entries(yaml.safe_load((ROOT / "_toc.yml").read_text("utf8")))
                if (path := ROOT / f"{name}.ipynb").is_file()]
    ordered, slow = [path.stem for path in execution.longest_first(chapters)], list(execution.LONGEST)
    assert ordered[:len(slow)] == slow
    assert ordered[len(slow):] == [path.stem for path in chapters if path.stem not in slow] != [], "the others as in the book"


def test_every_page_offers_the_whole_book_and_not_its_own_source(small):
    assert re.search(r'href="https://[^"]+/stop-when-sure\.zip"', page(small))
    assert "_sources" not in page(small)


def test_the_skip_link_leads_to_the_text(small):
    assert 'href="#page-text"' in page(small) and page(small).count('id="page-text"') == 1


def test_a_drawing_stands_in_the_page_and_a_heavy_one_beside_it(small):
    outputs = re.findall(r'<div class="cell_output[^>]*>\s*(<(?:svg|img).*?)</div>', page(small, "lif"), re.S)
    line, crowd = outputs
    below = rf'\s*<p class="drawing-caption" id="drawing-%d-caption" aria-hidden="true">{SEEN}</p>\s*'
    assert re.fullmatch(r'<svg class="drawing[^>]* aria-labelledby="drawing-1-caption".*<text.*</svg>' + below % 1, line, re.S), line
    assert (source := re.fullmatch(rf'<img alt="{SEEN}" src="\.\./(_images/\w+\.png)" />' + below % 2, crowd)), crowd
    assert (small / "_build" / "html" / source[1]).is_file()


def test_other_sites_show_a_drawing_of_the_page_as_a_picture(small):
    shown = re.search(r'<meta property="og:image" content="[^"]*/(_images/\w+\.png)" />', page(small, "lif"))
    assert (small / "_build" / "html" / shown[1]).is_file() and shown[1] not in re.findall(r'src="\.\./([^"]+)"', page(small, "lif"))


def test_a_second_build_without_changes_has_nothing_to_do(small):
    done = build(small)
    assert done.returncode == 0
    assert "no targets are out of date" in done.stdout and not ran_a_notebook(done)


def test_a_change_of_the_package_reaches_the_page(small):
    (small / "dtsnn_lite" / "__init__.py").write_text("answer = 'theta is 0.75'\n")
    assert build(small).returncode == 0
    assert "theta is 0.75" in page(small) and "theta is 0.25" not in page(small)


def test_a_change_of_an_asset_makes_the_pages_again_without_running_them(small):
    (small / "book" / "assets" / "book.css").write_text("/* another style */")
    done = build(small)
    assert "writing output" in done.stdout and not ran_a_notebook(done)


def test_what_is_broken_fails_the_build_every_time(small):
    """A cell that raises, beside a notebook that does not, and an entry of the contents without a file."""
    (small / "book" / "intro.ipynb").write_text(notebook("1 / 0"))
    (small / "book" / "lif.ipynb").write_text(notebook("print('fine')"))
    (small / "_toc.yml").write_text(TOC + "  - file: book/lost\n")
    for those_that_ran in (["lif"], []):
        done = build(small)
        assert done.returncode != 0 and "ZeroDivisionError" in done.stdout + done.stderr and "_toc.yml names book/lost" in done.stderr
        assert ran_beside_each_other(done) == those_that_ran


def test_an_entry_of_the_contents_without_a_page_is_enough_to_fail(tmp_path, monkeypatch, capsys):
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/lost\n")
    for name, value in (("ROOT", tmp_path), ("BUILD", tmp_path / "_build"), ("HTML", tmp_path / "_build/html"), ("build", lambda: 0)):
        monkeypatch.setattr(build_book, name, value)
    assert build_book.main() != 0 and "_toc.yml names book/lost" in capsys.readouterr().err
