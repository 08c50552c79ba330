"""A chapter as slides: assets/slides.js makes them in the page itself, so that they are never older than it."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

BUTTON = {
    "type": "link",
    "url": "?slides",
    "text": "",
    "tooltip": "This chapter as slides",
    "icon": "fas fa-person-chalkboard",
    "label": "slides-button",
}


def is_chapter(app: Sphinx, pagename: str) -> bool:
    """Whether a page is made from a notebook of the book."""
    return pagename in app.env.found_docs and app.env.doc2path(pagename).endswith(".ipynb")


def offer_slides(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """A chapter with a button for its slides, and what makes them; other pages stay as light as they are."""
    if not is_chapter(app, pagename):
        return
    app.add_js_file("slides.js")
    app.add_css_file("slides.css")
    context.setdefault("header_buttons", []).insert(0, BUTTON)


def setup(app: Sphinx) -> None:
    """After the theme, whose buttons are added to, and before the style sheets and scripts are listed."""
    app.connect("html-page-context", offer_slides, priority=800)
