"""The README: short, and true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf8")
WORDS = 450


def block(language: str) -> str:
    """The README's code block in this language."""
    return re.search(rf"^```{language}\n(.*?)^```", README, re.M | re.S)[1]


def test_the_sample_prints_what_the_readme_says():
    ran = subprocess.run([sys.executable, "-c", block("python")], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == block("text")


def test_the_sample_is_a_dozen_lines():
    assert len([line for line in block("python").splitlines() if line.strip()]) <= 12


def test_the_readme_is_short():
    assert len(README.split()) <= WORDS


def test_every_command_that_the_readme_names_is_in_the_makefile():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf8"), re.M))
    assert set(re.findall(r"`?make ([a-z]+)", README)) <= targets


def test_every_file_that_the_readme_links_to_exists():
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_the_picture_of_the_explorer_is_small_and_says_what_one_sees():
    words, path = re.search(r"!\[([^\]]{40,})\]\(([^)]+\.png)\)", README).groups()
    assert (ROOT / path).stat().st_size < 150_000 and "handwritten five" in words
