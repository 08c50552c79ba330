"""Tables on a narrow page: a cell with many words gets room for them, and the table scrolls instead.

Without it a browser makes each column as narrow as its longest word, and a sentence in one becomes a tower.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

SOME_LETTERS, MANY_LETTERS = 24, 60


def room_for(text: str) -> str | None:
    """The class of a cell with this text; book.css gives it a width."""
    if len(text) > MANY_LETTERS:
        return "many-words"
    return "some-words" if len(text) > SOME_LETTERS else None


def make_room(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Every cell of a page, marked by how much it says."""
    for cell in doctree.findall(nodes.entry):
        room = room_for(cell.astext())
        if room:
            cell["classes"].append(room)


def offer_filters(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """A page with a long table gets assets/filters.js."""
    body = context.get("body", "")
    if 'class="table facts"' in body or "<p>verdict</p>" in body:
        context["body"] = f'{body}\n<script src="{context["pathto"]("_static/filters.js", 1)}"></script>\n'


def setup(app: Sphinx) -> None:
    """When references are resolved, so that the words are those one reads."""
    app.connect("doctree-resolved", make_room)
    app.connect("html-page-context", offer_filters, priority=800)
