"""A search that finds sentences: the text of every section as one script, which works from a folder too.

Sphinx's own index knows words and pages. `_static/search-text.js` holds what one reads, section by section;
assets/search.js ranks it, and assets/found.js marks the words in the page that was chosen.
"""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from sphinx.application import Sphinx

TEXT = "search-text.js"
# What the theme loads on every page, before it is shown; of it nothing is used, and on the search page ours takes its place.
ITS_SCRIPTS = re.compile(r"\s*".join(rf'<script src="(?:\.\./)*{name}\.js"></script>'
                                     for name in ("_static/searchtools", "_static/language_data", "searchindex")))
OUR_SCRIPTS = f'<script defer src="_static/{TEXT}"></script>\n<script defer src="_static/search.js"></script>'

HEAVY = re.compile(r"<(script|style|svg)\b.*?</\1>", re.S)
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
UNREAD = {"noscript", "button", "nav", "footer", "template"}
# What stands in an article and is no text of it: explorers, notes, marks of headings, and what a prediction reveals.
UNREAD_CLASSES = {"afm", "sourced-note", "headerlink", "your-answers", "question-reveal", "question-hint"}
HEADINGS = {"h1", "h2", "h3", "h4"}
BLOCKS = {*HEADINGS, "p", "li", "dt", "dd", "td", "th", "tr", "pre", "div", "section", "legend", "label"}


class Section:
    """A place of a page with a name: its anchor, its heading and the words below it."""

    def __init__(self, anchor: str) -> None:
        self.anchor, self.title, self.text = anchor, "", ""

    def row(self) -> list[str]:
        """[anchor, heading, text] with single blanks."""
        return [self.anchor, *(" ".join(part.split()) for part in (self.title, self.text))]


class Article(HTMLParser):
    """The sections of a page's article, in their order; a function of the reference is a section, too."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.sections: list[Section] = []
        self.open: list[tuple[str, str]] = []       # (tag, what it opened: "article", "section", "unread", "title" or nothing)
        self.around: list[Section] = []
        # Nine tenths of a page are the states of its explorers and their drawings: gone before anything is parsed.
        self.feed(HEAVY.sub("", html[html.find("<article"):html.rfind("</article>")]))

    def is_in(self, what: str) -> bool:
        return any(opened == what for _, opened in self.open)

    def kind(self, tag: str, given: dict[str, str]) -> str:
        """What a tag opens."""
        classes = set(given.get("class", "").split())
        if tag == "article":
            return "article"
        if tag in UNREAD or classes & UNREAD_CLASSES:
            return "unread"
        if tag == "section" and "id" in given:
            return "section"
        if tag == "dt" and "sig" in classes and "id" in given:
            return "name"
        return "title" if tag in HEADINGS else ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID:
            return
        given = {key: value or "" for key, value in attrs}
        kind = self.kind(tag, given)
        if self.is_in("article") and not self.is_in("unread"):
            if kind in ("section", "name"):
                self.begin(given["id"], kind)
            self.add(" " if tag in BLOCKS else "")
        self.open.append((tag, kind))

    def begin(self, anchor: str, kind: str) -> None:
        section = Section(anchor)
        self.sections.append(section)
        if kind == "section":
            self.around.append(section)
        else:       # a function's section lasts until the next heading or function
            section.title = anchor.removeprefix("dtsnn_lite.")
            self.around[-1:] = [section] if self.around else []

    def handle_endtag(self, tag: str) -> None:
        if tag not in (name for name, _ in self.open):
            return
        while self.open:
            name, kind = self.open.pop()
            if kind == "section" and not self.is_in("unread") and len(self.around) > 1:
                self.around.pop()
            if name == tag:
                break

    def handle_data(self, data: str) -> None:
        if self.is_in("article") and not self.is_in("unread"):
            self.add(data)

    def add(self, text: str) -> None:
        if not self.around:
            return
        if self.is_in("title"):
            self.around[-1].title += text
        else:
            self.around[-1].text += text


def readable(text: str) -> str:
    """Text without the brackets of TeX."""
    return re.sub(r"\\[()\[\]]", "", text)


def index(out: Path, pages: list[str]) -> list[list]:
    """[page, its title, [[anchor, heading, text], ...]] for every page."""
    rows = []
    for page in pages:
        sections = [section.row() for section in Article((out / f"{page}.html").read_text("utf8")).sections]
        kept = [[anchor, title, readable(text)] for anchor, title, text in sections if title]
        if kept:
            rows.append([page, kept[0][1], kept])
    return rows


def finish(app: Sphinx, failure: Exception | None) -> None:
    """The text of all pages, a search page that reads it, and no page that waits for another index."""
    if failure or app.builder.format != "html":
        return
    out = Path(app.outdir)
    text = json.dumps(index(out, sorted(app.env.found_docs)), ensure_ascii=False, separators=(",", ":"))
    (out / "_static" / TEXT).write_text(f"globalThis.BookText = {text};\n", "utf8")
    for page in out.rglob("*.html"):
        html = page.read_text("utf8")
        if ITS_SCRIPTS.search(html):
            page.write_text(ITS_SCRIPTS.sub(OUR_SCRIPTS if page == out / "search.html" else "", html), "utf8")


def setup(app: Sphinx) -> None:
    """When all pages are written."""
    app.connect("build-finished", finish, priority=960)
