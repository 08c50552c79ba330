"""The chapters' stored numbers against the build's own run of them: what differs or has raised is red, and nothing runs twice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbformat.v4 import new_code_cell, new_notebook, new_output
from stopwhensure import freshness

ROOT = Path(__file__).resolve().parents[1]

COPIED = ("book/conftest.py", "book/extensions/stopwhensure", "requirements.txt", "constraints.txt", "tests/nbval_sanitize.cfg")
CHECKED = {"tags": ["nbval-check-output"]}
SAYS_WHO_RAN = "from pathlib import Path\nPath('{name}-ran').touch()\n"


def printed(text: str) -> nbformat.NotebookNode:
    return new_output("stream", name="stdout", text=text)


def chapter(name: str, source: str, *stored: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A chapter of one checked cell, with these stored outputs; when it runs, it leaves a file beside it."""
    source = SAYS_WHO_RAN.format(name=name) + source
    return new_notebook(cells=[new_code_cell(source, execution_count=1, outputs=list(stored), metadata=CHECKED)])


# What is stored in a chapter, and what the build's run of it has said; None where the build has not run it.
SURE, RAISED = printed("sure at 0.25\n"), new_output("error", ename="ValueError", evalue="theta lies in [0, 1]", traceback=["ValueError"])
BOOK = {
    "right": (chapter("right", "print('sure at 0.25')", SURE), [printed("sure at "), printed("0.25\n")]),
    "tampered": (chapter("tampered", "print('sure at 0.25')", printed("sure at 0.26\n")), [SURE]),
    "silent": (chapter("silent", "print('sure at 0.25')", SURE), []),
    "raised": (chapter("raised", "print('sure at 0.25'); 1 / 0", SURE), [SURE, RAISED]),
    "elsewhere": (chapter("elsewhere", "print(object())", printed("at 0x7f0000000001\n")), [printed("at 0x7f0000000002\n")]),
    "new": (chapter("new", "print('sure at 0.25')", SURE), None),
    "new-and-tampered": (chapter("new-and-tampered", "print('sure at', 0.25)", printed("sure at 0.26\n")), None),
}
RED = {"tampered", "silent", "raised", "new-and-tampered"}
NOT_RUN_BY_THE_BUILD = {name for name, (_, said) in BOOK.items() if said is None}


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with these chapters, whose build is over."""
    root = tmp_path_factory.mktemp("repository")
    for name in COPIED:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, root / name)
    (root / "dtsnn_lite").mkdir()
    cache = get_cache(freshness.execution_cache(root))
    for name, (notebook, said) in BOOK.items():
        nbformat.write(notebook, root / "book" / f"{name}.ipynb")
        if said is not None:
            ran = new_notebook(cells=[{**notebook.cells[0], "outputs": said}])
            cache.cache_notebook_bundle(CacheBundleIn(nbformat.from_dict(ran), name))
    return root / "book"


@pytest.fixture(scope="module")
def verdicts(book: Path) -> dict[str, str]:
    """What nbval says of each chapter: `make test`'s own options, in a process of its own."""
    options = ["--nbval-lax", "--nbval-current-env", "--nbval-sanitize-with=tests/nbval_sanitize.cfg", "-o", "pythonpath=book/extensions"]
    ran = subprocess.run([sys.executable, "-m", "pytest", *options, "-q", "-rA", "-p", "no:cacheprovider", "book"],
                         cwd=book.parent, capture_output=True, text=True,
                         env={key: value for key, value in os.environ.items() if not key.startswith("PYTEST")})
    return {name: verdict for verdict, name in re.findall(r"^(PASSED|FAILED|ERROR) book/([\w-]+)\.ipynb::Cell 0", ran.stdout, re.M)}


@pytest.mark.parametrize("name", BOOK)
def test_a_chapter_is_red_exactly_if_its_run_raised_or_printed_something_else(verdicts: dict[str, str], name: str) -> None:
    assert verdicts[name] == ("FAILED" if name in RED else "PASSED")


@pytest.mark.parametrize("name", BOOK)
def test_a_chapter_runs_only_where_the_build_has_no_run_of_it(book: Path, verdicts: dict[str, str], name: str) -> None:
    assert (book / f"{name}-ran").exists() == (name in NOT_RUN_BY_THE_BUILD)


@pytest.mark.parametrize("changed", ["dtsnn_lite/exits.py", "requirements.txt", "constraints.txt"])
def test_a_run_counts_only_for_the_package_and_the_requirements_that_it_saw(book: Path, changed: str) -> None:
    file, before = book.parent / changed, freshness.execution_cache(book.parent)
    text = file.read_text("utf8") if file.exists() else None
    file.write_text("# changed\n", "utf8")
    assert freshness.execution_cache(book.parent) != before
    file.unlink() if text is None else file.write_text(text, "utf8")
    assert freshness.execution_cache(book.parent) == before


def test_a_run_counts_only_for_the_packages_that_ran_it(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = freshness.execution_cache(book.parent)
    monkeypatch.setattr(freshness, "version", lambda name: "another")
    assert freshness.execution_cache(book.parent) != before
