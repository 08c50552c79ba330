"""The questions of the book's pages, for readers who are in a notebook, where the page's own script does not run.

    from dtsnn_lite.classroom.questions import answer
    answer("why_timesteps/edp-falls", 75)
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from dtsnn_lite.classroom.seals import SealedQuestion
from dtsnn_lite.files import ASSETS

FILE = ASSETS / "page_questions.json"


@cache
def questions(path: Path = FILE) -> dict[str, SealedQuestion]:
    """Every question by page/name, its answers sealed."""
    entries = json.loads(path.read_text("utf8"))
    return {entry["salt"]: SealedQuestion(**{**entry, "seals": tuple(map(tuple, entry["seals"]))}) for entry in entries}


def answer(name: str, given: float | str) -> None:
    """Prints whether an answer is right, and why: a number, or letters such as "b", "a,c" (a set), "c,a,b" (an order)."""
    known = questions()
    if name not in known:
        near = get_close_matches(name, known, n=3, cutoff=0.3)
        raise KeyError(f"no question {name!r}; did you mean {', '.join(near) or ', '.join(known)}?")
    verdict = known[name].check(given if isinstance(given, str) else repr(float(given)))
    print(f"{'Right.' if verdict.right else 'Not yet.'} {verdict.reply}".strip())
