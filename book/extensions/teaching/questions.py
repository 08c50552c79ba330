"""{check} and {predict}: questions that are answered in the page.

    ```{check} edp-doubling                    ```{predict} the-bill
    :kind: number                              :fields: delay (times) | energy (times)
    :unit: times                               How much more do 8 timesteps cost?
    :hint: EDP is a product.                   ---
    By how much does EDP grow?                 8 times the delay.
    ```                                        ```

What came out of a prediction may be told with `:results: 8 | fact('energy.times')`, one for each field or the letter of
an option, and `:whose: The paper` ("The network" if nothing is said): it is then set against what the reader predicted.

A `choice` (one is right), `several` (a set) or `order` takes its options from the list that ends the question.
The page holds seals in place of answers (answers.py). Without scripts a reader sees the question, its options, the
hint and the reveal, and no control that does nothing.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from html import escape
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from . import answers
from .numbers import FACTS, facts

KINDS = ("number", "choice", "several", "order")
SCRIPTS = ("typed.js", "seals.js", "answers.js", "questions.js")


class question(nodes.General, nodes.Element):
    """A form: attributes `name`, `kind`, `role` (check or predict), `data`, `hints`, `unit`, `fields`."""


class question_options(nodes.General, nodes.Element):
    """The options of a question."""


class question_option(nodes.General, nodes.Element):
    """One option: attributes `letter`, `kind`, `name`."""


class reveal(nodes.General, nodes.Element):
    """What stands behind a prediction."""


# --- directives -------------------------------------------------------------------------


def kind_of(argument: str) -> str:
    return directives.choice(argument, (*KINDS, "text"))


class _Question(SphinxDirective):
    has_content = True
    required_arguments = 1

    def complain(self, message: str) -> list[nodes.Node]:
        return [self.state.document.reporter.error(message, line=self.lineno)]

    @property
    def page(self) -> str:
        return Path(self.env.docname).name

    def parse(self, lines: Any, offset: int, into: nodes.Element) -> nodes.Element:
        self.state.nested_parse(lines, self.content_offset + offset, into)
        return into

    def take_options(self, form: question) -> int:
        """The list at the end of the question, made into options; how many."""
        last = form.children[-1] if form.children else None
        if not isinstance(last, (nodes.bullet_list, nodes.enumerated_list)):
            raise ValueError(f"a question of kind {form['kind']} ends with the list of its options")
        form.remove(last)
        made = question_options("", kind=form["kind"])
        for letter, item in zip(ascii_lowercase, last.children, strict=False):      # as many letters as items
            words = item.children[0].children if item.children else []
            made += question_option("", *words, letter=letter, kind=form["kind"], name=form["name"])
        form += made
        return len(made)


class Check(_Question):
    """A question that tells the reader whether the answer is right."""

    option_spec = {"kind": kind_of, "unit": directives.unchanged, "hint": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        try:
            return [self.make(self.arguments[0], self.options.get("kind", "number"))]
        except (ValueError, KeyError, OSError) as error:
            return self.complain(f"{{check}} {self.arguments[0]}: {error}")

    def make(self, name: str, kind: str) -> question:
        root = Path(self.env.srcdir)
        self.env.note_dependency(str(answers.path_of(root, self.env.docname)))
        self.env.note_dependency(str(root / FACTS))
        sealed = answers.sealed(root, self.env.docname, name, kind, lambda fact: facts(root)[fact].value,
                                self.options.get("unit", ""))
        hints = [hint.strip() for hint in self.options.get("hint", "").split("|") if hint.strip()]
        form = question("", role="check", name=name, kind=kind, data=asdict(sealed), hints=hints,
                        unit=self.options.get("unit", ""), fields=[], page=self.page)
        self.parse(self.content, 0, form)
        if kind != "number":
            letters = ascii_lowercase[: self.take_options(form)]
            if kind == "order" and sealed.check(",".join(letters)).right:
                raise ValueError("the options stand in the right order already: write them in another one")
        return form


class Predict(_Question):
    """A question that is answered before the reveal opens; right or wrong is the reader's to judge."""

    option_spec = {"kind": kind_of, "unit": directives.unchanged, "fields": directives.unchanged,
                   "results": directives.unchanged, "whose": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        try:
            return self.make(self.arguments[0], self.options.get("kind", "number"))
        except (ValueError, KeyError) as error:
            return self.complain(f"{{predict}} {self.arguments[0]}: {error}")

    def make(self, name: str, kind: str) -> list[nodes.Node]:
        lines = [line.strip() for line in self.content]
        if "---" not in lines:
            raise ValueError("a line of three dashes stands between the question and what it reveals")
        cut = lines.index("---")
        fields = parts(self.options.get("fields", "your prediction"))
        unit = self.options.get("unit", "")
        data = {"salt": f"{self.page}/{name}", "whose": self.options.get("whose", "The network"), "results": self.results(kind),
                "units": [unit_of(field) or unit for field in fields]}
        form = question("", role="predict", name=name, kind=kind, data=data, hints=[], unit=unit, fields=fields, page=self.page)
        self.parse(self.content[:cut], 0, form)
        typed = kind in ("number", "text")
        known = fields if typed else ascii_lowercase[: self.take_options(form)]
        if data["results"] and (len(data["results"]) != len(fields) if typed else not set(data["results"]) <= set(known)):
            raise ValueError(f"results are one for each of {', '.join(known)}; got {', '.join(data['results'])}")
        return [form, self.parse(self.content[cut + 1:], cut + 1, reveal("", name=name, page=self.page))]


    def results(self, kind: str) -> list[str]:
        """What came out: numbers as they are shown, or letters."""
        given = parts(self.options.get("results", ""))
        if kind != "number":
            return [letter.strip() for one in given for letter in one.split(",")]
        root = Path(self.env.srcdir)
        self.env.note_dependency(str(root / FACTS))
        return [shown(answers.compute(one, lambda fact: facts(root)[fact].value)) for one in given]


def parts(text: str) -> list[str]:
    """What stands between bars."""
    return [part.strip() for part in text.split("|") if part.strip()]


def unit_of(field: str) -> str:
    """The unit that ends the name of a field: "energy (times)" has "times"."""
    return field.rpartition("(")[2].removesuffix(")") if field.endswith(")") else ""


def shown(value: float) -> str:
    """A number to three digits, a large one to the unit: 0.667, 97.6, 1,410."""
    digits = max(3, len(str(int(abs(value)))))
    return f"{float(f'{value:.{digits}g}'):,.10g}"


# --- HTML -------------------------------------------------------------------------------

LEGENDS = {"check": "Check yourself", "predict": "Predict, then look"}
WITHOUT_SCRIPTS = "<noscript><p>To answer here, allow this page to run JavaScript; nothing is sent anywhere.</p></noscript>"
BUTTONS = {"check": "Check", "predict": "Lock my prediction"}
# JupyterLab takes the arrow keys of inputs without this mark; the same markup serves there.
INPUT = 'autocomplete="off" autocapitalize="off" spellcheck="false" data-lm-suppress-shortcuts="true"'


def visit_question(translator: Any, node: question) -> None:
    data = escape(json.dumps({"role": node["role"], "kind": node["kind"], **node["data"]}), quote=True)
    anchor = f"{node['role']}-{node['name']}"
    translator.body.append(
        f'<form class="question question-{node["role"]}" id="{anchor}" data-question="{data}">'
        f'<fieldset><legend>{LEGENDS[node["role"]]}</legend>'
    )


def depart_question(translator: Any, node: question) -> None:
    translator.body.append(
        f'<div class="question-controls">{controls(node)}</div>'
        f'{WITHOUT_SCRIPTS}<p class="question-verdict" role="status"></p>{hints(node)}</fieldset></form>'
    )


def controls(node: question) -> str:
    """The inputs and buttons; a style sheet hides them where no script would answer."""
    html = ""
    if node["kind"] in ("number", "text"):
        mode = "decimal" if node["kind"] == "number" else "text"
        unit = f" <span>{escape(node['unit'])}</span>" if node["unit"] else ""
        for field in node["fields"] or ["your answer"]:
            html += f'<label>{escape(field[0].upper() + field[1:])} <input type="text" inputmode="{mode}" {INPUT}>{unit}</label> '
    html += f'<button type="submit">{BUTTONS[node["role"]]}</button>'
    if node["role"] == "predict":
        html += ' <button type="button" data-do="skip">Skip this one</button>'
    return html


def hints(node: question) -> str:
    return "".join(
        f'<details class="question-hint"><summary>Hint{f" {n}" if len(node["hints"]) > 1 else ""}</summary><p>{escape(hint)}</p></details>'
        for n, hint in enumerate(node["hints"], start=1)
    )


def visit_options(translator: Any, node: question_options) -> None:
    tag = "ol" if node["kind"] == "order" else "ul"
    translator.body.append(f'<{tag} class="question-options">')


def depart_options(translator: Any, node: question_options) -> None:
    translator.body.append("</ol>" if node["kind"] == "order" else "</ul>")


def visit_option(translator: Any, node: question_option) -> None:
    start = f'<li data-letter="{node["letter"]}">'
    if node["kind"] == "order":
        start += '<span class="question-words">'
    else:
        shape = "radio" if node["kind"] == "choice" else "checkbox"
        start += (f'<label><input type="{shape}" name="{escape(node["name"], quote=True)}" value="{node["letter"]}" {INPUT}> '
                  '<span class="question-words">')
    translator.body.append(start)


def depart_option(translator: Any, node: question_option) -> None:
    if node["kind"] != "order":
        translator.body.append("</span></label></li>")
        return
    words = escape(node.astext(), quote=True)
    moves = "".join(
        f'<button type="button" data-move="{step}" aria-label="Move {way}: {words}">{arrow}</button>'
        for step, way, arrow in ((-1, "up", "&uarr;"), (1, "down", "&darr;"))
    )
    translator.body.append(f'</span> <span class="question-moves">{moves}</span></li>')


def visit_reveal(translator: Any, node: reveal) -> None:
    name = escape(node["name"], quote=True)
    translator.body.append(f'<details class="question-reveal" data-reveals="predict-{name}"><summary>Reveal</summary>')


def depart_reveal(translator: Any, node: reveal) -> None:
    translator.body.append("</details>")


YOUR_ANSWERS = """
<details class="your-answers">
<summary>Your answers</summary>
<p>They are kept in this browser and sent nowhere.</p>
<div class="question-controls">
<button type="button" data-do="markdown">Save as Markdown</button>
<button type="button" data-do="json">Save as JSON</button>
<button type="button" data-do="forget">Forget all</button>
</div>
<p class="question-verdict" role="status"></p>
</details>
"""


def add_scripts(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """A page with questions gets their scripts, and a place to save what the reader answered."""
    if doctree is None or not any(doctree.findall(question)):
        return
    scripts = "".join(f'<script src="{context["pathto"](f"_static/{name}", 1)}"></script>\n' for name in SCRIPTS)
    context["body"] = f'{context["body"]}\n{YOUR_ANSWERS}{scripts}'


def setup(app: Sphinx) -> None:
    for node, visit, depart in (
        (question, visit_question, depart_question),
        (question_options, visit_options, depart_options),
        (question_option, visit_option, depart_option),
        (reveal, visit_reveal, depart_reveal),
    ):
        app.add_node(node, html=(visit, depart))
    app.add_directive("check", Check)
    app.add_directive("predict", Predict)
    app.connect("html-page-context", add_scripts, priority=800)
