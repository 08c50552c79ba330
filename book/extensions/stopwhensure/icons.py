"""The theme's icons, cut down to those that the pages show: 20 of 1,400, a few kB instead of 300.

The web fonts and their style rules were the larger half of every page; a phone pays for each of them.
"""

from __future__ import annotations

import re
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx

SHEETS = ("styles/pydata-sphinx-theme.css", "styles/sphinx-book-theme.css")
FONTS = "vendor/fontawesome/webfonts"
NAME = re.compile(r"\bfa-[a-z0-9-]+")
RULE = re.compile(r'(?P<names>\.fa-[\w-]+:before(?:,\.fa-[\w-]+:before)*)\{content:"[^"]*"\}')
ESCAPED = re.compile(r"\\([ef][0-9a-f]{3})\b")
PRIVATE_USE = range(0xE000, 0xF900)
# In the theme's sheet: the address of a font as woff2, and again as ttf.
SOURCES = re.compile(r'url\((?P<stem>[^)]*/fa-[\w-]+)\.woff2\) format\("woff2"\),url\([^)]*\.ttf\) format\("truetype"\)')


def names_in(out: Path) -> set[str]:
    """The icons that a page or a script names."""
    files = [*out.rglob("*.html"), *(out / "_static").rglob("*.js")]
    return {name for file in files for name in NAME.findall(file.read_text("utf8"))}


def without_unused_rules(css: str, names: set[str]) -> str:
    """A style sheet that keeps a rule when one of its icons is shown."""
    return RULE.sub(lambda rule: rule[0] if set(NAME.findall(rule["names"])) & names else "", css)


def code_points(css: str) -> set[int]:
    """The characters that a style sheet draws from an icon font."""
    escaped = {int(code, 16) for code in ESCAPED.findall(css)}
    return escaped | {ord(character) for character in css if ord(character) in PRIVATE_USE}


def cut(font: Path, wanted: set[int]) -> None:
    """<font>.ttf as <font>.woff with the wanted glyphs only."""
    options = subset.Options(flavor="woff", layout_features=[], notdef_outline=False)
    made: TTFont = subset.load_font(str(font), options)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=wanted)
    cutter.subset(made)
    subset.save_font(made, str(font.with_suffix(".woff")), options)


def finish(app: Sphinx, failure: Exception | None) -> None:
    """Style sheets and fonts with the icons of this book."""
    if failure or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    names, wanted = names_in(Path(app.outdir)), set()
    for sheet in map(static.joinpath, SHEETS):
        css = without_unused_rules(sheet.read_text("utf8"), names)
        wanted |= code_points(css)
        sheet.write_text(SOURCES.sub(r'url(\g<stem>.woff) format("woff")', css), "utf8")
    for font in (static / FONTS).glob("*.ttf"):
        cut(font, wanted)
        font.unlink()
        font.with_suffix(".woff2").unlink()


def setup(app: Sphinx) -> None:
    """After all pages are written; Sphinx copies the theme's own files anew in every build."""
    app.connect("build-finished", finish, priority=950)
