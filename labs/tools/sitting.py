"""A notebook taken at a desk behind a wall: cell after cell handed in from outside, and what each came to, under a watch.

The score is read out here: a test is passed if the desk returns the nonce that was drawn for it, in this run.
"""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import psutil

from labs.tools.exams import Paper
from labs.tools.poured import name_of
from labs.tools.walls import FILE_BYTES, IMAGE, PROCESSES, Wall, environment

LONGEST = 50_000        # bytes of an answer
MOST = 20_000_000       # bytes of all answers
GRACE = 20.0            # seconds after a cell's limit until the desk is ended
LOOK = 0.2              # seconds from one look at the processes to the next
PATIENCE = 2.0          # seconds in which what started a desk must end once the desk has
START = 120.0           # seconds in which a desk must be ready
STOPPED = "CellTimeoutError"
OURS = re.compile(r"dtsnn_lite(?:\.\w+)*")


@dataclass(frozen=True)
class Limits:
    """What a submission may take: seconds a cell, seconds in all, bytes of memory."""

    cell_seconds: int = 120
    seconds: int = 600
    memory_bytes: int = 4_000_000_000


@dataclass(frozen=True)
class Taken:
    """What came of a cell: nothing went wrong, or an error; line is where in the tests, 0 for no line of them."""

    error: str = ""
    message: str = ""
    line: int = 0


@dataclass
class Sitting:
    """What came of each cell so far, in their order, and why the desk was ended before the last; empty where it was not."""

    taken: list[Taken] = field(default_factory=list)
    stopped: str = ""


class Ended(Exception):
    """The desk does not answer any more."""


class Desk:
    """A desk as it is seen from outside: it is asked, watched and ended; nothing that it says is trusted."""

    def __init__(self, command: Sequence[str], folder: Path, limits: Limits) -> None:
        self.limits = limits
        self.why = ""               # the limit that was broken
        self.heard = 0
        self.until = time.monotonic() + START
        self.last = time.monotonic() + limits.seconds
        self.log = folder / "desk.log"
        with open(self.log, "wb") as log:
            # a session of its own: kill(0) reaches a whole group of processes, through the namespaces of a wall as well
            self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                            start_new_session=True)
        self.over = threading.Event()
        self.watchman = threading.Thread(target=self.watch, daemon=True)
        self.watchman.start()

    def ask(self, seconds: float, **request: object) -> Taken:
        """What comes of a request."""
        nonce = secrets.token_hex(16)
        self.until = time.monotonic() + seconds + GRACE
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(json.dumps({"nonce": nonce, "seconds": seconds, **request}).encode() + b"\n")
            self.process.stdin.flush()
        except OSError as gone:
            raise Ended from gone
        return self.answer_to(nonce)

    def answer_to(self, nonce: str) -> Taken:
        """The first line that bears the nonce; everything else that comes out of there is passed over."""
        assert self.process.stdout is not None
        while line := self.process.stdout.readline(LONGEST):
            self.heard += len(line)
            if self.heard > MOST:
                self.stop("stopped: it sent megabytes to the grader")
            answer = read(line)
            if answer.get("nonce") == nonce:
                return taken(answer)
        raise Ended

    def watch(self) -> None:
        """Ends the desk that takes longer, or more, than it may."""
        while not self.over.wait(LOOK):
            now = time.monotonic()
            family = self.family()
            if now > self.last:
                self.stop(f"stopped after {self.limits.seconds} seconds")
            elif now > self.until:
                self.stop(f"stopped: a cell went on after its limit of {self.limits.cell_seconds} seconds")
            elif sum(map(memory_bytes, family)) > self.limits.memory_bytes:
                self.stop(f"stopped above {self.limits.memory_bytes / 1e9:g} GB of memory")
            elif len(family) > PROCESSES:
                self.stop(f"stopped above {PROCESSES} processes")

    def stop(self, why: str) -> None:
        self.why = self.why or why
        self.end()

    def family(self) -> list[psutil.Process]:
        """Every process that the desk has started, wherever it has moved to: a wall and `FOSTER` keep orphans below them."""
        if self.process.poll() is not None:     # its number may be another's by now
            return []
        try:
            return list(filter(alive, psutil.Process(self.process.pid).children(recursive=True)))
        except psutil.Error:
            return []

    def end(self) -> None:
        """Kills all of them, those first that could start others, and looks again for what came meanwhile: what started them
        ends by itself when none is left, and is killed when none was seen for a while."""
        seen = time.monotonic()
        while self.process.poll() is None and time.monotonic() < seen + PATIENCE:
            for member in self.family():
                seen = time.monotonic()
                with_patience(member)
            time.sleep(0.01)
        self.process.kill()

    def close(self) -> None:
        self.over.set()
        self.watchman.join()
        self.end()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                try:
                    pipe.close()
                except OSError:     # what was still to be written has nobody to read it
                    pass


def alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def with_patience(process: psutil.Process) -> None:
    """Kills a process and waits until it is gone, so that it is not found again."""
    try:
        process.kill()
        process.wait(1)
    except psutil.Error:
        return


def memory_bytes(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def read(line: bytes) -> dict[str, Any]:
    """A line of JSON; nothing for any other line."""
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def taken(answer: Mapping[str, Any]) -> Taken:
    """An answer of any form: whatever is not an explicit `no error` is an error."""
    if "error" in answer and answer["error"] is None:
        return Taken()
    match answer.get("error"), answer.get("line"):
        case [str(name), str(message)], line:
            return Taken(name or "Error", message, line if isinstance(line, int) else 0)
    return Taken("Error", "the desk answered nonsense")


# --- a whole notebook -------------------------------------------------------------------


def modules_of(papers: Mapping[str, Paper]) -> list[str]:
    """What the tests import of the package: loaded before any cell, and put back before each test."""
    return sorted({found for paper in papers.values() for text in (*paper.given, paper.tests) for found in OURS.findall(text)})


@contextmanager
def desk(wall: Wall, limits: Limits, modules: Sequence[str], who: Mapping[str, str]) -> Iterator[Desk]:
    """A desk that is ready."""
    label = f"{IMAGE}-{secrets.token_hex(6)}"
    program = ["-m", "dtsnn_lite.classroom.desk", f"--file-bytes={FILE_BYTES}"]
    program += [f"--processes={PROCESSES}"] * wall.protects     # without a wall it would count all of yours
    with tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True) as folder:
        command = wall.command([*program, *modules], environment(**who), limits.memory_bytes, Path(folder), label)
        made = Desk(command, Path(folder), limits)
        try:
            yield made
        finally:
            wall.end(label)
            made.close()


def sitting(notebook: nbformat.NotebookNode, papers: Mapping[str, Paper], wall: Wall, limits: Limits, who: Mapping[str, str],
            known: Sequence[Taken] | None = None) -> Sitting:
    """What comes of a poured notebook's cells.

    known  what came of them before: then the tests are those that the student sees, and what was stopped is not run again
    """
    made = Sitting()
    with desk(wall, limits, modules_of(papers), who) as at:
        try:
            at.answer_to("ready")
            for n, cell in enumerate(notebook.cells):
                stopped = known is not None and known[n].error == STOPPED
                made.taken.append(known[n] if known and stopped else came_of(cell, papers, at, limits, known is not None))
        except Ended:
            made.stopped = at.why or "its kernel died"
    return made


def came_of(cell: nbformat.NotebookNode, papers: Mapping[str, Paper], at: Desk, limits: Limits, shown: bool) -> Taken:
    """What comes of one cell; nothing of texts, and of what installs the package in Colab."""
    paper = papers.get(name_of(cell))
    if paper:
        sat = {"given": paper.given, "tests": paper.shown if shown else paper.tests, "asked": paper.asked}
        return at.ask(limits.cell_seconds, sit=sat)
    if cell.cell_type == "code" and "google.colab" not in cell.source:
        return at.ask(limits.cell_seconds, run=cell.source)
    return Taken()
