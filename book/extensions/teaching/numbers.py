"""{fact}, {paper} and {given}: a number of the prose that can say where it comes from.

{fact}`digits.dtsnn.accuracy`                       measured: 97.6 %, printed from book/facts.json
{fact}`digits.dtsnn.mean_timesteps|.1f`             the number alone, in Python's format language
{paper}`li2023dtsnn:abstract|1.46 timesteps`        published: a key of references.bib, the place, the words
{given}`95 %`                                       a premise: assumed, not claimed; it prints as it stands

The first two become links with a note that opens on hover and on focus; without scripts and style sheets the link still
leads to the table of facts, or to the bibliography.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from pybtex.database import Entry, parse_file
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

FACTS = "book/facts.json"
FACTS_PAGE = "book/facts"
BIBLIOGRAPHY = "references.bib"


@dataclass(frozen=True)
class Fact:
    """A measured number as `python -m dtsnn_lite facts --json` writes it."""

    name: str
    value: float
    unit: str
    how: str
    test: str
    text: str

    def show(self, pattern: str = "") -> str:
        """The value with its unit, or the value alone in the format asked for; the percent sign stays with its number."""
        return format(self.value, pattern) if pattern else self.text.replace(" %", "\u202f%")


@functools.lru_cache(maxsize=2)
def _read(path: Path, changed_ns: int) -> dict[str, Fact]:
    return {row["name"]: Fact(**row) for row in json.loads(path.read_text("utf8"))}


def facts(root: Path) -> dict[str, Fact]:
    """Every fact by name."""
    path = root / FACTS
    return _read(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=2)
def _parse(path: Path, changed_ns: int) -> dict[str, Entry]:
    return dict(parse_file(str(path)).entries)


def sources(root: Path) -> dict[str, Entry]:
    """Every entry of the bibliography by key."""
    path = root / BIBLIOGRAPHY
    return _parse(path, path.stat().st_mtime_ns)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a name that does not exist."""
    import difflib

    found = difflib.get_close_matches(name, list(known), n=3, cutoff=0.4)
    return f"; did you mean {', '.join(found)}?" if found else ""


# --- nodes ----------------------------------------------------------------------------


class sourced(nodes.Inline, nodes.TextElement):
    """A number with a note: attributes `note` (lines), `kind` (fact or paper), `target`, `number`."""


def address(translator: Any, node: sourced) -> str:
    """Where the link leads: the row of the table of facts, or the entry of the bibliography."""
    builder, here = translator.builder, translator.builder.current_docname
    if node["kind"] == "fact":
        return builder.get_relative_uri(here, FACTS_PAGE) + "#" + make_fact_id(node["target"])
    for citation in builder.env.get_domain("cite").citations:
        if citation.key == node["target"]:
            return builder.get_relative_uri(here, citation.bibliography_key.docname) + "#" + citation.citation_id
    return ""


def make_fact_id(name: str) -> str:
    """The anchor of a fact's row."""
    return "fact-" + name.replace(".", "-").replace("_", "-")


def visit_sourced(translator: Any, node: sourced) -> None:
    href = escape(address(translator, node), quote=True)
    link = f'href="{href}"' if href else 'tabindex="0"'
    translator.body.append(
        f'<span class="sourced sourced-{node["kind"]}"><a {link} aria-describedby="note-{node["number"]}">'
    )


def depart_sourced(translator: Any, node: sourced) -> None:
    lines = "".join(f'<span class="sourced-line">{escape(line)} </span>' for line in node["note"])
    translator.body.append(f'</a><span class="sourced-note" role="tooltip" id="note-{node["number"]}">{lines}</span></span>')


def pass_by(translator: Any, node: nodes.Node) -> None:
    """Other builders print the number alone."""


# --- roles ----------------------------------------------------------------------------


class _Sourced(SphinxRole):
    def complain(self, message: str) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """A build error with the place of the role."""
        report = self.inliner.reporter.error(message, line=self.lineno)
        return [nodes.problematic(self.rawtext, self.rawtext)], [report]

    def number(self, text: str, kind: str, target: str, note: list[str]) -> tuple[list[nodes.Node], list]:
        node = sourced("", "", nodes.Text(text), kind=kind, target=target, note=note,
                       number=self.env.new_serialno("sourced"))
        return [node], []


