"""What makes a page teach: numbers with a pedigree, questions that answer back, and tables against the papers.

numbers     {fact} and {paper}: no number of the prose is typed by hand
answers     the answers of a chapter's questions, read from a file that is not published, and sealed
progress    how many questions of each page are answered, in the contents
questions   {check} and {predict}: asked in the page, answered in the page
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from . import numbers, progress, questions


def setup(app: Sphinx) -> dict[str, Any]:
    """The extension's entry point."""
    for part in (numbers, questions, progress):
        part.setup(app)
    app.add_css_file("teaching.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
