"""Mutants: one fault at a time is put into a file, and its own tests must notice.

    pip install cosmic-ray
    python tools/mutants.py exits --seconds 600
    python tools/mutants.py reinforce --tests "tests/test_reinforce.py -k 'not sampled'" --then "tests/test_reinforce.py -k sampled"

Needs fork. A survivor is printed with its change: a test is missing, or the change is none.
`--tests` is what pytest is told instead of the file's own tests, `--then` what else a mutant must survive that is still alive.
Seconds are the processor's, so a busy machine draws as many.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import gc
import os
import random
import resource
import shlex
import sys
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import entry_points
from importlib.util import spec_from_loader
from pathlib import Path

import hypothesis  # noqa: F401 - imported once here, not in every child
import numpy  # noqa: F401 - likewise
import pytest
import torch  # noqa: F401 - likewise
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parents[1]
UNMUTATED_SECONDS = 300


def meaning(source: str) -> str:
    """The program without its annotations, which nothing runs."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign):
            node.annotation = ast.Constant(0)
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
    return ast.dump(tree)


def mutants(source: str, seed: int = 0) -> tuple[int, Iterator[str]]:
    """How many places can change, and the programs that are one change away, in a random order.

    A change of an annotation, or one that was made before, is passed over: there are fewer programs than places.
    """
    seen, nodes = {meaning(source)}, list(ast_nodes(get_ast(source.encode())))
    operators = [operator() for operator in map(get_operator, sorted(operator_names())) if not operator.arguments()]
    places = [(operator, k) for operator in operators for k in range(sum(len(list(operator.mutation_positions(node))) for node in nodes))]
    random.Random(seed).shuffle(places)

    def changed() -> Iterator[str]:
        for operator, occurrence in places:
            mutated = mutate_code(source.encode(), operator, occurrence)
            if mutated and meaning(mutated) not in seen:
                seen.add(meaning(mutated))
                yield mutated

    return len(places), changed()


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


def processor_seconds() -> float:
    """What the children that have ended took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def killed(name: str, source: str, tests: list[str], patience: int) -> bool:
    """Whether a test fails, or the tests need more than `patience` seconds of the processor."""
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (patience, patience))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        sys.meta_path.insert(0, Mutated(f"dtsnn_lite.{name}", source))
        os._exit(pytest.main(["-qx", "--assert=plain", "-pno:cacheprovider", "-pno:unraisableexception", *tests]))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a file of the package: exits, calibration, ...")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long to draw mutants, in an order that seed 0 gives")
    parser.add_argument("--tests", help="what pytest is told: the quick tests")
    parser.add_argument("--then", help="and once more, for a mutant that is still alive: the slow ones")
    a = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    for plugin in entry_points(group="pytest11"):
        plugin.load()                                   # once here, not in every child
    gc.freeze()
    source = (ROOT / "dtsnn_lite" / f"{a.name}.py").read_text("utf8")
    rounds = [shlex.split(tests) for tests in (a.tests or f"tests/test_{a.name}.py", a.then) if tests]
    if any(killed(a.name, source, tests, UNMUTATED_SECONDS) for tests in rounds):
        raise SystemExit(f"the tests of {a.name} fail without any mutant, or take more than {UNMUTATED_SECONDS} s")
    patience = 10 + 3 * int(processor_seconds())        # a mutant that takes so much longer runs for ever
    places, changed = mutants(source)
    print(f"{a.name}: {places} places; the tests take {processor_seconds():.1f} s", flush=True)
    tried = survivors = 0
    end = processor_seconds() + a.seconds
    for mutant in changed:
        if processor_seconds() > end:
            break
        tried += 1
        if not any(killed(a.name, mutant, tests, patience) for tests in rounds):
            survivors += 1
            changes = difflib.unified_diff(source.splitlines(), mutant.splitlines(), n=0, lineterm="")
            print("survives", *(line for line in changes if line[:3] not in ("---", "+++")), sep="\n  ", flush=True)
    print(f"{a.name}: {tried} mutants of {places} places, {tried - survivors} killed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
