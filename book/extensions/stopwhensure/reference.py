"""The reference: every public name of a module with its signature and docstring, read from the source.

    .. module-reference:: chip            the classes, functions and named values of dtsnn_lite/chip.py
    .. module-summary:: chip cost         one line a module, with links: what it is for, and its names

Nothing is imported: torch would slow every build, and a default is shown as it was written.
What has no docstring is not listed, but for properties and named values.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

from .docstrings import indented, prose, restructured

PACKAGE = "dtsnn_lite"
LONG_DEFAULT = 30

Function = ast.FunctionDef | ast.AsyncFunctionDef


def path_of(root: Path, module: str) -> Path:
    """The file of a module, which is named without the package."""
    path = root / PACKAGE / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def is_public(name: str) -> bool:
    return not name.startswith("_")


def short(default: ast.expr) -> ast.expr:
    """A default that a signature can show: no long one, and no arithmetic, whose brackets Sphinx would lose."""
    inside = list(ast.walk(default))
    hidden = any(isinstance(it, ast.BinOp) or isinstance(it, ast.Name) and (it.id == "field" or not is_public(it.id)) for it in inside)
    return ast.Constant(...) if hidden or len(ast.unparse(default)) > LONG_DEFAULT else default


def decorators(node: Function | ast.ClassDef) -> set[str]:
    """The names of its decorators: `dataclass` of @dataclass(frozen=True)."""
    return {ast.unparse(it).partition("(")[0] for it in node.decorator_list}


def arguments(node: Function, is_method: bool = False) -> str:
    """(x, y=1) -> z; a method's own object is not given by hand."""
    given = node.args
    if is_method and "staticmethod" not in decorators(node):
        given.args = given.args[1:]
    given.defaults = [short(it) for it in given.defaults]
    given.kw_defaults = [it and short(it) for it in given.kw_defaults]
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"({ast.unparse(given)}){returns}"


def fields(node: ast.ClassDef) -> str:
    """What a dataclass is made of."""
    own = [it for it in node.body if isinstance(it, ast.AnnAssign) and "ClassVar" not in ast.unparse(it.annotation)]
    defaults = [f" = {ast.unparse(short(it.value))}" if it.value else "" for it in own]
    return "(" + ", ".join(f"{ast.unparse(it.target)}: {ast.unparse(it.annotation)}{default}"
                           for it, default in zip(own, defaults, strict=True)) + ")"


def class_arguments(node: ast.ClassDef) -> str:
    """What a class is made with; nothing where it does not say."""
    if "dataclass" in decorators(node):
        return fields(node)
    start = [it for it in node.body if isinstance(it, Function) and it.name == "__init__"]
    return arguments(start[0], is_method=True).partition(" -> ")[0] if start else ""


def entry(directive: str, head: str, node: ast.AST | None = None, options: tuple[str, ...] = (),
          inner: tuple[str, ...] = ()) -> Iterator[str]:
    """One name with its docstring and what belongs to it."""
    text = ast.get_docstring(node) if isinstance(node, Function | ast.ClassDef) else None
    yield from (f".. py:{directive}:: {head}", *indented(list(options)), "")
    yield from indented([*restructured(text or ""), *inner])
    yield ""


def of_method(node: Function) -> Iterator[str]:
    if "property" in decorators(node):
        kind = (f":type: {ast.unparse(node.returns)}",) if node.returns else ()
        yield from entry("property", node.name, node, kind)
    elif ast.get_docstring(node):
        kinds = tuple(f":{name}:" for name in ("classmethod", "staticmethod") if name in decorators(node))
        yield from entry("method", node.name + arguments(node, is_method=True), node, kinds)


def of_statement(node: ast.stmt) -> Iterator[str]:
    """A statement of a module, if it makes something public."""
    match node:
        case ast.FunctionDef(name=name) if is_public(name) and ast.get_docstring(node):
            yield from entry("function", name + arguments(node), node)
        case ast.ClassDef(name=name) if is_public(name) and ast.get_docstring(node):
            methods = [line for it in node.body if isinstance(it, Function) and is_public(it.name) for line in of_method(it)]
            yield from entry("class", name + class_arguments(node), node, inner=tuple(methods))
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if is_public(name) and not name.isupper():
            yield from entry("data", name, options=(f":value: {ast.unparse(value)}",))


def names_of(tree: ast.Module) -> list[str]:
    """The names that a module's reference lists, in its order."""
    return [name for node in tree.body for name in _listed(node)]


def _listed(node: ast.stmt) -> list[str]:
    heads = (line.partition(":: ")[2] for line in of_statement(node) if line.startswith(".. py:"))
    return [head.partition("(")[0] for head in heads]


class _OfModules(SphinxDirective):
    """A directive on modules of the package, named without it."""

    required_arguments, final_argument_whitespace = 1, True

    def lines(self, module: str, tree: ast.Module) -> Iterator[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        made = StringList()
        for module in self.arguments[0].split():
            path = path_of(Path(self.env.srcdir), module)
            if not path.is_file():
                raise self.error(f"{PACKAGE} has no module {module!r}")
            self.env.note_dependency(str(path))
            for line in self.lines(f"{PACKAGE}.{module}", ast.parse(path.read_text("utf8"))):
                made.append(line, str(path))
        into = nodes.container()
        self.state.nested_parse(made, 0, into)
        for found in into.findall(nodes.definition_list):
            found["classes"].append("meanings")
        return into.children


class ModuleReference(_OfModules):
    """Everything that a module offers."""

    def lines(self, module: str, tree: ast.Module) -> Iterator[str]:
        yield from (f".. py:module:: {module}", "", *restructured(ast.get_docstring(tree) or ""))
        for node in tree.body:
            yield from of_statement(node)


class ModuleSummary(_OfModules):
    """A module's first sentence and its names, all of them links."""

    def lines(self, module: str, tree: ast.Module) -> Iterator[str]:
        first = (ast.get_docstring(tree) or "").partition("\n")[0]
        links = ", ".join(f":py:obj:`{name} <{module}.{name}>`" for name in names_of(tree))
        yield from (f":py:mod:`{module.removeprefix(f'{PACKAGE}.')} <{module}>`",
                    f"   {prose(first)}", "", f"   {links}", "")


def link_named_type(app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, words: nodes.Element) -> nodes.Element | None:
    """A type of a signature that is a named value, as `Readout` is, not a class."""
    if node["refdomain"] != "py" or node["reftype"] != "class":
        return None
    found = [(name, it) for name, it in env.domaindata["py"]["objects"].items()
             if it.objtype == "data" and name.endswith(f".{node['reftarget']}")]
    if len(found) != 1:
        return None
    (name, it), = found
    return make_refnode(app.builder, node["refdoc"], it.docname, it.node_id, words, name)


def setup(app: Sphinx) -> None:
    """Two directives, and links that Sphinx's own domain does not find."""
    app.add_directive("module-reference", ModuleReference)
    app.add_directive("module-summary", ModuleSummary)
    app.connect("missing-reference", link_named_type)
