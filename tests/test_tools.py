"""What `make` and the workflows lean on: a browser, the zip, the contents, names with blanks, pins."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from tools import build_book
from tools.bounds import pinned_tools
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


def test_a_backend_chosen_for_scripts_takes_no_figure_out_of_the_pages(monkeypatch):
    asked = []
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr(build_book.subprocess, "run",
                        lambda command, env=None, **_: asked.append(env) or subprocess.CompletedProcess(command, 0))
    assert build_book.build() == 0
    (environment,) = asked
    assert "MPLBACKEND" not in environment and environment["PYTHONPATH"] == str(build_book.ROOT)


def test_missing_browsers_are_named_with_the_one_command_that_installs_them(tmp_path):
    done = find_browser(tmp_path)
    assert done.returncode == 0 and "sudo apt-get install -y chromium-headless-shell firefox-esr\n" in done.stderr


def test_only_the_browser_that_is_missing_is_named(tmp_path):
    (tmp_path / "chromium").touch(mode=0o755)
    done = find_browser(tmp_path, CI="true")
    assert done.returncode != 0 and "sudo apt-get install -y firefox-esr\n" in done.stderr


def test_a_missing_browser_is_a_failure_under_ci(tmp_path):
    assert find_browser(tmp_path, CI="true").returncode != 0


@pytest.mark.parametrize("names", [("chromium-headless-shell", "firefox-esr"), ("chromium", "firefox-esr"), ("google-chrome", "firefox")])
def test_browsers_that_are_there_are_found_in_silence(tmp_path, names):
    for name in names:
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


def test_the_tools_of_book_and_tests_keep_their_pins_where_the_package_does_not():
    pins = pinned_tools((ROOT / "requirements.txt").read_text("utf8"))
    names = {pin.partition("==")[0] for pin in pins}
    assert {"jupyter-book", "pytest", "setuptools"} <= names and not {"torch", "numpy"} & names
    with pytest.raises(ValueError, match="# the book"):
        pinned_tools("numpy==2.4.6\n")


def test_a_pin_has_no_local_tag():
    assert pin("torch==2.13.0+cpu") == "torch==2.13.0"


# --- make ------------------------------------------------------------------------------


def test_make_help_lists_every_target_that_says_what_it_does():
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    described = re.findall(r"^([^:\s]+):.*## (.*)$", (ROOT / "Makefile").read_text("utf8"), re.M)
    assert [tuple(line.split(maxsplit=2)[1:]) for line in listed.splitlines()] == described
    assert "grader-image" in dict(described)


# --- make, in folders with blanks ------------------------------------------------------

# A python that says what it is asked, and leaves in a new environment a python that does the same.
SAYS_ITS_ARGUMENTS = """#!/bin/sh
printf '%s|' "$(basename "$0")" "$@" >> "$SAID"; echo >> "$SAID"
if [ "$1 $2" = "-m venv" ]; then mkdir -p "$4/bin" && cp "$0" "$4/bin/python"; fi
"""


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A folder with a blank in its name that holds what make reads, and a python that only listens."""
    root = tmp_path / "my checkout"
    (root / "own env" / "bin").mkdir(parents=True)
    for python in (root / "own env" / "bin" / "python", root / "listener"):
        python.write_text(SAYS_ITS_ARGUMENTS)
        python.chmod(0o755)
    for name in ("Makefile", "requirements.txt", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    return root


def make(root: Path, *arguments: str) -> list[list[str]]:
    """What python was asked for, call by call."""
    said = root / "said"
    said.unlink(missing_ok=True)
    variables = {"PATH": os.environ["PATH"], "SAID": str(said)}
    ran = subprocess.run(["make", *arguments], cwd=root, env=variables, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return [line.split("|")[1:-1] for line in said.read_text().splitlines()] if said.exists() else []


def test_make_hands_over_folders_and_files_whose_names_have_blanks(checkout):
    assert make(checkout, "book", "PYTHON_ENV=own env") == [["-m", "tools.build_book"]]
    (graded,) = make(checkout, "grade", "PYTHON_ENV=own env", "SUBMITTED=lab 1/Ada L", "LIMITS=--seconds 9")
    assert graded[2:] == ["lab 1/Ada L", "--seconds", "9"]
    (graded,) = make(checkout, "grade", "PYTHON_ENV=own env", "SUBMITTED=a b", "SCORES=my scores.csv", "ONLY=ada bob", "UNPROTECTED=1")
    assert graded[2:] == ["a b", "--scores", "my scores.csv", "--only", "ada", "bob", "--unprotected"]
    (filled,) = make(checkout, "gradebook", "PYTHON_ENV=own env", "EXPORTED=an export.csv", "LAB=lab1", "DUE=our due.toml")
    assert filled[2:] == ["an export.csv", "lab1", "--zip", "lab1 feedback.zip", "--due", "our due.toml"]
    (key,) = make(checkout, "key", f"PYTHON_ENV={checkout / 'own env'}", "CLASS=my class.csv")
    assert key[2] == "my class.csv"


def test_make_makes_an_environment_whose_name_has_blanks_once_and_removes_it(checkout):
    made = make(checkout, "book", "PYTHON=./listener", "VENV=new env")
    assert made[0] == ["-m", "venv", "--clear", "new env"] and made[-1] == ["-m", "tools.build_book"]
    assert any("install" in call for call in made) and (checkout / "new env" / ".ready").is_file()
    assert make(checkout, "book", "PYTHON=./listener", "VENV=new env") == [["-m", "tools.build_book"]]
    make(checkout, "clean", "VENV=new env")
    assert not (checkout / "new env").exists() and (checkout / "own env").is_dir()


# --- the files beside the code ----------------------------------------------------------


def test_every_action_of_a_workflow_is_pinned_to_a_commit_and_may_write_only_in_its_job():
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = path.read_text("utf8")
        used = re.findall(r"uses: (\S+)", text)
        assert used and all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used), path.name
        assert yaml.safe_load(text)["permissions"] == {"contents": "read"}, path.name


def test_the_pythons_of_the_tests_are_those_that_the_package_names():
    tested = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text("utf8"))["jobs"]["test"]["strategy"]["matrix"]["python"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    named = [kind.split(" :: ")[-1] for kind in project["classifiers"] if re.search(r"Python :: 3\.", kind)]
    assert tested == named and project["requires-python"] == f">={named[0]}"
    assert f"{named[0]} to {named[-1]}" in (ROOT / "README.md").read_text("utf8")


def test_the_hooks_before_a_commit_download_nothing():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf8"))["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"] and {hook["language"] for hook in hooks[0]["hooks"]} == {"system"}


def test_the_first_entry_of_the_changelog_is_the_version_or_what_comes_next():
    version = re.search(r'__version__ = "(.+)"', (ROOT / "dtsnn_lite" / "__init__.py").read_text("utf8"))[1]
    entries = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text("utf8"), re.M)
    assert entries[0] in ("Unreleased", version)


