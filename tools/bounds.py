"""An environment with the oldest or the newest dependencies that pyproject.toml allows, to run the tests in.

    python -m tools.bounds lowest-direct .bounds
    python -m tools.bounds highest .bounds

The tools of the book and of the tests stay as requirements.txt pins them; the package's own needs are free.
Needs uv, and a few GB: PyPI's torch for Linux brings CUDA.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, OTHERS = "# the package\n", "\n# the book\n"


def pinned_tools(requirements: str) -> list[str]:
    """The pins of requirements.txt below those of the package itself."""
    _, heading, below = requirements.partition(OTHERS)
    if PACKAGE not in requirements or not heading:
        raise ValueError("requirements.txt lists the package's needs under '# the package', then the rest from '# the book' on")
    return [line for line in below.splitlines() if "==" in line]


def main(resolution: str, folder: str) -> None:
    """Make the environment."""
    needs = pinned_tools((ROOT / "requirements.txt").read_text("utf8"))
    subprocess.run(["uv", "venv", "--seed", "--python", sys.executable, folder], check=True)      # with pip, which builds the wheel
    subprocess.run(["uv", "pip", "install", "--python", f"{folder}/bin/python", "--resolution", resolution, str(ROOT), *needs], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
