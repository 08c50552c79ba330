"""The first view of each explorer, for readers without scripts and for paper: its own script, run once by node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypedDict

SCRIPT = Path(__file__).with_name("stills.mjs")
PATIENCE_S = 120


class Still(TypedDict, total=False):
    """What became of one widget: its view, or why there is none."""

    html: str
    error: str


def node() -> str:
    """The node that playwright brings along, or else this machine's own."""
    playwright = find_spec("playwright")
    if playwright and playwright.origin:
        brought = Path(playwright.origin).parent / "driver" / ("node.exe" if os.name == "nt" else "node")
        if brought.is_file():
            return str(brought)
    found = shutil.which("node")
    if found is None:
        raise RuntimeError("node draws the explorers, and comes with playwright: pip install -r requirements.txt -c constraints.txt")
    return found


def draw(models: dict[str, dict[str, Any]]) -> dict[str, Still]:
    """The still view of each model, all drawn by one process."""
    drawn = subprocess.run([node(), SCRIPT], input=json.dumps(models), capture_output=True, encoding="utf8", timeout=PATIENCE_S)
    if drawn.returncode:
        raise RuntimeError(f"{SCRIPT.name} failed: {drawn.stderr.strip()}")
    return json.loads(drawn.stdout)
