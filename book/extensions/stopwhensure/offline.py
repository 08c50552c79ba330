"""Mathematics, icons and scripts without the network, and without what no page uses."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

FONTS = "output/chtml/fonts/woff-v2"


def mathjax_folder() -> Path:
    """Where the pip package keeps MathJax; its name is no Python name, so it is never imported."""
    spec = find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise RuntimeError("MathJax is missing: pip install -r requirements.txt -c constraints.txt")
    return Path(spec.origin).parent / "static" / "mathjax"


def use_local_mathjax(app: Sphinx, config: Config) -> None:
    """MathJax from the book's own folder; its menu would load parts that are not copied."""
    config["mathjax_path"] = "mathjax/tex-chtml.js"
    config["mathjax_options"] = {"defer": "defer"}
    config["mathjax3_config"] = {"options": {"enableMenu": False}}


def copy_mathjax(static: Path) -> None:
    """One script and its fonts: 1.5 of the package's 24 MB."""
    source, target = mathjax_folder(), static / "mathjax"
    (target / FONTS).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / "tex-chtml.js", target / "tex-chtml.js")
    for font in (source / FONTS).glob("*.woff"):
        shutil.copyfile(font, target / FONTS / font.name)


def keep_still(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """A page with equations that keeps still: assets/mathematics.js, before anything is painted."""
    if doctree and has_mathematics(doctree):
        app.add_js_file("mathematics.js")


def has_mathematics(doctree: nodes.document) -> bool:
    """Whether a page has an equation, displayed or in its text."""
    return next(doctree.findall(lambda node: isinstance(node, (nodes.math, nodes.math_block))), None) is not None


def drop_unused_scripts(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """A page without thebe's stub, whose constant is declared twice and fails on every page."""

    def wanted(script: Any) -> bool:
        body = getattr(script, "attributes", {}).get("body") or ""
        return "THEBE_JS_URL" not in body and "sphinx-thebe" not in str(getattr(script, "filename", ""))

    context["script_files"] = [script for script in context.get("script_files", []) if wanted(script)]
    context["css_files"] = [
        sheet for sheet in context.get("css_files", []) if "sphinx-thebe" not in str(getattr(sheet, "filename", ""))
    ]


def finish(app: Sphinx, failure: Exception | None) -> None:
    """The static folder with MathJax, and without scripts and maps that nothing needs."""
    if failure or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    copy_mathjax(static)
    # The theme's style sheet draws the same icons from its web font; the script is 1.5 MB.
    (static / "scripts" / "fontawesome.js").write_text("/* icons come from the web font */\n")
    for source_map in static.rglob("*.map"):
        source_map.unlink()


def setup(app: Sphinx) -> None:
    """Late in each event, after the extensions whose work is corrected here."""
    app.connect("config-inited", use_local_mathjax)
    app.connect("html-page-context", keep_still)
    app.connect("html-page-context", drop_unused_scripts, priority=900)
    app.connect("build-finished", finish, priority=900)
