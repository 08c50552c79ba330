"""Mutants: one fault at a time is put into a file, and its own tests must notice.

    pip install cosmic-ray
    python tools/mutants.py exits --seconds 600

Needs fork. A survivor is printed with its change: a test is missing, or the change is none.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import os
import random
import resource
import sys
import time
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path

import numpy  # noqa: F401 - imported once here, not in every child
import pytest
import torch  # noqa: F401 - likewise
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parents[1]


def meaning(source: str) -> str:
    """The program without its annotations, which nothing runs."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign):
            node.annotation = ast.Constant(0)
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
    return ast.dump(tree)


def mutants(source: str, seed: int = 0) -> Iterator[str]:
    """Programs that are one change away, in a random order."""
    seen, nodes = {meaning(source)}, list(ast_nodes(get_ast(source.encode())))
    operators = [operator() for operator in map(get_operator, sorted(operator_names())) if not operator.arguments()]
    places = [(operator, k) for operator in operators for k in range(sum(len(list(operator.mutation_positions(node))) for node in nodes))]
    random.Random(seed).shuffle(places)
    for operator, occurrence in places:
        mutated = mutate_code(source.encode(), operator, occurrence)
        if mutated and meaning(mutated) not in seen:
            seen.add(meaning(mutated))
            yield mutated


class Mutated(MetaPathFinder):
    """Finds one module of the package in a text instead of its file."""

    def __init__(self, name: str, source: str) -> None:
        self.name, self.source = name, source

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return spec_from_loader(name, self) if name == self.name else None      # type: ignore[arg-type]  # loader by duck

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: object) -> None:
        exec(compile(self.source, f"mutated {self.name}", "exec"), vars(module))


def killed(name: str, source: str, patience: int) -> bool:
    """Whether a test of the file's own fails, or the tests need more than `patience` seconds of the processor."""
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (patience, patience))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        sys.meta_path.insert(0, Mutated(f"dtsnn_lite.{name}", source))
        os._exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", f"tests/test_{name}.py"]))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a file of the package: exits, calibration, ...")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long to draw mutants, in an order that seed 0 gives")
    parser.add_argument("--patience", type=int, default=120, help="seconds of the processor after which a mutant counts as killed")
    a = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    source = (ROOT / "dtsnn_lite" / f"{a.name}.py").read_text("utf8")
    if killed(a.name, source, a.patience):
        raise SystemExit(f"the tests of {a.name} fail without any mutant")
    tried = survivors = 0
    end = time.monotonic() + a.seconds
    for mutant in mutants(source):
        if time.monotonic() > end:
            break
        tried += 1
        if not killed(a.name, mutant, a.patience):
            survivors += 1
            changes = difflib.unified_diff(source.splitlines(), mutant.splitlines(), n=0, lineterm="")
            print("survives", *(line for line in changes if line[:3] not in ("---", "+++")), sep="\n  ", flush=True)
    print(f"{a.name}: {tried} mutants, {tried - survivors} killed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
