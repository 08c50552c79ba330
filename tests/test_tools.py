"""What `make` leans on: finding a browser, zipping the book, reading the table of contents."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tools.build_book import missing_pages, toc_entries
from tools.freeze import pin
from tools.zip_book import zip_book

ROOT = Path(__file__).resolve().parents[1]


def find_browser(folder: Path, **variables: str) -> subprocess.CompletedProcess:
    """The script on a machine that has only what stands in a folder, for a user who is not root."""
    (folder / "id").write_text("#!/bin/sh\necho 1000\n")
    (folder / "id").chmod(0o755)
    command = [shutil.which("sh"), ROOT / "tools" / "find_browser.sh"]
    return subprocess.run(command, env={"PATH": str(folder), **variables}, capture_output=True, text=True)


def test_a_missing_browser_is_named_with_the_one_command_that_installs_it(tmp_path):
    done = find_browser(tmp_path)
    assert done.returncode == 0 and "sudo apt-get install -y chromium" in done.stderr


def test_a_missing_browser_is_a_failure_under_ci(tmp_path):
    assert find_browser(tmp_path, CI="true").returncode != 0


@pytest.mark.parametrize("name", ["chromium", "google-chrome"])
def test_a_browser_that_is_there_is_found_in_silence(tmp_path, name):
    (tmp_path / name).touch(mode=0o755)
    done = find_browser(tmp_path, CI="true")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_zip_opens_in_one_folder_with_the_front_page_at_its_top(tmp_path):
    (tmp_path / "html" / "book").mkdir(parents=True)
    (tmp_path / "html" / "index.html").write_text("front")
    (tmp_path / "html" / "book" / "intro.html").write_text("first")
    made = zip_book(tmp_path / "html", tmp_path / "a-book.zip")
    names = set(zipfile.ZipFile(made).namelist())
    assert {"stop-when-sure/index.html", "stop-when-sure/book/intro.html"} <= names
    assert {name.split("/")[0] for name in names} == {"stop-when-sure"}


def test_the_contents_are_read_through_parts_chapters_and_sections():
    toc = {"root": "a", "parts": [{"caption": "P", "chapters": [{"file": "b.ipynb", "sections": [{"file": "c.md"}]}]},
                                  {"chapters": [{"url": "https://example.org"}, {"file": "d"}]}]}
    assert toc_entries(toc) == ["a", "b", "c", "d"]


def test_an_entry_without_a_page_is_missed(tmp_path):
    (tmp_path / "a.html").touch()
    assert missing_pages(["a", "b"], tmp_path) == ["b"]


def test_a_pin_has_no_local_tag():
    assert pin("torch==2.13.0+cpu") == "torch==2.13.0"
