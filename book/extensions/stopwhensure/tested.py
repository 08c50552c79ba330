"""What the tests in a browser hold, told in their own words: a sentence whose test is gone stops the build.

    .. tested::                                       a list; each line is the address of a test in tests/browser
       test_pages::test_a_page_is_light               "A page is light (all pages)"

    {limit}`test_pages::PAGE_KB`                      600, a number that such a module names

Nothing is imported: the tests need a browser, the pages do not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective, SphinxRole

TESTS = "tests/browser"


def words(value: ast.expr, named: dict[str, ast.expr]) -> str:
    """What a parameter takes: the values, or a name for them; nothing where they have no words, as a state has none."""
    match value:
        case ast.Constant(value=str() | int() | float() as it):
            return str(it) if str(it)[:1].isalnum() else ""  # a selector is no word
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return ", ".join(filter(None, (words(element, named) for element in elements)))
        case ast.Starred(value=inside):
            return words(inside, named)
        case ast.Name(id=name) if name.isupper():
            return words(named[name], named) if name in named and is_literal(named[name]) else f"all {name.lower()}"
        case ast.Name(id=name):
            return name.replace("_", " ")
        case _:
            return ""


def is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True


def parameters(test: ast.FunctionDef, named: dict[str, ast.expr]) -> Iterator[str]:
    """`all pages` and `width px 360, 1280` of a test under @every_page and @everywhere, or of parametrize itself."""
    for decorator in test.decorator_list:
        match named.get(decorator.id) if isinstance(decorator, ast.Name) else decorator:
            case ast.Call(args=[ast.Constant(value=str(name)), values], keywords=keywords):
                ids = next((it.value for it in keywords if it.arg == "ids" and is_literal(it.value)), None)
                said = words(ids or values, named)
                yield said if ids or said.startswith("all ") or not said else f"{name.replace('_', ' ')} {said}"


class Module:
    """A file of tests, read and not imported."""

    def __init__(self, text: str) -> None:
        tree = ast.parse(text)
        self.about = (ast.get_docstring(tree) or "").partition("\n\n")[0].replace("\n", " ")
        self.tests = {it.name: it for it in tree.body if isinstance(it, ast.FunctionDef) and it.name.startswith("test_")}
        self.named = {ast.unparse(it.targets[0]): it.value for it in tree.body if isinstance(it, ast.Assign)}

    def sentence(self, name: str) -> str:
        """`A page is light (all pages)`; KeyError where there is no such test."""
        said = name.removeprefix("test_").replace("_", " ")
        over = "; ".join(filter(None, parameters(self.tests[name], self.named)))
        return said[0].upper() + said[1:] + (f" ({over})" if over else "")

    def limit(self, name: str) -> str:
        """`600`, or `360 and 1280`; KeyError where there is no such number."""
        value = ast.literal_eval(self.named[name])
        return " and ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def module(env: BuildEnvironment, name: str) -> Module:
    """A file of tests/browser; the page is read again when it changes. KeyError where there is none."""
    path = Path(env.srcdir) / TESTS / f"{name}.py"
    env.note_dependency(str(path))
    if not path.is_file():
        raise KeyError(name)
    return Module(path.read_text("utf8"))


class Tested(SphinxDirective):
    """{tested}: the tests of its lines as sentences, under what their files are about."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        listed = nodes.definition_list()
        addresses = [line.strip().partition("::")[::2] for line in self.content if line.strip()]
        for file, tests in groupby(addresses, key=lambda address: address[0]):
            told = nodes.bullet_list()
            for _, name in tests:
                try:
                    found = module(self.env, file)
                    told += nodes.list_item("", nodes.paragraph("", found.sentence(name)))
                except KeyError as error:
                    raise self.error(f"no test {file}::{name} in {TESTS}") from error
            listed += nodes.definition_list_item("", nodes.term("", found.about), nodes.definition("", told))
        return [listed]


class Limit(SphinxRole):
    """{limit}: a number that a module of tests names."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        file, _, name = self.text.partition("::")
        try:
            return [nodes.Text(module(self.env, file).limit(name))], []
        except (KeyError, ValueError):
            report = self.inliner.reporter.error(f"no number {self.text} in {TESTS}", line=self.lineno)
            return [nodes.problematic(self.rawtext, self.rawtext)], [report]


def setup(app: Sphinx) -> None:
    app.add_directive("tested", Tested)
    app.add_role("limit", Limit())
