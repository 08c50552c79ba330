"""Notes and small figures in the margin of a wide window; where it is narrow they stand in the text, as small boxes.

A note is the theme's directive, :::{margin} Its title, and its title is its name for those who listen.
Of a code cell with the tag `margin` only the output goes there; its code stays in the column. The rest is assets/book.css.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

LOGGER = logging.getLogger(__name__)

MARGIN, CELL, OUTPUT = "margin", "tag_margin", "cell_output"
WATCHED = "marginnote"              # a class that the theme's script looks for and its sheet leaves alone


def is_note(node: nodes.Node) -> bool:
    """Whether a node is what the directive has made."""
    return isinstance(node, nodes.sidebar) and MARGIN in node["classes"]


def is_cell(node: nodes.Node) -> bool:
    """Whether a node is a code cell with the tag."""
    return isinstance(node, nodes.container) and CELL in node["classes"]


class Margins(SphinxPostTransform):
    """A name for each note; and a class for each such output, for the theme to fold the contents of the page beside it."""

    default_priority = 600
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for number, note in enumerate(self.document.findall(is_note), start=1):
            title = note.next_node(nodes.title)
            if title is None or not title.astext():
                LOGGER.warning("a note in the margin without a title: what it is called is what a screen reader says", location=note)
                continue
            title["ids"] = [f"margin-{number}"]
        for cell in self.document.findall(is_cell):
            for output in (child for child in cell if OUTPUT in child["classes"]):
                output["classes"].append(WATCHED)


def open_note(page: HTML5Translator, node: nodes.sidebar) -> None:
    """A note to the text, not a landmark: a page with three of them is no harder to walk through."""
    title = node.next_node(nodes.title)
    name = {"aria-labelledby": title["ids"][0]} if title is not None and title["ids"] else {}
    page.body.append(page.starttag(node, "aside", CLASS="sidebar", role="note", **name))


def close_note(page: HTML5Translator, node: nodes.sidebar) -> None:
    page.body.append("</aside>\n")


def setup(app: Sphinx) -> None:
    """Before a page is written."""
    app.add_post_transform(Margins)
    app.add_node(nodes.sidebar, override=True, html=(open_note, close_note))
