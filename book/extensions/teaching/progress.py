"""How far a reader has come: the contents beside the text say how many of a page's questions are answered.

`_static/progress-questions.js` says how many there are; assets/progress.js counts those that this browser keeps.
"""

from __future__ import annotations

import json
from pathlib import Path

from sphinx.application import Sphinx

from .questions import question

FILE = "progress-questions.js"


def count(app: Sphinx, failure: Exception | None) -> None:
    """{page: number of its questions} for all pages that ask."""
    if failure or app.builder.format != "html":
        return
    asked = {Path(page).name: sum(1 for _ in app.env.get_doctree(page).findall(question)) for page in sorted(app.env.found_docs)}
    text = json.dumps({page: number for page, number in asked.items() if number})
    (Path(app.outdir) / "_static" / FILE).write_text(f"globalThis.QuestionsOf = {text};\n", "utf8")


def setup(app: Sphinx) -> None:
    """The marks on every page."""
    app.add_js_file(FILE, loading_method="defer")
    app.add_js_file("progress.js", loading_method="defer")
    app.connect("build-finished", count)
