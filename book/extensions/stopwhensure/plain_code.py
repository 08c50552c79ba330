"""Highlighted code without the elements that change nothing: names, brackets and blanks have the colour of the code around them.

They are more than half of what highlighting writes, and a quarter of all elements of a chapter, which a phone lays out.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

PLAIN = ("n", "nn", "nx", "p", "pm", "w")       # tests/browser/test_site.py holds them to the style sheet
BLOCK = re.compile(r"<pre>.*?</pre>", re.S)
TOKEN = re.compile(rf'<span class="(?:{"|".join(PLAIN)})">([^<]*)</span>')


def plain(html: str) -> str:
    """A page whose code has only the elements that colour something."""
    return BLOCK.sub(lambda block: TOKEN.sub(r"\1", block[0]), html)


def make_plain(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    if context.get("body"):
        context["body"] = plain(context["body"])


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", make_plain, priority=950)
