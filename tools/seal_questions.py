"""dtsnn_lite/assets/page_questions.json: the questions of the pages, sealed, for readers in a notebook."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from book.extensions.teaching.answers import sealed
from book.extensions.teaching.numbers import facts
from dtsnn_lite.classroom.questions import FILE
from dtsnn_lite.classroom.seals import Kind, SealedQuestion
from tools.prose import markdown_of, pages

ROOT = Path(__file__).resolve().parents[1]
CHECK = re.compile(r"^ *`{3,}\{check\} (?P<name>[\w-]+)\n(?P<options>(?: *:[\w-]+:.*\n)*)", re.M)


def asked(text: str) -> Iterator[tuple[str, Kind, str]]:
    """(name, kind, unit) of every check in a page's Markdown."""
    for found in CHECK.finditer(text):
        options = dict(re.findall(r":([\w-]+): *(.*)", found["options"]))
        yield found["name"], known_kind(options.get("kind", "number")), options.get("unit", "").strip()


def known_kind(word: str) -> Kind:
    """The kind of that name."""
    kinds: tuple[Kind, ...] = get_args(Kind)
    for kind in kinds:
        if kind == word:
            return kind
    raise ValueError(f"a question is one of {', '.join(kinds)}; got {word!r}")


def all_questions() -> list[SealedQuestion]:
    """Every question of the book, page by page."""
    value = {name: fact.value for name, fact in facts(ROOT).items()}.__getitem__
    return [sealed(ROOT, path.stem, name, kind, value, unit)
            for path in pages() for _, text in markdown_of(path) for name, kind, unit in asked(text)]


if __name__ == "__main__":
    made = all_questions()
    FILE.write_text(json.dumps([asdict(question) for question in made], indent=1) + "\n", "utf8")
    print(f"{len(made)} questions sealed")
