"""Icons and scripts without the network, and without what no page uses."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

MEASURES = re.compile(r'(?P<head>function \w+\(\)\{)const \w=\(\)=>\{document\.querySelectorAll\(\["pre",'
                      r'[^;]{,400}?e\.tabIndex=[^;]{,400}?;[^;]{,200}?\{subtree:!0,childList:!0\}\),\w\(\)\}')

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


def without_measures(script: str) -> str:
    """The theme's script without its search for boxes that scroll, in which it lays the whole page out, and again after each change.

    assets/focus.js finds them, a few at a time.
    """
    found = MEASURES.sub(r"\g<head>}", script)
    if ".scrollWidth" in found:
        raise ValueError("the theme looks for boxes that scroll in another way than MEASURES knows: see what it does, and change that")
    return found


def finish(app: Sphinx, failure: Exception | None) -> None:
    """The static folder without scripts and maps that nothing needs."""
    if failure or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    shutil.rmtree(static / "mathjax", ignore_errors=True)       # of a build before the equations were set at build time
    # The theme's style sheet draws the same icons from its web font; the script is 1.5 MB.
    (static / "scripts" / "fontawesome.js").write_text("/* icons come from the web font */\n")
    theme = static / "scripts" / "pydata-sphinx-theme.js"
    theme.write_text(without_measures(theme.read_text("utf8")), "utf8")
    for source_map in static.rglob("*.map"):
        source_map.unlink()


def setup(app: Sphinx) -> None:
    """Late in each event, after the extensions whose work is corrected here."""
    app.connect("html-page-context", drop_unused_scripts, priority=900)
    app.connect("build-finished", finish, priority=900)
