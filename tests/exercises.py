"""What the tests of the coding exercises share: a chapter as its reader has it, and how an exercise is judged."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

BOOK = Path(__file__).resolve().parents[1] / "book"
NAMES = {}


def chapter(name: str) -> dict:
    """What a reader has after running a chapter up to its exercises, explorers and timings left out."""
    if name not in NAMES:
        space: dict = {}
        for cell in json.loads((BOOK / f"{name}.ipynb").read_text("utf8"))["cells"]:
            source = "".join(cell["source"])
            if source.startswith(("## When this fails", "## Where the field disagrees")):
                break
            if cell["cell_type"] == "code" and not any(word in source for word in ("%pip", "Explorer(", "seconds(", "history")):
                exec(source, space)
        plt.close("all")
        NAMES[name] = space
    return NAMES[name]


def judged(exercises: Sequence[tuple[str, str, str, Callable, Callable]]) -> Callable:
    """The test of exercises (page, name of the check, name of the stub, right answer, near miss)."""
    @pytest.mark.parametrize("page, check, stub, right, wrong", exercises, ids=[each[1] for each in exercises])
    def test(page, check, stub, right, wrong):
        space = chapter(page)
        assert space[check](right(space)).startswith("right")
        assert space[check](space[stub]).startswith("not yet: ")
        assert space[check](wrong(space)).startswith("not yet: ")
    return test
