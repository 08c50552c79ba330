"""A place under each code cell that runs in the page; assets/python.js puts buttons and output there.

The place has its height from the start, so that nothing moves when the script fills it. What the script must know of the
page stands at the end of its text, a few hundred bytes; all else is loaded by the first click.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from .offered import Offer, of_page

PLACE = '<div class="python-place" data-cell="{cell}" data-how="{how}"></div>'


def code_cells(doctree: nodes.document) -> dict[int, nodes.container]:
    """Where a page shows the source of its code cells; the keys are their places in the notebook."""
    cells = [it for it in doctree.findall(nodes.container) if it.get("nb_element") == "cell_code"]
    return {cell["cell_index"]: it for cell in cells for it in cell.findall(nodes.container) if it.get("nb_element") == "cell_code_source"}


def add_places(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """The page with a place right after the source of each cell that runs."""
    offers = of_page(app.env, docname)
    if app.builder.format != "html" or not any(it.how == "run" for it in offers):
        return
    shown = code_cells(doctree)
    for it in offers:
        if it.how != "not":
            code = shown[it.at]
            code.parent.insert(code.parent.index(code) + 1, nodes.raw("", PLACE.format(cell=it.at, how=it.how), format="html"))


def describe(app: Sphinx, pagename: str, cells: Mapping[Any, Offer], extra: dict[str, Any] | None = None) -> str:
    """The data block that the script reads."""
    up = "../" * pagename.count("/")
    told = {"page": pagename, "parts": f"{up}_static/python/", "assets": {name: it.assets for name, it in cells.items() if it.assets}}
    return data_block("python-page", {**told, **(extra or {})})


def data_block(name: str, value: object) -> str:
    """JSON in a page; `</` is escaped so that no text in it can end the block."""
    text = json.dumps(value, separators=(",", ":")).replace("</", "<\\/")
    return f'<script type="application/json" id="{name}">{text}</script>\n'


def add_script(app: Sphinx, pagename: str) -> None:
    """The script and the style sheet of a page with Python."""
    app.add_js_file("python.js", loading_method="defer")
    app.add_css_file("python.css")


def tell_the_page(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """The page of a notebook with what its script must know."""
    offers = of_page(app.env, pagename)
    if any(it.how == "run" for it in offers):
        context["body"] += describe(app, pagename, {it.at: it for it in offers})
        add_script(app, pagename)


def used_assets(app: Sphinx) -> set[str]:
    """The package's files that some notebook's cells open."""
    return {name for page in getattr(app.env, "python_offers", {}) for it in of_page(app.env, page) for name in it.assets}


def setup(app: Sphinx) -> None:
    """After the notebooks' own transformations."""
    app.connect("doctree-resolved", add_places, priority=900)
    app.connect("html-page-context", tell_the_page, priority=600)