class FactRole(_Sourced):
    """A measured number."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        name, _, pattern = self.text.partition("|")
        root = Path(self.env.srcdir)
        self.env.note_dependency(str(root / FACTS))
        known = facts(root)
        if name not in known:
            return self.complain(f"no fact {name!r} in {FACTS}{nearest(name, known)}")
        fact = known[name]
        try:
            text = fact.show(pattern)
        except ValueError as error:
            return self.complain(f"fact {name!r} is {fact.value!r}: {error}")
        return self.number(text, "fact", name, [f"{fact.text}: {fact.how}.", f"Measured by us; held by {fact.test}."])


class PaperRole(_Sourced):
    """A published number, marked as such."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        place, bar, text = self.text.partition("|")
        key, colon, where = place.partition(":")
        if not (bar and colon and where.strip() and text.strip()):
            return self.complain(f"{{paper}} is written `key:where|words`, like `li2023dtsnn:abstract|1.46 timesteps`; got {self.text!r}")
        root = Path(self.env.srcdir)
        self.env.note_dependency(str(root / BIBLIOGRAPHY))
        known = sources(root)
        if key not in known:
            return self.complain(f"no source {key!r} in {BIBLIOGRAPHY}{nearest(key, known)}")
        note = [f"Published by {who(known[key])}, {where.strip()}.", "Quoted, not measured here."]
        return self.number(text.strip(), "paper", key, note)


class GivenRole(SphinxRole):
    """A premise: a number that nobody claims to have measured."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        return [nodes.inline(self.rawtext, self.text, classes=["given"])], []


def who(entry: Entry) -> str:
    """Li et al. 2023."""
    people = entry.persons.get("author", [])
    names = [" ".join(person.last_names).strip("{}") for person in people]
    several = len(names) > 2 or "others" in names
    name = f"{names[0]} et al." if several else " and ".join(names)
    return f"{name or entry.fields.get('title', '')} {entry.fields.get('year', '')}".strip()


# --- the bibliography ---


def name_entries(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Each entry of the bibliography under the name by which the text cites it: Li et al. 2023c."""
    known = sources(Path(app.srcdir))
    for citation in doctree.findall(nodes.citation):
        label = next(citation.findall(nodes.label), None)
        key = next((it.key for it in app.env.get_domain("cite").citations if it.citation_id in citation["ids"]), None)
        if label is not None and key in known:
            label.children = [nodes.Text(who(known[key]))]


# --- the table of facts ---------------------------------------------------------------


class FactsTable(SphinxDirective):
    """{facts-table}: every fact with its unit, how it was made and the test that holds it."""

    def run(self) -> list[nodes.Node]:
        from stopwhensure.tables import filter_above        # only Sphinx knows where extensions lie; tools read this file without it

        root = Path(self.env.srcdir)
        self.env.note_dependency(str(root / FACTS))
        rows = "".join(_row(fact) for fact in facts(root).values())
        head = "".join(f'<th scope="col">{title}</th>' for title in ("Fact", "Value", "How it was made", "Held by"))
        narrow = filter_above("facts", "Show facts with", '<input type="search" autocomplete="off">', len(facts(root)))
        html = (f'{narrow}<div class="pst-scrollable-table-container" tabindex="0" role="region" aria-label="All facts">'
                f'<table class="table facts"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>')
        return [nodes.raw("", html, format="html")]


def _row(fact: Fact) -> str:
    name = escape(fact.name).replace(".", ".<wbr>")
    held_by = escape(fact.test).replace("::", "::<wbr>").replace("_", "_<wbr>")
    return (f'<tr id="{make_fact_id(fact.name)}"><th scope="row"><code>{name}</code></th><td>{escape(fact.show())}</td>'
            f'<td class="many-words">{escape(fact.how)}</td><td>{held_by}</td></tr>')


def add_script(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """A page with notes gets the script that lets Escape close them."""
    if doctree is not None and any(doctree.findall(sourced)):
        context["body"] += f'\n<script src="{context["pathto"]("_static/numbers.js", 1)}"></script>\n'


def setup(app: Sphinx) -> None:
    app.add_node(sourced, html=(visit_sourced, depart_sourced), text=(pass_by, pass_by), latex=(pass_by, pass_by))
    app.add_role("fact", FactRole())
    app.add_role("paper", PaperRole())
    app.add_role("given", GivenRole())
    app.add_directive("facts-table", FactsTable)
    app.connect("doctree-resolved", name_entries)
    app.connect("html-page-context", add_script, priority=800)
