"""No chapter is run twice: where the build has just run one, nbval compares what that run has printed."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest
from jupyter_cache import get_cache
from nbformat import NotebookNode
from nbval.plugin import IPyNbFile

ROOT = Path(__file__).resolve().parents[1]


class PlayedBack:
    """nbval's kernel, played back: each cell of a finished run says once more what it has said."""

    def __init__(self, cells: Iterable[NotebookNode]) -> None:
        self.cells = iter(cells)
        self.messages: deque[dict[str, Any]] = deque()

    def execute_cell_input(self, source: str, allow_stdin: bool | None = None) -> str:
        cell = next(cell for cell in self.cells if cell.source == source)
        said = [(output.output_type, output) for output in cell.outputs]
        self.messages.extend({"msg_type": kind, "content": content, "parent_header": {"msg_id": source}}
                             for kind, content in (*said, ("status", {"execution_state": "idle"})))
        return source

    def get_message(self, stream: str, timeout: float | None = None) -> dict[str, Any]:
        return self.messages.popleft()

    def await_reply(self, msg_id: str, timeout: float | None = None) -> None:
        """Nothing to wait for."""

    def await_idle(self, msg_id: str, timeout: float) -> None:
        self.messages.clear()

    def is_alive(self) -> bool:
        return True

    def stop(self) -> None:
        """Nothing to stop."""


def finished_run(notebook: NotebookNode) -> NotebookNode | None:
    """The build's run of these code cells, with this package and these requirements; None where there is none."""
    from stopwhensure.freshness import execution_cache

    folder = execution_cache(ROOT)
    if not folder.is_dir():
        return None
    cache = get_cache(folder)
    try:
        return cache.get_cache_bundle(cache.match_cache_notebook(notebook).pk).nb
    except KeyError:
        return None


class Chapter(IPyNbFile):
    """nbval's notebook, whose kernel is a finished run where there is one."""

    def setup(self) -> None:
        ran = finished_run(self.nb)
        if ran is None:
            super().setup()
        else:
            self.kernel = PlayedBack(ran.cells)
            self.setup_sanitize_files()


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Generator[None, list[Any], list[Any]]:
    """nbval's notebooks as chapters."""
    found = yield
    return [Chapter.from_parent(parent, path=file_path) if type(one) is IPyNbFile else one for one in found]
