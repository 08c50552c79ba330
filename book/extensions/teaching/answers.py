"""The answers of a page's questions: book/answers/<page>.toml, which is never published.

    [edp-doubling]
    answer = "(8 / 4) ** 2"                # a number, arithmetic, exp(x), fact('name'), or letters: "b", "a,c", "c,a,b"
    tolerance = 0.01                       # numbers only
    right = "Both factors double."
    [[edp-doubling.wrong]]
    answer = 2
    reply = "You multiplied energy by T but not delay: EDP grows as T squared."
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from math import exp
from pathlib import Path
from typing import Any

import tomllib

from dtsnn_lite.classroom.seals import Answer, Kind, SealedQuestion, seal_question

FOLDER = "book/answers"
OPERATIONS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.Pow: operator.pow,
}


def path_of(root: Path, page: str) -> Path:
    """The file of a page: book/lif -> book/answers/lif.toml."""
    return root / FOLDER / f"{Path(page).name}.toml"


def compute(text: str, fact: Callable[[str], float]) -> float:
    """The value of arithmetic, with exp(x), and fact('name') for measured numbers."""

    def value(node: ast.expr) -> float:
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -value(inner)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATIONS:
                return OPERATIONS[type(op)](value(left), value(right))
            case ast.Call(func=ast.Name(id="fact"), args=[ast.Constant(value=str() as name)]):
                return float(fact(name))
            case ast.Call(func=ast.Name(id="exp"), args=[power]):
                return exp(value(power))
        raise ValueError(f"an answer is a number, arithmetic, exp(x) or fact('name'); got {ast.unparse(node)}")

    return value(ast.parse(text, mode="eval").body)


def _answer(kind: Kind, entry: Mapping[str, Any], reply: str, fact: Callable[[str], float]) -> Answer:
    given = entry["answer"]
    if kind == "number":
        return Answer(compute(str(given), fact), reply)
    letters = tuple(letter.strip() for letter in given.split(","))
    return Answer(letters, reply)


def sealed(root: Path, page: str, name: str, kind: Kind, fact: Callable[[str], float], unit: str = "") -> SealedQuestion:
    """One question of a page, with its answers sealed."""
    entries = tomllib.loads(path_of(root, page).read_text("utf8"))
    if name not in entries:
        raise ValueError(f"{path_of(root, page).name} has no answer to {name!r}; it has {', '.join(entries)}")
    entry = entries[name]
    unknown = set(entry) - {"answer", "tolerance", "right", "wrong"}
    if unknown or "right" not in entry or "answer" not in entry:
        raise ValueError(f"{name}: an answer has `answer`, `right` and perhaps `tolerance` and `wrong`; got {', '.join(entry)}")
    right = _answer(kind, entry, entry["right"], fact)
    wrong = [_answer(kind, each, each["reply"], fact) for each in entry.get("wrong", [])]
    return seal_question(f"{Path(page).name}/{name}", kind, right, wrong, entry.get("tolerance", 0.0), unit)
