"""Python in the page: code cells that run where they stand, without a server and without a network, and labs done there.

shore     what runs the cells, in the page and in the trial: the package without torch
trial     which cells run there
offered   the outcome of that for every page, tried once and kept
cells     a place for buttons and output under each cell that runs
labs      the student editions as pages
parts     what a page loads after the first click, in files that a page from a folder can load, too
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from . import cells, labs, offered, parts


def setup(app: Sphinx) -> dict[str, Any]:
    """The extension's entry point."""
    for part in (offered, cells, labs, parts):
        part.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
