"""Several workers: what stays together on one of them, and what begins first so that all end together."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# Two Chromiums at most: one visits every page, which takes longest, the other does all else that needs one.
PAGES, BROWSER = "tests/browser/test_pages.py", "tests/browser"
# What takes minutes; the rest follows as it is collected. Whoever waits for a limit runs beside the browser, which waits, too.
FIRST = (PAGES, "tests/test_grading.py", "tests/test_labs.py", "tests/test_build.py", BROWSER)


def group(nodeid: str) -> str:
    """What shares a worker with a test: its file, whose fixtures and kernel are made once; of the browser's folder, all but the pages."""
    file = nodeid.partition("::")[0]
    return BROWSER if file.startswith(f"{BROWSER}/") and file != PAGES else file


class Groups(LoadScopeScheduling):
    """Group after group in the order of the tests, to whichever worker has nothing left."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    config.option.loadscopereorder = False
    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests with the longest groups in front."""
    rank = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(group(item.nodeid), len(FIRST)))
