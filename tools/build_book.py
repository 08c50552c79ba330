"""The book as HTML: every notebook run, every warning an error, every entry of the contents a page."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "_build"
HTML = BUILD / "html"


def toc_entries(toc: dict) -> list[str]:
    """The pages that a table of contents names, the root first."""
    entries = [toc["root"]] if "root" in toc else []
    for node in (*toc.get("parts", []), *toc.get("chapters", []), *toc.get("sections", [])):
        entries += [node["file"].removesuffix(".ipynb").removesuffix(".md")] if "file" in node else []
        entries += toc_entries(node)
    return entries


def missing_pages(entries: list[str], html: Path) -> list[str]:
    """The entries without a page."""
    return [entry for entry in entries if not (html / f"{entry}.html").is_file()]


def make_font_cache() -> None:
    """matplotlib's list of fonts: on a new machine its first import takes long and says so in the page."""
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], check=True, stderr=subprocess.DEVNULL)


def build() -> int:
    """Jupyter Book's exit code; only pages whose sources changed are made again."""
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [jupyter_book, "build", str(ROOT), "-W", "-n", "--keep-going"]
    # The kernels run the package of this tree, whatever is installed, and draw for the page, whatever a shell or a test has chosen.
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    return subprocess.run(command, cwd=ROOT, env={**environment, "PYTHONPATH": str(ROOT)}).returncode


def main() -> int:
    """Zero when the whole book stands."""
    make_font_cache()
    code = build()
    missing = missing_pages(toc_entries(yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))), HTML)
    if code == 0 and not missing:
        print(f"\nThe book is ready. Open it in a browser, no network needed:\n  {HTML / 'index.html'}")
        return 0
    # A page that was read without care would not warn again: let the next build read all of them.
    shutil.rmtree(BUILD / ".doctrees", ignore_errors=True)
    for entry in missing:
        print(f"_toc.yml names {entry}, but the build made no page of it", file=sys.stderr)
    print("\nThe book was not built: see the warnings above.", file=sys.stderr)
    return code or 1


if __name__ == "__main__":
    sys.exit(main())
