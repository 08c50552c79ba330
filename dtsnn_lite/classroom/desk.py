"""The desk at which a notebook is taken: runs what a grader hands in, cell by cell, and says what each came to.

python -m dtsnn_lite.classroom.desk [--file-bytes N] [--processes N] [module ...]
                                    behind a wall; the grader stands outside of it (labs/tools/sitting.py)

A line of JSON in, a line of JSON out, both with the grader's nonce; the first line out says that the desk is ready:
    {"nonce": n, "seconds": s, "run": source}                            ->  {"nonce": n, "error": null or [name, message]}
    {"nonce": n, "seconds": s, "sit": {"given", "tests", "asked"}}       ->  the same, and the "line" of the tests that failed
No cell can answer for a test before the test has come: its nonce is drawn for it.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import importlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType, FunctionType, TracebackType
from typing import Any, BinaryIO

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from dtsnn_lite.classroom.exam import sit

AGAIN = 5.0         # seconds after which a cell that caught its interruption is interrupted again
LONGEST = 1000      # characters of a message


class CellTimeoutError(KeyboardInterrupt):
    """A cell ran longer than its limit; no `except Exception` catches it."""


class Shell(InteractiveShell):
    """IPython without a history and without tracebacks on the screen."""

    def showtraceback(self, *_: Any, **__: Any) -> None:
        return

    def ask_exit(self) -> None:
        raise SystemExit("exit() ends the notebook before its end")


class Pristine:
    """The package, builtins and os as they were before any cell ran: put back before each test, whatever a cell has done to them."""

    def __init__(self, names: Sequence[str]) -> None:
        for name in names:
            importlib.import_module(name)
        package = __package__.split(".")[0]
        ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] == package}
        self.modules = {name: (module, dict(vars(module))) for name, module in [*ours.items(), ("builtins", builtins), ("os", os)]}
        self.environment = dict(os.environ)
        made_here = [part for module in ours.values() for part in vars(module).values()
                     if str(getattr(part, "__module__", "")).split(".")[0] == package]
        self.classes = {part: dict(vars(part)) for part in made_here if isinstance(part, type)}
        methods = [part for names_ in self.classes.values() for part in names_.values()]
        self.functions = {part: (part.__code__, part.__defaults__) for part in [*made_here, *methods] if isinstance(part, FunctionType)}

    def put_back(self) -> None:
        for name, (module, names) in self.modules.items():
            sys.modules[name] = module
            vars(module).update(names)
        for class_, parts in self.classes.items():
            for name in [name for name, part in parts.items() if vars(class_).get(name) is not part]:
                setattr(class_, name, parts[name])
            for name in vars(class_).keys() - parts.keys():
                with contextlib.suppress(AttributeError, TypeError):        # Python's own caches stay
                    delattr(class_, name)
        for function, (code, defaults) in self.functions.items():
            function.__code__, function.__defaults__ = code, defaults
        os.environ.clear()
        os.environ.update(self.environment)


class Desk:
    """A notebook's namespace, the exam's beside it, and what both may rely on."""

    def __init__(self, modules: Sequence[str]) -> None:
        config = Config()
        config.HistoryManager.enabled = False
        self.shell = Shell.instance(config=config)
        self.names: dict[str, object] = {"__name__": "__exam__"}
        self.pristine = Pristine(modules)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """What came of one request."""
        try:
            with at_most(request["seconds"]):
                error = self.taken(request["sit"]) if "sit" in request else self.run(request["run"])
                return {"nonce": request["nonce"], "error": error and said(error), "line": error and line_of(error.__traceback__)}
        except CellTimeoutError as late:
            return {"nonce": request["nonce"], "error": [type(late).__name__, ""], "line": 0}

    def run(self, source: str) -> BaseException | None:
        """A cell; its error, if it has one."""
        result = self.shell.run_cell(source, store_history=True)
        return result.error_before_exec or result.error_in_exec

    def taken(self, paper: dict[str, Any]) -> BaseException | None:
        """A graded cell."""
        self.pristine.put_back()
        try:
            sit(**paper, student=self.shell.user_ns, names=self.names)
        except BaseException as error:
            return error
        return None


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """CellTimeoutError after so many seconds, and again for whoever catches it; the grader ends what goes on nevertheless."""
    if not hasattr(signal, "setitimer"):        # Windows: only the grader's own limit holds
        yield
        return

    def late(_: int, __: FrameType | None) -> None:
        raise CellTimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def said(error: BaseException) -> list[str]:
    """An error's name and message; a message that cannot be made is none."""
    try:
        return [type(error).__name__, str(error)[:LONGEST]]
    except Exception:
        return [type(error).__name__, ""]


def line_of(trace: TracebackType | None) -> int:
    """The line of the tests in which an error came up; 0 for a cell of the notebook's."""
    while trace and trace.tb_frame.f_code.co_filename != "<exam>":
        trace = trace.tb_next
    return trace.tb_lineno if trace else 0


def private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output, moved to where no child process inherits them; in their places, nothing."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    return requests, replies


def limit(file_bytes: int, processes: int) -> None:
    """No file above so many bytes, no core file, no more processes than these; 0: no limit of ours."""
    if os.name == "posix":
        import resource

        kinds = ((resource.RLIMIT_FSIZE, file_bytes), (resource.RLIMIT_NPROC, processes))
        for kind, most in (*((kind, most) for kind, most in kinds if most), (resource.RLIMIT_CORE, 0)):
            resource.setrlimit(kind, (most, most))


def main() -> None:
    parser = argparse.ArgumentParser(description="Take a notebook that a grader hands in.")
    parser.add_argument("--file-bytes", type=int, default=0)
    parser.add_argument("--processes", type=int, default=0)
    parser.add_argument("modules", nargs="*")
    given = parser.parse_args()
    limit(given.file_bytes, given.processes)
    requests, replies = private_pipes()
    desk = Desk(given.modules)

    def reply(answer: dict[str, Any]) -> None:
        replies.write(json.dumps(answer).encode() + b"\n")
        replies.flush()

    reply({"nonce": "ready", "error": None})
    os.dup2(1, 2)           # until here, what goes wrong is the grader's to read
    for line in requests:
        reply(desk.answer(json.loads(line)))


if __name__ == "__main__":
    main()
