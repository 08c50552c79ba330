"""Code cells with lines of at most 80 letters, the width of a page's column: `python -m tools.wrap book/*.ipynb`.

A long line is broken where brackets allow it, after a comma or before an operator; a comment at its end moves above it, and a long
text is written in two parts. What a cell does stays the same, to the last node of its syntax tree.
A cell that would grow beyond what one reads at a glance stays as it is, and the page lets its lines go on below.
"""

from __future__ import annotations

import ast
import io
import json
import re
import sys
import textwrap
import tokenize
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

LETTERS = 80
CODE_LINES = 20         # of a cell, blank ones and comments not counted (tests/test_architecture.py)
OPENING, CLOSING = "([{", ")]}"
SHORTEST = 16            # letters of a line that is worth breaking
CLAUSES = {"for", "if", "else", "and", "or"}
OPERATORS = {"+", "-", "*", "/", "//", "@", "|", "&", "==", "<", ">", "<=", ">=", "!="}
WORTH_AN_INDENT = 40     # behind a bracket further to the right than this, a continuation is indented by four instead


@dataclass(frozen=True, order=True)
class Break:
    """A place where a line may end, the better the smaller: in a subscript only if need be, in few brackets rather than in many,
    after a comma (0) rather than before a clause (1) or an operator (2), and as far to the right as it fits."""

    in_subscript: bool
    depth: int
    kind: int
    minus_column: int
    indent: int


def long_lines(source: str) -> list[str]:
    """The lines that a page would cut."""
    return [line for line in source.split("\n") if len(line) > LETTERS]


def tokens(source: str) -> list[tokenize.TokenInfo]:
    """The tokens of a cell. From Python 3.12 on an f-string comes in parts; here it is one text, as before."""
    found: list[tokenize.TokenInfo] = []
    open_texts: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        name = tokenize.tok_name[token.type]
        if name == "FSTRING_START":
            open_texts.append(token)
        elif name == "FSTRING_END":
            begin = open_texts.pop()
            if not open_texts:
                found.append(begin._replace(type=tokenize.STRING, string=between(source, begin.start, token.end), end=token.end))
        elif not open_texts:
            found.append(token)
    return found


def between(source: str, start: tuple[int, int], end: tuple[int, int]) -> str:
    """What stands from one place (row from 1, column from 0) to another."""
    lines = source.split("\n")[start[0] - 1:end[0]]
    lines[-1] = lines[-1][:end[1]]
    return "\n".join([lines[0][start[1]:], *lines[1:]])


def kind_of(before: tokenize.TokenInfo, token: tokenize.TokenInfo) -> int | None:
    """0 after a comma, 1 before a clause, 2 before an operator between two values."""
    if before.string == ",":
        return 0
    if before.string in OPENING or token.start[1] == before.end[1]:
        return None
    if token.string in CLAUSES:
        return 1
    return 2 if token.string in OPERATORS else None


def breaks(found: list[tokenize.TokenInfo], row: int, line: str) -> list[Break]:
    """Every place where a line of a cell may be broken."""
    own = len(line) - len(line.lstrip())
    stack: list[tuple[int, bool]] = []       # for each open bracket: where a continuation begins, and whether it is a subscript
    naming: set[int] = set()                 # how deep the names of a `for` stand, which stay together
    places = []
    for before, token in pairwise(found):
        depth, opens = len(stack), token.type == tokenize.OP and token.string in OPENING
        here = before.end[0] == row == token.start[0] and token.type not in (tokenize.NEWLINE, tokenize.NL, tokenize.COMMENT)
        if here and stack and token.string not in CLOSING and not naming & set(range(depth + 1)):
            kind = kind_of(before, token)
            if kind is not None:
                places.append(Break(any(subscript for _, subscript in stack), depth, kind, -before.end[1], stack[-1][0]))
        if token.string == "for":
            naming.add(depth)
        elif token.string == "in":
            naming.discard(depth)
        if opens:
            is_value = before.type == tokenize.NAME and before.string not in ("in", "return")
            is_subscript = token.string == "[" and (is_value or before.string in CLOSING)
            column = token.end[1] if token.end[1] <= WORTH_AN_INDENT else own + 4
            stack.append((column if token.start[0] == row else own, is_subscript))
        elif token.type == tokenize.OP and token.string in CLOSING and stack:
            stack.pop()
    return places


