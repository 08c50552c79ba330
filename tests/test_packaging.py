"""The wheel: what a reader gets who installs the package and not the repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The python of an empty environment with the wheel in it, and nothing of this tree."""
    work = tmp_path_factory.mktemp("wheel")
    tree = work / "tree"
    shutil.copytree(ROOT / "dtsnn_lite", tree / "dtsnn_lite", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    pip, alone = [sys.executable, "-m", "pip", "--disable-pip-version-check"], without_path()
    subprocess.run([*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", work, tree], check=True, env=alone)
    venv.create(work / "empty", with_pip=False, symlinks=True)
    python = work / "empty" / "bin" / "python"
    (wheel,) = work.glob("*.whl")
    subprocess.run([*pip, "--python", python, "install", "-q", "--no-deps", wheel], check=True, env=alone)
    return python


def without_path() -> dict[str, str]:
    """This environment's variables without PYTHONPATH: a package that lies there would count as installed."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def test_the_source_archive_brings_the_package_and_no_test_that_cannot_run_there(tmp_path):
    for name in ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "dtsnn_lite/__init__.py", "tests/test_packaging.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    code = "from setuptools.build_meta import build_sdist; build_sdist('dist')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    (archive,) = (tmp_path / "dist").glob("*.tar.gz")
    names = {name.partition("/")[2] for name in tarfile.open(archive).getnames()}
    assert {"pyproject.toml", "LICENSE", "dtsnn_lite/__init__.py"} <= names
    assert [name for name in names if name.startswith("tests")] == []


def run_outside(python: Path, code: str, work: Path) -> str:
    """What the code prints there; third-party packages are lent from this environment, after its own."""
    lent = f"import sys; sys.path.append({sysconfig.get_path('purelib')!r})\n"
    ran = subprocess.run([python, "-c", lent + code], cwd=work, env=without_path(), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_wheel_brings_every_file_of_the_package(installed, tmp_path):
    code = "import pathlib, dtsnn_lite; print(pathlib.Path(dtsnn_lite.__file__).parent)"
    there = Path(run_outside(installed, code, tmp_path).strip())
    assert ROOT not in there.parents
    wanted = {p.relative_to(ROOT / "dtsnn_lite") for p in (ROOT / "dtsnn_lite").rglob("*")
              if p.is_file() and "__pycache__" not in p.parts}
    assert wanted <= {p.relative_to(there) for p in there.rglob("*")}


def test_the_wheel_says_that_the_package_is_typed(installed, tmp_path):
    code = "from importlib.resources import files; print(files('dtsnn_lite').joinpath('py.typed').is_file())"
    assert run_outside(installed, code, tmp_path).split() == ["True"]


def test_the_installed_command_is_the_packages_command_line(installed, tmp_path):
    lent = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}
    command = [installed.with_name("dtsnn-lite"), "cost", "vgg9", "--json"]
    ran = subprocess.run(command, cwd=tmp_path, env=lent, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["step_pj"] > 0


def test_the_installed_package_finds_its_recordings_and_scripts(installed, tmp_path):
    code = (
        "from dtsnn_lite.recording import shipped\n"
        "from dtsnn_lite.widgets.exit_explorer import ExitExplorer\n"
        "print(shipped('digits-test').images, len(ExitExplorer._esm) > 1000)\n"
    )
    assert run_outside(installed, code, tmp_path).split() == ["1000", "True"]