def publish(folder: Path, repository: Path, message: str) -> str:
    command = ["sh", ROOT / "tools" / "publish_branch.sh", folder, repository, "student", message]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def git(repository: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", repository, *arguments], capture_output=True, text=True, check=True).stdout


def test_a_published_branch_is_added_to_and_never_forced(tmp_path):
    there, folder = tmp_path / "a hub.git", tmp_path / "the editions"
    subprocess.run(["git", "init", "--quiet", "--bare", there], check=True)
    (folder / ".binder").mkdir(parents=True)
    (folder / ".binder" / "x.txt").write_text("hidden folders, too")
    for name in ("lab1", "lab2"):
        (folder / f"{name}.ipynb").write_text("first")
    publish(folder, there, "one")
    pulled = tmp_path / "a student's home"
    subprocess.run(["git", "clone", "--quiet", "--branch", "student", there, pulled], check=True)
    (folder / "lab1.ipynb").write_text("second")
    (folder / "lab2.ipynb").unlink()
    publish(folder, there, "two")
    git(pulled, "pull", "--quiet", "--ff-only")
    assert sorted(p.name for p in pulled.iterdir() if p.name != ".git") == [".binder", "lab1.ipynb"]
    assert (pulled / "lab1.ipynb").read_text() == "second"
    assert "up to date" in publish(folder, there, "three")
    assert git(there, "log", "--format=%s", "student").split() == ["two", "one"]
    assert "--force" not in (ROOT / ".github" / "workflows" / "pages.yml").read_text("utf8")
