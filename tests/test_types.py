"""What a reader of the code may lean on without running it: its types are proven, and it is in the house's style."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("command", [["mypy"], ["ruff", "check", "."]], ids=lambda command: command[0])
def test_the_checker_of_the_code_finds_nothing(command: list[str]) -> None:
    ran = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
