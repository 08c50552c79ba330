"""Tables on a narrow page: a cell with many words gets room for them, and the table scrolls instead.

Without it a browser makes each column as narrow as its longest word, and a sentence in one becomes a tower.
Above long tables stands what narrows them down. A head says whether it names a column or a row.
"""

from __future__ import annotations

import re
from collections import Counter
from html import escape
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

SOME_LETTERS, MANY_LETTERS = 24, 60
MANY_TABLES = 3


def room_for(text: str) -> str | None:
    """The class of a cell with this text; book.css gives it a width."""
    if len(text) > MANY_LETTERS:
        return "many-words"
    return "some-words" if len(text) > SOME_LETTERS else None


def make_room(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Every cell of a page, marked by how much it says."""
    for cell in doctree.findall(nodes.entry):
        room = room_for(cell.astext())
        if room:
            cell["classes"].append(room)


def columns(table: nodes.table) -> list[str]:
    return [cell.astext().strip() for head in table.findall(nodes.thead) for cell in head.findall(nodes.entry)]


def rows(table: nodes.table) -> list[nodes.row]:
    return [row for body in table.findall(nodes.tbody) for row in body.findall(nodes.row)]


def verdicts(tables: list[nodes.table]) -> list[str]:
    """What the column "verdict" says, row by row."""
    return [row.children[columns(table).index("verdict")].astext().strip() for table in tables for row in rows(table)]


def choice(found: list[str]) -> str:
    """Every verdict once, and how many rows have it."""
    options = {"": f"all ({len(found)})"} | {verdict: f"{verdict} ({count})" for verdict, count in Counter(found).items()}
    offered = "".join(f'<option value="{escape(value)}">{escape(says)}</option>' for value, says in options.items())
    return f"<select>{offered}</select>"


def filter_above(kind: str, label: str, control: str, of: int) -> str:
    """A control above a table, as wide and as high from the start as it will be: what comes later moves no line."""
    return (f'<p class="filter" data-narrows="{kind}"><label>{label} {control}</label> '
            f'<span class="filter-told" role="status">{of} of {of} rows</span></p>')


def offer_verdicts(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Many comparisons, which assets/filters.js narrows down to one verdict."""
    compared = [table for table in doctree.findall(nodes.table) if "verdict" in columns(table)]
    if len(compared) >= MANY_TABLES:
        found = verdicts(compared)
        html = filter_above("verdicts", "Show verdicts", choice(found), len(found))
        compared[0].parent.insert(compared[0].parent.index(compared[0]), nodes.raw("", html, format="html"))


def scoped(html: str) -> str:
    """HTML whose heads of columns and of rows, as docutils writes them, say which they are."""
    def scope(head: re.Match[str]) -> str:
        return f'{head[0][:-1]} scope="{"col" if "head" in head[1].split() else "row"}">'

    return re.sub(r'<th class="((?:[\w-]+ )*(?:head|stub)(?: [\w-]+)*)">', scope, html)


def tell_the_scopes(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """The page with a scope for each head."""
    if "body" in context:
        context["body"] = scoped(context["body"])


def add_the_script(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """A page with a filter gets assets/filters.js."""
    body = context.get("body", "")
    if '<p class="filter"' in body:
        context["body"] = f'{body}\n<script src="{context["pathto"]("_static/filters.js", 1)}"></script>\n'


def setup(app: Sphinx) -> None:
    """When references are resolved, so that the words are those one reads."""
    app.connect("doctree-resolved", make_room)
    app.connect("doctree-resolved", offer_verdicts)
    app.connect("html-page-context", tell_the_scopes, priority=800)
    app.connect("html-page-context", add_the_script, priority=800)
