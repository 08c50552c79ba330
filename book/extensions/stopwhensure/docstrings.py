"""The package's docstrings as reStructuredText: plain text with its own habits, which must read well on a phone too.

A docstring is a row of blocks, each of one of four kinds:

    prose       flows; `name` is code, and no other sign means anything
    meanings    lines of `name  meaning`, aligned: a list of definitions
    as it is    equations and what is set in columns: lines and blanks are kept
    example     what begins with >>>
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

GAP = re.compile(r"(?<=\S) {2,}(?=\S)")
MEANING = re.compile(r"(?P<names>\w(?:[^=<>|]*[^=<>|\s])?) {2,}(?P<meaning>[^\s|].*)")
EQUATION = re.compile(r"[\w(][^.:;`]{0,24}? = \S")
SIGNS = re.compile(r"([\\*_|]|(?<=:):)")
EQUATION_LETTERS = 100

Meanings = list[tuple[str, str]]


def blocks(docstring: str) -> Iterator[list[str]]:
    """What stands between blank lines."""
    for is_text, lines in groupby(docstring.expandtabs().splitlines(), key=lambda line: bool(line.strip())):
        if is_text:
            yield list(lines)


def meaning_column(lines: list[str]) -> int | None:
    """Where the meanings of a list begin: its first line has one gap, and a name before it."""
    found = MEANING.fullmatch(lines[0])
    return found.start("meaning") if found and len(GAP.findall(lines[0])) == 1 else None


def is_kept(lines: list[str]) -> bool:
    """Whether lines and blanks mean something: indented, in columns, or an equation."""
    if lines[0].startswith(" ") or any(len(GAP.findall(line.strip())) > 1 for line in lines):
        return True
    if meaning_column(lines) is not None:
        return False
    return any(GAP.search(line.strip()) or " | " in line for line in lines) or all(
        EQUATION.match(line) and len(line) < EQUATION_LETTERS for line in lines)


def is_set(line: str) -> bool:
    """Whether a line is one of those for whose sake its block is kept as it is."""
    return bool(line.startswith(" ") or GAP.search(line) or " | " in line or EQUATION.match(line))


def take_meanings(lines: list[str]) -> tuple[Meanings, list[str]]:
    """(name, meaning) of a list's lines, and the lines of prose that follow it."""
    column = meaning_column(lines)
    found: Meanings = []
    for number, line in enumerate(lines):
        if line.startswith(" "):
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
        elif match := MEANING.fullmatch(line):
            found.append((match["names"], match["meaning"]))
        elif column and line[column - 1:column] == " " and " " not in line[:column - 1]:   # the longest name leaves one blank
            found.append((line[:column - 1], line[column:]))
        else:
            return found, lines[number:]
    return found, []


def prose(text: str) -> str:
    """Text of which nothing but `name` means anything; the escaped blank keeps its first sign from opening a list."""
    parts = text.split("`")
    if len(parts) % 2 == 0:                                         # one that is never closed is a sign like others
        return "\\ " + "\\`".join(SIGNS.sub(r"\\\1", part) for part in parts)
    return "\\ " + "".join(code(part) if n % 2 else SIGNS.sub(r"\\\1", part) for n, part in enumerate(parts))


def code(text: str) -> str:
    """A name in the text, whatever stands beside it."""
    return f"\\ ``{text.strip()}``\\ " if text.strip() else ""


def indented(lines: list[str]) -> list[str]:
    return [f"   {line}".rstrip() for line in lines]


def of_block(lines: list[str]) -> Iterator[str]:
    """One block."""
    if lines[0].lstrip().startswith(">>>"):
        yield from (*lines, "")
    elif is_kept(lines):
        end = 1 + max(number for number, line in enumerate(lines) if is_set(line))
        margin = min(len(line) - len(line.lstrip()) for line in lines)
        yield from (".. code-block:: text", "", *indented([line[margin:] for line in lines[:end]]), "")
        if lines[end:]:
            yield from of_block(lines[end:])
    elif meaning_column(lines) is not None:
        meanings, rest = take_meanings(lines)
        for name, meaning in meanings:
            yield from (code(name).strip("\\ "), f"   {prose(meaning)}")
        yield ""
        if rest:
            yield from of_block(rest)
    else:
        yield from (prose(" ".join(lines)), "")


def restructured(docstring: str) -> list[str]:
    """The lines of a docstring (without its margin) as reStructuredText."""
    return [line for block in blocks(docstring) for line in of_block(block)]
