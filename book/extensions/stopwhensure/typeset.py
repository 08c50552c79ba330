"""Equations set when the book is built: a drawing for the eye, MathML for a screen reader, and no MathJax in the page.

MathJax in the browser is a megabyte, and a page waited for it, or moved when it came. Here it runs once, in node.
"""

from __future__ import annotations

import json
import re
import subprocess
from html import escape, unescape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

from .stills import node

LOGGER = logging.getLogger(__name__)
SCRIPT = Path(__file__).with_name("typeset.mjs")
PATIENCE_S = 120
# What Sphinx writes: TeX between brackets, in the text or displayed, perhaps after the number of the equation.
INLINE = re.compile(r'<span class="math notranslate nohighlight">\\\((?P<tex>.*?)\\\)</span>', re.S)
DISPLAYED = re.compile(r'<div class="math notranslate nohighlight"(?P<id>[^>]*)>\s*'
                       r'(?P<number><span class="eqno">.*?</span>)?\s*\\\[(?P<tex>.*?)\\\]</div>', re.S)
# MathJax's notes for its own scripts; and nobody needs to be told of a drawing whose words follow.
NOTES = re.compile(r' (?:data-mml-node|data-c|data-mjx-texclass|xmlns|role|focusable)="[^"]*"')


def mathjax_folder() -> Path:
    """Where the pip package keeps MathJax; its name is no Python name, so it is never imported."""
    spec = find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise RuntimeError("MathJax is missing: pip install -r requirements.txt -c constraints.txt")
    return Path(spec.origin).parent / "static" / "mathjax"


def draw(equations: list[tuple[str, bool]]) -> list[dict[str, str]]:
    """Each (TeX, whether displayed) as {"svg", "mml"}, or {"error"} where it is no TeX; all by one process."""
    asked = json.dumps([{"tex": tex, "display": display} for tex, display in equations])
    drawn = subprocess.run([node(), SCRIPT, mathjax_folder()], input=asked, capture_output=True, encoding="utf8", timeout=PATIENCE_S)
    if drawn.returncode:
        raise RuntimeError(f"{SCRIPT.name} failed: {drawn.stderr.strip()}")
    return json.loads(drawn.stdout)


def found_in(html: str) -> set[tuple[str, bool]]:
    """The equations of a page."""
    kinds = ((INLINE, False), (DISPLAYED, True))
    return {(unescape(match["tex"]), display) for pattern, display in kinds for match in pattern.finditer(html)}


def drawing(made: dict[str, str]) -> str:
    """What is seen and what is read out."""
    svg = NOTES.sub("", made["svg"]).replace("<svg", '<svg aria-hidden="true"', 1)
    mml = NOTES.sub("", re.sub(r"\s*\n\s*", "", made["mml"]))
    return f'{svg}<span class="math-spoken">{mml}</span>'


def with_drawings(html: str, drawings: dict[tuple[str, bool], str]) -> str:
    """A page whose equations are set."""

    def inline(match: re.Match[str]) -> str:
        tex = unescape(match["tex"])
        return f'<span class="math" data-tex="{escape(tex)}">{drawings[tex, False]}</span>'

    def displayed(match: re.Match[str]) -> str:
        tex = unescape(match["tex"])
        return f'<div class="math" data-tex="{escape(tex)}"{match["id"]}>{match["number"] or ""}{drawings[tex, True]}</div>'

    return DISPLAYED.sub(displayed, INLINE.sub(inline, html))


def drop_mathjax(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """A page without MathJax's script and its options."""

    def wanted(script: Any) -> bool:
        body = getattr(script, "attributes", {}).get("body") or ""
        return "window.MathJax" not in body and "mathjax" not in str(getattr(script, "filename", "")).lower()

    context["script_files"] = [script for script in context.get("script_files", []) if wanted(script)]


def finish(app: Sphinx, failure: Exception | None) -> None:
    """All pages, with their equations set; those of an earlier build have them already."""
    if failure or app.builder.format != "html":
        return
    pages = {path: html for path in Path(app.outdir).rglob("*.html") if 'class="math notranslate' in (html := path.read_text("utf8"))}
    equations = sorted(set().union(*map(found_in, pages.values())))
    made = draw(equations) if equations else []
    for (tex, _), one in zip(equations, made, strict=True):
        if "error" in one:
            LOGGER.warning("no equation: %s (%s)", tex, one["error"])
    drawings = {equation: drawing(one) if "svg" in one else escape(equation[0]) for equation, one in zip(equations, made, strict=True)}
    for path, html in pages.items():
        path.write_text(with_drawings(html, drawings), "utf8")


def setup(app: Sphinx) -> None:
    """When all pages are written, before their text is read for the search."""
    app.connect("html-page-context", drop_mathjax, priority=900)
    app.connect("build-finished", finish, priority=940)
