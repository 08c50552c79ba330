"""Loose numbers: percentages, ratios, energies and times of the prose that somebody typed by hand.

A number of our own is printed by {fact}, a published one is marked by {paper}, and a premise ("assume", the
numbers of an exercise, a 95 % interval) by {given}. Equations, code, link targets and the questions of {check} and
{predict} are no claims; the reading time in a chapter's header strip and the marks of an exercise are allowed.

    python -m tools.prose     every loose number of the book, and the fact that it may be
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"

NUMBER = r"(?<![\w.,^_-])[+\u2212~-]?\d[\d,]*(?:\.\d+)?(?:\s?(?:-|\u2013|to|and)\s?\d[\d,]*(?:\.\d+)?)?"
PREFIX = r"(?:[fpnum\u00b5k]|femto|pico|nano|micro|milli|kilo)?"
UNITS = {
    "percentage": r"\s?(?:%|percent\b|per cent\b|(?:percentage )?points?\b)",
    "ratio": r"(?:\s?(?:\u00d7|x)(?![\w.]|\s?\d)|[ -](?:times|fold)\b|fold\b)",
    "energy": rf"\s?{PREFIX}(?:J|joules?)\b",
    "time": rf"(?:\s{PREFIX}s\b|\s?[pnum\u00b5]s\b|[ -]{PREFIX}(?:seconds?|minutes?|hours?|days?)\b|\s(?:min|h)\b)",
    "mean timesteps": r"(?<=\.\d)\s(?:timesteps?|steps?)\b|(?<=\.\d\d)\s(?:timesteps?|steps?)\b",
}
WITH_UNIT = "|".join(f"(?P<{kind.replace(' ', '_')}>{NUMBER}(?:{unit}))" for kind, unit in UNITS.items())
LOOSE = re.compile(rf"{WITH_UNIT}|(?P<accuracy>\b(?:accuracy|error) (?:of |is |= ?)?0?\.\d+)")

# What is no claim. Each is blanked, so that lines and columns stay what they are.
FENCE = re.compile(r"^(?P<mark> *(?:`{3,}|:{3,}|~{3,}))(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=mark)[ \t]*$", re.M | re.S)
SILENT_DIRECTIVES = {"math", "code", "code-block", "code-cell", "bibliography", "facts-table", "eval-rst", "check", "toctree"}
READING_TIME = re.compile(r"\*\*Time:?\*\*:? (?:about )?\d+(?: to \d+)? minutes")
MARKS = re.compile(r"\(\d+ points?\)")  # what an exercise is worth
WITHIN = r"(?:(?!\n\s*\n).)"  # an equation or a code span ends with its paragraph, closed or not
SILENT = (
    re.compile(r"<!--.*?-->", re.S),
    re.compile(r"\$\$.*?\$\$", re.S),
    re.compile(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}", re.S),
    re.compile(rf"\{{[\w:+-]+\}}(`+)(?!`){WITHIN}*?(?<!`)\1(?!`)", re.S),
    re.compile(rf"(`+)(?!`){WITHIN}*?(?<!`)\1(?!`)", re.S),
    re.compile(rf"(?<![\\$])\$(?![\s$]){WITHIN}*?(?<![\s\\])\$(?!\d)", re.S),
    re.compile(r"(?<=\])\([^)\n]*\)"),
    re.compile(r"</?[a-zA-Z][^<>\n]*>"),
    re.compile(r"^:[\w-]+:.*$", re.M),
    READING_TIME,
    MARKS,
)


@dataclass(frozen=True)
class Loose:
    """A number that was typed by hand: where, what, and of which kind."""

    place: str
    line: int
    text: str
    kind: str

    def __str__(self) -> str:
        return (f"{self.place}, line {self.line}: {self.text!r} is a {self.kind} typed by hand; print it with {{fact}}, "
                f"mark it as published with {{paper}}, or as a premise with {{given}}{self._hint()}")

    def _hint(self) -> str:
        names = facts_that_read(self.text)
        return f" (it may be {{fact}}`{names[0]}`)" if names else ""


def facts_that_read(text: str) -> list[str]:
    """The facts that print as this."""
    plain = re.sub(r"[\s\u202f]", "", text)
    rows = json.loads((BOOK / "facts.json").read_text("utf8"))
    return [row["name"] for row in rows if row["text"].replace(" ", "") == plain]


def _blank(found: re.Match) -> str:
    """As many lines, and nothing on them."""
    return re.sub(r"[^\n]", " ", found[0])


def _open_fence(found: re.Match) -> str:
    """A fence without its marks: code says nothing, a directive's text is prose, a prediction's question is none."""
    directive = re.match(r"\s*\{([\w:-]+)\}", found["info"])
    if not directive or directive[1] in SILENT_DIRECTIVES:
        return _blank(found)
    body = found["body"]
    if directive[1] == "predict":
        question, dashes, reveal = body.partition("\n---\n")
        body = re.sub(r"[^\n]", " ", question + dashes) + reveal
    return "\n" + FENCE.sub(_open_fence, body)


def prose(markdown: str) -> str:
    """The text with everything blanked that is no claim, line for line."""
    text = FENCE.sub(_open_fence, markdown)
    for silent in SILENT:
        text = silent.sub(_blank, text)
    return text


def loose_numbers(markdown: str, place: str) -> Iterator[Loose]:
    """The numbers that were typed by hand."""
    text = prose(markdown)
    for found in LOOSE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Loose(place, line, " ".join(found[0].split()), found.lastgroup.replace("_", " "))


def markdown_of(path: Path) -> Iterator[tuple[str, str]]:
    """(place, Markdown) of a page: the file, or each Markdown cell."""
    if path.suffix == ".md":
        yield path.name, path.read_text("utf8")
        return
    for number, cell in enumerate(json.loads(path.read_text("utf8"))["cells"]):
        if cell["cell_type"] == "markdown":
            yield f"{path.name}, cell {number}", "".join(cell["source"])


def pages() -> list[Path]:
    """The pages of the book, and those about the labs that stand in it."""
    return sorted((*BOOK.glob("*.md"), *BOOK.glob("*.ipynb"), *(ROOT / "labs").glob("*.md")))


if __name__ == "__main__":
    found = [loose for path in pages() for place, text in markdown_of(path) for loose in loose_numbers(text, place)]
    print(*found, sep="\n")
    sys.exit(bool(found))
