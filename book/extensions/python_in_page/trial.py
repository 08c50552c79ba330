"""Which code cells of a page run without torch, matplotlib and a browser's other gaps: all are tried, in order, while the book is built.

python trial.py < {"cells": [source, ...], "shapes": {...}, "asset_bytes": n}     ->  [{"ended": ..., "assets": [...], ...}, ...]

A cell that stops where it draws keeps the names that it had until then, as in the page; one that fails leaves none behind.
What a cell opens of the package's assets is what the page must bring along for it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Literal, TypedDict

from shore import PACKAGE, NotInThePage, Session

SLOW_SECONDS = 10.0         # of CPython's processor; a browser takes two to four times as long


class Tried(TypedDict):
    """What became of a cell.

    ended   "runs"; "stops" at something that a page has not got; "fails", which takes too long or too much, too
    assets  the package's files that it opens and no cell before it
    """

    ended: Literal["runs", "stops", "fails"]
    output: list[list[str]]
    assets: list[str]


class Opened:
    """The package's assets that are read, as an audit hook hears of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.names = folder, set[str]()
        sys.addaudithook(self.note)

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and str(arguments[0]).startswith(str(self.folder)):
            self.names.add(Path(str(arguments[0])).relative_to(self.folder).as_posix())

    def bytes(self) -> int:
        return sum((self.folder / name).stat().st_size for name in self.names)


def try_cells(cells: list[str], shapes: dict[str, Any], asset_bytes: int, folder: Path) -> list[Tried]:
    """Every cell of a page, run in order in this process."""
    output: list[list[str]] = []
    session = Session(lambda kind, text: output.append([kind, text]), shapes)
    opened, tried = Opened(folder / PACKAGE / "assets"), []
    for number, source in enumerate(cells, 1):
        names, known, begun = dict(session.names), set(opened.names), time.process_time()
        error = session.run(source, f"cell {number}")
        ended: Literal["runs", "stops", "fails"] = "stops" if error == NotInThePage.__name__ else "fails" if error else "runs"
        if ended == "fails" or time.process_time() - begun > SLOW_SECONDS or opened.bytes() > asset_bytes:
            ended, session.names, opened.names = "fails", names, set(known)
        tried.append(Tried(ended=ended, output=list(output), assets=sorted(opened.names - known)))
        output.clear()
    return tried


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    print(json.dumps(try_cells(asked["cells"], asked["shapes"], asked["asset_bytes"], Path.cwd())))
