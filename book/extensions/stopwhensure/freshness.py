"""What a page was made from: a change of the package, an asset or this extension makes it stale.

jupyter-cache keys on a notebook's code cells alone, so an edit of the package would leave old numbers in
the pages. Two keys mend that: what the code cells see names the cache folder, and everything that shapes a
page is a configuration value on which Sphinx re-reads all pages. The tests compare the numbers of that folder
with the stored ones, so that its name says what ran them, too: this Python, these packages and how kernels draw.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

from .drawings import KERNEL

# What the code cells see, and what else shapes a page; both relative to the root of the repository.
EXECUTION_INPUTS = ("dtsnn_lite", "requirements.txt", "constraints.txt")
PAGE_INPUTS = (*EXECUTION_INPUTS, "book/assets", "book/extensions", "references.bib")


def files_under(root: Path, names: Iterable[str]) -> Iterator[Path]:
    """The files of these names, folders walked in order; byte code is not a source."""
    for name in names:
        path = root / name
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in found if file.is_file() and file.suffix != ".pyc")


def digest(root: Path, names: Iterable[str]) -> str:
    """A short hash of paths and contents."""
    total = hashlib.sha256()
    for file in files_under(root, names):
        total.update(file.relative_to(root).as_posix().encode() + b"\0")
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]


def installed(name: str) -> str:
    """The version of a package that is really there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def execution_cache(root: Path) -> Path:
    """The folder of jupyter-cache for what the code cells see, and for what runs them."""
    names = re.findall(r"^[\w.-]+(?===)", (root / "requirements.txt").read_text("utf8"), re.M)
    there = f"{sys.version} {[(name, installed(name)) for name in names]} {KERNEL}"
    key = digest(root, EXECUTION_INPUTS) + hashlib.sha256(there.encode()).hexdigest()[:8]
    return root / "_build" / "jupyter_cache" / key


def key_the_build(app: Sphinx, config: Config) -> None:
    """The two keys of this build; caches of other keys are forgotten."""
    root = Path(app.srcdir)
    cache = execution_cache(root)
    for old in cache.parent.glob("*"):
        if old != cache:
            shutil.rmtree(old, ignore_errors=True)
    config["nb_execution_cache_path"] = str(cache)
    config["page_inputs_key"] = f"{cache.name} {digest(root, PAGE_INPUTS)}"


def setup(app: Sphinx) -> None:
    """`page_inputs_key` is compared with that of the last build: "env" means that a change re-reads all."""
    app.add_config_value("page_inputs_key", "", "env", str)
    app.connect("config-inited", key_the_build)
