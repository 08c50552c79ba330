"""A lab as a page: the student edition, its code cells open for editing, and a download that `make grade` takes.

    ```{lab} lab1
    ```

is replaced by the notebook's text, with a {lab-cell} for each code cell. The master's solutions never enter a page: what is
poured is the edition that students receive.
"""

from __future__ import annotations

import json
import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from stopwhensure.freshness import digest

from . import cells
from .offered import INSTALLS, Offer, Trials, python

POURED = re.compile(r"^```\{lab\} (?P<lab>lab\d)\n```$", re.M)
PREDICTION, NEWLINE = "*My prediction:*", "\n"
# In a process of its own: nbgrader changes how its process logs.
EDITION = """
import json, sys
from pathlib import Path
from labs.tools.editions import student_edition
print(json.dumps(student_edition(Path(sys.argv[1]))))
"""


MADE_BY = ("labs/tools", "labs/nbgrader_config.py")


@cache
def edition(master: Path) -> nbformat.NotebookNode:
    """What students receive of a master, made once for the same master and tools."""
    root = master.parents[1]
    name = f"{master.stem}-{digest(root, (f'labs/{master.name}', *MADE_BY))}"
    return nbformat.from_dict(Trials(root).kept(name, lambda: python(root, ["-c", EDITION, master])))


def master_of(root: Path, lab: str) -> Path:
    return root / "labs" / f"{lab}.ipynb"


def name_of(cell: nbformat.NotebookNode) -> str:
    """What a cell is called in the page: its grade id, or else its id."""
    return cell.metadata.get("nbgrader", {}).get("grade_id") or cell.id


def is_tests(cell: nbformat.NotebookNode) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get("grade")) and cell.cell_type == "code"


def is_written(cell: nbformat.NotebookNode) -> bool:
    """Whether a text is the student's to write: a memo, or a prediction."""
    return cell.cell_type == "markdown" and (bool(cell.metadata.get("nbgrader", {}).get("solution")) or cell.source.endswith(PREDICTION))


def poured(notebook: nbformat.NotebookNode, lab: str) -> str:
    """The page's source."""
    parts = []
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        if number == 0:
            parts.append(f"```{{lab-tools}} {lab}\n```")
        if cell.cell_type == "code" or is_written(cell):
            parts.append(f"```{{lab-cell}} {lab} {number}\n```")
    return "\n\n".join(parts)


def pour(app: Sphinx, docname: str, content: list[str]) -> None:
    """A page's source with the notebook in the place of its name."""
    root = Path(app.srcdir)
    content[0] = POURED.sub(lambda found: poured(edition(master_of(root, found["lab"])), found["lab"]), content[0])


class LabCell(SphinxDirective):
    """{lab-cell}: a cell of a student edition; a field to write in, or what stands there without Python in the page."""

    required_arguments, final_argument_whitespace = 2, False

    def run(self) -> list[nodes.Node]:
        master = master_of(Path(self.env.srcdir), self.arguments[0])
        self.env.note_dependency(str(master))
        cell = edition(master).cells[int(self.arguments[1])]
        if INSTALLS in cell.source:
            return []
        if not self.config.python_parts:
            return [nodes.literal_block(cell.source, cell.source, language="python")] if cell.cell_type == "code" else []
        return [nodes.raw("", field(cell), format="html")]


def field(cell: nbformat.NotebookNode) -> str:
    """A text field with a cell's source, and a place for its buttons and its output; a text begins empty."""
    name, text = name_of(cell), "" if cell.cell_type == "markdown" else cell.source
    kind = "words" if cell.cell_type == "markdown" else "tests" if is_tests(cell) else "answers"
    label = {"words": "Your words", "tests": f"Tests {name}", "answers": f"Code {name}"}[kind]
    rows, closed = max(text.count(NEWLINE) + 1, 2), " readonly" if kind == "tests" else ""
    area = (f'<textarea class="python-code" name="{escape(name)}" rows="{rows}" aria-label="{escape(label)}" '
            f'spellcheck="false" autocapitalize="off" autocomplete="off"{closed}>\n{escape(text)}</textarea>')
    place = cells.PLACE.format(cell=escape(name), how="run") if cell.cell_type == "code" else ""
    return f'<div class="python-cell python-{kind}">{area}{place}</div>'


class LabTools(SphinxDirective):
    """{lab-tools}: how to do the lab here, and the buttons that belong to the whole page."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        from labs.tools.pages import binder, colab

        lab = directives.unchanged_required(self.arguments[0])
        master = master_of(Path(self.env.srcdir), lab)
        elsewhere = f"[Colab]({colab(master)}) and [Binder]({binder(master)})"
        if not self.config.python_parts:
            return self.parse_text_to_nodes(f"This copy of the book was built without Python in its pages: {elsewhere} run the lab.")
        told = self.parse_text_to_nodes(
            "You can do this lab here: write, run, and download the notebook to hand in. The first *Run* loads Python, about ten "
            "megabytes, which needs no network where the book lies on your disk. "
            f"Your work stays in this browser until you start again. {elsewhere} run it as well, with the drawings.")
        return [*told, nodes.raw("", f'<div class="python-tools" data-lab="{escape(lab)}"></div>', format="html")]


# --- what the page's script must know ----------------------------------------------------


def tried(root: Path, master: Path) -> dict[str, Offer]:
    """Each code cell with the files that it opens, from a run of the edition with the reference's solutions in it."""
    written = {name_of(it): it.source for it in nbformat.read(master, as_version=4).cells}
    code = [it for it in edition(master).cells if it.cell_type == "code"]
    found = Trials(root).of([it.source if is_tests(it) else written[name_of(it)] for it in code])
    return {name_of(it): Offer("run", tuple(one["assets"])) for it, one in zip(code, found, strict=True)}


def lab_of(root: Path, docname: str) -> str | None:
    """The lab that a page holds."""
    source = root / f"{docname}.md"
    found = POURED.search(source.read_text("utf8")) if source.is_file() else None
    return found["lab"] if found else None


def tell_the_page(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """The page of a lab with its notebook, for the download."""
    root = Path(app.srcdir)
    lab = lab_of(root, pagename)
    if lab is None or not app.config.python_parts:
        return
    master = master_of(root, lab)
    names = {"names": [name_of(it) for it in edition(master).cells], "lab": lab}
    context["body"] += cells.describe(app, pagename, tried(root, master), names)
    context["body"] += cells.data_block("python-notebook", json.loads(nbformat.writes(edition(master))))
    cells.add_script(app, pagename)


def used_assets(app: Sphinx) -> set[str]:
    """The package's files that some lab opens."""
    root = Path(app.srcdir)
    labs = filter(None, (lab_of(root, name) for name in app.env.found_docs))
    return {name for lab in labs for it in tried(root, master_of(root, lab)).values() for name in it.assets}


def setup(app: Sphinx) -> None:
    app.add_directive("lab-cell", LabCell)
    app.add_directive("lab-tools", LabTools)
    app.connect("source-read", pour)
    app.connect("html-page-context", tell_the_page, priority=600)