def with_comment_above(source: str, found: list[tokenize.TokenInfo], row: int) -> str | None:
    """The cell with the comment of this line on lines of its own, if it has one."""
    lines = source.split("\n")
    comment = next((it for it in found if it.type == tokenize.COMMENT and it.start[0] == row), None)
    if comment is None:
        return None
    code = lines[row - 1][:comment.start[1]].rstrip()
    indent = " " * (len(lines[row - 1]) - len(lines[row - 1].lstrip()))
    words = comment.string.lstrip("# ")
    above = textwrap.wrap(words, LETTERS, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ", break_long_words=False)
    lines[row - 1:row] = [*above, code] if code else above
    return "\n".join(lines)


STRING = re.compile(r"""(?P<prefix>[fFrR]*)(?P<quote>["'])(?!(?P=quote){2})(?P<text>.*)(?P=quote)""")


def blanks(text: str) -> list[int]:
    """Where a text may be cut: behind each blank that stands in no braces and in no name of a character."""
    depth, places = 0, []
    for column, letter in enumerate(text, 1):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == " " and depth == 0 and 1 < column < len(text):
            places.append(column)
    return places


def with_text_in_two(source: str, found: list[tokenize.TokenInfo], row: int) -> str | None:
    """The cell with the last long text of this line in two parts, in brackets where it has none."""
    lines = source.split("\n")
    line, depth, at = lines[row - 1], 0, None
    for token in found:
        if token.type == tokenize.OP:
            depth += (token.string in OPENING) - (token.string in CLOSING)
        if token.type == tokenize.STRING and token.start[0] == token.end[0] == row and token.end[1] > LETTERS - 2:
            at = at or (token, depth)
    if at is None or (match := STRING.fullmatch(at[0].string)) is None:
        return None
    (token, deep), begin, quote = at, f"{match['prefix']}{match['quote']}", match["quote"]
    before, after = line[:token.start[1]], line[token.end[1]:]
    if deep == 0:
        if after or not before.rstrip().endswith(("return", "=")):
            return None
        before, after = f"{before}(", ")"
    room = LETTERS - 1 - len(before) - len(begin)
    fitting = [column for column in blanks(match["text"]) if column <= room]
    if not fitting:
        return None
    cut = fitting[-1]
    head, tail = match["text"][:cut], match["text"][cut:]
    lines[row - 1:row] = [f"{before}{begin}{head}{quote}", f"{' ' * len(before)}{begin}{tail}{quote}{after}"]
    return "\n".join(lines)


def with_brackets(line: str) -> str | None:
    """A line whose imported names, or whose value, stand in brackets; None where it has neither, or is no whole statement."""
    match = re.fullmatch(r"(\s*from \S+ import )([^()]+)", line) or re.fullmatch(r"(\s*(?:return|[\w, .\[\]\"']+ [-+*/]?=) )(.+)", line)
    if match is None or match[2].startswith("("):
        return None
    made = f"{match[1]}({match[2]})"
    try:
        before, after = (ast.dump(ast.parse(textwrap.dedent(text))) for text in (line, made))
    except SyntaxError:
        return None
    return made if before == after else None


def is_several(line: str) -> bool:
    """Whether a line is a statement whose value has parts outside all brackets: a, b or a + b."""
    try:
        (statement,) = ast.parse(textwrap.dedent(line)).body
    except (SyntaxError, ValueError):
        return False
    return isinstance(getattr(statement, "value", None), (ast.Tuple, ast.BinOp, ast.IfExp, ast.BoolOp, ast.Compare))


def with_docstring_in_two(line: str) -> str | None:
    """A docstring on two lines."""
    match = re.fullmatch(r'( *)"""([^"]+)"""', line)
    if match is None:
        return None
    words = textwrap.wrap(f'"""{match[2]}"""', LETTERS, initial_indent=match[1], subsequent_indent=match[1], break_long_words=False)
    return "\n".join(words)


def meaning(source: str) -> str:
    """The syntax tree as text, the blanks in docstrings apart."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and (words := ast.get_docstring(node)):
            node.body[0] = ast.Expr(ast.Constant(" ".join(words.split())))
    return ast.dump(tree)


def code_lines(source: str) -> int:
    """How many lines of a cell are code."""
    return sum(1 for line in source.split("\n") if line.strip() and not line.strip().startswith("#"))


def fitting(source: str, row: int) -> list[Break]:
    """Where this line may be broken so that what stays is neither too long nor too short."""
    line = source.split("\n")[row - 1]
    earliest = len(line) - len(line.lstrip()) + SHORTEST
    return [place for place in breaks(tokens(source), row, line) if max(place.indent + 1, earliest) <= -place.minus_column <= LETTERS]


def once(source: str, row: int) -> str | None:
    """The cell with one of its lines made shorter; None where that cannot be."""
    found, lines = tokens(source), source.split("\n")
    moved = with_comment_above(source, found, row)
    if moved is not None and moved != source:
        return moved

    def put(text: str) -> str:
        return "\n".join([*lines[:row - 1], text, *lines[row:]])

    line, places = lines[row - 1], fitting(source, row)
    if (told := with_docstring_in_two(line)) is not None and told != line:
        return put(told)
    if (not places or is_several(line)) and (bracketed := with_brackets(line)) is not None and fitting(put(bracketed), row):
        return put(bracketed)
    if not places:
        return with_text_in_two(source, found, row)
    best = min(places)
    return put(f"{line[:-best.minus_column].rstrip()}\n{' ' * best.indent}{line[-best.minus_column:].lstrip()}")


def wrapped(source: str) -> str:
    """A cell that does the same, its lines at most 80 letters long where they can be; a cell that would be too long stays."""
    if re.search(r"^\s*[%!]", source, re.M):
        return source       # Jupyter's own commands are no Python
    stuck: set[str] = set()
    now = source
    while True:
        row = next((n for n, line in enumerate(now.split("\n"), 1) if len(line) > LETTERS and line not in stuck), None)
        if row is None:
            break
        shorter = once(now, row)
        if shorter is None:
            stuck.add(now.split("\n")[row - 1])
        else:
            now = shorter
    if meaning(now) != meaning(source):
        raise RuntimeError(f"wrapping would change what this cell does:\n{source}")
    return now if code_lines(now) <= max(CODE_LINES, code_lines(source)) else source


def main(paths: list[str]) -> int:
    """The notebooks rewritten; 1 if a line is still too long."""
    left = 0
    for path in map(Path, paths):
        notebook = json.loads(path.read_text("utf8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                made = wrapped("".join(cell["source"]))
                cell["source"] = made.splitlines(keepends=True)
                for line in long_lines(made):
                    left += 1
                    print(f"{path.name}: {line.strip()}", file=sys.stderr)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf8")
    return int(left > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
