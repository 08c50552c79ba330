"""Which names a cell binds and which it reads, without running it."""

from __future__ import annotations

import builtins
import symtable
from collections.abc import Iterator

from IPython.core.inputtransformer2 import TransformerManager


def scopes(source: str) -> Iterator[symtable.SymbolTable]:
    """The scopes of a cell, the notebook's own first; its magics as the calls that they are, none where it is no Python."""
    try:
        waiting = [symtable.symtable(TransformerManager().transform_cell(source), "<cell>", "exec")]
    except (SyntaxError, ValueError, RecursionError):
        return
    while waiting:
        scope = waiting.pop(0)
        yield scope
        waiting += scope.get_children()


def stands_alone(source: str) -> bool:
    """Whether a cell can be run by itself: no half of a statement, no rest of a function."""
    try:
        compile(TransformerManager().transform_cell(source), "<cell>", "exec")
    except (SyntaxError, ValueError, RecursionError):
        return False
    return not source.lstrip("\n")[:1].isspace()


def bound(source: str) -> set[str]:
    """The names that a cell assigns or defines, imports left out."""
    return {s.get_name() for scope in scopes(source) for s in scope.get_symbols()
            if s.is_assigned() and not s.is_imported() and (scope.get_type() == "module" or s.is_declared_global())}


def imported(source: str) -> set[str]:
    """The names that a cell imports."""
    return {s.get_name() for scope in scopes(source) for s in scope.get_symbols() if s.is_imported() and scope.get_type() == "module"}


def read(source: str) -> set[str]:
    """The notebook's names that a cell reads, those it binds itself and builtins left out."""
    names = {s.get_name() for scope in scopes(source) for s in scope.get_symbols()
             if s.is_referenced() and (scope.get_type() == "module" or s.is_global())}
    return names - bound(source) - imported(source) - set(dir(builtins))
