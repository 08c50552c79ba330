"""The built book as one zip: unpack it and open index.html, no network needed."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "stop-when-sure"


def zip_book(html: Path, target: Path) -> Path:
    """The folder of pages, inside one folder, as <target>.zip."""
    staged = target.with_suffix("") / NAME
    shutil.rmtree(staged.parent, ignore_errors=True)
    shutil.copytree(html, staged, ignore=shutil.ignore_patterns("*.zip"))
    made = Path(shutil.make_archive(str(target.with_suffix("")), "zip", staged.parent, NAME))
    shutil.rmtree(staged.parent)
    return made


if __name__ == "__main__":
    made = zip_book(ROOT / "_build" / "html", ROOT / "_build" / f"{NAME}.zip")
    print(f"{made}  ({made.stat().st_size / 1e6:.1f} MB): unpack it and open {NAME}/index.html")
