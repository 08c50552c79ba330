"""constraints.txt: every package of this environment, pinned, so that the build does not rot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAD = """\
# Every package of the tested environment (Python 3.11, from 3.11.2 of Debian 12 on), so that the build does not rot.
# Direct needs stand in requirements.txt; remake this file with `make constraints`.
"""
NOT_PINNED = {"dtsnn-lite", "pip"}


def pin(line: str) -> str:
    """`name==version` without the local tag of a CPU build."""
    return line.split("+")[0]


def main() -> None:
    """Write the file."""
    command = [sys.executable, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    pins = [pin(line) for line in listed if line.split("==")[0] not in NOT_PINNED]
    (ROOT / "constraints.txt").write_text(HEAD + "\n".join(pins) + "\n", "utf8")


if __name__ == "__main__":
    main()
